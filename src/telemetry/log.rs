//! Structured logs to standard error. A worker hands lines to a bounded queue and never waits for the terminal.

use std::io::{BufWriter, IsTerminal};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::{self, LogFormat};
use crate::limits::LOG_LINES_WAITING;

/// Starts logging; lines are written until the guard is dropped.
///
/// # Errors
/// If the level is no filter, or logging has been started before.
pub fn install(config: &config::Log) -> Result<WorkerGuard, String> {
    let filter =
        EnvFilter::try_new(&config.level).map_err(|error| format!("log.level: {error}"))?;
    // The writer's thread flushes when its queue is empty, so a burst of lines is one write.
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_LINES_WAITING)
        .finish(BufWriter::with_capacity(64 * 1024, std::io::stderr()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false);
    let result = match config.format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    result.map_err(|error| error.to_string())?;
    Ok(guard)
}

//! Structured logs to standard error, through the `queue`.
//!
//! Owns: format and level of the lines. Must not know: what is logged.
//!
//! BUGS: `std::process::exit` skips the drop of the [`LogHandle`] and with it the last lines.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::layer::Events;
use super::line::Form;
use super::lines::Lines;
use super::message_log::MessageLog;
use super::queue::Queue;
use super::recent::Recent;
use crate::config::{self, LogFormat, LogLevel};
use crate::failure::{Blame, Blamed};

/// How long the end waits for the last lines.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Why there is no log, or none of another level.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A thread could not be started.
    #[error("the log's thread did not start: {0}")]
    Thread(#[source] std::io::Error),
    /// There is one already.
    #[error("the log cannot be started: {0}")]
    Started(#[source] TryInitError),
    /// The logger is gone.
    #[error("the log level cannot be changed: {0}")]
    Unchanged(#[source] reload::Error),
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        match self {
            Self::Thread(_) => Blame::Machine,
            Self::Started(_) | Self::Unchanged(_) => Blame::Bug,
        }
    }
}

/// Keeps the log going: lines are written until it is dropped, and the drop waits (a second at most) for the last ones.
#[derive(Debug)]
#[must_use = "the log ends when its handle is dropped"]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    queue: Queue,
    lines: Lines,
    /// Whether messages and refusals have lines.
    messages: bool,
    recent: Recent,
}

impl LogHandle {
    /// Changes the least severe level that is written.
    ///
    /// # Errors
    /// [`Error::Unchanged`].
    pub fn set_level(&self, level: LogLevel) -> Result<(), Error> {
        let level = traced(level);
        self.filter
            .reload(filter(level))
            .map_err(Error::Unchanged)?;
        self.lines.set_level(level);
        Ok(())
    }

    /// Where the lines of messages, refusals and traces go.
    pub fn messages(&self) -> MessageLog {
        MessageLog::new(self.lines.clone(), self.messages)
    }

    /// Where a line goes that is written at once.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// The last errors and warnings.
    pub fn recent(&self) -> Recent {
        self.recent.clone()
    }

    /// Writes what waits, for a second at most; later lines are dropped. For code that ends the process without dropping this.
    pub fn finish(&self) {
        self.queue.finish(LAST_WAIT);
    }

    /// Lines that were dropped since the start because the queue was full.
    pub fn lines_dropped(&self) -> u64 {
        self.queue.lines_dropped()
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Starts logging to standard error, for the whole process.
///
/// # Errors
/// [`Error`].
pub fn install(config: &config::Log) -> Result<LogHandle, Error> {
    let stderr = std::io::stderr();
    let ansi = stderr.is_terminal();
    let (subscriber, handle) = build(config, stderr, ansi)?;
    subscriber.try_init().map_err(Error::Started)?;
    Ok(handle)
}

/// Lines that go elsewhere than the process's log, for those who drive connections themselves: as JSON, from INFO on.
///
/// # Errors
/// [`Error::Thread`].
pub fn lines_to(writer: impl Write + Send + 'static) -> Result<Lines, Error> {
    let queue = Queue::new(writer).map_err(Error::Thread)?;
    Ok(Lines::new(queue, Form::Json, Level::INFO))
}

fn build<W: Write + Send + 'static>(
    config: &config::Log,
    writer: W,
    ansi: bool,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LogHandle), Error> {
    let level = traced(config.level);
    let (filter, reload) = reload::Layer::new(filter(level));
    let queue = Queue::new(writer).map_err(Error::Thread)?;
    let form = match config.format {
        LogFormat::Json => Form::Json,
        LogFormat::Text if ansi => Form::Colours,
        LogFormat::Text => Form::Text,
    };
    let lines = Lines::new(queue.clone(), form, level);
    let events = Events(lines.clone());
    let handle = LogHandle {
        filter: reload,
        queue,
        lines,
        messages: config.messages,
        recent: Recent::default(),
    };
    let recent = handle.recent();
    let subscriber = Registry::default().with(filter).with(events).with(recent);
    Ok((subscriber, handle))
}

/// The level of tracing.
fn traced(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}

/// A filter for a level, not parsed from its name: [`EnvFilter`] would take a misspelt one for the name of a module, and log
/// nothing.
fn filter(level: Level) -> EnvFilter {
    let quiet = QUIET
        .iter()
        .map(|target| format!("{target}=off").parse().expect("a directive"));
    quiet.fold(
        EnvFilter::default().add_directive(LevelFilter::from_level(level).into()),
        EnvFilter::add_directive,
    )
}

/// Crates that log each of their pointers, steps and retries. What librdkafka itself says comes from `sink::kafka`, with the
/// target `librdkafka`; what a store of objects says is in the errors of `objects`.
/// What is wrong with a certificate is in the error that it leads to, which names the receiver.
const QUIET: [&str; 3] = ["rdkafka", "object_store", "rustls_platform_verifier"];

#[cfg(test)]
mod tests;

//! Structured logs to standard error. A worker hands lines to a bounded queue and never waits for the terminal.
//!
//! Owns: format, level and queue of the lines. Must not know: what is logged.
//!
//! Invariant: a full queue costs lines, never time; what it cost is counted ([`LogHandle::lines_dropped`]).
//!
//! BUGS: `std::process::exit` skips the drop of the [`LogHandle`] and with it the last lines. Lines that standard error
//! refuses (a closed pipe) are lost without being counted.

use std::io::{BufWriter, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{self, LogFormat};
use crate::limits::LOG_LINES_WAITING;

/// Octets that a burst of lines is gathered in before it is written.
const BURST_OCTETS: usize = 64 * 1024;

/// Keeps the log going: lines are written until it is dropped, and the drop waits (a second at most) for the last ones.
#[derive(Debug)]
#[must_use = "the log ends when its handle is dropped"]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    dropped: ErrorCounter,
    _guard: WorkerGuard,
}

impl LogHandle {
    /// Changes the least severe level that is written.
    ///
    /// # Errors
    /// If `level` is none of error, warn, info, debug and trace.
    pub fn set_level(&self, level: &str) -> Result<(), String> {
        let filter = filter(level)?;
        self.filter
            .reload(filter)
            .map_err(|error| format!("the log level cannot be changed: {error}"))
    }

    /// Lines that were dropped since the start because the queue was full.
    pub fn lines_dropped(&self) -> u64 {
        self.dropped.dropped_lines() as u64
    }
}

/// Starts logging to standard error, for the whole process.
///
/// # Errors
/// If the level is not known, or a log has been started before.
pub fn install(config: &config::Log) -> Result<LogHandle, String> {
    let (stderr, lines) = (std::io::stderr(), LOG_LINES_WAITING);
    let ansi = stderr.is_terminal();
    let (subscriber, handle) = build(config, stderr, ansi, lines)?;
    subscriber
        .try_init()
        .map_err(|error| format!("the log cannot be started: {error}"))?;
    Ok(handle)
}

fn build<W: Write + Send + 'static>(
    config: &config::Log,
    writer: W,
    ansi: bool,
    lines: usize,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LogHandle), String> {
    let (filter, reload) = reload::Layer::new(filter(&config.level)?);
    // The thread behind the queue flushes when it is empty, so a burst of lines is one write.
    let (queue, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(lines)
        .thread_name("log")
        .finish(BufWriter::with_capacity(BURST_OCTETS, writer));
    let dropped = queue.error_counter();
    let layer = fmt::layer()
        .with_writer(queue)
        .with_target(false)
        .with_ansi(ansi);
    let layer = match config.format {
        LogFormat::Text => layer.compact().boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_ansi(false).boxed(),
    };
    let handle = LogHandle {
        filter: reload,
        dropped,
        _guard: guard,
    };
    Ok((Registry::default().with(filter).with(layer), handle))
}

/// A filter for a level. [`EnvFilter`] would take a misspelt level for the name of a module, and log nothing.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let levels = [
        Level::ERROR,
        Level::WARN,
        Level::INFO,
        Level::DEBUG,
        Level::TRACE,
    ];
    levels
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(level))
        .map(|known| EnvFilter::default().add_directive(LevelFilter::from_level(known).into()))
        .ok_or_else(|| format!("log.level: {level:?} is not error, warn, info, debug or trace"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn config(level: &str, format: LogFormat) -> config::Log {
        config::Log {
            level: level.to_owned(),
            format,
            messages: true,
        }
    }

    /// What the log says when `act` logs; the drop of the handle flushes it.
    fn logged(format: LogFormat, act: impl FnOnce(&LogHandle)) -> String {
        let paper = Paper::default();
        let config = config("info", format);
        let (subscriber, handle) = build(&config, paper.clone(), false, 100).unwrap();
        tracing::subscriber::with_default(subscriber, || act(&handle));
        drop(handle);
        paper.text()
    }

    #[test]
    fn text_has_time_level_message_and_fields_but_no_target() {
        let text = logged(LogFormat::Text, |_| {
            tracing::info!(id = 7, "stored");
            tracing::debug!("hidden");
        });
        let (time, rest) = text.split_once(' ').unwrap();
        time.parse::<jiff::Timestamp>().expect(time);
        assert!(time.ends_with('Z'), "{time}");
        assert_eq!(rest.trim(), "INFO stored id=7");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(LogFormat::Json, |_| {
            tracing::warn!(id = 7, "two\nlines");
            tracing::error!("next");
        });
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (&lines[0]["level"], &lines[0]["message"], &lines[0]["id"]),
            (&"WARN".into(), &"two\nlines".into(), &7.into())
        );
        assert!(lines[0].get("target").is_none());
    }

    #[test]
    fn the_level_changes_while_it_runs_and_a_misspelt_one_does_not() {
        let text = logged(LogFormat::Text, |handle| {
            tracing::debug!("first");
            handle.set_level("debug").unwrap();
            tracing::debug!("second");
            let error = handle.set_level("infoo").unwrap_err();
            assert!(error.contains("infoo") && error.contains("info,"));
            tracing::debug!("third");
            handle.set_level("error").unwrap();
            tracing::info!("fourth");
        });
        let lines: Vec<&str> = text
            .lines()
            .map(|l| l.rsplit(' ').next().unwrap())
            .collect();
        assert_eq!(lines, ["second", "third"]);
        let wrong = config("loud", LogFormat::Text);
        assert!(build(&wrong, Paper::default(), false, 1).is_err());
    }

    /// A terminal that takes nothing until the test lets it.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            // An error says that the test has let go of it for good.
            let _ = self.0.recv();
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_terminal_costs_lines_and_not_time() {
        let (release, stuck) = channel();
        let config = config("info", LogFormat::Text);
        let (subscriber, handle) = build(&config, Stuck(stuck), false, 4).unwrap();
        // Longer than the buffer of a burst, so that the first line already is stuck in its write.
        let long = "x".repeat(BURST_OCTETS);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..20 {
                tracing::info!("{long}");
            }
        });
        // Four lines wait and one is being written, at most.
        assert!(handle.lines_dropped() >= 15, "{}", handle.lines_dropped());
        drop(release);
    }
}

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
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::message_log::MessageLog;
use super::queue::Queue;
use crate::config::{self, LogFormat};

/// How long the end waits for the last lines.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Keeps the log going: lines are written until it is dropped, and the drop waits (a second at most) for the last ones.
#[derive(Debug)]
#[must_use = "the log ends when its handle is dropped"]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    queue: Queue,
    messages: MessageLog,
}

impl LogHandle {
    /// Changes the least severe level that is written.
    ///
    /// # Errors
    /// If `level` is none of error, warn, info, debug and trace.
    pub fn set_level(&self, level: &str) -> Result<(), String> {
        let level = known(level)?;
        self.filter
            .reload(filter(level))
            .map_err(|error| format!("the log level cannot be changed: {error}"))?;
        self.messages.enable(level >= Level::INFO);
        Ok(())
    }

    /// Where the lines of messages go.
    pub fn messages(&self) -> MessageLog {
        self.messages.clone()
    }

    /// Lines that were dropped since the start because the queue was full.
    pub fn lines_dropped(&self) -> u64 {
        self.queue.lines_dropped()
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        self.queue.finish(LAST_WAIT);
    }
}

/// Starts logging to standard error, for the whole process.
///
/// # Errors
/// If the level is not known, or a log has been started before.
pub fn install(config: &config::Log) -> Result<LogHandle, String> {
    let stderr = std::io::stderr();
    let ansi = stderr.is_terminal();
    let (subscriber, handle) = build(config, stderr, ansi)?;
    subscriber
        .try_init()
        .map_err(|error| format!("the log cannot be started: {error}"))?;
    Ok(handle)
}

fn build<W: Write + Send + 'static>(
    config: &config::Log,
    writer: W,
    ansi: bool,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LogHandle), String> {
    let level = known(&config.level)?;
    let (filter, reload) = reload::Layer::new(filter(level));
    let queue =
        Queue::new(writer).map_err(|error| format!("the log's thread cannot be had: {error}"))?;
    let lines = queue.clone();
    let layer = fmt::layer()
        .with_writer(move || lines.clone())
        .with_target(false)
        .with_ansi(ansi);
    let layer = match config.format {
        LogFormat::Text => layer.compact().boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_ansi(false).boxed(),
    };
    let messages = MessageLog::new(queue.clone(), config.format, ansi, level >= Level::INFO);
    let handle = LogHandle {
        filter: reload,
        queue,
        messages,
    };
    Ok((Registry::default().with(filter).with(layer), handle))
}

/// The level of this name.
fn known(level: &str) -> Result<Level, String> {
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
        .ok_or_else(|| format!("log.level: {level:?} is not error, warn, info, debug or trace"))
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

/// Crates that log each of their own pointers and steps. What librdkafka itself says comes from `sink::librdkafka`, with the
/// target `librdkafka`.
const QUIET: [&str; 1] = ["rdkafka"];

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::mail::envelope::{Client, Envelope};
    use crate::mail::id::Generator;
    use crate::smtp::address::mailbox;
    use crate::smtp::parameter::Body;
    use crate::telemetry::message_log::{Gathered, Line};

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
        logged_with(format, false, act)
    }

    fn logged_with(format: LogFormat, ansi: bool, act: impl FnOnce(&LogHandle)) -> String {
        let paper = Paper::default();
        let config = config("info", format);
        let (subscriber, handle) = build(&config, paper.clone(), ansi).unwrap();
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
        assert!(build(&wrong, Paper::default(), false).is_err());
    }

    #[test]
    fn the_kafka_client_is_heard_and_the_crate_around_it_is_not() {
        let text = logged(LogFormat::Text, |handle| {
            handle.set_level("trace").unwrap();
            tracing::trace!(target: "rdkafka::util", "first");
            tracing::error!(target: "rdkafka::client", "second");
            tracing::debug!(target: "librdkafka", "third");
        });
        assert!(
            text.contains("third") && text.lines().count() == 1,
            "{text}"
        );
    }

    /// What both ways of logging make of the same message, without their times.
    fn both(format: LogFormat, ansi: bool, line: Line<'_>) -> [String; 2] {
        let mut lines = logged_with(format, ansi, |handle| {
            let envelope = line.envelope;
            tracing::info!(
                id = %line.id,
                client = envelope.client.text(),
                helo = envelope.helo,
                from = envelope.reverse_path,
                to = envelope.first_recipient(),
                recipients = envelope.recipients.len(),
                size = line.size,
                outcome = line.outcome,
                milliseconds = line.took.as_secs_f64() * 1e3,
                "message"
            );
            let mut gathered = Gathered::default();
            let messages = handle.messages();
            assert!(messages.add(&mut gathered, line), "the first that waits");
            messages.hand_over(&mut gathered);
        });
        assert_eq!(lines.pop(), Some('\n'), "{lines}");
        let lines: Vec<&str> = lines.split('\n').collect();
        let [first, second] = *lines else {
            panic!("two lines: {lines:?}")
        };
        [first, second].map(|line| {
            let at = line.find("20").expect("a year");
            let end = at + line[at..].find('Z').expect("the end of the time");
            line[..at].to_owned() + &line[end..]
        })
    }

    #[test]
    fn the_line_of_a_message_is_what_tracing_would_make_of_it() {
        let client = Client::new("192.0.2.1:4711".parse().unwrap());
        let recipients =
            ["first@example.net", "b@example.net"].map(|text| mailbox(text.as_bytes()).unwrap());
        for (helo, reverse_path) in [
            ("mx.example.com", "sender@example.com"),
            ("[192.0.2.1]", ""),
            ("mx.example.com", "\"quoted \\\" local\"@example.com"),
            ("mx.example.com", "m\u{fc}ller@b\u{fc}cher.example"),
        ] {
            let envelope = Envelope {
                reverse_path,
                recipients: &recipients,
                helo,
                client: &client,
                protocol: "ESMTP",
                tls: None,
                body: Body::default(),
                smtputf8: false,
            };
            let line = Line {
                time: "2026-01-01T00:00:00.000Z",
                id: Generator::new(7).next(1_767_225_600_000),
                envelope: &envelope,
                size: 4096,
                outcome: "stored",
                took: Duration::from_micros(1125),
            };
            for (format, ansi) in [
                (LogFormat::Text, false),
                (LogFormat::Text, true),
                (LogFormat::Json, false),
            ] {
                let [of_tracing, ours] = both(format, ansi, line);
                assert_eq!(ours, of_tracing);
            }
        }
    }

    #[test]
    fn the_lines_of_messages_follow_the_level() {
        let (level, client) = ("warn", Client::new("192.0.2.1:4711".parse().unwrap()));
        let envelope = Envelope {
            reverse_path: "",
            recipients: &[],
            helo: "a",
            client: &client,
            protocol: "SMTP",
            tls: None,
            body: Body::default(),
            smtputf8: false,
        };
        let line = Line {
            time: "2026-01-01T00:00:00.000Z",
            id: Generator::new(7).next(1),
            envelope: &envelope,
            size: 1,
            outcome: "stored",
            took: Duration::ZERO,
        };
        let text = logged(LogFormat::Text, |handle| {
            let (messages, mut gathered) = (handle.messages(), Gathered::default());
            handle.set_level(level).unwrap();
            assert!(!messages.add(&mut gathered, line));
            handle.set_level("debug").unwrap();
            assert!(messages.add(&mut gathered, line) && !messages.add(&mut gathered, line));
            messages.hand_over(&mut gathered);
        });
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}

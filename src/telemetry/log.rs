//! Structured logs to standard error, through the `queue`.
//!
//! Owns: format and level of the lines. Must not know: what is logged.
//!
//! BUGS: `std::process::exit` skips the drop of the [`LogHandle`] and with it the last lines.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::message_log::MessageLog;
use super::queue::Queue;
use crate::config::{self, LogFormat, LogLevel};
use crate::failure::{Blame, Blamed};
use crate::mail::date::Dates;

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
    messages: MessageLog,
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
        self.messages.enable(level >= Level::INFO);
        Ok(())
    }

    /// Where the lines of messages go.
    pub fn messages(&self) -> MessageLog {
        self.messages.clone()
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

fn build<W: Write + Send + 'static>(
    config: &config::Log,
    writer: W,
    ansi: bool,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LogHandle), Error> {
    let level = traced(config.level);
    let (filter, reload) = reload::Layer::new(filter(level));
    let queue = Queue::new(writer).map_err(Error::Thread)?;
    let lines = queue.clone();
    let layer = fmt::layer()
        .with_timer(Milliseconds)
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

/// The time as the lines of messages have it: RFC 3339, UTC, three decimals.
struct Milliseconds;

impl FormatTime for Milliseconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let now = Dates::default().rfc3339(jiff::Timestamp::now());
        writer.write_str(std::str::from_utf8(&now).expect("a date is ASCII"))
    }
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
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::limits::{FLOOD_LINES, FLOOD_MILLISECONDS, RECIPIENTS_TOLD};
    use crate::mail::date::RFC3339_LENGTH;
    use crate::mail::envelope::{Client, Envelope};
    use crate::mail::id::Generator;
    use crate::smtp::address::{Mailbox, mailbox};
    use crate::smtp::parameter::Body;
    use crate::smtp::refusal::Refusal;
    use crate::smtp::session::About;
    use crate::telemetry::message_log::{Gathered, Line, RefusedLine, Why};

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

    fn config(level: LogLevel, format: LogFormat) -> config::Log {
        config::Log {
            level,
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
        let config = config(LogLevel::Info, format);
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
        // As the lines of messages have it: three decimals.
        assert_eq!(time.len(), RFC3339_LENGTH, "{time}");
        assert!(time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
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
    fn the_level_changes_while_it_runs() {
        let text = logged(LogFormat::Text, |handle| {
            tracing::debug!("first");
            handle.set_level(LogLevel::Debug).unwrap();
            tracing::debug!("second");
            tracing::debug!("third");
            handle.set_level(LogLevel::Error).unwrap();
            tracing::info!("fourth");
        });
        let lines: Vec<&str> = text
            .lines()
            .map(|l| l.rsplit(' ').next().unwrap())
            .collect();
        assert_eq!(lines, ["second", "third"]);
    }

    #[test]
    fn the_kafka_client_is_heard_and_the_crate_around_it_is_not() {
        let text = logged(LogFormat::Text, |handle| {
            handle.set_level(LogLevel::Trace).unwrap();
            tracing::trace!(target: "rdkafka::util", "first");
            tracing::error!(target: "rdkafka::client", "second");
            tracing::debug!(target: "librdkafka", "third");
            tracing::error!(target: "rustls_platform_verifier::verification::others", "fourth");
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
            let to: Vec<&str> = envelope.recipients.iter().map(Mailbox::as_str).collect();
            tracing::info!(
                id = %line.id,
                client = envelope.client.text(),
                helo = envelope.helo,
                tls = envelope.tls.unwrap_or("none"),
                from = envelope.reverse_path,
                to = ?to,
                recipients = envelope.recipients.len(),
                size = line.size,
                outcome = "stored",
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
        for (helo, reverse_path, tls) in [
            ("mx.example.com", "sender@example.com", None),
            ("[192.0.2.1]", "", Some("TLSv1.3 TLS13_AES_256_GCM_SHA384")),
            ("mx.example.com", "\"quoted \\\" local\"@example.com", None),
            ("mx.example.com", "m\u{fc}ller@b\u{fc}cher.example", None),
        ] {
            let envelope = Envelope {
                reverse_path,
                recipients: &recipients,
                helo,
                client: &client,
                protocol: "ESMTP",
                tls,
                body: Body::default(),
                smtputf8: false,
            };
            let line = Line {
                time: "2026-01-01T00:00:00.000Z",
                id: Generator::new(7).next(1_767_225_600_000),
                envelope: &envelope,
                size: 4096,
                outcome: Ok(()),
                took: Duration::from_micros(1125),
            };
            for (format, ansi) in [
                (LogFormat::Text, false),
                (LogFormat::Text, true),
                (LogFormat::Json, false),
            ] {
                let [of_tracing, ours] = both(format, ansi, line);
                // JSON has a list where tracing has the text of one.
                let listed = of_tracing.replace(
                    r#""to":"[\"first@example.net\", \"b@example.net\"]""#,
                    r#""to":["first@example.net","b@example.net"]"#,
                );
                assert_eq!(listed != of_tracing, format == LogFormat::Json);
                assert_eq!(ours, listed);
            }
        }
    }

    #[test]
    fn the_lines_of_messages_follow_the_level() {
        let (level, client) = (
            LogLevel::Warn,
            Client::new("192.0.2.1:4711".parse().unwrap()),
        );
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
            outcome: Ok(()),
            took: Duration::ZERO,
        };
        let text = logged(LogFormat::Text, |handle| {
            let (messages, mut gathered) = (handle.messages(), Gathered::default());
            handle.set_level(level).unwrap();
            assert!(!messages.add(&mut gathered, line));
            handle.set_level(LogLevel::Debug).unwrap();
            assert!(messages.add(&mut gathered, line) && !messages.add(&mut gathered, line));
            messages.hand_over(&mut gathered);
        });
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    const TIME: &str = "2026-01-01T00:00:00.000Z";

    #[test]
    fn a_message_names_its_first_recipients_what_became_of_it_and_the_reply() {
        let client = Client::new("192.0.2.1:4711".parse().unwrap());
        let recipients: Vec<Mailbox> = (0..RECIPIENTS_TOLD + 2)
            .map(|number| mailbox(format!("r{number}@example.net").as_bytes()).unwrap())
            .collect();
        let envelope = Envelope {
            reverse_path: "",
            recipients: &recipients,
            helo: "a",
            client: &client,
            protocol: "SMTP",
            tls: None,
            body: Body::default(),
            smtputf8: false,
        };
        let line = |outcome| Line {
            time: TIME,
            id: Generator::new(7).next(1),
            envelope: &envelope,
            size: 1,
            outcome,
            took: Duration::from_micros(1500),
        };
        let text = logged(LogFormat::Json, |handle| {
            let (messages, mut gathered) = (handle.messages(), Gathered::default());
            messages.add(&mut gathered, line(Err(Refusal::StorageTimedOut)));
            messages.hand_over(&mut gathered);
            let discarding = messages.discarding();
            discarding.add(&mut gathered, line(Ok(())));
            discarding.hand_over(&mut gathered);
        });
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        let told: Vec<String> = (0..RECIPIENTS_TOLD)
            .map(|number| format!("r{number}@example.net"))
            .collect();
        assert_eq!(lines[0]["to"], serde_json::json!(told));
        assert_eq!(lines[0]["recipients"], RECIPIENTS_TOLD + 2);
        assert_eq!(lines[0]["outcome"], "kafka_timed_out");
        assert_eq!(
            lines[0]["reply"],
            "451 4.4.7 The message could not be stored in time; try again later"
        );
        assert_eq!(lines[0]["milliseconds"], 1.5);
        assert_eq!(lines[1]["outcome"], "discarded");
        assert!(lines[1].get("reply").is_none());
    }

    /// The lines of refusals, each like the others but for its time.
    fn refused(format: LogFormat, count: u32, lines: &[RefusedLine<'_>]) -> String {
        let start = std::time::Instant::now();
        logged(format, |handle| {
            let (messages, mut gathered) = (handle.messages(), Gathered::default());
            for _ in 0..count {
                for line in lines {
                    if messages.writes(&mut gathered, line.why, line.client.ip(), start) {
                        messages.add_refused(&mut gathered, TIME, *line);
                    }
                }
            }
            let later = start + Duration::from_millis(FLOOD_MILLISECONDS);
            messages.end_floods(&mut gathered, later, false, || TIME.to_owned());
            messages.hand_over(&mut gathered);
        })
    }

    #[test]
    fn a_refusal_says_who_what_and_why_and_a_flood_how_many() {
        let client = Client::new("192.0.2.1:4711".parse().unwrap());
        let about = About {
            helo: Some("mx.client.example".into()),
            reverse_path: Some(String::new()),
            recipients: vec!["b@example.net".to_owned()],
            count: 1,
            size: Some(7),
            command: Some("RCPT TO:<b@example.net>".to_owned()),
        };
        let full = RefusedLine {
            why: Why::Refused(Refusal::UnknownRecipient),
            client: &client,
            tls: Some("TLSv1.3 TLS13_AES_256_GCM_SHA384"),
            about: &about,
            error: None,
        };
        let nothing = About::default();
        let bare = RefusedLine {
            why: Why::Unanswered("tls_handshake_failed"),
            tls: None,
            about: &nothing,
            error: Some("protocol: no TLS"),
            ..full
        };
        let text = refused(LogFormat::Text, 1, &[full, bare]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "2026-01-01T00:00:00.000Z  INFO refused client=\"192.0.2.1:4711\" helo=\"mx.client.example\" \
             tls=\"TLSv1.3 TLS13_AES_256_GCM_SHA384\" from=\"\" to=[\"b@example.net\"] recipients=1 size=7 \
             command=\"RCPT TO:<b@example.net>\" reply=\"550 5.1.1 No such recipient here\" \
             reason=\"unknown_recipient\""
        );
        assert_eq!(
            lines[1],
            "2026-01-01T00:00:00.000Z  INFO refused client=\"192.0.2.1:4711\" tls=\"none\" \
             reason=\"tls_handshake_failed\" error=\"protocol: no TLS\""
        );
        let text = refused(LogFormat::Json, FLOOD_LINES + 7, &[full]);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        assert_eq!(lines.len(), FLOOD_LINES as usize + 1);
        let last = lines.last().unwrap();
        assert_eq!(last["message"], "7 more refused in the last 10 seconds");
        assert_eq!(last["network"], "192.0.2.0/24");
        assert_eq!(last["reason"], "unknown_recipient");
        assert_eq!((&last["count"], &last["seconds"]), (&7.into(), &10.into()));
    }

    #[test]
    fn refusals_follow_the_level() {
        let client = Client::new("192.0.2.1:4711".parse().unwrap());
        let text = logged(LogFormat::Text, |handle| {
            let (messages, mut gathered) = (handle.messages(), Gathered::default());
            handle.set_level(LogLevel::Warn).unwrap();
            let (why, now) = (Why::Gone("error"), std::time::Instant::now());
            for _ in 0..100 {
                assert!(!messages.writes(&mut gathered, why, client.ip(), now));
            }
            messages.end_floods(&mut gathered, now, true, || TIME.to_owned());
            messages.hand_over(&mut gathered);
        });
        assert_eq!(text, "");
    }
}

//! The log as a whole: what it writes in each form, and which levels.

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
use crate::telemetry::message_log::{Gathered, Line, Phases, RefusedLine, Why};

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
        trace_networks: Vec::new(),
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

/// Times that a message may have.
fn phases(outcome: Duration) -> Phases {
    Phases {
        envelope: Duration::from_micros(41_880),
        data: Duration::from_millis(38),
        kafka: Some(outcome),
        outcome,
        ..Phases::default()
    }
}

/// The line of this message, in this form.
fn message(format: LogFormat, line: Line<'_>) -> String {
    logged(format, |handle| {
        let (messages, mut gathered) = (handle.messages(), Gathered::default());
        assert!(messages.add(&mut gathered, line), "the first that waits");
        messages.hand_over(&mut gathered);
    })
}

#[test]
fn text_and_json_have_the_same_fields_in_the_same_order() {
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
            time: TIME,
            id: Generator::new(7).next(1_767_225_600_000),
            envelope: &envelope,
            size: 4096,
            outcome: Ok(()),
            phases: Phases {
                tls: tls.map(|_| Duration::from_micros(3_207)),
                room: Duration::from_micros(1),
                object: Some(Duration::ZERO),
                ..phases(Duration::from_micros(1125))
            },
        };
        let text = message(LogFormat::Text, line);
        let raw = message(LogFormat::Json, line);
        let json: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&raw).unwrap();
        let mut fields: Vec<_> = json.iter().collect();
        fields.sort_by_key(|(name, _)| raw.find(&format!("\"{name}\":")));
        let start = format!("{TIME}  INFO message id={} ", line.id);
        assert!(text.starts_with(&start), "{text}");
        let mut rest = &text[start.len() - 1..];
        for (name, value) in fields.into_iter().skip(4) {
            let written = match value {
                serde_json::Value::String(text) => format!(" {name}={text:?}"),
                serde_json::Value::Array(_) => {
                    format!(" {name}=[\"first@example.net\", \"b@example.net\"]")
                }
                // Three decimals, of which JSON's reader drops zeros.
                number => format!(" {name}={number}"),
            };
            rest = rest
                .strip_prefix(&written)
                .unwrap_or_else(|| panic!("{written} in {rest}"));
            rest = rest.trim_start_matches(|character| matches!(character, '0'..='9' | '.'));
        }
        assert_eq!(rest, "\n", "nothing more");
        assert_eq!(json["total_milliseconds"], 81.006);
        assert_eq!(json.contains_key("tls_milliseconds"), tls.is_some());
    }
}

#[test]
fn what_comes_through_tracing_looks_the_same_and_stays_one_line() {
    let say = || {
        let error = std::io::Error::other("no\x1b[2J \"room\"");
        tracing::error!(
            %error,
            size = 7_u64,
            negative = -1,
            seconds = 1.5,
            endless = f64::NAN,
            is = true,
            absent = None::<u16>,
            code = Some(550_u16),
            "one\ntwo \"three\" \x1b[31m{}",
            '\u{202e}'
        );
    };
    let text = logged(LogFormat::Text, |_| say());
    assert_eq!(
        text.split_once(' ').unwrap().1,
        "ERROR one\\ntwo \"three\" \\u{1b}[31m\\u{202e} error=\"no\\u{1b}[2J \\\"room\\\"\" size=7 negative=-1 \
         seconds=1.5 endless=\"NaN\" is=true code=550\n"
    );
    let json = logged(LogFormat::Json, |_| say());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["message"], "one\ntwo \"three\" \u{1b}[31m\u{202e}");
    assert_eq!(json["error"], "no\u{1b}[2J \"room\"");
    assert_eq!((&json["size"], &json["is"]), (&7.into(), &true.into()));
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
        phases: phases(Duration::ZERO),
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
        phases: phases(Duration::from_micros(1500)),
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

//! Mail posted to an application: what it gets, and what its answers mean.
//!
//! The receivers are servers of the test: axum where HTTP goes as it should, sockets where it does not.

#[path = "webhook/end_to_end.rs"]
mod end_to_end;
#[path = "webhook/receiver.rs"]
mod receiver;
mod support;

use std::sync::Arc;
use std::time::Duration;

use receiver::{Raw, Receiver, Reply};
use ringpost::consume::received::Received;
use ringpost::forward::delivery::{Answer, Delivery, Verdict};
use ringpost::forward::http::fields::Fields;
use ringpost::forward::http::place::Place;
use ringpost::forward::http::settings::{Authorities, Settings};
use ringpost::forward::http::signature::Secrets;
use ringpost::forward::http::webhook::Webhook;
use support::tools;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The secret of the specification's own tests.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn settings(place: &str) -> Settings {
    Settings {
        place: Place::parse(place).unwrap(),
        secrets: Secrets::default(),
        fields: Fields::default(),
        authorities: Authorities::System,
        timeout: PATIENCE,
    }
}

fn webhook(place: &str) -> Webhook {
    Webhook::new(settings(place)).unwrap()
}

/// A mail with an odd envelope.
fn delivery(message: &[u8]) -> Delivery {
    let headers = [
        ("content-type", "message/global"),
        ("ce_specversion", "1.0"),
        ("ce_id", "01M8G26T9MWMDJH9X80000000T"),
        ("ce_source", "//mx.example"),
        ("ce_type", "io.ringpost.mail.received.v1"),
        ("ce_time", "2026-11-28T03:12:01.123Z"),
        ("ce_smtpfrom", ""),
        (
            "ce_smtpto",
            r#"["jörg@bücher.example","\"a \\\"b\\\" 100%\"@mx.example","c@mx.example"]"#,
        ),
        ("ce_smtphelo", "My Printer [\u{1f600}]"),
        ("ce_smtpclient", "[2001:db8::1]:4711"),
        ("ce_smtptls", "TLSv1.3 TLS13_AES_256_GCM_SHA384"),
        ("x-other", "of another program"),
    ];
    let header = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
    let record = Received {
        topic: "mail".to_owned(),
        headers: headers.map(header).to_vec(),
        value: message.to_vec(),
        ..Received::default()
    };
    let recipients = record.attributes().rcpt_to.unwrap();
    Delivery {
        record: Arc::new(record),
        sender: String::new(),
        recipients,
    }
}

/// The one verdict of all recipients.
async fn verdict(webhook: &Webhook, delivery: &Delivery) -> Verdict {
    let verdicts = webhook.deliver(delivery).await;
    assert_eq!(verdicts.len(), delivery.recipients.len());
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]));
    verdicts.into_iter().next().unwrap()
}

async fn later(webhook: &Webhook) -> Answer {
    match verdict(webhook, &delivery(b"Subject: x\r\n\r\n")).await {
        Verdict::Later { answer, not_before } => {
            assert_eq!(not_before, None);
            answer
        }
        other => panic!("{other:?}"),
    }
}

async fn refused(webhook: &Webhook) -> Answer {
    match verdict(webhook, &delivery(b"Subject: x\r\n\r\n")).await {
        Verdict::Refused(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_a_cloud_event_byte_for_byte() {
    let receiver = Receiver::start(Reply::status(204)).await;
    let webhook = webhook(&format!("{}/in?queue=a%20b", receiver.url));
    let message: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    for message in [&message[..], b"", b"Subject: x\r\n\r\n.\r\n"] {
        let mut delivery = delivery(message);
        assert_eq!(verdict(&webhook, &delivery).await, Verdict::Accepted);
        delivery.recipients.remove(0);
        assert_eq!(verdict(&webhook, &delivery).await, Verdict::Accepted);
        for recipients in [
            "[%22j%C3%B6rg@b%C3%BCcher.example%22,%22\\%22a%20\\\\\\%22b\\\\\\%22%20100%25\\%22@mx.example%22,%22c@mx.example%22]",
            "[%22\\%22a%20\\\\\\%22b\\\\\\%22%20100%25\\%22@mx.example%22,%22c@mx.example%22]",
        ] {
            let post = receiver.next().await;
            assert_eq!(post.target, "/in?queue=a%20b");
            assert!(post.body == message, "{} bytes", post.body.len());
            let host = receiver.url.strip_prefix("http://").unwrap();
            assert_eq!(
                post.fields,
                [
                    ("accept", "*/*"),
                    ("ce-id", "01M8G26T9MWMDJH9X80000000T"),
                    ("ce-smtpclient", "[2001:db8::1]:4711"),
                    ("ce-smtpfrom", ""),
                    ("ce-smtphelo", "My%20Printer%20[%F0%9F%98%80]"),
                    ("ce-smtptls", "TLSv1.3%20TLS13_AES_256_GCM_SHA384"),
                    ("ce-smtpto", recipients),
                    ("ce-source", "//mx.example"),
                    ("ce-specversion", "1.0"),
                    ("ce-time", "2026-11-28T03:12:01.123Z"),
                    ("ce-type", "io.ringpost.mail.received.v1"),
                    ("content-length", &message.len().to_string()),
                    ("content-type", "message/global"),
                    ("host", host),
                    (
                        "user-agent",
                        concat!("ringpost/", env!("CARGO_PKG_VERSION"))
                    ),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
            );
        }
    }
    assert_eq!(receiver.connections(), 1, "the connection is used again");
    assert_eq!(webhook.opened(), 1, "as the metric counts them");
}

#[tokio::test]
async fn every_secret_signs_and_fields_of_the_operator_are_added() {
    let receiver = Receiver::start(Reply::status(200)).await;
    let webhook = Webhook::new(Settings {
        secrets: Secrets::parse(&format!("{OTHER_SECRET} {SECRET}")).unwrap(),
        fields: Fields::parse("authorization: Bearer hunter2\nuser-agent: mine").unwrap(),
        ..settings(&receiver.url)
    })
    .unwrap();
    let message = b"Subject: x\r\n\r\n\xff";
    assert_eq!(
        verdict(&webhook, &delivery(message)).await,
        Verdict::Accepted
    );
    let post = receiver.next().await;
    assert_eq!(post.field("authorization"), "Bearer hunter2");
    assert_eq!(post.field("user-agent"), "mine");
    let id = post.field("webhook-id");
    assert_eq!(id, post.field("ce-id"));
    let seconds: i64 = post.field("webhook-timestamp").parse().unwrap();
    let now = jiff::Timestamp::now().as_second();
    assert!((now - 300..=now).contains(&seconds), "{seconds}");
    let signatures = post.field("webhook-signature").split(' ');
    let expected = [OTHER_SECRET, SECRET].map(|secret| {
        let secrets = Secrets::parse(secret).unwrap();
        secrets.sign(id, seconds, message)
    });
    assert!(signatures.eq(expected.iter().map(String::as_str)));
    let shown = format!("{webhook:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn the_status_decides() {
    for (status, retry_after, expected) in [
        (200, None, "accepted"),
        (202, Some("9"), "accepted"),
        (204, None, "accepted"),
        (
            301,
            None,
            "refused 301 Moved Permanently: redirects are not followed: said",
        ),
        (
            304,
            None,
            "refused 304 Not Modified: redirects are not followed",
        ),
        (400, Some("9"), "refused 400 Bad Request: said"),
        (401, None, "refused 401 Unauthorized: said"),
        (404, None, "refused 404 Not Found: said"),
        (408, None, "later 408 Request Timeout: said"),
        (410, None, "refused 410 Gone: said"),
        (413, None, "refused 413 Payload Too Large: said"),
        (425, None, "later 425 Too Early: said"),
        (
            429,
            Some("9"),
            "later 429 Too Many Requests: said; after 9s",
        ),
        (
            431,
            None,
            "refused 431 Request Header Fields Too Large: said",
        ),
        (500, None, "later 500 Internal Server Error: said"),
        (
            503,
            Some("86400"),
            "later 503 Service Unavailable: said; after 3600s",
        ),
        (503, Some("never"), "later 503 Service Unavailable: said"),
        (600, None, "later 600 said"),
    ] {
        let mut reply = Reply::status(status).with_body("said");
        if let Some(value) = retry_after {
            reply = reply.with_field("retry-after", value);
        }
        let receiver = Receiver::start(reply).await;
        let found = verdict(&webhook(&receiver.url), &delivery(b"x")).await;
        let answered = |answer: Answer| format!("{} {}", answer.code.unwrap(), answer.text);
        let found = match found {
            Verdict::Accepted => "accepted".to_owned(),
            Verdict::Refused(answer) => format!("refused {}", answered(answer)),
            Verdict::Later { answer, not_before } => {
                let wait = not_before.map(|wait| format!("; after {wait:?}"));
                format!("later {}{}", answered(answer), wait.unwrap_or_default())
            }
        };
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_date_in_retry_after_is_a_wait() {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1_000);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .unwrap();
    let reply = Reply::status(503).with_field("retry-after", &date);
    let receiver = Receiver::start(reply).await;
    let verdict = verdict(&webhook(&receiver.url), &delivery(b"x")).await;
    let Verdict::Later { not_before, .. } = verdict else {
        panic!("{verdict:?}");
    };
    let wait = not_before.expect("the date is read").as_secs();
    assert!((1..=1_000).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let elsewhere = Receiver::start(Reply::status(200)).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/new?key=hunter2", elsewhere.url);
        let receiver =
            Receiver::start(Reply::status(status).with_field("location", &location)).await;
        let answer = refused(&webhook(&receiver.url)).await;
        assert_eq!(answer.code, Some(status));
        let named = format!("to {}/new, and redirects are not followed", elsewhere.url);
        assert!(answer.text.ends_with(&named), "{}", answer.text);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn what_an_application_repeats_is_one_bounded_line_without_secrets() {
    let body = format!(
        "Bearer hunter2\r\n\r\nkey=hunter3\u{1b}[2J{}",
        "x".repeat(1_000_000)
    );
    let receiver = Receiver::start(Reply::status(400).with_body(&body)).await;
    let webhook = Webhook::new(Settings {
        fields: Fields::parse("authorization: Bearer hunter2").unwrap(),
        ..settings(&format!("{}/?key=hunter3", receiver.url))
    })
    .unwrap();
    let answer = refused(&webhook).await;
    let start = "Bad Request: … …\\u{1b}[2Jxxx";
    assert!(answer.text.starts_with(start), "{}", answer.text);
    assert!(answer.text.len() < 500 && answer.text.ends_with("x…"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_from_its_status_on() {
    for (answer, accepted) in [
        ("", false),
        ("HTTP/1.1 20", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx",
            true,
        ),
        ("HTTP/1.1 100 Continue\r\n\r\n", false),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\n\r\n", true),
        ("HTTP/0.9", false),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", false),
        ("220 mx.example ESMTP\r\n", false),
    ] {
        let raw = Raw::answering(answer.as_bytes().to_vec()).await;
        let found = verdict(&webhook(&raw.url), &delivery(b"x")).await;
        match found {
            Verdict::Accepted => assert!(accepted, "{answer:?}"),
            Verdict::Later { answer: said, .. } => {
                assert!(!accepted, "{answer:?}");
                assert_eq!(said.code, None);
                assert!(said.text.starts_with("no answer: "), "{}", said.text);
                let hint = "; if this port speaks TLS, write https://";
                assert!(said.text.ends_with(hint), "{}", said.text);
            }
            Verdict::Refused(said) => panic!("{answer:?}: {said:?}"),
        }
    }
}

#[tokio::test]
async fn an_endless_answer_is_left() {
    let body = Raw::endless("HTTP/1.1 400 Bad Request\r\n\r\n", "no ").await;
    let answer = refused(&webhook(&body.url)).await;
    assert!(
        answer.text.starts_with("Bad Request: no no no "),
        "{}",
        answer.text
    );
    let slow = Raw::silent_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await;
    let found = verdict(&webhook(&slow.url), &delivery(b"x")).await;
    assert_eq!(found, Verdict::Accepted);
    let head = Raw::endless("HTTP/1.1 200 OK\r\n", "x: y\r\n").await;
    let answer = later(&webhook(&head.url)).await;
    assert_eq!(answer.code, None);
}

#[tokio::test]
async fn an_early_answer_counts_while_the_message_is_still_sent() {
    let raw =
        Raw::refusing_early("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n").await;
    let large = delivery(&vec![b'x'; 32 << 20]);
    let found = verdict(&webhook(&raw.url), &large).await;
    assert!(
        matches!(&found, Verdict::Refused(answer) if answer.code == Some(413)),
        "{found:?}"
    );
}

#[tokio::test]
async fn no_answer_is_later() {
    let raw = Raw::silent_after("").await;
    let hasty = Webhook::new(Settings {
        timeout: Duration::from_millis(200),
        ..settings(&raw.url)
    })
    .unwrap();
    assert_eq!(later(&hasty).await.text, "no answer within 0.2 s");
    let closed = Raw::port_of_nobody();
    let answer = later(&webhook(&closed)).await;
    assert!(
        answer.text.starts_with("no connection: "),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("refused"), "{}", answer.text);
    let unknown = webhook("http://mail.invalid/?key=hunter2");
    let answer = later(&unknown).await;
    assert!(
        answer.text.starts_with("no connection: "),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("hunter2"), "{}", answer.text);
}

#[tokio::test]
async fn a_certificate_is_always_checked() {
    let (receiver, pem) = Receiver::start_tls("localhost", Reply::status(200)).await;
    let port = receiver.port;
    let with_ca = |url: &str| {
        let authorities = Authorities::of_pem(pem.as_bytes()).unwrap();
        let settings = Settings {
            authorities,
            ..settings(url)
        };
        Webhook::new(settings).unwrap()
    };
    let right = with_ca(&format!("https://localhost:{port}/"));
    let found = verdict(&right, &delivery(b"x")).await;
    assert_eq!(found, Verdict::Accepted);
    assert_eq!(receiver.next().await.body, b"x");
    let other_name = with_ca(&format!("https://127.0.0.1:{port}/"));
    let answer = later(&other_name).await;
    assert!(answer.text.contains("certificate"), "{}", answer.text);
    let raw = Raw::greeting("220 mx.example ESMTP\r\n").await;
    let in_clear = with_ca(&raw.url.replace("http:", "https:"));
    let answer = later(&in_clear).await;
    assert!(
        answer.text.starts_with("no connection: "),
        "{}",
        answer.text
    );
    let hint = "; this port does not seem to speak TLS: then write http://";
    assert!(answer.text.ends_with(hint), "{}", answer.text);
    // Only a machine without any authority cannot even ask.
    if let Ok(webhook) = Webhook::new(settings(&format!("https://localhost:{port}/"))) {
        let answer = later(&webhook).await;
        assert!(answer.text.contains("certificate"), "{}", answer.text);
    }
}

#[tokio::test]
async fn the_programs_of_the_page_verify_what_is_posted() {
    let receiver = Receiver::start(Reply::status(200)).await;
    let secrets = Secrets::parse(&format!("{OTHER_SECRET} {SECRET}")).unwrap();
    let webhook = Webhook::new(Settings {
        secrets,
        ..settings(&receiver.url)
    })
    .unwrap();
    let message = b"Subject: \xff\r\n\r\nx.1.y\r\n";
    verdict(&webhook, &delivery(message)).await;
    let post = receiver.next().await;
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    std::fs::write(&body, &post.body).unwrap();
    for program in receiver::programs() {
        let Some(tool) = tools::find_or_say(program.tool) else {
            continue;
        };
        let run = program.prepare(&tool, folder.path());
        let verdict_with = |secret: &str, fields: [&str; 3]| {
            let mut command = std::process::Command::new(&run[0]);
            command.args(&run[1..]).args(fields).arg(&body).arg(secret);
            let output = tools::run(&mut command, b"");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let (id, seconds) = (post.field("webhook-id"), post.field("webhook-timestamp"));
        let signature = post.field("webhook-signature");
        let unknown = "whsec_//////////////////////////////////////////8=";
        for (secret, fields, expected) in [
            (SECRET, [id, seconds, signature], "true"),
            (OTHER_SECRET, [id, seconds, signature], "true"),
            (unknown, [id, seconds, signature], "false"),
            (
                SECRET,
                ["01M8G26T9MWMDJH9X80000000U", seconds, signature],
                "false",
            ),
            (SECRET, [id, "1614265330", signature], "false"),
            (SECRET, [id, "soon", signature], "false"),
            (SECRET, [id, seconds, "v1,"], "false"),
        ] {
            let found = verdict_with(secret, fields);
            assert_eq!(found, expected, "{}: {secret} {fields:?}", program.file);
        }
    }
}

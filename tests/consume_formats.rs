//! The formats of `consume` against random records: what a record holds comes back through each form, and a foreign record
//! cannot break one. Inputs, corpus and harness are those of the fuzz targets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringpost::consume::format;
use ringpost::consume::received::Received;
use ringpost_fuzz::harness::{Range, run};
use ringpost_fuzz::mutate::Corpus;
use ringpost_fuzz::random::Random;
use ringpost_fuzz::sample::{Sample, split};
use ringpost_fuzz::targets::{self, Target};
use ringpost_proto::smtp::address::Mailbox;
use serde_json::Value;

const TARGET: Target = Target {
    name: "formats",
    corpus,
    check,
};

/// The corpus of the records.
fn corpus() -> Corpus {
    (targets::named("record").expect("a target").corpus)()
}

/// Twenty thousand, or as many as RINGPOST_EXECUTIONS says.
#[test]
fn any_record_goes_through_every_form() {
    let wanted = std::env::var("RINGPOST_EXECUTIONS");
    let executions = wanted.map_or(20_000, |text| text.parse().expect("a number"));
    let range = Range {
        seed: 1,
        first: 0,
        executions,
        threads: 1,
    };
    match run(&TARGET, range) {
        Ok(counted) => assert_eq!(counted, executions),
        Err(finding) => panic!(
            "execution {}: {}",
            finding.number,
            finding.input.escape_ascii()
        ),
    }
}

fn check(input: &[u8], random: &mut Random) {
    let (lines, message) = split(input);
    ours(&Sample::new(lines, message, random));
    foreign(lines, message, random);
}

/// A record as ringpost makes it.
fn ours(sample: &Sample) {
    let record = sample.record();
    let received = Received {
        topic: "mail".into(),
        partition: 3,
        offset: 7,
        key: record.key().map(<[u8]>::to_vec),
        timestamp: Some(0),
        headers: record
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect(),
        value: record.value.to_vec(),
    };
    let (envelope, id) = (sample.envelope(), sample.id.to_string());
    let line = json(&received);
    assert_eq!(line["mail_from"], Value::from(envelope.reverse_path));
    let recipients: Vec<&str> = envelope.recipients.iter().map(Mailbox::as_str).collect();
    assert_eq!(line["rcpt_to"], Value::from(&*recipients));
    let headers = &line["headers"];
    assert_eq!(headers["ce_id"], Value::from(&*id));
    assert_eq!(headers["ce_smtphelo"], Value::from(envelope.helo));
    let size = sample.message.len().to_string();
    assert_eq!(headers["ce_smtpsize"], Value::from(size));
    let recipients = serde_json::to_string(&recipients).expect("JSON");
    assert_eq!(headers["ce_smtpto"], Value::from(recipients));
    assert_eq!(format::eml_name(&received), format!("{id}.eml"));
    forms(&received);
}

/// Any record at all.
fn foreign(lines: &[u8], message: &[u8], random: &mut Random) {
    let names = [
        "ce_smtpfrom",
        "ce_smtpto",
        "ce_id",
        "content-type",
        "x\n\0\u{202e}",
    ];
    let values = lines.split(|&octet| octet == b'\n');
    let mut headers: Vec<(String, Vec<u8>)> = values
        .map(|value| ((*random.of(&names)).to_owned(), value.to_vec()))
        .collect();
    if random.once_in(2) {
        headers.push(("ce_type".to_owned(), b"io.ringpost.mail.x".to_vec()));
    }
    let received = Received {
        topic: "mail".into(),
        partition: random.next() as i32,
        offset: random.next() as i64,
        key: random.once_in(2).then(|| lines.to_vec()),
        timestamp: random.once_in(2).then(|| random.next() as i64),
        headers,
        value: message.to_vec(),
    };
    let line = json(&received);
    assert!(line["rcpt_to"].is_array() && line["headers"].is_object());
    let name = format::eml_name(&received);
    assert!(
        !name.contains('/') && !name.starts_with('.') && name.len() < 256,
        "{name}"
    );
    forms(&received);
    let parsed = written(format::json_parsed, &received);
    let parsed: Value = serde_json::from_slice(&parsed).expect("a JSON object");
    let members = ["subject", "from", "date", "text", "attachments"];
    let parsed = &parsed["parsed"];
    assert!(parsed.is_null() || !message.is_empty());
    assert!(parsed.is_null() || members.iter().all(|member| parsed.get(member).is_some()));
}

fn written(
    form: fn(&Received, &mut dyn std::io::Write) -> std::io::Result<()>,
    received: &Received,
) -> Vec<u8> {
    let mut out = Vec::new();
    form(received, &mut out).expect("a Vec takes all bytes");
    out
}

fn json(received: &Received) -> Value {
    let text = written(format::json, received);
    assert_eq!(
        text.iter().position(|&octet| octet == b'\n'),
        Some(text.len() - 1),
        "one line"
    );
    let line: Value = serde_json::from_slice(&text).expect("a JSON object");
    let message = STANDARD
        .decode(line["message_base64"].as_str().expect("a text"))
        .expect("base64");
    assert_eq!(message, received.value);
    assert_eq!(line["size"], Value::from(received.value.len()));
    line
}

fn forms(received: &Received) {
    let summary = String::from_utf8(written(format::summary, received)).expect("UTF-8");
    assert!(summary.ends_with('\n'));
    let line = &summary[..summary.len() - 1];
    assert!(
        !line
            .chars()
            .any(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c)),
        "{line:?}"
    );
    let mbox = written(format::mbox, received);
    let lines: Vec<&[u8]> = mbox.split(|&octet| octet == b'\n').collect();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with(b"From "))
            .count(),
        1,
        "one entry"
    );
    assert!(lines[0].starts_with(b"From ") && mbox.ends_with(b"\n\n"));
    // mboxrd, read back: one > less in front of From.
    let body = &lines[1..lines.len() - 2];
    let unquoted: Vec<u8> = body
        .iter()
        .flat_map(|line| {
            let quotes = line.iter().take_while(|&&octet| octet == b'>').count();
            let quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
            [&line[usize::from(quoted)..], b"\n"].concat()
        })
        .collect();
    let whole = format::with_envelope(received);
    envelope(received, &whole);
    let mut expected = Vec::new();
    for line in whole.split_inclusive(|&octet| octet == b'\n') {
        // CRLF becomes LF; a CR without LF after it is no line end, nor is one at the end of the message.
        let line = line
            .strip_suffix(b"\r\n")
            .or(line.strip_suffix(b"\n"))
            .unwrap_or(line);
        expected.extend_from_slice(line);
        expected.push(b'\n');
    }
    assert_eq!(unquoted, expected);
}

/// The fields in front of a message are lines of their own, whatever the record holds, and the message is as it was.
fn envelope(received: &Received, whole: &[u8]) {
    let fields = whole
        .strip_suffix(&*received.value)
        .expect("the message is the end");
    let fields = std::str::from_utf8(fields).expect("UTF-8");
    if !received.is_ours() {
        return assert_eq!(fields, "");
    }
    let (fields, between) = match fields.strip_suffix("\r\n\r\n") {
        Some(fields) => (fields, true),
        None => (fields.strip_suffix("\r\n").unwrap_or(fields), false),
    };
    let names = [
        "Return-Path: <",
        "Delivered-To: ",
        "X-Original-To: ",
        "X-Ringpost-Id: ",
    ];
    for field in fields.split("\r\n").filter(|_| !fields.is_empty()) {
        assert!(
            names.iter().any(|name| field.starts_with(name)),
            "{field:?}"
        );
        assert!(!field.chars().any(char::is_control), "{field:?}");
    }
    // A message that begins with a blank would continue the last field.
    let folds = received
        .value
        .first()
        .is_some_and(|octet| b" \t".contains(octet));
    assert!(
        fields.is_empty() || between || !folds,
        "{:?}",
        received.value.escape_ascii()
    );
}

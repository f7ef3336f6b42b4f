//! A record: what goes in comes back through each form of `consume`, and a foreign record cannot break one.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use ringpost::consume::format::{self, Received};
use ringpost_proto::mail::envelope::{Client, Envelope};
use ringpost_proto::mail::id::Generator;
use ringpost_proto::mail::record::RecordKey;
use ringpost_proto::mail::record::{Record, Stamp};
use ringpost_proto::smtp::address::Mailbox;
use ringpost_proto::smtp::command::{Command, parse};
use ringpost_proto::smtp::parameter::MailParameters;
use ringpost_proto::smtp::state::{Hello, Transaction};
use serde_json::Value;

use crate::mutate::Corpus;
use crate::random::Random;

pub fn corpus() -> Corpus {
    Corpus::read(include_str!("../corpus/record.txt"), WORDS, 2000)
}

const WORDS: &[&str] = &[
    "From ",
    "\nFrom ",
    ">From ",
    "Subject: ",
    "=?utf-8?q?=0a?=",
    "=?utf-8?b?CgoK?=",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\x1b[2J",
    "\u{202e}",
    "../",
    "/",
    ".",
    "RCPT TO:<x@mx.example>",
    "MAIL FROM:<a@b>",
    "ce_id",
    "smtp_to",
    "smtp_from",
    "ä",
];

/// The input's lines are commands up to the first empty one; what follows is the message.
pub fn check(input: &[u8], random: &mut Random) {
    let length = input.windows(2).position(|two| two == b"\n\n");
    let (head, message) = length.map_or((input, &b""[..]), |at| (&input[..at], &input[at + 2..]));
    ours(head, message, random);
    foreign(head, message, random);
}

/// A record as ringpost makes it, from commands that the session would accept.
fn ours(head: &[u8], message: &[u8], random: &mut Random) {
    let client = Client::new(SocketAddr::from(([192, 0, 2, 1], 4711)));
    let (mut helo, mut reverse_path) = ("client.example".to_owned(), None);
    let (mut parameters, mut recipients) = (MailParameters::default(), Vec::new());
    for line in head.split(|&octet| octet == b'\n') {
        match parse(line).1 {
            Ok(Command::Helo(name) | Command::Ehlo(name)) => helo = name,
            Ok(Command::Mail(path, said)) => (reverse_path, parameters) = (path, said),
            Ok(Command::Rcpt(path)) => recipients.push(path),
            Ok(_) | Err(_) => {}
        }
    }
    let transaction = Transaction {
        hello: Hello {
            name: helo.into(),
            extended: true,
        },
        reverse_path,
        parameters,
        recipients,
    };
    let envelope = Envelope::of(&transaction, &client, None);
    let key = *random.of(&[
        RecordKey::None,
        RecordKey::Recipient,
        RecordKey::RecipientDomain,
        RecordKey::Sender,
        RecordKey::ClientIp,
    ]);
    let id = Generator::new(random.next()).next(random.next());
    let stamp = Stamp {
        id,
        hostname: "mx.example",
        time: b"2026-01-02T03:04:05.678Z",
        size: message.len() as u64,
        bare_newlines: false,
        key,
    };
    let mut record = Record::default();
    record.fill(&envelope, stamp, BytesMut::from(message));
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
    let line = json(&received);
    assert_eq!(line["mail_from"], Value::from(envelope.reverse_path));
    let recipients: Vec<&str> = envelope.recipients.iter().map(Mailbox::as_str).collect();
    assert_eq!(line["rcpt_to"], Value::from(recipients));
    let headers = &line["headers"];
    assert_eq!(headers["ce_id"], Value::from(id.to_string()));
    assert_eq!(headers["smtp_helo"], Value::from(envelope.helo));
    assert_eq!(headers["smtp_size"], Value::from(message.len().to_string()));
    assert_eq!(format::eml_name(&received), format!("{id}.eml"));
    forms(&received);
}

/// Any record at all.
fn foreign(head: &[u8], message: &[u8], random: &mut Random) {
    let names = [
        "smtp_from",
        "smtp_to",
        "ce_id",
        "content-type",
        "x\n\0\u{202e}",
    ];
    let headers = head.split(|&octet| octet == b'\n');
    let received = Received {
        topic: "mail".into(),
        partition: random.next() as i32,
        offset: random.next() as i64,
        key: random.once_in(2).then(|| head.to_vec()),
        timestamp: random.once_in(2).then(|| random.next() as i64),
        headers: headers
            .map(|value| ((*random.of(&names)).to_owned(), value.to_vec()))
            .collect(),
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
}

fn written(
    form: fn(&Received, &mut dyn std::io::Write) -> std::io::Result<()>,
    received: &Received,
) -> Vec<u8> {
    let mut out = Vec::new();
    form(received, &mut out).expect("a Vec takes all octets");
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
    let mut expected = Vec::new();
    for line in received.value.split_inclusive(|&octet| octet == b'\n') {
        // CRLF becomes LF; a CR without LF behind it is none, at the end of the message either.
        let line = line
            .strip_suffix(b"\r\n")
            .or(line.strip_suffix(b"\n"))
            .unwrap_or(line);
        expected.extend_from_slice(line);
        expected.push(b'\n');
    }
    assert_eq!(unquoted, expected);
}

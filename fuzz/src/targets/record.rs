//! A record: what goes in comes back, and no header breaks its decoder.

use ringpost_proto::mail::decode::Attributes;
use ringpost_proto::mail::record::{CE_TYPE, Record, RecordKey};

use crate::mutate::Corpus;
use crate::random::Random;
use crate::sample::{Sample, split};

pub fn corpus() -> Corpus {
    Corpus::read(include_str!("../../corpus/record.txt"), WORDS, 2000)
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
    "ce_smtpto",
    "[\"b@mx.example\",\"",
    "\\\"",
    "ä",
];

/// The input's lines are commands up to the first empty one; what follows is the message.
pub fn check(input: &[u8], random: &mut Random) {
    let (lines, message) = split(input);
    let sample = Sample::new(lines, message, random);
    let mut record = sample.record();
    assert_eq!(*record.value, *message);
    assert_eq!(record.key().is_none(), sample.key == RecordKey::None);
    let headers = owned(&record);
    comes_back(&sample, &headers);
    foreign(lines, random);
    assert_eq!(record.clear().as_deref(), Some(message));
    let again = sample.record();
    assert_eq!(owned(&again), headers);
    assert!(record.headers().len() == 0 && record.value.is_empty());
}

fn comes_back(sample: &Sample, headers: &[(&'static str, Vec<u8>)]) {
    let headers = headers.iter();
    let told = Attributes::decode(headers.map(|(name, value)| (*name, value.as_slice())));
    let (envelope, id) = (sample.envelope(), sample.id.to_string());
    let recipients = envelope.recipients.iter();
    let expected = Attributes {
        id: Some(&id),
        kind: Some(CE_TYPE),
        mail_from: Some(envelope.reverse_path),
        rcpt_to: Some(recipients.map(|one| one.as_str().to_owned()).collect()),
        helo: Some(envelope.helo),
        client: Some(envelope.client.text().parse().expect("an address")),
        protocol: Some(envelope.protocol),
        tls: envelope.tls,
        body: Some(envelope.body),
        smtputf8: envelope.smtputf8,
        size: Some(sample.message.len() as u64),
        bare_newlines: sample.bare_newlines,
        dataref: None,
        sha256: None,
        malformed: Vec::new(),
    };
    assert_eq!(told, expected);
}

/// Any headers at all: what cannot be read is named, once for each header.
fn foreign(lines: &[u8], random: &mut Random) {
    let names = [
        "ce_smtpto",
        "ce_smtpfrom",
        "ce_smtpclient",
        "ce_smtpsize",
        "ce_smtpbody",
        "ce_smtpbarenewlines",
        "ce_dataref",
        "ce_smtpsha256",
        "content-type",
        "x",
    ];
    let values = lines.split(|&byte| byte == b'\n');
    let headers: Vec<(&str, &[u8])> = values.map(|value| (*random.of(&names), value)).collect();
    let told = Attributes::decode(headers.iter().copied());
    let named = |name| headers.iter().filter(|(have, _)| *have == name).count();
    for name in names {
        let malformed = told.malformed.iter().filter(|bad| **bad == name).count();
        assert!(malformed <= named(name), "{name}");
    }
    assert!(named("ce_smtpto") > 0 || told.rcpt_to.is_none());
}

fn owned(record: &Record) -> Vec<(&'static str, Vec<u8>)> {
    record
        .headers()
        .map(|(name, value)| (name, value.to_vec()))
        .collect()
}

//! A record: what goes in comes back.

use bytes::BytesMut;
use ringpost_proto::mail::record::{Record, RecordKey};

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
    "smtp_to",
    "smtp_from",
    "ä",
];

/// The input's lines are commands up to the first empty one; what follows is the message.
pub fn check(input: &[u8], random: &mut Random) {
    let (lines, message) = split(input);
    let sample = Sample::new(lines, message, random);
    let mut record = sample.record();
    assert_eq!(record.value, message);
    assert_eq!(record.key().is_none(), sample.key == RecordKey::None);
    let headers = owned(&record);
    assert!(
        headers
            .iter()
            .any(|(name, value)| *name == "ce_id" && *value == sample.id.to_string().as_bytes()),
        "the id that the 250 names"
    );
    assert_eq!(record.clear(), message);
    let again = sample.record();
    assert_eq!(owned(&again), headers);
    assert!(record.headers().len() == 0 && record.value == BytesMut::new());
}

fn owned(record: &Record) -> Vec<(&'static str, Vec<u8>)> {
    record
        .headers()
        .map(|(name, value)| (name, value.to_vec()))
        .collect()
}

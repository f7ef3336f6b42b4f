//! The record that is written for a mail: its value with our field on top, and its headers with the verdicts.
//!
//! Owns: what changes and what stays. Must not know: how a record is written, how verdicts came about.
//!
//! - The value begins with our field. What follows is the value as it was, but for the names of forged fields.
//! - `ce_smtpsize` grows by what the new names add, so the message is the last `ce_smtpsize` bytes of the value still. With `ce_dataref`
//!   it stays, as it is the object's.
//! - Verdicts of an earlier run are replaced. Key, time stamp and every other header stay, `ce_type` too: attributes that a consumer
//!   does not know are passed over.
//!
//! Invariant: each name is once in the headers.

use ringpost_proto::mail::header;

use super::field;
use super::forged;
use super::verdicts::Verdicts;
use crate::consume::received::Received;

/// Attributes of the verdicts, in their order.
pub const ATTRIBUTES: [&str; 5] = [
    "ce_authspf",
    "ce_authdkim",
    "ce_authdmarc",
    "ce_autharc",
    "ce_authiprev",
];

/// A record to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// In their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The message.
    pub value: Vec<u8>,
    /// Fields that were renamed.
    pub renamed: usize,
}

/// What is written for a record.
pub(super) fn of(record: &Received, hostname: &str, verdicts: &Verdicts) -> Output {
    let field = field::write(hostname, verdicts);
    let (message, renamed) = match forged::renamed(&record.value, hostname) {
        Some((message, renamed)) => (message, renamed),
        None => (record.value.clone(), 0),
    };
    let grown = message.len() - record.value.len();
    let mut value = field.into_bytes();
    value.extend_from_slice(&message);
    let is_object = record
        .headers
        .iter()
        .any(|(name, _)| name == header::DATAREF);
    let is_verdict = |name: &str| ATTRIBUTES.contains(&name);
    let mut headers: Vec<(String, Vec<u8>)> = record
        .headers
        .iter()
        .filter(|(name, _)| !is_verdict(name))
        .cloned()
        .collect();
    if grown > 0 && !is_object {
        for (name, text) in &mut headers {
            let size = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse::<u64>().ok());
            if let (header::SIZE, Some(size)) = (name.as_str(), size) {
                *text = (size + grown as u64).to_string().into_bytes();
            }
        }
    }
    let words = [
        verdicts.spf_word(),
        verdicts.dkim_word(),
        verdicts.dmarc.word,
        verdicts.arc.word,
        verdicts.iprev.word,
    ];
    let verdicts = ATTRIBUTES.iter().zip(words);
    headers.extend(
        verdicts.map(|(name, word)| ((*name).to_owned(), word.as_str().as_bytes().to_vec())),
    );
    Output {
        headers,
        value,
        renamed,
    }
}

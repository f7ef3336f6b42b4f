//! Dead letters: the record of a mail with the recipients that were refused, and why.
//!
//! Owns: what a dead letter holds. Must not know: where it is written.
//!
//! Invariants: the headers are those of the record, in their order, but for the recipients and the reason; the value is that of the
//! record, also where the message is an object.

use super::delivery::Answer;
use crate::consume::received::Received;
use crate::mail::header;
use crate::pipeline::writer::Outgoing;

/// The header that says why.
pub(super) const ERROR: &str = "ce_forwarderror";
/// Bytes of it at most.
const ERROR_MOST: usize = 4 * 1024;

/// The receiver's answer as text: its code, if it gave one, and what it said.
fn text(answer: &Answer) -> String {
    match answer.code {
        Some(code) => format!("{code} {}", answer.text),
        None => answer.text.clone(),
    }
}

/// Every answer once, in the order in which it was first given.
fn reasons(refused: &[(String, Answer)]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for (_, answer) in refused {
        let text = text(answer);
        if !reasons.contains(&text) {
            reasons.push(text);
        }
    }
    let mut all = reasons.join("; ");
    if all.len() > ERROR_MOST {
        let end = (0..=ERROR_MOST)
            .rev()
            .find(|&end| all.is_char_boundary(end));
        all.truncate(end.unwrap_or(0));
    }
    all
}

/// The dead letter of these recipients of a record, whose value was this before it was completed.
///
/// # Panics
/// Without recipients.
pub(super) fn dead_letter(
    record: &Received,
    value: &[u8],
    refused: &[(String, Answer)],
) -> Outgoing {
    assert!(!refused.is_empty(), "somebody was refused");
    let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
    let names = serde_json::to_vec(&names).expect("texts are JSON");
    let others = record.headers.iter();
    let mut headers: Vec<(String, Vec<u8>)> = others
        .filter(|(name, _)| name != ERROR && name != header::TO)
        .cloned()
        .collect();
    let place = record
        .headers
        .iter()
        .position(|(name, _)| name == header::TO);
    let place = place.unwrap_or(headers.len()).min(headers.len());
    headers.insert(place, (header::TO.to_owned(), names));
    headers.push((ERROR.to_owned(), reasons(refused).into_bytes()));
    Outgoing {
        key: record.key.clone(),
        headers,
        value: value.to_vec(),
        ..Outgoing::default()
    }
}

/// The dead letter of a record that is no mail: as it is, with the reason.
pub(super) fn of_no_mail(record: &Received, why: &str) -> Outgoing {
    let others = record.headers.iter();
    let mut headers: Vec<(String, Vec<u8>)> =
        others.filter(|(name, _)| name != ERROR).cloned().collect();
    headers.push((ERROR.to_owned(), why.as_bytes().to_vec()));
    Outgoing {
        key: record.key.clone(),
        headers,
        value: record.value.clone(),
        ..Outgoing::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Received {
        let headers = [
            ("ce_id", "X"),
            ("ce_smtpto", r#"["a@x.example","b@x.example"]"#),
            ("ce_smtphelo", "h"),
            ("ce_forwarderror", "of before"),
        ];
        let header = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
        Received {
            key: Some(b"k".to_vec()),
            headers: headers.map(header).to_vec(),
            value: b"whole".to_vec(),
            ..Received::default()
        }
    }

    fn answer(code: Option<u16>, text: &str) -> Answer {
        let text = text.to_owned();
        Answer { code, text }
    }

    #[test]
    fn it_is_the_record_with_those_who_were_refused() {
        let unknown = ("b@x.example".to_owned(), answer(Some(550), "5.1.1 unknown"));
        let letter = dead_letter(&record(), b"header section", &[unknown]);
        let shown: Vec<(&str, &str)> = letter
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
            .collect();
        assert_eq!(
            shown,
            [
                ("ce_id", "X"),
                ("ce_smtpto", r#"["b@x.example"]"#),
                ("ce_smtphelo", "h"),
                ("ce_forwarderror", "550 5.1.1 unknown"),
            ]
        );
        assert_eq!(letter.value, b"header section");
        assert_eq!(letter.key.as_deref(), Some(&b"k"[..]));
    }

    #[test]
    fn answers_are_named_once_and_bounded() {
        let refused = [
            ("a".to_owned(), answer(Some(550), "no")),
            ("b".to_owned(), answer(Some(550), "no")),
            ("c".to_owned(), answer(None, "5.6.7 ü")),
        ];
        assert_eq!(reasons(&refused), "550 no; 5.6.7 ü");
        let long = [("a".to_owned(), answer(None, &"ü".repeat(4000)))];
        assert!(reasons(&long).len() <= ERROR_MOST);
        let letter = of_no_mail(&record(), "no mail");
        assert_eq!(letter.headers.len(), 4);
    }
}

//! The mail of a record: what its envelope says, or why it cannot be forwarded.
//!
//! Owns: which records can be given to a receiver. Must not know: receivers, topics.
//!
//! Anybody who may write to the topic can write a record, so an address in it is checked before it gets into a dialogue.
//!
//! Invariant: the addresses of a delivery have no line ends, no brackets around them, and no other way out of a command.

use std::sync::Arc;

use super::delivery::Delivery;
use crate::consume::received::Received;
use crate::smtp::address::mailbox;

/// Why a record is no mail that can be forwarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoMail {
    /// It has no recipients.
    #[error("5.1.3 The record has no recipients that can be read (ce_smtpto)")]
    NoRecipients,
    /// It has no sender, not even the null one.
    #[error("5.1.7 The record has no sender that can be read (ce_smtpfrom)")]
    NoSender,
    /// The sender is no address.
    #[error("5.1.7 The sender {0:?} is no address")]
    Sender(String),
    /// A recipient is no address.
    #[error("5.1.3 The recipient {0:?} is no address")]
    Recipient(String),
}

fn is_address(text: &str) -> bool {
    mailbox(text.as_bytes()).is_ok_and(|found| found.as_str() == text)
}

/// A mail that can be forwarded, at least to some.
#[derive(Debug)]
pub(super) struct Forwardable {
    /// To those who have an address.
    pub delivery: Delivery,
    /// The others.
    pub wrong: Vec<(String, NoMail)>,
}

/// A record that cannot be forwarded.
#[derive(Debug)]
pub(super) struct Unforwardable {
    /// The record.
    pub record: Box<Received>,
    /// Why.
    pub why: NoMail,
}

/// The delivery of a record, and its recipients that are no addresses.
///
/// # Errors
/// Where nothing of it can be forwarded.
pub(super) fn delivery(record: Received) -> Result<Forwardable, Unforwardable> {
    let attributes = record.attributes();
    let sender = attributes.mail_from.map(str::to_owned);
    let recipients = attributes.rcpt_to.unwrap_or_default();
    let wrong = match &sender {
        None => Some(NoMail::NoSender),
        Some(sender) if !sender.is_empty() && !is_address(sender) => {
            Some(NoMail::Sender(sender.clone()))
        }
        Some(_) if recipients.is_empty() => Some(NoMail::NoRecipients),
        Some(_) => None,
    };
    if let Some(wrong) = wrong {
        let record = Box::new(record);
        return Err(Unforwardable { record, why: wrong });
    }
    let (recipients, others): (Vec<String>, Vec<String>) = recipients
        .into_iter()
        .partition(|recipient| is_address(recipient));
    let refused = others.into_iter().map(|recipient| {
        let why = NoMail::Recipient(recipient.clone());
        (recipient, why)
    });
    let delivery = Delivery {
        record: Arc::new(record),
        sender: sender.unwrap_or_default(),
        recipients,
    };
    let wrong = refused.collect();
    Ok(Forwardable { delivery, wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(from: Option<&str>, to: Option<&str>) -> Received {
        let headers = [("ce_smtpfrom", from), ("ce_smtpto", to)];
        Received {
            headers: headers
                .into_iter()
                .filter_map(|(name, value)| {
                    let value = value?.as_bytes().to_vec();
                    Some((name.to_owned(), value))
                })
                .collect(),
            ..Received::default()
        }
    }

    #[test]
    fn an_envelope_is_taken_as_it_is() {
        let to = r#"["b@x.example","\"odd > one\"@x.example","ü@x.example","c@[192.0.2.1]"]"#;
        let Forwardable { delivery, wrong } = delivery(record(Some(""), Some(to))).unwrap();
        assert_eq!(
            (delivery.sender.as_str(), delivery.recipients.len()),
            ("", 4)
        );
        assert!(wrong.is_empty());
    }

    #[test]
    fn nothing_gets_out_of_its_command() {
        let inside = "b@x.example>\\r\\nRCPT TO:<c@x.example";
        let to = format!(r#"["{inside}","ok@x.example","a@b\u0000"]"#);
        let opened = delivery(record(Some("a@x.example"), Some(&to))).unwrap();
        let Forwardable { delivery, wrong } = opened;
        assert_eq!(delivery.recipients, ["ok@x.example"]);
        assert_eq!(wrong.len(), 2);
        let from = record(Some("a@x>\r\nDATA"), Some(r#"["b@x.example"]"#));
        let refused = super::delivery(from).unwrap_err();
        assert!(matches!(refused.why, NoMail::Sender(_)));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (from, to, why) in [
            (None, Some(r#"["b@x.example"]"#), NoMail::NoSender),
            (Some(""), None, NoMail::NoRecipients),
            (Some(""), Some("[]"), NoMail::NoRecipients),
            (Some(""), Some("b@x.example"), NoMail::NoRecipients),
        ] {
            assert_eq!(delivery(record(from, to)).unwrap_err().why, why);
        }
    }
}

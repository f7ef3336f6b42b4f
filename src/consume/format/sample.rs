//! The record that the tests of the formats begin with.

use std::io::{self, Write};

use crate::consume::received::Received;

/// A mail.
pub(super) fn received() -> Received {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    Received {
        topic: "mail".into(),
        partition: 3,
        offset: 42,
        key: None,
        timestamp: Some(1_700_000_000_123),
        headers: vec![
            header("ce_id", "0A-1b"),
            header("ce_smtpfrom", "a@example.net"),
            header("ce_smtpto", r#"["b@example.com"]"#),
        ],
        value: b"Subject: hi\r\n\r\nbody\r\n".to_vec(),
    }
}

/// The same, as ringpost wrote it.
pub(super) fn mail() -> Received {
    let mut mail = received();
    let kind = (
        "ce_type".to_owned(),
        b"io.ringpost.mail.received.v1".to_vec(),
    );
    mail.headers.insert(0, kind);
    mail
}

/// What a form makes of it.
pub(super) fn text(
    write: fn(&Received, &mut dyn Write) -> io::Result<()>,
    received: &Received,
) -> String {
    let mut out = Vec::new();
    write(received, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

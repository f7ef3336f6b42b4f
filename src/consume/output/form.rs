//! The forms of records, and what each makes of one.
//!
//! Owns: their names, which function writes which. Must not know: where the bytes go.

use std::io::{self, Write};

use crate::consume::format;
use crate::consume::received::Received;

/// How one record becomes bytes in a stream.
pub type Writer = fn(&Received, &mut dyn Write) -> io::Result<()>;

/// The forms of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One line a mail, for a person.
    Summary,
    /// One JSON object a line.
    Json,
    /// One file a mail, its exact bytes.
    Eml,
    /// An mbox file.
    Mbox,
    /// A maildir.
    Maildir,
}

impl Form {
    /// The value of `--format`.
    pub fn name(self) -> &'static str {
        match self {
            Form::Summary => "summary",
            Form::Json => "json",
            Form::Eml => "eml",
            Form::Mbox => "mbox",
            Form::Maildir => "maildir",
        }
    }

    /// How a record gets this form in a stream.
    pub fn writer(self) -> Writer {
        match self {
            Form::Summary => format::summary,
            Form::Json => format::json,
            Form::Mbox => format::mbox,
            Form::Eml | Form::Maildir => |received, to| to.write_all(&received.value),
        }
    }

    /// What a file that ends so lacks before a record of this form can follow.
    pub fn missing_end(self, end: &[u8]) -> &'static [u8] {
        match (self, end) {
            (_, []) => b"",
            (Form::Mbox, [.., b'\n', b'\n']) => b"",
            (Form::Mbox, [.., b'\n']) => b"\n",
            (Form::Mbox, _) => b"\n\n",
            (_, [.., b'\n']) => b"",
            (_, _) => b"\n",
        }
    }
}

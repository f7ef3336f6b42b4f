//! The forms of records, and what each makes of one.
//!
//! Owns: their names, what of them can be chosen, which function writes which. Must not know: where the bytes go.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::consume::format;
use crate::consume::received::Received;

/// How one record becomes bytes in a stream.
pub type Writer = fn(&Received, &mut dyn Write) -> io::Result<()>;

/// How one record becomes a message in its own file.
pub type Message = fn(&Received) -> Cow<'_, [u8]>;

/// What of a form can be chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Choice {
    /// A message is what the record holds, without its envelope in front.
    pub raw: bool,
    /// JSON has what the message says.
    pub parsed: bool,
}

/// The forms of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One line a mail, for a person.
    Summary,
    /// One JSON object a line.
    Json,
    /// One file a mail.
    Eml,
    /// An mbox file.
    Mbox,
    /// A maildir.
    Maildir,
}

impl Choice {
    /// How a record becomes a message in its own file.
    pub fn message(self) -> Message {
        if self.raw {
            |received| Cow::Borrowed(&received.value)
        } else {
            format::with_envelope
        }
    }
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
    pub fn writer(self, choice: Choice) -> Writer {
        match self {
            Form::Summary => format::summary,
            Form::Json if choice.parsed => format::json_parsed,
            Form::Json => format::json,
            Form::Mbox if choice.raw => format::mbox_raw,
            Form::Mbox => format::mbox,
            Form::Eml | Form::Maildir if choice.raw => |received, to| to.write_all(&received.value),
            Form::Eml | Form::Maildir => {
                |received, to| to.write_all(&format::with_envelope(received))
            }
        }
    }

    /// What is above the records on a terminal.
    pub fn heading(self) -> Option<String> {
        match self {
            Form::Summary => Some(format::summary_heading()),
            Form::Json | Form::Eml | Form::Mbox | Form::Maildir => None,
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

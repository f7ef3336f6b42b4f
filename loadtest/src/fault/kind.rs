//! The kinds of errors, the steps of a dialogue, and a fault: a connection that is of no more use.
//!
//! Must not know what is counted, nor how a fault is shown.

use serde::{Serialize, Serializer};

/// Bytes of a reply that are kept with a fault.
pub(crate) const MAX_WORDS: usize = 512;

/// What went wrong, besides refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// No connection.
    Connect,
    /// The banner or the answer to EHLO was not positive.
    Greeting,
    /// No encrypted connection.
    Tls,
    /// The server does not offer what the shape asks for.
    Unsupported,
    /// The server closed or reset the connection in the middle of a dialogue.
    Closed,
    /// The server said 421 and is about to close; why, its text says.
    Reply421,
    /// A step took longer than `--timeout`.
    Timeout,
    /// Not an SMTP reply, or one that does not fit the command.
    Protocol,
    /// Any other error of a read or a write.
    Io,
}

impl ErrorKind {
    /// All kinds with their names in reports, in the order of their numbers.
    pub(crate) const ALL: [(ErrorKind, &'static str); 9] = [
        (ErrorKind::Connect, "connect"),
        (ErrorKind::Greeting, "greeting"),
        (ErrorKind::Tls, "tls"),
        (ErrorKind::Unsupported, "unsupported"),
        (ErrorKind::Closed, "closed"),
        (ErrorKind::Reply421, "421"),
        (ErrorKind::Timeout, "timeout"),
        (ErrorKind::Protocol, "protocol"),
        (ErrorKind::Io, "io"),
    ];

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        ErrorKind::ALL[self as usize].1
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What was being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the commands")]
pub(crate) enum Step {
    Connect,
    Tls,
    Banner,
    Ehlo,
    Starttls,
    Mail,
    Rcpt,
    Data,
    /// The end of the data, or a chunk.
    Message,
    Rset,
    Quit,
}

impl Step {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::Connect => "connect",
            Step::Tls => "TLS handshake",
            Step::Banner => "banner",
            Step::Ehlo => "EHLO",
            Step::Starttls => "STARTTLS",
            Step::Mail => "MAIL",
            Step::Rcpt => "RCPT",
            Step::Data => "DATA",
            Step::Message => "message",
            Step::Rset => "RSET",
            Step::Quit => "QUIT",
        }
    }

    /// Where in the dialogue something happened, for a sentence; nothing where there is no dialogue yet.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Step::Connect => "",
            Step::Tls => "in the TLS handshake",
            Step::Banner => "instead of the banner",
            Step::Ehlo => "after EHLO",
            Step::Starttls => "after STARTTLS",
            Step::Mail => "after MAIL",
            Step::Rcpt => "after RCPT",
            Step::Data => "after DATA",
            Step::Message => "after the message",
            Step::Rset => "after RSET",
            Step::Quit => "after QUIT",
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Something that a server may offer in its reply to EHLO and that a shape or a message needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// RFC 3207.
    Starttls,
    /// RFC 3030.
    Chunking,
    /// RFC 3030.
    BinaryMime,
    /// RFC 6152.
    EightBitMime,
}

impl Extension {
    /// Its keyword in EHLO.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Extension::Starttls => "STARTTLS",
            Extension::Chunking => "CHUNKING",
            Extension::BinaryMime => "BINARYMIME",
            Extension::EightBitMime => "8BITMIME",
        }
    }
}

/// What exactly failed, where what to do about it depends on that. Never decided by the words of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nothing more is known than kind, step and words say.
    Unnamed,
    /// The server does not offer this.
    Missing(Extension),
    /// Nobody listens there: ECONNREFUSED.
    Refused,
    /// No route to it: EHOSTUNREACH, ENETUNREACH.
    NoRoute,
    /// This process, or the machine, has no file descriptor left: EMFILE, ENFILE.
    NoFiles,
    /// The source address has no free port, or is not this machine's: EADDRNOTAVAIL.
    NoPort,
}

/// Why a connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What kind of error it is.
    pub kind: ErrorKind,
    /// What was being waited for.
    pub step: Step,
    /// What exactly failed.
    pub cause: Cause,
    /// The code of the reply that says it, if a reply does.
    pub code: Option<u16>,
    /// The server's text without codes, or this program's words, at most [`MAX_WORDS`].
    pub words: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_in_the_order_of_their_numbers() {
        for (number, (kind, name)) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!((*kind as usize, kind.name()), (number, *name));
        }
    }
}

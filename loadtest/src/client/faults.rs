//! What went wrong on a connection, as a [`Fault`].
//!
//! Owns which kind of error a failed read or write is.

use std::io;

use super::connection::Connection;
use super::os_error::{cause_of, plain};
use crate::fault::{Cause, ErrorKind, Extension, Fault, MAX_WORDS, Step};

impl Connection {
    /// The first reply of this transaction with a code that says no, as a fault of this kind.
    pub(crate) fn refusal(&self, kind: ErrorKind, code: u16) -> Fault {
        match self.negatives.first(code) {
            Some((step, text)) => Fault {
                kind,
                step,
                cause: Cause::Unnamed,
                code: Some(code),
                words: text.to_vec(),
            },
            None => self.reply_fault(kind, code),
        }
    }

    /// The replies of this transaction that refused a recipient: code, text, how often.
    pub(crate) fn refused_recipients(&self) -> impl Iterator<Item = (u16, &[u8], u64)> {
        self.negatives.of(Step::Rcpt)
    }

    /// The last reply, as a fault of this kind.
    pub(crate) fn reply_fault(&self, kind: ErrorKind, code: u16) -> Fault {
        let text = self.replies.text();
        Fault {
            kind,
            step: self.step,
            cause: Cause::Unnamed,
            code: Some(code),
            words: text[..text.len().min(MAX_WORDS)].to_vec(),
        }
    }

    /// The server does not offer this extension.
    pub(crate) fn unsupported(&self, extension: Extension) -> Fault {
        let words = format!("the server does not offer {}", extension.name());
        Fault {
            step: Step::Ehlo,
            cause: Cause::Missing(extension),
            ..self.fault(ErrorKind::Unsupported, words)
        }
    }

    /// An error that no reply says, in this program's words.
    pub(super) fn fault(&self, kind: ErrorKind, words: impl Into<Vec<u8>>) -> Fault {
        let mut words = words.into();
        words.truncate(MAX_WORDS);
        Fault {
            kind,
            step: self.step,
            cause: Cause::Unnamed,
            code: None,
            words,
        }
    }

    /// An error of a read or a write.
    pub(super) fn io_fault(&self, error: &io::Error) -> Fault {
        if self.slot.expired() {
            let words = format!("nothing came within {:?}", self.timeout);
            return self.fault(ErrorKind::Timeout, words);
        }
        let fault = match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                self.fault(ErrorKind::Closed, "the server closed the connection")
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => {
                self.fault(ErrorKind::Closed, "the server reset the connection")
            }
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut => self.fault(ErrorKind::Connect, plain(error)),
            _ => self.fault(ErrorKind::Io, plain(error)),
        };
        Fault {
            cause: cause_of(error),
            ..fault
        }
    }

    /// An error of the connect itself.
    pub(super) fn connect_fault(&self, error: &io::Error) -> Fault {
        let fault = self.io_fault(error);
        match fault.kind {
            ErrorKind::Timeout => fault,
            _ => Fault {
                kind: ErrorKind::Connect,
                words: plain(error).into_bytes(),
                ..fault
            },
        }
    }
}

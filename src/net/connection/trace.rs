//! The trace of one client: its whole dialogue in the log, but for message content and what may be a password.
//!
//! Owns: which connections are traced, and what of a dialogue becomes a line. Must not know: how a line looks, how many are written.
//!
//! Whether a client is traced is asked once, when its connection is opened; a traced connection asks again for each line, so that
//! a reload which takes its network away ends the trace.
//!
//! Invariants: a connection that is not traced costs one look, and an empty pointer where something may be traced; a line of the
//! client or of ours has one line in the log, in the order in which they were taken and sent.

use std::io;
use std::time::Duration;

use super::Connection;
use super::told::Trace;
use crate::mail::envelope::Client;
use crate::telemetry::trace_log::TraceLine;

/// What is not shown.
const CONTENT: &str = "message content";
const CONTENT_WITHOUT_END: &str = "message content, of which the end did not come";
const SECRET: &str = "what may be a password";
const REST: &str = "the rest of the line";
/// How a trace ends of a client whose network is no longer traced.
const NOT_TRACED: &str = "no longer traced";

impl<T> Connection<'_, T> {
    /// Begins a trace, if the client is one of those that are traced.
    pub(super) fn trace_opening(&mut self, proxy: Option<&Client>) {
        if !self.is_traced() {
            return;
        }
        self.trace = Some(Box::new(Trace::new(self.hub.clock.now())));
        let listeners = self.hub.shared.listeners.get();
        let place = usize::from(self.listener);
        let listener = listeners.and_then(|listeners| listeners.get(place));
        self.write_trace(TraceLine::Opened {
            listener: listener.map_or("", String::as_str),
            proxy: proxy.map(Client::text),
        });
    }

    fn is_traced(&self) -> bool {
        let rules = self.hub.shared.rules.load();
        rules.traced.contains(self.client.ip())
    }

    fn write_trace(&self, line: TraceLine<'_>) {
        self.hub.log_trace(&self.client, line);
    }

    /// The trace, if there is still one.
    fn tracing(&mut self) -> Option<&mut Trace> {
        if self.trace.is_some() && !self.is_traced() {
            let open = self.hub.clock.now() - self.trace.take()?.opened;
            self.write_trace(TraceLine::Ended {
                reason: NOT_TRACED,
                error: None,
                open,
            });
        }
        self.trace.as_deref_mut()
    }

    /// A handshake succeeded.
    pub(super) fn trace_secured(&mut self, resumed: bool, took: Duration) {
        if self.tracing().is_some() {
            self.write_trace(TraceLine::Secured {
                tls: self.stream.agreed().unwrap_or_default(),
                resumed,
                took,
            });
        }
    }

    /// A handshake failed.
    pub(super) fn trace_not_secured(&mut self, error: &str, took: Duration) {
        if self.tracing().is_some() {
            self.write_trace(TraceLine::NotSecured { error, took });
        }
    }

    /// The session took these bytes of commands.
    #[cold]
    pub(super) fn trace_commands(&mut self, octets: &[u8]) {
        for piece in octets.split_inclusive(|&octet| octet == b'\n') {
            let Some(trace) = self.tracing() else {
                return;
            };
            let was_inside = std::mem::replace(&mut trace.inside, !piece.ends_with(b"\n"));
            if was_inside {
                continue;
            }
            let line = piece.strip_suffix(b"\n").unwrap_or(piece);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let shown = match line {
                [] => Some(String::new()),
                line => trace.shown.line(line),
            };
            let cut = trace.inside || shown.as_ref().is_some_and(|shown| shown.len() < line.len());
            let left_out = match &shown {
                None => Some(SECRET),
                Some(shown) if cut && is_name(shown) => Some(SECRET),
                Some(_) => cut.then_some(REST),
            };
            self.write_trace(TraceLine::Command {
                shown: shown.as_deref(),
                left_out,
            });
        }
    }

    /// The session took this many bytes of data; with them the message, or its chunk, ended.
    #[cold]
    pub(super) fn trace_data(&mut self, octets: usize, ended: bool) {
        let Some(trace) = self.tracing() else {
            return;
        };
        trace.data += octets as u64;
        if ended {
            self.tell_data(CONTENT);
        }
    }

    fn tell_data(&mut self, left_out: &str) {
        let Some(trace) = self.trace.as_deref_mut() else {
            return;
        };
        let size = std::mem::take(&mut trace.data);
        self.write_trace(TraceLine::Data { size, left_out });
    }

    /// Replies wait to be sent: those that have no line yet get theirs.
    #[cold]
    pub(super) fn trace_replies(&mut self) {
        if self.tracing().is_none() {
            return;
        }
        let (Some(trace), Some(output)) = (self.trace.as_deref_mut(), self.output.as_mut()) else {
            return;
        };
        let waiting = output.replies().waiting();
        assert!(
            trace.told <= waiting.len(),
            "what was sent is not told again"
        );
        let fresh = &waiting[trace.told..];
        trace.told = waiting.len();
        for line in lines(fresh) {
            self.hub.log_trace(&self.client, TraceLine::Reply(&line));
        }
    }

    /// This many bytes of the replies that have their lines were sent.
    pub(super) fn trace_sent(&mut self, octets: usize) {
        if let Some(trace) = &mut self.trace {
            trace.told -= octets;
        }
    }

    /// The connection is refused before its session, for this reason and with this reply.
    pub(super) fn trace_last(&mut self, reason: &'static str, reply: &[u8]) {
        let Some(trace) = self.tracing() else {
            return;
        };
        trace.refused = Some(reason);
        for line in lines(reply) {
            self.write_trace(TraceLine::Reply(&line));
        }
    }

    /// The connection is over.
    pub(super) fn trace_end(&mut self, result: &io::Result<()>) {
        if self.tracing().is_none() {
            return;
        }
        if self.trace.as_ref().is_some_and(|trace| trace.data > 0) {
            self.tell_data(CONTENT_WITHOUT_END);
        }
        let Some(trace) = self.trace.take() else {
            return;
        };
        let error = result.as_ref().err().map(ToString::to_string);
        self.write_trace(TraceLine::Ended {
            reason: trace.refused.unwrap_or(self.end.label()),
            error: error.as_deref(),
            open: self.hub.clock.now() - trace.opened,
        });
    }
}

/// Whether this is the one word that is shown of a command which may have a password after it.
fn is_name(shown: &str) -> bool {
    shown.len() < "STARTTLS".len() && shown.bytes().all(|octet| octet.is_ascii_alphabetic())
}

/// The lines of replies, without their ends.
fn lines(octets: &[u8]) -> impl Iterator<Item = String> {
    let lines = octets.split_inclusive(|&octet| octet == b'\n');
    lines.map(|line| String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

//! The log lines of refusals: of commands and messages, of connections that were turned away, and of clients that left in
//! the middle of something.
//!
//! Owns: which of them are written. Must not know: how a line looks, and how many of a flood there are.
//!
//! Invariant: a refusal has one line. That of a message which was committed is the line of the message. What an outage of the
//! storage causes before a message has none: the sink says how many there were.

use std::io;

use super::Connection;
use crate::smtp::refusal::Refusal;
use crate::smtp::session::{About, Expects, Intake, Refused};
use crate::telemetry::message_log::{RefusedLine, Why};
use crate::telemetry::metrics::SessionEnd;

impl<T> Connection<'_, T> {
    /// What the session has refused since the last time.
    #[cold]
    pub(super) fn log_refused(&mut self) {
        let output = self.output.as_mut();
        let refused: Vec<Refused> =
            output.map_or_else(Vec::new, |output| output.refused().collect());
        let taken = self.hub.shared.sink.intake() == Intake::Open;
        for Refused { refusal, about } in refused {
            // Commands that were sent together with the MAIL that was refused run into this.
            let follows = matches!(refusal, Refusal::NeedMail | Refusal::NeedRecipient);
            if refusal.is_of_an_outage() || follows && !taken {
                continue;
            }
            self.log_one(Why::Refused(refusal), &about, None);
        }
    }

    /// A connection that was refused before its session began, with a reply or, where the client reads none, without.
    pub(super) fn log_turned_away(&self, refusal: Refusal, replies: bool, error: Option<&str>) {
        let why = if replies {
            Why::Refused(refusal)
        } else {
            Why::Unanswered(refusal.row().label)
        };
        self.log_one(why, &About::default(), error);
    }

    /// A handshake that failed: what was said before it is known, in clear.
    pub(super) fn log_no_handshake(&self, error: &str) {
        let why = Why::Unanswered("tls_handshake_failed");
        self.log_one(why, &self.session.about(), Some(error));
    }

    /// A client that left inside a command or a transaction. Clients that leave between them, that were refused, or that
    /// said QUIT, have no such line.
    pub(super) fn log_gone(&mut self, result: &io::Result<()>) {
        let inside = !self.session.is_idle() || !self.input.is_empty();
        // A handshake that failed has its own line.
        let said =
            self.session.expects() == Expects::Nothing || self.end == SessionEnd::HandshakeFailed;
        if !inside || said || !self.hub.journal.is_kept() {
            return;
        }
        let error = result.as_ref().err().map(ToString::to_string);
        let about = self
            .left
            .take()
            .map_or_else(|| self.session.about(), |left| *left);
        self.log_one(Why::Gone(self.end.label()), &about, error.as_deref());
    }

    fn log_one(&self, why: Why, about: &About, error: Option<&str>) {
        self.hub.log_refused(RefusedLine {
            why,
            client: &self.client,
            tls: self.stream.agreed(),
            about,
            error,
        });
    }
}

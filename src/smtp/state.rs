//! The states of a session. The data of a state lives only in that state.
//!
//! ```text
//!             HELO/EHLO          MAIL            RCPT             DATA               admit
//!   Connected ─────────▶ Greeted ────▶ Addressed ────▶ Addressed ─────▶ Admitting ─────────▶ Receiving
//!                           ▲  ▲  RSET, HELO, EHLO │                        │ no room           │ end of data
//!                           │  └───────────────────┘                        │                   ▼
//!                           │◀──────────────────────────── 451 ─────────────┘              Committing
//!                           │◀──────────────── 250 (stored), 4xx, 5xx ─────────────────────────┘
//!                           │
//!   any state ── QUIT, 421 ─┴──▶ Closed
//! ```

use std::sync::Arc;

use super::address::Mailbox;
use super::data::Decoder;
use super::parameter::MailParameters;

/// How the client greeted.
#[derive(Debug, Clone)]
pub struct Hello {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it said EHLO.
    pub extended: bool,
}

/// An open transaction (RFC 5321 3.3).
#[derive(Debug, Clone)]
pub struct Transaction {
    /// The greeting that it stands under.
    pub hello: Hello,
    /// The reverse-path; `None` is the null one.
    pub reverse_path: Option<Mailbox>,
    /// The parameters of MAIL.
    pub parameters: MailParameters,
    /// Accepted forward-paths.
    pub recipients: Vec<Mailbox>,
}

/// Where a session stands.
#[derive(Debug)]
pub enum State {
    /// No HELO or EHLO yet.
    Connected,
    /// Greeted, no transaction.
    Greeted(Hello),
    /// MAIL was accepted; RCPT may have been.
    Addressed(Transaction),
    /// DATA was accepted; the driver looks for room.
    Admitting(Transaction),
    /// The data arrives.
    Receiving {
        /// Whose data.
        transaction: Transaction,
        /// Finds its end.
        decoder: Decoder,
        /// Octets of the message so far.
        size: u64,
        /// Set once nothing more is kept: the reply that is due at the end of the data.
        spoilt: Option<super::refusal::Refusal>,
    },
    /// The message is complete and its outcome is awaited.
    Committing(Hello),
    /// Nothing more is read; what waits is written, then the connection ends.
    Closed,
}

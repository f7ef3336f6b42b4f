//! The states of a session. The data of a state lives only in that state; what belongs to a transaction is boxed, so that a
//! session without one is small.
//!
//! ```text
//!             HELO/EHLO          MAIL            RCPT          DATA, BDAT          admit
//!   Connected ─────────▶ Greeted ────▶ Addressed ────▶ Addressed ─────▶ Admitting ─────────▶ Receiving
//!      ▲  │                 ▲  ▲  RSET, HELO, EHLO │                        │ no room          │  ▲  │ end
//!      │  │ STARTTLS        │  └───────────────────┘                        │        chunk, not│  │  │ of the
//!      │  ▼                 │◀──────────────────────────── 451 ─────────────┘        the last  ▼  │  │ message
//!   Securing ◀── STARTTLS ──┤◀───── RSET, HELO, EHLO ──────────────────────────────── BetweenChunks │
//!      └── handshake        │                                                            BDAT    │  ▼
//!          (all forgotten)  │◀──────────────── 250 (stored), 4xx, 5xx ──────────────────────── Committing
//!                           │
//!   any state ── a refused BDAT ──▶ Skipping ── its octets are gone ──▶ the state it came from
//!   any state ── QUIT, 421, 521 ──▶ Closed
//! ```

use std::sync::Arc;
use std::time::Instant;

use super::address::Mailbox;
use super::data::Decoder;
use super::parameter::MailParameters;
use super::refusal::Refusal;

/// How the client greeted.
#[derive(Debug, Clone, Default)]
pub struct Hello {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it said EHLO.
    pub extended: bool,
}

/// An open transaction (RFC 5321 3.3).
#[derive(Debug, Clone, Default)]
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

/// A chunk of BDAT (RFC 3030).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Octets still to come.
    pub left: u64,
    /// Whether the message ends with it.
    pub last: bool,
}

/// How the octets that are being received are told from what follows them.
#[derive(Debug)]
pub enum Framing {
    /// DATA: by the line that holds a dot alone.
    Lines(Decoder),
    /// BDAT: by their number.
    Chunk(Chunk),
}

/// A message of which a part has arrived.
#[derive(Debug)]
pub struct Incoming {
    /// Whose message.
    pub transaction: Box<Transaction>,
    /// Octets of the message so far.
    pub size: u64,
    /// When it has to be here whole, however its octets drip.
    pub until: Instant,
}

/// Where a session stands.
#[derive(Debug)]
pub enum State {
    /// No HELO or EHLO yet.
    Connected,
    /// Greeted, no transaction.
    Greeted(Hello),
    /// STARTTLS was accepted; the driver shakes hands. What was said before is only told where that fails.
    Securing(Hello),
    /// MAIL was accepted; RCPT may have been.
    Addressed(Box<Transaction>),
    /// DATA (`None`) or a first BDAT was accepted; the driver looks for room.
    Admitting(Box<Transaction>, Option<Chunk>),
    /// The data, or a chunk, arrives.
    Receiving {
        /// The message.
        incoming: Incoming,
        /// Where it ends.
        framing: Framing,
        /// Set once nothing more is kept: the reply that is due at the end.
        spoilt: Option<Refusal>,
    },
    /// A chunk has arrived and the next BDAT is awaited.
    BetweenChunks(Incoming),
    /// The octets of a refused BDAT arrive; they are dropped.
    Skipping {
        /// Octets still to come.
        left: u64,
        /// When they have to be here.
        until: Instant,
        /// The state behind them; never `Skipping` or `Closed`.
        then: Box<State>,
    },
    /// The message is complete and its outcome is awaited.
    Committing(Box<Transaction>),
    /// Nothing more is read; what waits is written, then the connection ends.
    Closed,
}

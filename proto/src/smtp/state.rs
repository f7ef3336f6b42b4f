//! The states of a session. The data of a state lives only in that state; what belongs to a transaction is boxed, so that a
//! session without one is small.
//!
//! ```text
//!   Ready: a command is read next
//!   ┌──────────────────────────────────────────────────────────────────────────────────┐
//!   │            HELO, EHLO          MAIL             RCPT                             │
//!   │  Connected ─────────▶ Greeted ─────▶ Addressed ─────▶ Addressed    BetweenChunks │
//!   │                         ▲  ▲  RSET, HELO, EHLO │          │          │  ▲   │    │
//!   │                         │  └───────────────────┘          │          │  │   │    │
//!   │                         └──────────── RSET, HELO, EHLO ───┼──────────┘  │   │    │
//!   └─────▲──────────────────────────▲──────────────────────────┼─────────────┼───┼────┘
//!         │ handshake                │                          │ DATA, BDAT  │   │ BDAT
//!         │ (all is forgotten)       │◀──── 4xx ──── Admitting ◀┘             │   │
//!      Securing ◀── STARTTLS         │                  │ room     chunk, not │   │
//!                                    │◀──── 5xx ──── Receiving ── the last ───┘   │
//!                                    │                  │   ▲─────────────────────┘
//!                                    │                  │ end of the message
//!                                    └── 250, 4xx, 5xx ─┴─ Committing
//!
//!   Ready, Admitting ── a refused BDAT ──▶ Skipping ── its octets are gone ──▶ the stage it came from
//!   any state ── QUIT, 421, 521 ──▶ Closed
//! ```

use std::sync::Arc;
use std::time::Instant;

use super::address::Mailbox;
use super::data::Decoder;
use super::parameter::{Chunk, MailParameters};
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
    /// When its phases began.
    pub times: Times,
}

/// When the phases of a transaction began, for drivers that say how long each took. Every one is a time that the driver gave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// MAIL was accepted.
    pub mail: Option<Instant>,
    /// DATA or the first BDAT was accepted, and room is looked for.
    pub asked: Option<Instant>,
    /// There is room: the data is awaited.
    pub data: Option<Instant>,
}

/// How the end of what is being received is found.
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
    /// When the whole message has to be here, however slowly its octets come.
    pub until: Instant,
}

/// A message, or a chunk of one, that arrives.
#[derive(Debug)]
pub struct Receiving {
    /// The message.
    pub incoming: Incoming,
    /// Where it ends.
    pub framing: Framing,
    /// Set once nothing more is kept: the reply that is due at the end.
    pub spoilt: Option<Refusal>,
}

/// The octets of a refused BDAT, which are dropped.
#[derive(Debug)]
pub struct Skipping {
    /// Octets still to come.
    pub left: u64,
    /// When they have to be here.
    pub until: Instant,
    /// The stage after them. Boxed, since few sessions ever skip anything.
    pub then: Box<Stage>,
}

/// Where a session stands between two commands.
#[derive(Debug)]
pub enum Stage {
    /// No HELO or EHLO yet.
    Connected,
    /// Greeted, no transaction.
    Greeted(Hello),
    /// MAIL was accepted; RCPT may have been.
    Addressed(Box<Transaction>),
    /// A chunk has arrived and the next BDAT is awaited.
    BetweenChunks(Incoming),
}

/// Where a session stands.
#[derive(Debug, Default)]
pub enum State {
    /// A command is read next.
    Ready(Stage),
    /// STARTTLS was accepted; the driver shakes hands. What was said before is kept for the log of a handshake that fails.
    Securing(Hello),
    /// DATA or a first BDAT was accepted; the driver has the transaction and looks for room.
    Admitting,
    /// The data, or a chunk, arrives.
    Receiving(Receiving),
    /// The octets of a refused BDAT arrive.
    Skipping(Skipping),
    /// The message is complete; the driver has the transaction and waits for the outcome.
    Committing,
    /// Nothing more is read; what waits is written, then the connection ends.
    #[default]
    Closed,
}

impl State {
    /// Whether it is outside of a transaction, waiting for a command.
    pub fn is_idle(&self) -> bool {
        match self {
            State::Ready(Stage::Connected | Stage::Greeted(_)) => true,
            State::Ready(Stage::Addressed(_) | Stage::BetweenChunks(_))
            | State::Securing(_)
            | State::Admitting
            | State::Receiving(_)
            | State::Skipping(_)
            | State::Committing
            | State::Closed => false,
        }
    }
}

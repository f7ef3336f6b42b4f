//! The seam: what a server asks of the place where its messages go, whichever that is.
//!
//! Owns: the traits [`Sink`] and [`Configured`], and what is said across them. Must not know: any sink, sessions, sockets.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::condition::Condition;
use super::report::{Submission, Ticket};
use super::routes::Reports;
use super::statistics::Statistics;
use crate::config::{TopicPlace, Topics};
use crate::failure::Failure;
use crate::mail::record::Record;
use crate::smtp::refusal::Refusal;
use crate::smtp::session::Intake;
use crate::verdict::Line;

/// A place that takes records. All workers share one.
///
/// Its methods, by kind:
/// - the path of a mail: [`submit`](Self::submit), by any worker at any time, answered by [`Submission`] at once or by a
///   [`Report`](super::report::Report) later;
/// - what senders learn before they send: [`intake`](Self::intake), asked where a connection begins and before commands are taken,
///   and [`turned_away`](Self::turned_away);
/// - the operator's questions: [`ready`](Self::ready), [`condition`](Self::condition);
/// - the end: [`drain`](Self::drain), once, when the workers have stopped;
/// - what it is: [`describe`](Self::describe), which never changes.
///
/// A record that is not stored is [`Outcome::Refused`](super::report::Outcome::Refused) with one of the refusals
/// `Refusal::Storage…`: the client is answered 451 and keeps its mail.
///
/// An implementation holds to this:
/// - [`Outcome::Stored`](super::report::Outcome::Stored) is said of a record that is stored, and of no other: the session says
///   250 because of it;
/// - a record whose submission is pending is reported exactly once, to the worker that its ticket names, drained or not; a
///   record that is decided at once is not reported;
/// - `submit`, `intake`, `ready` and `condition` never wait: not for a disk, a socket or a lock that is held across either.
pub trait Sink: Send + Sync {
    /// With what a record for this topic would be refused at once, as far as is known now. Asked before the records of a mail that
    /// has several are handed over, so that none of them is stored in vain.
    fn closed(&self, _topic: TopicPlace) -> Option<Refusal> {
        None
    }

    /// Hands a record over, for one of the topics of the configuration. Never blocks, and copies no value.
    fn submit(&self, topic: TopicPlace, ticket: Ticket, record: Box<Record>) -> Submission;

    /// Whether a session, or a transaction, may begin. One load of an atomic: every worker asks all the time. A sink that is
    /// never away keeps this.
    fn intake(&self) -> Intake {
        Intake::Open
    }

    /// A client was refused because of [`intake`](Self::intake): counted for what the sink says of its outage.
    fn turned_away(&self) {}

    /// Whether mail would be stored, as far as is known now.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), Unready>;

    /// How it is now, for an operator. A sink without brokers keeps this.
    fn condition(&self) -> Condition {
        Condition::default()
    }

    /// Takes no more records, waits up to `within` for those under way, gives up on the rest, and ends the sink's threads.
    /// When it returns, every pending record has been reported. Blocks.
    fn drain(&self, within: Duration);

    /// What this sink is.
    fn describe(&self) -> Description;
}

/// What a sink is. It does not change while the sink lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Where records go, as the line "ready" names it.
    pub address: String,
    /// The topics that records go to.
    pub topics: Topics,
    /// The largest message that it takes, in bytes: SIZE is never advertised above it.
    pub message_size: u64,
    /// What "stored" is worth.
    pub keeps: Keeps,
}

impl Description {
    /// The topic of mail that takes no route.
    pub fn first_topic(&self) -> &str {
        self.topics.name(TopicPlace::FIRST)
    }
}

/// What "stored" is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Every in-sync replica has the record.
    Replicas,
    /// This process has it, in memory, until it is full or ends: a first try.
    Memory,
    /// It is not kept: for measuring.
    Nothing,
}

/// Why no mail would be stored now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// It is not known yet.
    #[error("the brokers have not answered yet")]
    Unasked,
    /// The storage is away, or refuses mail: why, for an operator.
    #[error("{0}")]
    Away(String),
}

/// A sink as it is configured, which does not run yet.
pub trait Configured {
    /// What "stored" will be worth.
    fn keeps(&self) -> Keeps;

    /// Whether a sink can be made of the configuration, as far as is known without asking a broker. It returns what is odd
    /// in it, a line each.
    ///
    /// # Errors
    /// What is wrong, and where.
    fn check(&self) -> Result<Vec<String>, Failure>;

    /// Asks all that decides over mail, as `ringpost check` does: a line for each question. `waiting` is called if an answer
    /// takes longer than an operator expects.
    fn examine(&self, waiting: &dyn Fn(&str)) -> Vec<Line>;

    /// Starts it. May block for some seconds, so that it is started before anything listens.
    ///
    /// # Errors
    /// What keeps it from starting. A storage that is away does not: mail gets 451 until it is back.
    fn start(&self, setup: Setup) -> Result<Started, Failure>;
}

/// What a sink is started with.
pub struct Setup {
    /// One for each worker: notified once for each batch of reports that its receiver gets.
    pub wakers: Vec<Arc<Notify>>,
    /// Takes what the sink counts of itself, every few seconds, on a thread of the sink's.
    pub observe: Box<dyn Fn(&Statistics) + Send + Sync>,
}

/// A sink that runs.
pub struct Started {
    /// The sink.
    pub sink: Arc<dyn Sink>,
    /// Where each worker takes its reports, in the order of the wakers. Nothing comes from a sink that decides at once:
    /// `crossbeam_channel::never()` for each.
    pub reports: Vec<Reports>,
}

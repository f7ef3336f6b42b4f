//! What a program says of itself, beside its metrics: whether it is ready, and what of the snapshot is its own.
//!
//! Must not know: rates, pages.

use super::reading::Reading;
use super::snapshot::{Certificate, Fact, Limit, Listener, Objects, RecipientsTopic, Storage};

/// What the probes of a supervisor ask. Nothing here waits for a broker, a disk or a worker.
pub trait Health: Send + Sync {
    /// Why no mail would be stored, or no record works through, as a sentence for an operator; none if it would.
    fn unready(&self) -> Option<String>;

    /// What of it would not although the rest would, as a sentence for an operator.
    fn impaired(&self) -> Option<String> {
        None
    }

    /// Whether the process works; a supervisor restarts it when it does not. That the listener answers at all is the
    /// answer unless an implementation knows more.
    fn alive(&self) -> bool {
        true
    }
}

/// A program that can be looked at. It does not wait either.
pub trait Source: Send + Sync {
    /// How it is now. What is counted is in `reading`.
    fn state(&self, reading: &Reading) -> State;
}

/// What of a snapshot is a program's own; see there.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the fields are those of the snapshot")]
pub struct State {
    pub hostname: String,
    pub facts: Vec<Fact>,
    pub listeners: Vec<Listener>,
    pub limits: Vec<Limit>,
    pub storage: Option<Storage>,
    pub certificates: Vec<Certificate>,
    pub objects: Option<Objects>,
    pub recipients_topic: Option<RecipientsTopic>,
}

impl Fact {
    /// Of this name.
    pub fn new(name: &str, text: &str, value: impl ToString) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            value: value.to_string(),
        }
    }
}

impl Limit {
    /// A number of something.
    pub fn count(name: &str, used: f64, most: f64) -> Self {
        Self::new(name, "count", used, most)
    }

    /// Bytes.
    pub fn bytes(name: &str, used: f64, most: f64) -> Self {
        Self::new(name, "bytes", used, most)
    }

    fn new(name: &str, unit: &str, used: f64, most: f64) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            used,
            most,
        }
    }
}

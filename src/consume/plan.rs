//! What is read, from which cluster, and as whom.
//!
//! Owns: what a reader has to know before it begins. Must not know: when reading is over, nor what becomes of the records.
//!
//! Invariant: no value of a property gets into a debug print.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::line::Say;
use super::stop::Stop;

/// How long brokers have to answer before it is an error.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);

/// How long the group keeps the partitions of a member that was killed. librdkafka's own 45 s are a long silence for
/// an operator who starts again; heartbeats come from their own thread, so a slow disk does not end a session.
pub const SESSION_TIMEOUT_MS: &str = "10000";

/// What to read.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// The consumer group; none: every partition, nothing committed.
    pub group: Option<String>,
    /// The partitions; none: all of them. A group decides this itself.
    pub partitions: Vec<i32>,
    /// Where each begins. In a group: only where it has no offset yet.
    pub start: Start,
    /// Records that ringpost did not write are given on too.
    pub foreign: bool,
    /// More librdkafka properties.
    pub properties: Properties,
    /// How long brokers have to answer: [`BROKER_WAIT`], less in tests.
    pub broker_wait: Duration,
    /// Asks to stop before the end.
    pub stop: Stop,
    /// Takes what the operator should know.
    pub say: Say,
    /// Takes what is usual, as that partitions are awaited.
    pub note: Say,
}

/// Where reading of a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that it still has.
    Beginning,
    /// At what is written from now on.
    End,
    /// At the first record whose time stamp of Kafka is this or later.
    Since(Timestamp),
    /// At this offset, which it has to have.
    Offset(i64),
}

/// librdkafka properties by name, of which the last of a name counts; a debug print has the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub Vec<(String, String)>);

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Properties {
    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.0.iter().rev();
        given
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// All, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Plan {
    /// Whether the client may set `session.timeout.ms`; in the newer protocol the broker decides it.
    pub fn has_session_timeout(&self) -> bool {
        self.properties.get("group.protocol") != Some("consumer")
    }

    /// After how long the group gives a killed member up, as the end of a sentence.
    pub fn session(&self) -> String {
        if !self.has_session_timeout() {
            return String::new();
        }
        let given = self.properties.get("session.timeout.ms");
        let milliseconds = given.unwrap_or(SESSION_TIMEOUT_MS).parse::<u64>();
        milliseconds.map_or_else(
            |_| String::new(),
            |milliseconds| {
                format!(
                    ", {} s after its last heartbeat",
                    milliseconds.div_ceil(1000)
                )
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_has_no_value_of_a_property() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let properties = Properties(vec![
            pair("sasl.password", "hunter2"),
            pair("sasl.password", "hunter3"),
        ]);
        assert_eq!(properties.get("sasl.password"), Some("hunter3"));
        let printed = format!("{properties:?}");
        assert!(printed.contains("sasl.password") && !printed.contains("hunter"));
    }
}

//! What of a topic's configuration decides over mail, read from the cluster's answer.
//!
//! Owns: which entries these are, and how their values are read. Must not know: what follows from them.
//!
//! Invariant: an entry that the cluster leaves out, or that cannot be read, is none, and never a default.

use std::collections::BTreeMap;
use std::str::FromStr;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    /// `max.message.bytes`: the largest record.
    pub max_message_bytes: Option<u64>,
    /// `min.insync.replicas`: with fewer in sync, nothing is stored.
    pub min_insync_replicas: Option<usize>,
    /// `unclean.leader.election.enable`: whether a replica that lacks records may lead.
    pub unclean_election: Option<bool>,
    /// `cleanup.policy`: what becomes of old records.
    pub cleanup_policy: Option<String>,
    /// `retention.ms`: how long records are kept; below zero, for ever.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`: how much of each partition is kept; below zero, all.
    pub retention_bytes: Option<i64>,
    /// `flush.messages`: after how many records a replica waits for its disk.
    pub flush_messages: Option<u64>,
    /// `write.caching` of Redpanda: whether records are acknowledged before they are written to a disk.
    pub write_caching: Option<bool>,
}

impl TopicSettings {
    /// From the entries that have a value.
    pub(super) fn read(entries: &BTreeMap<String, String>) -> Self {
        Self {
            max_message_bytes: parsed(entries, "max.message.bytes"),
            min_insync_replicas: parsed(entries, "min.insync.replicas"),
            unclean_election: parsed(entries, "unclean.leader.election.enable"),
            cleanup_policy: entries.get("cleanup.policy").cloned(),
            retention_ms: parsed(entries, "retention.ms"),
            retention_bytes: parsed(entries, "retention.bytes"),
            flush_messages: parsed(entries, "flush.messages"),
            write_caching: parsed(entries, "write.caching"),
        }
    }

    /// Whether old records are deleted for their age or for room, and not only because a newer one has their key.
    pub(super) fn deletes(&self) -> bool {
        let policy = self.cleanup_policy.as_deref();
        policy.is_none_or(|policy| policy.split(',').any(|part| part.trim() == "delete"))
    }
}

fn parsed<T: FromStr>(entries: &BTreeMap<String, String>, name: &str) -> Option<T> {
    entries.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_absent_or_odd_is_none() {
        let entries = [
            ("max.message.bytes", "1048588"),
            ("min.insync.replicas", "two"),
            ("unclean.leader.election.enable", "false"),
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("write.caching", "true"),
        ];
        let entries = entries.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let read = TopicSettings::read(&entries.into());
        let expected = TopicSettings {
            max_message_bytes: Some(1_048_588),
            unclean_election: Some(false),
            cleanup_policy: Some("delete".to_owned()),
            retention_ms: Some(-1),
            write_caching: Some(true),
            ..TopicSettings::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn age_matters_where_the_policy_deletes() {
        for (policy, deletes) in [
            (Some("delete"), true),
            (Some("compact, delete"), true),
            (Some("compact"), false),
            (None, true),
        ] {
            let settings = TopicSettings {
                cleanup_policy: policy.map(str::to_owned),
                ..TopicSettings::default()
            };
            assert_eq!(settings.deletes(), deletes, "{policy:?}");
        }
    }
}

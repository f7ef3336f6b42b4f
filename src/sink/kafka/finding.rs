//! What can be wrong with a cluster and a topic: the one list, with one text for each, that `check`, the start, the log and
//! /readyz share.
//!
//! Owns: the texts, and the commands in them that fix it. Must not know: how an answer was found.
//!
//! Invariant: a text names what, where and the fix, and no value of a property.

use super::question::Question;
use super::subject::{REPLICAS, Subject};
use crate::config::RecordKey;
use crate::config::options::OBJECTS_BOUND;
use crate::limits::{MESSAGE_FLOOR_OCTETS, RECORD_OVERHEAD_OCTETS};

/// Something that an operator has to fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// No broker answers: why.
    Unreachable(String),
    /// The topic does not exist in a cluster of this many brokers.
    Missing(usize),
    /// This client may not even describe the topic.
    Hidden,
    /// The cluster does not accept the topic's name.
    Unnameable,
    /// The cluster says something else of the topic.
    Odd(String),
    /// This many partitions, of this many, have no leader.
    Leaderless(usize, usize),
    /// A partition has this many replicas in sync, fewer than `min.insync.replicas`.
    FewInSync(usize, usize),
    /// This `cleanup.policy` compacts.
    Compacted(String),
    /// `min.insync.replicas` is lower than `kafka.require_in_sync`, of a topic with this many replicas.
    BelowRequired {
        /// What it is.
        least: usize,
        /// The replicas of each partition.
        replicas: usize,
    },
    /// It is not known, for this reason, and more than 1 is required.
    RequiredUntold(String),
    /// Writing is not allowed.
    Unwritable,
    /// `max.message.bytes` is less than what the largest message needs.
    TooSmall(u64),
    /// `max.message.bytes` is less than what the smallest message needs that a mail server has to take.
    BelowFloor(u64),
}

/// What a finding means for mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Mail is answered 451, at once: handing it over could lose it, or create the topic.
    Refuses,
    /// Mail is answered 451 once Kafka has refused it, or has not stored it in time.
    Fails,
    /// Mail is stored, but not as an operator may expect.
    Warns,
}

impl Finding {
    /// What it answers.
    pub(crate) fn question(&self) -> Question {
        match self {
            Finding::Unreachable(_) => Question::Brokers,
            Finding::Missing(_)
            | Finding::Hidden
            | Finding::Unnameable
            | Finding::Odd(_)
            | Finding::Leaderless(..)
            | Finding::FewInSync(..) => Question::Topic,
            Finding::BelowRequired { .. } | Finding::RequiredUntold(_) => Question::InSync,
            Finding::Compacted(_) => Question::Cleanup,
            Finding::Unwritable => Question::Write,
            Finding::TooSmall(_) | Finding::BelowFloor(_) => Question::Size,
        }
    }

    /// What it means for mail.
    pub(crate) fn effect(&self, subject: &Subject) -> Effect {
        match self {
            Finding::Missing(_) | Finding::BelowFloor(_) => Effect::Refuses,
            // With a key, an operator may want the newest mail of each alone; without one, Kafka takes none at all.
            Finding::Compacted(_) if subject.allows_compacted() => Effect::Warns,
            Finding::Compacted(_) | Finding::BelowRequired { .. } | Finding::RequiredUntold(_) => {
                Effect::Refuses
            }
            Finding::TooSmall(_) => Effect::Warns,
            Finding::Unreachable(_)
            | Finding::Hidden
            | Finding::Unnameable
            | Finding::Odd(_)
            | Finding::Leaderless(..)
            | Finding::FewInSync(..)
            | Finding::Unwritable => Effect::Fails,
        }
    }

    /// For an operator: what, where, and what helps.
    pub(crate) fn text(&self, subject: &Subject) -> String {
        let (brokers, topic, place) = (subject.brokers(), subject.topic(), subject.place());
        match self {
            Finding::Unreachable(reason) => format!("kafka.brokers {brokers}: {reason}"),
            Finding::Missing(count) => missing(subject, *count),
            Finding::Hidden => format!(
                "{place}: not authorized (TOPIC_AUTHORIZATION_FAILED); the operations Describe and \
                 Write are missing; grant them with {}",
                subject.grant(&["Describe", "Write", "DescribeConfigs"])
            ),
            Finding::Unnameable => {
                format!("{place}: the name is not one that Kafka accepts (INVALID_TOPIC_EXCEPTION)")
            }
            Finding::Odd(reason) => format!("{place}: {reason}"),
            Finding::Leaderless(count, of) => format!(
                "{place}: {count} of {of} partitions have no leader; bring the brokers back that \
                 hold them; `kafka-topics.sh --describe --bootstrap-server {brokers} --topic {topic}` names them"
            ),
            Finding::FewInSync(in_sync, least) => format!(
                "{place}: a partition has {in_sync} replicas in sync, fewer than \
                 min.insync.replicas = {least}, so that mail for it gets 451; bring the brokers back, or lower it to what \
                 the replicas allow"
            ),
            Finding::Compacted(policy) => compacted(subject, policy),
            Finding::BelowRequired { least, replicas } => {
                below_required(subject, *least, *replicas)
            }
            Finding::RequiredUntold(why) => format!(
                "kafka.require_in_sync = {} of {place} cannot be checked, so that all mail gets 451: {why}",
                subject.require_in_sync()
            ),
            Finding::Unwritable => format!(
                "{place}: ringpost may not write to it (TOPIC_AUTHORIZATION_FAILED); the operation \
                 Write is missing; grant it with {}",
                subject.grant(&["Write"])
            ),
            Finding::TooSmall(most) => too_small(subject, *most),
            Finding::BelowFloor(most) => format!(
                "max.message.bytes = {most} of {place} is too small for any mail: a message of \
                 {} bytes and {RECORD_OVERHEAD_OCTETS} for its headers have to fit, so that all mail gets 451; raise it with {}",
                subject.message_size().min(MESSAGE_FLOOR_OCTETS as u64),
                subject.raise()
            ),
        }
    }
}

fn missing(subject: &Subject, brokers: usize) -> String {
    let creates = match subject.creates() {
        true => "ringpost creates it (kafka.create_topic) at its start only: restart it, or",
        false => "ringpost creates none;",
    };
    format!(
        "{} does not exist (UNKNOWN_TOPIC_OR_PARTITION), and {creates} create it with {}",
        subject.place(),
        subject.create(brokers)
    )
}

fn below_required(subject: &Subject, least: usize, replicas: usize) -> String {
    let required = subject.require_in_sync();
    let entry = format!("min.insync.replicas={required}");
    let mend = match replicas < required {
        true => format!(
            "its replicas are {replicas}, so that it cannot be raised as far: give the topic {} first, or lower \
             kafka.require_in_sync",
            REPLICAS.max(required + 1)
        ),
        false => format!("raise it with {}", subject.alter(&entry)),
    };
    format!(
        "min.insync.replicas = {least} of {} is lower than kafka.require_in_sync = {required}, so that all mail gets 451; {mend}",
        subject.place()
    )
}

fn too_small(subject: &Subject, most: u64) -> String {
    let (place, wanted, raise) = (subject.place(), subject.message_size(), subject.raise());
    let bound = subject.bound();
    let fits = most.saturating_sub(RECORD_OVERHEAD_OCTETS as u64);
    match subject.is_advertised() {
        false if bound == OBJECTS_BOUND => format!(
            "max.message.bytes = {most} of {place}: a mail of more than {fits} bytes becomes an object ({OBJECTS_BOUND}); raise it \
             with {raise} if it is not to"
        ),
        false => format!(
            "max.message.bytes = {most} of {place} is too small for {bound} = {wanted}: SIZE is \
             lowered to {fits} at the start, and a larger mail is refused; raise it with {raise}"
        ),
        true => {
            let what = match subject.is_bound_by_size() {
                true => format!("the SIZE = {wanted} that EHLO names"),
                false => format!("{bound} = {wanted}"),
            };
            format!(
                "max.message.bytes = {most} of {place} is too small for {what}: mail of more than {fits} bytes that goes to it \
                 gets 451 until it is raised; raise it with {raise}; or restart, and SIZE is {fits}"
            )
        }
    }
}

fn compacted(subject: &Subject, policy: &str) -> String {
    let place = subject.place();
    let mend = subject.alter("cleanup.policy=delete");
    let harm = match subject.key() {
        RecordKey::None => {
            "Kafka refuses every record without a key, which kafka.key = \"none\" makes"
        }
        _ => {
            "Kafka deletes all but the newest record of each key, so that mail is lost after its 250"
        }
    };
    let otherwise = match (subject.key(), subject.is_compacted_by_choice()) {
        (RecordKey::None, _) => "",
        (_, true) => " (kafka.allow_compacted is true)",
        (_, false) => {
            ", or set kafka.allow_compacted = true if the newest mail of each key is enough"
        }
    };
    format!(
        "{place} is compacted (cleanup.policy = {policy}): {harm}; change it with {mend}{otherwise}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::settings::Cluster;
    use super::*;
    use crate::config::Config;

    fn subject(change: impl FnOnce(&mut Config)) -> Subject {
        let mut config = Config::default();
        change(&mut config);
        let cluster = Cluster {
            brokers: "k:9092".to_owned(),
            topics: config.topics(),
            kafka: config.kafka,
        };
        Subject::new(&cluster, config.limits.message_size)
    }

    #[test]
    fn the_command_that_creates_a_topic_fits_the_cluster_and_the_largest_message() {
        let bytes = 25 * 1024 * 1024 + RECORD_OVERHEAD_OCTETS;
        for (brokers, replicas, least, worth) in [
            (0, 3, 2, false),
            (1, 1, 1, true),
            (2, 2, 1, true),
            (3, 3, 2, false),
            (9, 3, 2, false),
        ] {
            let text = Finding::Missing(brokers).text(&subject(|_| {}));
            let command = format!(
                "--replication-factor {replicas} --config min.insync.replicas={least} --config max.message.bytes={bytes} "
            );
            assert!(text.contains(&command), "{brokers}: {text}");
            assert_eq!(
                text.contains("copies") || text.contains("one copy"),
                worth,
                "{text}"
            );
        }
        let large = subject(|config| config.limits.message_size = 64 << 20);
        let text = Finding::Missing(3).text(&large);
        assert!(text.contains("max.message.bytes=67174400"), "{text}");
    }

    #[test]
    fn a_compacted_topic_is_refused_unless_it_is_allowed_and_records_have_keys() {
        let finding = Finding::Compacted("compact,delete".into());
        for (key, allowed, effect, words) in [
            (RecordKey::None, false, Effect::Refuses, "without a key"),
            (RecordKey::None, true, Effect::Refuses, "without a key"),
            (
                RecordKey::Recipient,
                false,
                Effect::Refuses,
                "kafka.allow_compacted = true",
            ),
            (
                RecordKey::Recipient,
                true,
                Effect::Warns,
                "newest record of each key",
            ),
        ] {
            let subject = subject(|config| {
                (config.kafka.key, config.kafka.allow_compacted) = (key, allowed);
            });
            assert_eq!(finding.effect(&subject), effect, "{key:?} {allowed}");
            let text = finding.text(&subject);
            assert!(text.contains(words), "{text}");
            assert!(
                text.contains("--add-config cleanup.policy=delete"),
                "{text}"
            );
        }
    }

    #[test]
    fn less_than_is_required_says_what_raises_it_where_the_replicas_allow() {
        let subject = subject(|config| config.kafka.require_in_sync = 2);
        for (replicas, words) in [
            (
                1,
                "its replicas are 1, so that it cannot be raised as far: give the topic 3 first",
            ),
            (2, "--add-config min.insync.replicas=2`"),
            (3, "--add-config min.insync.replicas=2`"),
        ] {
            let finding = Finding::BelowRequired { least: 1, replicas };
            let text = finding.text(&subject);
            assert!(text.contains(words), "{text}");
            assert!(text.contains("kafka.require_in_sync = 2"), "{text}");
            assert_eq!(finding.effect(&subject), Effect::Refuses);
        }
    }

    #[test]
    fn a_topic_that_the_start_would_create_is_said_to_need_a_restart() {
        let text = |create| Finding::Missing(1).text(&subject(|c| c.kafka.create_topic = create));
        assert!(text(true).contains("at its start only: restart it, or create it with"));
        assert!(text(false).contains("ringpost creates none; create it with"));
    }

    #[test]
    fn a_finding_says_where_and_how_to_mend_it() {
        let subject = subject(|_| {});
        for (finding, words) in [
            (
                Finding::Unwritable,
                "kafka-acls.sh --bootstrap-server k:9092 --add",
            ),
            (Finding::Unwritable, "--operation Write --topic mail"),
            (Finding::Hidden, "--operation Describe --operation Write"),
            (Finding::Leaderless(2, 12), "2 of 12 partitions"),
            (Finding::FewInSync(1, 2), "min.insync.replicas = 2"),
            (Finding::TooSmall(1_000_000), "SIZE is lowered to 934464"),
            (Finding::BelowFloor(1_000), "so that all mail gets 451"),
            (
                Finding::RequiredUntold("it is a secret".to_owned()),
                "cannot be checked, so that all mail gets 451: it is a secret",
            ),
            (Finding::BelowFloor(1_000), "max.message.bytes=26279936"),
        ] {
            let text = finding.text(&subject);
            assert!(text.contains(words), "{finding:?}: {text}");
            assert!(text.contains("mail"), "{text}");
        }
    }

    #[test]
    fn a_limit_that_is_lowered_later_is_not_said_to_lower_size() {
        let text = Finding::TooSmall(1_000_000).text(&subject(|_| {}).advertised());
        assert!(!text.contains("lowered"), "{text}");
        let words = "more than 934464 bytes that goes to it gets 451";
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn the_least_that_a_topic_has_to_hold_is_the_least_that_a_mail_server_has_to() {
        let floor = (MESSAGE_FLOOR_OCTETS + RECORD_OVERHEAD_OCTETS) as u64;
        let usual = subject(|_| {});
        assert!(usual.is_below_floor(floor - 1) && !usual.is_below_floor(floor));
        // An operator who asks for less gets less.
        let small = subject(|config| config.limits.message_size = 1024);
        let floor = 1024 + RECORD_OVERHEAD_OCTETS as u64;
        assert!(small.is_below_floor(floor - 1) && !small.is_below_floor(floor));
    }
}

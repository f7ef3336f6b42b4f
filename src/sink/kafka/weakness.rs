//! What makes a 250 worth less than it could be: the topic takes mail, and may lose it in a case that another setting survives.
//!
//! Owns: what counts as a weakness, and its text with the command that removes it. Must not know: what keeps mail from being
//! stored, which is `finding`'s; how an answer was found.
//!
//! Invariant: a text names what, where, what may happen and what helps; a command in it is one that the cluster can carry out.
//!
//! BUGS: a broker that is down and holds none of the topic's replicas is not counted.

use std::collections::BTreeMap;

use super::question::Question;
use super::reassignment;
use super::subject::{REPLICAS, Subject};
use super::topic_settings::TopicSettings;
use crate::kafka::topic::TopicInfo;

/// Partitions whose new replicas are spelt out in a line.
const SPELT_OUT: usize = 24;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// A partition has fewer than three replicas.
    FewReplicas(usize, More),
    /// One replica alone may confirm a record, of this many, in a cluster of this many brokers.
    OneConfirms(usize, usize),
    /// All replicas, which are this many, have to confirm.
    AllConfirm(usize),
    /// A replica that lacks records may lead.
    UncleanElection,
    /// Old records are deleted after this many milliseconds, and beyond this many bytes of a partition.
    Retention(Option<i64>, Option<i64>),
    /// Redpanda acknowledges before it writes to a disk.
    WriteCaching,
    /// librdkafka takes records as stored that Kafka has not acknowledged themselves.
    Idempotence,
}

/// How a topic gets more replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum More {
    /// It cannot: a cluster of this many brokers has no room for one.
    NoBroker(usize),
    /// By this file, to this many.
    File(String, usize),
    /// By a file that is too long for a line, to this many.
    LongFile(usize),
}

/// What weakens a 250 of this topic.
pub(super) fn of(
    info: &TopicInfo,
    settings: Option<&TopicSettings>,
    subject: &Subject,
) -> Vec<Weakness> {
    let mut found = Vec::new();
    if info.replicas > 0 && info.replicas < REPLICAS {
        let more = more(info, subject.topic());
        found.push(Weakness::FewReplicas(info.replicas, more));
    }
    let Some(settings) = settings else {
        return found;
    };
    match settings.min_insync_replicas {
        Some(0 | 1) => {
            let brokers = info.members.len();
            found.push(Weakness::OneConfirms(info.replicas, brokers));
        }
        Some(least) if least == info.replicas => found.push(Weakness::AllConfirm(least)),
        Some(_) | None => {}
    }
    if settings.unclean_election == Some(true) {
        found.push(Weakness::UncleanElection);
    }
    let finite = |bound: Option<i64>| bound.filter(|bound| *bound >= 0 && settings.deletes());
    let (age, bytes) = (
        finite(settings.retention_ms),
        finite(settings.retention_bytes),
    );
    if age.is_some() || bytes.is_some() {
        found.push(Weakness::Retention(age, bytes));
    }
    if settings.write_caching == Some(true) {
        found.push(Weakness::WriteCaching);
    }
    found
}

/// What weakens it for all topics: a property of the producer.
pub(super) fn of_properties(properties: &BTreeMap<String, String>) -> Option<Weakness> {
    // As librdkafka reads a switch.
    let on = |value: &String| {
        ["true", "t", "1"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
    };
    let idempotence = properties.get("enable.idempotence");
    idempotence.is_some_and(on).then_some(Weakness::Idempotence)
}

fn more(info: &TopicInfo, topic: &str) -> More {
    let brokers = info.members.len();
    let wanted = brokers.min(REPLICAS);
    if wanted <= info.replicas {
        return More::NoBroker(brokers);
    }
    match info.placement.len() <= SPELT_OUT {
        true => {
            let file = reassignment::file(topic, &info.placement, &info.members, wanted);
            More::File(file, wanted)
        }
        false => More::LongFile(wanted),
    }
}

impl Weakness {
    /// What it answers.
    pub(super) fn question(&self) -> Question {
        match self {
            Self::FewReplicas(..) => Question::Replicas,
            Self::OneConfirms(..) | Self::AllConfirm(_) => Question::InSync,
            Self::UncleanElection => Question::Election,
            Self::Retention(..) => Question::Retention,
            Self::WriteCaching => Question::Flush,
            Self::Idempotence => Question::Idempotence,
        }
    }

    /// For an operator: what, where, what may happen, and what helps.
    pub(super) fn text(&self, subject: &Subject) -> String {
        let place = subject.place();
        match self {
            Self::FewReplicas(replicas, more) => few_replicas(*replicas, more, subject),
            Self::OneConfirms(replicas, brokers) => one_confirms(*replicas, *brokers, subject),
            Self::AllConfirm(replicas) => all_confirm(*replicas, subject),
            Self::UncleanElection => format!(
                "{place} has unclean.leader.election.enable = true: while the replicas in sync are away, one that lacks mail may \
                 become the leader, and that mail is lost after its 250; change it with {}",
                subject.alter("unclean.leader.election.enable=false")
            ),
            Self::Retention(age, bytes) => retention(*age, *bytes, subject),
            Self::WriteCaching => format!(
                "{place} has write.caching = true: brokers acknowledge what they have in memory alone, so that a crash or a power \
                 cut of most of them at once loses mail after its 250; change it with {}",
                subject.alter("write.caching=false")
            ),
            Self::Idempotence => IDEMPOTENCE.to_owned(),
        }
    }
}

const IDEMPOTENCE: &str = "kafka.properties has enable.idempotence = true: librdkafka then takes a record for stored where the \
    broker's answer to a later one implies it; such mail gets 451, as no broker has confirmed it, and may be repeated; remove it: \
    consumers drop a repeated record by its ce_id";

/// `1 replica`, `3 replicas`.
fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn few_replicas(replicas: usize, more: &More, subject: &Subject) -> String {
    let worth = match replicas {
        1 => {
            "a 250 means that one broker has the mail in its page cache, and the loss of its disk loses it"
        }
        _ => "with one of the two brokers away, the other one has the only copy",
    };
    let mend = match more {
        More::NoBroker(1) => {
            "a cluster of one broker cannot have a second copy; with three brokers, 3 replicas and \
                              min.insync.replicas = 2 survive the loss of any one of them"
                .to_owned()
        }
        More::NoBroker(brokers) => format!(
            "a cluster of {brokers} brokers cannot have more; with three, 3 replicas and min.insync.replicas = 2 survive the \
             loss of any one of them"
        ),
        More::File(file, wanted) => {
            let most = match *wanted < REPLICAS {
                true => ", the most that two brokers can have,",
                false => "",
            };
            format!("give it {wanted}{most} with {}", subject.reassign(file))
        }
        More::LongFile(wanted) => format!(
            "give it {wanted} with kafka-reassign-partitions.sh; docs/promise.md#more-replicas writes the file"
        ),
    };
    let (place, has) = (subject.place(), counted(replicas, "replica"));
    format!("{place} has {has} of each record: {worth}; {mend}")
}

fn one_confirms(replicas: usize, brokers: usize, subject: &Subject) -> String {
    let alter = || subject.alter("min.insync.replicas=2");
    let (worth, mend) = match (replicas, brokers) {
        (0 | 1, 0 | 1) => (
            "one broker alone confirms each mail",
            "a cluster of one broker cannot have more".to_owned(),
        ),
        (0 | 1, 2) => (
            "one broker alone confirms each mail",
            "with one replica it cannot be more, and with two it should not, as each stop of a broker would stop mail".to_owned(),
        ),
        (0 | 1, _) => (
            "one broker alone confirms each mail",
            format!("give the topic 3 replicas first, then raise it with {}", alter()),
        ),
        (2, _) => (
            "while one of the two replicas is away, the other one alone confirms mail, and the loss of its disk loses that mail \
             after its 250",
            format!(
                "give the topic 3 replicas first, then raise it; {} raises it now, and then each stop of a broker stops mail (451)",
                alter()
            ),
        ),
        (_, _) => (
            "while the other replicas are away, one alone confirms mail, and the loss of its disk loses that mail after its 250",
            format!("raise it with {}", alter()),
        ),
    };
    format!(
        "{} has min.insync.replicas = 1: {worth}; {mend}",
        subject.place()
    )
}

fn all_confirm(replicas: usize, subject: &Subject) -> String {
    let mend = match replicas {
        2 => "give the topic 3 replicas, and keep min.insync.replicas = 2".to_owned(),
        _ => {
            let entry = format!("min.insync.replicas={}", replicas - 1);
            format!("lower it with {}", subject.alter(&entry))
        }
    };
    format!(
        "{} has min.insync.replicas = {replicas}, which is the number of its replicas: each stop of a broker stops mail (451; \
         nothing is lost) until it is back; {mend}",
        subject.place()
    )
}

/// A time in milliseconds, in hours.
fn hours(milliseconds: i64) -> String {
    const HOUR: i64 = 3_600_000;
    match milliseconds % HOUR {
        0 if milliseconds == HOUR => "1 hour".to_owned(),
        0 => format!("{} hours", milliseconds / HOUR),
        _ => format!("{:.2} hours", milliseconds as f64 / HOUR as f64),
    }
}

fn retention(age: Option<i64>, bytes: Option<i64>, subject: &Subject) -> String {
    let (mut kept, mut entries) = (Vec::new(), Vec::new());
    if let Some(age) = age {
        kept.push(format!("for {} (retention.ms = {age})", hours(age)));
        entries.push("retention.ms=-1");
    }
    if let Some(bytes) = bytes {
        kept.push(format!(
            "at most {bytes} bytes of each partition (retention.bytes)"
        ));
        entries.push("retention.bytes=-1");
    }
    format!(
        "{} keeps mail {}: a consumer that is further behind loses mail after its 250; ignore this if none ever is, or keep mail \
         until you delete it with {}",
        subject.place(),
        kept.join(", and "),
        subject.alter(&entries.join(","))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A topic of two partitions with this many replicas, in a cluster of this many brokers.
    fn info(replicas: usize, brokers: usize) -> TopicInfo {
        let members: Vec<i32> = (1..).take(brokers).collect();
        let some: Vec<i32> = members.iter().copied().take(replicas).collect();
        TopicInfo {
            partitions: vec![0, 1],
            leaderless: 0,
            replicas,
            in_sync: replicas,
            brokers,
            leaders: Vec::new(),
            placement: [(0, some.clone()), (1, some)].into(),
            members,
        }
    }

    fn settings(least: usize) -> TopicSettings {
        TopicSettings {
            min_insync_replicas: Some(least),
            unclean_election: Some(false),
            cleanup_policy: Some("delete".to_owned()),
            retention_ms: Some(-1),
            retention_bytes: Some(-1),
            ..TopicSettings::default()
        }
    }

    fn found(info: &TopicInfo, settings: &TopicSettings) -> Vec<Weakness> {
        of(info, Some(settings), &Subject::of_a_test())
    }

    fn texts(info: &TopicInfo, settings: &TopicSettings) -> Vec<String> {
        let subject = Subject::of_a_test();
        found(info, settings)
            .iter()
            .map(|weakness| weakness.text(&subject))
            .collect()
    }

    #[test]
    fn three_replicas_of_which_two_confirm_are_not_weak() {
        assert_eq!(found(&info(3, 3), &settings(2)), []);
        assert_eq!(found(&info(5, 9), &settings(3)), []);
        // A topic that is being made has no partition yet.
        assert_eq!(of(&info(0, 3), None, &Subject::of_a_test()), []);
    }

    #[test]
    fn few_replicas_get_what_the_cluster_can_give() {
        let no_file = "kafka-reassign-partitions.sh";
        for (replicas, brokers, words, has_file) in [
            (
                1,
                1,
                "a cluster of one broker cannot have a second copy",
                false,
            ),
            (2, 2, "a cluster of 2 brokers cannot have more", false),
            (
                1,
                2,
                "give it 2, the most that two brokers can have, with",
                true,
            ),
            (
                1,
                3,
                r#"{"topic":"mail","partition":1,"replicas":[1,2,3]}"#,
                true,
            ),
            (2, 3, r#""partition":0,"replicas":[1,2,3]}"#, true),
        ] {
            let all = texts(&info(replicas, brokers), &settings(2));
            let text = &all[0];
            assert!(text.contains(words), "{replicas} of {brokers}: {text}");
            assert_eq!(text.contains(no_file), has_file, "{text}");
        }
        let mut wide = info(1, 3);
        wide.placement = (0..25).map(|number| (number, vec![1])).collect();
        let text = &texts(&wide, &settings(2))[0];
        assert!(
            text.contains("#more-replicas") && !text.contains('{'),
            "{text}"
        );
    }

    #[test]
    fn what_confirms_a_mail_is_judged_by_the_number_of_replicas() {
        let raise = "--add-config min.insync.replicas=2`";
        for (replicas, brokers, least, words, command) in [
            (3, 3, 1, "one alone confirms mail", Some(raise)),
            (2, 3, 1, "give the topic 3 replicas first", Some(raise)),
            (1, 3, 1, "give the topic 3 replicas first", Some(raise)),
            (1, 2, 1, "it cannot be more", None),
            (1, 1, 1, "a cluster of one broker cannot", None),
            (2, 2, 2, "keep min.insync.replicas = 2", None),
            (
                3,
                3,
                3,
                "each stop of a broker stops mail",
                Some("--add-config min.insync.replicas=2`"),
            ),
            (
                4,
                4,
                4,
                "each stop of a broker stops mail",
                Some("--add-config min.insync.replicas=3`"),
            ),
        ] {
            let all = texts(&info(replicas, brokers), &settings(least));
            let text = all.last().unwrap();
            assert!(text.contains(words), "{replicas}/{least}: {text}");
            match command {
                Some(command) => assert!(text.contains(command), "{text}"),
                None => assert!(!text.contains(".sh"), "{text}"),
            }
        }
    }

    #[test]
    fn what_loses_mail_later_is_named_with_its_command() {
        let weak = |change: fn(&mut TopicSettings)| {
            let mut settings = settings(2);
            change(&mut settings);
            texts(&info(3, 3), &settings)
        };
        for (change, words) in [
            (
                (|settings| settings.unclean_election = Some(true)) as fn(&mut TopicSettings),
                &[
                    "lacks mail",
                    "--add-config unclean.leader.election.enable=false`",
                ][..],
            ),
            (
                |settings| settings.retention_ms = Some(604_800_000),
                &[
                    "for 168 hours (retention.ms = 604800000)",
                    "--add-config retention.ms=-1`",
                ],
            ),
            (
                |settings| settings.retention_ms = Some(90_000),
                &["for 0.03 hours"],
            ),
            (
                |settings| settings.retention_bytes = Some(1 << 30),
                &[
                    "1073741824 bytes of each partition",
                    "--add-config retention.bytes=-1`",
                ],
            ),
            (
                |settings| {
                    settings.retention_ms = Some(3_600_000);
                    settings.retention_bytes = Some(0);
                },
                &[
                    "for 1 hour (",
                    "at most 0 bytes",
                    "--add-config retention.ms=-1,retention.bytes=-1`",
                ],
            ),
            (
                |settings| settings.write_caching = Some(true),
                &["in memory alone", "--add-config write.caching=false`"],
            ),
        ] {
            let all = weak(change);
            assert_eq!(all.len(), 1, "{all:?}");
            for words in words {
                assert!(all[0].contains(words), "{words}: {all:?}");
            }
        }
        // Where nothing is deleted for its age, the age does not matter.
        let compacted = weak(|settings| {
            settings.cleanup_policy = Some("compact".to_owned());
            settings.retention_ms = Some(1);
        });
        assert_eq!(compacted, Vec::<String>::new());
    }

    #[test]
    fn idempotence_is_a_weakness_where_it_is_on() {
        for (value, weak) in [("true", true), ("T", true), ("1", true), ("false", false)] {
            let properties = [("enable.idempotence".to_owned(), value.to_owned())].into();
            assert_eq!(of_properties(&properties).is_some(), weak, "{value}");
        }
        assert_eq!(of_properties(&BTreeMap::new()), None);
    }

    #[test]
    fn what_the_cluster_does_not_tell_is_no_weakness() {
        assert_eq!(found(&info(3, 3), &TopicSettings::default()), []);
        assert_eq!(of(&info(3, 3), None, &Subject::of_a_test()), []);
    }
}

//! What `ringpost check` asks of a cluster, and its lines.
//!
//! Owns: which questions are put, their order, and what is said where nothing is wrong. Must not know: how an answer is
//! found, which is `topic`'s; what is said of one that is bad is `finding`'s and `weakness`'s.
//!
//! Invariant: every question has its line for each topic, also after one that failed; topics with the same answer share it.

use std::time::Duration;

use super::finding::{Effect, Finding};
use super::inquiry;
use super::question::Question;
use super::settings::Cluster;
use super::subject::Subject;
use super::topic::{self, Answer, Seen, Told};
use super::topic_settings::TopicSettings;
use super::weakness;
use crate::kafka::reach;
use crate::verdict::{Line, Verdict};

/// Longest wait for a cluster that is silent; an unreachable one is known at once.
const TOPIC_WAIT: Duration = Duration::from_secs(8);

/// A line for each question that is put to the cluster, about each of these topics.
pub(super) fn lines(cluster: &Cluster, subjects: &[Subject], waiting: &dyn Fn(&str)) -> Vec<Line> {
    let list = &cluster.brokers;
    let (unresolved, all) = reach::unresolved(list);
    let names = unresolved.join(", ");
    let seen = match unresolved.len() == all {
        true => Err(format!(
            "kafka.brokers: {names}: no name resolves; correct the list, or the resolver of this machine"
        )),
        false => match inquiry::ask(cluster, subjects, TOPIC_WAIT, waiting) {
            Ok(answers) => answers.map_err(|finding| finding.text(&subjects[0])),
            Err(refused) => Err(refused.to_string()),
        },
    };
    let (brokers, answers) = match seen {
        Err(why) => ((Verdict::Failed, why), None),
        Ok(answers) if !unresolved.is_empty() => {
            let text = format!("{list} answers, but {names} does not resolve: correct the list");
            ((Verdict::Warning, text), Some(answers))
        }
        Ok(answers) => ((Verdict::Ok, answering(list, &answers)), Some(answers)),
    };
    let mut lines = vec![(brokers.0, Question::Brokers.name(), brokers.1)];
    let topics: Vec<(&Subject, Option<&Answer>)> = match &answers {
        Some(answers) => subjects.iter().zip(answers.iter().map(Some)).collect(),
        None => subjects.iter().map(|subject| (subject, None)).collect(),
    };
    lines.extend(topic_lines(&topics));
    lines.push(idempotence(cluster));
    lines
}

fn answering(list: &str, answers: &[Answer]) -> String {
    let size = answers.iter().find_map(|answer| match answer {
        Ok(seen) => Some(seen.info.brokers),
        Err(Finding::Missing(brokers)) => Some(*brokers),
        Err(_) => None,
    });
    match size {
        Some(size) => format!("{list} answers, a cluster of {size}"),
        None => format!("{list} answers"),
    }
}

/// What is said about a topic where nothing is wrong, or where the cluster does not say.
type Good = fn(&Seen, &Subject) -> (Verdict, String);

/// The questions about a topic, and the text where the answer is good.
const QUESTIONS: [(Question, Good); 9] = [
    (Question::Topic, good_topic),
    (Question::Replicas, good_replicas),
    (Question::InSync, good_in_sync),
    (Question::Election, good_election),
    (Question::Cleanup, good_cleanup),
    (Question::Retention, good_retention),
    (Question::Flush, good_flush),
    (Question::Write, good_write),
    (Question::Size, good_size),
];

/// The lines about topics: each question in turn. Topics with the same answer to one share a line, which names them.
fn topic_lines(topics: &[(&Subject, Option<&Answer>)]) -> Vec<Line> {
    let mut lines = Vec::new();
    for &(question, good) in &QUESTIONS {
        let mut groups: Vec<(Verdict, String, Vec<&str>)> = Vec::new();
        for (subject, answer) in topics {
            let (verdict, text) = line(question, good, subject, *answer);
            let same = groups
                .iter_mut()
                .find(|group| (group.0, &group.1) == (verdict, &text));
            match same {
                Some((_, _, names)) => names.push(subject.topic()),
                None => groups.push((verdict, text, vec![subject.topic()])),
            }
        }
        for (verdict, text, names) in groups {
            let text = named(&names, topics.len(), text);
            lines.push((verdict, question.name(), text));
        }
    }
    lines
}

/// The text with the topics that it is about, unless there is one topic alone, or the text itself names it.
fn named(names: &[&str], of: usize, text: String) -> String {
    const NAMED: usize = 5;
    let says = names.len() == 1 && text.contains(&format!("{:?}", names[0]));
    if of == 1 || says {
        return text;
    }
    let more = match names.len().checked_sub(NAMED) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    let names = &names[..names.len().min(NAMED)];
    format!("{}{more}: {text}", names.join(", "))
}

/// What is said of a topic: a finding, a weakness, or what was found good.
fn line(
    question: Question,
    good: Good,
    subject: &Subject,
    answer: Option<&Answer>,
) -> (Verdict, String) {
    let unasked = || (Verdict::Skipped, "could not be asked".to_owned());
    let seen = match (answer, question) {
        (None, _) => return unasked(),
        (Some(Ok(seen)), _) => seen,
        (Some(Err(Finding::Missing(brokers))), Question::Topic) if subject.creates() => {
            return (Verdict::Ok, to_be_created(subject, *brokers));
        }
        (Some(Err(Finding::Missing(_))), _) if subject.creates() => {
            return (Verdict::Skipped, "asked once the topic is there".to_owned());
        }
        (Some(Err(finding)), Question::Topic) => return (Verdict::Failed, finding.text(subject)),
        (Some(Err(_)), _) => return unasked(),
    };
    let findings = seen.findings(subject);
    if let Some(finding) = findings
        .iter()
        .find(|finding| finding.question() == question)
    {
        return (verdict(finding.effect(subject)), finding.text(subject));
    }
    let weaknesses = seen.weaknesses(subject);
    match weaknesses
        .iter()
        .find(|weakness| weakness.question() == question)
    {
        Some(weakness) => (Verdict::Warning, weakness.text(subject)),
        None => good(seen, subject),
    }
}

fn verdict(effect: Effect) -> Verdict {
    match effect {
        Effect::Warns => Verdict::Warning,
        Effect::Refuses | Effect::Fails => Verdict::Failed,
    }
}

/// `1 replica`, `3 replicas`.
fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn to_be_created(subject: &Subject, brokers: usize) -> String {
    format!(
        "{} does not exist, and would be created (kafka.create_topic): {}",
        subject.place(),
        subject.plan(brokers)
    )
}

fn idempotence(cluster: &Cluster) -> Line {
    let (verdict, text) = match weakness::of_properties(&cluster.kafka.properties) {
        Some(weakness) => (Verdict::Warning, weakness.text(&Subject::new(cluster, 0))),
        None => (
            Verdict::Ok,
            "off: each mail waits for Kafka's own acknowledgement".to_owned(),
        ),
    };
    (verdict, Question::Idempotence.name(), text)
}

fn good_topic(seen: &Seen, _subject: &Subject) -> (Verdict, String) {
    let info = &seen.info;
    let text = format!(
        "{}, each with a leader; {} in sync",
        counted(info.partitions.len(), "partition"),
        counted(info.in_sync, "replica"),
    );
    (Verdict::Ok, text)
}

fn good_replicas(seen: &Seen, _subject: &Subject) -> (Verdict, String) {
    let text = format!("{} of each record", counted(seen.info.replicas, "replica"));
    (Verdict::Ok, text)
}

/// What is said where an entry of the topic's configuration is not known: why is said by `cleanup` and `size`.
fn untold<T>(
    settings: &Told<TopicSettings>,
    entry: impl Fn(&TopicSettings) -> Option<T>,
    name: &str,
) -> Result<T, (Verdict, String)> {
    let known = settings.as_ref().ok().and_then(entry);
    known.ok_or_else(|| {
        (
            Verdict::Skipped,
            format!("the cluster does not tell the topic's {name}"),
        )
    })
}

fn good_in_sync(seen: &Seen, _subject: &Subject) -> (Verdict, String) {
    match untold(
        &seen.settings,
        |settings| settings.min_insync_replicas,
        "min.insync.replicas",
    ) {
        Ok(least) => (
            Verdict::Ok,
            format!(
                "min.insync.replicas = {least}: a mail that has its 250 is in {least} replicas at least"
            ),
        ),
        Err(line) => line,
    }
}

fn good_election(seen: &Seen, _subject: &Subject) -> (Verdict, String) {
    match untold(&seen.settings, |settings| settings.unclean_election, "unclean.leader.election.enable") {
        Ok(_) => (
            Verdict::Ok,
            "unclean.leader.election.enable = false: only a replica that has all mail becomes the leader".to_owned(),
        ),
        Err(line) => line,
    }
}

fn good_cleanup(seen: &Seen, subject: &Subject) -> (Verdict, String) {
    let policy = seen.settings.as_ref();
    match policy.map(|settings| &settings.cleanup_policy) {
        Ok(Some(policy)) => (
            Verdict::Ok,
            format!("cleanup.policy = {policy}: records are kept whatever their key"),
        ),
        Ok(None) => (Verdict::Warning, UNTOLD_POLICY.to_owned()),
        Err(why) => (Verdict::Warning, why.text(subject)),
    }
}

fn good_retention(seen: &Seen, _subject: &Subject) -> (Verdict, String) {
    match untold(
        &seen.settings,
        |settings| settings.retention_ms,
        "retention.ms",
    ) {
        Ok(_) => (
            Verdict::Ok,
            "mail is deleted neither for its age nor for room".to_owned(),
        ),
        Err(line) => line,
    }
}

/// Kafka's own `flush.messages`: never, which is the largest number that it has.
const NEVER: u64 = i64::MAX as u64;

fn good_flush(seen: &Seen, _subject: &Subject) -> (Verdict, String) {
    let settings = seen.settings.as_ref().ok();
    let text = match settings.map(|settings| (settings.write_caching, settings.flush_messages)) {
        Some((Some(false), _)) => "write.caching = false: brokers acknowledge after a write to their disks".to_owned(),
        Some((_, Some(1))) => "flush.messages = 1: brokers acknowledge after a write to their disks".to_owned(),
        Some((_, Some(NEVER))) => "brokers acknowledge from their page cache: mail survives the loss of a broker by its replicas, \
                                   not a power cut of all of them at once"
            .to_owned(),
        Some((_, Some(records))) => format!(
            "flush.messages = {records}: brokers acknowledge from their page cache, and write to their disks every {records} records"
        ),
        Some((_, None)) | None => {
            return (Verdict::Skipped, "the cluster does not tell the topic's flush.messages".to_owned());
        }
    };
    (Verdict::Ok, text)
}

fn good_write(seen: &Seen, subject: &Subject) -> (Verdict, String) {
    match &seen.writable {
        Ok(_) => (Verdict::Ok, "ringpost may write to the topic".to_owned()),
        Err(why) => (Verdict::Skipped, why.text(subject)),
    }
}

fn good_size(seen: &Seen, subject: &Subject) -> (Verdict, String) {
    let settings = seen.settings.as_ref();
    let untold = |why: &str| {
        let text = format!("{why}; {}", subject.size_unknown());
        (Verdict::Warning, text)
    };
    match settings.map(|settings| settings.max_message_bytes) {
        Ok(Some(most)) => {
            let text = format!(
                "max.message.bytes = {most} holds a message of {} = {}",
                subject.bound(),
                subject.message_size()
            );
            (Verdict::Ok, text)
        }
        Ok(None) => untold(topic::UNTOLD_SIZE),
        Err(why) => untold(&why.text(subject)),
    }
}

const UNTOLD_POLICY: &str = "the cluster does not tell the topic's cleanup.policy";

#[cfg(test)]
mod tests {
    use super::super::topic::Untold;
    use super::*;
    use crate::kafka::topic::TopicInfo;
    use crate::limits::RECORD_OVERHEAD_OCTETS;

    fn good(subject: &Subject) -> Seen {
        let needed = subject.message_size() + RECORD_OVERHEAD_OCTETS as u64;
        Seen {
            info: TopicInfo {
                partitions: (0..12).collect(),
                leaderless: 0,
                replicas: 3,
                in_sync: 2,
                brokers: 3,
                leaders: Vec::new(),
                placement: (0..12).map(|number| (number, vec![1, 2, 3])).collect(),
                members: vec![1, 2, 3],
            },
            settings: Ok(TopicSettings {
                max_message_bytes: Some(needed),
                min_insync_replicas: Some(2),
                unclean_election: Some(false),
                cleanup_policy: Some("delete".into()),
                retention_ms: Some(-1),
                retention_bytes: Some(-1),
                flush_messages: Some(NEVER),
                write_caching: None,
            }),
            writable: Ok(true),
        }
    }

    fn settings(seen: &mut Seen) -> &mut TopicSettings {
        seen.settings.as_mut().unwrap()
    }

    /// The lines of one topic, after a change of what is good.
    fn lines_of(subject: &Subject, change: fn(&mut Seen)) -> Vec<Line> {
        let mut seen = good(subject);
        change(&mut seen);
        topic_lines(&[(subject, Some(&Ok(seen)))])
    }

    /// The lines that are not ok.
    fn bad(subject: &Subject, change: fn(&mut Seen)) -> Vec<(Verdict, &'static str)> {
        let lines = lines_of(subject, change);
        assert_eq!(lines.len(), QUESTIONS.len());
        let bad = lines.iter().filter(|line| line.0 != Verdict::Ok);
        bad.map(|line| (line.0, line.1)).collect()
    }

    use Verdict::{Failed, Skipped, Warning};

    #[test]
    fn a_topic_is_judged_by_its_replicas_its_policy_its_rights_and_its_size() {
        let subject = Subject::of_a_test();
        for (change, expected) in [
            ((|_| {}) as fn(&mut Seen), &[][..]),
            (|seen| seen.info.in_sync = 1, &[(Failed, "topic")]),
            (|seen| seen.info.leaderless = 1, &[(Failed, "topic")]),
            (
                |seen| settings(seen).cleanup_policy = Some("delete,compact".into()),
                &[(Failed, "cleanup")],
            ),
            (|seen| seen.writable = Ok(false), &[(Failed, "write")]),
            (
                |seen| *settings(seen).max_message_bytes.as_mut().unwrap() -= 1,
                &[(Warning, "size")],
            ),
            (
                |seen| settings(seen).max_message_bytes = Some(1),
                &[(Failed, "size")],
            ),
            (
                |seen| *settings(seen) = TopicSettings::default(),
                &[
                    (Skipped, "in_sync"),
                    (Skipped, "election"),
                    (Warning, "cleanup"),
                    (Skipped, "retention"),
                    (Skipped, "flush"),
                    (Warning, "size"),
                ],
            ),
            (
                |seen| {
                    seen.settings = Err(Untold::Unasked);
                    seen.writable = Err(Untold::NoRights);
                },
                &[
                    (Skipped, "in_sync"),
                    (Skipped, "election"),
                    (Warning, "cleanup"),
                    (Skipped, "retention"),
                    (Skipped, "flush"),
                    (Skipped, "write"),
                    (Warning, "size"),
                ],
            ),
        ] {
            assert_eq!(bad(&subject, change), expected);
        }
        // Where the limit is not known, the line says what follows.
        for change in [
            (|seen| seen.settings = Err(Untold::Unasked)) as fn(&mut Seen),
            |seen| *settings(seen) = TopicSettings::default(),
        ] {
            let lines = lines_of(&subject, change);
            let size = lines.iter().find(|line| line.1 == "size").unwrap();
            assert!(
                size.2.contains("larger mail gets 451 until it is raised"),
                "{size:?}"
            );
        }
    }

    #[test]
    fn what_a_250_is_worth_is_a_warning_and_what_is_required_a_failure() {
        let usual = Subject::of_a_test();
        let strict = Subject::of_a_test().requiring(2);
        for (change, by_default, required) in [
            ((|_| {}) as fn(&mut Seen), &[][..], &[][..]),
            (
                |seen| {
                    (seen.info.replicas, seen.info.in_sync) = (2, 2);
                    settings(seen).min_insync_replicas = Some(1);
                },
                &[(Warning, "replicas"), (Warning, "in_sync")],
                &[(Warning, "replicas"), (Failed, "in_sync")],
            ),
            (
                |seen| {
                    seen.info.in_sync = 3;
                    settings(seen).min_insync_replicas = Some(3);
                },
                &[(Warning, "in_sync")],
                &[(Warning, "in_sync")],
            ),
            (
                |seen| settings(seen).min_insync_replicas = None,
                &[(Skipped, "in_sync")],
                &[(Failed, "in_sync")],
            ),
            (
                |seen| settings(seen).unclean_election = Some(true),
                &[(Warning, "election")],
                &[(Warning, "election")],
            ),
            (
                |seen| settings(seen).retention_bytes = Some(1),
                &[(Warning, "retention")],
                &[(Warning, "retention")],
            ),
            (
                |seen| settings(seen).write_caching = Some(true),
                &[(Warning, "flush")],
                &[(Warning, "flush")],
            ),
        ] {
            assert_eq!(bad(&usual, change), by_default);
            assert_eq!(bad(&strict, change), required);
        }
        let denied = |seen: &mut Seen| seen.settings = Err(Untold::Denied(topic::Asked::Settings));
        let mut seen = good(&strict);
        denied(&mut seen);
        let (verdict, text) = line(Question::InSync, good_in_sync, &strict, Some(&Ok(seen)));
        assert_eq!(verdict, Failed);
        assert!(
            text.contains("DescribeConfigs") && text.contains("kafka-acls.sh"),
            "{text}"
        );
    }

    #[test]
    fn topics_with_the_same_answer_share_a_line_that_names_them() {
        let topics = ["mail", "large", "a"]
            .map(|name| Subject::of_a_test().for_topic(name, 1 << 20, "limits.message_size"));
        let mut answers: Vec<Answer> = topics.iter().map(|subject| Ok(good(subject))).collect();
        let lines = |answers: &[Answer]| {
            let topics: Vec<_> = topics.iter().zip(answers.iter().map(Some)).collect();
            topic_lines(&topics)
        };
        let all = lines(&answers);
        assert_eq!(all.len(), QUESTIONS.len(), "{all:?}");
        assert!(
            all.iter()
                .all(|line| line.2.starts_with("mail, large, a: ")),
            "{all:?}"
        );
        let large = answers[1].as_mut().unwrap();
        settings(large).unclean_election = Some(true);
        answers[2] = Err(Finding::Missing(3));
        let all = lines(&answers);
        let of = |name: &str| -> Vec<_> {
            let some = all.iter().filter(|line| line.1 == name);
            some.map(|line| (line.0, line.2.as_str())).collect()
        };
        let topic = of("topic");
        assert!(
            topic[0].1.starts_with("mail, large: 12 partitions"),
            "{topic:?}"
        );
        assert!(
            topic[1].0 == Failed
                && topic[1]
                    .1
                    .starts_with("topic \"a\" at k:9092 does not exist"),
            "{topic:?}"
        );
        let election = of("election");
        assert!(election[0].1.starts_with("mail: "), "{election:?}");
        assert!(
            election[1].0 == Warning && election[1].1.starts_with("topic \"large\""),
            "{election:?}"
        );
        assert_eq!(election[2], (Skipped, "a: could not be asked"));
    }

    #[test]
    fn a_topic_that_would_be_created_is_no_failure() {
        let subject = Subject::of_a_test().creating();
        let lines = topic_lines(&[(&subject, Some(&Err(Finding::Missing(1))))]);
        assert_eq!(lines.len(), QUESTIONS.len());
        let text = &lines[0].2;
        assert!(
            lines[0].0 == Verdict::Ok && text.contains("would be created"),
            "{text}"
        );
        assert!(
            text.contains("12 partitions, 1 of each, min.insync.replicas = 1"),
            "{text}"
        );
        assert!(lines[1..].iter().all(|line| line.0 == Skipped), "{lines:?}");
    }
}

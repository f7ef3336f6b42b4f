//! What `ringpost check` asks of a cluster, and its lines.
//!
//! Owns: which questions are put, their order, and what is said where nothing is wrong. Must not know: how an answer is
//! found, which is `topic`'s; what is said of one that is bad is `finding`'s.
//!
//! Invariant: every question has its line, also after one that failed.

use std::time::Duration;

use super::finding::{Effect, Question, Subject};
use super::settings::Cluster;
use super::topic::{self, Seen};
use crate::kafka::reach;
use crate::verdict::{Line, Verdict};

/// Longest wait for a cluster that is silent; an unreachable one is known at once.
const TOPIC_WAIT: Duration = Duration::from_secs(8);

/// A line for each question that is put to the cluster.
pub(super) fn lines(cluster: &Cluster, message_size: u64, waiting: &dyn Fn(&str)) -> Vec<Line> {
    let list = &cluster.brokers;
    let (unresolved, all) = reach::unresolved(list);
    let names = unresolved.join(", ");
    if unresolved.len() == all {
        let text = format!(
            "kafka.brokers: {names}: no name resolves; correct the list, or the resolver of this machine"
        );
        return with_unasked(vec![(Verdict::Failed, "brokers", text)]);
    }
    let subject = Subject::new(cluster, message_size);
    let seen = match topic::ask(cluster, TOPIC_WAIT, waiting) {
        Ok(seen) => seen,
        Err(refused) => {
            return with_unasked(vec![(Verdict::Failed, "brokers", refused.to_string())]);
        }
    };
    match seen {
        Err(finding) if finding.question() == Question::Brokers => {
            with_unasked(vec![(Verdict::Failed, "brokers", finding.text(&subject))])
        }
        Err(finding) => with_unasked(vec![
            (Verdict::Ok, "brokers", format!("{list} answers")),
            (Verdict::Failed, "topic", finding.text(&subject)),
        ]),
        Ok(seen) => {
            let brokers = match unresolved.is_empty() {
                true => (
                    Verdict::Ok,
                    format!("{list} answers, a cluster of {}", seen.info.brokers),
                ),
                false => (
                    Verdict::Warning,
                    format!("{list} answers, but {names} does not resolve: correct the list"),
                ),
            };
            let mut lines = vec![(brokers.0, "brokers", brokers.1)];
            lines.extend(topic_lines(&seen, &subject));
            lines
        }
    }
}

/// The lines about a topic where nothing is wrong, or where the cluster does not say.
type Good = fn(&Seen, &Subject) -> (Verdict, String);

/// The questions about a topic: the name of each line, and the text where the answer is good.
const QUESTIONS: [(Question, &str, Good); 4] = [
    (Question::Topic, "topic", good_topic),
    (Question::Cleanup, "cleanup", good_cleanup),
    (Question::Write, "write", good_write),
    (Question::Size, "size", good_size),
];

/// The lines, and one for each question that could not be asked because of a failure in them. The first is of the brokers.
fn with_unasked(mut lines: Vec<Line>) -> Vec<Line> {
    for (_, name, _) in &QUESTIONS[lines.len() - 1..] {
        lines.push((Verdict::Skipped, name, "could not be asked".to_owned()));
    }
    lines
}

/// A line for each question about a topic that is there: the finding, or what was found good.
fn topic_lines(seen: &Seen, subject: &Subject) -> Vec<Line> {
    let findings = seen.findings(subject);
    let line = |(question, name, good): &(Question, &'static str, Good)| {
        let finding = findings
            .iter()
            .find(|finding| finding.question() == *question);
        let (verdict, text) = match finding {
            Some(finding) => (verdict(finding.effect(subject)), finding.text(subject)),
            None => good(seen, subject),
        };
        (verdict, *name, text)
    };
    QUESTIONS.iter().map(line).collect()
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

fn good_topic(seen: &Seen, subject: &Subject) -> (Verdict, String) {
    let info = &seen.info;
    let what = format!(
        "{:?}: {}, each with a leader; {} of each, {} in sync",
        subject.topic(),
        counted(info.partitions.len(), "partition"),
        counted(info.replicas, "replica"),
        info.in_sync
    );
    let settings = seen.settings.as_ref().ok();
    match settings.and_then(|settings| settings.min_insync_replicas) {
        Some(least) => (
            Verdict::Ok,
            format!("{what}, min.insync.replicas = {least}"),
        ),
        None => (Verdict::Ok, what),
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
            let wanted = subject.message_size();
            let text = format!(
                "max.message.bytes = {most} holds a message of limits.message_size = {wanted}"
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
    use super::super::topic::{TopicSettings, Untold};
    use super::*;
    use crate::kafka::topic::TopicInfo;
    use crate::limits::RECORD_OVERHEAD_OCTETS;

    #[test]
    fn a_topic_is_judged_by_its_replicas_its_policy_its_rights_and_its_size() {
        let subject = Subject::of_a_test();
        let needed = subject.message_size() + RECORD_OVERHEAD_OCTETS as u64;
        let good = Seen {
            info: TopicInfo {
                partitions: (0..12).collect(),
                leaderless: 0,
                replicas: 3,
                in_sync: 2,
                brokers: 3,
                led_in_sync: 1,
                led: vec![0],
            },
            settings: Ok(TopicSettings {
                max_message_bytes: Some(needed),
                min_insync_replicas: Some(2),
                cleanup_policy: Some("delete".into()),
            }),
            writable: Ok(true),
        };
        let verdicts = |change: fn(&mut Seen)| {
            let mut seen = good.clone();
            change(&mut seen);
            let lines = topic_lines(&seen, &subject);
            lines
                .iter()
                .map(|line| (line.1, line.0))
                .collect::<Vec<_>>()
        };
        fn settings(seen: &mut Seen) -> &mut TopicSettings {
            seen.settings.as_mut().unwrap()
        }
        use Verdict::{Failed, Ok as Fine, Skipped, Warning};
        let names = ["topic", "cleanup", "write", "size"];
        for (change, expected) in [
            ((|_| {}) as fn(&mut Seen), [Fine, Fine, Fine, Fine]),
            (|seen| seen.info.in_sync = 1, [Failed, Fine, Fine, Fine]),
            (|seen| seen.info.leaderless = 1, [Failed, Fine, Fine, Fine]),
            (
                |seen| settings(seen).cleanup_policy = Some("delete,compact".into()),
                [Fine, Failed, Fine, Fine],
            ),
            (|seen| seen.writable = Ok(false), [Fine, Fine, Failed, Fine]),
            (
                |seen| *settings(seen).max_message_bytes.as_mut().unwrap() -= 1,
                [Fine, Fine, Fine, Warning],
            ),
            (
                |seen| settings(seen).max_message_bytes = Some(1),
                [Fine, Fine, Fine, Failed],
            ),
            (
                |seen| *settings(seen) = TopicSettings::default(),
                [Fine, Warning, Fine, Warning],
            ),
            (
                |seen| {
                    seen.settings = Err(Untold::Unasked);
                    seen.writable = Err(Untold::NoRights);
                },
                [Fine, Warning, Skipped, Warning],
            ),
        ] {
            let expected: Vec<_> = names.into_iter().zip(expected).collect();
            assert_eq!(verdicts(change), expected);
        }
        // Where the limit is not known, the line says what follows.
        for settings in [Err(Untold::Unasked), Ok(TopicSettings::default())] {
            let seen = Seen {
                settings,
                ..good.clone()
            };
            let lines = topic_lines(&seen, &subject);
            let size = lines.iter().find(|line| line.1 == "size").unwrap();
            assert!(
                size.2.contains("larger mail gets 451 until it is raised"),
                "{size:?}"
            );
        }
    }
}

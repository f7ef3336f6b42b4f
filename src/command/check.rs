//! `ringpost check`: would `serve` work with this configuration on this machine? One line a question.
//!
//! Owns: which questions are asked, their order, the verdicts, the exit code. Must not know: how each answer is found
//! (`net::probe`, `config::certificate`, `sink::topic`).
//!
//! Invariants: nothing is changed, neither here nor in the cluster, but this process's own limit of open files; every
//! question gets its line, also behind one that failed; exit code 0 where mail would be taken and stored, 1 where not,
//! 2 where the configuration itself is wrong.
//!
//! BUGS: addresses are not tried, as the server that is to be checked may be running on them.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};

use super::open_files;
use super::serve::{Options, failed};
use crate::config::{Brokers, Config, Kafka, certificate, recipients};
use crate::limits::RECORD_OVERHEAD_OCTETS;
use crate::net::probe;
use crate::sink::topic::{self, TopicInfo, TopicSettings, Trouble};

/// Longest wait for a cluster's answer about the topic, and about its configuration.
const TOPIC_WAIT: Duration = Duration::from_secs(10);
const SETTINGS_WAIT: Duration = Duration::from_secs(5);
/// A certificate that ends sooner is warned of: renewal is commonly tried from 30 days before the end.
const RENEWAL_DAYS: i64 = 14;

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// Mail flows, but not as the operator may think.
    Warning,
    /// Mail does not flow.
    Failed,
    /// The configuration does not raise the question.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
            Verdict::Skipped => "skipped",
        })
    }
}

/// One line of the output.
type Line = (Verdict, &'static str, String);

/// Asks everything and prints the answers to standard output.
pub fn run(options: &Options) -> ExitCode {
    let loaded = match options.load() {
        Ok(loaded) => loaded,
        Err(error) => return failed(2, &error.to_string()),
    };
    let source = match &options.config {
        Some(path) => format!("{} is valid", path.display()),
        None => "no file; defaults, environment and flags are valid".to_owned(),
    };
    let mut failures = 0;
    let mut print = |(verdict, name, text): Line| {
        println!("{verdict:<8} {name:<12} {text}");
        failures += usize::from(verdict == Verdict::Failed);
    };
    print((Verdict::Ok, "config", source));
    for warning in loaded.warnings {
        print((Verdict::Warning, "config", warning));
    }
    let config = loaded.config;
    print(io_uring());
    print(open_file_limit(&config));
    print(tls(&config, Timestamp::now()));
    for line in lists(&config) {
        print(line);
    }
    for line in kafka(&config) {
        print(line);
    }
    ExitCode::from(u8::from(failures > 0))
}

fn io_uring() -> Line {
    match probe::io_uring() {
        Ok(()) => (
            Verdict::Ok,
            "io_uring",
            "a ring with the flags that workers use can be had".to_owned(),
        ),
        Err(error) => (Verdict::Failed, "io_uring", error),
    }
}

fn open_file_limit(config: &Config) -> Line {
    let (needed, allowed) = open_files::raise(config);
    match open_files::shortage(config, needed, allowed) {
        None => (
            Verdict::Ok,
            "open files",
            format!("{allowed} are allowed, {needed} may be needed"),
        ),
        Some(text) => (Verdict::Warning, "open files", text),
    }
}

fn tls(config: &Config, now: Timestamp) -> Line {
    const NAME: &str = "certificate";
    let (Some(path), Some(key)) = (&config.tls.certificate, &config.tls.key) else {
        return (
            Verdict::Skipped,
            NAME,
            "tls.certificate is not set".to_owned(),
        );
    };
    let pair = match certificate::load(path, key) {
        Ok(pair) => pair,
        Err(error) => return (Verdict::Failed, NAME, error),
    };
    let path = path.display();
    let Some((from, until)) = certificate::validity(&pair.cert[0]) else {
        return (
            Verdict::Warning,
            NAME,
            format!("{path} fits its key; its dates cannot be read"),
        );
    };
    if now < from {
        let text =
            format!("{path} is not valid before {from}: correct the clock or the certificate");
        return (Verdict::Failed, NAME, text);
    }
    if now > until {
        let text = format!("{path} ended {until}: renew it");
        return (Verdict::Failed, NAME, text);
    }
    let verdict = match now.checked_add((RENEWAL_DAYS * 24).hours()) {
        Ok(soon) if soon > until => Verdict::Warning,
        _ => Verdict::Ok,
    };
    (
        verdict,
        NAME,
        format!("{path} fits its key and is valid until {until}"),
    )
}

fn lists(config: &Config) -> Vec<Line> {
    const NAME: &str = "lists";
    let count = config.recipients.lists.len();
    if count == 0 {
        let text = "recipients.lists is not set: every recipient at recipients.domains is taken";
        return vec![(Verdict::Skipped, NAME, text.to_owned())];
    }
    match recipients::load(&config.recipients) {
        Ok(taken) => {
            let text = format!("{} recipients on {count} lists", taken.listed());
            vec![(Verdict::Ok, NAME, text)]
        }
        Err(problems) => problems
            .lines()
            .map(|problem| (Verdict::Failed, NAME, problem.to_owned()))
            .collect(),
    }
}

fn kafka(config: &Config) -> Vec<Line> {
    let skipped = |name, text: &str| (Verdict::Skipped, name, text.to_owned());
    match &config.kafka.brokers {
        Brokers::Embedded => vec![
            (
                Verdict::Warning,
                "brokers",
                "kafka.brokers = \"embedded\": the broker in this process keeps mail in memory only".to_owned(),
            ),
            skipped("topic", "the embedded broker makes it"),
        ],
        Brokers::Discard => vec![
            (
                Verdict::Warning,
                "brokers",
                "kafka.brokers = \"discard\": every message gets its 250 and is LOST; for measuring only".to_owned(),
            ),
            skipped("topic", "nothing is stored"),
        ],
        Brokers::List(list) => cluster(config, list),
    }
}

fn cluster(config: &Config, list: &str) -> Vec<Line> {
    let (unresolved, all) = topic::unresolved(list);
    let names = unresolved.join(", ");
    if unresolved.len() == all {
        let text = format!(
            "kafka.brokers: {names}: no name resolves; correct the list, or the resolver of this machine"
        );
        return vec![
            (Verdict::Failed, "brokers", text),
            unasked("topic"),
            unasked("size"),
        ];
    }
    match topic::check(&config.kafka, TOPIC_WAIT) {
        Err(Trouble::Cluster(text)) => vec![
            (Verdict::Failed, "brokers", text),
            unasked("topic"),
            unasked("size"),
        ],
        Err(Trouble::Topic(text)) => vec![
            (Verdict::Ok, "brokers", format!("{list} answers")),
            (Verdict::Failed, "topic", text),
            unasked("size"),
        ],
        Ok(info) => {
            let brokers = match unresolved.is_empty() {
                true => (
                    Verdict::Ok,
                    format!("{list} answers, a cluster of {}", info.brokers),
                ),
                false => (
                    Verdict::Warning,
                    format!("{list} answers, but {names} does not resolve: correct the list"),
                ),
            };
            let settings = topic::settings(&config.kafka, SETTINGS_WAIT);
            let known = settings.as_ref().ok().copied().flatten();
            vec![
                (brokers.0, "brokers", brokers.1),
                topic_line(&config.kafka, &info, known),
                size_line(config, settings),
            ]
        }
    }
}

/// The line of a question that could not be asked because of the failure before it.
fn unasked(name: &'static str) -> Line {
    (Verdict::Skipped, name, "could not be asked".to_owned())
}

fn topic_line(kafka: &Kafka, info: &TopicInfo, settings: Option<TopicSettings>) -> Line {
    let TopicInfo {
        partitions,
        replicas,
        in_sync,
        ..
    } = info;
    let what = format!(
        "{:?}: {partitions} partitions, each with a leader; at least {replicas} replicas, {in_sync} in sync",
        kafka.topic
    );
    match settings.and_then(|settings| settings.min_insync_replicas) {
        Some(least) if *in_sync < least => (
            Verdict::Failed,
            "topic",
            format!(
                "{what}, fewer than min.insync.replicas = {least}: mail of such a partition gets 451; bring the brokers \
                 back, or lower it to what the replicas allow"
            ),
        ),
        Some(least) => (
            Verdict::Ok,
            "topic",
            format!("{what}, min.insync.replicas = {least}"),
        ),
        None => (Verdict::Ok, "topic", what),
    }
}

fn size_line(config: &Config, settings: Result<Option<TopicSettings>, String>) -> Line {
    let most = match settings {
        Ok(settings) => settings.and_then(|settings| settings.max_message_bytes),
        Err(error) => return (Verdict::Warning, "size", error),
    };
    let wanted = config.limits.message_size;
    match most {
        None => (
            Verdict::Warning,
            "size",
            "the cluster does not tell the topic's max.message.bytes: grant DescribeConfigs on the topic".to_owned(),
        ),
        Some(most) if most < wanted + RECORD_OVERHEAD_OCTETS as u64 => (
            Verdict::Warning,
            "size",
            format!(
                "max.message.bytes = {most} is too little for limits.message_size = {wanted}: SIZE will be {}; raise it \
                 with: {}",
                most.saturating_sub(RECORD_OVERHEAD_OCTETS as u64),
                topic::raise_command(&config.kafka, wanted)
            ),
        ),
        Some(most) => (
            Verdict::Ok,
            "size",
            format!("max.message.bytes = {most} holds a message of limits.message_size = {wanted}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_certificate_is_judged_by_its_dates() {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let (pem, private) = (folder.path().join("mx.pem"), folder.path().join("mx.key"));
        std::fs::write(&pem, parameters.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        assert_eq!(tls(&config, at("2026-02-01T00:00:00Z")).0, Verdict::Skipped);
        (config.tls.certificate, config.tls.key) = (Some(pem.clone()), Some(private));
        for (now, verdict) in [
            ("2025-12-31T23:59:59Z", Verdict::Failed),
            ("2026-01-01T00:00:00Z", Verdict::Ok),
            ("2026-03-18T00:00:00Z", Verdict::Ok),
            ("2026-03-18T00:00:01Z", Verdict::Warning),
            ("2026-04-01T00:00:01Z", Verdict::Failed),
        ] {
            let line = tls(&config, at(now));
            assert_eq!(line.0, verdict, "{now}: {line:?}");
        }
        config.tls.key = Some(pem);
        assert_eq!(tls(&config, at("2026-02-01T00:00:00Z")).0, Verdict::Failed);
    }

    #[test]
    fn a_topic_is_judged_by_its_replicas_and_its_size() {
        let config = Config::default();
        let info = TopicInfo {
            partitions: 12,
            replicas: 3,
            in_sync: 2,
            brokers: 3,
        };
        let settings = |bytes, replicas| TopicSettings {
            max_message_bytes: Some(bytes),
            min_insync_replicas: Some(replicas),
        };
        let needed = config.limits.message_size + RECORD_OVERHEAD_OCTETS as u64;
        let line = topic_line(&config.kafka, &info, Some(settings(needed, 2)));
        assert_eq!(line.0, Verdict::Ok, "{line:?}");
        let line = topic_line(&config.kafka, &info, Some(settings(needed, 3)));
        assert_eq!(line.0, Verdict::Failed, "{line:?}");
        let line = size_line(&config, Ok(Some(settings(needed, 2))));
        assert_eq!(line.0, Verdict::Ok, "{line:?}");
        let line = size_line(&config, Ok(Some(settings(needed - 1, 2))));
        assert_eq!(line.0, Verdict::Warning, "{line:?}");
        let command = format!("--add-config max.message.bytes={needed}");
        assert!(line.2.contains(&command), "{line:?}");
        assert_eq!(size_line(&config, Ok(None)).0, Verdict::Warning);
        assert_eq!(size_line(&config, Err(String::new())).0, Verdict::Warning);
    }
}

//! What `check` asks about the topic of recipients: whether it can be read, whom it names, and whether Kafka keeps that.
//!
//! Owns: these lines. Must not know: how the topic is read.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::{Brokers, Config};
use crate::recipients::{self, Kept, Loaded, Place};
use crate::server::rules;
use crate::smtp::name::{Name, Scope};
use crate::smtp::policy::Recipients;
use crate::verdict::{Line, Verdict};

const NAME: &str = "recipients";
/// How long the topic may bring nothing before it counts as away.
const LIMIT: Duration = Duration::from_secs(10);
/// Domains that are named in a line.
const DOMAINS_SHOWN: usize = 5;

/// Whom the topic names.
pub(super) fn topic(config: &Config) -> Vec<Line> {
    let line = |verdict, text: &str| vec![(verdict, NAME, text.to_owned())];
    match &config.kafka.brokers {
        _ if config.recipients.topic.is_none() => {
            let text =
                "recipients.topic is not set: recipients.lists alone says whose mail is taken";
            line(Verdict::Skipped, text)
        }
        Brokers::Embedded => line(
            Verdict::Skipped,
            "the embedded broker creates the topic, empty",
        ),
        // The configuration refuses both together.
        Brokers::Discard => line(Verdict::Skipped, "there is no broker to read a topic from"),
        Brokers::List(brokers) => {
            let place = Place::of(config, brokers).expect("the topic is set");
            read(config, &place)
        }
    }
}

fn read(config: &Config, place: &Place) -> Vec<Line> {
    let ours = rules::taken(config).ok();
    let mut foreign = BTreeSet::new();
    let mut visit = |record: &recipients::Record<'_>, name: &Name| {
        if record.named && ours.as_ref().is_some_and(|ours| !is_taken(ours, name)) {
            foreign.insert(name.domain().to_owned());
        }
    };
    let loaded = match recipients::load(place, LIMIT, &|| false, &mut visit) {
        Ok(loaded) => loaded,
        Err(failed) => return vec![(Verdict::Failed, NAME, failed.to_string())],
    };
    let mut lines = vec![named(place, &loaded)];
    if loaded.invalid > 0 {
        let text = format!(
            "topic {:?}: {} records have a key that is no address and no domain; they are passed over",
            place.topic, loaded.invalid
        );
        lines.push((Verdict::Warning, NAME, text));
    }
    if !foreign.is_empty() {
        let shown: Vec<&str> = foreign
            .iter()
            .take(DOMAINS_SHOWN)
            .map(String::as_str)
            .collect();
        let text = format!(
            "topic {:?} names recipients of {} domains that are not in recipients.domains, and mail for them is refused as \
             relaying: {}",
            place.topic,
            foreign.len(),
            shown.join(", ")
        );
        lines.push((Verdict::Warning, NAME, text));
    }
    lines.extend(kept(&recipients::ask_policy(place), place));
    lines
}

fn named(place: &Place, loaded: &Loaded) -> Line {
    let (topic, counts) = (&place.topic, loaded.directory.counts());
    if counts.all() == 0 {
        let text = format!(
            "topic {topic:?} names nobody, so that recipients which no list names are refused with 550: add recipients with \
             `ringpost recipients add` or `import`"
        );
        return (Verdict::Warning, NAME, text);
    }
    let text = format!(
        "topic {topic:?} names {} addresses and {} domains ({} records)",
        counts.addresses,
        counts.whole + counts.below,
        loaded.records + loaded.invalid
    );
    (Verdict::Ok, NAME, text)
}

fn kept(kept: &Kept, place: &Place) -> Option<Line> {
    let verdict = match kept {
        Kept::Forever => return None,
        Kept::Compacted(_) | Kept::Unknown(_) => Verdict::Warning,
        Kept::Deleted(_) => Verdict::Failed,
    };
    Some((verdict, NAME, kept.text(place)?))
}

fn is_taken(ours: &Recipients, name: &Name) -> bool {
    match name.scope() {
        Scope::Address | Scope::Whole => ours.takes_some_of(name.domain()),
        Scope::Below => ours.takes_some_of(&name.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_topic_or_brokers_nothing_is_asked() {
        let mut config = Config::default();
        assert_eq!(topic(&config)[0].0, Verdict::Skipped);
        config.recipients.topic = Some("recipients".to_owned());
        assert!(topic(&config)[0].2.contains("embedded"));
    }

    #[test]
    fn a_cluster_that_is_away_is_a_failure() {
        let mut config = Config::default();
        config.recipients.topic = Some("recipients".to_owned());
        config.kafka.brokers = Brokers::List("127.0.0.1:1".to_owned());
        let lines = topic(&config);
        assert_eq!((lines.len(), lines[0].0), (1, Verdict::Failed));
        assert!(lines[0].2.contains("127.0.0.1:1"), "{lines:?}");
    }
}

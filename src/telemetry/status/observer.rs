//! From metrics, a program's own state and its log to a snapshot.
//!
//! Owns: what is put together, and that every text in it is plain. Must not know: HTTP, and what the program is.
//!
//! Invariants: a look and a sample take no lock that a worker takes; whoever looks, and how often, changes no rate.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::followed::Followed;
use super::history::History;
use super::plain::plain;
use super::reading::Reading;
use super::snapshot::{Level, LogLine, Snapshot};
use super::source::{Health, Source, State};
use crate::limits::STATUS_SAMPLE_MILLISECONDS;
use crate::telemetry::recent::Recent;

/// Gives the metrics in Prometheus' text format.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// What an observer looks at.
pub struct Observed {
    /// The command that runs.
    pub command: &'static str,
    /// Its metrics.
    pub metrics: Render,
    /// Which of them are followed.
    pub followed: Followed,
    /// Whether it works.
    pub health: Arc<dyn Health>,
    /// What it says of itself.
    pub source: Arc<dyn Source>,
    /// Its log.
    pub recent: Recent,
}

/// See the module.
pub struct Observer {
    observed: Observed,
    began: (Instant, Timestamp),
    history: Mutex<History>,
}

impl Observer {
    /// Begins to look.
    pub fn new(observed: Observed) -> Self {
        let observer = Self {
            history: Mutex::new(History::new(observed.followed)),
            began: (Instant::now(), Timestamp::now()),
            observed,
        };
        observer.sample();
        observer
    }

    /// The metrics, as a scrape gets them.
    pub fn metrics(&self) -> String {
        (self.observed.metrics)()
    }

    /// Whether it works.
    pub fn health(&self) -> &dyn Health {
        self.observed.health.as_ref()
    }

    /// Takes samples for ever.
    pub async fn run(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(STATUS_SAMPLE_MILLISECONDS)).await;
            self.sample();
        }
    }

    /// How the program is now.
    pub fn snapshot(&self) -> Snapshot {
        let Observed {
            command,
            followed,
            health,
            source,
            recent,
            ..
        } = &self.observed;
        let reading = Reading::of(&self.metrics());
        let (at, now) = (Instant::now(), Timestamp::now());
        let seen = self.history().look(&reading, at, now);
        let State {
            hostname,
            facts,
            listeners,
            limits,
            storage,
            certificates,
            objects,
            recipients_topic,
        } = source.state(&reading);
        let reason = health.unready();
        let snapshot = Snapshot {
            command: (*command).to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname,
            pid: std::process::id(),
            started: format!("{:.3}", self.began.1),
            now: format!("{now:.3}"),
            uptime_seconds: at.duration_since(self.began.0).as_secs_f64(),
            ready: reason.is_none(),
            impaired: health.impaired().filter(|_| reason.is_none()),
            reason,
            facts,
            listeners,
            flows: seen.flows,
            refusals: seen.refusals,
            latencies: seen.latencies,
            levels: levels(followed, &reading),
            limits,
            storage,
            certificates,
            objects,
            recipients_topic,
            log: log(recent),
            log_count: recent.count(),
        };
        without_controls(&snapshot)
    }

    fn sample(&self) {
        let reading = Reading::of(&self.metrics());
        self.history()
            .sample(&reading, Instant::now(), Timestamp::now());
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn levels(followed: &Followed, reading: &Reading) -> Vec<Level> {
    let rows = followed.levels.iter();
    rows.map(|row| Level {
        name: row.name.to_owned(),
        text: row.text.to_owned(),
        unit: row.unit.name().to_owned(),
        value: reading.sum(row.metric),
    })
    .collect()
}

fn log(recent: &Recent) -> Vec<LogLine> {
    let lines = recent.lines().into_iter();
    lines
        .map(|said| LogLine {
            time: format!("{:.3}", said.time),
            level: said.level.to_owned(),
            text: said.text,
            times: said.times,
        })
        .collect()
}

/// The same with every text plain, whatever its member is: none can be forgotten.
pub fn without_controls(snapshot: &Snapshot) -> Snapshot {
    let mut value = serde_json::to_value(snapshot).expect("a snapshot is JSON");
    make_plain(&mut value);
    serde_json::from_value(value).expect("texts stay texts")
}

fn make_plain(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = plain(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(make_plain),
        serde_json::Value::Object(members) => members.values_mut().for_each(make_plain),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::followed::SERVE;
    use super::super::snapshot::Topic;
    use super::*;
    use crate::telemetry::metrics::Metrics;

    struct Hostile;

    impl Health for Hostile {
        fn unready(&self) -> Option<String> {
            Some("no broker \u{1b}[2J".to_owned())
        }

        fn impaired(&self) -> Option<String> {
            Some("never shown".to_owned())
        }
    }

    impl Source for Hostile {
        fn state(&self, _reading: &Reading) -> State {
            State {
                hostname: "mx\u{202e}".to_owned(),
                storage: Some(super::super::snapshot::Storage {
                    topics: vec![Topic {
                        trouble: Some("a\nb".to_owned()),
                        ..Topic::default()
                    }],
                    ..super::super::snapshot::Storage::default()
                }),
                ..State::default()
            }
        }
    }

    #[test]
    fn a_snapshot_has_what_was_counted_and_every_text_is_plain() {
        let (metrics, scrape) = Metrics::new(1);
        let observer = Observer::new(Observed {
            command: "serve",
            metrics: Arc::new(move || scrape.render()),
            followed: SERVE,
            health: Arc::new(Hostile),
            source: Arc::new(Hostile),
            recent: Recent::default(),
        });
        metrics.connection_accepted();
        metrics
            .refusals
            .increment(crate::smtp::refusal::Refusal::UnknownRecipient);
        let snapshot = observer.snapshot();
        assert_eq!(snapshot.reason.as_deref(), Some("no broker \\u{1b}[2J"));
        assert_eq!(snapshot.impaired, None, "readiness comes first");
        assert_eq!(snapshot.hostname, "mx\\u{202e}");
        let topics = snapshot.storage.as_ref().map(|storage| &storage.topics);
        assert_eq!(topics.unwrap()[0].trouble.as_deref(), Some("a b"));
        let flow = |name: &str| snapshot.flows.iter().find(|flow| flow.name == name);
        assert_eq!(flow("connections").map(|flow| flow.total), Some(1.0));
        assert_eq!(snapshot.refusals.len(), 1, "{:?}", snapshot.refusals);
        assert_eq!(snapshot.levels.len(), SERVE.levels.len());
        let text = serde_json::to_string(&snapshot).unwrap();
        let read: Snapshot = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (read.storage, read.reason, read.levels),
            (snapshot.storage, snapshot.reason, snapshot.levels)
        );
    }

    #[test]
    fn a_snapshot_of_another_version_is_read_as_far_as_it_is_known() {
        let read: Snapshot = serde_json::from_str(
            r#"{"version":"9","new":{"a":1},"limits":[{"name":"x","more":2}]}"#,
        )
        .unwrap();
        assert_eq!((read.version.as_str(), read.limits.len()), ("9", 1));
        assert_eq!(read.limits[0].share(), 0.0);
    }
}

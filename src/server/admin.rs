//! The admin listener of a server: its socket, what the server says of itself, and what ready means.
//!
//! Owns: what makes a server ready, and which of its parts a snapshot shows. Must not know: paths and pages (`telemetry::admin`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::addresses::Spoken;
use super::shares;
use crate::config::Config;
use crate::net::certificates::{Certificates, Served};
use crate::net::shared::Shared;
use crate::recipients::Published;
use crate::sink::condition::{BrokerCondition, TopicCondition};
use crate::sink::{Description, Keeps};
use crate::telemetry::admin::{self, Pages};
use crate::telemetry::metrics::{Io, Scrape};
use crate::telemetry::recent::Recent;
use crate::telemetry::status::observer::{Observed, Observer, Render};
use crate::telemetry::status::snapshot::{
    Broker, Certificate, Fact, Limit, Listener, Objects, RecipientsTopic, Storage, Topic,
};
use crate::telemetry::status::{self, Health, Reading, Source, State};

/// Domains that are named.
const DOMAINS_TOLD: usize = 10;

/// A listener that answers once it is [served](Self::serve).
pub(super) struct Admin {
    listener: TcpListener,
    pages: Pages,
}

/// What makes a server ready: the sink, and whom a topic names.
pub(super) fn health(shared: &Arc<Shared>, named: Option<Arc<Published>>) -> Arc<dyn Health> {
    let shared = Arc::clone(shared);
    Arc::new(Ready { shared, named })
}

struct Ready {
    shared: Arc<Shared>,
    /// Whom a topic names; none where there is no such topic.
    named: Option<Arc<Published>>,
}

/// What is shown of a server.
pub(super) struct Shown {
    /// What its workers share.
    pub shared: Arc<Shared>,
    /// Whom a topic names; none where there is no such topic.
    pub named: Option<Arc<Published>>,
    /// What TLS handshakes are made with; none where TLS is not offered.
    pub certificates: Option<Arc<Certificates>>,
    /// Its addresses, ports resolved.
    pub smtp: Vec<Spoken>,
    /// Where mail goes.
    pub sink: Description,
    /// The engine that serves.
    pub io: Io,
    /// What it was started with.
    pub config: Config,
}

impl Admin {
    /// Of this server.
    pub(super) fn new(
        listener: TcpListener,
        scrape: Scrape,
        (health, shown): (Arc<dyn Health>, Shown),
        recent: Recent,
        configuration: Render,
    ) -> Self {
        let hostname = shown.config.server.hostname.clone();
        let observer = Observer::new(Observed {
            command: "serve",
            metrics: Arc::new(move || scrape.render()),
            followed: status::SERVE,
            health,
            source: Arc::new(shown),
            recent,
        });
        let pages = Pages {
            observer: Arc::new(observer),
            configuration,
            hostname,
        };
        Self { listener, pages }
    }

    /// Answers until another process does.
    pub(super) async fn serve(self, succeeded: Arc<Notify>) {
        let until = async move { succeeded.notified().await };
        admin::serve(self.listener, self.pages, until).await;
    }
}

impl Health for Ready {
    fn unready(&self) -> Option<String> {
        if self.shared.draining.load(Ordering::Relaxed) {
            return Some("draining".to_owned());
        }
        if let Some(unknown) = self.named.as_ref().and_then(|named| named.unknown()) {
            return Some(unknown);
        }
        let sink = self.shared.sink.ready();
        sink.err().map(|unready| unready.to_string())
    }

    fn impaired(&self) -> Option<String> {
        let claims = self.shared.claims.as_ref()?;
        let why = claims.store.away()?;
        Some(format!(
            "messages of more than {} bytes get 451: {why}",
            claims.above
        ))
    }
}

impl Source for Shown {
    fn state(&self, reading: &Reading) -> State {
        State {
            hostname: self.config.server.hostname.clone(),
            facts: self.facts(),
            listeners: self.listeners(),
            limits: self.limits(reading),
            storage: Some(self.storage(reading)),
            certificates: self.certificates(),
            objects: self.objects(),
            recipients_topic: self.recipients_topic(reading),
        }
    }
}

impl Shown {
    fn facts(&self) -> Vec<Fact> {
        let config = &self.config;
        let domains = &config.recipients.domains;
        let mut told: Vec<String> = domains.iter().take(DOMAINS_TOLD).cloned().collect();
        if let Some(more) = domains
            .len()
            .checked_sub(DOMAINS_TOLD)
            .filter(|more| *more > 0)
        {
            told.push(format!("and {more} more"));
        }
        vec![
            Fact::new("engine", "Engine", self.io.label()),
            Fact::new("workers", "Workers", shares::worker_count(config)),
            Fact::new("domains", "Domains", told.join(", ")),
            Fact::new(
                "message_size",
                "Largest message (SIZE)",
                self.shared.policy.message_size,
            ),
        ]
    }

    fn listeners(&self) -> Vec<Listener> {
        let sessions = self.shared.census.listeners();
        let starttls = self.certificates.is_some();
        let all = self.smtp.iter().zip(sessions);
        all.map(|(spoken, sessions)| Listener {
            address: spoken.address.to_string(),
            speaks: spoken.speaks(starttls).to_owned(),
            open: sessions.open,
            open_tls: sessions.secured,
        })
        .collect()
    }

    fn limits(&self, reading: &Reading) -> Vec<Limit> {
        let limits = &self.config.limits;
        let used = |metric| reading.sum(metric);
        let mut all = vec![
            Limit::count(
                "limits.connections",
                self.shared.admission.connections() as f64,
                limits.connections as f64,
            ),
            Limit::count(
                "limits.in_flight_messages",
                used("ringpost_in_flight_messages"),
                limits.in_flight_messages as f64,
            ),
            Limit::bytes(
                "limits.in_flight_bytes",
                used("ringpost_in_flight_bytes"),
                limits.in_flight_bytes as f64,
            ),
        ];
        if reading.has("process_open_fds") {
            let (open, most) = (used("process_open_fds"), used("process_max_fds"));
            all.push(Limit::count("open files", open, most));
        }
        all
    }

    fn storage(&self, reading: &Reading) -> Storage {
        let sink = &self.shared.sink;
        let (condition, unready) = (sink.condition(), sink.ready().err());
        let stored = reading.sum("ringpost_last_stored_timestamp_seconds");
        let stored = (stored > 0.0).then(|| Timestamp::from_millisecond((stored * 1e3) as i64));
        Storage {
            address: self.sink.address.clone(),
            keeps: match self.sink.keeps {
                Keeps::Replicas => "replicas",
                Keeps::Memory => "memory",
                Keeps::Nothing => "nothing",
            }
            .to_owned(),
            away: unready.is_some(),
            away_since: condition.away_since.map(moment),
            reason: unready.map(|unready| unready.to_string()),
            last_stored: stored.and_then(Result::ok).map(moment),
            topics: condition.topics.into_iter().map(topic).collect(),
            brokers: condition.brokers.into_iter().map(broker).collect(),
        }
    }

    fn certificates(&self) -> Vec<Certificate> {
        let served = self.certificates.as_ref().map(|all| all.served());
        let now = Timestamp::now();
        served
            .into_iter()
            .flatten()
            .map(|served| certificate(served, now))
            .collect()
    }

    fn objects(&self) -> Option<Objects> {
        let claims = self.shared.claims.as_ref()?;
        Some(Objects {
            url: claims.url.to_string(),
            above_bytes: claims.above,
            away: claims.store.away(),
        })
    }

    fn recipients_topic(&self, reading: &Reading) -> Option<RecipientsTopic> {
        let named = self.named.as_ref()?;
        Some(RecipientsTopic {
            topic: self.config.recipients.topic.clone().unwrap_or_default(),
            unknown: named.unknown(),
            entries: reading.sum("ringpost_recipients_topic_entries"),
            behind_seconds: reading.sum("ringpost_recipients_topic_behind_seconds"),
        })
    }
}

fn moment(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn topic(condition: TopicCondition) -> Topic {
    let TopicCondition {
        name,
        trouble,
        shape,
        min_in_sync,
    } = condition;
    Topic {
        name,
        ok: trouble.is_none(),
        trouble,
        partitions: shape.map(|shape| shape.partitions),
        with_leader: shape.map(|shape| shape.partitions - shape.leaderless),
        replicas: shape.map(|shape| shape.replicas),
        in_sync: shape.map(|shape| shape.in_sync),
        min_insync_replicas: min_in_sync,
    }
}

fn broker(condition: BrokerCondition) -> Broker {
    Broker {
        address: condition.address,
        number: condition.number,
        state: condition.state,
        seconds: condition.lasts.map(|lasts| lasts.as_secs_f64()),
        round_trip: condition.round_trip.map(|time| time.as_secs_f64()),
        unanswered: condition.unanswered,
    }
}

fn certificate(served: Served, now: Timestamp) -> Certificate {
    let left = |until: Timestamp| until.duration_since(now).as_secs_f64() / 86_400.0;
    Certificate {
        file: served.file.display().to_string(),
        names: served.names,
        expires: served.expires.map(moment),
        days_left: served.expires.map(left),
    }
}

//! The snapshot: how the program is at one moment. It is the form of `/status.json`, which docs/status.md describes.
//!
//! Owns: the names of its members. Must not know: where the figures come from, how they are shown.
//!
//! Invariants: a name that is here stays, and keeps its meaning; a member that a reader does not know is passed over, and one that is
//! missing is empty, so that `ringpost top` reads servers that are older or newer. Every text is [`plain`](super::plain).

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// The command that runs: `serve`, `forward`, `authenticate`.
    pub command: String,
    /// Its version.
    pub version: String,
    /// `server.hostname`.
    pub hostname: String,
    /// Its process.
    pub pid: u32,
    /// When it started, RFC 3339.
    pub started: String,
    /// When this was taken, RFC 3339.
    pub now: String,
    /// The seconds between these.
    pub uptime_seconds: f64,
    /// What `/readyz` says.
    pub ready: bool,
    /// Why it is not ready.
    pub reason: Option<String>,
    /// What does not work although it is ready.
    pub impaired: Option<String>,
    /// What it runs on and with, in the order in which it is shown.
    pub facts: Vec<Fact>,
    /// Where it takes mail.
    pub listeners: Vec<Listener>,
    /// What passes through it.
    pub flows: Vec<Flow>,
    /// What was refused, and when last; reasons that have not occurred are left out.
    pub refusals: Vec<RefusalFlow>,
    /// How long things take.
    pub latencies: Vec<Latency>,
    /// What there is now.
    pub levels: Vec<Level>,
    /// What is bounded, and how near it is.
    pub limits: Vec<Limit>,
    /// Where records go, or come from.
    pub storage: Option<Storage>,
    /// The certificates that are served.
    pub certificates: Vec<Certificate>,
    /// The store of large messages.
    pub objects: Option<Objects>,
    /// The topic that names recipients.
    pub recipients_topic: Option<RecipientsTopic>,
    /// Errors and warnings in the log, the newest first.
    pub log: Vec<LogLine>,
    /// How many there were since the start.
    pub log_count: u64,
}

/// A fact that does not change while the program runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// For people.
    pub text: String,
    /// Its value.
    pub value: String,
}

/// A listener and its sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// Where.
    pub address: String,
    /// What is spoken there: `clear`, `clear+STARTTLS`, `TLS`, `PROXY+clear` …
    pub speaks: String,
    /// Open sessions,
    pub open: usize,
    /// of which these are encrypted.
    pub open_tls: usize,
}

/// Something that is counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// For people.
    pub text: String,
    /// `count` or `bytes`.
    pub unit: String,
    /// Since the start.
    pub total: f64,
    /// How much a second.
    pub per_second: Windows,
}

/// A rate over the last ten seconds, minute and five minutes; of a program that is younger, since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Windows {
    pub last_10s: f64,
    pub last_1m: f64,
    pub last_5m: f64,
}

/// Refusals for one reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusalFlow {
    /// The reason, as the log and the metrics name it.
    pub reason: String,
    /// When it was given: `before the banner`, `in the session`.
    pub stage: String,
    /// Since the start.
    pub total: f64,
    /// How many a second.
    pub per_second: Windows,
    /// When the last of them was given, to two seconds; RFC 3339.
    pub last: String,
}

/// How long something takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// Its name.
    pub name: String,
    /// For people.
    pub text: String,
    /// In the last minute,
    pub last_1m: Quantiles,
    /// in the last five,
    pub last_5m: Quantiles,
    /// and since the start.
    pub total: Quantiles,
}

/// What part of the measurements takes how long, in seconds, read from the buckets of a histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantiles {
    /// Measurements.
    pub count: f64,
    /// Half of them take no longer; none where nothing was measured.
    pub p50: Option<f64>,
    /// Nine of ten.
    pub p90: Option<f64>,
    /// 99 of 100.
    pub p99: Option<f64>,
}

/// A figure of this moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Level {
    /// Its name.
    pub name: String,
    /// For people.
    pub text: String,
    /// `count`, `bytes` or `seconds`.
    pub unit: String,
    /// The figure.
    pub value: f64,
}

/// Something bounded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limit {
    /// The option or the flag that bounds it, or what else does.
    pub name: String,
    /// `count` or `bytes`.
    pub unit: String,
    /// How much is used.
    pub used: f64,
    /// How much there is.
    pub most: f64,
}

impl Limit {
    /// The part of it that is used, from 0 to 1.
    pub fn share(&self) -> f64 {
        match self.most > 0.0 {
            true => (self.used / self.most).clamp(0.0, 1.0),
            false => 0.0,
        }
    }
}

/// Where records go, or come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// The brokers that it was started with.
    pub address: String,
    /// What a 250 is worth: `replicas`, `memory`, `nothing`; empty where there is none.
    pub keeps: String,
    /// Whether mail cannot be stored, or records cannot be read.
    pub away: bool,
    /// Since when; RFC 3339.
    pub away_since: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When a record was last stored; RFC 3339.
    pub last_stored: Option<String>,
    /// The topics.
    pub topics: Vec<Topic>,
    /// The brokers.
    pub brokers: Vec<Broker>,
}

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Whether all mail for it is stored, as far as is known.
    pub ok: bool,
    /// Why not.
    pub trouble: Option<String>,
    /// Its partitions,
    pub partitions: Option<usize>,
    /// and how many of them have a leader.
    pub with_leader: Option<usize>,
    /// The fewest replicas that a partition has,
    pub replicas: Option<usize>,
    /// and the fewest in sync.
    pub in_sync: Option<usize>,
    /// `min.insync.replicas`.
    pub min_insync_replicas: Option<usize>,
}

/// A broker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Broker {
    /// Host and port.
    pub address: String,
    /// Its number in the cluster.
    pub number: Option<i32>,
    /// The state of the connection, in librdkafka's words.
    pub state: String,
    /// How long it has been so.
    pub seconds: Option<f64>,
    /// The average round trip, in seconds.
    pub round_trip: Option<f64>,
    /// Requests that wait for its answer.
    pub unanswered: u64,
}

impl Broker {
    /// Whether it can be asked now.
    pub fn is_up(&self) -> bool {
        self.state == "UP" || self.state == "UPDATE"
    }

    /// Whether no connection was needed yet: it leads nothing that is written.
    pub fn is_idle(&self) -> bool {
        self.number.is_some() && self.state == "INIT"
    }
}

/// A certificate that is served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Certificate {
    /// Its file.
    pub file: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// When it expires; RFC 3339.
    pub expires: Option<String>,
    /// How many days are left; below 0 once it has expired.
    pub days_left: Option<f64>,
}

/// The store of large messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objects {
    /// Where it is.
    pub url: String,
    /// Messages of more bytes go there.
    pub above_bytes: u64,
    /// Why nothing can be stored there.
    pub away: Option<String>,
}

/// The topic that names recipients.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecipientsTopic {
    /// Its name.
    pub topic: String,
    /// Why it is not known yet.
    pub unknown: Option<String>,
    /// Names that it has.
    pub entries: f64,
    /// Seconds since all of its records were known to be in force; 0 while they are.
    pub behind_seconds: f64,
}

/// A line of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// When it was written last; RFC 3339.
    pub time: String,
    /// `ERROR` or `WARN`.
    pub level: String,
    /// Its message and fields.
    pub text: String,
    /// How often it was written in a row.
    pub times: u64,
}

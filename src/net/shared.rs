//! What all workers share: read only, or atomic.
//!
//! Owns: the list of it. Must not know: any one worker.
//!
//! Invariant: nothing here is locked, and nothing but counts is written, on the path of a mail.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::admission::Admission;
use super::census::Census;
use super::loads::Loads;
use super::pulse::Pulse;
use super::rules::Rules;
use crate::config::RecordKey;
use crate::objects::Claims;
use crate::sink::Sink;
use crate::sink::routing::Routing;
use crate::smtp::directory::Directory;
use crate::smtp::policy::Policy;
use crate::telemetry::message_log::MessageLog;
use crate::telemetry::metrics::Metrics;

/// See the module.
pub struct Shared {
    /// What of the policy no reload changes: names, limits and times. Sessions take theirs from the rules.
    pub policy: Arc<Policy>,
    /// What a reload exchanges.
    pub rules: ArcSwap<Rules>,
    /// Whom a topic names now; none while it is not known, and where there is no such topic.
    pub directory: Arc<ArcSwapOption<Directory>>,
    /// Where messages go.
    pub sink: Arc<dyn Sink>,
    /// Which messages become objects; none where all are in their records.
    pub claims: Option<Claims>,
    /// Counters.
    pub metrics: Metrics,
    /// Whether a Received field is put in front.
    pub trace: bool,
    /// Which topic a record goes to, and which recipients share one.
    pub routing: Routing,
    /// What a record's key is made of.
    pub key: RecordKey,
    /// Where log lines of messages, refusals and traces go; none without a log.
    pub message_log: Option<MessageLog>,
    /// The listening addresses in the order of the configuration, with what is spoken there, for traces: set before anything is
    /// accepted.
    pub listeners: OnceLock<Vec<String>>,
    /// Most open connections.
    pub connections_most: usize,
    /// What a TLS handshake is made with; none: TLS is not offered.
    pub tls: Option<Arc<rustls::server::ServerConfig>>,
    /// How long a client waits for its greeting.
    pub greeting_delay: std::time::Duration,
    /// Longest time of a TLS handshake.
    pub handshake_timeout: std::time::Duration,
    /// Counts of connections and messages by client, and their limits.
    pub admission: Admission,
    /// Connections of each worker.
    pub loads: Loads,
    /// Whether each worker makes progress.
    pub pulse: Pulse,
    /// Sessions of each listener.
    pub census: Census,
    /// Set once, when the server stops.
    pub draining: AtomicBool,
}

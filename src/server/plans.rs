//! What the workers are given: what all of them share, and the plan of each.
//!
//! Owns: which part of the configuration goes to which of them. Must not know: how a worker runs.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::{rules, shares};
use crate::config::Config;
use crate::failure::{Blame, Blamed};
use crate::net::census::Census;
use crate::net::handover;
use crate::net::handshake::{self, Material};
use crate::net::loads::Loads;
use crate::net::pulse::Pulse;
use crate::net::shared::Shared;
use crate::net::worker::{Door, Plan};
use crate::objects::Claims;
use crate::recipients::Published;
use crate::sink::routing::Routing;
use crate::sink::{Description, Keeps, Reports, Sink};
use crate::smtp::policy::Recipients;
use crate::telemetry::log::LogHandle;
use crate::telemetry::metrics::Metrics;

/// The kernel returns no random number, for queue ids.
#[derive(Debug, thiserror::Error)]
#[error("the kernel returns no random numbers: {0}")]
pub(super) struct NoRandom(getrandom::Error);

impl Blamed for NoRandom {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// What the workers share.
///
/// # Errors
/// TLS cannot be set up.
pub(super) fn shared(
    (config, material): (&Config, Option<&Material>),
    taken: Recipients,
    published: &Published,
    (sink, claims): (Arc<dyn Sink>, Option<Claims>),
    metrics: Metrics,
    log: &LogHandle,
    (workers, listeners): (usize, usize),
) -> Result<Arc<Shared>, handshake::Error> {
    let Description {
        message_size,
        keeps,
        ..
    } = sink.describe();
    let message_log = match keeps {
        Keeps::Nothing => log.messages().discarding(),
        Keeps::Replicas | Keeps::Memory => log.messages(),
    };
    let tls = material.map(Material::server_config).transpose()?;
    // With a store, SIZE is what the configuration says, whatever the topic takes.
    let message_size = match claims {
        Some(_) => config.limits.message_size,
        None => message_size,
    };
    let policy = rules::policy(config, message_size);
    Ok(Arc::new(Shared {
        rules: ArcSwap::from_pointee(rules::rules(config, &policy, taken)),
        directory: published.directory(),
        policy: Arc::new(policy),
        sink,
        claims,
        metrics,
        trace: config.server.trace,
        routing: Routing::new(config),
        key: config.kafka.key,
        message_log: Some(message_log),
        listeners: OnceLock::new(),
        connections_most: config.limits.connections,
        tls,
        greeting_delay: config.server.greeting_delay,
        handshake_timeout: config.tls.handshake_timeout,
        admission: rules::admission(&config.limits),
        loads: Loads::new(workers),
        pulse: Pulse::new(workers),
        census: Census::new(workers, listeners),
        draining: AtomicBool::new(false),
    }))
}

/// What each worker is to serve.
///
/// # Errors
/// [`NoRandom`].
pub(super) fn each(
    config: &Config,
    shared: &Arc<Shared>,
    doors: Vec<Vec<Door>>,
    wakers: Vec<Arc<Notify>>,
    reports: Vec<Reports>,
) -> Result<Vec<Plan>, NoRandom> {
    let workers = doors.len();
    assert_eq!(wakers.len(), workers, "each worker is woken");
    assert_eq!(reports.len(), workers, "each worker has its reports");
    let largest = shares::largest(shared.policy.message_size, shared.claims.as_ref());
    let in_flight = shares::in_flight(config, largest, workers);
    let parts = doors.into_iter().zip(wakers).zip(reports);
    let parts = parts
        .zip(handover::among(workers, Instant::now()))
        .enumerate();
    let plan = |(index, (((doors, reported), reports), handover))| {
        Ok(Plan {
            index: u32::try_from(index).expect("workers are few"),
            doors,
            shared: Arc::clone(shared),
            reported,
            reports,
            handover,
            wake: Arc::default(),
            in_flight,
            random: getrandom::u64().map_err(NoRandom)?,
            drain_timeout: config.server.drain_timeout,
        })
    };
    parts.map(plan).collect()
}

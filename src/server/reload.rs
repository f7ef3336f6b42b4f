//! SIGHUP: reads the configuration again, and exchanges what can change while the server runs.
//!
//! Owns: the order of a reload, and what the log says of it. Must not know: how rules reach the workers, nor what they say.
//!
//! Invariants: a reload is applied whole or not at all; one that would let everybody in, or nobody, because a key or the names
//! of a list are gone is not applied; files are read on another thread, so nothing waits for them; reloads run one after the
//! other, and any number of signals during one cause one more.

use std::sync::Arc;
use std::time::Instant;

use tokio::signal::unix::Signal;
use tokio::task::JoinError;

use super::checked::Read;
use super::effective::Effective;
use super::rules::{self, Exchange};
use super::supervisor::Supervisor;
use crate::config::{self, Config, Difference, Loaded};
use crate::failure::{Blame, Blamed, Failure};
use crate::net::handshake::{self, Material};
use crate::smtp::policy::Recipients;
use crate::telemetry::log::LogHandle;
use crate::telemetry::metrics::{Metrics, ReloadResult};

/// What reloads.
pub(super) struct Reload<'a> {
    read: Read,
    /// The configuration that the server was started with, as it was read.
    started: Config,
    /// What was applied last: the configuration at the start, then each reload.
    applied: Loaded,
    /// Takes the new rules.
    exchange: Exchange,
    /// Takes the new text of it.
    effective: Effective,
    /// Takes the new certificates and ticket keys; none where TLS was not offered at the start.
    material: Option<Material>,
    /// Takes the new level.
    log: &'a LogHandle,
    counters: Metrics,
    /// Learns of each reload.
    supervisor: Supervisor,
}

/// Something is missing that was there, so that everybody would be let in, or nobody: one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
struct Missing(Vec<String>);

impl Blamed for Missing {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// The thread that reads panicked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Panicked(JoinError);

impl Blamed for Panicked {
    fn blame(&self) -> Blame {
        Blame::Bug
    }
}

impl<'a> Reload<'a> {
    /// Of a server that was started with this.
    pub(super) fn new(
        (read, loaded): (Read, Loaded),
        material: Option<Material>,
        (exchange, effective): (Exchange, Effective),
        log: &'a LogHandle,
        counters: Metrics,
        supervisor: Supervisor,
    ) -> Self {
        Self {
            read,
            started: loaded.config.clone(),
            applied: loaded,
            exchange,
            effective,
            material,
            log,
            counters,
            supervisor,
        }
    }

    /// Reloads at each hangup; never ends, unless signals do.
    pub(super) async fn serve(mut self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            self.supervisor.reloading();
            let (read, began) = (Arc::clone(&self.read), Instant::now());
            let with_tls = self.material.is_some();
            let result = tokio::task::spawn_blocking(move || fetch(&read, with_tls))
                .await
                .unwrap_or_else(|error| Err(Panicked(error).into()))
                .and_then(|fetched| Ok(self.judge(fetched)?));
            match result {
                Ok(fetched) => {
                    self.counters.reloads.increment(ReloadResult::Applied);
                    self.counters.configuration_in_force();
                    self.apply(fetched, began);
                }
                Err(failure) => {
                    self.counters.reload_failed();
                    tracing::error!(
                        "nothing was reloaded, and the current settings stay: {}",
                        failure.to_string().replace('\n', "; ")
                    );
                }
            }
            self.supervisor.reloaded();
        }
    }

    /// Refuses what would open the door, or close it, because something is missing that was there.
    fn judge(&self, fetched: Fetched) -> Result<Fetched, Missing> {
        let mut missing = config::losses(&self.applied, &fetched.loaded);
        for pattern in fetched.taken.emptied(&self.exchange.taken()) {
            missing.push(format!(
                "recipients.lists.{pattern}: the list named recipients and now names nobody, so all mail for {pattern} would \
                 be refused: write the list again, or remove {pattern} from recipients.domains"
            ));
        }
        if missing.is_empty() {
            Ok(fetched)
        } else {
            Err(Missing(missing))
        }
    }

    fn apply(&mut self, fetched: Fetched, began: Instant) {
        let Fetched {
            loaded,
            taken,
            material,
        } = fetched;
        self.warn(&loaded);
        let changed = self
            .applied
            .config
            .changes_that_a_reload_applies(&loaded.config);
        let changed = match changed.is_empty() {
            true => "nothing".to_owned(),
            false => listed(&changed),
        };
        self.applied = loaded;
        let config = self.applied.config.clone();
        let (domain_count, addresses) = (taken.domains(), taken.listed());
        self.exchange.apply(&config, taken);
        if let (Some(current), Some(loaded)) = (&self.material, material) {
            current.exchange(loaded);
            current.tell(&self.started.server.hostname);
            current.certificates.show(&self.counters);
        }
        // The current ones, where [tls] is gone: they are served until a restart.
        let (certificates, ticket_keys) = self.material.as_ref().map_or((0, 0), |material| {
            (material.certificates.count(), material.tickets.count())
        });
        let say = || {
            tracing::info!(
                changed = changed.as_str(),
                domain_count,
                lists = config.recipients.lists.len(),
                addresses,
                networks_allowed = config.access.allow.len(),
                networks_denied = config.access.deny.len(),
                networks_traced = config.log.trace_networks.len(),
                certificates,
                ticket_keys,
                log_level = config.log.level.as_str(),
                milliseconds = began.elapsed().as_millis() as u64,
                "reloaded"
            );
        };
        // Logged at the more verbose of the two levels.
        let wordier = config.log.level > self.started.log.level;
        if !wordier {
            say();
        }
        if let Err(error) = self.log.set_level(config.log.level) {
            tracing::error!("{error}");
        }
        if wordier {
            say();
        }
        self.started.log.level = config.log.level;
    }

    /// Says what is odd in a configuration that is about to be applied, and what of it is not.
    fn warn(&self, loaded: &Loaded) {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        for domain in config::opened(&self.applied, loaded) {
            tracing::warn!(
                "recipients.lists no longer has a list for {domain}: every recipient there is accepted"
            );
        }
        let changes = self.started.changes_that_need_a_restart(&loaded.config);
        self.effective.reloaded(loaded, &changes);
        if !changes.is_empty() {
            tracing::warn!(
                "options that need a restart have changed: {}; until then they stay as they were",
                listed(&changes)
            );
        }
    }
}

fn listed(changes: &[Difference]) -> String {
    let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// What one reload read.
struct Fetched {
    loaded: Loaded,
    taken: Recipients,
    material: Option<handshake::Loaded>,
}

/// Reads the configuration, and the lists, certificates and keys that it names.
fn fetch(read: &Read, with_tls: bool) -> Result<Fetched, Failure> {
    let loaded = read()?;
    let taken = rules::taken(&loaded.config)?;
    let material = match with_tls {
        true => handshake::Loaded::read(&loaded.config.tls)?,
        false => None,
    };
    Ok(Fetched {
        loaded,
        taken,
        material,
    })
}

//! The second step: everything that a server needs is there, and nothing serves yet.
//!
//! Owns: the order in which a server is made. Must not know: how each part is made, and what is said of the server.
//!
//! Invariants: what needs nobody else is tried first, and the addresses are bound last, so that a client which gets through is
//! served soon; what cannot be made ends the start with one line that names it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::addresses::Addresses;
use super::admin::Admin;
use super::checked::Checked;
use super::claims;
use super::drain::Drain;
use super::named::Named;
use super::open_files::OpenFiles;
use super::plans;
use super::reload::Reload;
use super::rules::{self, Exchange};
use super::serving::{Facts, Serving};
use super::shares;
use super::signals::{Signals, Stop};
use super::upkeep::Upkeep;
use super::workers::Made;
use crate::config::Config;
use crate::failure::{Blame, Blamed, Failure};
use crate::net::shared::Shared;
use crate::net::worker::Plan;
use crate::recipients::Published;
use crate::sink::{self, Keeps, Setup};
use crate::telemetry::log::LogHandle;
use crate::telemetry::metrics::{Metrics, Scope};

/// A server of which every part is made: engines, sink, sockets.
pub struct Prepared<'a> {
    facts: Facts,
    workers: Made,
    plans: Vec<Plan>,
    shared: Arc<Shared>,
    drain_timeout: Duration,
    runtime: Runtime,
    stop: Stop,
    admin: Admin,
    upkeep: Upkeep<'a>,
    named: Named,
}

/// There is no runtime for what runs beside the workers.
#[derive(Debug, thiserror::Error)]
#[error(
    "the runtime of signals and the admin listener: {0}; if too many files are open, raise the limit (LimitNOFILE= of \
     systemd, ulimit -n)"
)]
struct NoRuntime(#[source] std::io::Error);

impl Blamed for NoRuntime {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

impl<'a> Prepared<'a> {
    /// Makes everything.
    ///
    /// # Errors
    /// The first part that cannot be made.
    pub fn new(checked: Checked, log: &'a LogHandle) -> Result<Self, Failure> {
        let config = &checked.loaded.config;
        let taken = rules::taken(config)?;
        raise_open_files(config);
        let addresses = Addresses::of(config);
        addresses.wait_until_free()?;
        let count = shares::worker_count(config);
        let workers = Made::new(count, checked.io, config.limits.connections)?;
        let (metrics, scrape) = Metrics::of(&Scope {
            workers: count,
            topics: config.topics(),
        });
        metrics.workers.set(count as f64);
        metrics.io_info.set(checked.io, 1.0);
        metrics
            .required_in_sync
            .set(config.kafka.require_in_sync as f64);
        metrics.configuration_in_force();
        let wakers: Vec<Arc<Notify>> = (0..count).map(|_| Arc::default()).collect();
        let started = start_sink(config, &wakers, &metrics)?;
        let description = started.sink.describe();
        let claims = claims::start(config, description.message_size)?;
        if let Some(material) = &checked.material {
            material.tell(&config.server.hostname);
            material.certificates.show(&metrics);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(NoRuntime)?;
        let (listener, admin) = addresses.listen_for_admin(&runtime)?;
        let signals = Signals::inside(&runtime)?;
        let (doors, smtp) = addresses.doors(count)?;
        let published = Arc::<Published>::default();
        let shared = plans::shared(
            &checked,
            taken,
            &published,
            (started.sink, claims),
            metrics.clone(),
            log,
            count,
        )?;
        let named = Named::start(config, &description, published, &shared)?;
        let plans = plans::each(config, &shared, doors, wakers, started.reports)?;
        Ok(Self {
            facts: Facts {
                smtp,
                admin,
                sink: description,
                io: checked.io,
                config: config.clone(),
            },
            workers,
            plans,
            drain_timeout: config.server.drain_timeout,
            runtime,
            stop: signals.stop,
            admin: Admin::new(
                listener,
                scrape,
                Arc::clone(&shared),
                named.published.clone(),
            ),
            upkeep: Upkeep {
                hostname: config.server.hostname.clone(),
                material: checked.material.clone(),
                log,
                counters: metrics.clone(),
                reload: Reload::new(checked, Exchange(Arc::clone(&shared)), log, metrics),
                hangup: signals.reload,
            },
            shared,
            named,
        })
    }

    /// Lets the workers serve; the server when all of them do.
    ///
    /// # Errors
    /// A worker that does not.
    pub fn serve(self) -> Result<Serving<'a>, Failure> {
        let workers = self.workers.serve(self.plans)?;
        Ok(Serving {
            facts: self.facts,
            runtime: self.runtime,
            stop: self.stop,
            admin: self.admin,
            upkeep: self.upkeep,
            named: self.named.published,
            drain: Drain {
                workers,
                shared: self.shared,
                following: self.named.following,
                timeout: self.drain_timeout,
            },
        })
    }
}

/// Raises the limit on open files. Too few cause a warning where mail is kept.
fn raise_open_files(config: &Config) {
    let shortage = OpenFiles::raise(config).shortage();
    if let (Keeps::Replicas, Some(shortage)) = (sink::configured(config).keeps(), shortage) {
        tracing::warn!("open files: {shortage}");
    }
}

fn start_sink(
    config: &Config,
    wakers: &[Arc<Notify>],
    metrics: &Metrics,
) -> Result<sink::Started, Failure> {
    let counted = metrics.clone();
    let setup = Setup {
        wakers: wakers.to_vec(),
        observe: Box::new(move |statistics| counted.sink_statistics(statistics)),
    };
    sink::start(config, setup)
}

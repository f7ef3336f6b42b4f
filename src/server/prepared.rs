//! The second step: everything that a server needs is there, and nothing serves yet.
//!
//! Owns: the order in which a server is made. Must not know: how each part is made, and what is said of the server.
//!
//! Invariants: what needs nobody else is tried first, and the addresses are bound, or taken over, last, so that a client which gets
//! through is served soon; what cannot be made ends the start with one line that names it, and leaves a process that was to be
//! taken over from as it was.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::addresses::Held;
use super::admin::{self, Admin, Shown};
use super::checked::Checked;
use super::claims;
use super::drain::Drain;
use super::effective::Effective;
use super::named::Named;
use super::open_files::OpenFiles;
use super::plans;
use super::reload::Reload;
use super::rules::{self, Exchange};
use super::serving::{Facts, Serving};
use super::shares;
use super::signals::{Signals, Stop};
use super::succession::Begun;
use super::supervisor::Supervisor;
use super::takeover::{Giver, Place};
use super::upkeep::Upkeep;
use super::workers::{self, Made};
use crate::config::{Config, IoChoice};
use crate::failure::{Blame, Blamed, Failure};
use crate::net::shared::Shared;
use crate::net::worker::Plan;
use crate::recipients::Published;
use crate::sink::{self, Keeps, Setup};
use crate::telemetry::log::LogHandle;
use crate::telemetry::metrics::{Io, Metrics, Scope};

/// A server of which every part is made: engines, sink, sockets.
pub struct Prepared<'a> {
    facts: Facts,
    workers: Made,
    plans: Vec<Plan>,
    held: Arc<Vec<Held>>,
    place: Option<Place>,
    begun: Option<Begun>,
    shared: Arc<Shared>,
    drain_timeout: Duration,
    runtime: Runtime,
    stop: Stop,
    admin: Admin,
    upkeep: Upkeep<'a>,
    supervisor: Supervisor,
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
        let Checked {
            read,
            loaded,
            material,
            io,
            mut addresses,
            place,
            takes_over,
            warnings: _,
        } = checked;
        let config = &loaded.config;
        let taken = rules::taken(config)?;
        raise_open_files(config);
        if !takes_over {
            addresses.wait_until_free()?;
        }
        let count = shares::worker_count(config);
        let (workers, io) = engines(config, io, count)?;
        let (metrics, scrape) = Metrics::of(&Scope {
            workers: count,
            topics: config.topics(),
        });
        metrics.workers.set(count as f64);
        metrics.io_info.set(io, 1.0);
        metrics
            .required_in_sync
            .set(config.kafka.require_in_sync as f64);
        metrics.configuration_in_force();
        let wakers: Vec<Arc<Notify>> = (0..count).map(|_| Arc::default()).collect();
        let started = start_sink(config, &wakers, &metrics)?;
        let description = started.sink.describe();
        let claims = claims::start(config, description.message_size)?;
        if let Some(material) = &material {
            material.tell(&config.server.hostname);
            material.certificates.show(&metrics);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(NoRuntime)?;
        let published = Arc::<Published>::default();
        let shared = plans::shared(
            (config, material.as_ref()),
            taken,
            &published,
            (started.sink, claims),
            metrics.clone(),
            log,
            (count, addresses.smtp().len()),
        )?;
        let named = Named::start(config, &description, published, &shared)?;
        let health = admin::health(&shared, named.published.clone());
        let begun = match &place {
            Some(place) if takes_over => {
                let begun = Begun::new(place, &runtime, &health, &mut addresses)?;
                // Addresses that only this process has.
                addresses.wait_until_free()?;
                begun
            }
            _ => None,
        };
        let signals = Signals::inside(&runtime)?;
        let listening = addresses.listen(count)?;
        let admin = {
            let _inside = runtime.enter();
            TcpListener::from_std(listening.admin).map_err(NoRuntime)?
        };
        let starttls = shared.tls.is_some();
        let texts = listening.smtp.iter().map(|spoken| spoken.text(starttls));
        let set = shared.listeners.set(texts.collect());
        set.expect("the addresses are set once");
        let supervisor = Supervisor::of(|name| std::env::var_os(name));
        let plans = plans::each(config, &shared, listening.doors, wakers, started.reports)?;
        let shown = Shown {
            shared: Arc::clone(&shared),
            named: named.published.clone(),
            certificates: material.as_ref().map(|it| Arc::clone(&it.certificates)),
            smtp: listening.smtp.clone(),
            sink: description.clone(),
            io,
            config: config.clone(),
        };
        let effective = Effective::new(&loaded);
        let shows = effective.clone();
        let configuration = Arc::new(move || shows.text());
        Ok(Self {
            facts: Facts {
                smtp: listening.smtp,
                admin: listening.admin_address,
                sink: description,
                io,
                config: config.clone(),
            },
            workers,
            plans,
            held: Arc::new(listening.held),
            place,
            begun,
            drain_timeout: config.server.drain_timeout,
            stop: signals.stop,
            admin: Admin::new(admin, scrape, (health, shown), log.recent(), configuration),
            upkeep: Upkeep {
                hostname: config.server.hostname.clone(),
                material: material.clone(),
                log,
                counters: metrics.clone(),
                reload: Reload::new(
                    (read, loaded),
                    material,
                    (Exchange(Arc::clone(&shared)), effective),
                    log,
                    metrics,
                    supervisor.clone(),
                ),
                hangup: signals.reload,
            },
            supervisor,
            shared,
            named,
            runtime,
        })
    }

    /// What the server counts.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics.clone()
    }

    /// Lets the workers serve; the server when all of them do. From then on the process before, if there is one, drains.
    ///
    /// # Errors
    /// A worker that does not, or a process before that has given up on this one.
    pub fn serve(self) -> Result<Serving<'a>, Failure> {
        let workers = self.workers.serve(self.plans)?;
        let mut meeting = None;
        if let Some(mut begun) = self.begun {
            meeting = begun.meeting.take();
            begun.commit(&self.runtime)?;
            self.supervisor.succeeds();
        }
        let giver = {
            let _inside = self.runtime.enter();
            Giver::at(self.place.as_ref(), meeting, Arc::clone(&self.held))
        };
        Ok(Serving {
            facts: self.facts,
            runtime: self.runtime,
            stop: self.stop,
            admin: self.admin,
            upkeep: self.upkeep,
            giver,
            supervisor: self.supervisor,
            named: self.named.published,
            drain: Drain {
                workers,
                shared: self.shared,
                following: self.named.following,
                held: self.held,
                timeout: self.drain_timeout,
            },
        })
    }
}

/// Workers with their engines. Where the configuration leaves the engine open, a shortage of memory for rings makes it epoll, which
/// needs none.
fn engines(config: &Config, io: Io, count: usize) -> Result<(Made, Io), workers::Error> {
    let connections = config.limits.connections;
    match Made::new(count, io, connections) {
        Ok(made) => Ok((made, io)),
        Err(error) if config.server.io == IoChoice::Auto && error.is_short_of_rings() => {
            tracing::warn!("epoll serves, because {error}");
            Ok((Made::new(count, Io::Epoll, connections)?, Io::Epoll))
        }
        Err(error) => Err(error),
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

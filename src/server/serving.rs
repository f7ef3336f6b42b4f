//! The third step: a server of which every worker serves, until a signal, another process or a worker's end stops it.
//!
//! Owns: what is waited for, and that a second signal is not. Must not know: how a server is made, how it drains.
//!
//! Invariants: the first signal drains, and so does another process that has taken over; a signal after that, or a worker that ends
//! without being stopped, ends the server at once.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinError;

use super::addresses::Spoken;
use super::admin::Admin;
use super::drain::{Drain, Drained};
use super::signals::{Signal, Stop};
use super::succession::Ending;
use super::supervisor::Supervisor;
use super::takeover::{Giver, Successor};
use super::upkeep::Upkeep;
use crate::config::Config;
use crate::failure::{Blame, Blamed, Failure};
use crate::limits::TAKEOVER_STEP_SECONDS;
use crate::recipients::Published;
use crate::sink::Description;
use crate::telemetry::metrics::Io;

/// A server that serves.
pub struct Serving<'a> {
    pub(super) facts: Facts,
    pub(super) runtime: Runtime,
    pub(super) stop: Stop,
    pub(super) admin: Admin,
    pub(super) upkeep: Upkeep<'a>,
    /// Gives the sockets to another process; none where that is not possible.
    pub(super) giver: Option<Giver>,
    pub(super) supervisor: Supervisor,
    pub(super) drain: Drain,
    /// Whom a topic names; none where there is no such topic.
    pub(super) named: Option<Arc<Published>>,
}

/// What is known of a server once it serves.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Addresses of SMTP in the order of the options, ports resolved.
    pub smtp: Vec<Spoken>,
    /// Address of the admin listener, the port resolved.
    pub admin: SocketAddr,
    /// Where mail goes, and the largest that is taken.
    pub sink: Description,
    /// The engine that serves.
    pub io: Io,
    /// What it was started with.
    pub config: Config,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// After a drain.
    Drained {
        /// What asked for it.
        why: Why,
        /// How the drain went.
        drained: Drained,
    },
    /// By a second signal: what was open is cut off.
    AtOnce,
}

/// Why a server drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A signal came.
    Signal(Signal),
    /// Another process has taken over.
    TakenOver,
}

impl Why {
    fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Signal(signal) => Self::Signal(*signal),
            Ending::Succeeded(_) => Self::TakenOver,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => signal.fmt(f),
            Self::TakenOver => f.write_str("taken over"),
        }
    }
}

/// The drain's thread panicked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Panicked(#[from] JoinError);

impl Blamed for Panicked {
    fn blame(&self) -> Blame {
        Blame::Bug
    }
}

impl Serving<'_> {
    /// What is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Serves until a signal comes or another process has taken over, then drains. `ready` is called once mail is taken for everybody it
    /// is meant for: at once, or when the topic of recipients was read.
    ///
    /// # Errors
    /// Why a worker ended without being stopped.
    pub fn run(self, ready: impl FnOnce(&Facts)) -> Result<Stopped, Failure> {
        let Self {
            facts,
            runtime,
            mut stop,
            admin,
            upkeep,
            giver,
            supervisor,
            mut drain,
            named,
        } = self;
        let ready = async {
            if let Some(named) = &named {
                named.known().await;
            }
            ready(&facts);
            supervisor.ready(&facts.status());
            std::future::pending::<()>().await;
        };
        let offers = &Cell::new(false);
        let given = async move {
            match giver {
                Some(giver) => giver.give_away(offers).await,
                None => std::future::pending().await,
            }
        };
        let stopped = runtime.block_on(async {
            let succeeded = Arc::<Notify>::default();
            tokio::spawn(admin.serve(Arc::clone(&succeeded)));
            let watched = supervisor.clone();
            tokio::spawn(watched.watch(Arc::clone(&drain.shared), drain.workers.wakers()));
            let mut given = Box::pin(given);
            let beside = async {
                tokio::join!(upkeep.run(), ready);
                std::future::pending().await
            };
            let ending = tokio::select! {
                signal = stop.asked() => last_offer(signal, given.as_mut(), offers).await,
                successor = &mut given => Ending::Succeeded(successor),
                never = beside => never,
                lost = drain.one_lost() => return Err(lost.into()),
            };
            // Who would take over from now on finds nobody, and starts as usual.
            drop(given);
            match &ending {
                Ending::Signal(_) => {
                    supervisor.stopping(drain.timeout);
                    tracing::info!("draining; a second signal ends at once");
                }
                Ending::Succeeded(successor) => {
                    succeeded.notify_one();
                    tracing::info!(
                        process = successor.process,
                        version = successor.version,
                        "another process has taken over; draining; a second signal ends at once"
                    );
                }
            }
            let why = Why::of(&ending);
            let drained = tokio::task::spawn_blocking(move || drain.run(&ending));
            tokio::select! {
                drained = drained => {
                    let drained = drained.map_err(Panicked)??;
                    Ok(Stopped::Drained { why, drained })
                }
                _ = stop.asked() => Ok(Stopped::AtOnce),
            }
        });
        // A drain that was cut short is waited for no longer.
        runtime.shutdown_background();
        stopped
    }
}

/// A signal came. A process that is about to take over does so first: it may rely on sockets that would be closed under it.
async fn last_offer(
    signal: Signal,
    given: impl Future<Output = Successor>,
    offers: &Cell<bool>,
) -> Ending {
    if !offers.get() {
        return Ending::Signal(signal);
    }
    let longest = Duration::from_secs(TAKEOVER_STEP_SECONDS);
    match tokio::time::timeout(longest, given).await {
        Ok(successor) => Ending::Succeeded(successor),
        Err(_) => Ending::Signal(signal),
    }
}

impl Facts {
    /// What it serves, as one line for a supervisor.
    fn status(&self) -> String {
        let smtp: Vec<String> = self.smtp.iter().map(|it| it.address.to_string()).collect();
        format!(
            "Serving SMTP on {}; records go to {}, topic {}; {}",
            smtp.join(", "),
            self.sink.address,
            self.sink.first_topic(),
            self.io.label()
        )
    }
}

//! The third step: a server of which every worker serves, until a signal or a worker's end stops it.
//!
//! Owns: what is waited for, and that a second signal is not. Must not know: how a server is made, how it drains.
//!
//! Invariants: the first signal drains; a second one, or a worker that ends without being stopped, ends the server at once.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::task::JoinError;

use super::addresses::Spoken;
use super::admin::Admin;
use super::drain::{Drain, Drained};
use super::signals::Stop;
use super::upkeep::Upkeep;
use crate::config::Config;
use crate::failure::{Blame, Blamed, Failure};
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
    Drained(Drained),
    /// By a second signal: what was open is cut off.
    AtOnce,
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

    /// Serves until a signal comes, then drains. `ready` is called once mail is taken for everybody it is meant for: at once,
    /// or when the topic of recipients was read.
    ///
    /// # Errors
    /// Why a worker ended without being stopped.
    pub fn run(self, ready: impl FnOnce(&Facts)) -> Result<Stopped, Failure> {
        let (runtime, admin, upkeep) = (self.runtime, self.admin, self.upkeep);
        let (mut stop, mut drain) = (self.stop, self.drain);
        let (facts, named) = (self.facts, self.named);
        let ready = async {
            if let Some(named) = &named {
                named.known().await;
            }
            ready(&facts);
            std::future::pending::<()>().await;
        };
        let stopped = runtime.block_on(async {
            tokio::spawn(admin.serve());
            tokio::select! {
                () = stop.asked() => {}
                () = upkeep.run() => {}
                () = ready => {}
                lost = drain.one_lost() => return Err(lost.into()),
            }
            tracing::info!("draining; a second signal ends at once");
            let drained = tokio::task::spawn_blocking(move || drain.run());
            tokio::select! {
                drained = drained => Ok(Stopped::Drained(drained.map_err(Panicked)??)),
                () = stop.asked() => Ok(Stopped::AtOnce),
            }
        });
        // A drain that was cut short is waited for no longer.
        runtime.shutdown_background();
        stopped
    }
}

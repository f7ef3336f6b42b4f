//! A worker: one thread with its own engine, listeners, connections, delivery reports and deadlines.
//!
//! A listener is its own (SO_REUSEPORT), or a socket that several workers accept from, perhaps also of another process.
//!
//! Invariants: nothing on the path of a mail is shared with another worker under a lock; after a drain no session, no
//! ticket and no charge is left, or the drain deadline has passed; a connection that was accepted is served by one worker,
//! also where it was accepted or handed on when the drain began.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use metrics::Gauge;
use rustix::io::Errno;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};

use super::clock::SystemClock;
use super::connection::{self, Entrance};
use super::engine::epoll::Epoll;
use super::engine::probe::Unavailable;
use super::engine::seam::Engine;
use super::engine::uring::Uring;
use super::handover::{Accepted, Handover};
use super::hub::{Hub, Share};
use super::journal::Journal;
use super::shared::Shared;
use super::slots::Drain;
use super::transport::Transport;
use super::vitals::{Stage, Vitals};
use crate::failure::{Blame, Blamed};
use crate::limits::{
    ACCEPT_RETREAT_MILLISECONDS, LOG_GATHER_MILLISECONDS, SWEEP_MAXIMUM_MILLISECONDS,
    SWEEP_MINIMUM_MILLISECONDS,
};
use crate::mail::envelope::Client;
use crate::mail::id::Generator;
use crate::sink::Reports;
use crate::telemetry::metrics::{AcceptError, Io};

/// A listening socket, and what is known of connections that come through it.
pub struct Door {
    /// The socket.
    pub listener: TcpListener,
    /// Which one it is, and what its clients send or get first.
    pub entrance: Entrance,
}

/// What a worker is started with: all that its engine needs.
pub struct Post {
    /// Its engine.
    pub io: Io,
    /// Most open connections of the server.
    pub connections: usize,
    /// Brings its plan once every worker has its engine; without one the start was given up.
    pub plan: Receiver<Plan>,
    /// Learns how far the worker is, and, by its drop, that it has ended.
    pub vitals: Vitals,
}

/// What a worker serves.
pub struct Plan {
    /// Its index.
    pub index: u32,
    /// Its listening sockets.
    pub doors: Vec<Door>,
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Woken when reports wait.
    pub reported: Arc<Notify>,
    /// The reports.
    pub reports: Reports,
    /// To the other workers and from them.
    pub handover: Handover,
    /// Woken when `shared.draining` was set, and when `shared.pulse` asks.
    pub wake: Arc<Notify>,
    /// Its share of the in-flight budget.
    pub in_flight: Share,
    /// Drawn once, for queue ids.
    pub random: u64,
    /// How long a drain may take.
    pub drain_timeout: Duration,
}

/// Why a worker cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It gets no ring.
    #[error(transparent)]
    Ring(#[from] Unavailable),
    /// It gets no runtime on epoll.
    #[error(
        "epoll cannot be used: {0}; if too many files are open, raise the limit (LimitNOFILE= of systemd, ulimit -n)"
    )]
    Epoll(#[from] std::io::Error),
    /// A listening socket cannot be handed to its engine.
    #[error("a listening socket cannot be served: {0}")]
    Socket(#[source] std::io::Error),
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        match self {
            Self::Ring(unavailable) => unavailable.blame(),
            Self::Epoll(_) | Self::Socket(_) => Blame::Machine,
        }
    }
}

/// What the end of a drain cut off.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CutOff {
    /// Connections that were still open.
    pub connections: usize,
    /// Records that Kafka had not confirmed: their senders got no 250.
    pub records: usize,
}

impl std::ops::Add for CutOff {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            records: self.records + other.records,
        }
    }
}

/// Runs a worker on this thread until it has drained. An engine belongs to the thread that makes it, so a worker makes its own,
/// says so, and waits for its plan.
///
/// # Errors
/// [`Error`].
pub fn run(post: Post) -> Result<CutOff, Error> {
    match post.io {
        Io::IoUring => run_on::<Uring>(post),
        Io::Epoll => run_on::<Epoll>(post),
    }
}

fn run_on<E>(post: Post) -> Result<CutOff, Error>
where
    E: Engine,
    Error: From<E::Error>,
{
    let engine = E::new(post.connections)?;
    post.vitals.reached(Stage::Engine);
    match post.plan.recv() {
        Ok(plan) => engine.run(serve::<E>(plan, post.vitals)),
        Err(_) => Ok(CutOff::default()),
    }
}

async fn serve<E: Engine>(plan: Plan, vitals: Vitals) -> Result<CutOff, Error> {
    let hub = Rc::new(Hub::new(
        plan.index,
        Arc::clone(&plan.shared),
        plan.in_flight,
        Generator::new(plan.random),
        Box::new(SystemClock),
    ));
    let handover = Rc::new(plan.handover);
    let mut accepts = Vec::new();
    for Door { listener, entrance } in plan.doors {
        let listener = E::listen(listener).map_err(Error::Socket)?;
        let (hub, handover) = (Rc::clone(&hub), Rc::clone(&handover));
        accepts.push(spawn_local(accept::<E>(listener, entrance, hub, handover)));
    }
    spawn_local(adopt::<E>(handover, Rc::clone(&hub)));
    spawn_local(take_reports(plan.reported, plan.reports, Rc::clone(&hub)));
    let logging = Rc::clone(&hub);
    spawn_local(async move { hand_over_log(&logging.journal).await });
    vitals.reached(Stage::Serving);
    watch(&hub, &plan.wake).await;
    stop_accepting(accepts).await;
    let cut_off = drain(&hub, plan.drain_timeout).await;
    hub.finish_log();
    hub.shared.pulse.end(hub.worker);
    Ok(cut_off)
}

/// Ends the accepts, so that nothing comes in that the drain does not see. The sockets stay as they are: others may accept from
/// them. An accept loop waits for a socket or after an error and holds no connection meanwhile, so none is lost with it.
async fn stop_accepting(accepts: Vec<JoinHandle<()>>) {
    for accept in &accepts {
        accept.abort();
    }
    for accept in accepts {
        let _ = accept.await;
    }
}

/// Hands the log lines of messages over, a while after the first of them: one wake-up of the log's thread serves many.
async fn hand_over_log(journal: &Journal) {
    loop {
        journal.waiting().await;
        tokio::time::sleep(Duration::from_millis(LOG_GATHER_MILLISECONDS)).await;
        journal.hand_over();
    }
}

/// Watches the deadlines until the server stops.
async fn watch(hub: &Hub, wake: &Notify) {
    while !hub.shared.draining.load(Ordering::Relaxed) {
        hub.shared.pulse.answer(hub.worker);
        let now = Instant::now();
        let longest = now + Duration::from_millis(SWEEP_MAXIMUM_MILLISECONDS);
        let shortest = now + Duration::from_millis(SWEEP_MINIMUM_MILLISECONDS);
        let next = hub.sweep(now).unwrap_or(longest).clamp(shortest, longest);
        // A timer and a notification: neither is an operation of the engine, so dropping one is harmless.
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            () = wake.notified() => {}
        }
    }
}

/// Waits for the ends of all sessions and records; those that do not come in time are cut off.
async fn drain(hub: &Hub, timeout: Duration) -> CutOff {
    let drain = Drain {
        began: Instant::now(),
        timeout,
    };
    loop {
        hub.shared.pulse.answer(hub.worker);
        hub.slots.end_idle(&drain, Instant::now());
        hub.sweep(Instant::now());
        // Others may still hand something on until it has closed.
        if hub.is_empty() && hub.shared.loads.close(hub.worker) {
            return CutOff::default();
        }
        if Instant::now() >= drain.deadline() {
            let cut_off = CutOff {
                connections: hub.shared.loads.of(hub.worker),
                records: hub.flights.len(),
            };
            tracing::warn!(
                connections_cut_off = cut_off.connections,
                "the drain deadline passed; what is left ends now"
            );
            return cut_off;
        }
        tokio::time::sleep(Duration::from_millis(SWEEP_MINIMUM_MILLISECONDS)).await;
    }
}

async fn take_reports(reported: Arc<Notify>, reports: Reports, hub: Rc<Hub>) {
    loop {
        reported.notified().await;
        while let Ok(batch) = reports.try_recv() {
            for report in batch {
                hub.report(report);
            }
        }
    }
}

async fn accept<E: Engine>(
    listener: E::Listener,
    entrance: Entrance,
    hub: Rc<Hub>,
    handover: Rc<Handover>,
) {
    loop {
        match E::accept(&listener).await {
            Ok((stream, client)) => {
                let here = Here::enter(&hub);
                if !hand_on::<E>(&stream, client, entrance, &hub, &handover) {
                    spawn_local(serve_one(stream, Client::new(client), entrance, here));
                }
            }
            Err(_) if hub.shared.draining.load(Ordering::Relaxed) => return,
            Err(error) => {
                let metrics = &hub.shared.metrics;
                metrics.accept_errors.increment(accept_error(&error));
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETREAT_MILLISECONDS)).await;
            }
        }
    }
}

fn accept_error(error: &std::io::Error) -> AcceptError {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => AcceptError::OpenFiles,
        Some(Errno::NOMEM | Errno::NOBUFS) => AcceptError::Memory,
        Some(Errno::CONNABORTED) => AcceptError::Aborted,
        Some(_) | None => AcceptError::Other,
    }
}

/// Gives a connection that was accepted here to another worker, if this one has too many; whether it did.
fn hand_on<E: Engine>(
    stream: &E::Stream,
    client: SocketAddr,
    entrance: Entrance,
    hub: &Hub,
    handover: &Handover,
) -> bool {
    let shared = &hub.shared;
    let connections = shared.admission.connections();
    let above = shared.loads.is_above_share(hub.worker, connections);
    if !above || !handover.allows(hub.clock.now()) {
        return false;
    }
    let Some(worker) = shared.loads.elsewhere(hub.worker) else {
        return false;
    };
    let accepted = E::duplicate(stream).map(|socket| Accepted {
        socket,
        client,
        entrance,
    });
    let sent = accepted.is_ok_and(|accepted| handover.send(worker, accepted));
    if sent {
        hub.tally.connections_handed_on.add(1);
    } else {
        shared.loads.leave(worker);
    }
    sent
}

/// Serves what other workers hand on.
async fn adopt<E: Engine>(handover: Rc<Handover>, hub: Rc<Hub>) {
    loop {
        let accepted = handover.next().await;
        let here = Here::arrived(&hub);
        match E::adopt(accepted.socket) {
            Ok(stream) => {
                let client = Client::new(accepted.client);
                spawn_local(serve_one(stream, client, accepted.entrance, here));
            }
            Err(error) => {
                let metrics = &hub.shared.metrics;
                metrics.accept_errors.increment(accept_error(&error));
                tracing::warn!(%error, "a connection of another worker could not be taken over");
            }
        }
    }
}

#[allow(
    clippy::manual_async_fn,
    reason = "an async fn would hold its arguments twice, in every connection"
)]
fn serve_one<T: Transport>(
    stream: T,
    client: Client,
    entrance: Entrance,
    here: Here,
) -> impl Future<Output = ()> {
    async move { connection::serve(&stream, client, &here.0, entrance).await }
}

/// A connection that counts for its worker, until this is dropped.
struct Here(Rc<Hub>);

impl Here {
    /// It was accepted here.
    fn enter(hub: &Rc<Hub>) -> Self {
        hub.shared.loads.enter(hub.worker);
        Self::arrived(hub)
    }

    /// It was handed on, and counted for this worker by who did that.
    fn arrived(hub: &Rc<Hub>) -> Self {
        let here = Self(Rc::clone(hub));
        here.gauge().increment(1);
        here
    }

    fn gauge(&self) -> &Gauge {
        let metrics = &self.0.shared.metrics;
        metrics.worker_connections.of(self.0.worker)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.gauge().decrement(1);
        self.0.shared.loads.leave(self.0.worker);
    }
}

//! The server as a whole: sockets, sink, workers, admin listener, signals, drain.
//!
//! Invariants: everything listens and every worker serves before "ready" is said; a worker that ends without being told to ends
//! the program; what fails to start ends it with one line that names it; after a drain the sink has no record in flight.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::config::{self, Config};
use crate::limits::{BODY_INITIAL_OCTETS, REPORT_GRACE_MILLISECONDS};
use crate::net::admission::{self, Admission};
use crate::net::certificates::{Certificates, server_config};
use crate::net::connection::Opening;
use crate::net::hub::Share;
use crate::net::listen::{self, Wanted};
use crate::net::rules::Rules;
use crate::net::shared::Shared;
use crate::net::vitals::Watch;
use crate::net::worker::{self, CutOff, Door, Plan};
use crate::sink::{self, Description, Keeps, Reports, Sink};
use crate::smtp::access::{Access, Networks};
use crate::smtp::policy::{Policy, Recipients};
use crate::telemetry::admin::Health;
use crate::telemetry::message_log::MessageLog;
use crate::telemetry::metrics::{Metrics, Scrape};

/// A server that listens.
pub struct Server {
    /// Addresses of SMTP, ports resolved.
    pub smtp: Vec<SocketAddr>,
    /// What the sink is: its address as the line "ready" names it, the largest message that is taken.
    pub sink: Description,
    /// Renders the metrics.
    pub metrics: Scrape,
    shared: Arc<Shared>,
    stops: Vec<Arc<Notify>>,
    workers: Vec<JoinHandle<Result<CutOff, String>>>,
    vitals: Watch,
    drain_timeout: Duration,
}

/// Exchanges the rules of a server that runs.
pub struct Exchange(Arc<Shared>);

impl Exchange {
    /// Connections and transactions that begin from now on follow this configuration, in what a reload applies, and take
    /// mail for these recipients; the others go on as they began.
    pub fn apply(&self, config: &Config, taken: Recipients) {
        let rules = rules(config, &self.0.policy, taken);
        self.0.rules.store(Arc::new(rules));
    }

    /// Whom mail is taken for now.
    pub fn taken(&self) -> Arc<Recipients> {
        Arc::clone(&self.0.rules.load().policy.taken)
    }
}

struct ServerHealth(Arc<Shared>);

impl Health for ServerHealth {
    fn ready(&self) -> Result<(), String> {
        if self.0.draining.load(Ordering::Relaxed) {
            return Err("draining".to_owned());
        }
        self.0.sink.ready().map_err(|why| why.to_string())
    }
}

impl Server {
    /// Binds, starts the sink and the workers. With `certificates`, TLS is offered; with `log`, each message has its line.
    ///
    /// # Errors
    /// One line that names what could not be had.
    pub fn start(
        mut config: Config,
        taken: Recipients,
        certificates: Option<Arc<Certificates>>,
        log: Option<MessageLog>,
    ) -> Result<Self, String> {
        let workers = worker_count(config.server.workers);
        let wakers: Vec<Arc<Notify>> = (0..workers).map(|_| Arc::new(Notify::new())).collect();
        let (metrics, handle) = Metrics::new();
        metrics.workers(workers);
        let counted = metrics.clone();
        let setup = sink::Setup {
            wakers: wakers.clone(),
            observe: Box::new(move |statistics| counted.sink_statistics(statistics)),
        };
        // Before anything listens: it may wait for the cluster.
        let started = sink::start(&config, setup).map_err(|error| error.to_string())?;
        let description = started.sink.describe();
        config.limits.message_size = description.message_size;
        let (doors, smtp) = bind_all(&config, workers)?;
        let mut shared = shared(&config, taken, started.sink, metrics);
        let discards = description.keeps == Keeps::Nothing;
        shared.message_log = log.map(|log| if discards { log.discarding() } else { log });
        shared.tls = certificates.map(server_config).transpose()?;
        let shared = Arc::new(shared);
        let mut server = Self {
            smtp,
            sink: description,
            metrics: handle,
            shared,
            stops: (0..workers).map(|_| Arc::new(Notify::new())).collect(),
            workers: Vec::new(),
            vitals: Watch::default(),
            drain_timeout: config.server.drain_timeout,
        };
        for (index, ((doors, reported), reports)) in doors
            .into_iter()
            .zip(wakers)
            .zip(started.reports)
            .enumerate()
        {
            server.spawn(&config, workers, index, doors, reported, reports)?;
        }
        match server.vitals.all_serve(workers) {
            Ok(()) => Ok(server),
            Err(worker) => Err(server.failure(worker)),
        }
    }

    /// Waits until a worker ends that was not told to: why it did.
    pub async fn one_failed(&mut self) -> String {
        let worker = self.vitals.one_ended().await;
        self.failure(worker)
    }

    /// Why this worker has ended.
    fn failure(&mut self, worker: usize) -> String {
        let why = match self.workers.remove(worker).join() {
            Ok(Err(error)) => error,
            Ok(Ok(_)) => "it came to its end".to_owned(),
            // What the panic said is on standard error already.
            Err(_) => "it panicked".to_owned(),
        };
        format!(
            "worker {worker} of {} does not serve: {why}",
            self.workers.len() + 1
        )
    }

    fn spawn(
        &mut self,
        config: &Config,
        workers: usize,
        index: usize,
        doors: Vec<Door>,
        reported: Arc<Notify>,
        reports: Reports,
    ) -> Result<(), String> {
        let plan = Plan {
            index: u32::try_from(index).expect("workers are few"),
            doors,
            shared: Arc::clone(&self.shared),
            reported,
            reports,
            stop: Arc::clone(&self.stops[index]),
            in_flight: Share {
                messages: (config.limits.in_flight_messages / workers).max(1),
                octets: octet_share(config, workers),
            },
            random: getrandom::u64()
                .map_err(|error| format!("the kernel gives no random numbers: {error}"))?,
            drain_timeout: self.drain_timeout,
            vitals: self.vitals.vitals(index),
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        let handle = thread
            .spawn(move || worker::run(plan))
            .map_err(|error| format!("a worker's thread: {error}"))?;
        self.workers.push(handle);
        Ok(())
    }

    /// The counters.
    pub fn counters(&self) -> Metrics {
        self.shared.metrics.clone()
    }

    /// What exchanges the rules while the server runs.
    pub fn exchange(&self) -> Exchange {
        Exchange(Arc::clone(&self.shared))
    }

    /// Whether mail would be stored now.
    pub fn health(&self) -> Arc<dyn Health> {
        Arc::new(ServerHealth(Arc::clone(&self.shared)))
    }

    /// Drains: no new connections, transactions end, records are confirmed. What did not end in time.
    ///
    /// # Errors
    /// If a worker failed.
    pub fn stop(self) -> Result<CutOff, String> {
        let deadline = Instant::now() + self.drain_timeout;
        self.shared.draining.store(true, Ordering::Relaxed);
        for stop in &self.stops {
            stop.notify_one();
        }
        let mut result = Ok(CutOff::default());
        for worker in self.workers {
            let ended = worker
                .join()
                .unwrap_or_else(|_| Err("a worker panicked".to_owned()));
            result = result.and_then(|sum| ended.map(|more| sum + more));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.shared.sink.drain(left);
        result
    }
}

/// A worker's share of the budget in octets. A body's buffer is a power of two, so the largest message, with its Received
/// field and room for one more read, needs up to twice that: a smaller share would answer it with 451 for ever.
fn octet_share(config: &Config, workers: usize) -> usize {
    let octets = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let share = octets(config.limits.in_flight_bytes) / workers;
    let least = octets(config.limits.message_size)
        .saturating_add(2 * BODY_INITIAL_OCTETS)
        .saturating_mul(2);
    if share < least {
        tracing::warn!(
            share,
            least,
            "limits.in_flight_bytes divided by the workers holds no message of limits.message_size; \
             each worker gets what one needs: raise in_flight_bytes, or lower message_size or server.workers"
        );
    }
    share.max(least)
}

/// Worker threads that `server.workers` asks for.
pub fn worker_count(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        count => count,
    }
}

/// The rules of a configuration: `policy`, with the recipients that are taken now.
fn rules(config: &Config, policy: &Policy, taken: Recipients) -> Rules {
    Rules {
        policy: Arc::new(Policy {
            taken: Arc::new(taken),
            ..policy.clone()
        }),
        access: Access::new(&config.access.allow, &config.access.deny),
        proxies: Networks::new(&config.server.proxy_networks),
    }
}

fn admission(limits: &config::Limits) -> Admission {
    let bits = |bits: usize| u8::try_from(bits).expect("the range of a prefix ends at 128");
    Admission::new(admission::Limits {
        connections: limits.connections,
        per_address: limits.connections_per_ip,
        per_network: limits.connections_per_network,
        prefix_ipv4: bits(limits.network_prefix_ipv4),
        prefix_ipv6: bits(limits.network_prefix_ipv6),
        messages_per_minute: limits.messages_per_minute_per_ip,
    })
}

fn shared(config: &Config, taken: Recipients, sink: Arc<dyn Sink>, metrics: Metrics) -> Shared {
    let policy = Policy {
        hostname: config.server.hostname.clone(),
        message_size: config.limits.message_size,
        recipients: config.limits.recipients,
        errors: config.limits.errors,
        unknown_recipients: config.limits.unknown_recipients,
        command_timeout: config.limits.command_timeout,
        data_timeout: config.limits.data_timeout,
        commit_timeout: config.kafka.delivery_timeout
            + Duration::from_millis(REPORT_GRACE_MILLISECONDS),
        message_timeout: config.limits.message_timeout,
        session_timeout: config.limits.session_timeout,
        session_messages: config.limits.session_messages as u64,
        session_octets: config.limits.session_bytes,
        idle_commands: config.limits.idle_commands,
        bare_newlines: config.server.bare_newlines,
        starttls: config.tls.certificate.is_some(),
        taken: Arc::default(),
    };
    Shared {
        rules: ArcSwap::from_pointee(rules(config, &policy, taken)),
        policy: Arc::new(policy),
        sink,
        metrics,
        trace: config.server.trace,
        key: config.kafka.key,
        message_log: None,
        connections_most: config.limits.connections,
        tls: None,
        greeting_delay: config.server.greeting_delay,
        handshake_timeout: config.tls.handshake_timeout,
        admission: admission(&config.limits),
        draining: AtomicBool::new(false),
    }
}

/// Every address that is listened on.
pub fn listened(config: &Config) -> Vec<SocketAddr> {
    let server = &config.server;
    [&server.listen, &server.listen_tls, &server.listen_proxy]
        .into_iter()
        .flatten()
        .copied()
        .chain([config.admin.listen])
        .collect()
}

/// Longest wait for an address that is still taken at the start: the kernel takes a moment to close the ring, and with it the
/// sockets, of a process that was killed.
const FREE_WAIT: Duration = Duration::from_secs(2);
/// Pause between two tries.
const FREE_PAUSE: Duration = Duration::from_millis(50);

/// Makes sure that nobody else listens where this server is to. A socket without SO_REUSEPORT finds out: with it, as the workers
/// have it, two servers would silently share the address.
///
/// # Errors
/// One line that names the option, the address and what helps.
pub fn find_free(config: &Config) -> Result<(), String> {
    let all = listened(config);
    let until = Instant::now() + FREE_WAIT;
    for (key, addresses) in smtp_addresses(config) {
        for &address in addresses.iter().filter(|address| address.port() != 0) {
            let wanted = Wanted::beside(address, &all);
            while let Err(error) = wanted.listen(false) {
                if error.kind() != std::io::ErrorKind::AddrInUse || Instant::now() >= until {
                    return Err(listen::explain(key, address, &error));
                }
                std::thread::sleep(FREE_PAUSE);
            }
        }
    }
    Ok(())
}

/// The options of SMTP addresses, with theirs.
fn smtp_addresses(config: &Config) -> [(&'static str, &[SocketAddr]); 3] {
    let server = &config.server;
    [
        ("server.listen", &server.listen),
        ("server.listen_tls", &server.listen_tls),
        ("server.listen_proxy", &server.listen_proxy),
    ]
}

/// Tries every address that is to be listened on, without listening: option, address, and what the kernel says.
pub fn try_addresses(config: &Config) -> Vec<(&'static str, SocketAddr, std::io::Result<()>)> {
    let all = listened(config);
    let admin = ("admin.listen", std::slice::from_ref(&config.admin.listen));
    smtp_addresses(config)
        .into_iter()
        .chain([admin])
        .flat_map(|(key, addresses)| addresses.iter().map(move |&address| (key, address)))
        .map(|(key, address)| (key, address, Wanted::beside(address, &all).try_out()))
        .collect()
}

/// Listening sockets for each worker, and their addresses with the ports resolved.
fn bind_all(config: &Config, workers: usize) -> Result<(Vec<Vec<Door>>, Vec<SocketAddr>), String> {
    let mut doors: Vec<Vec<Door>> = (0..workers).map(|_| Vec::new()).collect();
    let mut resolved = Vec::new();
    let (server, all) = (&config.server, listened(config));
    for (key, addresses, opening) in [
        ("server.listen", &server.listen, Opening::Clear),
        ("server.listen_tls", &server.listen_tls, Opening::Tls),
        (
            "server.listen_proxy",
            &server.listen_proxy,
            Opening::Proxied,
        ),
    ] {
        for &address in addresses {
            let cannot = |error: std::io::Error| listen::explain(key, address, &error);
            let mut wanted = Wanted::beside(address, &all);
            if wanted.both_families {
                tracing::info!(
                    "{key}: {address} takes IPv4 clients as well; to take IPv6 alone, name the IPv6 addresses of this machine"
                );
            }
            for own in &mut doors {
                let listener = wanted.listen(true).map_err(cannot)?;
                wanted.address = listener.local_addr().map_err(cannot)?;
                own.push(Door { listener, opening });
            }
            resolved.push(wanted.address);
        }
    }
    Ok((doors, resolved))
}

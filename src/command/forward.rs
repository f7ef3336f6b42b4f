//! `ringpost forward`: gives each mail of the topic to a mailbox, a relay or an application.
//!
//! Owns: what is made in which order, the line "ready", the exit code. Must not know: Kafka's clients, which are
//! [`crate::pipeline`]'s; dialogues, which are [`crate::forward`]'s.
//!
//! Invariants: exit code 0 done (also where a signal ended what had no end of its own), 130 and 143 where a signal came before
//! the end that was asked for; else it follows from the failure's blame. Nothing is read before the receiver's settings and the
//! dead-letter topic are known to be right.

mod options;
mod receiver;
mod usage;
mod webhook;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::cluster::Settings;
use super::output;
use crate::config::LogFormat;
use crate::consume::filter::Filter;
use crate::consume::plan::{BROKER_WAIT, Plan, Start};
use crate::consume::stop::Stop;
use crate::failure::Failure;
use crate::forward::counts::Counts;
use crate::forward::step::{Forward, Parts};
use crate::pipeline;
use crate::pipeline::job::{Bounds, Job};
use crate::pipeline::lanes;
use crate::pipeline::watch::Watch;
use crate::pipeline::whole::Objects;
use crate::pipeline::writer::{Place, Writer};
use crate::telemetry::admin::{self, Health};
use crate::telemetry::log;
pub use options::Options;
use options::{From, Order};
use usage::Usage;

/// How often librdkafka says how far the ends of partitions are.
const STATISTICS: &str = "statistics.interval.ms";
const STATISTICS_MS: &str = "5000";

/// A line for the operator.
fn say(text: &str) {
    tracing::warn!("{text}");
}

/// Forwards until asked to stop.
pub fn run(options: &Options) -> ExitCode {
    let settings = match begin(options) {
        Ok(settings) => settings,
        Err(failure) => return output::fail(&failure),
    };
    let log = match log::install(&settings.config.log) {
        Ok(log) => log,
        Err(error) => return output::fail(&error.into()),
    };
    let format = settings.config.log.format;
    let failure = match forward(options, settings) {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    match format {
        // What was logged is printed before the error that ended it.
        LogFormat::Text => {
            drop(log);
            output::fail(&failure)
        }
        // With JSON logs the error is JSON too: a reader can parse every line.
        LogFormat::Json => {
            let text = failure.to_string();
            text.lines().for_each(|line| tracing::error!("{line}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// What comes before the log.
fn begin(options: &Options) -> Result<Settings, Failure> {
    if options.group.is_empty() {
        return Err(Usage::EmptyGroup.into());
    }
    let settings = options.cluster.load().map_err(Usage::Cluster)?;
    match &options.dead_letter {
        Some(topic) if *topic == settings.topic => {
            let topic = topic.clone();
            Err(Usage::OwnDeadLetter { topic }.into())
        }
        Some(_) | None => Ok(settings),
    }
}

fn forward(options: &Options, settings: Settings) -> Result<ExitCode, Failure> {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let filter = Filter::parse(&options.filters, Timestamp::now()).map_err(Usage::Filter)?;
    let receiver = receiver::make(options, &settings.config.server.hostname)?;
    for warning in &receiver.warnings {
        tracing::warn!("{warning}");
    }
    let objects = Objects::new(&settings.config.objects, say)?;
    let stop = Stop::on_signals()?;
    let admin = options.admin.map(listen).transpose()?;
    let dead_letters = dead_letters(options, &settings, &stop)?;
    let job = job(options, &settings, filter, stop.clone());
    let counts = Arc::new(Counts::default());
    let watch = Arc::new(Watch::default());
    let name = receiver.name.clone();
    let step = Rc::new(Forward::new(Parts {
        destination: receiver.destination,
        receiver: receiver.name,
        objects,
        dead_letters,
        concurrency: usize::from(options.concurrency),
        rate: options.rate,
        longest_pause: options.longest_pause,
        log: settings.config.log.messages,
        counts: Arc::clone(&counts),
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Usage::Runtime)?;
    let ended = runtime.block_on(async {
        let address = admin.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = admin {
            serve(listener, &watch, &counts)?;
        }
        ready(&name, &options.group, &job.plan, address);
        let ended = pipeline::run(job, Rc::clone(&step), watch).await;
        step.close().await;
        ended
    });
    // A look-up or an object that is under way is not waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    ended?;
    Ok(code(options, &stop))
}

fn code(options: &Options, stop: &Stop) -> ExitCode {
    match stop.asked() {
        // What follows the topic has no other end; what was to reach an end did not.
        Some(signal) if options.until_end => ExitCode::from(signal.exit_code()),
        Some(_) | None => ExitCode::SUCCESS,
    }
}

fn listen(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), Usage> {
    let bound = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound().map_err(|source| Usage::Admin { address, source })
}

fn dead_letters(
    options: &Options,
    settings: &Settings,
    stop: &Stop,
) -> Result<Option<Writer>, Failure> {
    let Some(topic) = &options.dead_letter else {
        return Ok(None);
    };
    let place = Place {
        brokers: settings.brokers.clone(),
        topic: topic.clone(),
        flag: "--dead-letter",
        properties: settings.properties.clone(),
    };
    Ok(Some(Writer::open(place, BROKER_WAIT, stop, say)?))
}

fn job(options: &Options, settings: &Settings, filter: Filter, stop: Stop) -> Job {
    let mut properties = settings.properties.clone();
    if properties.get(STATISTICS).is_none() {
        let statistics = (STATISTICS.to_owned(), STATISTICS_MS.to_owned());
        properties.0.push(statistics);
    }
    Job {
        plan: Plan {
            brokers: settings.brokers.clone(),
            topic: settings.topic.clone(),
            group: Some(options.group.clone()),
            partitions: Vec::new(),
            start: match options.from {
                From::Beginning => Start::Beginning,
                From::End => Start::End,
            },
            foreign: false,
            properties,
            broker_wait: BROKER_WAIT,
            stop,
            say,
        },
        filter,
        order: match options.order {
            Order::None => lanes::Order::None,
            Order::Key => lanes::Order::Key,
            Order::Partition => lanes::Order::Partition,
        },
        until_end: options.until_end,
        bounds: Bounds {
            records: options.held as usize,
            bytes: options.held_bytes,
            window: options.window as usize,
            commit_every: options.commit_every,
            grace: options.grace,
        },
    }
}

/// What makes it ready: brokers, and a receiver.
struct Ready {
    watch: Arc<Watch>,
    counts: Arc<Counts>,
}

impl Health for Ready {
    fn unready(&self) -> Option<String> {
        self.watch.trouble().or_else(|| self.counts.trouble())
    }
}

/// Serves the admin pages from now on.
fn serve(
    listener: std::net::TcpListener,
    watch: &Arc<Watch>,
    counts: &Arc<Counts>,
) -> Result<(), Usage> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Usage::Runtime)?;
    let health = Ready {
        watch: Arc::clone(watch),
        counts: Arc::clone(counts),
    };
    let (watch, counts) = (Arc::clone(watch), Arc::clone(counts));
    let metrics = Arc::new(move || watch.render() + &counts.render());
    let never = std::future::pending();
    tokio::spawn(admin::serve(listener, metrics, Arc::new(health), never));
    Ok(())
}

/// Says what is done from now on: in the log, and by one line on standard output.
fn ready(to: &str, group: &str, plan: &Plan, admin: Option<SocketAddr>) {
    let Plan { brokers, topic, .. } = plan;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, brokers, topic, group, to, "forwarding");
    let admin = admin.map_or(String::new(), |admin| format!(" admin={admin}"));
    let line = format!("ready to={to} kafka={brokers} topic={topic} group={group}{admin}");
    if let Err(error) = output::print(&line) {
        tracing::warn!("the line \"ready\" cannot be written to standard output: {error}");
    }
}

//! `ringpost forward`: gives each mail of the topic to a mailbox, a relay or an application.
//!
//! Owns: what is made in which order, what the line "ready" says. Must not know: Kafka's clients, which are
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
use super::service::{self, About, Admin, Begun, Ended, note, say};
use crate::consume::filter::Filter;
use crate::consume::plan::{BROKER_WAIT, Plan, Start};
use crate::consume::stop::Stop;
use crate::failure::Failure;
use crate::forward::counts::Counts;
use crate::forward::log::Log;
use crate::forward::step::{Forward, Parts};
use crate::pipeline::job::{Bounds, Job};
use crate::pipeline::lanes;
use crate::pipeline::watch::Watch;
use crate::pipeline::whole::Objects;
use crate::pipeline::writer::{Place, Writer};
use crate::telemetry::log::LogHandle;
use crate::telemetry::recent::Recent;
use crate::telemetry::status::observer::Observed;
use crate::telemetry::status::{self, Health, Reading, Source, State};
use crate::telemetry::vocabulary::field::RECEIVER;
pub use options::Options;
use options::{From, Order};
use usage::Usage;

/// Forwards until asked to stop.
pub fn run(options: &Options) -> ExitCode {
    let settings = match begin(options) {
        Ok(settings) => settings,
        Err(failure) => return output::fail(&failure),
    };
    let log = settings.config.log.clone();
    service::logged(&log, |log| forward(options, &settings, log))
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

fn forward(options: &Options, settings: &Settings, log: &LogHandle) -> Result<Ended, Failure> {
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
    let address = admin.as_ref().map(|admin| admin.address);
    let name = receiver.name.clone();
    let begun = Begun {
        settings,
        group: &options.group,
        to: (RECEIVER, &name),
        admin: address,
    };
    begun.say_starting(&log.lines());
    let dead_letters = dead_letters(options, settings, &stop)?;
    let job = job(options, settings, filter, stop.clone());
    let counts = Arc::new(Counts::default());
    let watch = Arc::new(Watch::default());
    let step = Rc::new(Forward::new(Parts {
        destination: receiver.destination,
        receiver: receiver.name,
        objects,
        dead_letters,
        concurrency: usize::from(options.concurrency),
        rate: options.rate,
        longest_pause: options.longest_pause,
        log: Log {
            lines: log.lines(),
            mails: settings.config.log.messages,
        },
        counts: Arc::clone(&counts),
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Usage::Runtime)?;
    let shown = Arc::clone(&watch);
    let about = about(options, settings, &name);
    let ended = runtime.block_on(async {
        if let Some(admin) = admin {
            let ready = Ready {
                watch: Arc::clone(&watch),
                counts: Arc::clone(&counts),
                about,
            };
            serve(admin, ready, log.recent())?;
        }
        let ready = || ready(&begun, log);
        let ended = service::work(job, Rc::clone(&step), &watch, ready).await;
        step.close().await;
        ended
    });
    // A look-up or an object that is under way is not waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    ended?;
    Ok(service::ended(
        &stop,
        options.until_end,
        shown.records_settled(),
        shown.records_passed_over(),
    ))
}

fn listen(address: SocketAddr) -> Result<Admin, Usage> {
    Admin::listen(address).map_err(|source| Usage::Admin { address, source })
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
            properties: settings.properties.clone(),
            note,
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
    about: About,
}

impl Health for Ready {
    fn unready(&self) -> Option<String> {
        self.watch.trouble().or_else(|| self.counts.trouble())
    }
}

impl Source for Ready {
    fn state(&self, reading: &Reading) -> State {
        self.about.state(reading, self.watch.trouble())
    }
}

fn about(options: &Options, settings: &Settings, to: &str) -> About {
    About {
        hostname: settings.config.server.hostname.clone(),
        brokers: settings.brokers.clone(),
        topic: settings.topic.clone(),
        group: options.group.clone(),
        to: ("to", "Receiver", to.to_owned()),
        bounds: [
            ("--held", f64::from(options.held)),
            ("--held-bytes", options.held_bytes as f64),
        ],
        effective: settings.effective.clone(),
    }
}

/// Serves the admin pages from now on.
fn serve(admin: Admin, ready: Ready, recent: Recent) -> Result<(), Usage> {
    let (watch, counts) = (Arc::clone(&ready.watch), Arc::clone(&ready.counts));
    let about = ready.about.clone();
    let ready = Arc::new(ready);
    let observed = Observed {
        command: "forward",
        metrics: Arc::new(move || watch.render() + &counts.render()),
        followed: status::FORWARD,
        health: Arc::clone(&ready) as Arc<dyn Health>,
        source: ready,
        recent,
    };
    let served = admin.serve(observed, &about);
    served.map_err(Usage::Runtime)
}

/// Says what is done from now on: in the log, and by one line on standard output.
fn ready(begun: &Begun<'_>, log: &LogHandle) {
    begun.say_ready(&log.lines());
    let (Settings { brokers, topic, .. }, group) = (begun.settings, begun.group);
    let line = format!(
        "to={} kafka={brokers} topic={topic} group={group}",
        begun.to.1
    );
    service::print_ready(&line, begun.admin);
}

//! `ringpost authenticate`: who each mail is from, written to another topic.
//!
//! Owns: what is opened in which order, what the line "ready" says. Must not know: how a mail is checked, which is
//! [`crate::authenticate`]'s.
//!
//! Invariants: exit code 0 done, also where a signal ended what had no end of its own; 130 and 143 where a signal came before the
//! end that was asked for; else it follows from the failure's blame.

mod options;
mod shown;
mod usage;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::cluster::Settings;
use super::output;
use super::service::{self, About, Admin, Begun, Ended, note, say};
use crate::authenticate::examine::Examiner;
use crate::authenticate::resolver;
use crate::authenticate::step::Authenticate;
use crate::consume::filter::Filter;
use crate::consume::plan::{BROKER_WAIT, Plan, Start};
use crate::consume::stop::Stop;
use crate::failure::Failure;
use crate::pipeline::job::{Bounds, Job};
use crate::pipeline::lanes::Order;
use crate::pipeline::whole::Objects;
use crate::pipeline::writer::{Place, Writer};
use crate::telemetry::log::LogHandle;
use crate::telemetry::vocabulary::field::TO_TOPIC;
pub use options::{From, Options};
use shown::Shown;
use usage::Usage;

/// How long one answer of the DNS resolver is waited for.
const DNS_TIMEOUT: Duration = Duration::from_secs(3);

/// Checks until asked to stop.
pub fn run(options: &Options) -> ExitCode {
    let settings = match begin(options) {
        Ok(settings) => settings,
        Err(failure) => return output::fail(&failure),
    };
    let log = settings.config.log.clone();
    service::logged(&log, |log| authenticate(options, &settings, log))
}

/// What comes before the log.
fn begin(options: &Options) -> Result<Settings, Failure> {
    options.check()?;
    Ok(settings(options)?)
}

fn authenticate(options: &Options, settings: &Settings, log: &LogHandle) -> Result<Ended, Failure> {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let filter = Filter::parse(&options.filters, Timestamp::now()).map_err(Usage::from)?;
    let stop = Stop::on_signals()?;
    let admin = options.admin.map(listen).transpose()?;
    let begun = Begun {
        settings,
        group: &options.group,
        to: (TO_TOPIC, &options.to_topic),
        admin: admin.as_ref().map(|admin| admin.address),
    };
    begun.say_starting(&log.lines());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(Usage::Runtime)?;
    let shown = Shown::new(about(options, settings));
    let step = {
        // hickory's connections are made in the runtime, and the pages are served in it.
        let _inside = runtime.enter();
        if let Some(admin) = admin {
            let served = admin.serve(shown.observed(&log.recent()), &shown.about);
            served.map_err(Usage::Runtime)?;
        }
        Rc::new(step(options, settings, &stop, &shown)?)
    };
    let job = job(options, settings, filter, stop.clone());
    let ready = || ready(&begun, log);
    let work = service::work(job, Rc::clone(&step), &shown.watch, ready);
    let ended = runtime.block_on(work);
    step.sum_up();
    // A question that is under way is not waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    ended?;
    Ok(service::ended(
        &stop,
        options.until_end,
        shown.watch.records_settled() - step.passed_over(),
        shown.watch.records_passed_over() + step.passed_over(),
    ))
}

fn about(options: &Options, settings: &Settings) -> About {
    let bounds = Bounds::default();
    About {
        hostname: settings.config.server.hostname.clone(),
        brokers: settings.brokers.clone(),
        topic: settings.topic.clone(),
        group: options.group.clone(),
        to: (
            "to_topic",
            "Topic with the verdicts",
            options.to_topic.clone(),
        ),
        bounds: [
            ("records held", bounds.records as f64),
            ("bytes of records held", bounds.bytes as f64),
        ],
        effective: settings.effective.clone(),
    }
}

fn listen(address: SocketAddr) -> Result<Admin, Usage> {
    Admin::listen(address).map_err(|source| Usage::Admin { address, source })
}

/// Says what is done from now on: in the log, and by one line on standard output.
fn ready(begun: &Begun<'_>, log: &LogHandle) {
    begun.say_ready(&log.lines());
    let (Settings { brokers, topic, .. }, group) = (begun.settings, begun.group);
    let line = format!(
        "to-topic={} kafka={brokers} topic={topic} group={group}",
        begun.to.1
    );
    service::print_ready(&line, begun.admin);
}

fn settings(options: &Options) -> Result<Settings, Usage> {
    let hostname: Vec<String> = options.hostname.iter().cloned().collect();
    let settings = options
        .cluster
        .load_with(&[("server.hostname", hostname)])?;
    if options.to_topic == settings.topic {
        return Err(Usage::SameTopic(settings.topic));
    }
    Ok(settings)
}

fn step(
    options: &Options,
    settings: &Settings,
    stop: &Stop,
    shown: &Shown,
) -> Result<Authenticate, Failure> {
    let counts = &shown.counts;
    let resolver = resolver::Settings {
        servers: options.resolvers.iter().map(|server| server.0).collect(),
        patience: options.patience,
        timeout: DNS_TIMEOUT,
        down: Arc::clone(&shown.down),
        say,
    };
    let examiner = Examiner::new(
        &resolver,
        settings.config.server.hostname.clone(),
        Arc::clone(counts),
    )?;
    let objects = Objects::new(&settings.objects, say)?;
    let place = Place {
        brokers: settings.brokers.clone(),
        topic: options.to_topic.clone(),
        flag: "--to-topic",
        properties: settings.properties.clone(),
    };
    let writer = Writer::open(place, BROKER_WAIT, stop, say)?;
    Ok(Authenticate::new(
        examiner,
        objects,
        writer,
        Arc::clone(counts),
        say,
    ))
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
        // Mails with the same key stay in their order.
        order: Order::Key,
        until_end: options.until_end,
        bounds: Bounds::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn read(flags: &[&str]) -> Result<Settings, String> {
        let line = ["authenticate", "--group", "g", "--to-topic", "checked"];
        let parsed =
            Line::try_parse_from(line.iter().chain(flags)).map_err(|error| error.to_string())?;
        settings(&parsed.options).map_err(|error| error.to_string())
    }

    #[test]
    fn the_name_is_that_of_the_flag() {
        let read = read(&["--hostname", "mx.example", "--topic", "in"]).unwrap();
        assert_eq!(
            (read.config.server.hostname.as_str(), read.topic.as_str()),
            ("mx.example", "in")
        );
    }

    #[test]
    fn mistakes_are_named_and_no_error_shows_a_property() {
        for (flags, part) in [
            (&["--topic", "checked"][..], "--to-topic"),
            (&["--brokers", "embedded"], "--brokers"),
            (&["--property", "hunter2"], "NAME=VALUE"),
            (&["--property", "acks=hunter2"], "every in-sync replica"),
            (&["--hostname", "a b"], "--hostname"),
            (&["--resolver", "localhost"], "--resolver"),
            (&["--patience", "long"], "--patience"),
            (&["--patience", "25h"], "from 0s to 24h"),
            (&["--admin", "9926"], "127.0.0.1:9925"),
            (&["--topic", ""], "--topic"),
        ] {
            let error = read(flags).unwrap_err();
            assert!(
                error.contains(part) && !error.contains("hunter2"),
                "{flags:?}: {error}"
            );
        }
    }
}

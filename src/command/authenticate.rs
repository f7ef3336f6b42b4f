//! `ringpost authenticate`: who each mail is from, written to another topic.
//!
//! Owns: what is opened in which order, the exit code and the one line of an error. Must not know: how a mail is checked, which is
//! [`crate::authenticate`]'s.
//!
//! Invariants: exit code 0 done, also where a signal ended what had no end of its own; 130 and 143 where a signal came before the
//! end that was asked for; else it follows from the failure's blame.

mod admin;
mod options;
mod usage;

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::cluster::Settings;
use super::output::complain;
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
use admin::{Admin, Shown};
pub use options::{From, Options, Server};
use usage::Usage;

/// How long one answer of the DNS resolver is waited for.
const DNS_TIMEOUT: Duration = Duration::from_secs(3);

/// A line for the operator.
fn say(text: &str) {
    complain(&format!("ringpost authenticate: {text}"));
}

/// Checks until asked to stop; every error is one line on standard error.
pub fn run(options: &Options) -> ExitCode {
    match authenticate(options) {
        Ok(code) => code,
        Err(failure) => {
            failure.to_string().lines().for_each(say);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn authenticate(options: &Options) -> Result<ExitCode, Failure> {
    options.check()?;
    let filter = Filter::parse(&options.filters, Timestamp::now()).map_err(Usage::from)?;
    let settings = settings(options)?;
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
    let stop = Stop::on_signals()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(Usage::Runtime)?;
    let shown = Shown::default();
    if let Some(address) = options.admin {
        let admin = runtime.block_on(Admin::bind(address, shown.clone()))?;
        let address = admin.address().unwrap_or(address);
        say(&format!("metrics on http://{address}/metrics"));
        runtime.spawn(admin.serve());
    }
    let step = {
        // hickory's connections are made in the runtime.
        let _inside = runtime.enter();
        Rc::new(step(options, &settings, &stop, &shown)?)
    };
    let job = job(options, settings, filter, stop.clone());
    let ended = runtime.block_on(crate::pipeline::run(job, Rc::clone(&step), shown.watch));
    step.sum_up();
    ended?;
    Ok(code(options, &stop))
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

fn job(options: &Options, settings: Settings, filter: Filter, stop: Stop) -> Job {
    Job {
        plan: Plan {
            brokers: settings.brokers,
            topic: settings.topic,
            group: Some(options.group.clone()),
            partitions: Vec::new(),
            start: match options.from {
                From::Beginning => Start::Beginning,
                From::End => Start::End,
            },
            foreign: false,
            properties: settings.properties,
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

/// The exit code of a run that nothing kept from its end.
fn code(options: &Options, stop: &Stop) -> ExitCode {
    let Some(signal) = stop.asked() else {
        return ExitCode::SUCCESS;
    };
    say(&format!(
        "{signal}: stopped; what was written is committed, and the group was left"
    ));
    if options.until_end {
        ExitCode::from(signal.exit_code())
    } else {
        ExitCode::SUCCESS
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

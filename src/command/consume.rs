//! `ringpost consume`: reads the records back, for a person, a script or a mail program.
//!
//! Owns: what is opened in which order, the exit code and the one line of an error. Must not know: Kafka's client, the forms or
//! files, which are [`crate::consume`]'s.
//!
//! Invariants: exit code 0 done (also where the reader of a pipe has gone, or a signal ended reading that had no end of
//! its own), 130 and 143 where a signal came before the end that was asked for; else it follows from the failure's blame.

mod options;
mod usage;

use std::io;
use std::process::ExitCode;

use jiff::Timestamp;

use super::cluster::Settings;
use super::output::complain;
use crate::consume::copy::{CopyError, Outcome, Steps, Until, copy};
use crate::consume::filter::Filter;
use crate::consume::line::counted;
use crate::consume::object::Objects;
use crate::consume::output::{Choice, Form, Output};
use crate::consume::plan::{BROKER_WAIT, Plan, Start};
use crate::consume::stop::Stop;
use crate::failure::Failure;
pub use options::{Format, From, Options};
use usage::Usage;

/// A line for the operator.
fn say(text: &str) {
    complain(&format!("ringpost consume: {text}"));
}

/// Reads until asked to stop; every error is one line on standard error.
pub fn run(options: &Options) -> ExitCode {
    match read(options) {
        Ok(code) => code,
        Err(failure) => {
            failure.to_string().lines().for_each(say);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn read(options: &Options) -> Result<ExitCode, Failure> {
    options.check()?;
    let now = Timestamp::now();
    let start = options.start(now)?;
    let filter = Filter::parse(&options.filters, now).map_err(Usage::Filter)?;
    let settings = options.cluster.load().map_err(Usage::Cluster)?;
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
    let mut objects = if options.no_objects {
        Objects::ignored(say)
    } else {
        Objects::followed(&settings.objects, say)?
    };
    let stop = Stop::on_signals()?;
    let mut output = open(options)?;
    let plan = plan(options, start, settings, stop);
    let until = Until {
        end: options.until_end,
        count: options.count,
    };
    let steps = Steps {
        filter: &filter,
        objects: &mut objects,
    };
    match copy(&plan, until, steps, &mut output) {
        Ok(outcome) => Ok(ended(options, start, &outcome)),
        // The reader of a pipe has seen enough, as `head` does.
        Err(CopyError::Output(error))
            if options.output.is_none() && error.kind() == io::ErrorKind::BrokenPipe =>
        {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error.into()),
    }
}

fn open(options: &Options) -> Result<Output<'static>, Usage> {
    // In a group the offsets are committed after the output: what they promise has to survive a power cut.
    let durable = options.group.is_some();
    let path = options.output.as_deref();
    let choice = Choice {
        raw: options.raw,
        parsed: options.parsed,
    };
    Output::open(form(options.format), choice, path, durable, say).map_err(|source| Usage::Output {
        path: path.map_or_else(|| "-".into(), Into::into),
        source,
    })
}

/// What is said where there was no mail to read.
fn nothing(options: &Options, start: Start) -> &'static str {
    match (options.group.is_some(), start) {
        _ if !options.filters.is_empty() => "no mail that --filter takes",
        (true, _) => "no mail that the group has not read",
        (false, Start::Beginning) if options.partitions.is_empty() => "the topic has no mail yet",
        (false, Start::End) => "no mail came",
        (false, Start::Beginning | Start::Since(_) | Start::Offset(_)) => "no mail there",
    }
}

fn ended(options: &Options, start: Start, outcome: &Outcome) -> ExitCode {
    let Some(signal) = outcome.stopped else {
        if outcome.mails == 0 {
            say(nothing(options, start));
        }
        return ExitCode::SUCCESS;
    };
    let kept = if options.group.is_some() {
        ", all committed; the group was left"
    } else {
        ""
    };
    say(&format!(
        "{signal}: stopped after {}{kept}",
        counted(outcome.mails, "mail")
    ));
    // Reading that follows the topic has no other end; one that was to reach an end did not.
    if options.until_end || options.count.is_some() {
        ExitCode::from(signal.exit_code())
    } else {
        ExitCode::SUCCESS
    }
}

fn form(format: Format) -> Form {
    match format {
        Format::Summary => Form::Summary,
        Format::Json => Form::Json,
        Format::Eml => Form::Eml,
        Format::Mbox => Form::Mbox,
        Format::Maildir => Form::Maildir,
    }
}

fn plan(options: &Options, start: Start, settings: Settings, stop: Stop) -> Plan {
    Plan {
        brokers: settings.brokers,
        topic: settings.topic,
        group: options.group.clone(),
        partitions: options.partitions.clone(),
        start,
        foreign: options.foreign,
        properties: settings.properties,
        note: say,
        broker_wait: BROKER_WAIT,
        stop,
        say,
    }
}

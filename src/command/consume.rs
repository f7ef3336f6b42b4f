//! `ringpost consume`: reads the records back, for a person, a script or a mail program.
//!
//! Owns: the flags, what of them goes together, the exit code and the one line of an error. Must not know: Kafka's
//! client (`cluster`, `reader`), the forms (`format`) or files (`output`).
//! Invariants: exit code 0 done (also where the reader of a pipe has gone, or a signal ended reading that had no end of
//! its own), 1 failed at run time, 2 wrong usage, 130 and 143 where a signal came before the end that was asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

mod settings;

use crate::consume::cluster::{BROKER_WAIT, Failure, Plan};
use crate::consume::output::{Form, Output};
use crate::consume::reader;
use crate::consume::stop::Stop;
use settings::Settings;

/// Reads mails back from Kafka.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Configuration file (TOML) of serve, of which [kafka] is read [environment: RINGPOST_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Brokers to ask first, `host:port`, separated by commas [environment: RINGPOST_KAFKA_BROKERS] [default: kafka.brokers
    /// of the configuration, else 127.0.0.1:9092]
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
    /// Topic to read [environment: RINGPOST_KAFKA_TOPIC] [default: kafka.topic of the configuration, else mail]
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// Read as a member of this consumer group, and commit offsets once the output has them; without it every
    /// partition is read and nothing committed
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Where to start; in a group, only where it has no offset yet
    #[arg(long, value_enum, default_value_t = From::Beginning)]
    pub from: From,
    /// Stop once every partition was read to its end and no more is being written
    #[arg(long)]
    pub until_end: bool,
    /// Stop after so many mails
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Summary)]
    pub format: Format,
    /// File for summary, json and mbox, continued in a group and emptied without; folder for eml and maildir
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// A librdkafka property; may be given again. Everybody on the machine can read a command line: a password belongs into
    /// the file or into RINGPOST_KAFKA_PROPERTIES
    #[arg(long = "property", value_name = "NAME=VALUE")]
    pub properties: Vec<String>,
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At the oldest record that the topic still has.
    Beginning,
    /// At what is written from now on.
    End,
}

/// The forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line a mail, for a person.
    Summary,
    /// One JSON object a line.
    Json,
    /// The message as it is, one file each.
    Eml,
    /// One mbox file (mboxrd).
    Mbox,
    /// A maildir.
    Maildir,
}

/// A number with its noun: `1 mail`, `2 mails`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A line for the operator.
pub(crate) fn say(text: &str) {
    super::output::complain(&format!("ringpost consume: {text}"));
}

/// Reads until told to stop; every error is one line on standard error.
pub fn run(options: &Options) -> ExitCode {
    let settings = match check(options).and_then(|()| settings::load(options)) {
        Ok(settings) => settings,
        Err(usage) => {
            usage.lines().for_each(say);
            return ExitCode::from(2);
        }
    };
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(error) => {
            say(&format!("signals cannot be waited for: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // In a group the offsets are committed after the output: what they promise has to survive a power cut.
    let durable = options.group.is_some();
    let mut output = match Output::open(options.format.form(), options.output.as_deref(), durable) {
        Ok(output) => output,
        Err(error) => {
            let path = options.output.as_deref().unwrap_or(Path::new("-"));
            say(&format!("cannot open --output {}: {error}", path.display()));
            // One that is for something else is a mistake of the command line.
            let usage = error.kind() == io::ErrorKind::InvalidInput;
            return ExitCode::from(if usage { 2 } else { 1 });
        }
    };
    match reader::read(&plan(options, settings, stop), &mut output) {
        Ok(outcome) => ended(options, &outcome),
        // The reader of a pipe has seen enough, as `head` does.
        Err(Failure::Output(error))
            if options.output.is_none() && error.kind() == io::ErrorKind::BrokenPipe =>
        {
            ExitCode::SUCCESS
        }
        Err(failure) => report(&failure),
    }
}

/// What is said where there was no mail to read.
fn nothing(options: &Options) -> &'static str {
    match (options.group.is_some(), options.from) {
        (true, _) => "no mail that the group has not read",
        (false, From::Beginning) => "the topic has no mail yet",
        (false, From::End) => "no mail came",
    }
}

fn ended(options: &Options, outcome: &reader::Outcome) -> ExitCode {
    let Some(signal) = outcome.stopped else {
        if outcome.mails == 0 {
            say(nothing(options));
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

fn report(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Property(text) => {
            say(text);
            ExitCode::from(2)
        }
        Failure::Kafka(text) => {
            say(text);
            ExitCode::FAILURE
        }
        Failure::Output(error) => {
            say(&format!("cannot write the output: {error}"));
            ExitCode::FAILURE
        }
        Failure::Stopped => ExitCode::FAILURE,
    }
}

/// What the flags' own types cannot say.
fn check(options: &Options) -> Result<(), String> {
    if options.group.as_deref() == Some("") {
        return Err("--group is empty; leave it out to read without a group".to_owned());
    }
    match (options.format, &options.output, options.count) {
        (Format::Maildir, None, _) => {
            Err("--format maildir needs --output FOLDER".to_owned())
        }
        (Format::Eml, None, count) if count != Some(1) => Err(
            "--format eml needs --output FOLDER, or --count 1 to write one message to standard output"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

impl Format {
    fn form(self) -> Form {
        match self {
            Format::Summary => Form::Summary,
            Format::Json => Form::Json,
            Format::Eml => Form::Eml,
            Format::Mbox => Form::Mbox,
            Format::Maildir => Form::Maildir,
        }
    }
}

fn plan(options: &Options, settings: Settings, stop: Stop) -> Plan {
    Plan {
        brokers: settings.brokers,
        topic: settings.topic,
        group: options.group.clone(),
        from_beginning: options.from == From::Beginning,
        until_end: options.until_end,
        count: options.count,
        properties: settings.properties,
        broker_wait: BROKER_WAIT,
        stop,
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

    fn parse(flags: &[&str]) -> Result<Options, String> {
        let line = std::iter::once(&"consume").chain(flags);
        let parsed = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        check(&parsed.options).map(|()| parsed.options)
    }

    #[test]
    fn files_and_formats_have_to_fit() {
        assert!(
            parse(&["--format", "maildir"])
                .unwrap_err()
                .contains("--output")
        );
        assert!(
            parse(&["--format", "eml"])
                .unwrap_err()
                .contains("--count 1")
        );
        assert!(parse(&["--format", "eml", "--count", "2"]).is_err());
        assert!(parse(&["--format", "eml", "--count", "1"]).is_ok());
        assert!(parse(&["--format", "eml", "--output", "x"]).is_ok());
        assert!(parse(&["--count", "0"]).is_err());
        assert!(parse(&["--group", ""]).is_err());
    }
}

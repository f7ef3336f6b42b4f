//! `ringpost consume`: reads the records back, for a person, a script or a mail program.
//!
//! Owns: the flags, what of them goes together, the exit code and the one line of an error. Must not know: Kafka's
//! client (`cluster`, `reader`), the forms (`format`) or files (`output`).
//! Invariants: exit code 0 done (also where the reader of a pipe has gone), 1 failed at run time, 2 wrong usage.
//! BUGS: SIGINT and SIGTERM end the process at once; in a group, what was flushed but not committed comes again.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

mod cluster;
pub mod format;
mod output;
mod reader;

use cluster::{BROKER_WAIT, Failure, Plan};
use output::{Folder, Maildir, Output, Writer};

/// Reads mails back from Kafka.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Brokers to ask first, `host:port`, separated by commas [environment: RINGPOST_KAFKA_BROKERS]
    #[arg(long, value_name = "LIST", default_value_t = environment("RINGPOST_KAFKA_BROKERS", "127.0.0.1:9092"))]
    pub brokers: String,
    /// Topic to read [environment: RINGPOST_KAFKA_TOPIC]
    #[arg(long, value_name = "NAME", default_value_t = environment("RINGPOST_KAFKA_TOPIC", "mail"))]
    pub topic: String,
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
    /// File for summary, json and mbox, appended to in a group and begun anew without; folder for eml and maildir
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// A librdkafka property; may be given again
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = property)]
    pub properties: Vec<(String, String)>,
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

/// The variable's value, or the default where it is unset or empty.
fn environment(name: &str, default: &str) -> String {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| default.to_owned())
}

/// Properties that flags or the order of flush and commit decide.
const PROPERTIES_TAKEN: [(&str, &str); 8] = [
    ("bootstrap.servers", "use --brokers"),
    ("metadata.broker.list", "use --brokers"),
    ("group.id", "use --group"),
    ("auto.offset.reset", "use --from"),
    ("topic.auto.offset.reset", "use --from"),
    (
        "enable.auto.commit",
        "offsets are committed after the output is flushed",
    ),
    (
        "enable.auto.offset.store",
        "offsets are committed after the output is flushed",
    ),
    ("enable.partition.eof", "--until-end needs it on"),
];

fn property(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err("expected NAME=VALUE, like security.protocol=SSL".to_owned());
    };
    match PROPERTIES_TAKEN.iter().find(|(taken, _)| *taken == name) {
        Some((_, instead)) => Err(format!("{name} cannot be set here: {instead}")),
        None => Ok((name.to_owned(), value.to_owned())),
    }
}

/// Reads until told to stop; every error is one line on standard error.
pub fn run(options: &Options) -> ExitCode {
    if let Err(usage) = check(options) {
        eprintln!("ringpost consume: {usage}");
        return ExitCode::from(2);
    }
    let mut output = match open(options) {
        Ok(output) => output,
        Err(error) => {
            let path = options.output.as_deref().unwrap_or(Path::new("-"));
            eprintln!(
                "ringpost consume: cannot open --output {}: {error}",
                path.display()
            );
            return ExitCode::FAILURE;
        }
    };
    match reader::read(&plan(options), &mut output) {
        Ok(_) => ExitCode::SUCCESS,
        // The reader of a pipe has seen enough, as `head` does.
        Err(Failure::Output(error))
            if options.output.is_none() && error.kind() == io::ErrorKind::BrokenPipe =>
        {
            // Dropping the stream would try to write the rest again, to no one.
            std::mem::forget(output);
            ExitCode::SUCCESS
        }
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Property(text) => {
            eprintln!("ringpost consume: {text}");
            ExitCode::from(2)
        }
        Failure::Kafka(text) => {
            eprintln!("ringpost consume: {text}");
            ExitCode::FAILURE
        }
        Failure::Output(error) => {
            eprintln!("ringpost consume: cannot write the output: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the flags' own types cannot say.
fn check(options: &Options) -> Result<(), String> {
    for (flag, text) in [("--brokers", &options.brokers), ("--topic", &options.topic)] {
        if text.trim().is_empty() {
            return Err(format!("{flag} is empty"));
        }
    }
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

fn open(options: &Options) -> io::Result<Output<'static>> {
    // In a group the offsets are committed behind the output: what they promise has to survive a power cut.
    let durable = options.group.is_some();
    let writer: Writer = match options.format {
        Format::Summary => format::summary,
        Format::Json => format::json,
        Format::Mbox => format::mbox,
        Format::Eml | Format::Maildir => |received, to| to.write_all(&received.value),
    };
    match (options.format, options.output.as_deref()) {
        (_, None) => Ok(Output::stream(writer, io::stdout())),
        (Format::Eml, Some(path)) => Folder::open(path, durable).map(Output::Folder),
        (Format::Maildir, Some(path)) => Maildir::open(path, durable).map(Output::Maildir),
        (_, Some(path)) => Output::file(writer, path, durable),
    }
}

fn plan(options: &Options) -> Plan {
    Plan {
        brokers: options.brokers.clone(),
        topic: options.topic.clone(),
        group: options.group.clone(),
        from_beginning: options.from == From::Beginning,
        until_end: options.until_end,
        count: options.count,
        properties: options.properties.clone(),
        broker_wait: BROKER_WAIT,
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

    #[test]
    fn properties_are_pairs_and_none_of_ours() {
        let options = parse(&["--property", "sasl.password=a=b"]).unwrap();
        assert_eq!(
            options.properties,
            [("sasl.password".to_owned(), "a=b".to_owned())]
        );
        assert!(
            parse(&["--property", "x"])
                .unwrap_err()
                .contains("NAME=VALUE")
        );
        assert!(
            parse(&["--property", "group.id=x"])
                .unwrap_err()
                .contains("--group")
        );
    }
}

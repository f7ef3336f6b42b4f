//! The command line as a whole: the program's commands, and the way from arguments to one of them.
//!
//! Owns: which commands there are, the line about each, what `--version` leads to. Must not know: the flags of a command, or what
//! it does.
//!
//! Invariant: each command has its examples and exit codes, which are a row of `endings`; tests/package.rs holds that.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{
    authenticate, check, consume, endings, forward, health, output, recipients, serve, top, version,
};

/// An inbound SMTP server on io_uring: every message becomes one Kafka record before its 250.
#[derive(Parser)]
#[command(name = "ringpost", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Options,
}

#[derive(Subcommand)]
enum Command {
    /// Serve SMTP; the default
    Serve(serve::Options),
    /// Ask whether serve would work
    ///
    /// With this configuration on this machine: the file, certificates, the kernel, addresses, brokers, the topic. One line a
    /// question, each with its fix; nothing is changed.
    Check(check::Options),
    /// Ask a running instance how it is
    ///
    /// Its admin listener answers: for the health check of a container, and for people in one.
    Health(health::Options),
    /// Show a running instance in the terminal
    ///
    /// A serve, forward or authenticate, live: sessions, rates, Kafka, certificates, limits, last errors. What its status page
    /// shows.
    Top(top::Options),
    /// Read mails back from the topic
    ///
    /// For a person, a script or a mail program.
    Consume(consume::Options),
    /// Check SPF, DKIM, DMARC, ARC of each mail
    ///
    /// And its reverse DNS; each mail is written with the verdicts to another topic.
    Authenticate(authenticate::Options),
    /// Give each mail to a mailbox, relay or application
    ///
    /// An offset is committed once every mail up to it was accepted, or is in the dead-letter topic.
    Forward(Box<forward::Options>),
    /// Name, remove and print recipients
    ///
    /// They are in the topic that servers follow (recipients.topic). A change is in force in every server within a second.
    Recipients(recipients::Options),
}

/// Every command with its flags and its help: what manual pages and completions are made of (deploy/pages).
pub fn command() -> clap::Command {
    endings::on_every(Arguments::command())
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    let mut command = command();
    let arguments = match command.try_get_matches_from_mut(std::env::args_os()) {
        Ok(matches) => Arguments::from_arg_matches(&matches),
        Err(error) => Err(error),
    };
    match arguments {
        Ok(arguments) => run_parsed(arguments),
        Err(error) if error.kind() == ErrorKind::DisplayVersion && is_long() => {
            output::print_or_fail(&version::long())
        }
        Err(error) => error.format(&mut command).exit(),
    }
}

/// Whether `--version` asked, and not `-V`.
fn is_long() -> bool {
    std::env::args_os().any(|word| word == "--version")
}

fn run_parsed(arguments: Arguments) -> ExitCode {
    match arguments.command {
        Some(Command::Serve(options)) => serve::run(&options),
        Some(Command::Check(options)) => check::run(&options),
        Some(Command::Health(options)) => health::run(&options),
        Some(Command::Top(options)) => top::run(&options),
        Some(Command::Consume(options)) => consume::run(&options),
        Some(Command::Authenticate(options)) => authenticate::run(&options),
        Some(Command::Forward(options)) => forward::run(&options),
        Some(Command::Recipients(options)) => recipients::run(&options),
        None => serve::run(&arguments.serve),
    }
}

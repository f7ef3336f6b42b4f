//! The program: flags to command, nothing else.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ringpost::command::{authenticate, check, consume, forward, recipients, serve};

/// An inbound SMTP server on io_uring: every message becomes one Kafka record before its 250.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Options,
}

#[derive(Subcommand)]
enum Command {
    /// Serve SMTP (the default)
    Serve(serve::Options),
    /// Ask whether serve would work: configuration, certificates, kernel, brokers, topic; one line each
    Check(check::Options),
    /// Read records back
    Consume(consume::Options),
    /// Check SPF, DKIM, DMARC, ARC and reverse DNS of each mail, and write it with the verdicts to another topic
    Authenticate(authenticate::Options),
    /// Give each mail of the topic to a mailbox, a relay or an application
    Forward(Box<forward::Options>),
    /// Name recipients in recipients.topic, remove them, print them
    Recipients(recipients::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Serve(options)) => serve::run(&options),
        Some(Command::Check(options)) => check::run(&options),
        Some(Command::Consume(options)) => consume::run(&options),
        Some(Command::Authenticate(options)) => authenticate::run(&options),
        Some(Command::Forward(options)) => forward::run(&options),
        Some(Command::Recipients(options)) => recipients::run(&options),
        None => serve::run(&arguments.serve),
    }
}

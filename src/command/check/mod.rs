//! `ringpost check`: would `serve` work with this configuration on this machine? One line a question.
//!
//! Owns: which questions are asked, their order, the verdicts, the exit code. Must not know: how each answer is found.
//!
//! The questions, by subject: `machine`, `name`, `certificate`, `recipients`, `dns`, and those of the place where mail goes, which are
//! the sink's own (`sink::configured`); `question` is the table of them, `report` how answers are written. What the start does for them is in `server`, and both call that; `sum` is what they come to.
//!
//! Invariants: nothing is changed, neither here nor in the cluster, but this process's own limit of open files; every
//! question gets its line on standard output, also after one that failed, and that line begins with its verdict; the
//! sum of them is on standard error; exit code 0 where mail would be taken and stored, 1 where not, or not from everybody,
//! or where the lines could not be written, or where `--strict` finds a warning, 2 where the configuration itself is wrong.
//!
//! BUGS: an address in use is only a warning, as a running server whose admin listener is another one may use it; which process
//! does is not known.

mod certificate;
mod dns;
mod machine;
mod name;
pub mod question;
mod recipients;
mod report;
mod route;
mod running;
mod sum;

use std::process::ExitCode;

use jiff::Timestamp;

use super::environment;
use super::output::{self, Printed};
use super::resolver::Server;
use super::serve;
use crate::config::{self, Loaded};
use crate::failure::Failure;
use crate::objects;
use crate::sink;
use crate::verdict::Verdict;
use report::{Answer, Format, Lost, Report};

/// Flags of `check`: those of `serve`, whose configuration is checked, and its own.
#[derive(Debug, Default, Clone, clap::Args)]
// Those of `serve` have a group of this name.
#[group(skip)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub struct Options {
    #[command(flatten)]
    serve: serve::Options,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Print the effective configuration, and ask nothing
    ///
    /// In TOML: what file, environment and flags make together, with secrets masked.
    #[arg(long, conflicts_with_all = ["strict", "format", "route"])]
    print: bool,
    /// A line for each answer, or one JSON document
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
    /// Say which topic an address goes to, and ask nothing else [default: ask everything]
    #[arg(long, value_name = "ADDRESS")]
    route: Option<String>,
    /// Ask too whether senders find this server for a domain; may be given several times [default: ask no DNS]
    ///
    /// MX, addresses, port 25, TLS, MTA-STS, TLSRPT and DANE, each with the record to publish.
    #[arg(long, value_name = "DOMAIN", value_parser = dns::domain, conflicts_with_all = ["print", "route"])]
    dns: Vec<String>,
    /// With --dns: DNS resolver to ask; may be given again [default: those of /etc/resolv.conf]
    ///
    /// ADDRESS or ADDRESS:PORT.
    #[arg(long = "resolver", value_name = "ADDRESS", requires = "dns")]
    resolvers: Vec<Server>,
    /// With --route: the listener that mail comes in on
    ///
    /// An address as it is in the configuration. [default: every listener]
    #[arg(long, value_name = "ADDR", requires = "route")]
    listener: Option<String>,
}

/// Asks everything and prints the answers to standard output.
pub fn run(options: &Options) -> ExitCode {
    match ask(options) {
        Ok(code) => code,
        Err(failure) => output::fail(&failure),
    }
}

fn ask(options: &Options) -> Result<ExitCode, Failure> {
    if options.print {
        return print(&options.serve.load()?);
    }
    let mut report = Report::new(options.format, options.strict);
    let loaded = match options.serve.load() {
        Ok(loaded) => loaded,
        Err(error) => return Err(report.refuse(error.into())),
    };
    if let Some(address) = &options.route {
        let lines = route::lines(&loaded, address, options.listener.as_deref())?;
        lines.into_iter().for_each(|line| report.add(line));
        return report.end_of_answers("no other question was asked");
    }
    let sink = sink::configured(&loaded.config);
    let odd = match sink.check() {
        Ok(odd) => odd,
        Err(failure) => return Err(report.refuse(failure)),
    };
    report.add((Verdict::Ok, "config", source(&options.serve)));
    for warning in loaded.warnings.iter().cloned().chain(odd) {
        report.add((Verdict::Warning, "config", warning));
    }
    let answers = about_this_machine(&loaded).into_iter();
    answers.for_each(|answer| report.add(answer));
    let lines = sink.examine(&waiting).into_iter();
    lines.for_each(|line| report.add(line));
    if loaded.config.objects.url.is_some() {
        report.add(objects::examine(&loaded.config.objects));
    }
    let lines = recipients::topic(&loaded.config).into_iter();
    lines.for_each(|line| report.add(line));
    if !options.dns.is_empty() {
        let resolvers: Vec<_> = options.resolvers.iter().map(|server| server.0).collect();
        let waiting = |what: &str| {
            output::complain(&format!("ringpost check: still waiting for {what}"));
        };
        let mut say = |answer| report.add(answer);
        dns::each(&loaded.config, &options.dns, &resolvers, &waiting, &mut say);
    }
    report.end(sink.keeps())
}

/// Prints the configuration that is in force.
fn print(loaded: &Loaded) -> Result<ExitCode, Failure> {
    for warning in &loaded.warnings {
        output::complain(&format!("ringpost check: {warning}"));
    }
    let mut printed = Printed::default();
    loaded
        .effective()
        .lines()
        .for_each(|line| printed.line(line));
    match printed.loss() {
        Some(error) => Err(Lost(error).into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Where the configuration is from.
fn source(options: &serve::Options) -> String {
    match config::file_of(options.config.as_deref(), environment()) {
        Some(path) => format!("{} is valid", path.display()),
        None => "no file; defaults, environment and flags are valid".to_owned(),
    }
}

/// What can be answered without asking another machine.
fn about_this_machine(loaded: &Loaded) -> Vec<Answer> {
    let config = &loaded.config;
    let is_named = loaded.origins.is_set("server.hostname");
    let mut answers = vec![
        machine::io(config).into(),
        machine::open_files(config).into(),
        name::hostname(config, is_named),
    ];
    let certificates = certificate::each(config, Timestamp::now());
    let of_tls = certificates
        .into_iter()
        .chain(certificate::ticket_keys(config));
    let addresses = machine::addresses(config).into_iter();
    answers.extend(addresses.chain(of_tls).map(Answer::from));
    answers.extend(name::limits(config));
    answers.push(name::domains(config));
    answers.extend(name::lists(config).into_iter().map(Answer::from));
    answers
}

fn waiting(what: &str) {
    output::complain(&format!(
        "ringpost check: still waiting for kafka.brokers {what}"
    ));
}

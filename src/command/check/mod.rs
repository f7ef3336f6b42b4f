//! `ringpost check`: would `serve` work with this configuration on this machine? One line a question.
//!
//! Owns: which questions are asked, their order, the verdicts, the exit code. Must not know: how each answer is found.
//!
//! The questions, by subject: `machine`, `name`, `certificate`, `recipients`, and those of the place where mail goes, which are the
//! sink's own (`sink::configured`). What the start does for them is in `server`, and both call that; `sum` is what they come to.
//!
//! Invariants: nothing is changed, neither here nor in the cluster, but this process's own limit of open files; every
//! question gets its line on standard output, also after one that failed, and that line begins with its verdict; the
//! sum of them is on standard error; exit code 0 where mail would be taken and stored, 1 where not, or not from everybody,
//! or where the lines could not be written, or where `--strict` finds a warning, 2 where the configuration itself is wrong.
//!
//! BUGS: an address in use is only a warning, as the running server may be the one that uses it; which process does is not
//! known.

mod certificate;
mod machine;
mod name;
mod recipients;
mod route;
mod sum;

use std::io;
use std::process::ExitCode;

use jiff::Timestamp;

use super::environment;
use super::output::{self, Printed};
use super::serve;
use crate::config::{self, Loaded};
use crate::failure::{Blame, Blamed, Failure};
use crate::objects;
use crate::sink;
use crate::verdict::{Line, Verdict};
use sum::Sum;

/// Flags of `check`: those of `serve`, whose configuration is checked, and its own.
#[derive(Debug, Default, Clone, clap::Args)]
// Those of `serve` have a group of this name.
#[group(skip)]
pub struct Options {
    #[command(flatten)]
    serve: serve::Options,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Say which topic mail for this address would go to, and ask nothing else
    #[arg(long, value_name = "ADDRESS")]
    route: Option<String>,
    /// With --route: the address that it comes in on, as in the configuration
    #[arg(long, value_name = "ADDR", requires = "route")]
    listener: Option<String>,
}

/// Standard output did not take all lines.
#[derive(Debug, thiserror::Error)]
#[error("check: standard output: {0}")]
struct Lost(#[source] io::Error);

impl Blamed for Lost {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Asks everything and prints the answers to standard output.
pub fn run(options: &Options) -> ExitCode {
    match ask(options) {
        Ok(code) => code,
        Err(failure) => output::fail(&failure),
    }
}

fn ask(options: &Options) -> Result<ExitCode, Failure> {
    let loaded = options.serve.load()?;
    if let Some(address) = &options.route {
        return say_route(&loaded, address, options.listener.as_deref());
    }
    let sink = sink::configured(&loaded.config);
    let odd = sink.check()?;
    let (mut printed, mut sum) = (Printed::default(), Sum::new(options.strict));
    let mut print = |(verdict, name, text): Line| {
        let verdict = sum.add(verdict, name);
        printed.line(&text_of((verdict, name, text)));
    };
    print((Verdict::Ok, "config", source(&options.serve)));
    for warning in loaded.warnings.iter().cloned().chain(odd) {
        print((Verdict::Warning, "config", warning));
    }
    about_this_machine(&loaded).into_iter().for_each(&mut print);
    sink.examine(&waiting).into_iter().for_each(&mut print);
    if loaded.config.objects.url.is_some() {
        print(objects::examine(&loaded.config.objects));
    }
    recipients::topic(&loaded.config)
        .into_iter()
        .for_each(&mut print);
    if let Some(error) = printed.loss() {
        return Err(Lost(error).into());
    }
    output::complain(&format!("ringpost check: {}", sum.text(sink.keeps())));
    Ok(sum.exit_code())
}

/// Says where mail for an address would go.
fn say_route(loaded: &Loaded, address: &str, listener: Option<&str>) -> Result<ExitCode, Failure> {
    let mut printed = Printed::default();
    for line in route::lines(loaded, address, listener)? {
        printed.line(&text_of(line));
    }
    match printed.loss() {
        Some(error) => Err(Lost(error).into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn text_of((verdict, name, text): Line) -> String {
    format!("{verdict:<8} {name:<12} {text}")
}

/// Where the configuration is from.
fn source(options: &serve::Options) -> String {
    match config::file_of(options.config.as_deref(), environment()) {
        Some(path) => format!("{} is valid", path.display()),
        None => "no file; defaults, environment and flags are valid".to_owned(),
    }
}

/// What can be answered without asking another machine.
fn about_this_machine(loaded: &Loaded) -> Vec<Line> {
    let config = &loaded.config;
    let is_named = loaded.set.contains("server.hostname");
    let mut lines = vec![
        machine::io(config),
        machine::open_files(config),
        name::hostname(config, is_named),
    ];
    lines.extend(machine::addresses(config));
    lines.extend(certificate::each(config, Timestamp::now()));
    lines.extend(certificate::ticket_keys(config));
    lines.push(name::domains(config));
    lines.extend(name::lists(config));
    lines
}

fn waiting(what: &str) {
    output::complain(&format!(
        "ringpost check: still waiting for kafka.brokers {what}"
    ));
}

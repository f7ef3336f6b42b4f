//! `ringpost health`: asks a running instance's admin listener how it is, for a container's health check.
//!
//! Owns: which page is asked for, where, and the exit code: 0 where the answer is 200, 1 where it is another one or there is none,
//! 2 where the configuration that names the address is wrong. Must not know: what healthy or ready means; the instance does.
//!
//! Invariants: one connection and one request; it ends before the usual time-out of a health check (5 s).
//!
//! BUGS: the address is that of the configuration now. An instance that was started with another one in its flags, or before the file
//! was changed, needs --admin.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::output;
use super::page::{self, NoPage, Page};
use super::{environment, value};
use crate::config;
use crate::failure::{Blame, Blamed, Failure};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// Flags of `health`.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct Options {
    /// Configuration file, whose admin.listen is asked
    ///
    /// [environment: RINGPOST_CONFIG] [default: no file]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to ask instead, IP:port
    ///
    /// That of --admin, for an instance of forward or authenticate. [default: admin.listen of the configuration]
    #[arg(long, value_name = "ADDR", value_parser = value::address)]
    admin: Option<SocketAddr>,
    /// Ask whether mail gets through
    ///
    /// Ask /readyz, which is about Kafka and the topic as well, and not /healthz, which is about the process alone.
    #[arg(long)]
    ready: bool,
}

/// Why an instance is not well.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error(transparent)]
    Unreachable(#[from] NoPage),
    #[error("http://{address}{path} answers {status}: {}", .body.trim())]
    Answer {
        address: SocketAddr,
        path: &'static str,
        status: u16,
        body: String,
    },
    #[error(
        "admin.listen has port 0, so the kernel chose one: name it with --admin, from the end of the line \"ready\""
    )]
    AnyPort,
}

impl Blamed for Unwell {
    fn blame(&self) -> Blame {
        match self {
            Self::Unreachable(none) => none.blame(),
            Self::Answer { .. } => Blame::Machine,
            Self::AnyPort => Blame::Operator,
        }
    }
}

/// Asks once and prints the answer.
pub fn run(options: &Options) -> ExitCode {
    match ask(options) {
        Ok(body) => {
            // The exit code is the answer; this is for people.
            let _ = output::print(body.trim_end());
            ExitCode::SUCCESS
        }
        Err(failure) => output::fail(&failure),
    }
}

fn ask(options: &Options) -> Result<String, Failure> {
    let address = page::reached(listener(options)?);
    if address.port() == 0 {
        return Err(Unwell::AnyPort.into());
    }
    let path = if options.ready { "/readyz" } else { "/healthz" };
    let page = page::get(address, path, PATIENCE).map_err(Unwell::from)?;
    Ok(well(page, address, path)?)
}

fn well(page: Page, address: SocketAddr, path: &'static str) -> Result<String, Unwell> {
    let Page { status, body } = page;
    match status {
        200 => Ok(body),
        _ => Err(Unwell::Answer {
            address,
            path,
            status,
            body,
        }),
    }
}

fn listener(options: &Options) -> Result<SocketAddr, Failure> {
    if let Some(address) = options.admin {
        return Ok(address);
    }
    let loaded = config::load(options.config.as_deref(), environment(), &[])?;
    Ok(loaded.config.admin.listen)
}

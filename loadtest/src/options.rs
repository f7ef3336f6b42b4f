//! The command line, and the [`Plan`] that comes of it.
//!
//! Owns every option with its range and the text an operator reads when a value is wrong. Must not know how messages
//! are sent. A [`Plan`] that exists is possible: the target is resolved and allowed, the size fits the header, the
//! addresses can stand in a command, the log file is open, the server's process exists, and there are file
//! descriptors for all connections.
//!
//! # BUGS
//! - Only the first address that the target resolves to is used.

use std::fs::File;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::accepted_log::AcceptedLog;
use crate::message::{Envelope, Header, Template};
use crate::usage;

/// The largest message, in octets. Each size is in memory a few times, so this bounds memory too.
const MAX_SIZE: u64 = 1 << 30;
/// The longest address of RFC 5321 section 4.5.3.1.3 (a path of 256 octets with its angle brackets).
const MAX_ADDRESS: usize = 254;
/// The longest domain of RFC 5321 section 4.5.3.1.2.
const MAX_DOMAIN: usize = 255;
/// File descriptors besides those of connections: standard streams, rings, the log, a margin.
const OTHER_FILES: u64 = 64;

/// A load tester for SMTP servers: closed loop, io_uring, percentiles, CPU time of both sides.
///
/// Exit status: 0 all messages accepted, 1 some were not, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "ringpost-loadtest", version)]
pub struct Options {
    /// The server, as host:port; only loopback addresses unless --allow-remote is given
    #[arg(value_name = "HOST:PORT")]
    pub target: String,

    /// Connections that are open at the same time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,

    /// Messages to send, over all connections
    #[arg(long, value_name = "M", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=999_999_999_999))]
    pub messages: u64,

    /// Octets of a message, header included, before dots are doubled: 4096, 50k (1000), 4KiB (1024), 1M, 1MiB
    #[arg(long, value_name = "SIZE", default_value = "4KiB", value_parser = parse_size)]
    pub size: u64,

    /// Threads; each has its own io_uring and its share of the connections
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,

    /// Messages on a connection before QUIT and a new one; 0: no limit
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub per_connection: u64,

    /// Use PIPELINING where the server offers it (this is the default). MAIL, RCPT and DATA go out in one write, and
    /// the next envelope, or the QUIT, goes out together with the end of the message before it (RFC 2920 section 3.1)
    #[arg(long, overrides_with = "no_pipeline")]
    pub pipeline: bool,

    /// Wait for each reply before the next command, whatever the server offers
    #[arg(long)]
    pub no_pipeline: bool,

    /// Recipients of each message
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub recipients: u32,

    /// The sender's address; an empty text is the null sender
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "loadtest@ringpost.example"
    )]
    pub from: String,

    /// The recipient's address; further recipients get +2, +3 ... behind its local part
    #[arg(long, value_name = "ADDRESS", default_value = "load@ringpost.example")]
    pub to: String,

    /// The name in EHLO
    #[arg(long, value_name = "NAME", default_value = "loadtest.ringpost.example")]
    pub helo: String,

    /// Seconds for each step: to connect and get the banner, to get one reply, to send a message and get its reply
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,

    /// Give up after this many errors (not refusals) without an accepted message in between; a connection waits up to
    /// 0.2 s after each error
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_errors: u64,

    /// Allow a target that is not a loopback address. Ask its operator first
    #[arg(long)]
    pub allow_remote: bool,

    /// Also measure this process, the server: CPU time of all its threads, peak and present memory
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,

    /// Write a line for each accepted message, "<Message-ID> text of the reply"; whole lines, every 50 ms
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,

    /// No progress on standard error
    #[arg(long)]
    pub quiet: bool,
}

/// A run that can be started: what all threads share and none changes.
pub struct Plan {
    /// The options as given.
    pub options: Options,
    /// Where to connect.
    pub address: SocketAddr,
    /// Names this run in every Message-ID: 16 hexadecimal digits.
    pub run: String,
    /// The message, built once.
    pub template: Template,
    /// The commands in front of each message, built once.
    pub envelope: Envelope,
    /// `--timeout`.
    pub timeout: Duration,
    /// `--log`.
    pub log: Option<AcceptedLog>,
    /// The server's use of the machine before the run, with `--pid`.
    pub server_before: Option<usage::ProcessUsage>,
}

impl Plan {
    /// Checks the options against each other and against the machine. The error is a text for the operator.
    pub fn new(options: Options) -> Result<Plan, String> {
        let address = resolve(&options.target, options.allow_remote)?;
        check_address("--from", &options.from, true)?;
        check_address("--to", &options.to, false)?;
        check_domain(&options.helo)?;
        let run = run_id();
        let envelope = Envelope::new(&options.from, &options.to, options.recipients);
        let header = Header {
            run: &run,
            from: &options.from,
            to: &options.to,
            date: unix_seconds(),
        };
        let size = usize::try_from(options.size).map_err(|error| error.to_string())?;
        let template = Template::new(&header, size, &envelope, options.connections as usize)
            .map_err(|smallest| {
                format!(
                    "--size {size}: the header alone takes {smallest} octets; \
                     give a size from {smallest} to {MAX_SIZE}"
                )
            })?;
        allow_open_files(options.connections)?;
        let server_before = options.pid.map(server_usage).transpose()?;
        let log = options.log.as_ref().map(create_log).transpose()?;
        let timeout = Duration::from_secs(options.timeout);
        Ok(Plan {
            options,
            address,
            run,
            template,
            envelope,
            timeout,
            log,
            server_before,
        })
    }

    /// Whether PIPELINING is to be used where it is offered.
    pub fn pipelining(&self) -> bool {
        !self.options.no_pipeline
    }
}

fn create_log(path: &PathBuf) -> Result<AcceptedLog, String> {
    let file = File::create(path).map_err(|error| {
        format!(
            "--log {}: {error}; give a file that can be written",
            path.display()
        )
    })?;
    Ok(AcceptedLog::new(file))
}

fn server_usage(pid: u32) -> Result<usage::ProcessUsage, String> {
    usage::of_process(pid).map_err(|error| {
        format!("--pid {pid}: {error}; give the id of a process that runs on this machine")
    })
}

fn resolve(target: &str, allow_remote: bool) -> Result<SocketAddr, String> {
    let addresses: Vec<SocketAddr> = target
        .to_socket_addrs()
        .map_err(|error| format!("target {target}: {error}; give host:port, e.g. 127.0.0.1:2525"))?
        .collect();
    let first = *addresses
        .first()
        .ok_or_else(|| format!("target {target}: no address found"))?;
    if !allow_remote && !first.ip().to_canonical().is_loopback() {
        return Err(format!(
            "target {target}: {} is not a loopback address. A load test of somebody else's server is an attack: \
             if this one is yours or its operator agreed, add --allow-remote",
            first.ip()
        ));
    }
    Ok(first)
}

/// An address goes into commands and header fields, so it must not end or split them.
fn check_address(option: &str, address: &str, may_be_empty: bool) -> Result<(), String> {
    if address.is_empty() && may_be_empty {
        return Ok(());
    }
    let plain = address
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"<>,".contains(&byte));
    let parts = address
        .rsplit_once('@')
        .filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if plain && parts.is_some() && address.len() <= MAX_ADDRESS {
        return Ok(());
    }
    Err(format!(
        "{option} {address:?}: give an address like load@ringpost.example, at most {MAX_ADDRESS} ASCII characters, \
         without spaces, commas and angle brackets"
    ))
}

fn check_domain(name: &str) -> Result<(), String> {
    if !name.is_empty()
        && name.len() <= MAX_DOMAIN
        && name.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Ok(());
    }
    Err(format!(
        "--helo {name:?}: give a host name of 1 to {MAX_DOMAIN} ASCII characters without spaces"
    ))
}

/// Raises the soft limit of open files as far as the hard one allows; each connection needs one.
fn allow_open_files(connections: u32) -> Result<(), String> {
    let needed = u64::from(connections) + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|_| {
        let hard = limit.maximum.unwrap_or(needed);
        format!(
            "--connections {connections}: needs {needed} open files, but the hard limit is {hard}; \
             give at most {} or raise it (ulimit -Hn)",
            hard.saturating_sub(OTHER_FILES)
        )
    })
}

/// Parses a size: a whole number and an optional unit, of 1000 (k, M, G, kB ...) or of 1024 (Ki, KiB, Mi ...).
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let factor: u64 = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => 1,
        "k" => 1000,
        "ki" => 1 << 10,
        "m" => 1_000_000,
        "mi" => 1 << 20,
        "g" => 1_000_000_000,
        "gi" => 1 << 30,
        _ => {
            return Err(format!(
                "unknown unit {unit:?}; known are k, M, G (1000) and KiB, MiB, GiB (1024)"
            ));
        }
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|size| (1..=MAX_SIZE).contains(size))
        .ok_or_else(|| {
            format!("give a size from 1 to {MAX_SIZE} octets (1GiB), e.g. 4096, 50k, 4KiB")
        })
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Differs between runs of one machine: the clock in nanoseconds, mixed with the process id.
fn run_id() -> String {
    let nanoseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let low = nanoseconds as u64;
    format!("{:016x}", low ^ (u64::from(std::process::id()) << 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_plain_decimal_or_binary() {
        for (text, size) in [
            ("1", 1),
            ("4096", 4096),
            ("50k", 50_000),
            ("50K", 50_000),
            ("50kB", 50_000),
            ("4KiB", 4096),
            ("4ki", 4096),
            ("512b", 512),
            ("1M", 1_000_000),
            ("1 MiB", 1 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn sizes_that_make_no_sense_are_refused() {
        for text in [
            "",
            "k",
            "0",
            "-1",
            "4x",
            "4KiBB",
            "1.5k",
            "2GiB",
            "99999999999999999999",
            "18446744073709551615k",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_loopback_unless_allowed() {
        assert!(resolve("127.0.0.1:25", false).is_ok());
        assert!(resolve("[::1]:25", false).is_ok());
        assert!(resolve("[::ffff:127.0.0.1]:25", false).is_ok());
        let refusal = resolve("192.0.2.1:25", false).expect_err("a remote address");
        assert!(refusal.contains("--allow-remote"), "{refusal}");
        assert!(resolve("192.0.2.1:25", true).is_ok());
        assert!(resolve("127.0.0.1", false).is_err());
    }

    #[test]
    fn addresses_cannot_break_out_of_a_command() {
        assert!(check_address("--to", "load@ringpost.example", false).is_ok());
        assert!(check_address("--from", "", true).is_ok());
        for address in [
            "",
            "load",
            "@x",
            "x@",
            "a b@x",
            "a@x>\r\nRCPT TO:<b@x",
            "a@x,b@x",
            "ä@x",
        ] {
            assert!(
                check_address("--to", address, false).is_err(),
                "{address:?}"
            );
        }
        assert!(check_domain("").is_err());
        assert!(check_domain("a\r\nQUIT").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        let options = Options::parse_from(["x", "127.0.0.1:25", "--no-pipeline", "--size", "50k"]);
        assert!(options.no_pipeline);
        assert_eq!(options.size, 50_000);
    }
}

//! What comes of the command line: a run that can be started.
//!
//! A [`Plan`] that exists is possible: the target is resolved and allowed, the sizes fit the header, the addresses can
//! stand in a command, the log file is open, the server's processes exist, and there are file descriptors for all
//! connections. Every error is a text for the operator: what, where, what is allowed.
//!
//! # BUGS
//! - Only the first address that the target resolves to is used.

pub mod schedule;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::client::tls;
use crate::content::generate::Header;
use crate::content::{Common, Content};
use crate::engine::dispatch::Timetable;
use crate::engine::misbehave::Misbehaviour;
use crate::failure::Failure;
use crate::measure::usage;
use crate::options::Options;
use crate::options::assertion::Assertion;
use crate::options::shape::{MixPart, ProxyHeader, Shape, TlsMode, Transfer, parse_mix};
use crate::plan::schedule::Pace;
use crate::tally::accepted_log::AcceptedLog;
use crate::tally::fate::Fate;

/// The longest address of RFC 5321 section 4.5.3.1.3 (a path of 256 octets with its angle brackets).
const MAX_ADDRESS: usize = 254;
/// The longest domain of RFC 5321 section 4.5.3.1.2.
const MAX_DOMAIN: usize = 255;
/// File descriptors besides those of connections: standard streams, rings, the log, Kafka, a margin.
const OTHER_FILES: u64 = 128;

/// The shape of some of the connections, ready to be used.
pub struct Profile {
    /// Where it ends on the line from 0 to 1 on which each sender has a place.
    pub up_to: f64,
    /// Messages on a connection; 0: no limit.
    pub per_connection: u64,
    /// Whether to use PIPELINING where it is offered.
    pub pipelining: bool,
    /// DATA or BDAT.
    pub transfer: Transfer,
    /// Encryption.
    pub tls: TlsMode,
    /// Its settings, with the sessions to resume.
    pub tls_settings: Arc<ClientConfig>,
    /// The PROXY header.
    pub proxy: ProxyHeader,
    /// The messages.
    pub content: Content,
    /// As `--mix` has it; empty without a mixture.
    pub text: String,
    /// Whether it works.
    pub fate: Fate,
}

/// A run that can be started: what all threads share and none changes.
pub struct Plan {
    /// The options as given.
    pub options: Options,
    /// Where to connect.
    pub address: SocketAddr,
    /// What the target resolves to besides.
    pub other_addresses: Vec<SocketAddr>,
    /// The target's name in TLS.
    pub server_name: ServerName<'static>,
    /// Names this run in every message: 16 hexadecimal digits.
    pub run: String,
    /// The shapes, at least one.
    pub profiles: Vec<Profile>,
    /// The shape of sessions that misbehave, if any do.
    bad_profile: Option<Profile>,
    /// Which messages misbehave.
    pub misbehaviour: Misbehaviour,
    /// `--source`.
    sources: Vec<IpAddr>,
    /// `--assert`.
    pub assertions: Vec<Assertion>,
    /// `--log`.
    pub log: Option<AcceptedLog>,
}

impl Plan {
    /// Checks the options against each other and against the machine.
    pub fn new(options: Options) -> Result<Plan, Failure> {
        let addresses = resolve(&options.target, options.allow_remote)?;
        Plan::of(options, addresses).map_err(Failure::Usage)
    }

    /// For the report of a run whose target has no address.
    pub fn unresolved(options: Options) -> Result<Plan, Failure> {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Plan::of(options, vec![nowhere]).map_err(Failure::Usage)
    }

    fn of(options: Options, addresses: Vec<SocketAddr>) -> Result<Plan, String> {
        let address = addresses[0];
        check_address("--from", &options.from, true)?;
        check_address("--to", &options.to, false)?;
        check_domain(&options.helo)?;
        if options.messages == Some(0) && (options.idle == 0 || options.duration.is_none()) {
            return Err("--messages 0: only together with --idle and --duration".to_owned());
        }
        let run = run_id();
        let misbehaviour = Misbehaviour::parse(
            options.misbehave.as_deref().unwrap_or(""),
            options.drip_every,
            options.drip_for,
        )?;
        let profiles = profiles(&options, &run)?;
        let bad_profile = options
            .misbehave
            .as_ref()
            .map(|_| bad_profile(&options, &run))
            .transpose()?;
        let sources = options
            .source
            .as_deref()
            .map(parse_sources)
            .transpose()?
            .unwrap_or_default();
        check_sources(&sources, address)?;
        let assertions = Assertion::parse_list(options.assert.as_deref().unwrap_or(""))?;
        if let Some(assertion) = assertions
            .iter()
            .find(|assertion| assertion.needs_verify() && !options.verify)
        {
            return Err(format!(
                "--assert {}: nobody looks; add --verify",
                assertion.text
            ));
        }
        allow_open_files(
            u64::from(options.connections) * (1 + u64::from(bad_profile.is_some()))
                + u64::from(options.idle),
        )?;
        for pid in &options.pid {
            usage::of_process(*pid).map_err(|error| {
                format!("--pid {pid}: {error}; give the id of a process that runs on this machine")
            })?;
        }
        let log = options.log.as_deref().map(create_log).transpose()?;
        Ok(Plan {
            server_name: server_name(&options.target, address),
            options,
            address,
            other_addresses: addresses[1..].to_vec(),
            run,
            profiles,
            bad_profile,
            misbehaviour,
            sources,
            assertions,
            log,
        })
    }

    /// The shape of a sender or an idle session, by its number alone and evenly spread. Senders keep theirs: a session
    /// without an end would otherwise take the place of many short ones, and in time all places.
    pub fn profile(&self, number: u64) -> &Profile {
        let position = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 2f64.powi(64);
        let found = self
            .profiles
            .iter()
            .find(|profile| position < profile.up_to);
        found.unwrap_or_else(|| self.profiles.last().expect("at least one"))
    }

    /// The shape of sessions that misbehave.
    pub fn bad_profile(&self) -> &Profile {
        self.bad_profile.as_ref().expect("only with --misbehave")
    }

    /// The source address of a session.
    pub fn source(&self, session: u64) -> Option<IpAddr> {
        let count = self.sources.len() as u64;
        (count > 0).then(|| self.sources[(session % count) as usize])
    }

    /// Whether latency counts from intended starts.
    pub fn is_open_loop(&self) -> bool {
        self.options.rate.is_some() || self.options.connection_rate.is_some()
    }

    /// Whether it is connections that have a timetable.
    pub fn paces_connections(&self) -> bool {
        self.options.connection_rate.is_some()
    }

    /// Whether connections are opened before there is a message for them: where they are reused without end, a message
    /// should not have to wait for one.
    pub fn connects_ahead(&self) -> bool {
        self.options.rate.is_some()
            && self
                .profiles
                .iter()
                .all(|profile| profile.per_connection == 0)
    }

    /// The timetable of one thread.
    pub fn timetable(&self, thread: u64, threads: u64) -> Timetable {
        let rate = self.options.rate.or(self.options.connection_rate);
        let stride = if self.paces_connections() {
            self.profiles
                .iter()
                .map(|profile| profile.per_connection)
                .max()
                .unwrap_or(1)
        } else {
            1
        };
        Timetable {
            pace: rate.map(|rate| Pace {
                rate,
                ramp: self.options.ramp,
            }),
            most: self.options.most_messages().div_ceil(stride),
            stride,
            duration: self.options.duration,
            thread,
            threads,
        }
    }

    /// Mean octets of a message, by the shares of the shapes.
    pub fn mean_octets(&self) -> f64 {
        let mut from = 0.0;
        let means = self.profiles.iter().map(|profile| {
            let share = profile.up_to - from;
            from = profile.up_to;
            share * profile.content.mean_octets()
        });
        means.sum()
    }
}

fn profiles(options: &Options, run: &str) -> Result<Vec<Profile>, String> {
    let mut parts = Vec::new();
    for text in &options.mix {
        parts.push(parse_mix(text, &options.shape)?);
    }
    if parts.is_empty() {
        parts.push(MixPart {
            share: 1.0,
            shape: options.shape.clone(),
        });
    }
    let whole: f64 = parts.iter().map(|part| part.share).sum();
    let mut up_to = 0.0;
    let mut profiles = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        up_to += part.share / whole;
        let mut profile = profile(options, run, &part.shape, up_to)?;
        profile.text = options.mix.get(index).cloned().unwrap_or_default();
        profiles.push(profile);
    }
    Ok(profiles)
}

fn profile(options: &Options, run: &str, shape: &Shape, up_to: f64) -> Result<Profile, String> {
    let common = Common {
        header: Header {
            run,
            from: &options.from,
            to: &options.to,
            date: unix_seconds(),
        },
        to: &options.to,
        connections: options.connections as usize,
    };
    let default_per_connection = u64::from(options.connection_rate.is_some());
    let per_connection = shape.per_connection.unwrap_or(default_per_connection);
    if options.connection_rate.is_some() && per_connection == 0 {
        return Err(
            "--per-connection 0: connections with a rate must end; give 1 or more".to_owned(),
        );
    }
    let transfer = shape.transfer.unwrap_or(Transfer::Data);
    if shape.chunk.is_some() && transfer != Transfer::Bdat {
        return Err("--chunk: only with --transfer bdat".to_owned());
    }
    Ok(Profile {
        up_to,
        per_connection,
        pipelining: shape.pipelining(),
        transfer,
        tls: shape.tls.unwrap_or(TlsMode::None),
        tls_settings: tls::settings(!shape.no_resumption.unwrap_or(false))?,
        proxy: shape.proxy.unwrap_or(ProxyHeader::None),
        content: Content::new(shape, &common)?,
        text: String::new(),
        fate: Fate::default(),
    })
}

/// In clear and with DATA.
fn bad_profile(options: &Options, run: &str) -> Result<Profile, String> {
    let shape = Shape {
        transfer: Some(Transfer::Data),
        chunk: None,
        tls: Some(TlsMode::None),
        body: None,
        ..options.shape.clone()
    };
    profile(options, run, &shape, 1.0)
}

fn create_log(path: &Path) -> Result<AcceptedLog, String> {
    let file = File::create(path).map_err(|error| {
        format!(
            "--log {}: {error}; give a file that can be written",
            path.display()
        )
    })?;
    Ok(AcceptedLog::new(file))
}

fn server_name(target: &str, address: SocketAddr) -> ServerName<'static> {
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| ServerName::from(address.ip()))
}

fn has_port(target: &str) -> bool {
    target
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// Resolves a target to one address or more, and refuses one that is not on this machine unless that is allowed.
pub fn resolve(target: &str, allow_remote: bool) -> Result<Vec<SocketAddr>, Failure> {
    let form = "give host:port, e.g. 127.0.0.1:2525";
    if let Some((scheme, rest)) = target.split_once("://") {
        let rest = rest.trim_end_matches('/');
        return Err(Failure::Usage(format!(
            "target {target:?}: leave the scheme {scheme}:// out; {form}{}",
            if has_port(rest) {
                format!(" (here {rest})")
            } else {
                String::new()
            }
        )));
    }
    if !has_port(target) {
        let what = match target.rsplit_once(':') {
            _ if target.is_empty() => "a host and a port are missing",
            Some(("", _)) => "the host is missing",
            Some((host, port)) if !host.contains(':') && !port.is_empty() => {
                "the port is no number from 0 to 65535"
            }
            _ => "the port is missing",
        };
        let text = format!("target {target:?}: {what}; {form}");
        return Err(Failure::Usage(text));
    }
    let addresses: Vec<SocketAddr> = target
        .to_socket_addrs()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput => {
                Failure::Usage(format!("target {target:?}: {error}; {form}"))
            }
            _ => Failure::Run(format!(
                "target {target}: the name does not resolve ({error}); check the name, or give an address"
            )),
        })?
        .collect();
    let first = *addresses
        .first()
        .ok_or_else(|| Failure::Run(format!("target {target}: the name has no address")))?;
    if !allow_remote && !first.ip().to_canonical().is_loopback() {
        return Err(Failure::Usage(format!(
            "target {target}: {} is not a loopback address. A load test of somebody else's server is an attack: \
             if this one is yours or its operator agreed, add --allow-remote",
            first.ip()
        )));
    }
    Ok(addresses)
}

/// Parses `127.0.0.2,127.0.0.10-127.0.0.12`.
fn parse_sources(list: &str) -> Result<Vec<IpAddr>, String> {
    const MOST: u32 = 65_536;
    let wrong = |part: &str| {
        format!(
            "--source {part:?}: give addresses, 127.0.0.2,127.0.0.3 or 127.0.0.2-127.0.0.9, at most {MOST}"
        )
    };
    let mut sources = Vec::new();
    for part in list.split(',').map(str::trim) {
        match part.split_once('-') {
            None => sources.push(part.parse().map_err(|_| wrong(part))?),
            Some((from, to)) => {
                let from: Ipv4Addr = from.trim().parse().map_err(|_| wrong(part))?;
                let to: Ipv4Addr = to.trim().parse().map_err(|_| wrong(part))?;
                let (from, to) = (u32::from(from), u32::from(to));
                if from > to || to - from >= MOST {
                    return Err(wrong(part));
                }
                sources.extend((from..=to).map(|address| IpAddr::from(Ipv4Addr::from(address))));
            }
        }
    }
    Ok(sources)
}

fn check_sources(sources: &[IpAddr], target: SocketAddr) -> Result<(), String> {
    match sources
        .iter()
        .find(|source| source.is_ipv4() != target.is_ipv4())
    {
        Some(source) => Err(format!(
            "--source {source}: the target {target} is of the other kind of address"
        )),
        None => Ok(()),
    }
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
pub fn allow_open_files(connections: u64) -> Result<(), String> {
    let needed = connections + OTHER_FILES;
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
            "{connections} connections need {needed} open files, but the hard limit is {hard}; \
             ask for at most {} or raise it (ulimit -Hn)",
            hard.saturating_sub(OTHER_FILES)
        )
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
    use clap::Parser;

    fn plan(words: &[&str]) -> Result<Plan, Failure> {
        let words = ["x", "127.0.0.1:25"].iter().chain(words);
        Plan::new(Options::parse_from(words))
    }

    #[test]
    fn only_loopback_unless_allowed() {
        assert!(resolve("127.0.0.1:25", false).is_ok());
        assert!(resolve("[::1]:25", false).is_ok());
        assert!(resolve("[::ffff:127.0.0.1]:25", false).is_ok());
        let refusal = resolve("192.0.2.1:25", false).expect_err("a remote address");
        assert!(matches!(&refusal, Failure::Usage(text) if text.contains("--allow-remote")));
        assert!(resolve("192.0.2.1:25", true).is_ok());
        for target in [
            "127.0.0.1",
            "127.0.0.1:",
            ":25",
            "127.0.0.1:70000",
            "[::1]",
            "",
        ] {
            let error = resolve(target, false).expect_err(target);
            assert!(matches!(error, Failure::Usage(_)), "{target}: {error:?}");
        }
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
    fn sources_are_lists_and_ranges() {
        let sources = parse_sources("127.0.0.2,127.0.1.254-127.0.2.1").expect("fits");
        let texts: Vec<String> = sources.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "127.0.0.2",
                "127.0.1.254",
                "127.0.1.255",
                "127.0.2.0",
                "127.0.2.1"
            ]
        );
        for list in ["", "x", "127.0.0.9-127.0.0.2", "10.0.0.0-11.0.0.0"] {
            assert!(parse_sources(list).is_err(), "{list}");
        }
        assert!(plan(&["--source", "::1"]).is_err());
    }

    #[test]
    fn senders_take_their_shares_of_a_mixture() {
        let plan =
            plan(&["--mix", "30% --per-connection 1", "--mix", "10% --size 50k"]).expect("fits");
        let singles = (0..1000)
            .filter(|number| plan.profile(*number).per_connection == 1)
            .count();
        assert!((745..=755).contains(&singles), "{singles}");
        assert!((plan.mean_octets() - (0.75 * 4096.0 + 0.25 * 50_000.0)).abs() < 1.0);
    }

    #[test]
    fn options_that_contradict_each_other_are_named() {
        for words in [
            &["--connection-rate", "5", "--per-connection", "0"][..],
            &["--messages", "0"],
            &["--chunk", "1k"],
            &["--body", "binary"],
            &["--misbehave", "nap=1%"],
            &["--assert", "p99"],
            &["--assert", "lost=0"],
            &["--pid", "4000000000"],
        ] {
            assert!(plan(words).is_err(), "{words:?}");
        }
    }
}

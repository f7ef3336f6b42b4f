//! A run that can be started: the options, checked against each other and against the machine.
//!
//! A [`Plan`] that exists is possible: the target is resolved and allowed, the sizes fit the header, the addresses can
//! stand in a command, the log file is open, the server's processes exist, and there are file descriptors for all
//! connections.
//!
//! # BUGS
//! - Only the first address that the target resolves to is used.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::ServerName;

use super::addresses::{check_address, check_domain};
use super::open_files::allow_open_files;
use super::profile::{Profile, bad_profile, profiles};
use super::schedule::{Pace, Timetable};
use super::sources::{check_sources, parse_sources};
use super::target::resolve;
use crate::failure::{Failure, Wrong};
use crate::measure::usage;
use crate::options::Options;
use crate::options::assertion::Assertion;
use crate::options::misbehaviour::Misbehaviour;
use crate::tally::AcceptedLog;

/// A run that can be started: what all threads share and none changes, but for the log.
pub(crate) struct Plan {
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
    /// How messages misbehave, if any do.
    pub bad: Option<Bad>,
    /// `--source`.
    sources: Vec<IpAddr>,
    /// `--assert`.
    pub assertions: Vec<Assertion>,
    /// `--log`.
    pub log: Option<AcceptedLog>,
}

/// What `--misbehave` asks for.
pub(crate) struct Bad {
    /// Which messages misbehave, and how.
    pub misbehaviour: Misbehaviour,
    /// The shape of their sessions.
    pub profile: Profile,
}

impl Plan {
    /// Checks the options against each other and against the machine.
    pub(crate) fn new(options: Options) -> Result<Plan, Failure> {
        let addresses = resolve(&options.target, options.allow_remote)?;
        Plan::of(options, addresses)
    }

    /// For the report of a run whose target has no address.
    pub(crate) fn unresolved(options: Options) -> Result<Plan, Failure> {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Plan::of(options, vec![nowhere])
    }

    fn of(options: Options, mut addresses: Vec<SocketAddr>) -> Result<Plan, Failure> {
        let address = addresses.remove(0);
        check_address("--from", &options.from, true)?;
        check_address("--to", &options.to, false)?;
        check_domain(&options.helo)?;
        if options.messages == Some(0) && (options.idle == 0 || options.duration.is_none()) {
            let wrong = Wrong::at("--messages").given(0);
            return Err(wrong.fix("only together with --idle and --duration").into());
        }
        let run = run_id();
        let profiles = profiles(&options, &run)?;
        let bad = bad(&options, &run)?;
        let sources = match &options.source {
            Some(list) => parse_sources(list)?,
            None => Vec::new(),
        };
        check_sources(&sources, address)?;
        let assertions = assertions(&options)?;
        allow_open_files(
            u64::from(options.connections) * (1 + u64::from(bad.is_some()))
                + u64::from(options.idle),
        )?;
        check_processes(&options.pid)?;
        let log = options.log.as_deref().map(create_log).transpose()?;
        Ok(Plan {
            server_name: server_name(&options.target, address),
            options,
            address,
            other_addresses: addresses,
            run,
            profiles,
            bad,
            sources,
            assertions,
            log,
        })
    }

    /// The shape of a sender or an idle session, by its number alone and evenly spread. Senders keep theirs: a session
    /// without an end would otherwise take the place of many short ones, and in time all places.
    pub(crate) fn profile(&self, number: u64) -> &Profile {
        let position = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 2f64.powi(64);
        let found = self
            .profiles
            .iter()
            .find(|profile| position < profile.up_to);
        found.unwrap_or_else(|| self.profiles.last().expect("at least one"))
    }

    /// The source address of a session.
    pub(crate) fn source(&self, session: u64) -> Option<IpAddr> {
        let count = self.sources.len() as u64;
        (count > 0).then(|| self.sources[(session % count) as usize])
    }

    /// Whether latency counts from intended starts.
    pub(crate) fn is_open_loop(&self) -> bool {
        self.options.rate.is_some() || self.options.connection_rate.is_some()
    }

    /// Whether connections have the timetable, not messages.
    pub(crate) fn paces_connections(&self) -> bool {
        self.options.connection_rate.is_some()
    }

    /// Whether connections are opened before there is a message for them: where they are reused without end, a message
    /// should not have to wait for one.
    pub(crate) fn connects_ahead(&self) -> bool {
        self.options.rate.is_some()
            && self
                .profiles
                .iter()
                .all(|profile| profile.per_connection == 0)
    }

    /// The timetable of one thread.
    pub(crate) fn timetable(&self, thread: u64, threads: u64) -> Timetable {
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

    /// Mean bytes of a message, by the shares of the shapes.
    pub(crate) fn mean_size(&self) -> f64 {
        let mut from = 0.0;
        let means = self.profiles.iter().map(|profile| {
            let share = profile.up_to - from;
            from = profile.up_to;
            share * profile.content.mean_size()
        });
        means.sum()
    }
}

fn bad(options: &Options, run: &str) -> Result<Option<Bad>, Wrong> {
    let Some(list) = &options.misbehave else {
        return Ok(None);
    };
    Ok(Some(Bad {
        misbehaviour: Misbehaviour::parse(list, options.drip_every, options.drip_for)?,
        profile: bad_profile(options, run)?,
    }))
}

fn assertions(options: &Options) -> Result<Vec<Assertion>, Failure> {
    let assertions = Assertion::parse_list(options.assert.as_deref().unwrap_or(""))?;
    let unseen = assertions.iter().find(|assertion| assertion.needs_verify());
    match unseen {
        Some(assertion) if !options.verify => Err(Wrong::at("--assert")
            .given(&assertion.text)
            .problem("nobody looks")
            .fix("add --verify")
            .into()),
        _ => Ok(assertions),
    }
}

fn check_processes(pids: &[u32]) -> Result<(), Wrong> {
    for pid in pids {
        usage::of_process(*pid).map_err(|error| {
            let wrong = Wrong::at("--pid").given(pid).source(error);
            wrong.fix("give the id of a process that runs on this machine")
        })?;
    }
    Ok(())
}

fn create_log(path: &Path) -> Result<AcceptedLog, Wrong> {
    let file = File::create(path).map_err(|error| {
        let wrong = Wrong::at("--log").given(path.display()).source(error);
        wrong.fix("give a file that can be written")
    })?;
    Ok(AcceptedLog::new(file))
}

fn server_name(target: &str, address: SocketAddr) -> ServerName<'static> {
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| ServerName::from(address.ip()))
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
    fn senders_take_their_shares_of_a_mixture() {
        let plan =
            plan(&["--mix", "30% --per-connection 1", "--mix", "10% --size 50k"]).expect("fits");
        let singles = (0..1000)
            .filter(|number| plan.profile(*number).per_connection == 1)
            .count();
        assert!((745..=755).contains(&singles), "{singles}");
        assert!((plan.mean_size() - (0.75 * 4096.0 + 0.25 * 50_000.0)).abs() < 1.0);
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

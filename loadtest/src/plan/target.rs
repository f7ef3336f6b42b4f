//! The target: a host and a port become addresses.
//!
//! Invariant: an address that is not on this machine comes out only where that was allowed.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use thiserror::Error;

use crate::failure::{Blame, Blamed, Failure, Wrong};

const FORM: &str = "give host:port, e.g. 127.0.0.1:2525";

/// The name of the target has no address.
#[derive(Debug, Error)]
pub(super) enum Unresolved {
    /// The name service says so, or does not answer.
    #[error(
        "target {target}: the name does not resolve ({source}); check the name, or give an address"
    )]
    NoAnswer {
        /// The target.
        target: String,
        /// What the name service said.
        source: io::Error,
    },
    /// It answered with nothing.
    #[error("target {target}: the name has no address")]
    NoAddress {
        /// The target.
        target: String,
    },
}

impl Blamed for Unresolved {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

fn has_port(target: &str) -> bool {
    target
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// Resolves a target to one address or more, and refuses one that is not on this machine unless that is allowed.
pub(crate) fn resolve(target: &str, allow_remote: bool) -> Result<Vec<SocketAddr>, Failure> {
    check_form(target)?;
    let addresses: Vec<SocketAddr> = match target.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let wrong = Wrong::at("target").quoted(target);
            return Err(wrong.source(error).fix(FORM).into());
        }
        Err(source) => {
            let target = target.to_owned();
            return Err(Unresolved::NoAnswer { target, source }.into());
        }
    };
    let Some(first) = addresses.first() else {
        let target = target.to_owned();
        return Err(Unresolved::NoAddress { target }.into());
    };
    if !allow_remote && !first.ip().to_canonical().is_loopback() {
        return Err(Wrong::at("target")
            .given(target)
            .problem(format_args!(
                "{} is not a loopback address. A load test of somebody else's server is an attack: \
                 if this one is yours or its operator agreed, add --allow-remote",
                first.ip()
            ))
            .into());
    }
    Ok(addresses)
}

/// Whether it is a host and a port, by its form alone.
fn check_form(target: &str) -> Result<(), Wrong> {
    let wrong = Wrong::at("target").quoted(target);
    if let Some((scheme, rest)) = target.split_once("://") {
        let rest = rest.trim_end_matches('/');
        let here = if has_port(rest) {
            format!(" (here {rest})")
        } else {
            String::new()
        };
        return Err(wrong
            .problem(format_args!("leave the scheme {scheme}:// out"))
            .fix(format_args!("{FORM}{here}")));
    }
    if has_port(target) {
        return Ok(());
    }
    let what = match target.rsplit_once(':') {
        _ if target.is_empty() => "a host and a port are missing",
        Some(("", _)) => "the host is missing",
        Some((host, port)) if !host.contains(':') && !port.is_empty() => {
            "the port is no number from 0 to 65535"
        }
        _ => "the port is missing",
    };
    Err(wrong.problem(what).fix(FORM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_unless_allowed() {
        assert!(resolve("127.0.0.1:25", false).is_ok());
        assert!(resolve("[::1]:25", false).is_ok());
        assert!(resolve("[::ffff:127.0.0.1]:25", false).is_ok());
        let refusal = resolve("192.0.2.1:25", false).expect_err("a remote address");
        assert_eq!(refusal.blame(), Blame::Operator);
        assert!(refusal.to_string().contains("--allow-remote"));
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
            assert_eq!(error.blame(), Blame::Operator, "{target}: {error:?}");
        }
    }
}

//! Which names a request may ask for.
//!
//! Owns: the rule. Must not know: pages.
//!
//! A page of somebody else, open in the browser of an operator, cannot read what is on the operator's 127.0.0.1, unless its own name
//! is made to lead there (DNS rebinding): then the browser takes ringpost's pages for that site's. Such a request has the site's name
//! in its Host field. A listener on a loopback address therefore answers only what nobody on the internet can be named: an IP
//! address, a name without a dot such as `localhost`, and the server's own name.
//!
//! Invariant: a request without a Host field is answered: no browser sends one.

use std::net::IpAddr;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    bound: IpAddr,
    own: String,
}

impl Hosts {
    /// Of a listener that is bound to this address, of the server of this name.
    pub(super) fn new(bound: IpAddr, own: &str) -> Self {
        Self {
            bound: bound.to_canonical(),
            own: own.trim_end_matches('.').to_ascii_lowercase(),
        }
    }

    /// Whether a request for this host is answered. It may have a port.
    pub(super) fn allow(&self, host: &str) -> bool {
        if !self.bound.is_loopback() {
            return true;
        }
        let name = without_port(host).trim_end_matches('.');
        let bracketed = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if bracketed.unwrap_or(name).parse::<IpAddr>().is_ok() {
            return true;
        }
        let name = name.to_ascii_lowercase();
        !name.contains('.') || name == self.own || name.ends_with(".localhost")
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_only_what_no_stranger_can_be_named_is_answered() {
        for bound in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            let hosts = Hosts::new(bound.parse().unwrap(), "MX.example.net.");
            for host in [
                "127.0.0.1:9925",
                "127.0.0.1",
                "[::1]:9925",
                "[::1]",
                "192.0.2.1:80",
                "localhost",
                "LOCALHOST:9925",
                "localhost.",
                "ringpost:9925",
                "ringpost.localhost:9925",
                "mx.example.net",
                "Mx.Example.Net.:9925",
                "",
            ] {
                assert!(hosts.allow(host), "{bound}: {host}");
            }
            for host in [
                "rebound.example",
                "rebound.example:9925",
                "rebound.example.",
                "127.0.0.1.rebound.example",
                "localhost.rebound.example",
                "evil-mx.example.net",
                "mx.example.net.rebound.example:9925",
            ] {
                assert!(!hosts.allow(host), "{bound}: {host}");
            }
        }
    }

    #[test]
    fn elsewhere_the_network_decides_who_may_ask() {
        for bound in ["0.0.0.0", "::", "10.0.0.7"] {
            let hosts = Hosts::new(bound.parse().unwrap(), "mx.example.net");
            assert!(hosts.allow("ringpost-0.mail.svc.cluster.local:9925"));
        }
    }
}

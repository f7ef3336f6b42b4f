//! Addresses to listen on, and names of hosts and domains.
//!
//! Knows no resolver: a name is checked by its letters alone, and where an address is needed, a name is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ringpost_proto::smtp::access::Network;
use ringpost_proto::smtp::address::is_address_literal;
use ringpost_proto::smtp::domain::{self, NotADomain};

use crate::config::reason::Reason;

/// An address with its port. Host names are refused: a listener has to know its interface without asking anybody.
pub(in crate::config) fn address(text: &str) -> Result<SocketAddr, Reason> {
    let text = text.trim();
    text.parse().map_err(|_| Reason::NotAnAddress {
        beyond_all: has_port_beyond_all(text),
        meant: meant_address(text),
    })
}

/// The address that was probably meant by one that cannot be read.
fn meant_address(text: &str) -> Option<String> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return None;
    }
    if text.contains(',') {
        return Some(
            "each address as an item of the list, [\"0.0.0.0:25\", \"[::1]:25\"]".to_owned(),
        );
    }
    if let Some(meant) = meant_ipv6(text) {
        return Some(meant);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(with_port(ip, 25));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => ("", text),
        None => (text, "25"),
    };
    let port = match port {
        "" | "smtp" => 25,
        "smtps" | "submissions" => 465,
        "submission" => 587,
        digits => digits.parse::<u16>().ok().or_else(|| too_large(digits))?,
    };
    let every = "for every interface";
    match host {
        "localhost" => Some(format!(
            "{} (host names are not looked up)",
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        )),
        "" | "*" => Some(format!("0.0.0.0:{port} {every}, or [::]:{port}")),
        _ => host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .ok()
            .map(|ip| SocketAddr::from((ip, port)).to_string()),
    }
}

/// Whether a number is written in place of the port, and is no port.
fn has_port_beyond_all(text: &str) -> bool {
    let port = text.trim_end_matches('/').rsplit(':').next();
    port.is_some_and(|digits| too_large(digits).is_some() && digits.parse::<u16>().is_err())
}

/// 25 in place of a number that is no port.
fn too_large(digits: &str) -> Option<u16> {
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(25)
}

fn with_port(ip: IpAddr, port: u16) -> String {
    format!(
        "{} (an address and the port to listen on)",
        SocketAddr::new(ip, port)
    )
}

/// The same for what looks like IPv6. Without brackets nobody can tell an address's last group from a port: what can be
/// read both ways is shown both ways.
fn meant_ipv6(text: &str) -> Option<String> {
    if let Some(meant) = meant_zone(text) {
        return Some(meant);
    }
    let bare = text.trim_matches(['[', ']']);
    let whole = bare.parse::<Ipv6Addr>().ok();
    let divided = bare.rsplit_once(':').and_then(|(host, port)| {
        let host: Ipv6Addr = host.trim_end_matches(']').parse().ok()?;
        let port: u16 = port.parse().ok()?;
        Some(SocketAddr::from((host, port)))
    });
    match (divided, whole) {
        // In `::25`, the zeros come before a port: nobody has that address.
        (None, Some(ip)) if ip.to_bits() <= u128::from(u16::MAX) && ip.to_bits() > 0xf => {
            let port = bare.rsplit_once(':').map_or("", |(_, port)| port);
            match port.parse::<u16>() {
                Ok(port) => Some(format!("[::]:{port} for every interface")),
                Err(_) => Some(with_port(ip.into(), 25)),
            }
        }
        (None, Some(ip)) => Some(with_port(ip.into(), 25)),
        (Some(divided), None) => Some(divided.to_string()),
        (Some(divided), Some(ip)) => Some(format!(
            "{divided}, or [{ip}]:25 if all of it is the address"
        )),
        (None, None) => None,
    }
}

/// A link-local address names its interface by its number.
fn meant_zone(text: &str) -> Option<String> {
    let (ip, rest) = text.trim_start_matches('[').split_once('%')?;
    let ip: Ipv6Addr = ip.parse().ok()?;
    let rest = rest.replace(']', "");
    let (zone, port) = rest.split_once(':').unwrap_or((&rest, "25"));
    let port: u16 = port.parse().ok()?;
    if zone.parse::<u32>().is_ok() {
        return Some(format!("[{ip}%{zone}]:{port}"));
    }
    Some(format!(
        "[{ip}%N]:{port} with the number of the interface {zone} for N, which /sys/class/net/{zone}/ifindex has"
    ))
}

/// A network, or an address alone.
pub(in crate::config) fn network(text: &str) -> Result<Network, Reason> {
    Ok(Network::parse(text)?)
}

/// The name of this server: a domain name, or an address literal (RFC 5321 4.1.3). Empty stays empty.
pub(in crate::config) fn host_name(text: &str) -> Result<String, Reason> {
    let text = text.trim();
    if text.is_empty() || is_address_literal(text.as_bytes()) {
        return Ok(text.to_owned());
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        let literal = literal(ip);
        return Err(Reason::BareAddress { literal });
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    // SMTP takes an underscore in a client's domain; the name of a host has none (RFC 5321 4.1.2).
    if name.contains('_') {
        return Err(NotADomain::Character.into());
    }
    domain_name(name)
}

fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

/// A domain as it is written; one with U-labels (RFC 5890), in the form of its A-labels.
pub(super) fn domain_name(name: &str) -> Result<String, Reason> {
    // 255 octets on the wire are 253 characters in text: the first length octet and the root's fall away.
    const CHARACTERS: usize = 253;
    if name.is_ascii() && name.len() > CHARACTERS {
        return Err(Reason::LongName);
    }
    if name.ends_with('.') {
        return Err(NotADomain::EmptyLabel.into());
    }
    domain::check(name.as_bytes())?;
    if !name.is_ascii() {
        return Ok(domain::normal(name).into_owned());
    }
    if !domain::has_valid_a_labels(name) {
        return Err(Reason::NotAnALabel);
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_an_ip_and_a_port() {
        for text in ["0.0.0.0:25", "[::]:25", "127.0.0.1:0", "[2001:db8::1]:2525"] {
            assert_eq!(address(text).map(|a| a.to_string()), Ok(text.to_owned()));
        }
        let cases = [
            (
                "localhost:2525",
                "write 127.0.0.1:2525 (host names are not looked up)",
            ),
            (":25", "write 0.0.0.0:25 for every interface, or [::]:25"),
            ("*:25", "write 0.0.0.0:25 for every interface, or [::]:25"),
            ("25", "write 0.0.0.0:25 for every interface, or [::]:25"),
            (
                "127.0.0.1",
                "write 127.0.0.1:25 (an address and the port to listen on)",
            ),
            (
                "::1",
                "write [::1]:25 (an address and the port to listen on)",
            ),
            (
                "[::1]",
                "write [::1]:25 (an address and the port to listen on)",
            ),
            (
                "::1:2525",
                "write [::1]:2525, or [::1:2525]:25 if all of it is the address",
            ),
            (
                "2001:db8::1:25",
                "write [2001:db8::1]:25, or [2001:db8::1:25]:25 if all of it is the address",
            ),
            ("2001:db8:0:0:0:0:0:1:25", "write [2001:db8::1]:25"),
            (
                "2001:db8::1",
                "write [2001:db8::1]:25 (an address and the port to listen on)",
            ),
            (":::25", "write [::]:25"),
            ("::25", "write [::]:25 for every interface"),
            ("::", "write [::]:25 (an address and the port to listen on)"),
            ("[::1]:", "write [::1]:25"),
            (
                "[::1:2525]",
                "write [::1]:2525, or [::1:2525]:25 if all of it is the address",
            ),
            (
                "fe80::1%eth0:25",
                "write [fe80::1%N]:25 with the number of the interface eth0 for N, which /sys/class/net/eth0/ifindex has",
            ),
            (
                "[fe80::1%eth0]:2525",
                "write [fe80::1%N]:2525 with the number of the interface eth0 for N, which /sys/class/net/eth0/ifindex has",
            ),
            ("fe80::1%2", "write [fe80::1%2]:25"),
            (
                "localhost",
                "write 127.0.0.1:25 (host names are not looked up)",
            ),
            ("*", "write 0.0.0.0:25 for every interface, or [::]:25"),
            ("127.0.0.1:", "write 127.0.0.1:25"),
            ("0.0.0.0:smtp", "write 0.0.0.0:25"),
            ("[127.0.0.1]:25", "write 127.0.0.1:25"),
            ("smtp://0.0.0.0:25/", "write 0.0.0.0:25"),
            ("127.0.0.1:65536", "write 127.0.0.1:25"),
            (
                "127.0.0.1:25,[::1]:25",
                "write each address as an item of the list, [\"0.0.0.0:25\", \"[::1]:25\"]",
            ),
            (
                "mx.example.net:25",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
            (
                "",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
        ];
        for (text, end) in cases {
            let why = address(text).expect_err(text).to_string();
            assert!(
                why.starts_with("is not an IP address with a port"),
                "{text}: {why}"
            );
            assert!(why.ends_with(end), "{text}: {why}");
            let is_beyond = text == "127.0.0.1:65536";
            assert_eq!(why.contains("ports end at 65535"), is_beyond, "{text}");
        }
        for text in ["99999", "[::1]:65536", "0.0.0.0:70000"] {
            let why = address(text).expect_err(text).to_string();
            assert!(why.contains("ports end at 65535: write "), "{why}");
        }
    }

    #[test]
    fn host_names_are_domains_or_literals() {
        let good = [
            "mx.example.net",
            "mx",
            "MX-1.example",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "xn--mnchen-3ya.example",
            "",
        ];
        for text in good {
            assert_eq!(host_name(text), Ok(text.to_owned()));
        }
        for (text, name) in [
            ("mx.example.net.", "mx.example.net"),
            ("münchen.example", "xn--mnchen-3ya.example"),
        ] {
            assert_eq!(host_name(text), Ok(name.to_owned()));
        }
        let cases = [
            (
                "192.0.2.1",
                "is a bare address: write it as a literal, [192.0.2.1]",
            ),
            (
                "2001:db8::1",
                "is a bare address: write it as a literal, [IPv6:2001:db8::1]",
            ),
            (
                "[2001:db8::1]",
                "is a bare address: write it as a literal, [IPv6:2001:db8::1]",
            ),
            (
                "mx_1.example",
                "is not a domain name: only letters, digits, hyphens and dots are allowed",
            ),
            (
                "mx example",
                "is not a domain name: only letters, digits, hyphens and dots are allowed",
            ),
            (
                "mx..example",
                "is not a domain name: it has nothing between two dots",
            ),
            (".", "is not a domain name: it is empty"),
            (
                "-mx.example",
                "is not a domain name: a part between dots begins or ends with a hyphen",
            ),
            (
                "mx-.example",
                "is not a domain name: a part between dots begins or ends with a hyphen",
            ),
            (
                "mün\u{200b}chen.example",
                "is not a domain name: a part with letters outside of ASCII is no U-label (RFC 5890), or too long",
            ),
            (
                "xn--a.example",
                "is not a domain name: a part that begins with xn-- is not an A-label (RFC 5890)",
            ),
        ];
        for (text, why) in cases {
            let said = host_name(text).expect_err(text).to_string();
            assert_eq!(said, why, "{text}");
        }
    }

    #[test]
    fn lengths_of_domain_names_are_bounded() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), 253);
        assert_eq!(domain_name(&longest), Ok(longest.clone()));
        assert!(domain_name(&format!("{longest}a")).is_err());
        assert!(domain_name(&format!("a{label}.example")).is_err());
    }
}

//! Addresses to listen on, and names of hosts and domains.
//!
//! Knows no resolver: a name is checked by its letters alone, and where an address is asked for, no name will do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address with its port. Host names are refused: a listener has to know its interface without asking anybody.
pub(in crate::config) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    text.parse().map_err(|_| {
        let problem = "is not an IP address with a port";
        match meant_address(text) {
            Some(meant) => format!("{problem}: write {meant}"),
            None => {
                format!("{problem}, such as 0.0.0.0:25 or [::]:25; host names are not looked up")
            }
        }
    })
}

/// The address that was probably meant by one that cannot be read.
fn meant_address(text: &str) -> Option<String> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(format!(
            "{} (an address and the port to listen on)",
            SocketAddr::new(ip, 25)
        ));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().ok()?;
    let every = "for every interface";
    match host {
        "localhost" => Some(format!(
            "{} (host names are not looked up)",
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        )),
        "" | "*" => Some(format!("0.0.0.0:{port} {every}, or [::]:{port}")),
        _ => host
            .parse::<Ipv6Addr>()
            .ok()
            .map(|ip| SocketAddr::from((ip, port)).to_string()),
    }
}

/// The name of this server: a domain name, or an address literal (RFC 5321 4.1.3). Empty stays empty.
pub(in crate::config) fn host_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || is_literal(text) {
        return Ok(text.to_owned());
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Err(format!(
            "is a bare address: write it as a literal, {}",
            literal(ip)
        ));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    domain_name(name).map(|()| name.to_owned())
}

fn is_literal(text: &str) -> bool {
    let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return false;
    };
    match inner.strip_prefix("IPv6:") {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => inner.parse::<Ipv4Addr>().is_ok(),
    }
}

fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

/// Checks a name of letters, digits and hyphens (RFC 5321 4.1.2, RFC 1035 2.3.4).
pub(super) fn domain_name(name: &str) -> Result<(), String> {
    // 255 octets on the wire are 253 characters in text: the first length octet and the root's fall away.
    const CHARACTERS: usize = 253;
    const LABEL_CHARACTERS: usize = 63;
    let wrong = |why: &str| Err(format!("is not a domain name: {why}"));
    if name.is_empty() {
        return wrong("it is empty");
    }
    if !name.is_ascii() {
        return wrong("letters outside of ASCII are written in their xn-- form");
    }
    if name.len() > CHARACTERS {
        return wrong("it is longer than 253 characters");
    }
    for label in name.split('.') {
        let bytes = label.as_bytes();
        if bytes.is_empty() {
            return wrong("it has nothing between two dots");
        }
        if bytes.len() > LABEL_CHARACTERS {
            return wrong("a part between dots is longer than 63 characters");
        }
        if !bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        {
            return wrong("only letters, digits, hyphens and dots are allowed");
        }
        if bytes.starts_with(b"-") || bytes.ends_with(b"-") {
            return wrong("a part between dots begins or ends with a hyphen");
        }
    }
    Ok(())
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
            ("2001:db8:0:0:0:0:0:1:25", "write [2001:db8::1]:25"),
            (
                "mx.example.net:25",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
            (
                "127.0.0.1:65536",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
            (
                "127.0.0.1:25,[::1]:25",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
            (
                "",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
        ];
        for (text, end) in cases {
            let why = address(text).expect_err(text);
            assert!(
                why.starts_with("is not an IP address with a port"),
                "{text}: {why}"
            );
            assert!(why.ends_with(end), "{text}: {why}");
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
        assert_eq!(
            host_name("mx.example.net."),
            Ok("mx.example.net".to_owned())
        );
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
                "münchen.example",
                "is not a domain name: letters outside of ASCII are written in their xn-- form",
            ),
        ];
        for (text, why) in cases {
            assert_eq!(host_name(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn lengths_of_domain_names_are_bounded() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), 253);
        assert_eq!(domain_name(&longest), Ok(()));
        assert!(domain_name(&format!("{longest}a")).is_err());
        assert!(domain_name(&format!("a{label}.example")).is_err());
    }
}

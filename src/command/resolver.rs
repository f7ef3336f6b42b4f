//! A DNS resolver, as flags name one.
//!
//! Owns: its forms. Must not know: what it is asked.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Port of the DNS.
const DNS_PORT: u16 = 53;

/// A DNS resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server(pub SocketAddr);

/// It is no address of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is not an IP address with or without a port, such as 127.0.0.1, 127.0.0.1:5353 or [::1]:53"
)]
pub struct NotAServer;

impl FromStr for Server {
    type Err = NotAServer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self(SocketAddr::new(address, DNS_PORT)));
        }
        text.parse().map(Self).map_err(|_| NotAServer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_an_address_with_or_without_a_port() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(text.parse(), Ok(Server(address.parse().unwrap())));
        }
        for text in ["", "localhost", "192.0.2.1:", "192.0.2.1:99999", "192.0.2"] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }
}

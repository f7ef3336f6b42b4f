//! The header of the PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): which client a proxy speaks for.
//!
//! Owns: the syntax of the header and its bounds. Must not know: sockets, and which proxies are believed.
//!
//! Invariants: the verdict on some octets is never changed by the octets after them; no header is longer than
//! [`PROXY_HEADER_OCTETS`]; what cannot become a header is invalid as early as its first wrong octet of the signature.
//!
//! BUGS: TLVs are skipped, not read: neither the checksum (PP2_TYPE_CRC32C) nor what the proxy knows of TLS is used. A
//! client that is not TCP over IPv4 or IPv6 (UNKNOWN, UNIX sockets, datagrams) counts as the proxy itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::limits::{PROXY_HEADER_OCTETS, PROXY_LINE_OCTETS};

/// What the first octets of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The front of a header; more octets are needed.
    Incomplete,
    /// No header, and why: the connection is to be closed without a reply.
    Invalid(Invalid),
    /// The connection of a client.
    Proxied {
        /// The client's address.
        source: SocketAddr,
        /// Octets of the header.
        consumed: usize,
    },
    /// A connection of the proxy's own (a health check), or of a client that the header cannot name: the peer of the
    /// socket counts as the client.
    Local {
        /// Octets of the header.
        consumed: usize,
    },
}

/// Why octets are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// It begins with neither signature.
    NoHeader,
    /// Version 1: no line ends within 107 octets.
    LongLine,
    /// Version 1: the line ends with LF alone.
    NoCr,
    /// Version 1: the line is none of the specification.
    MalformedLine,
    /// Version 2: another version.
    Version,
    /// Version 2: neither LOCAL nor PROXY.
    Command,
    /// Version 2: more than [`PROXY_HEADER_OCTETS`].
    LongHeader,
    /// Version 2: shorter than the addresses of its family.
    ShortAddresses,
}

impl Invalid {
    /// What is wrong, as the end of a sentence about the header.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoHeader => "it begins with no PROXY header",
            Self::LongLine => "its line is longer than 107 octets",
            Self::NoCr => "its line ends without CR",
            Self::MalformedLine => "its line is malformed",
            Self::Version => "its version is unknown",
            Self::Command => "its command is unknown",
            Self::LongHeader => "it is longer than is read",
            Self::ShortAddresses => "it is too short for its addresses",
        }
    }
}

/// What version 1 begins with.
const WORD: &[u8] = b"PROXY ";

/// What version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Octets of version 2 in front of its addresses: signature, version and command, family, length.
const FIXED_OCTETS: usize = 16;

/// Reads the header at the front of `input`.
pub fn parse(input: &[u8]) -> Header {
    let header = if begins(input, WORD) {
        line(input)
    } else if begins(input, SIGNATURE) {
        binary(input)
    } else {
        Header::Invalid(Invalid::NoHeader)
    };
    if let Header::Proxied { consumed, .. } | Header::Local { consumed } = header {
        assert!(
            consumed <= input.len() && consumed <= PROXY_HEADER_OCTETS,
            "a header is taken once it is there, and none is too long"
        );
    }
    header
}

/// Whether `input` begins with `start`, as far as it goes.
fn begins(input: &[u8], start: &[u8]) -> bool {
    let common = input.len().min(start.len());
    input[..common] == start[..common]
}

/// Version 1: one line of text.
fn line(input: &[u8]) -> Header {
    let front = &input[..input.len().min(PROXY_LINE_OCTETS)];
    let Some(end) = memchr::memchr(b'\n', front) else {
        if input.len() >= PROXY_LINE_OCTETS {
            return Header::Invalid(Invalid::LongLine);
        }
        return Header::Incomplete;
    };
    let consumed = end + 1;
    let Some(text) = front[..end].strip_suffix(b"\r") else {
        return Header::Invalid(Invalid::NoCr);
    };
    let text = text.strip_prefix(WORD).unwrap_or_default();
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        // The rest of the line is to be ignored.
        return Header::Local { consumed };
    }
    match std::str::from_utf8(text).ok().and_then(source) {
        Some(source) => Header::Proxied { source, consumed },
        None => Header::Invalid(Invalid::MalformedLine),
    }
}

/// The client out of `TCP4 192.0.2.1 198.51.100.1 4711 25`; the other fields are checked as well.
fn source(text: &str) -> Option<SocketAddr> {
    let (family, rest) = text.split_once(' ')?;
    let mut fields = rest.split(' ');
    let (client, server) = (fields.next()?, fields.next()?);
    let (from, _to) = (port(fields.next()?)?, port(fields.next()?)?);
    if fields.next().is_some() {
        return None;
    }
    let client = match family {
        "TCP4" => IpAddr::V4(both::<Ipv4Addr>(client, server)?),
        "TCP6" => IpAddr::V6(both::<Ipv6Addr>(client, server)?),
        _ => return None,
    };
    Some(SocketAddr::new(client, from))
}

/// The first of two addresses of one family.
fn both<T: FromStr>(first: &str, second: &str) -> Option<T> {
    second.parse::<T>().ok().and(first.parse().ok())
}

/// A port in decimal, without sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let canonical =
        text == "0" || text.as_bytes().first()?.is_ascii_digit() && !text.starts_with('0');
    text.parse().ok().filter(|_| canonical)
}

/// Version 2: fixed octets, then as many octets of addresses and TLVs as they say.
fn binary(input: &[u8]) -> Header {
    let Some(&version_and_command) = input.get(SIGNATURE.len()) else {
        return Header::Incomplete;
    };
    if version_and_command >> 4 != 2 {
        return Header::Invalid(Invalid::Version);
    }
    let command = version_and_command & 15;
    if command > 1 {
        return Header::Invalid(Invalid::Command);
    }
    let Some(fixed) = input.first_chunk::<FIXED_OCTETS>() else {
        return Header::Incomplete;
    };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let consumed = FIXED_OCTETS + length;
    if consumed > PROXY_HEADER_OCTETS {
        return Header::Invalid(Invalid::LongHeader);
    }
    let (proxied, stream_family) = (command == 1, fixed[13]);
    let needed = match stream_family {
        TCP_OVER_IPV4 if proxied => 2 * 4 + 2 * 2,
        TCP_OVER_IPV6 if proxied => 2 * 16 + 2 * 2,
        _ => 0,
    };
    if length < needed {
        return Header::Invalid(Invalid::ShortAddresses);
    }
    let Some(addresses) = input.get(FIXED_OCTETS..consumed) else {
        return Header::Incomplete;
    };
    let source = match needed {
        12 => addresses.first_chunk().map(source_ipv4),
        36 => addresses.first_chunk().map(source_ipv6),
        _ => None,
    };
    match source {
        Some(source) => Header::Proxied { source, consumed },
        None => Header::Local { consumed },
    }
}

const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// Source and destination address, source and destination port.
fn source_ipv4(octets: &[u8; 12]) -> SocketAddr {
    let [a, b, c, d, _, _, _, _, high, low, _, _] = *octets;
    SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
}

fn source_ipv6(octets: &[u8; 36]) -> SocketAddr {
    let address: [u8; 16] = *octets.first_chunk().expect("36 octets begin with 16");
    SocketAddr::from((address, u16::from_be_bytes([octets[32], octets[33]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    fn ipv4(tail: &[u8]) -> Vec<u8> {
        let mut rest = vec![192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 0, 25];
        rest.extend(tail);
        version_2(1, TCP_OVER_IPV4, &rest)
    }

    fn ipv6(tail: &[u8]) -> Vec<u8> {
        let mut rest = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets().to_vec();
        rest.extend([0; 16]);
        rest.extend([0xff, 0xff, 0, 25]);
        rest.extend(tail);
        version_2(1, TCP_OVER_IPV6, &rest)
    }

    /// Headers with the client that they name.
    fn valid() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let text = |line: &str| format!("PROXY {line}\r\n").into_bytes();
        let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        vec![
            (
                text("TCP4 192.0.2.1 198.51.100.1 4711 25"),
                Some("192.0.2.1:4711"),
            ),
            (
                text("TCP4 255.255.255.255 0.0.0.0 65535 0"),
                Some("255.255.255.255:65535"),
            ),
            (
                text("TCP6 2001:db8::1 2001:db8::2 4711 25"),
                Some("[2001:db8::1]:4711"),
            ),
            (
                longest.into(),
                Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
            ),
            (text("UNKNOWN"), None),
            (text("UNKNOWN anything \0 at all"), None),
            (
                text(&format!("UNKNOWN {}", "x".repeat(PROXY_LINE_OCTETS - 16))),
                None,
            ),
            (ipv4(b""), Some("192.0.2.1:4711")),
            (ipv4(b"\x04\0\x05hello\x20\0\0"), Some("192.0.2.1:4711")),
            (ipv6(b""), Some("[2001:db8::1]:65535")),
            (ipv6(&[0; 1000]), Some("[2001:db8::1]:65535")),
            (version_2(0, 0, b""), None),
            (version_2(0, TCP_OVER_IPV4, &[1; 12]), None),
            (version_2(0, TCP_OVER_IPV4, b"short"), None),
            (version_2(1, 0x00, b""), None),
            (version_2(1, 0x12, &[1; 12]), None),
            (version_2(1, 0x31, &[b'/'; 216]), None),
            (version_2(1, 0xf1, &[1; 7]), None),
            (
                version_2(0, 0, &vec![0; PROXY_HEADER_OCTETS - FIXED_OCTETS]),
                None,
            ),
        ]
    }

    #[test]
    fn a_header_is_known_at_its_last_octet_and_not_before_whatever_follows() {
        for (header, client) in valid() {
            let consumed = header.len();
            let expected = match client {
                Some(client) => Header::Proxied {
                    source: client.parse().unwrap(),
                    consumed,
                },
                None => Header::Local { consumed },
            };
            for cut in 0..consumed {
                assert_eq!(
                    parse(&header[..cut]),
                    Header::Incomplete,
                    "{header:?} at {cut}"
                );
            }
            for after in [
                "",
                "EHLO client.example\r\n",
                "\n",
                "\r\n\r\n\0",
                "PROXY UNKNOWN\r\n",
            ] {
                let input = [&header, after.as_bytes()].concat();
                assert_eq!(parse(&input), expected, "{input:?}");
            }
        }
    }

    /// Every octet at the front that could be changed; the verdict must stay one of the four, and final once it is known.
    #[test]
    fn a_verdict_is_final() {
        for (header, _) in valid() {
            for at in (0..header.len().min(64)).step_by(if cfg!(miri) { 31 } else { 1 }) {
                for octet in [0, b'\n', b'\r', b' ', b'0', 0x11, 0x21, 0xff] {
                    let mut input = header.clone();
                    input[at] = octet;
                    input.extend(b"\r\nEHLO x\r\n");
                    let mut verdict = Header::Incomplete;
                    for cut in (0..=input.len()).step_by(if cfg!(miri) { 19 } else { 1 }) {
                        let next = parse(&input[..cut]);
                        assert!(
                            verdict == Header::Incomplete || verdict == next,
                            "{input:?} at {cut}"
                        );
                        if let Header::Proxied { consumed, .. } | Header::Local { consumed } = next
                        {
                            assert!(consumed <= cut && consumed <= PROXY_HEADER_OCTETS);
                        }
                        verdict = next;
                    }
                }
            }
        }
    }

    #[test]
    fn lines_that_are_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(PROXY_LINE_OCTETS - 15));
        assert_eq!(long.len(), PROXY_LINE_OCTETS + 1);
        for text in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 25 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 25 26\r\n",
            "PROXY  TCP4 192.0.2.1 198.51.100.1 4711 25\r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.1 4711 25\r\n",
            "PROXY TCP4 192.0.2.1\t198.51.100.1 4711 25\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.1 4711 25\r\n",
            "PROXY TCP4 192.0.2 198.51.100.1 4711 25\r\n",
            "PROXY TCP4 192.0.2.256 198.51.100.1 4711 25\r\n",
            "PROXY TCP4 192.0.2.1 2001:db8::1 4711 25\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 4711 25\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 4711 25\r\n",
            "PROXY TCP6 2001:db8::1%eth0 2001:db8::2 4711 25\r\n",
            "PROXY TCP6 [2001:db8::1] 2001:db8::2 4711 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +4711 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 -1 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 04711 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 025\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 00 25\r\n",
            "PROXY TCP4 mx.example 198.51.100.1 4711 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 2\0\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 4711 25\r\n",
            "PROXY tcp4 192.0.2.1 198.51.100.1 4711 25\r\n",
            "PROXY unknown\r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY UNKNOWN\n",
            "proxy TCP4 192.0.2.1 198.51.100.1 4711 25\r\n",
            "EHLO client.example\r\n",
            "\r\nPROXY UNKNOWN\r\n",
            "\u{16}\u{3}\u{1}",
            "GET / HTTP/1.1\r\n",
            &long,
        ] {
            assert!(
                matches!(parse(text.as_bytes()), Header::Invalid(_)),
                "{text:?}"
            );
        }
        let not_text = b"PROXY TCP4 192.0.2.\xff 198.51.100.1 4711 25\r\n";
        assert!(matches!(parse(not_text), Header::Invalid(_)));
    }

    #[test]
    fn binary_headers_that_are_refused() {
        let changed = |at: usize, octet: u8| {
            let mut header = ipv4(b"");
            header[at] = octet;
            header
        };
        let too_long = u16::try_from(PROXY_HEADER_OCTETS - FIXED_OCTETS + 1).unwrap();
        let announced = |length: u16| {
            let mut header = version_2(1, TCP_OVER_IPV4, b"");
            header[14..].copy_from_slice(&length.to_be_bytes());
            header
        };
        for header in [
            changed(11, b'\r'),
            changed(12, 0x11),
            changed(12, 0x31),
            changed(12, 0x01),
            changed(12, 0x22),
            changed(12, 0x2f),
            changed(15, 11),
            version_2(1, TCP_OVER_IPV6, &[0; 35]),
            version_2(1, TCP_OVER_IPV4, b""),
            // Refused at the announcement, before any of it has arrived.
            announced(too_long),
            announced(u16::MAX),
        ] {
            assert!(matches!(parse(&header), Header::Invalid(_)), "{header:?}");
        }
    }
}

//! Networks, and which of them may speak to this server.
//!
//! Owns: the notation of a network, and the choice between those allowed and those denied. Must not know: sockets, and
//! where the lists came from.
//!
//! The rule: of all networks of both lists that hold an address, the longest prefix decides; where both lists have it,
//! the address is denied; an address that no network holds is denied. The defaults allow everything, so a list of denied
//! networks alone takes these away, and a list of allowed ones alone leaves nobody else.
//!
//! Invariant: an IPv4 address is the same one whether it is written as such or mapped into IPv6 (RFC 4291 2.5.5.2), and
//! `::/0` is IPv6 alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: an address whose bits after the prefix are zero. Never one of mapped IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is not a network. The text of an error is the end of a sentence: what is wrong and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotANetwork {
    /// Neither an address nor an address with the length of a prefix.
    Notation,
    /// The prefix is longer than the address.
    Prefix {
        /// The longest.
        longest: u8,
    },
    /// It holds more than the IPv4 addresses that are mapped into IPv6.
    BeyondMapped,
    /// The address has bits after its prefix.
    BitsAfterPrefix {
        /// The network that has the address in it.
        network: Network,
        /// The address.
        address: IpAddr,
    },
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notation => f.write_str(
                "is neither an IP address nor a network: write 192.0.2.1, or an address and the length of its prefix, such as \
                 192.0.2.0/24 or 2001:db8::/32; names are not looked up",
            ),
            Self::Prefix { longest } => {
                write!(f, "has a prefix out of range: 0 to {longest} is allowed")
            }
            Self::BeyondMapped => f.write_str(
                "is wider than the IPv4 addresses mapped into IPv6: write the IPv4 network itself",
            ),
            Self::BitsAfterPrefix { network, address } => write!(
                f,
                "has bits set after its prefix: write {network}, or {address} for the one address"
            ),
        }
    }
}

impl std::error::Error for NotANetwork {}

/// Bits in front of an IPv4 address that is mapped into IPv6.
const MAPPED_BITS: u8 = 96;

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or an address alone.
    ///
    /// # Errors
    /// [`NotANetwork`], whose text is the end of a sentence about `text`.
    pub fn parse(text: &str) -> Result<Self, NotANetwork> {
        let text = text.trim();
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let written: IpAddr = address.parse().map_err(|_| NotANetwork::Notation)?;
        let longest = bits(written);
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|&prefix| prefix <= longest)
                .ok_or(NotANetwork::Prefix { longest })?,
            Some(_) => return Err(NotANetwork::Notation),
        };
        let address = written.to_canonical();
        let prefix = if address.is_ipv4() && written.is_ipv6() {
            let within = prefix.checked_sub(MAPPED_BITS);
            within.ok_or(NotANetwork::BeyondMapped)?
        } else {
            prefix
        };
        let network = Self::of(address, prefix);
        if network.address != address {
            return Err(NotANetwork::BitsAfterPrefix { network, address });
        }
        Ok(network)
    }

    /// The network of this prefix that holds `address`.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let prefix = prefix.min(bits(address));
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(
                (masked(address, prefix) >> MAPPED_BITS) as u32,
            )),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(masked(address, prefix))),
        };
        Self { address, prefix }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Bits of an address.
fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first `prefix` bits of an address, at the high end; the others are zero.
fn masked(address: IpAddr, prefix: u8) -> u128 {
    let aligned = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << MAPPED_BITS,
        IpAddr::V6(address) => address.to_bits(),
    };
    assert!(prefix <= bits(address), "a prefix is within its address");
    // A shift by all bits is none to the processor.
    aligned & u128::MAX.checked_shl(u32::from(128 - prefix)).unwrap_or(0)
}

/// A set of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    ipv4: Vec<OfLength>,
    ipv6: Vec<OfLength>,
}

/// The networks of one prefix length, sorted. A set has few lengths, the longest first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OfLength {
    prefix: u8,
    networks: Vec<u128>,
}

impl Networks {
    /// The set of these.
    pub fn new(networks: &[Network]) -> Self {
        let mut set = Self::default();
        for network in networks {
            let lengths = if network.address.is_ipv4() {
                &mut set.ipv4
            } else {
                &mut set.ipv6
            };
            let at = match lengths.binary_search_by(|of| network.prefix.cmp(&of.prefix)) {
                Ok(at) => at,
                Err(at) => {
                    lengths.insert(
                        at,
                        OfLength {
                            prefix: network.prefix,
                            networks: Vec::new(),
                        },
                    );
                    at
                }
            };
            lengths[at]
                .networks
                .push(masked(network.address, network.prefix));
        }
        for of in set.ipv4.iter_mut().chain(&mut set.ipv6) {
            of.networks.sort_unstable();
        }
        set
    }

    /// The longest prefix among those that hold `address`.
    pub fn longest(&self, address: IpAddr) -> Option<u8> {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() {
            &self.ipv4
        } else {
            &self.ipv6
        };
        let holds = |of: &&OfLength| {
            of.networks
                .binary_search(&masked(address, of.prefix))
                .is_ok()
        };
        lengths.iter().find(holds).map(|of| of.prefix)
    }

    /// Whether one of them holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.longest(address).is_some()
    }
}

/// Who may speak to this server. See the module for the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    allow: Networks,
    deny: Networks,
}

impl Access {
    /// The networks allowed and those denied.
    pub fn new(allow: &[Network], deny: &[Network]) -> Self {
        Self {
            allow: Networks::new(allow),
            deny: Networks::new(deny),
        }
    }

    /// Whether the client at `address` is served.
    pub fn allows(&self, address: IpAddr) -> bool {
        // No prefix at all is less than one of no bits.
        self.allow.longest(address) > self.deny.longest(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts
            .iter()
            .map(|text| Network::parse(text).unwrap_or_else(|why| panic!("{text} {why}")))
            .collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_and_shown() {
        for (text, shown) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            (" 0.0.0.0/0 ", "0.0.0.0/0"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::1", "::1/128"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(networks(&[text])[0].to_string(), shown);
        }
        for (text, why) in [
            ("", "is neither an IP address nor a network"),
            ("example.com", "is neither an IP address nor a network"),
            ("192.0.2.0/", "has a prefix out of range: 0 to 32"),
            ("192.0.2.0/+24", "is neither an IP address nor a network"),
            ("192.0.2.0/33", "has a prefix out of range: 0 to 32"),
            ("192.0.2.0/256", "has a prefix out of range"),
            (
                "192.0.2.0/255.255.255.0",
                "is neither an IP address nor a network",
            ),
            ("2001:db8::/129", "has a prefix out of range: 0 to 128"),
            (
                "192.0.2.1/24",
                "has bits set after its prefix: write 192.0.2.0/24, or 192.0.2.1 for",
            ),
            (
                "2001:db8::1/64",
                "has bits set after its prefix: write 2001:db8::/64",
            ),
            ("::ffff:192.0.2.0/64", "is wider than the IPv4 addresses"),
        ] {
            let error = Network::parse(text).expect_err(text).to_string();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }

    #[test]
    fn the_longest_prefix_decides_and_a_tie_denies() {
        let access = Access::new(
            &networks(&["0.0.0.0/0", "10.1.0.0/16", "192.0.2.1", "2001:db8::/32"]),
            &networks(&[
                "10.0.0.0/8",
                "10.1.2.0/24",
                "192.0.2.1/32",
                "2001:db8:1::/48",
            ]),
        );
        for (address, allowed) in [
            ("198.51.100.1", true),
            ("10.2.0.1", false),
            ("10.1.0.1", true),
            ("10.1.2.3", false),
            ("192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8:1::1", false),
            // No network of IPv6 holds it.
            ("2001:db9::1", false),
            ("::ffff:198.51.100.1", true),
            ("::ffff:10.2.0.1", false),
        ] {
            assert_eq!(access.allows(ip(address)), allowed, "{address}");
        }
        let nobody = Access::new(&[], &[]);
        assert!(!nobody.allows(ip("127.0.0.1")) && !nobody.allows(ip("::1")));
    }

    #[test]
    fn all_of_ipv6_is_not_ipv4() {
        let set = Networks::new(&networks(&["::/0"]));
        assert!(set.contains(ip("2001:db8::1")) && !set.contains(ip("192.0.2.1")));
        assert!(!set.contains(ip("::ffff:192.0.2.1")));
    }

    /// The set against a comparison bit by bit.
    #[test]
    fn a_set_agrees_with_a_look_at_each_network() {
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        // Few high bits vary, so that networks nest and addresses hit.
        let address = |random: &mut dyn FnMut() -> u32| {
            IpAddr::V4(Ipv4Addr::from_bits(random() & 0xF0F0_00F0))
        };
        let list: Vec<Network> = (0..60)
            .map(|_| Network::of(address(&mut random), (random() % 33) as u8))
            .collect();
        let list: Vec<Network> = list
            .into_iter()
            .filter(|network| network.prefix > 14)
            .collect();
        let set = Networks::new(&list);
        let mut hits = 0;
        let looks = if cfg!(miri) { 100 } else { 2_000 };
        for _ in 0..looks {
            let address = address(&mut random);
            let naive = list
                .iter()
                .filter(|network| Network::of(address, network.prefix) == **network);
            let naive = naive.map(|network| network.prefix).max();
            hits += usize::from(naive.is_some());
            assert_eq!(set.longest(address), naive, "{address}");
        }
        assert!(
            (looks / 20..looks - looks / 20).contains(&hits),
            "{hits} of {looks}: the test sees both outcomes"
        );
    }
}

//! How many connections there may be: in all, from one address, from one network; and how many messages an address may
//! begin in a minute.
//!
//! Owns: the counts of connections and messages. Must not know: sockets, a clock (the time comes in), and which networks are allowed at all.
//!
//! Invariants: a lock is taken when a connection comes and when it goes, never in between, and only where a limit asks for
//! it; the tables hold the addresses of open connections, and of rates [`RATES_PER_SHARD`] times [`ADMISSION_SHARDS`] more
//! at the most; what a connection was counted in for is counted out when its [`Visit`] is dropped, once.
//!
//! BUGS: if more addresses than rates are remembered (65,536) come within a minute, older ones are forgotten: these
//! may begin a minute's messages again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use crate::limits::{ADMISSION_SHARDS, RATES_PER_SHARD};
use crate::smtp::access::Network;
use crate::smtp::rate::Rate;
use crate::smtp::refusal::Refusal;

/// What is allowed; 0 is no limit, but for connections in all.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address.
    pub per_address: usize,
    /// Connections from one network.
    pub per_network: usize,
    /// Bits of an IPv4 address that make a network.
    pub prefix_ipv4: u8,
    /// Bits of an IPv6 address that make a network.
    pub prefix_ipv6: u8,
    /// Messages that one IPv4 address, or one IPv6 network, may begin in a minute.
    pub messages_per_minute: usize,
}

/// Counts the connections of all workers.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    connections: AtomicUsize,
    hasher: RandomState,
    /// Clients by the hash of their network.
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    addresses: HashMap<IpAddr, usize>,
    networks: HashMap<Network, usize>,
    rates: HashMap<Network, Arc<Rate>>,
}

/// An open connection. Dropped, it is counted out.
#[derive(Debug)]
pub struct Visit<'a> {
    admission: &'a Admission,
    /// Whom it counts for, once that is known and allowed, where a limit asks for it. Boxed: without such a limit a connection
    /// has no room for it.
    counted: Option<Box<Counted>>,
}

#[derive(Debug)]
struct Counted {
    client: IpAddr,
    rate: Option<Arc<Rate>>,
}

impl Admission {
    /// Without a connection.
    pub fn new(limits: Limits) -> Self {
        let shards = (0..ADMISSION_SHARDS).map(|_| Mutex::default()).collect();
        Self {
            limits,
            connections: AtomicUsize::new(0),
            hasher: RandomState::new(),
            shards,
        }
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection in whose client is not known yet.
    ///
    /// # Errors
    /// [`Refusal::TooManyConnections`].
    pub fn enter(&self) -> Result<Visit<'_>, Refusal> {
        // Dropped, also where it is refused, it counts out what is counted in here.
        let visit = Visit {
            admission: self,
            counted: None,
        };
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.limits.connections {
            return Err(Refusal::TooManyConnections);
        }
        Ok(visit)
    }

    fn network(&self, client: IpAddr) -> Network {
        let prefix = match client {
            IpAddr::V4(_) => self.limits.prefix_ipv4,
            IpAddr::V6(_) => self.limits.prefix_ipv6,
        };
        Network::of(client, prefix)
    }

    fn shard(&self, network: Network) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(network) as usize;
        let shard = &self.shards[hash % self.shards.len()];
        shard.lock().expect("nothing panics under this lock")
    }

    fn is_limited(&self) -> bool {
        let limits = &self.limits;
        limits.per_address > 0 || limits.per_network > 0 || limits.messages_per_minute > 0
    }
}

impl Visit<'_> {
    /// Counts it for its client: the peer of the socket, or whom a proxy names.
    ///
    /// # Errors
    /// [`Refusal::TooManyConnectionsFromClient`], [`Refusal::TooManyConnectionsFromNetwork`].
    ///
    /// # Panics
    /// If it counts for one already.
    pub fn attribute(&mut self, client: IpAddr, now: Instant) -> Result<(), Refusal> {
        assert!(self.counted.is_none(), "a connection has one client");
        if !self.admission.is_limited() {
            return Ok(());
        }
        let (client, limits) = (client.to_canonical(), &self.admission.limits);
        let network = self.admission.network(client);
        let mut shard = self.admission.shard(network);
        if reached(&shard.addresses, &client, limits.per_address) {
            return Err(Refusal::TooManyConnectionsFromClient);
        }
        if reached(&shard.networks, &network, limits.per_network) {
            return Err(Refusal::TooManyConnectionsFromNetwork);
        }
        if limits.per_address > 0 {
            *shard.addresses.entry(client).or_insert(0) += 1;
        }
        if limits.per_network > 0 {
            *shard.networks.entry(network).or_insert(0) += 1;
        }
        let rate = (limits.messages_per_minute > 0).then(|| {
            let whose = match client {
                IpAddr::V4(_) => Network::of(client, 32),
                // One host has all addresses of its network to send from.
                IpAddr::V6(_) => network,
            };
            shard.rate(whose, limits.messages_per_minute, now)
        });
        self.counted = Some(Box::new(Counted { client, rate }));
        Ok(())
    }

    /// The limit of messages that it shares with the other connections of its client; none without such a limit.
    pub fn rate(&self) -> Option<&Arc<Rate>> {
        self.counted.as_ref()?.rate.as_ref()
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.admission.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(counted) = &self.counted {
            let client = counted.client;
            let network = self.admission.network(client);
            let mut shard = self.admission.shard(network);
            count_out(&mut shard.addresses, client);
            count_out(&mut shard.networks, network);
        }
    }
}

impl Shard {
    /// The rate of a client: the one that its other connections have, or had a moment ago.
    fn rate(&mut self, whose: Network, messages: usize, now: Instant) -> Arc<Rate> {
        if let Some(rate) = self.rates.get(&whose) {
            return Arc::clone(rate);
        }
        if self.rates.len() >= RATES_PER_SHARD {
            let in_use = |rate: &Arc<Rate>| Arc::strong_count(rate) > 1;
            self.rates
                .retain(|_, rate| in_use(rate) || !rate.is_full(now));
            // Nearly all of them owe something: they are forgotten, so that the next look is not due at once.
            if self.rates.len() > RATES_PER_SHARD / 4 * 3 {
                self.rates.retain(|_, rate| in_use(rate));
            }
        }
        let rate = Arc::new(Rate::per_minute(messages, now));
        self.rates.insert(whose, Arc::clone(&rate));
        rate
    }
}

fn reached<K: Eq + std::hash::Hash>(open: &HashMap<K, usize>, key: &K, limit: usize) -> bool {
    limit > 0 && open.get(key).is_some_and(|&open| open >= limit)
}

fn count_out<K: Eq + std::hash::Hash>(open: &mut HashMap<K, usize>, key: K) {
    // Where there is no such limit, nothing was counted in.
    if let std::collections::hash_map::Entry::Occupied(mut entry) = open.entry(key) {
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    use super::*;

    const NO_LIMITS: Limits = Limits {
        connections: 1_000_000,
        per_address: 0,
        per_network: 0,
        prefix_ipv4: 24,
        prefix_ipv6: 64,
        messages_per_minute: 0,
    };

    fn come<'a>(
        admission: &'a Admission,
        client: &str,
        now: Instant,
    ) -> Result<Visit<'a>, Refusal> {
        let mut visit = admission.enter()?;
        visit.attribute(client.parse().unwrap(), now)?;
        Ok(visit)
    }

    /// Everything that the tables hold.
    fn entries(admission: &Admission) -> (usize, usize, usize) {
        let mut sum = (0, 0, 0);
        for shard in &admission.shards {
            let shard = shard.lock().unwrap();
            sum.0 += shard.addresses.len();
            sum.1 += shard.networks.len();
            sum.2 += shard.rates.len();
        }
        sum
    }

    #[test]
    fn each_limit_is_reached_and_left_again() {
        let now = Instant::now();
        for (limits, clients, refusal) in [
            (
                Limits {
                    connections: 2,
                    ..NO_LIMITS
                },
                ["192.0.2.1", "198.51.100.1", "2001:db8::1"],
                Refusal::TooManyConnections,
            ),
            (
                Limits {
                    per_address: 2,
                    ..NO_LIMITS
                },
                ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"],
                Refusal::TooManyConnectionsFromClient,
            ),
            (
                Limits {
                    per_network: 2,
                    ..NO_LIMITS
                },
                ["192.0.2.1", "192.0.2.200", "192.0.2.3"],
                Refusal::TooManyConnectionsFromNetwork,
            ),
            (
                Limits {
                    per_network: 2,
                    ..NO_LIMITS
                },
                ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"],
                Refusal::TooManyConnectionsFromNetwork,
            ),
        ] {
            let admission = Admission::new(limits);
            let first = come(&admission, clients[0], now).unwrap();
            let second = come(&admission, clients[1], now).unwrap();
            for _ in 0..3 {
                assert_eq!(come(&admission, clients[2], now).unwrap_err(), refusal);
            }
            assert_eq!(admission.connections(), 2, "a refusal counts nothing in");
            drop(first);
            let third = come(&admission, clients[2], now).unwrap();
            drop((second, third));
            assert_eq!(
                (admission.connections(), entries(&admission)),
                (0, (0, 0, 0))
            );
        }
    }

    #[test]
    fn other_addresses_and_networks_are_not_concerned() {
        let now = Instant::now();
        let limits = Limits {
            per_address: 1,
            per_network: 2,
            ..NO_LIMITS
        };
        let admission = Admission::new(limits);
        let clients = [
            "192.0.2.1",
            "192.0.2.2",
            "192.0.3.1",
            "2001:db8::1",
            "2001:db8:0:1::1",
        ];
        let visits: Vec<_> = clients
            .map(|client| come(&admission, client, now).unwrap())
            .into();
        assert_eq!(entries(&admission), (5, 4, 0));
        // Until its proxy has named the client, a connection counts in the total and for no client.
        let unknown = admission.enter().unwrap();
        assert_eq!(admission.connections(), 6);
        drop((visits, unknown));
        assert_eq!(
            (admission.connections(), entries(&admission)),
            (0, (0, 0, 0))
        );
    }

    #[test]
    fn connections_of_one_client_share_a_rate_that_outlives_them() {
        let now = Instant::now();
        let limits = Limits {
            messages_per_minute: 2,
            ..NO_LIMITS
        };
        let admission = Admission::new(limits);
        let take = |client: &str, now| {
            come(&admission, client, now)
                .unwrap()
                .rate()
                .unwrap()
                .take(now)
        };
        assert!(take("192.0.2.1", now) && take("::ffff:192.0.2.1", now) && !take("192.0.2.1", now));
        assert!(take("192.0.2.2", now), "an address of IPv4 has its own");
        assert!(take("2001:db8::1", now) && take("2001:db8::2", now) && !take("2001:db8::3", now));
        assert!(take("192.0.2.1", now + Duration::from_secs(30)));
        let admission = Admission::new(NO_LIMITS);
        assert!(come(&admission, "192.0.2.1", now).unwrap().rate().is_none());
    }

    #[test]
    fn the_table_of_rates_does_not_grow_and_keeps_those_in_use() {
        let now = Instant::now();
        let limits = Limits {
            messages_per_minute: 1,
            ..NO_LIMITS
        };
        let admission = Admission::new(limits);
        let kept = come(&admission, "192.0.2.1", now).unwrap();
        assert!(kept.rate().unwrap().take(now));
        let most = ADMISSION_SHARDS * RATES_PER_SHARD;
        for number in 0..3 * most as u32 {
            let mut visit = admission.enter().unwrap();
            let client = Ipv6Addr::from_bits(u128::from(number) << 64);
            visit.attribute(client.into(), now).unwrap();
            // All of them owe something.
            assert!(visit.rate().unwrap().take(now));
        }
        assert!(entries(&admission).2 <= most);
        let again = come(&admission, "192.0.2.1", now).unwrap();
        assert!(!again.rate().unwrap().take(now));
        // Those that no longer owe anything make room, so none is forgotten.
        let later = now + Duration::from_secs(61);
        let debtor = come(&admission, "203.0.113.1", later).unwrap();
        assert!(debtor.rate().unwrap().take(later));
        drop(debtor);
        for number in 0..most as u32 {
            let client = Ipv4Addr::from_bits(0x0a00_0000 + number * 256);
            let mut visit = admission.enter().unwrap();
            visit.attribute(client.into(), later).unwrap();
        }
        assert!(entries(&admission).2 <= most);
        let debtor = come(&admission, "203.0.113.1", later).unwrap();
        assert!(!debtor.rate().unwrap().take(later));
    }
}

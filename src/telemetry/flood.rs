//! Which refusals are written as they come, and which are counted: a client, or a network of them, that is refused over and
//! over gets a few lines and a number.
//!
//! Owns: the table of a worker and its bound. Must not know: what a line says, nor the clock; the time comes in.
//!
//! Invariants: of one flood at most [`FLOOD_LINES`] lines are written in [`FLOOD_MILLISECONDS`]; each refusal is either
//! written or in one count; the table never has more than [`FLOODS_TOLD_APART`] floods and the one that the rest share.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{
    FLOOD_LINES, FLOOD_MILLISECONDS, FLOOD_PREFIX_IPV4, FLOOD_PREFIX_IPV6, FLOODS_TOLD_APART,
    OUTAGE_LINES,
};
use crate::smtp::access::Network;

/// What a flood is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// What a line of it says first.
    pub(super) message: &'static str,
    /// The label of a metric.
    pub(super) reason: &'static str,
}

/// What became of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// What it was; none where several kinds shared a count.
    pub(super) kind: Option<Kind>,
    /// The clients' network; none where several networks shared a count.
    pub(super) network: Option<Network>,
    /// How many were not written.
    pub(super) count: u64,
    /// Since the first of the flood.
    pub(super) within: Duration,
}

#[derive(Debug)]
struct Flood {
    kind: Option<Kind>,
    network: Option<Network>,
    began: Instant,
    written: u32,
    counted: u64,
}

/// The floods of one worker.
#[derive(Debug, Default)]
pub(super) struct Floods(Vec<Flood>);

impl Floods {
    /// Whether this one is to be written; else it has been counted.
    pub(super) fn writes(&mut self, kind: Kind, client: IpAddr, now: Instant) -> bool {
        let network = match client.to_canonical() {
            IpAddr::V4(_) => Network::of(client, FLOOD_PREFIX_IPV4),
            IpAddr::V6(_) => Network::of(client, FLOOD_PREFIX_IPV6),
        };
        self.flood(kind, Some(network), now)
            .writes(FLOOD_LINES, now)
    }

    /// The same for what is the storage's doing and no client's: all networks are one flood, of a line or so.
    pub(super) fn writes_of_all(&mut self, kind: Kind, now: Instant) -> bool {
        self.flood(kind, None, now).writes(OUTAGE_LINES, now)
    }

    /// Its flood; the one that is shared where there is no room for another.
    fn flood(&mut self, kind: Kind, network: Option<Network>, now: Instant) -> &mut Flood {
        let mine = (Some(kind), network);
        let mut place = self
            .0
            .iter()
            .position(|flood| (flood.kind, flood.network) == mine);
        let mut whose = mine;
        if place.is_none() && self.0.len() >= FLOODS_TOLD_APART {
            whose = (None, None);
            place = self.0.iter().position(|flood| flood.kind.is_none());
        }
        let place = place.unwrap_or_else(|| {
            self.0.push(Flood {
                kind: whose.0,
                network: whose.1,
                began: now,
                written: 0,
                counted: 0,
            });
            self.0.len() - 1
        });
        debug_assert!(self.0.len() <= FLOODS_TOLD_APART + 1);
        &mut self.0[place]
    }

    /// Forgets the floods that are over, or all of them; returns those that were counted.
    pub(super) fn end(&mut self, now: Instant, all: bool, mut tell: impl FnMut(Counted)) {
        self.0.retain(|flood| {
            let ends = all || flood.is_over(now);
            if ends && flood.counted > 0 {
                tell(Counted {
                    kind: flood.kind,
                    network: flood.network,
                    count: flood.counted,
                    within: now.saturating_duration_since(flood.began),
                });
            }
            !ends
        });
    }
}

impl Flood {
    /// Whether one more is written, of this many; else it has been counted.
    fn writes(&mut self, most: u32, now: Instant) -> bool {
        if self.is_over(now) && self.counted == 0 {
            (self.began, self.written) = (now, 0);
        }
        if self.written < most {
            self.written += 1;
            return true;
        }
        self.counted += 1;
        false
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= Duration::from_millis(FLOOD_MILLISECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: Kind = Kind {
        message: "refused",
        reason: "relay_denied",
    };

    fn ended(
        floods: &mut Floods,
        now: Instant,
        all: bool,
    ) -> Vec<(Option<Kind>, String, u64, u64)> {
        let mut ended = Vec::new();
        floods.end(now, all, |counted| {
            let network = counted
                .network
                .map_or(String::new(), |network| network.to_string());
            ended.push((
                counted.kind,
                network,
                counted.count,
                counted.within.as_secs(),
            ));
        });
        ended
    }

    #[test]
    fn the_first_are_written_and_the_others_counted_by_reason_and_network() {
        let (mut floods, start) = (Floods::default(), Instant::now());
        let other = Kind {
            reason: "unknown_recipient",
            ..DENIED
        };
        let mut written = 0;
        for number in 0..1000_u32 {
            let client = IpAddr::from([192, 0, 2, (number % 256) as u8]);
            let now = start + Duration::from_millis(u64::from(number));
            written += u32::from(floods.writes(DENIED, client, now));
        }
        assert_eq!(written, FLOOD_LINES);
        let neighbour = IpAddr::from([192, 0, 3, 1]);
        assert!(floods.writes(DENIED, neighbour, start), "another network");
        assert!(
            floods.writes(other, IpAddr::from([192, 0, 2, 1]), start),
            "another reason"
        );
        let mapped = "::ffff:192.0.2.77".parse().unwrap();
        assert!(
            !floods.writes(DENIED, mapped, start),
            "the same network in another form"
        );
        let early = start + Duration::from_millis(FLOOD_MILLISECONDS - 1);
        assert_eq!(ended(&mut floods, early, false), []);
        let late = start + Duration::from_secs(11);
        let count = 1000 - u64::from(FLOOD_LINES) + 1;
        let told = (Some(DENIED), "192.0.2.0/24".to_owned(), count, 11);
        assert_eq!(ended(&mut floods, late, false), [told]);
        assert!(floods.writes(DENIED, mapped, late), "it begins again");
    }

    #[test]
    fn the_rest_of_a_flood_is_told_at_the_end_and_nothing_is_lost() {
        let (mut floods, start) = (Floods::default(), Instant::now());
        let client = "2001:db8::1".parse().unwrap();
        let (mut written, mut counted) = (0, 0);
        for second in 0..95 {
            let now = start + Duration::from_secs(second);
            for _ in 0..7 {
                written += u64::from(floods.writes(DENIED, client, now));
            }
            counted += ended(&mut floods, now, false)
                .iter()
                .map(|told| told.2)
                .sum::<u64>();
        }
        let now = start + Duration::from_secs(95);
        counted += ended(&mut floods, now, true)
            .iter()
            .map(|told| told.2)
            .sum::<u64>();
        assert_eq!(written + counted, 95 * 7);
        assert!(floods.0.is_empty() && written <= u64::from(FLOOD_LINES) * 10);
    }

    #[test]
    fn what_an_outage_causes_is_one_flood_whoever_sends() {
        let (mut floods, start) = (Floods::default(), Instant::now());
        let late = Kind {
            message: "messages not stored",
            reason: "kafka_timed_out",
        };
        let written = (0..1000)
            .filter(|_| floods.writes_of_all(late, start))
            .count();
        assert_eq!(written as u32, OUTAGE_LINES);
        let client = IpAddr::from([192, 0, 2, 1]);
        assert!(floods.writes(DENIED, client, start), "another flood");
        let told = (
            Some(late),
            String::new(),
            1000 - u64::from(OUTAGE_LINES),
            10,
        );
        let end = start + Duration::from_secs(10);
        assert_eq!(ended(&mut floods, end, false), [told]);
    }

    #[test]
    fn without_a_look_at_the_ends_a_quiet_client_is_written_again() {
        let (mut floods, start) = (Floods::default(), Instant::now());
        let client = IpAddr::from([192, 0, 2, 1]);
        for minute in 0..100 {
            assert!(floods.writes(DENIED, client, start + Duration::from_secs(60 * minute)));
        }
    }

    #[test]
    fn a_thousand_networks_take_the_room_of_a_few_and_share_a_count() {
        let (mut floods, now) = (Floods::default(), Instant::now());
        let mut written = 0;
        for number in 0..10_000_u32 {
            let [_, high, low, _] = (number << 8).to_be_bytes();
            written += u64::from(floods.writes(DENIED, IpAddr::from([10, high, low, 1]), now));
        }
        assert_eq!(written, FLOODS_TOLD_APART as u64 + u64::from(FLOOD_LINES));
        assert_eq!(floods.0.len(), FLOODS_TOLD_APART + 1);
        let told = ended(&mut floods, now + Duration::from_secs(10), false);
        assert_eq!(told, [(None, String::new(), 10_000 - written, 10)]);
    }
}

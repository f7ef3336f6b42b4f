//! What each worker gets of what the configuration grants the server: how many workers, and their shares of the budget.
//!
//! Owns: the division. Must not know: what a worker does with its share.

use crate::config::{Config, Split};
use crate::limits::{BODY_INITIAL_OCTETS, ENVELOPE_OCTETS, PART_OCTETS_MOST};
use crate::net::hub::Share;
use crate::objects::Claims;

/// Worker threads that `server.workers` asks for.
pub fn worker_count(config: &Config) -> usize {
    match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        count => count,
    }
}

/// The most of a message that is in memory at once, where no message is larger than `message_size`: a large one goes to the store
/// while it arrives.
pub fn largest(message_size: u64, claims: Option<&Claims>) -> u64 {
    let in_memory = |claims: &Claims| claims.above.max((claims.buffer + claims.header) as u64);
    claims.map_or(message_size, |claims| message_size.min(in_memory(claims)))
}

/// A worker's share of the in-flight budget, where no message is larger than `message_size`.
pub fn in_flight(config: &Config, message_size: u64, workers: usize) -> Share {
    assert!(workers > 0, "somebody has to serve");
    Share {
        messages: (config.limits.in_flight_messages / workers).max(1),
        octets: bytes(config, message_size, workers),
    }
}

/// A body's buffer is a power of two, so the largest message, with its Received field and room for one more read, needs up to twice that: a
/// smaller share would always answer it with 451.
fn bytes(config: &Config, message_size: u64, workers: usize) -> usize {
    let bytes = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let share = bytes(config.limits.in_flight_bytes) / workers;
    let least = bytes(message_size)
        .saturating_add(2 * BODY_INITIAL_OCTETS)
        .saturating_mul(2)
        .saturating_add(parts(config));
    if share < least {
        tracing::warn!(
            share_bytes = share,
            least_bytes = least,
            "limits.in_flight_bytes divided by the workers holds no message of limits.message_size; \
             each worker gets what one needs: raise in_flight_bytes, or lower message_size or server.workers"
        );
    }
    share.max(least)
}

/// What the records of one message hold beside its body, where it may become several.
fn parts(config: &Config) -> usize {
    if config.routes.is_empty() && config.kafka.split == Split::None {
        return 0;
    }
    config.limits.recipients * PART_OCTETS_MOST + 2 * ENVELOPE_OCTETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_holds_the_largest_message_even_where_the_budget_does_not() {
        let mut config = Config::default();
        config.limits.in_flight_messages = 10;
        config.limits.in_flight_bytes = 1 << 30;
        let share = in_flight(&config, 1 << 20, 4);
        assert_eq!((share.messages, share.octets), (2, 1 << 28));
        let share = in_flight(&config, 1 << 30, 64);
        assert_eq!(share.messages, 1);
        let whole = 2 * ((1 << 30) + 2 * BODY_INITIAL_OCTETS);
        assert_eq!(share.octets, whole);
        config.kafka.split = Split::Recipient;
        let share = in_flight(&config, 1 << 30, 64);
        let parts = config.limits.recipients * PART_OCTETS_MOST + 2 * ENVELOPE_OCTETS;
        assert_eq!(share.octets, whole + parts, "each recipient has a record");
    }
}

//! How large the messages of each topic can be, and the SIZE that follows from the limits of all.
//!
//! Owns: the range of sizes that a configuration sends to a topic. Must not know: which recipients a route names, and what a
//! cluster says of a topic.
//!
//! Invariants: each topic of the configuration is one destination, in the order of [`Config::topics`]; a SIZE is never raised,
//! and never lowered below what every mail server has to take.
//!
//! BUGS: a record's value has its Received field as well, so that a message just below `kafka.large_size` may go to either topic:
//! it is counted for both.

use crate::config::Config;
use crate::limits::{MESSAGE_FLOOR_OCTETS, RECORD_OVERHEAD_OCTETS};

/// The messages that can go to one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Its name.
    pub(crate) topic: String,
    /// The smallest and the largest in bytes.
    pub(crate) sizes: (u64, u64),
    /// The option that the largest follows from.
    pub(crate) bound: &'static str,
}

/// All of a configuration.
pub(crate) fn of(config: &Config) -> Vec<Destination> {
    let (most, bound) = config.largest_in_a_record();
    let large = config.kafka.large_size.min(most);
    let none = |topic: &str| Destination {
        topic: topic.to_owned(),
        sizes: (u64::MAX, 0),
        bound: "kafka.large_size",
    };
    let topics = config.topics();
    let mut all: Vec<Destination> = topics.iter().map(|(_, name)| none(name)).collect();
    let mut add = |topic: &str, from: u64, to: u64| {
        let place = topics.place(topic).expect("a topic of the configuration");
        let destination = &mut all[place.index()];
        let (least, largest) = &mut destination.sizes;
        (*least, *largest) = ((*least).min(from), (*largest).max(to));
        if *largest == most {
            destination.bound = bound;
        }
    };
    let kafka = (&config.kafka.topic, &config.kafka.large_topic);
    let routes = config
        .routes
        .iter()
        .map(|route| (&route.topic, &route.large_topic));
    for (topic, large_topic) in std::iter::once(kafka).chain(routes) {
        match large_topic {
            None => add(topic, 0, most),
            Some(other) => {
                add(topic, 0, large);
                add(
                    other,
                    large.saturating_sub(RECORD_OVERHEAD_OCTETS as u64),
                    most,
                );
            }
        }
    }
    assert!(
        all.iter().all(|one| one.sizes.0 <= one.sizes.1),
        "each topic has its use"
    );
    all
}

/// The SIZE with which no message is too large for its topic: `most`, or less where the largest record of a destination, given
/// with it where it is known, is smaller.
pub(crate) fn fitting<'a>(
    most: u64,
    limits: impl Iterator<Item = (&'a Destination, Option<u64>)>,
) -> u64 {
    let floor = most.min(MESSAGE_FLOOR_OCTETS as u64);
    let fits = limits.filter_map(|(destination, limit)| {
        let fits = limit?.saturating_sub(RECORD_OVERHEAD_OCTETS as u64);
        let (from, to) = destination.sizes;
        (fits < to).then(|| fits.max(from.saturating_sub(1)).max(floor))
    });
    fits.fold(most, u64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Route;

    const MIB: u64 = 1 << 20;
    const OVERHEAD: u64 = RECORD_OVERHEAD_OCTETS as u64;

    fn config(change: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::default();
        change(&mut config);
        config
    }

    fn route(topic: &str, large: Option<&str>) -> Route {
        Route {
            topic: topic.to_owned(),
            large_topic: large.map(str::to_owned),
            ..Route::default()
        }
    }

    #[test]
    fn a_topic_takes_what_its_uses_send_to_it() {
        let config = config(|config| {
            config.kafka.large_topic = Some("large".to_owned());
            config.routes = vec![
                route("a", None),
                route("b", Some("a")),
                route("c", Some("large")),
            ];
        });
        let all: Vec<_> = of(&config)
            .into_iter()
            .map(|one| (one.topic, one.sizes, one.bound))
            .collect();
        let (most, small, all_sizes) = (25 * MIB, (0, MIB), (0, 25 * MIB));
        let large = (MIB - OVERHEAD, most);
        for (index, (name, sizes)) in [
            ("mail", small),
            ("large", large),
            ("a", all_sizes),
            ("b", small),
            ("c", small),
        ]
        .into_iter()
        .enumerate()
        {
            let bound = match sizes.1 == most {
                true => "limits.message_size",
                false => "kafka.large_size",
            };
            assert_eq!(all[index], (name.to_owned(), sizes, bound));
        }
    }

    #[test]
    fn size_is_what_the_topic_of_each_size_takes() {
        let config = config(|config| config.kafka.large_topic = Some("large".to_owned()));
        let destinations = of(&config);
        for (small, large, size) in [
            (None, None, 25 * MIB),
            (Some(MIB + OVERHEAD), Some(25 * MIB + OVERHEAD), 25 * MIB),
            // The small topic's limit does not matter to large mail.
            (Some(MIB + OVERHEAD), Some(5 * MIB + OVERHEAD), 5 * MIB),
            (Some(MIB / 2 + OVERHEAD), Some(25 * MIB + OVERHEAD), MIB / 2),
            // A large topic that takes no large mail leaves the small one.
            (None, Some(MIB / 4), MIB - OVERHEAD - 1),
            (Some(1), None, 64 * 1024),
        ] {
            let limits = destinations.iter().zip([small, large]);
            assert_eq!(fitting(25 * MIB, limits), size, "{small:?} {large:?}");
        }
    }
}

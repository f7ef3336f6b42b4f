//! The checks between options: what no range of a single value can say.
//!
//! Owns the relations and their messages. Knows nothing of files or precedence; where a value was written is the caller's
//! business.

use super::{Config, value};

/// A relation between options.
pub(super) struct Relation {
    /// The options that it is between. It is not looked at while one of them could not be read.
    pub keys: &'static [&'static str],
    /// What is wrong, if anything is: values, and what to write instead.
    pub fault: fn(&Config) -> Option<String>,
}

/// All of them; the defaults keep every one.
pub(super) const RELATIONS: [Relation; 6] = [
    Relation {
        keys: &["limits.in_flight_bytes", "limits.message_size"],
        fault: one_message_fits_the_memory,
    },
    Relation {
        keys: &["kafka.delivery_timeout", "server.drain_timeout"],
        fault: a_drain_outlasts_a_delivery,
    },
    Relation {
        keys: &["recipients.lists", "recipients.domains"],
        fault: a_list_is_of_a_domain,
    },
    Relation {
        keys: &["tls.certificate", "tls.key"],
        fault: certificate_and_key_come_together,
    },
    Relation {
        keys: &["server.listen"],
        fault: an_address_is_listened_on_once,
    },
    Relation {
        keys: &["admin.listen", "server.listen"],
        fault: admin_has_its_own_address,
    },
];

fn one_message_fits_the_memory(config: &Config) -> Option<String> {
    let (memory, message) = (config.limits.in_flight_bytes, config.limits.message_size);
    (memory < message).then(|| {
        format!(
            "limits.in_flight_bytes ({}) is less than limits.message_size ({}), so that the largest message would never \
             be taken: raise the first or lower the second",
            value::size_text(memory),
            value::size_text(message)
        )
    })
}

fn a_drain_outlasts_a_delivery(config: &Config) -> Option<String> {
    let (delivery, drain) = (config.kafka.delivery_timeout, config.server.drain_timeout);
    (delivery >= drain).then(|| {
        format!(
            "kafka.delivery_timeout ({}) is not less than server.drain_timeout ({}), so that a drain could end before a \
             message has its reply: lower the first or raise the second",
            value::time_text(delivery),
            value::time_text(drain)
        )
    })
}

fn a_list_is_of_a_domain(config: &Config) -> Option<String> {
    let recipients = &config.recipients;
    let stray = recipients
        .lists
        .keys()
        .find(|pattern| !recipients.domains.contains(pattern))?;
    Some(format!(
        "recipients.lists has a list for {stray}, which recipients.domains does not name: add it there, or remove the list"
    ))
}

fn certificate_and_key_come_together(config: &Config) -> Option<String> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => {
            Some("tls.certificate is set without tls.key: set both or neither".to_owned())
        }
        (None, Some(_)) => {
            Some("tls.key is set without tls.certificate: set both or neither".to_owned())
        }
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn an_address_is_listened_on_once(config: &Config) -> Option<String> {
    let listen = &config.server.listen;
    let twice = listen.iter().enumerate().find(|(index, address)| {
        // Port 0 is another port each time.
        address.port() != 0 && listen[..*index].contains(address)
    });
    twice.map(|(_, address)| format!("{address} is listed twice: remove one"))
}

fn admin_has_its_own_address(config: &Config) -> Option<String> {
    let admin = config.admin.listen;
    let shared = admin.port() != 0 && config.server.listen.contains(&admin);
    shared.then(|| {
        format!(
            "{admin} is in both admin.listen and server.listen: choose another port for one of them"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::options;
    use super::*;

    fn faults(change: fn(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        RELATIONS
            .iter()
            .filter_map(|relation| (relation.fault)(&config))
            .collect()
    }

    #[test]
    fn relations_are_between_options_of_the_table() {
        for key in RELATIONS.iter().flat_map(|relation| relation.keys) {
            assert!(options::setting(key).is_some(), "{key}");
        }
    }

    #[test]
    fn each_relation_is_kept_at_its_edge_and_broken_beyond() {
        let kept: [fn(&mut Config); 7] = [
            |_| {},
            |c| drop(c.recipients.lists.insert("*".into(), "all.txt".into())),
            |c| c.limits.in_flight_bytes = c.limits.message_size,
            |c| c.kafka.delivery_timeout = c.server.drain_timeout - Duration::from_millis(1),
            |c| (c.tls.certificate, c.tls.key) = (Some("a".into()), Some("b".into())),
            |c| c.server.listen = vec!["[::]:0".parse().expect("an address"); 2],
            |c| c.admin.listen.set_port(2526),
        ];
        for change in kept {
            assert_eq!(faults(change), Vec::<String>::new());
        }
        type Change = fn(&mut Config);
        let broken: [(Change, &str); 7] = [
            (
                |c| {
                    drop(
                        c.recipients
                            .lists
                            .insert("a.example".into(), "a.txt".into()),
                    )
                },
                "recipients.lists has a list for a.example",
            ),
            (
                |c| c.limits.in_flight_bytes = c.limits.message_size - 1,
                "limits.in_flight_bytes (26214399B) is less",
            ),
            (
                |c| c.kafka.delivery_timeout = c.server.drain_timeout,
                "kafka.delivery_timeout (35s) is not less",
            ),
            (
                |c| c.tls.certificate = Some("a".into()),
                "tls.certificate is set without tls.key",
            ),
            (
                |c| c.tls.key = Some("a".into()),
                "tls.key is set without tls.certificate",
            ),
            (
                |c| c.server.listen.extend_from_within(..),
                "127.0.0.1:2525 is listed twice",
            ),
            (
                |c| c.admin.listen = c.server.listen[0],
                "127.0.0.1:2525 is in both",
            ),
        ];
        for (change, begin) in broken {
            let faults = faults(change);
            assert_eq!(faults.len(), 1, "{begin}: {faults:?}");
            assert!(faults[0].starts_with(begin), "{faults:?}");
        }
    }
}

//! The checks between options: what the range of one value cannot express.
//!
//! Owns the relations; `reason` has the texts. Knows nothing of files or precedence; where a value was written is the caller's
//! business.

use std::net::SocketAddr;

use super::options::{Brokers, Config};
use super::reason::Conflict;
use super::value;
use crate::limits::OBJECT_MEMORY_OCTETS;

/// A relation between options.
pub(super) struct Relation {
    /// The options that it is between. It is not looked at while one of them could not be read.
    pub keys: &'static [&'static str],
    /// What does not go together, if anything does not.
    pub fault: fn(&Config) -> Option<Conflict>,
}

/// All of them; the defaults keep every one.
pub(super) const RELATIONS: [Relation; 11] = [
    Relation {
        keys: &[
            "limits.in_flight_bytes",
            "limits.message_size",
            "objects.url",
        ],
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
        keys: &["recipients.topic", "kafka.topic"],
        fault: recipients_have_their_own_topic,
    },
    Relation {
        keys: &["recipients.topic", "kafka.brokers"],
        fault: a_topic_of_recipients_has_brokers,
    },
    Relation {
        keys: &["tls.certificate", "tls.key"],
        fault: certificate_and_key_come_together,
    },
    Relation {
        keys: &["tls.certificate", "tls.sni_certificates", "tls.sni_keys"],
        fault: further_certificates_have_their_keys,
    },
    Relation {
        keys: &["tls.ticket_keys", "tls.certificate"],
        fault: ticket_keys_have_a_certificate,
    },
    Relation {
        keys: &["server.listen_tls", "tls.certificate"],
        fault: implicit_tls_has_a_certificate,
    },
    Relation {
        keys: &["server.listen", "server.listen_tls", "server.listen_proxy"],
        fault: an_address_is_listened_on_once,
    },
    Relation {
        keys: &[
            "admin.listen",
            "server.listen",
            "server.listen_tls",
            "server.listen_proxy",
        ],
        fault: admin_has_its_own_address,
    },
];

fn one_message_fits_the_memory(config: &Config) -> Option<Conflict> {
    let memory = config.limits.in_flight_bytes;
    let message = match config.objects.url {
        // A large one goes to the store while it arrives.
        Some(_) => (config.limits.message_size).min(OBJECT_MEMORY_OCTETS as u64),
        None => config.limits.message_size,
    };
    (memory < message).then(|| Conflict::MessageBeyondMemory {
        memory: value::size_text(memory),
        message: value::size_text(message),
    })
}

fn a_drain_outlasts_a_delivery(config: &Config) -> Option<Conflict> {
    let (delivery, drain) = (config.kafka.delivery_timeout, config.server.drain_timeout);
    (delivery >= drain).then(|| Conflict::DrainBeforeDelivery {
        delivery: value::time_text(delivery),
        drain: value::time_text(drain),
    })
}

fn a_list_is_of_a_domain(config: &Config) -> Option<Conflict> {
    let recipients = &config.recipients;
    let mut names = recipients.lists.keys();
    let domain = names.find(|name| !recipients.domains.contains(name))?;
    let domain = domain.clone();
    Some(Conflict::ListOfNoDomain { domain })
}

fn recipients_have_their_own_topic(config: &Config) -> Option<Conflict> {
    let topic = config.recipients.topic.as_ref()?;
    let goes_there = config.topics().place(topic).is_some();
    let topic = topic.clone();
    goes_there.then_some(Conflict::MailAmongRecipients { topic })
}

fn a_topic_of_recipients_has_brokers(config: &Config) -> Option<Conflict> {
    let topic = config.recipients.topic.as_ref()?;
    let topic = topic.clone();
    (config.kafka.brokers == Brokers::Discard).then_some(Conflict::RecipientsNowhere { topic })
}

fn certificate_and_key_come_together(config: &Config) -> Option<Conflict> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => Some(Conflict::CertificateWithoutKey),
        (None, Some(_)) => Some(Conflict::KeyWithoutCertificate),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn further_certificates_have_their_keys(config: &Config) -> Option<Conflict> {
    let tls = &config.tls;
    let (certificates, keys) = (tls.sni_certificates.len(), tls.sni_keys.len());
    if certificates != keys {
        return Some(Conflict::FurtherKeys { certificates, keys });
    }
    (certificates > 0 && tls.certificate.is_none()).then_some(Conflict::FurtherWithoutFirst)
}

fn ticket_keys_have_a_certificate(config: &Config) -> Option<Conflict> {
    (config.tls.ticket_keys.is_some() && config.tls.certificate.is_none())
        .then_some(Conflict::TicketKeysWithoutCertificate)
}

fn implicit_tls_has_a_certificate(config: &Config) -> Option<Conflict> {
    (!config.server.listen_tls.is_empty() && config.tls.certificate.is_none())
        .then_some(Conflict::TlsWithoutCertificate)
}

/// The lists of addresses that SMTP is listened for on, each with its key.
fn listening(config: &Config) -> [(&'static str, &[SocketAddr]); 3] {
    let server = &config.server;
    [
        ("server.listen", &server.listen),
        ("server.listen_tls", &server.listen_tls),
        ("server.listen_proxy", &server.listen_proxy),
    ]
}

fn an_address_is_listened_on_once(config: &Config) -> Option<Conflict> {
    let all = config.listening();
    let twice = all.iter().enumerate().find(|(index, address)| {
        // Port 0 is another port each time.
        address.port() != 0 && all[..*index].contains(address)
    });
    twice.map(|(_, address)| Conflict::ListedTwice(*address))
}

fn admin_has_its_own_address(config: &Config) -> Option<Conflict> {
    let admin = config.admin.listen;
    let shared = listening(config)
        .into_iter()
        .find(|(_, addresses)| admin.port() != 0 && addresses.contains(&admin));
    shared.map(|(key, _)| Conflict::SharedWithAdmin {
        address: admin,
        key,
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
            .map(|conflict| conflict.to_string())
            .collect()
    }

    #[test]
    fn relations_are_between_options_of_the_table() {
        for key in RELATIONS.iter().flat_map(|relation| relation.keys) {
            assert!(options::setting(key).is_some(), "{key}");
        }
    }

    type Change = fn(&mut Config);

    #[test]
    fn each_relation_is_kept_at_its_edge() {
        let kept: [Change; 8] = [
            |_| {},
            |c| c.recipients.topic = Some("recipients".into()),
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
    }

    #[test]
    fn beyond_its_edge_one_relation_is_broken_and_no_other() {
        let broken: [(Change, &str); 14] = [
            (
                |c| c.recipients.topic = Some("mail".into()),
                "recipients.topic = \"mail\" is a topic that mail goes to",
            ),
            (
                |c| {
                    c.recipients.topic = Some("recipients".into());
                    c.kafka.brokers = Brokers::Discard;
                },
                "recipients.topic = \"recipients\" cannot be read",
            ),
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
                |c| c.server.listen_proxy = c.server.listen.clone(),
                "127.0.0.1:2525 is listed twice",
            ),
            (
                |c| c.server.listen_tls = vec!["[::]:0".parse().expect("an address")],
                "server.listen_tls is set without tls.certificate",
            ),
            (
                |c| c.tls.sni_keys = vec!["a".into()],
                "tls.sni_certificates names 0 files and tls.sni_keys 1",
            ),
            (
                |c| {
                    c.tls.sni_keys = vec!["a".into()];
                    c.tls.sni_certificates = vec!["a".into()];
                },
                "tls.sni_certificates is set without tls.certificate",
            ),
            (
                |c| c.tls.ticket_keys = Some("a".into()),
                "tls.ticket_keys is set without tls.certificate",
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

//! The configuration that nobody has set anything in: what the defaults of the table of options make.
//!
//! Owns no value: each is the table's.
//!
//! Invariant: [`Config::default`] has the default of every option, and passes the checks between options.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::options::SETTINGS;
use super::{
    Access, Admin, Brokers, Config, Kafka, Limits, Log, LogFormat, Recipients, RecordKey, Server,
    Tls,
};
use crate::smtp::policy::BareNewlinePolicy;

impl Default for Config {
    /// The defaults of the table. Its host name is `localhost`: only [`load()`](super::load()) asks the machine.
    fn default() -> Self {
        let mut config = blank();
        for setting in &SETTINGS {
            let set = setting.set(&mut config, &setting.default_texts());
            assert_eq!(set, Ok(()), "the default of {} is allowed", setting.key);
        }
        "localhost".clone_into(&mut config.server.hostname);
        config
    }
}

/// A configuration whose values mean nothing yet: each is set by its default.
fn blank() -> Config {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    Config {
        server: Server {
            hostname: String::new(),
            listen: Vec::new(),
            listen_tls: Vec::new(),
            listen_proxy: Vec::new(),
            workers: 0,
            trace: false,
            bare_newlines: BareNewlinePolicy::Reject,
            greeting_delay: Duration::ZERO,
            proxy_networks: Vec::new(),
            drain_timeout: Duration::ZERO,
        },
        limits: Limits {
            message_size: 0,
            recipients: 0,
            connections: 0,
            connections_per_ip: 0,
            connections_per_network: 0,
            network_prefix_ipv4: 0,
            network_prefix_ipv6: 0,
            messages_per_minute_per_ip: 0,
            in_flight_messages: 0,
            in_flight_bytes: 0,
            command_timeout: Duration::ZERO,
            data_timeout: Duration::ZERO,
            message_timeout: Duration::ZERO,
            session_timeout: Duration::ZERO,
            session_messages: 0,
            session_bytes: 0,
            idle_commands: 0,
            errors: 0,
            unknown_recipients: 0,
        },
        recipients: Recipients {
            domains: Vec::new(),
            delimiter: String::new(),
            case_sensitive: false,
            lists: BTreeMap::new(),
        },
        access: Access {
            allow: Vec::new(),
            deny: Vec::new(),
        },
        tls: Tls {
            certificate: None,
            key: None,
            sni_certificates: Vec::new(),
            sni_keys: Vec::new(),
            handshake_timeout: Duration::ZERO,
        },
        kafka: Kafka {
            brokers: Brokers::Embedded,
            topic: String::new(),
            key: RecordKey::None,
            allow_compacted: false,
            delivery_timeout: Duration::ZERO,
            properties: BTreeMap::new(),
        },
        admin: Admin { listen: nowhere },
        log: Log {
            level: String::new(),
            format: LogFormat::Text,
            messages: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_quick_start() {
        let config = Config::default();
        assert_eq!(config.server.hostname, "localhost");
        assert_eq!(
            config.server.listen,
            ["127.0.0.1:2525".parse().expect("an address")]
        );
        assert_eq!((config.server.workers, config.server.trace), (0, true));
        assert_eq!(config.server.drain_timeout, Duration::from_secs(35));
        assert_eq!(config.limits.message_size, 26_214_400);
        assert_eq!((config.limits.recipients, config.limits.errors), (100, 20));
        assert_eq!(
            (config.limits.connections, config.limits.connections_per_ip),
            (50_000, 0)
        );
        assert_eq!(
            (
                config.limits.in_flight_messages,
                config.limits.in_flight_bytes
            ),
            (10_000, 1 << 30)
        );
        assert_eq!(config.limits.command_timeout, Duration::from_secs(300));
        assert_eq!(config.limits.data_timeout, Duration::from_secs(180));
        assert_eq!(config.recipients.domains, ["*"]);
        assert_eq!(
            (
                config.recipients.delimiter.as_str(),
                config.recipients.case_sensitive,
                config.recipients.lists.len()
            ),
            ("+", false, 0)
        );
        assert_eq!(
            (config.access.allow.len(), config.access.deny.len()),
            (2, 0)
        );
        assert_eq!(
            config.tls,
            Tls {
                certificate: None,
                key: None,
                sni_certificates: Vec::new(),
                sni_keys: Vec::new(),
                handshake_timeout: Duration::from_secs(30),
            }
        );
        assert_eq!(
            (config.kafka.brokers, config.kafka.topic.as_str()),
            (Brokers::Embedded, "mail")
        );
        assert_eq!(
            (config.kafka.key, config.kafka.delivery_timeout),
            (RecordKey::None, Duration::from_secs(30))
        );
        assert!(config.kafka.properties.is_empty());
        assert_eq!(
            config.admin.listen,
            "127.0.0.1:9925".parse().expect("an address")
        );
        assert_eq!(
            (config.log.level.as_str(), config.log.format),
            ("info", LogFormat::Text)
        );
        assert!(config.log.messages);
    }
}

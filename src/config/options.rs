//! The one table of options. Reading the file, the environment and flags, checking, and every text about options follow
//! from it: an option is added by adding its entry here and its field in the parent module.
//!
//! Owns keys, kinds, ranges, defaults, texts and flags. Knows nothing of files, positions or precedence; how a kind is
//! checked is the business of [`Setting`].
//!
//! Invariants, each tested: every key is `section.name` with a section of `SECTIONS`; the default of each entry passes
//! its own check (see `defaults`).

use std::path::PathBuf;

use super::setting::{Kind, Section, Setting};
use super::{Brokers, LogFormat, RecordKey, value};
use crate::smtp::access::Network;
use crate::smtp::policy::BareNewlinePolicy;

/// The sections in the order in which they are documented.
pub const SECTIONS: [Section; 8] = [
    Section {
        name: "server",
        doc: "The SMTP side as a whole.",
    },
    Section {
        name: "limits",
        doc: "What clients may use up. Memory is bounded by these, whatever clients do.",
    },
    Section {
        name: "recipients",
        doc: "Whom mail is taken for.",
    },
    Section {
        name: "access",
        doc: "Which networks are served. Of all networks of both lists that hold a client's address, the one with the longest \
              prefix decides; where both lists have it, the client is refused, as it is where none holds its address.",
    },
    Section {
        name: "tls",
        doc: "The certificates of STARTTLS and of `server.listen_tls`. Without one, STARTTLS is not offered. TLS 1.3 is spoken, and \
              TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305. Some old clients have these for ECDSA certificates alone, and \
              fall back to clear with an RSA one; those with CBC or DHE suites alone cannot encrypt with either.",
    },
    Section {
        name: "kafka",
        doc: "Where messages go.",
    },
    Section {
        name: "admin",
        doc: "Metrics and health, over HTTP.",
    },
    Section {
        name: "log",
        doc: "What is written to standard error.",
    },
];

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The options, section by section.
pub static SETTINGS: [Setting; 50] = [
    Setting {
        key: "server.hostname",
        kind: Kind::Text(
            "a domain name, or an address literal such as `[192.0.2.1]`",
            |config, text| {
                config.server.hostname = value::host_name(text)?;
                Ok(())
            },
        ),
        default: "",
        doc: "The name of this server, as its greeting, the Received field and `ce_source` of records give it. It should be \
              the name that the MX record points to. Empty: the host name of the machine.",
        flag: Some("--hostname"),
        reload: false,
    },
    Setting {
        key: "server.listen",
        kind: Kind::List(
            "IP addresses with a port, such as `0.0.0.0:25` or `[::]:25`",
            |config| config.server.listen.clear(),
            |config, text| {
                config.server.listen.push(value::address(text)?);
                Ok(())
            },
        ),
        default: "127.0.0.1:2525",
        doc: "Where SMTP is listened for. Port 0 lets the kernel choose a port; the line on standard output names it. \
              `[::]` takes IPv4 clients as well, unless an IPv4 address with the same port is listened on beside it: then it \
              takes IPv6 alone, and each client comes by its own. Ports below 1024 (`net.ipv4.ip_unprivileged_port_start`) \
              need the capability CAP_NET_BIND_SERVICE.",
        flag: Some("--listen"),
        reload: false,
    },
    Setting {
        key: "server.listen_tls",
        kind: Kind::List(
            "IP addresses with a port, such as `0.0.0.0:465`",
            |config| config.server.listen_tls.clear(),
            |config, text| {
                config.server.listen_tls.push(value::address(text)?);
                Ok(())
            },
        ),
        default: "",
        doc: "Where SMTP is listened for with TLS from the first octet (RFC 8314 3.3). Needs `tls.certificate`.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "server.listen_proxy",
        kind: Kind::List(
            "IP addresses with a port, such as `0.0.0.0:2526`",
            |config| config.server.listen_proxy.clear(),
            |config, text| {
                config.server.listen_proxy.push(value::address(text)?);
                Ok(())
            },
        ),
        default: "",
        doc: "Where SMTP is listened for behind a load balancer that sends the PROXY protocol, version 1 or 2, in front of \
              each connection. The client that it names is the one that limits, records and logs see.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "server.workers",
        kind: Kind::Count(0, 1024, |config| &mut config.server.workers),
        default: "0",
        doc: "Threads that serve connections, each with an io_uring of its own. 0: one per core that the process may use.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "server.trace",
        kind: Kind::Switch(|config| &mut config.server.trace),
        default: "true",
        doc: "Whether one Received field is put in front of each message (RFC 5321 4.4). Without it, the value of a record \
              is exactly what the client sent.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "server.bare_newlines",
        kind: Kind::Choice(&[
            ("reject", |config| {
                config.server.bare_newlines = BareNewlinePolicy::Reject;
            }),
            ("accept", |config| {
                config.server.bare_newlines = BareNewlinePolicy::Accept;
            }),
        ]),
        default: "reject",
        doc: "What becomes of a message that holds a CR or an LF that is not part of CRLF. `reject`: 550 5.6.0. `accept`: it is \
              data, and the record's header `ce_smtpbarenewlines` warns those who read it. It never ends a line or a message \
              here, but other software may take it for one, which is what SMTP smuggling needs (CVE-2023-51764). Messages \
              that come by BDAT are not looked through.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "server.proxy_networks",
        kind: Kind::List(
            "networks, such as `192.0.2.0/24` or `2001:db8::/32`, or addresses",
            |config| config.server.proxy_networks.clear(),
            |config, text| {
                config.server.proxy_networks.push(Network::parse(text)?);
                Ok(())
            },
        ),
        default: "127.0.0.0/8,::1/128",
        doc: "The proxies that a listener behind the PROXY protocol believes; a connection from elsewhere is closed there.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "server.greeting_delay",
        kind: Kind::Time(0, MINUTE, |config| &mut config.server.greeting_delay),
        default: "0s",
        doc: "How long a client has to wait for the greeting. One that sends something before it is answered 554 and closed, \
              as RFC 5321 4.3.1 has clients wait; without a delay nobody is. Waiting clients are looked at once a second: a shorter \
              delay can last that long. Clients of `server.listen_tls` and `server.listen_proxy` do not wait.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "server.drain_timeout",
        kind: Kind::Time(100, HOUR, |config| &mut config.server.drain_timeout),
        default: "35s",
        doc: "How long SIGTERM waits for transactions that have begun before it ends them. It is longer than \
              `kafka.delivery_timeout`, so that a message on its way to Kafka gets its reply. Give the service manager a \
              little more before it kills.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.message_size",
        kind: Kind::Size(KIB, GIB, |config| &mut config.limits.message_size),
        default: "25MiB",
        doc: "The largest message that is taken, advertised as SIZE (RFC 1870). The topic's `max.message.bytes` has to \
              allow it with 64 KiB to spare for the record's headers.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.recipients",
        kind: Kind::Count(1, 10_000, |config| &mut config.limits.recipients),
        default: "100",
        doc: "Recipients of one message; further ones are answered 452, and the sender tries them in another message. \
              RFC 5321 4.5.3.1.8 asks for 100 at least.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.connections",
        kind: Kind::Count(1, 1_000_000, |config| &mut config.limits.connections),
        default: "50000",
        doc: "Open connections, of all workers together; further ones are answered 421. Each needs an open file: `ulimit -n` \
              has to be higher.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.connections_per_ip",
        kind: Kind::Count(0, 1_000_000, |config| &mut config.limits.connections_per_ip),
        default: "0",
        doc: "Open connections from one address; further ones are answered 421. 0: no limit.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.connections_per_network",
        kind: Kind::Count(0, 1_000_000, |config| {
            &mut config.limits.connections_per_network
        }),
        default: "0",
        doc: "Open connections from one network, which is as large as the two options below say; further ones are answered \
              421. 0: no limit.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.network_prefix_ipv4",
        kind: Kind::Count(1, 32, |config| &mut config.limits.network_prefix_ipv4),
        default: "24",
        doc: "Bits of an IPv4 address that make a network.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.network_prefix_ipv6",
        kind: Kind::Count(1, 128, |config| &mut config.limits.network_prefix_ipv6),
        default: "64",
        doc: "Bits of an IPv6 address that make a network: one host usually has all addresses of a /64.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.messages_per_minute_per_ip",
        kind: Kind::Count(0, 1_000_000, |config| {
            &mut config.limits.messages_per_minute_per_ip
        }),
        default: "0",
        doc: "Messages that one address may begin in a minute, all at once or spread, over all of its connections; at a further \
              one MAIL is answered 451. An IPv6 network counts as one address. 0: no limit.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.in_flight_messages",
        kind: Kind::Count(1, 10_000_000, |config| {
            &mut config.limits.in_flight_messages
        }),
        default: "10000",
        doc: "Messages that may be under way at once, from their first octet to their reply. Beyond it clients wait, and \
              after a while are answered 451.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.in_flight_bytes",
        kind: Kind::Size(KIB, 1024 * GIB, |config| &mut config.limits.in_flight_bytes),
        default: "1GiB",
        doc: "Memory that those messages may hold together; no less than `limits.message_size`.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.command_timeout",
        kind: Kind::Time(10, HOUR, |config| &mut config.limits.command_timeout),
        default: "5min",
        doc: "How long a client may wait with its next command before it is answered 421. RFC 5321 4.5.3.2.7 asks for five \
              minutes.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.data_timeout",
        kind: Kind::Time(10, HOUR, |config| &mut config.limits.data_timeout),
        default: "3min",
        doc: "How long a client may wait with the next part of a message before it is answered 421. RFC 5321 4.5.3.2.5 has \
              three minutes.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.message_timeout",
        kind: Kind::Time(10, 24 * HOUR, |config| &mut config.limits.message_timeout),
        default: "30min",
        doc: "How long a message may take from the reply to DATA, or from its first BDAT, to its end, however its octets drip, \
              before the client is answered 421.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.session_timeout",
        kind: Kind::Time(10, 7 * 24 * HOUR, |config| {
            &mut config.limits.session_timeout
        }),
        default: "24h",
        doc: "The age at which a session is answered 421 as soon as it is outside of a transaction.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.session_messages",
        kind: Kind::Count(0, 1_000_000_000, |config| {
            &mut config.limits.session_messages
        }),
        default: "0",
        doc: "Messages of one session; the next MAIL is answered 421. Advertised as MAILMAX (RFC 9422). 0: no limit.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.session_bytes",
        kind: Kind::Size(0, 1024 * GIB, |config| &mut config.limits.session_bytes),
        default: "0",
        doc: "Octets of all messages of one session; once they are reached, the next MAIL is answered 421. 0: no limit.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.idle_commands",
        kind: Kind::Count(1, 1_000_000, |config| &mut config.limits.idle_commands),
        default: "1000",
        doc: "Commands in a row that bring no message forward, such as NOOP, before a session is answered 421 and closed. An \
              accepted recipient, a chunk and a message start the count anew.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.errors",
        kind: Kind::Count(1, 10_000, |config| &mut config.limits.errors),
        default: "20",
        doc: "Erroneous commands of a session before it is answered 421 and closed. A message that is stored takes them back; \
              recipients that are not taken are counted by `limits.unknown_recipients`.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "limits.unknown_recipients",
        kind: Kind::Count(1, 1_000_000, |config| &mut config.limits.unknown_recipients),
        default: "100",
        doc: "Recipients of a session that are not taken (550) before it is answered 421 and closed, so that nobody can try out \
              names without end. A message that is stored takes them back.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "recipients.domains",
        kind: Kind::List(
            "domain names (`example.com`), names below one (`*.example.com`), or `*` for all",
            |config| config.recipients.domains.clear(),
            |config, text| {
                config.recipients.domains.push(value::domain_pattern(text)?);
                Ok(())
            },
        ),
        default: "*",
        doc: "The domains that mail is taken for; other recipients are answered 550 5.7.1. `*.example.com` does not include \
              `example.com` itself.",
        flag: Some("--domain"),
        reload: true,
    },
    Setting {
        key: "recipients.delimiter",
        kind: Kind::Text(
            "up to 4 of ``!#$%&'*+-/=?^_`{|}~.``, or nothing",
            |config, text| {
                config.recipients.delimiter = value::delimiters(text)?;
                Ok(())
            },
        ),
        default: "+",
        doc: "Characters of which each divides the local-part of a listed recipient from what its owner put behind it: with \
              `+`, mail for `joe+shop@example.com` is taken where `joe` is listed. Empty: none.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "recipients.case_sensitive",
        kind: Kind::Switch(|config| &mut config.recipients.case_sensitive),
        default: "false",
        doc: "Whether `Joe` and `joe` on a list of recipients are two.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "recipients.lists",
        kind: Kind::Table(
            "paths",
            value::domain_pattern,
            |_, _| Ok(()),
            |config| &mut config.recipients.lists,
        ),
        default: "",
        doc: "Files that list the recipients of a domain, such as `\"example.com\" = \"/etc/ringpost/example.com.txt\"`: one \
              local-part or address a line, `#` begins a comment; who is not listed is answered 550 5.1.1. Each name also \
              stands in `recipients.domains`; domains without a list take everybody. See \
              [recipients.md](recipients.md). In the environment: `domain=path;domain=path`.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "access.allow",
        kind: Kind::List(
            "networks, such as `192.0.2.0/24` or `2001:db8::/32`, or addresses",
            |config| config.access.allow.clear(),
            |config, text| {
                config.access.allow.push(Network::parse(text)?);
                Ok(())
            },
        ),
        default: "0.0.0.0/0,::/0",
        doc: "Networks that are served. To serve a few alone, name these and no more.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "access.deny",
        kind: Kind::List(
            "networks, such as `192.0.2.0/24` or `2001:db8::/32`, or addresses",
            |config| config.access.deny.clear(),
            |config, text| {
                config.access.deny.push(Network::parse(text)?);
                Ok(())
            },
        ),
        default: "",
        doc: "Networks that are not: their connections are answered 554 instead of the greeting, and closed.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "tls.certificate",
        kind: Kind::Text("a path", |config, text| {
            config.tls.certificate = path(text);
            Ok(())
        }),
        default: "",
        doc: "PEM file of the certificate, followed by its chain. It should be for `server.hostname`, and ECDSA serves more clients than \
              RSA. A relative path starts at the folder that ringpost was \
              started in. Empty: none.",
        flag: Some("--tls-cert"),
        reload: true,
    },
    Setting {
        key: "tls.key",
        kind: Kind::Text("a path", |config, text| {
            config.tls.key = path(text);
            Ok(())
        }),
        default: "",
        doc: "PEM file of the certificate's private key. Set both or neither.",
        flag: Some("--tls-key"),
        reload: true,
    },
    Setting {
        key: "tls.sni_certificates",
        kind: Kind::List(
            "PEM files",
            |config| config.tls.sni_certificates.clear(),
            |config, text| {
                config.tls.sni_certificates.push(PathBuf::from(text));
                Ok(())
            },
        ),
        default: "",
        doc: "Further certificates with their chains, chosen by the name that the client asks for (SNI, RFC 6066 3). A name \
              that none is for gets `tls.certificate`. All files are read again on SIGHUP, and when they change.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "tls.sni_keys",
        kind: Kind::List(
            "PEM files",
            |config| config.tls.sni_keys.clear(),
            |config, text| {
                config.tls.sni_keys.push(PathBuf::from(text));
                Ok(())
            },
        ),
        default: "",
        doc: "Their private keys, in the same order.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "tls.handshake_timeout",
        kind: Kind::Time(10, 10 * MINUTE, |config| &mut config.tls.handshake_timeout),
        default: "30s",
        doc: "How long a TLS handshake may take before the connection is closed.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "kafka.brokers",
        kind: Kind::Text(
            "`host:port`, several separated by commas; or `embedded`, or `discard`",
            |config, text| {
                config.kafka.brokers = match text.trim() {
                    "embedded" => Brokers::Embedded,
                    "discard" => Brokers::Discard,
                    list => Brokers::List(value::broker_list(list)?),
                };
                Ok(())
            },
        ),
        default: "embedded",
        doc: "Brokers of the cluster to begin with; the others are learned from them. `embedded`: a broker inside this \
              process, in memory, to try ringpost with; it is no storage: it takes messages of 2555904 bytes at most, keeps some \
              320 MiB, and drops the oldest beyond that. `discard`: no broker; messages are acknowledged \
              and dropped, to measure with.",
        flag: Some("--brokers"),
        reload: false,
    },
    Setting {
        key: "kafka.topic",
        kind: Kind::Text(
            "1 to 249 letters, digits, dots, underscores and hyphens",
            |config, text| {
                config.kafka.topic = value::topic(text)?;
                Ok(())
            },
        ),
        default: "mail",
        doc: "The topic of the records.",
        flag: Some("--topic"),
        reload: false,
    },
    Setting {
        key: "kafka.key",
        kind: Kind::Choice(&[
            ("none", |config| config.kafka.key = RecordKey::None),
            ("recipient", |config| {
                config.kafka.key = RecordKey::Recipient
            }),
            ("recipient-domain", |config| {
                config.kafka.key = RecordKey::RecipientDomain
            }),
            ("sender", |config| config.kafka.key = RecordKey::Sender),
            ("client-ip", |config| config.kafka.key = RecordKey::ClientIp),
        ]),
        default: "none",
        doc: "What a record's key is made of; records of one key are in one partition, in order. `recipient` and \
              `recipient-domain` take the first recipient of the message. A domain stands in a key in lower case and as its A-labels, \
              however it was written; a local-part stands as it was written. `none` spreads records evenly.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "kafka.allow_compacted",
        kind: Kind::Switch(|config| &mut config.kafka.allow_compacted),
        default: "false",
        doc: "Whether mail is given to a topic whose `cleanup.policy` has `compact` in it, alone or with `delete`. Kafka \
              deletes all but the newest record of each key there, so that mail is lost after its 250. With `false`, \
              `ringpost check` fails, `/readyz` is 503, and mail gets 451 as long as the topic is compacted. Without a key \
              such a topic refuses every record, so that `true` needs a `kafka.key`.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "kafka.delivery_timeout",
        // Nine minutes leave one for what comes before and after Kafka, of the ten that a sender waits for the reply to
        // its data (RFC 5321 4.5.3.2.6): a reply that comes later makes the sender send the message again.
        kind: Kind::Time(100, 9 * MINUTE, |config| &mut config.kafka.delivery_timeout),
        default: "30s",
        doc: "How long a record may take to reach every in-sync replica, retries included, before the client is answered \
              451 and keeps the message. Less than `server.drain_timeout`, and well below the ten minutes that a sender \
              waits (RFC 5321 4.5.3.2.6).",
        flag: None,
        reload: false,
    },
    Setting {
        key: "kafka.properties",
        kind: Kind::Table(
            "properties",
            value::property_name,
            value::property_value,
            |config| &mut config.kafka.properties,
        ),
        default: "",
        doc: "Any property of librdkafka's producer, such as `compression.type = \"zstd\"`, `security.protocol = \"ssl\"` or \
              `linger.ms = 5`; values are strings, numbers or booleans. Properties that ringpost sets itself are refused: \
              `acks`, `message.max.bytes`, `delivery.timeout.ms`, `bootstrap.servers` and their like. A name that librdkafka does \
              not know, or a value that it does not take, ends the start with exit code 2. In the environment: \
              `name=value;name=value`, with `\\;` for a semicolon and `\\\\` for a backslash in a value; these are added to \
              those of the file and beat them.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "admin.listen",
        kind: Kind::Text(
            "an IP address with a port, such as `127.0.0.1:9925`",
            |config, text| {
                config.admin.listen = value::address(text)?;
                Ok(())
            },
        ),
        default: "127.0.0.1:9925",
        doc: "Where `/metrics`, `/healthz` and `/readyz` are served. Whoever reaches it can read the metrics, so keep it off \
              the public network. Port 0 lets the kernel choose.",
        flag: Some("--admin"),
        reload: false,
    },
    Setting {
        key: "log.level",
        kind: Kind::Choice(&[
            ("error", |config| "error".clone_into(&mut config.log.level)),
            ("warn", |config| "warn".clone_into(&mut config.log.level)),
            ("info", |config| "info".clone_into(&mut config.log.level)),
            ("debug", |config| "debug".clone_into(&mut config.log.level)),
            ("trace", |config| "trace".clone_into(&mut config.log.level)),
        ]),
        default: "info",
        doc: "The least severe level that is logged.",
        flag: None,
        reload: true,
    },
    Setting {
        key: "log.format",
        kind: Kind::Choice(&[
            ("text", |config| config.log.format = LogFormat::Text),
            ("json", |config| config.log.format = LogFormat::Json),
        ]),
        default: "text",
        doc: "How a log line looks: `text` for people, `json` for one object a line.",
        flag: None,
        reload: false,
    },
    Setting {
        key: "log.messages",
        kind: Kind::Switch(|config| &mut config.log.messages),
        default: "true",
        doc: "Whether each message and each refusal gets a line in the log: who sent what to whom, and what became of it. \
              `docs/logging.md` has the fields. A flood of the same refusals is counted.",
        flag: None,
        reload: false,
    },
];

/// The option of this key.
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_grouped_by_section() {
        let mut order = Vec::new();
        for setting in &SETTINGS {
            if order.last() != Some(&setting.section()) {
                order.push(setting.section());
            }
            let same = SETTINGS
                .iter()
                .filter(|other| other.key == setting.key)
                .count();
            assert_eq!(same, 1, "{} is there once", setting.key);
        }
        let sections: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        assert_eq!(order, sections);
    }

    #[test]
    fn variables_and_flags_are_unique() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            for other in &SETTINGS[index + 1..] {
                assert_ne!(setting.variable(), other.variable());
                assert!(
                    setting.flag.is_none() || setting.flag != other.flag,
                    "{}",
                    setting.key
                );
            }
        }
        assert_eq!(
            setting("limits.message_size")
                .expect("in the table")
                .variable(),
            "RINGPOST_LIMITS_MESSAGE_SIZE"
        );
    }

    #[test]
    fn every_option_is_documented() {
        for setting in &SETTINGS {
            assert!(
                setting.doc.ends_with('.') && !setting.doc.contains('\n'),
                "{}",
                setting.key
            );
            assert!(!setting.doc.contains("  "), "{}", setting.key);
        }
    }
}

//! The table `[kafka]`: where messages go.

use std::fmt;
use std::time::Duration;

use ringpost_proto::mail::record::RecordKey;

use crate::config::reason::Reason;
use crate::config::row::{
    Choice, Shown, Switch, Table, Text, Texts, Time, milliseconds, minutes, rows,
};
use crate::config::value;

rows! {
    /// Where messages go.
    kafka: Kafka {
        /// Brokers of the cluster to begin with; the others are learned from them. `embedded`: a broker inside this
        /// process, in memory, to try ringpost with; it is no storage: it takes messages of 2555904 bytes at most,
        /// keeps some 320 MiB, and drops the oldest beyond that. `discard`: no broker; messages are acknowledged and
        /// dropped, to measure with.
        brokers: Brokers = "embedded",
            Text("`host:port`, several separated by commas; or `embedded`, or `discard`", brokers), flag "--brokers";

        /// The topic of the records.
        topic: String = "mail",
            Text("1 to 249 letters, digits, dots, underscores and hyphens", value::topic), flag "--topic";

        /// What a record's key is made of; records of one key are in one partition, in order. `recipient` and
        /// `recipient-domain` take the first recipient of the message. A domain stands in a key in lower case and as
        /// its A-labels, however it was written; a local-part stands as it was written. `none` spreads records evenly.
        key: RecordKey = "none", Choice(&[
            ("none", RecordKey::None),
            ("recipient", RecordKey::Recipient),
            ("recipient-domain", RecordKey::RecipientDomain),
            ("sender", RecordKey::Sender),
            ("client-ip", RecordKey::ClientIp),
        ]);

        /// Whether mail is given to a topic whose `cleanup.policy` has `compact` in it, alone or with `delete`. Kafka
        /// deletes all but the newest record of each key there, so that mail is lost after its 250. With `false`,
        /// `ringpost check` fails, `/readyz` is 503, and mail gets 451 as long as the topic is compacted. Without a key
        /// such a topic refuses every record, so that `true` needs a `kafka.key`.
        allow_compacted: bool = "false", Switch;

        /// How long a record may take to reach every in-sync replica, retries included, before the client is answered
        /// 451 and keeps the message. Less than `server.drain_timeout`, and well below the ten minutes that a sender
        /// waits (RFC 5321 4.5.3.2.6).
        // Nine minutes leave one for what comes before and after Kafka, of the ten that a sender waits for the reply to
        // its data (RFC 5321 4.5.3.2.6): a reply that comes later makes the sender send the message again.
        delivery_timeout: Duration = "30s", Time(milliseconds(100)..=minutes(9));

        /// Any property of librdkafka's producer, such as `compression.type = "zstd"`, `security.protocol = "ssl"` or
        /// `linger.ms = 5`; values are strings, numbers or booleans. Properties that ringpost sets itself are refused:
        /// `acks`, `message.max.bytes`, `delivery.timeout.ms`, `bootstrap.servers` and their like. A name that
        /// librdkafka does not know, or a value that it does not take, ends the start with exit code 2. In the
        /// environment: `name=value;name=value`, with `\;` for a semicolon and `\\` for a backslash in a value; these
        /// are added to those of the file and beat them.
        properties: Texts = "",
            Table { of: "properties", name: value::property_name, text: value::property_value };
    }
}

/// The cluster, or what stands in for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brokers {
    /// `embedded`: librdkafka's in-process broker, memory only.
    Embedded,
    /// `discard`: none; messages are accepted and dropped, for measuring.
    Discard,
    /// The `bootstrap.servers` of a cluster: `host:port`, separated by commas.
    List(String),
}

impl fmt::Display for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Brokers::Embedded => "embedded",
            Brokers::Discard => "discard",
            Brokers::List(list) => list,
        })
    }
}

impl Shown for Brokers {
    fn shown(&self) -> String {
        self.to_string()
    }
}

fn brokers(text: &str) -> Result<Brokers, Reason> {
    Ok(match text.trim() {
        "embedded" => Brokers::Embedded,
        "discard" => Brokers::Discard,
        list => Brokers::List(value::broker_list(list)?),
    })
}

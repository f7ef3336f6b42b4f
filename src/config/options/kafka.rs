//! The table `[kafka]`: where messages go.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ringpost_proto::mail::record::RecordKey;

use crate::config::reason::Reason;
use crate::config::row::{
    Choice, Count, GIB, KIB, Shown, Size, Switch, Table, Text, Texts, Time, hours, milliseconds,
    minutes, rows,
};
use crate::config::value;

rows! {
    /// Where messages go.
    kafka: Kafka {
        /// The brokers to connect to first; the others are learned from them. `embedded`: a broker inside this process,
        /// in memory, for trying ringpost. It is not storage: it takes messages of at most 2555904 bytes, keeps about
        /// 320 MiB, and drops the oldest beyond that. `discard`: no broker; messages are acknowledged and dropped, for
        /// measurements.
        brokers: Brokers = "embedded",
            Text("`host:port`, several separated by commas; or `embedded`, or `discard`", brokers), flag "--brokers";

        /// The topic that records go to, unless one of the `[[routes]]` says otherwise.
        topic: String = "mail",
            Text("1 to 249 letters, digits, dots, underscores and hyphens", value::topic), flag "--topic";

        /// The topic of records of `kafka.large_size` or more, for mail that no route matches: a broker appends to a
        /// partition one request at a time, so that small mails wait behind large ones in the same topic. Empty: they go to
        /// `kafka.topic` like the others.
        large_topic: Option<String> = "",
            Text("a topic's name, or nothing", value::optional_topic);

        /// From how many bytes on a record's value is large, its Received field included.
        large_size: u64 = "1MiB", Size(KIB..=GIB);

        /// Whether a mail to several recipients becomes several records. `none`: one record for each topic. `domain`: one for
        /// each domain of its recipients, in whichever case it is written. `recipient`: one for each recipient. Each record
        /// names its own recipients alone, and the 250 comes after all of them. See [routing.md](routing.md).
        split: Split = "none", Choice(&[
            ("none", Split::None),
            ("domain", Split::Domain),
            ("recipient", Split::Recipient),
        ]);

        /// What a record's key is made of; records with the same key are in one partition, in order. `recipient` and
        /// `recipient-domain` use the first recipient of the record. In a key, a domain is in lower case and as
        /// A-labels, however it was written; a local-part is as it was written. `none` spreads records evenly.
        key: RecordKey = "none", Choice(&[
            ("none", RecordKey::None),
            ("recipient", RecordKey::Recipient),
            ("recipient-domain", RecordKey::RecipientDomain),
            ("sender", RecordKey::Sender),
            ("client-ip", RecordKey::ClientIp),
        ]);

        /// Whether mail is written to a topic whose `cleanup.policy` includes `compact`, alone or with `delete`. In
        /// such a topic Kafka deletes all but the newest record of each key, so mail is lost after its 250. With
        /// `false`, `ringpost check` fails, `/readyz` is 503, and mail gets 451 as long as the topic is compacted. A
        /// compacted topic refuses records without a key, so `true` needs a `kafka.key`.
        allow_compacted: bool = "false", Switch;

        /// The least `min.insync.replicas` of the topic with which mail is taken. While it is lower, or more than 1 is
        /// required and the cluster does not tell it, `ringpost check` fails, `/readyz` is 503, and mail gets 451; a
        /// change of the topic is noticed within 20 seconds. With 1, Kafka's own default, one broker alone may confirm a
        /// mail: `docs/promise.md` says what that is worth.
        require_in_sync: usize = "1", Count(1..=100);

        /// Whether a topic that is missing is created at the start, with 12 partitions, three replicas where the cluster
        /// has three brokers, a `min.insync.replicas` that fits them, and a `max.message.bytes` that the largest message
        /// needs. With `false`, and for a topic that is deleted later, ringpost creates none: mail gets 451 until it is
        /// there. `recipients.topic` is never created: an empty one would refuse every recipient for good.
        create_topic: bool = "false", Switch;

        /// How long a record may take to reach every in-sync replica, retries included, before the client is answered
        /// 451 and keeps the message. It must be less than `server.drain_timeout`, and is well below the ten minutes
        /// that a sender waits (RFC 5321 4.5.3.2.6).
        // Nine minutes leave one for what comes before and after Kafka, of the ten that a sender waits for the reply to
        // its data (RFC 5321 4.5.3.2.6): a reply that comes later makes the sender send the message again.
        delivery_timeout: Duration = "30s", Time(milliseconds(100)..=minutes(9));

        /// How long there may be no broker and no leader that could take mail before senders are refused at once: a new
        /// connection with 421 4.3.2 in place of the banner, an open one with 451 4.3.2 at MAIL. They keep their bytes, or
        /// go to the next MX. Mail that is under way still has `kafka.delivery_timeout`. The time counts from the last
        /// moment at which mail could be stored, and a question of ringpost's own finds that it can be again, never a mail.
        /// 0s: never; each mail is then read whole and waits for its outcome. `docs/high-availability.md` has more.
        fail_fast_after: Duration = "5s", Time(Duration::ZERO..=hours(1));

        /// File of more properties, which keeps passwords out of this file: one `name=value` a line, as the tools of Kafka and
        /// librdkafka write it, with comments after `#` at the beginning of a line. A value is taken as it is; in `ssl.key.pem`
        /// and the other properties in PEM, `\n` is the end of a line. `kafka.properties` and its variable beat this file. It is
        /// checked as they are; an error names its line and never a value. ringpost warns if every user of the machine may read
        /// it. It is read at the start and by `check` and `consume`. A relative path starts at the folder that ringpost was
        /// started in. Empty: none.
        properties_file: Option<PathBuf> = "", Text("a path", value::optional_path), flag "--properties-file";

        /// Any property of librdkafka's producer, such as `compression.type = "zstd"`, `security.protocol = "ssl"` or
        /// `linger.ms = 5`; values are strings, numbers or booleans. Properties that ringpost sets itself are refused:
        /// `acks`, `message.max.bytes`, `delivery.timeout.ms`, `bootstrap.servers` and similar ones. With a name that
        /// librdkafka does not know, or a value that it does not accept, ringpost does not start (exit code 2). In the
        /// environment: `name=value;name=value`, with `\;` for a semicolon and `\\` for a backslash in a value; these
        /// are added to the properties in the file and beat them. Passwords belong in `kafka.properties_file`.
        properties: Texts = "",
            Table {
                of: "properties",
                name: value::property_name,
                text: value::property_value,
                masked: value::masked_property,
            };
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

/// How the recipients of a mail are divided into records, beside by their topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `none`: all recipients of one topic share a record.
    None,
    /// `domain`: those of one domain.
    Domain,
    /// `recipient`: each has its own.
    Recipient,
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

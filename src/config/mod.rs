//! The configuration: its types and, in the files beside this one, the table they are filled from.
//!
//! Owns what an operator can set: [`options`] is the one table (key, kind, range, default, text), and reading a file, the
//! environment and flags ([`load()`]) follow from it, and so do the pages of documentation, which tests/documentation writes.
//! [`certificate`] reads the files that `[tls]` names, when it is asked to. Knows nothing of who uses the values: it opens
//! no socket and asks no broker.
//!
//! Invariants: a [`Config`] that [`load()`] returns has every value inside its range and passes the checks between
//! values, so that nobody after it has to check again. Reading the configuration file, and the machine's host name where
//! none is set, is the only I/O of a load.
//!
//! BUGS: paths are taken as written, so relative ones start at the folder that ringpost was started in.

pub mod certificate;
mod defaults;
mod difference;
mod error;
mod load;
mod loss;
pub mod options;
mod reason;
pub mod recipients;
mod relation;
mod setting;
mod suggest;
mod toml_file;
mod unknown;
mod value;

pub use difference::Difference;
pub use error::{Error, Place, Problem};
pub use load::{FILE_VARIABLE, Loaded, file_of, load};
pub use loss::{losses, opened};
pub use reason::{Conflict, ContentFault, FileFault, PropertyFault, Reason, Remedy};
pub use setting::{Section, Setting, Shape};

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::smtp::access::Network;
use crate::smtp::policy::BareNewlinePolicy;

pub use ringpost_proto::mail::record::RecordKey;

/// Everything that an operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[server]`: the SMTP side as a whole.
    pub server: Server,
    /// `[limits]`: what clients may use up.
    pub limits: Limits,
    /// `[recipients]`: whom mail is taken for.
    pub recipients: Recipients,
    /// `[access]`: which networks are served.
    pub access: Access,
    /// `[tls]`: the certificate offered with STARTTLS.
    pub tls: Tls,
    /// `[kafka]`: where messages go.
    pub kafka: Kafka,
    /// `[admin]`: metrics and health.
    pub admin: Admin,
    /// `[log]`: what is written to standard error.
    pub log: Log,
}

/// `[server]`: the SMTP side as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The name in the banner, the EHLO reply, the Received field and `ce_source`: a domain name or an address literal.
    pub hostname: String,
    /// Where SMTP is listened for; port 0 lets the kernel choose. Never empty.
    pub listen: Vec<SocketAddr>,
    /// Where SMTP is listened for with TLS from the first octet.
    pub listen_tls: Vec<SocketAddr>,
    /// Where SMTP is listened for behind the PROXY protocol.
    pub listen_proxy: Vec<SocketAddr>,
    /// Threads that serve connections; 0 is one per available core.
    pub workers: usize,
    /// Whether a Received field is put in front of each message.
    pub trace: bool,
    /// What becomes of a message that holds a bare CR or a bare LF.
    pub bare_newlines: BareNewlinePolicy,
    /// Proxies whose PROXY header is believed.
    pub proxy_networks: Vec<Network>,
    /// How long a client has to wait for the greeting.
    pub greeting_delay: Duration,
    /// How long a drain may take after SIGTERM.
    pub drain_timeout: Duration,
}

/// `[limits]`: what clients may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message in octets, advertised as SIZE (RFC 1870).
    pub message_size: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// Open SMTP connections, of all workers together.
    pub connections: usize,
    /// Open SMTP connections from one client address; 0 is no limit.
    pub connections_per_ip: usize,
    /// Open SMTP connections from one network; 0 is no limit.
    pub connections_per_network: usize,
    /// Bits of an IPv4 address that make a network.
    pub network_prefix_ipv4: usize,
    /// Bits of an IPv6 address that make a network.
    pub network_prefix_ipv6: usize,
    /// Messages that one client address may begin in a minute; 0 is no limit.
    pub messages_per_minute_per_ip: usize,
    /// Messages between their first octet and their reply, of all workers together.
    pub in_flight_messages: usize,
    /// Octets that those messages may hold; at least `message_size`.
    pub in_flight_bytes: u64,
    /// The longest wait for a client's next command.
    pub command_timeout: Duration,
    /// The longest wait for the next part of a message.
    pub data_timeout: Duration,
    /// The longest time from the reply to DATA, or from the first BDAT, to the end of a message.
    pub message_timeout: Duration,
    /// The age at which a session ends once it is outside of a transaction.
    pub session_timeout: Duration,
    /// Messages of one session; 0 is no limit.
    pub session_messages: usize,
    /// Octets of all messages of one session; 0 is no limit.
    pub session_bytes: u64,
    /// Commands in a row that bring no message forward before a session is closed with 421.
    pub idle_commands: usize,
    /// Erroneous commands of a session since its last stored message before it is closed with 421.
    pub errors: usize,
    /// Recipients that were not taken, since then, before it is closed with 421.
    pub unknown_recipients: usize,
}

/// `[recipients]`: whom mail is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients {
    /// Lower-case patterns without a trailing dot: `example.com` (itself), `*.example.com` (any name below it), `*` (all).
    pub domains: Vec<String>,
    /// Characters of which each divides a local-part from what its owner put behind it.
    pub delimiter: String,
    /// Whether local-parts on a list that differ in case alone are two.
    pub case_sensitive: bool,
    /// Paths of the lists of recipients, by a pattern that is in `domains` as well.
    pub lists: BTreeMap<String, String>,
}

/// `[access]`: which networks are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Those that are.
    pub allow: Vec<Network>,
    /// Those that are not.
    pub deny: Vec<Network>,
}

/// `[tls]`: the certificate offered with STARTTLS; both are set, or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the certificate and its chain.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// PEM files of further certificates, chosen by name.
    pub sni_certificates: Vec<PathBuf>,
    /// PEM files of their keys, in the same order; as many.
    pub sni_keys: Vec<PathBuf>,
    /// The longest time of a handshake.
    pub handshake_timeout: Duration,
}

/// `[kafka]`: where messages go.
#[derive(Clone, PartialEq, Eq)]
pub struct Kafka {
    /// The cluster, or what stands in for one.
    pub brokers: Brokers,
    /// The topic of the records.
    pub topic: String,
    /// What a record's key is made of.
    pub key: RecordKey,
    /// Whether mail is given to a topic that is compacted.
    pub allow_compacted: bool,
    /// How long librdkafka tries to deliver a record; less than `server.drain_timeout`.
    pub delivery_timeout: Duration,
    /// librdkafka properties that are passed on, by name. None of them is one that ringpost sets itself.
    pub properties: BTreeMap<String, String>,
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

/// `[admin]`: metrics and health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where `/metrics`, `/healthz` and `/readyz` are served; port 0 lets the kernel choose.
    pub listen: SocketAddr,
}

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least severe level that is written: `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// Whether each message gets a line of its own.
    pub messages: bool,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `text`: for people.
    Text,
    /// `json`: one object a line.
    Json,
}

impl fmt::Debug for Kafka {
    /// Values of properties may be passwords, and a debug print may end in a log: only the names are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("key", &self.key)
            .field("allow_compacted", &self.allow_compacted)
            .field("delivery_timeout", &self.delivery_timeout)
            .field("properties", &self.properties.keys())
            .finish()
    }
}

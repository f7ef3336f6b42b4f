//! What can be wrong with a configuration: one variant for each mistake, and its text beside it.
//!
//! `property`, `objects`, `file` and `conflict` have the mistakes of their subjects; the others are here.
//!
//! Owns the texts: what is wrong, what is allowed, and what to write instead. Each is the end of a sentence about a value, which
//! names its place, its key and what was written. Must not know: the options, nor where a value was written.
//!
//! Invariant: no variant holds the value of a librdkafka property, which may be a password. What was written is in the texts as it
//! was written; whoever shows one on a line escapes it.

mod conflict;
mod file;
mod objects;
mod property;

use ringpost_proto::smtp::access::NotANetwork;
use ringpost_proto::smtp::domain::NotADomain;
use thiserror::Error;

use super::properties_file::PropertiesFault;

pub use conflict::{Conflict, RouteFault};
pub use file::{ContentFault, FileFault, Remedy};
pub use objects::ObjectsFault;
pub use property::PropertyFault;

/// What is wrong with a value, or with what is written in place of one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    // Numbers, sizes, durations, switches and choices.
    /// Not a whole number.
    #[error("is not a whole number: {allowed} is allowed")]
    NotAWholeNumber {
        /// The range.
        allowed: String,
    },
    /// Not a size.
    #[error(
        "is not a size: write a number of bytes, or a whole number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as 25MiB"
    )]
    NotASize,
    /// A size beyond 64 bits.
    #[error("is more bytes than can be counted")]
    UncountableSize,
    /// Not a duration.
    #[error("is not a duration: write a whole number with ms, s, min or h, such as 30s")]
    NotADuration,
    /// A duration beyond 64 bits of milliseconds.
    #[error("is longer than can be counted")]
    UncountableDuration,
    /// Not a switch.
    #[error("is neither true nor false")]
    NotASwitch,
    /// None of the words of a choice.
    #[error("is none of {allowed}")]
    NoneOf {
        /// The words.
        allowed: String,
    },
    /// Below or above the range.
    #[error("is out of range: {allowed} is allowed, {default} is the default")]
    OutOfRange {
        /// The range.
        allowed: String,
        /// The default.
        default: &'static str,
    },

    // Several values.
    /// Not a Unix socket.
    #[error(
        "is not a Unix socket: a path that begins with /, @ and a name, \"none\" or nothing is allowed, of at most 107 bytes"
    )]
    NotASocket,
    /// A list that needs an item is empty.
    #[error("is empty: {allowed}, at least one, is expected")]
    EmptyList {
        /// What its items are.
        allowed: String,
    },
    /// Several values for an option that takes one.
    #[error("is given {0} times: it takes one value")]
    GivenTimes(usize),
    /// Part of a table on one line that has no `=`.
    #[error("its part {0} has no =: write name=value;name=value, and \\; for a ; in a value")]
    NoEquals(usize),
    /// An entry of a table on one line.
    #[error("its entry {name:?} {reason}")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: Box<Reason>,
    },
    /// A name of a table that is there in two spellings.
    #[error("is set twice, written in two ways: remove one")]
    SetTwice,

    // Addresses, networks and names.
    /// Not an address with a port.
    #[error("is not an IP address with a port{}{}", ports_end(*.beyond_all), meant_address(.meant.as_deref()))]
    NotAnAddress {
        /// Whether a number is written in place of the port, and is too large for one.
        beyond_all: bool,
        /// The address that was probably meant.
        meant: Option<String>,
    },
    /// Not a network.
    #[error(transparent)]
    NotANetwork(#[from] NotANetwork),
    /// An address where a name or a literal is expected.
    #[error("is a bare address: write it as a literal, {literal}")]
    BareAddress {
        /// Its literal.
        literal: String,
    },
    /// Not the name of a domain.
    #[error("is not a domain name: {0}")]
    NotADomainName(#[from] NotADomain),
    /// A name that no resolver can be asked for.
    #[error("is not a domain name: it is longer than 253 characters")]
    LongName,
    /// A label that claims to be an A-label.
    #[error("is not a domain name: a part that begins with xn-- is not an A-label (RFC 5890)")]
    NotAnALabel,
    /// A pattern of domains that begins with a dot.
    #[error("begins with a dot: write *.{rest} for the names below {rest}")]
    LeadingDot {
        /// What comes after it.
        rest: String,
    },
    /// A mailbox where a domain is expected.
    #[error("is a mailbox: a domain is expected, such as {domain}")]
    Mailbox {
        /// Its domain.
        domain: String,
    },
    /// A pattern of domains with a `*` elsewhere than at its front.
    #[error(
        "has a * in the middle: write * for every domain, *.example.com for the names below one"
    )]
    StarInside,
    /// Not characters of plus-addressing.
    #[error(
        "is not a set of delimiters: write up to 4 of !#$%&'*+-/=?^_`{{|}}~. such as +, or nothing for none"
    )]
    NotDelimiters,

    // The cluster.
    /// Not a broker.
    #[error("has {broker:?} for a broker: write host:port, several separated by commas")]
    NotABroker {
        /// What is written for one.
        broker: String,
    },
    /// Not the name of a topic.
    #[error(
        "is not a name that Kafka allows: 1 to 249 letters, digits, dots, underscores and hyphens"
    )]
    NotATopic,
    /// Something about a property of librdkafka.
    #[error(transparent)]
    Property(#[from] PropertyFault),
    /// Something about the file of properties.
    #[error(transparent)]
    Properties(#[from] PropertiesFault),

    /// Something about the store of large messages.
    #[error(transparent)]
    Objects(#[from] ObjectsFault),

    // The file.
    /// The file as a whole.
    #[error(transparent)]
    File(#[from] FileFault),
    /// Something in the file is not a value of an option.
    #[error(transparent)]
    Content(#[from] ContentFault),

    /// Something about a route.
    #[error(transparent)]
    Route(#[from] RouteFault),

    /// Values that do not go together.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

fn ports_end(beyond_all: bool) -> &'static str {
    if beyond_all {
        ": ports end at 65535"
    } else {
        ""
    }
}

fn meant_address(meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!(": write {meant}"),
        None => ", such as 0.0.0.0:25 or [::]:25; host names are not looked up".to_owned(),
    }
}

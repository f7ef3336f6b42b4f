//! What can be wrong with a configuration: one variant for each mistake, and its text beside it.
//!
//! Owns the texts: what is wrong, what is allowed, and what to write instead. Each is the end of a sentence about a value, which
//! names its place, its key and what was written. Must not know: the options, nor where a value was written.
//!
//! Invariant: no variant holds the value of a librdkafka property, which may be a password.

use std::net::SocketAddr;

use ringpost_proto::smtp::access::NotANetwork;
use ringpost_proto::smtp::domain::NotADomain;
use thiserror::Error;

use super::properties_file::PropertiesFault;

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

/// What is wrong with a property of librdkafka.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PropertyFault {
    /// One that ringpost sets itself.
    #[error("is not for kafka.properties: {instead}")]
    Reserved {
        /// What to do instead.
        instead: &'static str,
    },
    /// Not a name of one.
    #[error("is not the name of a librdkafka property, such as linger.ms")]
    NotAName,
    /// None that librdkafka knows.
    #[error("is not a property of librdkafka: {}", meant_property(*.near))]
    Unknown {
        /// The one that was probably meant.
        near: Option<&'static str>,
    },
    /// One that only Java clients have.
    #[error("is for Java clients only: {instead}")]
    OfJava {
        /// What to set instead.
        instead: &'static str,
    },
    /// Kerberos.
    #[error(
        "asks for GSSAPI (Kerberos), which is not built in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are"
    )]
    Gssapi,
    /// One of a part of librdkafka that is left out.
    #[error("is of a part of librdkafka that is not built in; remove it")]
    NotBuiltIn,
    /// A number with a unit, or one that is too large for librdkafka.
    #[error("takes a number without a unit, within the range of librdkafka")]
    Unit,
    /// A number outside of librdkafka's range.
    #[error("has a value that is out of range: {allowed} is allowed")]
    OutOfRange {
        /// The range.
        allowed: String,
    },
    /// Not a switch.
    #[error("takes true or false")]
    Switch,
    /// A property that holds a pointer.
    #[error("can be set only by a program")]
    ProgramsAlone,
    /// None of its words.
    #[error("has a value that librdkafka does not take: {words} are allowed")]
    NoneOf {
        /// The words.
        words: &'static str,
    },
    /// Not a number.
    #[error("has a value that librdkafka does not take: a number is expected")]
    NotANumber,
    /// Refused, and librdkafka does not say why.
    #[error("has a value that librdkafka does not take: its CONFIGURATION.md says what is allowed")]
    Refused,
    /// Text that C would cut.
    #[error("has a NUL in its value")]
    Nul,
}

fn meant_property(near: Option<&str>) -> String {
    match near {
        Some(near) => format!("did you mean {near}?"),
        None => "its CONFIGURATION.md lists them".to_owned(),
    }
}

/// What is wrong with the address of a store of objects, or with one of its options.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ObjectsFault {
    /// Not an address that is known.
    #[error(
        "is not the address of a store: write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or \
         file:///directory"
    )]
    NotAUrl,
    /// Not a bucket.
    #[error(
        "names no bucket: letters, digits, dots, hyphens and underscores follow the two slashes, as in s3://bucket/prefix"
    )]
    NotABucket,
    /// Not a directory.
    #[error(
        "names no directory: write its whole path after three slashes, as in file:///var/lib/ringpost/objects"
    )]
    NotADirectory,
    /// Not a path.
    #[error(
        "has a path that is not the same in every store: each part has letters, digits and -_.=@+, and is neither empty nor \
         one or two dots"
    )]
    NotAPath,
    /// The threshold is too low.
    #[error("is too small: 64KiB or more is allowed, or nothing for what the topic does not take")]
    AboveTooSmall,
    /// An option that the address says.
    #[error("is not for objects.options: objects.url names it")]
    NamedByTheUrl,
    /// No store has it.
    #[error("is not an option of a store: {}", meant_option(*.near))]
    UnknownOption {
        /// The one that was probably meant.
        near: Option<&'static str>,
    },
    /// A value with a line feed or the like.
    #[error("has a control character in its value")]
    ControlCharacter,
}

fn meant_option(near: Option<&str>) -> String {
    match near {
        Some(near) => format!("did you mean {near}?"),
        None => "the documentation of the Rust crate object_store lists them".to_owned(),
    }
}

/// What is wrong with the file as a whole. `named_by` is the flag or the variable that names it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FileFault {
    /// The variable that names the file is empty.
    #[error("is empty: name a file in TOML, or unset it to run without a file")]
    Unnamed,
    /// There is none.
    #[error(
        "there is no such file: {named_by} names it; correct the path, or leave {named_by} out to run without a file"
    )]
    Missing {
        /// What names it.
        named_by: &'static str,
    },
    /// This user may not read it.
    #[error(
        "this user may not read it: {named_by} names it; give the user of ringpost permission to read it"
    )]
    Forbidden {
        /// What names it.
        named_by: &'static str,
    },
    /// A folder.
    #[error("is a folder: {named_by} has to name a file in TOML")]
    Folder {
        /// What names it.
        named_by: &'static str,
    },
    /// Not UTF-8.
    #[error("is not text in UTF-8: {named_by} has to name a file in TOML")]
    NotText {
        /// What names it.
        named_by: &'static str,
    },
    /// The kernel reports an error.
    #[error("cannot be read: {error}; {named_by} names it")]
    Unreadable {
        /// What names it.
        named_by: &'static str,
        /// What the kernel says.
        error: String,
    },
    /// It has no option.
    #[error(
        "sets nothing: it has no option, and neither the environment nor a flag sets recipients.domains or kafka.brokers; write \
         them into it, or leave {named_by} out to run without a file"
    )]
    SetsNothing {
        /// What names it.
        named_by: &'static str,
    },
}

/// What is wrong with something in the file that is not a value of an option.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContentFault {
    /// The syntax is broken.
    #[error("is not TOML: {message}")]
    NotToml {
        /// What the parser says.
        message: String,
    },
    /// Another type than the option's.
    #[error("is of type {found}, and {expected} is expected")]
    WrongType {
        /// The type in TOML.
        found: &'static str,
        /// What is expected, with what is allowed.
        expected: String,
    },
    /// A text where a list of texts is expected.
    #[error("is of type string, and a list is expected: write [{source_text}]")]
    TextForList {
        /// The text as it is written.
        source_text: String,
    },
    /// A value where a section is expected.
    #[error("is of type {found}, and a section is expected: begin it with a line [{section}]")]
    NotASection {
        /// The type in TOML.
        found: &'static str,
        /// The section.
        section: String,
    },
    /// Something else where an array of tables is expected.
    #[error(
        "is of type {found}, and tables are expected: begin each with a line [[{name}]], in two pairs of brackets"
    )]
    NotTables {
        /// The type in TOML.
        found: &'static str,
        /// The name of the array.
        name: &'static str,
    },
    /// No section of this name.
    #[error("unknown section [{name}]: {remedy}")]
    UnknownSection {
        /// The name.
        name: String,
        /// What to write instead.
        remedy: Remedy,
    },
    /// No option of this name in a section.
    #[error("unknown key {section}.{name}: {remedy}")]
    UnknownKey {
        /// The section.
        section: String,
        /// The name.
        name: String,
        /// What to write instead.
        remedy: Remedy,
    },
    /// A key above the first section.
    #[error("unknown key {name} outside of a section: {remedy}")]
    OutsideOfSections {
        /// The name.
        name: String,
        /// What to write instead.
        remedy: Remedy,
    },
}

/// What to write in place of a name that is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Remedy {
    /// This section.
    #[error("did you mean [{0}]?")]
    Section(&'static str),
    /// This array of tables.
    #[error("did you mean [[{0}]]?")]
    Tables(&'static str),
    /// One of these sections.
    #[error("there are {}", .0.join(", "))]
    Sections(Vec<&'static str>),
    /// This option.
    #[error("did you mean {0}?")]
    Key(&'static str),
    /// This option, which has a section.
    #[error("did you mean {key}, below a line [{section}]?")]
    KeyOfSection {
        /// The option.
        key: &'static str,
        /// Its section.
        section: &'static str,
    },
    /// One of the keys of this section.
    #[error("[{section}] has {}", .keys.join(", "))]
    Keys {
        /// The section.
        section: String,
        /// Its keys.
        keys: Vec<&'static str>,
    },
    /// Any option, in its section.
    #[error("every key belongs below the line of its section, such as [server]")]
    InASection,
}

/// What is wrong with a route as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteFault {
    /// It says nothing of which mail takes it.
    #[error(
        "has neither recipients nor listen, so it would match no mail: set one of them, or both"
    )]
    MatchesNothing,
    /// It does not say where mail goes.
    #[error("has no topic: set topic, which its mail goes to")]
    NoTopic,
    /// An address that nothing listens on.
    #[error(
        "is an address that neither server.listen nor server.listen_tls nor server.listen_proxy has: {listening} is served"
    )]
    NotAListener {
        /// The addresses that there are.
        listening: String,
    },
    /// Too many routes.
    #[error("there are {count} routes: {most} are allowed; several domains can share one")]
    TooMany {
        /// Routes.
        count: usize,
        /// The most that are allowed.
        most: usize,
    },
}

/// Values that do not go together: which, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Conflict {
    /// The largest message does not fit the memory.
    #[error(
        "limits.in_flight_bytes ({memory}) is less than limits.message_size ({message}), so that the largest message would \
         never be taken: raise the first or lower the second"
    )]
    MessageBeyondMemory {
        /// `limits.in_flight_bytes`.
        memory: String,
        /// `limits.message_size`.
        message: String,
    },
    /// A drain may end before a delivery.
    #[error(
        "kafka.delivery_timeout ({delivery}) is not less than server.drain_timeout ({drain}), so that a drain could end before \
         a message has its reply: lower the first or raise the second"
    )]
    DrainBeforeDelivery {
        /// `kafka.delivery_timeout`.
        delivery: String,
        /// `server.drain_timeout`.
        drain: String,
    },
    /// A list of recipients of no domain.
    #[error(
        "recipients.lists has a list for {domain}, which recipients.domains does not name: add it there, or remove the list"
    )]
    ListOfNoDomain {
        /// The name of the list.
        domain: String,
    },
    /// Mail would go to the topic of recipients.
    #[error(
        "recipients.topic = {topic:?} is a topic that mail goes to: recipients need one that is theirs alone, and compacted"
    )]
    MailAmongRecipients {
        /// Its name.
        topic: String,
    },
    /// Recipients are to be read, and there is no broker.
    #[error(
        "recipients.topic = {topic:?} cannot be read with kafka.brokers = \"discard\": name brokers, or remove recipients.topic"
    )]
    RecipientsNowhere {
        /// The topic of recipients.
        topic: String,
    },
    /// A certificate without its key.
    #[error("tls.certificate is set without tls.key: set both or neither")]
    CertificateWithoutKey,
    /// A key without its certificate.
    #[error("tls.key is set without tls.certificate: set both or neither")]
    KeyWithoutCertificate,
    /// As many further certificates as keys are expected.
    #[error(
        "tls.sni_certificates names {certificates} files and tls.sni_keys {keys}: each certificate needs its key, in the same \
         place of the list"
    )]
    FurtherKeys {
        /// Certificates.
        certificates: usize,
        /// Keys.
        keys: usize,
    },
    /// Further certificates without the first.
    #[error(
        "tls.sni_certificates is set without tls.certificate, the one for clients that name no other: set it too"
    )]
    FurtherWithoutFirst,
    /// Keys of session tickets, and no TLS.
    #[error(
        "tls.ticket_keys is set without tls.certificate: set tls.certificate and tls.key, or remove it"
    )]
    TicketKeysWithoutCertificate,
    /// Implicit TLS without a certificate.
    #[error(
        "server.listen_tls is set without tls.certificate: set tls.certificate and tls.key, or remove it"
    )]
    TlsWithoutCertificate,
    /// An address that is listed twice.
    #[error("{0} is listed twice: remove one")]
    ListedTwice(SocketAddr),
    /// The address of the admin listener is one of SMTP's.
    #[error("{address} is in both admin.listen and {key}: choose another port for one of them")]
    SharedWithAdmin {
        /// The address.
        address: SocketAddr,
        /// The other option.
        key: &'static str,
    },
}

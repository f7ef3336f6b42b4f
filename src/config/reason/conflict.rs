//! What can be wrong with values together, and with a route as a whole.

use std::net::SocketAddr;

use thiserror::Error;

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

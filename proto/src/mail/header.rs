//! The names of a record's headers, version 1: CloudEvents 1.0 in its Kafka binding, with one extension attribute for each
//! fact of the envelope.
//!
//! Owns: the names, which the encoder and the decoder share. Must not know: what a value looks like.
//!
//! Invariant: each name stands once in a record. Readers that keep a map lose all but one of a repeated name, and CloudEvents
//! libraries drop what does not begin with `ce_`.

/// `message/rfc822`, or `message/global` for a mail with SMTPUTF8.
pub const CONTENT_TYPE: &str = "content-type";
/// The version of CloudEvents.
pub const SPECVERSION: &str = "ce_specversion";
/// The queue id.
pub const ID: &str = "ce_id";
/// `//` and the server's name.
pub const SOURCE: &str = "ce_source";
/// What the record is.
pub const TYPE: &str = "ce_type";
/// When the message's data was accepted.
pub const TIME: &str = "ce_time";
/// The reverse-path; empty for the null reverse-path.
pub const FROM: &str = "ce_smtpfrom";
/// The accepted forward-paths: a JSON array of strings.
pub const TO: &str = "ce_smtpto";
/// The name in HELO or EHLO.
pub const HELO: &str = "ce_smtphelo";
/// Address and port of the client.
pub const CLIENT: &str = "ce_smtpclient";
/// The keyword of RFC 3848 or RFC 6531.
pub const PROTOCOL: &str = "ce_smtpprotocol";
/// Version and cipher suite of TLS; absent in clear.
pub const TLS: &str = "ce_smtptls";
/// What BODY= said.
pub const BODY: &str = "ce_smtpbody";
/// Bytes of the message as received.
pub const SIZE: &str = "ce_smtpsize";
/// `true` where a bare CR or LF was accepted; absent otherwise.
pub const BARE_NEWLINES: &str = "ce_smtpbarenewlines";

/// All of them, in the order of a record.
pub const ALL: [&str; 15] = [
    CONTENT_TYPE,
    SPECVERSION,
    ID,
    SOURCE,
    TYPE,
    TIME,
    FROM,
    TO,
    HELO,
    CLIENT,
    PROTOCOL,
    TLS,
    BODY,
    SIZE,
    BARE_NEWLINES,
];

//! The names of a record's headers, version 1: CloudEvents 1.0 in its Kafka binding, with one extension attribute for each
//! fact of the envelope.
//!
//! Owns: the names and their order, which the encoder and the decoder share. Must not know: what a value looks like.
//!
//! Invariant: a record has each name once, in this order. Readers that keep a map lose all but one of a repeated name, and
//! CloudEvents libraries drop what does not begin with `ce_`.

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// All of them, in the order of a record.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

names! {
    /// `message/rfc822`, or `message/global` for a mail with SMTPUTF8.
    CONTENT_TYPE = "content-type";
    /// The version of CloudEvents.
    SPECVERSION = "ce_specversion";
    /// The queue id.
    ID = "ce_id";
    /// `//` and the server's name.
    SOURCE = "ce_source";
    /// What the record is.
    TYPE = "ce_type";
    /// When the message's data was accepted.
    TIME = "ce_time";
    /// The reverse-path; empty for the null reverse-path.
    FROM = "ce_smtpfrom";
    /// The accepted forward-paths: a JSON array of strings.
    TO = "ce_smtpto";
    /// The name in HELO or EHLO.
    HELO = "ce_smtphelo";
    /// Address and port of the client.
    CLIENT = "ce_smtpclient";
    /// The keyword of RFC 3848 or RFC 6531.
    PROTOCOL = "ce_smtpprotocol";
    /// Version and cipher suite of TLS; absent in clear.
    TLS = "ce_smtptls";
    /// What BODY= said.
    BODY = "ce_smtpbody";
    /// Bytes of the message as received.
    SIZE = "ce_smtpsize";
    /// `true` where a bare CR or LF was accepted; absent otherwise.
    BARE_NEWLINES = "ce_smtpbarenewlines";
    /// Where the whole message is, if it is not in the record: the URL of an object. An attribute that CloudEvents documents.
    DATAREF = "ce_dataref";
    /// SHA-256 of that object in lower-case hexadecimal.
    SHA256 = "ce_smtpsha256";
}

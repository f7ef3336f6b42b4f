//! The one table of extensions: what EHLO offers, by which RFC, and which dialogue or test holds it.
//!
//! Owns: the keywords and their order. Must not know: when TLS is on; the session leaves STARTTLS out then.
//!
//! Offered is what is honoured, and nothing else: no DSN (RFC 3461), since ringpost sends no mail; no REQUIRETLS
//! (RFC 8689), since what reads the topic could not be held to it.

/// An extension that EHLO offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Its keyword.
    pub keyword: &'static str,
    /// What defines it.
    pub source: &'static str,
    /// What it means here.
    pub meaning: &'static str,
    /// The dialogue in proto/tests/dialogues or the test that holds it.
    pub held_by: &'static str,
}

/// All of them, in the order of the reply to EHLO. STARTTLS is the last.
pub const EXTENSIONS: [Extension; 9] = [
    Extension {
        keyword: "PIPELINING",
        source: "RFC 2920",
        meaning: "commands in one group are answered in one write",
        held_by: "proto/tests/dialogues/pipelining.smtp",
    },
    Extension {
        keyword: "SIZE",
        source: "RFC 1870",
        meaning: "`limits.message_size`, or what the topic takes if that is less",
        held_by: "proto/tests/dialogues/size-announced.smtp",
    },
    Extension {
        keyword: "8BITMIME",
        source: "RFC 6152",
        meaning: "octets arrive as they were sent; the record's `ce_smtpbody` says what was declared",
        held_by: "proto/tests/dialogues/body-is-told.smtp",
    },
    Extension {
        keyword: "SMTPUTF8",
        source: "RFC 6531",
        meaning: "addresses and header fields in UTF-8; the record's `content-type` is `message/global`",
        held_by: "proto/tests/dialogues/smtputf8-message.smtp",
    },
    Extension {
        keyword: "ENHANCEDSTATUSCODES",
        source: "RFC 2034",
        meaning: "replies carry the codes of RFC 3463",
        held_by: "proto/tests/dialogues/ehlo-lists-what-is-offered.smtp",
    },
    Extension {
        keyword: "CHUNKING",
        source: "RFC 3030",
        meaning: "BDAT: a message in chunks of known size, which are not looked through",
        held_by: "proto/tests/dialogues/chunks.smtp",
    },
    Extension {
        keyword: "BINARYMIME",
        source: "RFC 3030",
        meaning: "any octets, by BDAT alone",
        held_by: "proto/tests/dialogues/binarymime-needs-chunks.smtp",
    },
    Extension {
        keyword: "LIMITS",
        source: "RFC 9422",
        meaning: "RCPTMAX is `limits.recipients`, MAILMAX is `limits.session_messages`",
        held_by: "proto/tests/dialogues/limits-are-told.smtp",
    },
    Extension {
        keyword: "STARTTLS",
        source: "RFC 3207",
        meaning: "TLS 1.2 and 1.3, where there is a certificate and TLS is not on yet",
        held_by: "tests/tls.rs: both_versions_deliver_by_starttls_and_by_implicit_tls",
    },
];

#[cfg(test)]
mod tests {
    use super::EXTENSIONS;

    #[test]
    fn starttls_is_the_last() {
        assert_eq!(EXTENSIONS.last().map(|last| last.keyword), Some("STARTTLS"));
    }
}

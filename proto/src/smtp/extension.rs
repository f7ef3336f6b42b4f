//! The one table of extensions: what EHLO offers, by which RFC, and which dialogue or test holds it.
//!
//! Owns: the keywords, their order, their values, and when each is offered. Must not know: states and commands.
//!
//! Offered is what is honoured, and nothing else: no DSN (RFC 3461), since ringpost sends no mail; no REQUIRETLS
//! (RFC 8689), since what reads the topic could not be held to it.

use std::fmt::{self, Display};

use super::policy::Policy;

/// An extension that EHLO offers.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// Its keyword.
    pub keyword: &'static str,
    /// What defines it.
    pub source: &'static str,
    /// What it means here.
    pub meaning: &'static str,
    /// The dialogue in proto/tests/dialogues or the test that holds it.
    pub held_by: &'static str,
    /// When it is offered.
    offered: Offered,
    /// What follows the keyword.
    value: Value,
}

/// When an extension is offered.
#[derive(Debug, Clone, Copy)]
enum Offered {
    Always,
    /// Where there is a certificate, and TLS is not on yet.
    InClear,
}

/// What follows the keyword of an extension.
#[derive(Debug, Clone, Copy)]
enum Value {
    Nothing,
    /// The largest message.
    Size,
    /// The limits of RFC 9422.
    Limits,
}

/// One line of the answer to EHLO.
#[derive(Debug)]
pub struct Line<'a>(&'static Extension, &'a Policy);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(extension, policy) = self;
        f.write_str(extension.keyword)?;
        match extension.value {
            Value::Nothing => Ok(()),
            Value::Size => write!(f, " {}", policy.message_size),
            Value::Limits => {
                write!(f, " RCPTMAX={}", policy.recipients)?;
                match policy.session_messages {
                    0 => Ok(()),
                    messages => write!(f, " MAILMAX={messages}"),
                }
            }
        }
    }
}

/// What is offered under this policy, on a connection that is `secure` or not.
pub fn offered(policy: &Policy, secure: bool) -> impl Iterator<Item = Line<'_>> {
    let in_clear = policy.starttls && !secure;
    EXTENSIONS.iter().filter_map(move |extension| {
        let offered = match extension.offered {
            Offered::Always => true,
            Offered::InClear => in_clear,
        };
        offered.then_some(Line(extension, policy))
    })
}

/// All of them, in the order of the reply to EHLO.
pub static EXTENSIONS: [Extension; 9] = [
    Extension {
        keyword: "PIPELINING",
        source: "RFC 2920",
        meaning: "commands in one group are answered in one write",
        held_by: "proto/tests/dialogues/pipelining.smtp",
        offered: Offered::Always,
        value: Value::Nothing,
    },
    Extension {
        keyword: "SIZE",
        source: "RFC 1870",
        meaning: "`limits.message_size`, or what the topic takes if that is less",
        held_by: "proto/tests/dialogues/size-announced.smtp",
        offered: Offered::Always,
        value: Value::Size,
    },
    Extension {
        keyword: "8BITMIME",
        source: "RFC 6152",
        meaning: "octets arrive as they were sent; the record's `ce_smtpbody` says what was declared",
        held_by: "proto/tests/dialogues/body-is-told.smtp",
        offered: Offered::Always,
        value: Value::Nothing,
    },
    Extension {
        keyword: "SMTPUTF8",
        source: "RFC 6531",
        meaning: "addresses and header fields in UTF-8; the record's `content-type` is `message/global`",
        held_by: "proto/tests/dialogues/smtputf8-message.smtp",
        offered: Offered::Always,
        value: Value::Nothing,
    },
    Extension {
        keyword: "ENHANCEDSTATUSCODES",
        source: "RFC 2034",
        meaning: "replies carry the codes of RFC 3463",
        held_by: "proto/tests/dialogues/ehlo-lists-what-is-offered.smtp",
        offered: Offered::Always,
        value: Value::Nothing,
    },
    Extension {
        keyword: "CHUNKING",
        source: "RFC 3030",
        meaning: "BDAT: a message in chunks of known size, which are not looked through",
        held_by: "proto/tests/dialogues/chunks.smtp",
        offered: Offered::Always,
        value: Value::Nothing,
    },
    Extension {
        keyword: "BINARYMIME",
        source: "RFC 3030",
        meaning: "any octets, by BDAT alone",
        held_by: "proto/tests/dialogues/binarymime-needs-chunks.smtp",
        offered: Offered::Always,
        value: Value::Nothing,
    },
    Extension {
        keyword: "LIMITS",
        source: "RFC 9422",
        meaning: "RCPTMAX is `limits.recipients`, MAILMAX is `limits.session_messages`",
        held_by: "proto/tests/dialogues/limits-are-told.smtp",
        offered: Offered::Always,
        value: Value::Limits,
    },
    Extension {
        keyword: "STARTTLS",
        source: "RFC 3207",
        meaning: "TLS 1.2 and 1.3, where there is a certificate and TLS is not on yet",
        held_by: "tests/tls.rs: both_versions_deliver_by_starttls_and_by_implicit_tls",
        offered: Offered::InClear,
        value: Value::Nothing,
    },
];

#[cfg(test)]
mod tests {
    use super::offered;
    use crate::smtp::policy::Policy;

    #[test]
    fn values_and_starttls_follow_the_policy() {
        let mut policy = Policy::new("mx.example");
        (policy.message_size, policy.recipients) = (7, 3);
        let lines = |policy: &Policy, secure| {
            let lines = offered(policy, secure).map(|line| line.to_string());
            lines.collect::<Vec<_>>()
        };
        let clear = lines(&policy, false);
        assert!(
            clear.contains(&"SIZE 7".to_owned()) && clear.contains(&"LIMITS RCPTMAX=3".to_owned())
        );
        assert!(
            !clear.contains(&"STARTTLS".to_owned()),
            "there is no certificate"
        );
        (policy.starttls, policy.session_messages) = (true, 5);
        let clear = lines(&policy, false);
        assert_eq!(clear.last().map(String::as_str), Some("STARTTLS"));
        assert!(clear.contains(&"LIMITS RCPTMAX=3 MAILMAX=5".to_owned()));
        assert!(
            !lines(&policy, true).contains(&"STARTTLS".to_owned()),
            "TLS is on"
        );
    }
}

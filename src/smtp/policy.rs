//! What the operator set, as the session needs it: names, limits, and whom this MX takes mail for.
//!
//! Owns: the match of a recipient's domain. Must not know: where the values came from.

use std::time::Duration;

use super::address::Mailbox;

/// The policy of all sessions of a server.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Name in the banner and in the reply to EHLO.
    pub hostname: String,
    /// Largest message in octets, advertised as SIZE (RFC 1870).
    pub message_size: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// Commands in error before the session ends.
    pub errors: usize,
    /// Longest wait for a command.
    pub command_timeout: Duration,
    /// Longest wait for the next part of the data.
    pub data_timeout: Duration,
    /// Longest wait for the outcome of a commit.
    pub commit_timeout: Duration,
    /// Longest time from the reply to DATA, or from the first BDAT, to the end of the message.
    pub message_timeout: Duration,
    /// Age at which a session ends once it is outside of a transaction.
    pub session_timeout: Duration,
    /// Messages of one session; 0: no limit.
    pub session_messages: u64,
    /// Octets of all messages of one session; 0: no limit.
    pub session_octets: u64,
    /// Commands in a row that bring no message forward before the session ends.
    pub idle_commands: usize,
    /// What becomes of a message that holds a bare CR or a bare LF.
    pub bare_newlines: BareNewlinePolicy,
    /// Whether STARTTLS is offered.
    pub starttls: bool,
    /// Domain patterns in lower case: `example.com`, `*.example.com`, `*`.
    pub domains: Vec<String>,
}

/// What becomes of a message that holds a bare CR or a bare LF. Neither ever ends a line here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BareNewlinePolicy {
    /// It is refused with 550 5.6.0.
    #[default]
    Reject,
    /// They are data, and the record's header `smtp_bare_newlines` warns of them.
    Accept,
}

impl Policy {
    /// The defaults of the configuration, with nothing limited that it does not limit and no TLS.
    pub fn new(hostname: &str) -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self {
            hostname: hostname.to_owned(),
            message_size: 25 << 20,
            recipients: 100,
            errors: 20,
            command_timeout: minutes(5),
            data_timeout: minutes(3),
            commit_timeout: Duration::from_secs(31),
            message_timeout: minutes(30),
            session_timeout: minutes(24 * 60),
            session_messages: 0,
            session_octets: 0,
            idle_commands: 1000,
            bare_newlines: BareNewlinePolicy::Reject,
            starttls: false,
            domains: vec!["*".to_owned()],
        }
    }

    /// Whether mail for `mailbox` is taken. `postmaster` without a domain always is (RFC 5321 4.5.1).
    pub fn takes(&self, mailbox: &Mailbox) -> bool {
        let domain = mailbox.domain().trim_end_matches('.').to_lowercase();
        domain.is_empty() || self.domains.iter().any(|pattern| matches(pattern, &domain))
    }
}

fn matches(pattern: &str, domain: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => domain.len() > suffix.len() && domain.ends_with(suffix),
        None => pattern == domain,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        assert!(matches("*", "a.example") && matches("example.com", "example.com"));
        assert!(
            matches("*.example.com", "a.example.com") && !matches("*.example.com", "example.com")
        );
        assert!(
            !matches("example.com", "a.example.com") && !matches("*.example.com", "badexample.com")
        );
    }
}

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
    /// Domain patterns in lower case: `example.com`, `*.example.com`, `*`.
    pub domains: Vec<String>,
}

impl Policy {
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

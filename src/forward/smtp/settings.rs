//! What is configured of a receiver that speaks SMTP or LMTP.
//!
//! Owns: the time limits, and what else is the same for every connection. Must not know: sockets.
//!
//! Invariant: a debug print has no password.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::address::Address;

/// How long each step may take: by default what RFC 5321 4.5.3.2 says, except for the connection itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, to one address.
    pub connect: Duration,
    /// The banner, EHLO, TLS, AUTH, MAIL, each RCPT, RSET.
    pub command: Duration,
    /// The reply to DATA, and each block of the message.
    pub data: Duration,
    /// The reply to the message.
    pub last: Duration,
    /// How long a connection is kept that has nothing to do.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            command: Duration::from_secs(5 * 60),
            data: Duration::from_secs(3 * 60),
            last: Duration::from_secs(10 * 60),
            idle: Duration::from_secs(15),
        }
    }
}

/// A password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where, and how it is spoken to.
    pub address: Address,
    /// The name in EHLO.
    pub helo: String,
    /// The password of the address's user.
    pub password: Option<Secret>,
    /// Certificates that are trusted, where TLS is spoken; an opportunistic one trusts any.
    pub tls: Option<Arc<ClientConfig>>,
    /// Recipients of one transaction at most.
    pub recipients: usize,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

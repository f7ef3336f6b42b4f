//! The envelope of one mail: what the SMTP transaction said, apart from the message itself.

use std::net::SocketAddr;

use crate::smtp::parameter::Body;

/// What a record says of the transaction that brought its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The reverse-path without brackets; empty for the null reverse-path.
    pub reverse_path: String,
    /// The accepted forward-paths without brackets, in the order of their RCPT commands; never empty.
    pub recipients: Vec<String>,
    /// The name of HELO or EHLO.
    pub helo: String,
    /// Address and port of the client.
    pub client: SocketAddr,
    /// The keyword of RFC 3848 or RFC 6531: `SMTP`, `ESMTP`, `UTF8SMTP`.
    pub protocol: &'static str,
    /// BODY= of MAIL.
    pub body: Body,
    /// Whether SMTPUTF8 was given.
    pub smtputf8: bool,
}

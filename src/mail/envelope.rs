//! The envelope of one mail: what the SMTP transaction said, apart from the message itself.

use std::net::SocketAddr;
use std::sync::Arc;

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
    /// The keyword of RFC 3848 or RFC 6531: `SMTP`, `ESMTP`, `ESMTPS`, `UTF8SMTP`, `UTF8SMTPS`.
    pub protocol: &'static str,
    /// TLS version and cipher suite; `None` in clear.
    pub tls: Option<Arc<str>>,
    /// Whether the message holds a bare CR or a bare LF. Looked for in DATA alone.
    pub bare_newlines: bool,
    /// BODY= of MAIL.
    pub body: Body,
    /// Whether SMTPUTF8 was given.
    pub smtputf8: bool,
}

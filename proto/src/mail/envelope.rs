//! The envelope of one mail: what the SMTP transaction said, apart from the message itself. A view of the session's own
//! transaction, so that nothing of it is copied before it is in a record.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::smtp::address::Mailbox;
use crate::smtp::parameter::{Body, MailParameters};
use crate::smtp::state::Transaction;

/// A client's address, with its text made once per connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client(Box<Facts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    ip: IpAddr,
    /// `192.0.2.1:4711`, `[2001:db8::1]:4711`.
    text: Box<str>,
    /// Where the address is in it, without brackets.
    of_ip: Range<usize>,
}

impl Client {
    /// The texts of this address. An IPv4 address that is mapped into IPv6, as a socket of both families gives it, is the IPv4
    /// address.
    pub fn new(address: SocketAddr) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let text: Box<str> = address.to_string().into();
        let colon = text.rfind(':').expect("the port follows a colon");
        let of_ip = match address {
            SocketAddr::V4(_) => 0..colon,
            SocketAddr::V6(_) => 1..colon - 1,
        };
        let ip = address.ip();
        Self(Box::new(Facts { ip, text, of_ip }))
    }

    /// The address.
    pub fn ip(&self) -> IpAddr {
        self.0.ip
    }

    /// As in the record's header `ce_smtpclient`.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The parts of the address literal `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 4.1.3), as in the Received field.
    pub fn literal(&self) -> [&str; 3] {
        let tag = match self.0.ip {
            IpAddr::V4(_) => "[",
            IpAddr::V6(_) => "[IPv6:",
        };
        [tag, self.ip_text(), "]"]
    }

    /// The address without its port.
    pub fn ip_text(&self) -> &str {
        &self.0.text[self.0.of_ip.clone()]
    }
}

/// What a record says of the transaction that brought its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The reverse-path without brackets; empty for the null reverse-path.
    pub reverse_path: &'a str,
    /// The accepted forward-paths, in the order of their RCPT commands; never empty.
    pub recipients: &'a [Mailbox],
    /// The name of HELO or EHLO.
    pub helo: &'a str,
    /// The client.
    pub client: &'a Client,
    /// The keyword of RFC 3848 or RFC 6531: `SMTP`, `ESMTP`, `ESMTPS`, `UTF8SMTP`, `UTF8SMTPS`.
    pub protocol: &'static str,
    /// TLS version and cipher suite; `None` in clear.
    pub tls: Option<&'a str>,
    /// BODY= of MAIL.
    pub body: Body,
    /// Whether SMTPUTF8 was given.
    pub smtputf8: bool,
}

impl<'a> Envelope<'a> {
    /// The envelope of a transaction.
    pub fn of(transaction: &'a Transaction, client: &'a Client, tls: Option<&'a str>) -> Self {
        assert!(!transaction.recipients.is_empty(), "a mail has a recipient");
        // Named one by one, so that the compiler asks about a new one.
        let MailParameters {
            size: _,
            body,
            smtputf8,
        } = transaction.parameters;
        let protocol = match (smtputf8, transaction.hello.extended, tls) {
            (true, _, None) => "UTF8SMTP",
            (true, _, Some(_)) => "UTF8SMTPS",
            (false, true, None) => "ESMTP",
            (false, true, Some(_)) => "ESMTPS",
            (false, false, _) => "SMTP",
        };
        let reverse_path = transaction.reverse_path.as_ref();
        Self {
            reverse_path: reverse_path.map_or("", Mailbox::as_str),
            recipients: &transaction.recipients,
            helo: &transaction.hello.name,
            client,
            protocol,
            tls,
            body: body.unwrap_or_default(),
            smtputf8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Client;

    #[test]
    fn a_client_has_its_texts() {
        let v4 = Client::new("192.0.2.1:4711".parse().unwrap());
        assert_eq!(
            (v4.text(), &*v4.literal().concat(), v4.ip_text()),
            ("192.0.2.1:4711", "[192.0.2.1]", "192.0.2.1")
        );
        let mapped = Client::new("[::ffff:192.0.2.1]:4711".parse().unwrap());
        assert_eq!(mapped, v4);
        let v6 = Client::new("[2001:db8::1]:4711".parse().unwrap());
        assert_eq!(
            (v6.text(), &*v6.literal().concat(), v6.ip_text()),
            ("[2001:db8::1]:4711", "[IPv6:2001:db8::1]", "2001:db8::1")
        );
    }
}

//! Where a receiver is, and how it is spoken to: `smtp://`, `smtps://` and `lmtp://`, read from text.
//!
//! Owns: the forms of these addresses and their defaults. Must not know: sockets, certificates.
//!
//! Invariant: no password is in an address, nor in a text of this module.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// Which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// How a connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte on.
    Implicit,
    /// STARTTLS or nothing.
    Required,
    /// STARTTLS where it is offered.
    Offered,
    /// The same, and any certificate will do.
    Opportunistic,
    /// None.
    Never,
}

/// Where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A host's name or address, and a port.
    Host {
        /// Without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket of this machine.
    Socket(PathBuf),
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Which protocol.
    pub protocol: Protocol,
    /// Where.
    pub place: Place,
    /// How a connection is secured.
    pub security: Security,
    /// As whom to log in.
    pub user: Option<String>,
}

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// Another scheme, or none; http and https are another module's, and the operator's choice all the same.
    #[error("it begins with none of smtp://, smtps://, lmtp://, http://, https://")]
    Scheme,
    /// There is no host.
    #[error("it names no host: smtp://HOST:PORT, lmtp://HOST:PORT, or lmtp:///PATH for a socket")]
    NoHost,
    /// The port is none.
    #[error("its port {0:?} is not a number from 1 to 65535")]
    Port(String),
    /// A path where there is none.
    #[error("a path is for a socket, as lmtp:///run/dovecot/lmtp; {0:?} is none")]
    Path(String),
    /// A socket in another protocol.
    #[error("a socket is spoken to in LMTP: lmtp:///PATH")]
    Socket,
    /// A password.
    #[error(
        "it has a password, which everybody on the machine can read: put it into a file (--password-file) or into \
         RINGPOST_FORWARD_PASSWORD, and leave user@ in the URL"
    )]
    Password,
    /// A parameter that there is not.
    #[error(
        "its parameter {0:?} is unknown: the only one is starttls=required, offered, opportunistic or never"
    )]
    Parameter(String),
    /// Another value of it.
    #[error("starttls={0:?} is none of required, offered, opportunistic, never")]
    Starttls(String),
    /// STARTTLS inside of TLS.
    #[error("smtps:// is TLS from the first byte on: it takes no starttls=")]
    Twice,
}

impl Protocol {
    /// The port where none is given, with or without TLS from the first byte on.
    fn port(self, security: Option<Security>) -> u16 {
        match (self, security) {
            (Self::Smtp, Some(Security::Implicit)) => 465,
            (Self::Smtp, _) => 25,
            (Self::Lmtp, _) => 24,
        }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Host and port, as they are written.
fn host_and_port(text: &str) -> Result<(&str, Option<&str>), NoAddress> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(NoAddress::NoHost)?;
        host.parse::<Ipv6Addr>().map_err(|_| NoAddress::NoHost)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(NoAddress::NoHost),
        };
    }
    Ok(match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

impl std::str::FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let (scheme, rest) = text.split_once(':').ok_or(NoAddress::Scheme)?;
        let (protocol, implicit) = match scheme.to_ascii_lowercase().as_str() {
            "smtp" => (Protocol::Smtp, None),
            "smtps" => (Protocol::Smtp, Some(Security::Implicit)),
            "lmtp" => (Protocol::Lmtp, None),
            _ => return Err(NoAddress::Scheme),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // lmtp:unix:/path is how Postfix writes a socket.
        let (authority, path) = match (rest.strip_prefix("//"), rest.strip_prefix("unix:")) {
            (Some(rest), _) => rest.find('/').map_or((rest, ""), |at| rest.split_at(at)),
            (None, Some(path)) => ("", path),
            (None, None) => return Err(NoAddress::Scheme),
        };
        let (user, host) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(user, host)| (Some(user), host));
        if user.is_some_and(|user| user.contains(':')) {
            return Err(NoAddress::Password);
        }
        let user = user.map(decoded);
        let place = place(protocol, implicit, host, &decoded(path))?;
        let security = security(implicit, query, &place, protocol, user.is_some())?;
        Ok(Self {
            protocol,
            place,
            security,
            user,
        })
    }
}

fn place(
    protocol: Protocol,
    implicit: Option<Security>,
    host: &str,
    path: &str,
) -> Result<Place, NoAddress> {
    if host.is_empty() {
        return match (protocol, path.is_empty() || path == "/") {
            (_, true) => Err(NoAddress::NoHost),
            (Protocol::Smtp, false) => Err(NoAddress::Socket),
            (Protocol::Lmtp, false) => Ok(Place::Socket(path.into())),
        };
    }
    if !path.is_empty() && path != "/" {
        return Err(NoAddress::Path(path.to_owned()));
    }
    let (host, port) = host_and_port(host)?;
    if host.is_empty() {
        return Err(NoAddress::NoHost);
    }
    let port = match port {
        None => protocol.port(implicit),
        Some(text) => match text.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(NoAddress::Port(text.to_owned())),
        },
    };
    let host = decoded(host);
    Ok(Place::Host { host, port })
}

/// What the address says of TLS. Where it says nothing: a password needs it; LMTP, which is for one's own machine or network, and
/// this machine itself go without; anybody else is offered it.
fn security(
    implicit: Option<Security>,
    query: &str,
    place: &Place,
    protocol: Protocol,
    logs_in: bool,
) -> Result<Security, NoAddress> {
    let mut asked = None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name != "starttls" {
            return Err(NoAddress::Parameter(name.to_owned()));
        }
        asked = Some(match value {
            "required" => Security::Required,
            "offered" => Security::Offered,
            "opportunistic" => Security::Opportunistic,
            "never" => Security::Never,
            other => return Err(NoAddress::Starttls(other.to_owned())),
        });
    }
    let is_near = match place {
        Place::Socket(_) => true,
        Place::Host { host, .. } => protocol == Protocol::Lmtp || is_loopback(host),
    };
    match (implicit, asked) {
        (Some(_), Some(_)) => Err(NoAddress::Twice),
        (Some(implicit), None) => Ok(implicit),
        (None, Some(asked)) => Ok(asked),
        (None, None) if is_near => Ok(Security::Never),
        (None, None) if logs_in => Ok(Security::Required),
        (None, None) => Ok(Security::Offered),
    }
}

impl Address {
    /// Whether a password would go over a network in clear, or could.
    pub fn may_be_in_clear(&self) -> bool {
        let is_far = match &self.place {
            Place::Socket(_) => false,
            Place::Host { host, .. } => !is_loopback(host),
        };
        is_far && !matches!(self.security, Security::Implicit | Security::Required)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.protocol, self.security) {
            (Protocol::Smtp, Security::Implicit) => "smtps",
            (Protocol::Smtp, _) => "smtp",
            (Protocol::Lmtp, _) => "lmtp",
        };
        write!(f, "{scheme}://{}", self.place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Address {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn schemes_have_their_ports_and_their_security() {
        for (text, place, protocol, security) in [
            (
                "smtp://relay.example",
                "relay.example:25",
                Protocol::Smtp,
                Security::Offered,
            ),
            (
                "smtps://relay.example",
                "relay.example:465",
                Protocol::Smtp,
                Security::Implicit,
            ),
            (
                "smtp://u@relay.example:587/",
                "relay.example:587",
                Protocol::Smtp,
                Security::Required,
            ),
            (
                "SMTP://127.0.0.1:2525",
                "127.0.0.1:2525",
                Protocol::Smtp,
                Security::Never,
            ),
            (
                "smtp://localhost",
                "localhost:25",
                Protocol::Smtp,
                Security::Never,
            ),
            (
                "smtp://[::1]:2525",
                "[::1]:2525",
                Protocol::Smtp,
                Security::Never,
            ),
            (
                "smtp://[2001:db8::1]",
                "[2001:db8::1]:25",
                Protocol::Smtp,
                Security::Offered,
            ),
            (
                "lmtp://mail.example",
                "mail.example:24",
                Protocol::Lmtp,
                Security::Never,
            ),
            (
                "lmtp:///run/dovecot/lmtp",
                "/run/dovecot/lmtp",
                Protocol::Lmtp,
                Security::Never,
            ),
            (
                "lmtp:unix:/run/dovecot/lmtp",
                "/run/dovecot/lmtp",
                Protocol::Lmtp,
                Security::Never,
            ),
            (
                "smtp://r.example?starttls=required",
                "r.example:25",
                Protocol::Smtp,
                Security::Required,
            ),
            (
                "lmtp://r.example?starttls=opportunistic",
                "r.example:24",
                Protocol::Lmtp,
                Security::Opportunistic,
            ),
        ] {
            let address = read(text);
            assert_eq!(address.place.to_string(), place, "{text}");
            assert_eq!(
                (address.protocol, address.security),
                (protocol, security),
                "{text}"
            );
        }
        assert_eq!(
            read("smtp://me%40x.example@r.example").user.as_deref(),
            Some("me@x.example")
        );
    }

    #[test]
    fn what_is_no_address_says_why() {
        let wrong = |text: &str| text.parse::<Address>().expect_err(text);
        assert_eq!(wrong("relay.example"), NoAddress::Scheme);
        assert_eq!(wrong("ftp://x"), NoAddress::Scheme);
        assert_eq!(wrong("smtp:x"), NoAddress::Scheme);
        for text in [
            "smtp://",
            "lmtp:///",
            "smtp://:25",
            "smtp://[zz]",
            "smtp://[::1]x",
        ] {
            assert_eq!(wrong(text), NoAddress::NoHost, "{text}");
        }
        assert_eq!(wrong("smtp://x:0"), NoAddress::Port("0".to_owned()));
        assert_eq!(wrong("smtp://x:smtp"), NoAddress::Port("smtp".to_owned()));
        assert_eq!(wrong("smtp:///run/x"), NoAddress::Socket);
        assert_eq!(wrong("lmtp://x/run"), NoAddress::Path("/run".to_owned()));
        assert_eq!(wrong("smtp://u:p@x"), NoAddress::Password);
        assert_eq!(
            wrong("smtp://x?tls=1"),
            NoAddress::Parameter("tls".to_owned())
        );
        assert_eq!(
            wrong("smtp://x?starttls=yes"),
            NoAddress::Starttls("yes".to_owned())
        );
        assert_eq!(wrong("smtps://x?starttls=never"), NoAddress::Twice);
    }

    #[test]
    fn a_password_in_clear_is_noticed() {
        assert!(read("smtp://u@x?starttls=offered").may_be_in_clear());
        assert!(read("lmtp://u@x").may_be_in_clear());
        for text in [
            "smtp://u@x",
            "smtps://u@x",
            "smtp://u@127.0.0.1",
            "lmtp:///x",
        ] {
            assert!(!read(text).may_be_in_clear(), "{text}");
        }
    }
}

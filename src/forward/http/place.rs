//! Where mail is posted to.
//!
//! Owns: which URLs are taken, and how one is shown. Must not know: HTTP.
//!
//! Invariant: no text and no Debug output has a login or a query in it, which may be secrets.
//!
//! BUGS: a path is shown, also where an application takes a part of it for a secret.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use thiserror::Error;

/// An address that mail can be posted to.
#[derive(Clone, PartialEq, Eq)]
pub struct Place(Url);

/// Why a text is not a URL.
pub type NotAUrl = <Url as std::str::FromStr>::Err;

/// Why mail cannot be posted to an address, which is not shown.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum PlaceFault {
    /// Not a URL, for this reason.
    #[error("is not a URL such as https://app.example/mail: {0}")]
    NotAUrl(NotAUrl),
    /// A port that there is not.
    #[error(
        "is not a URL such as https://app.example/mail: its port is not a number from 1 to 65535"
    )]
    Port,
    /// Of another kind.
    #[error("does not begin with https:// or http://")]
    Scheme,
    /// With a login, which everybody on the machine can read in a command line.
    #[error(
        "has a user name or a password in its URL, where every user of this machine can read them: write `authorization: Basic …` \
         into a file that --header-file names"
    )]
    Login,
    /// With a part that no server gets.
    #[error(
        "has a # in its URL: what comes after it is never sent; write %23 if it belongs to the path"
    )]
    Fragment,
}

impl Place {
    /// Reads an address.
    ///
    /// # Errors
    /// Mail cannot be posted there.
    pub fn parse(text: &str) -> Result<Self, PlaceFault> {
        let url = Url::parse(text.trim()).map_err(|fault| match has_port(text) {
            true => PlaceFault::NotAUrl(fault),
            false => PlaceFault::Port,
        })?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(PlaceFault::Scheme);
        }
        if url.port() == Some(0) {
            return Err(PlaceFault::Port);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PlaceFault::Login);
        }
        if url.fragment().is_some() {
            return Err(PlaceFault::Fragment);
        }
        Ok(Self(url))
    }

    /// The whole of it.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether it is asked over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether what is posted can be read by others on its way.
    pub fn is_exposed(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let ip: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
        let is_here = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        !self.is_encrypted() && !is_here
    }

    /// Where it points to, as a text without what may be a secret; none if that cannot be told.
    pub fn joined(&self, reference: &str) -> Option<String> {
        self.0.join(reference).ok().map(|url| shown(&url))
    }

    /// A text of the receiver without the query, which a page about an error may repeat.
    pub fn hidden(&self, text: String) -> String {
        match self.0.query() {
            Some(query) if !query.is_empty() => text.replace(query, "…"),
            _ => text,
        }
    }
}

/// Whether the port that an address has is one; also where it has none.
fn has_port(text: &str) -> bool {
    let authority = text.trim().split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((_, port)) if !port.contains(']') => port.is_empty() || port.parse::<u16>().is_ok(),
        Some(_) | None => true,
    }
}

fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}"));
    let port = port.unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_its_query() {
        let place = Place::parse("https://app.example:8443/in?key=hunter2").unwrap();
        assert_eq!(place.to_string(), "https://app.example:8443/in");
        assert_eq!(format!("{place:?}"), "Place(https://app.example:8443/in)");
        assert_eq!(place.url().query(), Some("key=hunter2"));
        let said = "no /in?key=hunter2 here".to_owned();
        assert_eq!(place.hidden(said), "no /in?… here");
        for (reference, meant) in [
            ("/new?key=hunter2", "https://app.example:8443/new"),
            ("http://u:hunter2@b.example", "http://b.example/"),
        ] {
            assert_eq!(place.joined(reference).as_deref(), Some(meant));
        }
        assert_eq!(place.joined("http://["), None);
    }

    #[test]
    fn who_can_read_along_is_known() {
        for (text, exposed) in [
            ("https://app.example/", false),
            ("http://localhost:8000/", false),
            ("http://127.0.0.2/", false),
            ("http://[::1]/", false),
            ("http://10.0.0.1/", true),
            ("http://app.example/", true),
        ] {
            assert_eq!(Place::parse(text).unwrap().is_exposed(), exposed, "{text}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_posted_to_is_refused_and_not_shown() {
        for (text, fault) in [
            ("ftp://hunter2/", PlaceFault::Scheme),
            ("mailto:hunter2@app.example", PlaceFault::Scheme),
            ("http://hunter2:99999/", PlaceFault::Port),
            ("http://hunter2:smtp/", PlaceFault::Port),
            ("http://hunter2:0/", PlaceFault::Port),
            ("https://hunter2@app.example/", PlaceFault::Login),
            ("https://:hunter2@app.example/", PlaceFault::Login),
            ("https://app.example/#hunter2", PlaceFault::Fragment),
        ] {
            let found = Place::parse(text).unwrap_err();
            assert!(!found.to_string().contains("hunter2"), "{found}");
            assert_eq!(found, fault, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_url_says_why() {
        for (text, why) in [
            ("hunter2", "relative URL without a base"),
            ("http://", "empty host"),
            ("http://[::1/", "invalid IPv6 address"),
            ("http://a b/", "invalid international domain name"),
        ] {
            let said = Place::parse(text).unwrap_err().to_string();
            assert!(
                said.starts_with("is not a URL such as https://app"),
                "{said}"
            );
            assert!(said.ends_with(why), "{said}");
        }
    }
}

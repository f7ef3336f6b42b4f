//! Which properties are about tokens, and what they come to.
//!
//! Owns: the names that are taken out of what librdkafka gets, and what is wrong with a value. Must not know: HTTP, tokens.
//!
//! Invariant: no text shows a value.
//!
//! BUGS: `https.ca.location` is a file or `probe`, not a folder. The grant `jwt-bearer` is not built in.

use std::fmt;
use std::io;

use rdkafka::config::ClientConfig;
use reqwest::Url;
use thiserror::Error;

use crate::config::TOKEN_PROPERTIES;

/// How brokers are logged in to.
const MECHANISM: &str = "OAUTHBEARER";

const METHOD: &str = "sasl.oauthbearer.method";
const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
const CLIENT: &str = "sasl.oauthbearer.client.id";
const SECRET: &str = "sasl.oauthbearer.client.secret";
const SCOPE: &str = "sasl.oauthbearer.scope";
const EXTENSIONS: &str = "sasl.oauthbearer.extensions";
const GRANT: &str = "sasl.oauthbearer.grant.type";
const CA_FILE: &str = "https.ca.location";
const CA_TEXT: &str = "https.ca.pem";
/// librdkafka's other names of the client and of its secret.
const OTHER_NAMES: [(&str, &str); 2] = [
    ("sasl.oauthbearer.client.credentials.client.id", CLIENT),
    ("sasl.oauthbearer.client.credentials.client.secret", SECRET),
];
/// Whose certificates an endpoint's is held against.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorities {
    /// The machine's own.
    System,
    /// These, in PEM.
    Pem(Vec<u8>),
}

/// Where tokens come from.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The token endpoint.
    pub endpoint: Url,
    /// The client's name there.
    pub client: String,
    /// The client's password there.
    pub secret: String,
    /// What the token is for, if that is to be asked.
    pub scope: Option<String>,
    /// What brokers are told beside the token (RFC 7628 3.1).
    pub extensions: Vec<(String, String)>,
    /// Who may sign the endpoint's certificate.
    pub authorities: Authorities,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({})", self.place())
    }
}

impl Settings {
    /// The endpoint for a text: what may be a secret in a URL is left out.
    pub fn place(&self) -> String {
        let url = &self.endpoint;
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}"));
        let port = port.unwrap_or_default();
        format!("{}://{host}{port}{}", url.scheme(), url.path())
    }

    /// Whether the secret goes over a network in clear.
    pub fn exposes_the_secret(&self) -> bool {
        let here = matches!(
            self.endpoint.host_str(),
            Some("localhost" | "127.0.0.1" | "[::1]")
        );
        self.endpoint.scheme() == "http" && !here
    }
}

/// What is wrong with the properties.
#[derive(Debug, Error)]
#[error("{wrong}")]
pub struct Fault {
    /// The property.
    pub key: &'static str,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with one of the properties.
#[derive(Debug, Error)]
pub enum Wrong {
    /// There is nothing that makes tokens.
    #[error(
        "has to be oidc where sasl.mechanism is OAUTHBEARER, with sasl.oauthbearer.client.id, sasl.oauthbearer.client.secret and \
         sasl.oauthbearer.token.endpoint.url"
    )]
    NoMethod,
    /// It is needed.
    #[error("is not set, and sasl.oauthbearer.method = oidc needs it")]
    Missing,
    /// Not a URL that can be asked.
    #[error("is not a URL that begins with https:// or http://")]
    NotAUrl,
    /// Another grant.
    #[error("can be client_credentials alone: other grants are not built in")]
    OtherGrant,
    /// Not a list of extensions.
    #[error("has to be name=value,name=value, the names of letters alone, and none of them auth")]
    NotExtensions,
    /// A character that does not fit a header.
    #[error("has a character that cannot be sent")]
    Unsendable,
    /// The file cannot be read.
    #[error("the file that it names cannot be read: {0}; name a file of certificates in PEM")]
    Unreadable(io::Error),
    /// Two sources of authorities.
    #[error("is set beside https.ca.location: remove one of the two")]
    Twice,
}

/// Takes what is about tokens out of a client's properties. The rest is what librdkafka gets; the settings are there if tokens
/// are wanted.
///
/// # Errors
/// What is wrong with a property, or that OAUTHBEARER is asked for and nothing makes tokens.
pub fn split(config: &ClientConfig) -> Result<(ClientConfig, Option<Settings>), Fault> {
    let get = |name: &str| {
        let other = OTHER_NAMES.iter().find(|(_, named)| *named == name);
        let found = config.get(name);
        found.or_else(|| config.get(other?.0)).map(str::trim)
    };
    let mut rest = config.clone();
    for name in TOKEN_PROPERTIES
        .iter()
        .chain(OTHER_NAMES.iter().map(|(other, _)| other))
    {
        rest.remove(name);
    }
    let mechanism = get("sasl.mechanism").or_else(|| get("sasl.mechanisms"));
    let protocol = get("security.protocol").unwrap_or_default();
    let logs_in = protocol.to_ascii_lowercase().starts_with("sasl_");
    let unsecured = get("enable.sasl.oauthbearer.unsecure.jwt") == Some("true");
    if !logs_in || mechanism != Some(MECHANISM) {
        return Ok((rest, None));
    }
    match get(METHOD) {
        Some("oidc") => Ok((rest, Some(settings(get)?))),
        Some("default") | None if unsecured => Ok((rest, None)),
        _ => Err(fault(METHOD, Wrong::NoMethod)),
    }
}

fn fault(key: &'static str, wrong: Wrong) -> Fault {
    Fault { key, wrong }
}

fn settings<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Settings, Fault> {
    let set = |name: &str| get(name).filter(|value| !value.is_empty());
    let needed = |name: &'static str| set(name).ok_or(fault(name, Wrong::Missing));
    if set(GRANT).is_some_and(|grant| grant != "client_credentials") {
        return Err(fault(GRANT, Wrong::OtherGrant));
    }
    let endpoint = needed(ENDPOINT)?;
    let endpoint = Url::parse(endpoint).map_err(|_| fault(ENDPOINT, Wrong::NotAUrl))?;
    if !matches!(endpoint.scheme(), "https" | "http") || !endpoint.has_host() {
        return Err(fault(ENDPOINT, Wrong::NotAUrl));
    }
    Ok(Settings {
        endpoint,
        client: needed(CLIENT)?.to_owned(),
        secret: needed(SECRET)?.to_owned(),
        scope: set(SCOPE).map(str::to_owned),
        extensions: extensions(set(EXTENSIONS).unwrap_or_default())?,
        authorities: authorities(set(CA_FILE), set(CA_TEXT))?,
    })
}

fn extensions(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let not = || fault(EXTENSIONS, Wrong::NotExtensions);
    let mut found = Vec::new();
    for entry in text.split(',').map(str::trim) {
        if entry.is_empty() {
            continue;
        }
        let (name, value) = entry.split_once('=').ok_or_else(not)?;
        let legal = name.bytes().all(|octet| octet.is_ascii_alphabetic());
        if name.is_empty() || !legal || name == "auth" {
            return Err(not());
        }
        if !value.bytes().all(|octet| matches!(octet, 0x20..=0x7e)) {
            return Err(fault(EXTENSIONS, Wrong::Unsendable));
        }
        found.push((name.to_owned(), value.to_owned()));
    }
    Ok(found)
}

fn authorities(file: Option<&str>, text: Option<&str>) -> Result<Authorities, Fault> {
    match (file.filter(|file| *file != "probe"), text) {
        (Some(_), Some(_)) => Err(fault(CA_TEXT, Wrong::Twice)),
        (None, Some(text)) => Ok(Authorities::Pem(text.as_bytes().to_owned())),
        (None, None) => Ok(Authorities::System),
        (Some(file), None) => match std::fs::read(file) {
            Ok(pem) => Ok(Authorities::Pem(pem)),
            Err(error) => Err(fault(CA_FILE, Wrong::Unreadable(error))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 8] = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "OAUTHBEARER"),
        (METHOD, "oidc"),
        (CLIENT, "mail"),
        (SECRET, "hunter2"),
        (
            ENDPOINT,
            "https://u:hunter2@idp.example:8443/token?key=hunter2",
        ),
        (EXTENSIONS, "logicalCluster=lkc-1, pool=a=b"),
        ("client.id", "ringpost"),
    ];

    /// What comes of these, with one of them changed; empty: left out.
    fn split_with(name: &str, value: &str) -> Result<(ClientConfig, Option<Settings>), Fault> {
        let mut config = ClientConfig::new();
        for (name, value) in WHOLE.into_iter().chain([(name, value)]) {
            config.set(name, value);
        }
        if value.is_empty() {
            config.remove(name);
        }
        split(&config)
    }

    #[test]
    fn properties_about_tokens_are_taken_out_of_the_others() {
        let (rest, settings) = split_with(SCOPE, "kafka").unwrap();
        for name in TOKEN_PROPERTIES {
            assert_eq!(rest.get(name), None, "{name}");
        }
        assert_eq!(rest.get("client.id"), Some("ringpost"));
        assert_eq!(rest.get("sasl.mechanism"), Some("OAUTHBEARER"));
        let settings = settings.unwrap();
        assert_eq!(
            (settings.client.as_str(), settings.secret.as_str()),
            ("mail", "hunter2")
        );
        assert_eq!(settings.scope.as_deref(), Some("kafka"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            settings.extensions,
            [pair("logicalCluster", "lkc-1"), pair("pool", "a=b")]
        );
        assert_eq!(settings.place(), "https://idp.example:8443/token");
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(!settings.exposes_the_secret());
        let (_, settings) = split_with(ENDPOINT, "http://idp.example/").unwrap();
        assert!(settings.unwrap().exposes_the_secret());
        let (_, settings) = split_with("sasl.mechanism", "PLAIN").unwrap();
        assert_eq!(settings, None);
        let (_, settings) = split_with("security.protocol", "ssl").unwrap();
        assert_eq!(settings, None);
    }

    #[test]
    fn a_mistake_names_the_property_and_shows_no_value() {
        for (name, value, key, words) in [
            (METHOD, "", METHOD, "has to be oidc"),
            (METHOD, "default", METHOD, "has to be oidc"),
            (CLIENT, "", CLIENT, "is not set"),
            (SECRET, "", SECRET, "is not set"),
            (ENDPOINT, "", ENDPOINT, "is not set"),
            (ENDPOINT, "hunter2", ENDPOINT, "is not a URL"),
            (ENDPOINT, "ftp://hunter2/", ENDPOINT, "is not a URL"),
            (GRANT, "hunter2", GRANT, "client_credentials"),
            (EXTENSIONS, "hunter2", EXTENSIONS, "name=value"),
            (EXTENSIONS, "a1=hunter2", EXTENSIONS, "name=value"),
            (EXTENSIONS, "auth=hunter2", EXTENSIONS, "name=value"),
            (CA_FILE, "/no/hunter2.pem", CA_FILE, "cannot be read"),
        ] {
            let fault = split_with(name, value).expect_err(words);
            assert_eq!(fault.key, key);
            let said = fault.to_string();
            assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
        }
        let (_, none) = split_with("enable.sasl.oauthbearer.unsecure.jwt", "true").unwrap();
        assert!(none.is_some(), "the method oidc goes first");
    }
}

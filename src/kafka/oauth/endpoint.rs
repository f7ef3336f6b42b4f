//! A token endpoint, asked for a token.
//!
//! Owns: the one request, its TLS, and the texts for every way that it fails. Must not know: who needs the token, or when.
//!
//! Invariants: a request ends within its time; the secret goes to the endpoint alone, never to where it points, and into no text,
//! not even if the endpoint repeats it.
//!
//! BUGS: the client is named in the Authorization header (RFC 6749 2.3.1), as librdkafka does; an endpoint that takes it in the
//! body alone refuses it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, StatusCode, redirect};
use serde::Deserialize;
use thiserror::Error;

use super::settings::{Authorities, Settings};
use super::token::{self, Token, Unusable};
use crate::failure::chain;

/// How long an endpoint has to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read; a token has a few thousand at most.
const ANSWER_OCTETS: usize = 256 * 1024;
/// Characters of an endpoint's own words that are shown.
const WORDS: usize = 200;

/// Why there is no token.
#[derive(Debug, Error)]
pub enum Failed {
    /// No client can be made: the certificates of `https.ca.location`, or those of the machine.
    #[error("cannot be asked: {0}; check https.ca.location in [kafka.properties]")]
    Unaskable(String),
    /// It does not answer.
    #[error(
        "cannot be reached: {0}; check the address, https.ca.location and the network in between"
    )]
    Unreachable(String),
    /// It refuses.
    #[error("answers {status}{words}{}", advice(*.status))]
    Refused {
        /// With this status.
        status: StatusCode,
        /// And in these words.
        words: String,
    },
    /// It answers something else.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl Failed {
    /// Whether it is for the operator to mend, so that asking again soon is of no use.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                status.is_client_error()
                    && !matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            Self::Unaskable(_) => true,
            Self::Unreachable(_) | Self::Unusable(_) => false,
        }
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 401 | 403 => {
            "; check sasl.oauthbearer.client.id, sasl.oauthbearer.client.secret and sasl.oauthbearer.scope"
        }
        404 | 405 => "; check sasl.oauthbearer.token.endpoint.url",
        _ => "",
    }
}

/// What an endpoint says of a refusal (RFC 6749 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

/// Asks one endpoint.
pub struct Endpoint {
    settings: Settings,
    client: Client,
    login: HeaderValue,
}

impl Endpoint {
    /// An endpoint that can be asked.
    ///
    /// # Errors
    /// The certificates that it is to be held against cannot be used.
    pub fn new(settings: Settings) -> Result<Self, Failed> {
        // reqwest takes the provider of the process. One that was installed before is the same one: no other is built in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .timeout(ANSWER_WAIT)
            .redirect(redirect::Policy::none());
        if let Authorities::Pem(pem) = &settings.authorities {
            let found = Certificate::from_pem_bundle(pem);
            let found = found.map_err(|error| Failed::Unaskable(chain(&error)))?;
            if found.is_empty() {
                return Err(Failed::Unaskable(
                    "it holds no certificate in PEM".to_owned(),
                ));
            }
            builder = builder.tls_certs_only(found);
        }
        let client = builder.build();
        let client = client.map_err(|error| Failed::Unaskable(chain(&error)))?;
        let pair = format!(
            "{}:{}",
            encoded(&settings.client),
            encoded(&settings.secret)
        );
        let login = format!("Basic {}", STANDARD.encode(pair));
        let mut login = HeaderValue::try_from(login).expect("base64 fits a header");
        login.set_sensitive(true);
        Ok(Self {
            settings,
            client,
            login,
        })
    }

    /// What it is made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks for a token.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask(&self) -> Result<Token, Failed> {
        let mut body = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.settings.scope {
            body.push_str("&scope=");
            body.push_str(&encoded(scope));
        }
        let request = self
            .client
            .post(self.settings.endpoint.clone())
            .header(AUTHORIZATION, self.login.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let unreachable = |error: reqwest::Error| Failed::Unreachable(chain(&error.without_url()));
        let mut answer = request.send().await.map_err(unreachable)?;
        let (status, mut read) = (answer.status(), Vec::new());
        while let Some(part) = answer.chunk().await.map_err(unreachable)? {
            if read.len() + part.len() > ANSWER_OCTETS {
                return Err(Unusable::NotAToken.into());
            }
            read.extend_from_slice(&part);
        }
        if !status.is_success() {
            let words = self.words(&read);
            return Err(Failed::Refused { status, words });
        }
        let now = Timestamp::now().as_millisecond();
        Ok(token::read(&read, &self.settings.client, now)?)
    }

    /// The endpoint's own words of a refusal, on one line and without the secret.
    fn words(&self, answer: &[u8]) -> String {
        let Ok(refusal) = serde_json::from_slice::<Refusal>(answer) else {
            return String::new();
        };
        let said = match refusal.error_description {
            Some(description) => format!("{}: {description}", refusal.error),
            None => refusal.error,
        };
        let said = said.replace(&self.settings.secret, "…");
        let shown = said.chars().filter(|character| !character.is_control());
        format!(" ({})", shown.take(WORDS).collect::<String>())
    }
}

/// As RFC 6749 2.3.1 has a client's name in a header, and a form in a body: all but what is never reserved (RFC 3986 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(octet.into());
            }
            _ => encoded.push_str(&format!("%{octet:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::new(Settings {
            endpoint: "http://127.0.0.1:1/token".parse().unwrap(),
            client: "ma il".to_owned(),
            secret: "hunter2:+~".to_owned(),
            scope: None,
            extensions: Vec::new(),
            authorities: Authorities::System,
        })
        .unwrap()
    }

    #[test]
    fn a_client_is_named_as_rfc_6749_says_and_its_secret_in_no_print() {
        let endpoint = endpoint();
        let login = endpoint.login.to_str().unwrap();
        let pair = STANDARD
            .decode(login.strip_prefix("Basic ").unwrap())
            .unwrap();
        assert_eq!(pair, b"ma%20il:hunter2%3A%2B~");
        assert!(!format!("{:?}", endpoint.login).contains("Basic"));
    }

    #[test]
    fn a_refusal_has_the_endpoints_words_without_the_secret() {
        let endpoint = endpoint();
        let answer = r#"{"error":"invalid_client","error_description":"no\nhunter2:+~"}"#;
        assert_eq!(endpoint.words(answer.as_bytes()), " (invalid_client: no…)");
        assert_eq!(endpoint.words(b"<html>"), "");
        let failed = Failed::Refused {
            status: StatusCode::UNAUTHORIZED,
            words: endpoint.words(answer.as_bytes()),
        };
        let said = failed.to_string();
        assert!(
            said.starts_with("answers 401 Unauthorized (invalid_client"),
            "{said}"
        );
        assert!(said.contains("client.secret") && failed.is_final());
        let busy = Failed::Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            words: String::new(),
        };
        assert_eq!(busy.to_string(), "answers 503 Service Unavailable");
        assert!(!busy.is_final());
    }
}

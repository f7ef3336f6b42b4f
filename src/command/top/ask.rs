//! The question to an admin listener, and its answer.
//!
//! Owns: where it is asked, how long an answer may take, and why there is none. Must not know: what is done with an answer.
//!
//! Invariants: an answer is bounded in size and time; every text in it is made plain again, whoever answered; no error shows the URL,
//! in which there may be a password.

use std::time::Duration;

use reqwest::{Url, redirect};
use tokio::runtime::Runtime;

use crate::failure::{Blame, Blamed, chain};
use crate::telemetry::status::observer::without_controls;
use crate::telemetry::status::plain::plain;
use crate::telemetry::status::snapshot::Snapshot;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of an answer: thousands of topics and brokers.
const MOST: usize = 8 * 1024 * 1024;

/// See the module.
pub(super) struct Client {
    client: reqwest::Client,
    url: Url,
    runtime: Runtime,
}

/// An answer.
pub(super) struct Answer {
    pub(super) snapshot: Snapshot,
    /// As it came.
    pub(super) json: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(
        "--admin is neither an address with a port nor an http or https URL: write 127.0.0.1:9925 or http://mx.example.net:9925"
    )]
    NoAddress,
    #[error("no HTTP client: {0}")]
    Unable(String),
    #[error(
        "no answer from {place}: {why}; is ringpost running there, and is it admin.listen or --admin that you ask?"
    )]
    Unreachable { place: String, why: String },
    #[error(
        "{place} answers {status} to /status.json: is it the admin listener of a ringpost?{words}"
    )]
    Refused {
        place: String,
        status: u16,
        /// The first line of its answer.
        words: String,
    },
    #[error("what {place} answers is not the status of a ringpost: {why}")]
    Odd { place: String, why: String },
    #[error("the terminal: {0}")]
    Terminal(std::io::Error),
    #[error("standard output: {0}")]
    Output(std::io::Error),
}

impl Blamed for Failed {
    fn blame(&self) -> Blame {
        match self {
            Self::NoAddress => Blame::Operator,
            Self::Unable(_)
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Odd { .. }
            | Self::Terminal(_)
            | Self::Output(_) => Blame::Machine,
        }
    }
}

impl Client {
    /// Of the listener at this address or URL.
    pub(super) fn new(admin: &str) -> Result<Self, Failed> {
        let url = address(admin).ok_or(Failed::NoAddress)?;
        // reqwest takes the provider of the process. One that was installed before is the same one: no other is built in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            // What is asked is near, whatever proxy leads out.
            .no_proxy()
            .build()
            .map_err(|error| Failed::Unable(chain(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failed::Unable(error.to_string()))?;
        Ok(Self {
            client,
            url,
            runtime,
        })
    }

    /// Where it asks, for people.
    pub(super) fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        plain(&format!("{host}:{port}"))
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask_once(&self) -> Result<Answer, Failed> {
        self.runtime.block_on(self.ask())
    }

    async fn ask(&self) -> Result<Answer, Failed> {
        let place = self.place();
        let unreachable = |error: reqwest::Error| Failed::Unreachable {
            place: place.clone(),
            why: plain(&chain(&error.without_url())),
        };
        let odd = |why: String| Failed::Odd {
            place: place.clone(),
            why,
        };
        let mut answer = self
            .client
            .get(self.url.clone())
            .send()
            .await
            .map_err(unreachable)?;
        let (status, mut read) = (answer.status(), Vec::new());
        while let Some(part) = answer.chunk().await.map_err(unreachable)? {
            read.extend_from_slice(&part);
            if read.len() > MOST {
                return Err(odd(format!("it is longer than {MOST} bytes")));
            }
        }
        let json = String::from_utf8(read).map_err(|_| odd("it is no text".to_owned()))?;
        if !status.is_success() {
            let line = json.lines().next().unwrap_or_default();
            let words: String = line.chars().take(200).collect();
            return Err(Failed::Refused {
                place,
                status: status.as_u16(),
                words: match words.is_empty() {
                    true => words,
                    false => format!(" It says: {}", plain(&words)),
                },
            });
        }
        let snapshot: Snapshot =
            serde_json::from_str(&json).map_err(|error| odd(error.to_string()))?;
        if snapshot.command.is_empty() {
            return Err(odd("it names no command".to_owned()));
        }
        Ok(Answer {
            snapshot: without_controls(&snapshot),
            json,
        })
    }
}

/// The URL of the status at this address.
fn address(admin: &str) -> Option<Url> {
    let text = match admin.contains("://") {
        true => admin.to_owned(),
        false => format!("http://{admin}"),
    };
    let mut url = Url::parse(&text).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https");
    let has_port = url.port().is_some() || admin.contains("://") || admin.ends_with(":80");
    if !is_http || !has_port || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/status.json").unwrap_or(path);
    let path = format!("{path}/status.json");
    url.set_path(&path);
    url.set_query(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_url_lead_to_the_status() {
        for (admin, expected) in [
            ("127.0.0.1:9925", "http://127.0.0.1:9925/status.json"),
            ("[::1]:9925", "http://[::1]:9925/status.json"),
            ("mx.example:80", "http://mx.example/status.json"),
            (
                "http://mx.example:9925/",
                "http://mx.example:9925/status.json",
            ),
            (
                "https://ops.example/mx1",
                "https://ops.example/mx1/status.json",
            ),
            ("http://a:1/status.json?x=1", "http://a:1/status.json"),
        ] {
            let url = address(admin).unwrap_or_else(|| panic!("{admin}"));
            assert_eq!(url.as_str(), expected);
        }
        for admin in [
            "",
            "9925",
            "mx.example",
            "ftp://a:1",
            ":9925",
            "http://",
            "a b:1",
        ] {
            assert_eq!(address(admin), None, "{admin}");
        }
    }

    #[test]
    fn no_error_shows_a_password() {
        let client = Client::new("http://user:hunter2@127.0.0.1:1").unwrap();
        let error = client.ask_once().err().unwrap().to_string();
        assert!(error.starts_with("no answer from 127.0.0.1:1: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        let error = Client::new("ftp://user:hunter2@a:1").err().unwrap();
        assert!(!error.to_string().contains("hunter2"));
    }
}

//! A policy of MTA-STS over HTTPS, as RFC 8461 3.3 has senders get it.
//!
//! Owns: the request and its ends. Must not know: what a policy says.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, Response, redirect};

use super::ask::Dns;

/// How long all of it may take.
const POLICY_WAIT: Duration = Duration::from_secs(8);
/// The largest policy (RFC 8461 3.2).
const POLICY_OCTETS: usize = 64 * 1024;
const PORT: u16 = 443;

/// The text of the policy that a host has at these addresses, or why it cannot be fetched.
pub(super) async fn policy(
    host: &str,
    addresses: &[IpAddr],
    dns: &Dns<'_>,
) -> Result<String, String> {
    if addresses.is_empty() {
        return Err(format!("{host} has neither an A nor an AAAA record"));
    }
    let fetched = fetch(host, addresses);
    let what = format!("https://{host}");
    let fetched = dns.within(POLICY_WAIT, &what, fetched).await;
    fetched.unwrap_or_else(|| Err(format!("no answer within {} s", POLICY_WAIT.as_secs())))
}

async fn fetch(host: &str, addresses: &[IpAddr]) -> Result<String, String> {
    // reqwest takes the provider of the process. One that was installed before is the same one: no other is built in.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let places: Vec<SocketAddr> = addresses
        .iter()
        .map(|address| SocketAddr::new(*address, PORT))
        .collect();
    let client = Client::builder()
        // Senders go there themselves, and follow nothing.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .resolve_to_addrs(host, &places)
        .build();
    let client = client.map_err(|error| innermost(&error))?;
    let place = format!("https://{host}/.well-known/mta-sts.txt");
    let answer = client.get(place).send().await;
    let answer = answer.map_err(|error| innermost(&error))?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("the answer is {}", answer.status()));
    }
    body(answer).await
}

async fn body(mut answer: Response) -> Result<String, String> {
    let mut read = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| innermost(&error))? {
        read.extend_from_slice(&part);
        if read.len() > POLICY_OCTETS {
            return Err(format!("it is larger than {POLICY_OCTETS} bytes"));
        }
    }
    String::from_utf8(read).map_err(|_| "it is not text in UTF-8".to_owned())
}

/// The cause that says something: reqwest's own text is about the request.
fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

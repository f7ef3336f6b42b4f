//! Where a store is, and which values no text about it may show.
//!
//! Owns: what is a secret. Must not know: how a store is opened or asked.

use std::fmt;
use std::time::Duration;

use crate::config::{ObjectsUrl, Texts};

/// Shortest value that is cut out of a text: shorter ones would take words apart, and are no secrets.
const SECRET_OCTETS_LEAST: usize = 4;

/// Where a store is, and what an error of it may not show.
#[derive(Clone)]
pub struct Place {
    /// Its address.
    pub url: ObjectsUrl,
    /// How long a request may take, retries included.
    pub timeout: Duration,
    secrets: Vec<String>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}

impl Place {
    /// A store with these options.
    pub fn new(url: ObjectsUrl, timeout: Duration, options: &Texts) -> Self {
        let given = options.iter().filter(|(name, _)| !is_harmless(name));
        let given = given.map(|(_, value)| value.clone());
        let of_environment = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            is_of_a_store(&name).then_some(value)
        });
        let secrets = given
            .chain(of_environment)
            .filter(|value| value.len() >= SECRET_OCTETS_LEAST)
            .collect();
        Self {
            url,
            timeout,
            secrets,
        }
    }

    /// A text with every value cut out that may be a secret.
    pub fn without_secrets(&self, text: &str) -> String {
        let secrets = self.secrets.iter();
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}

/// Whether a text about the store may show the value of this option: it says where the store is.
fn is_harmless(name: &str) -> bool {
    let parts = ["region", "endpoint", "base_url", "account_name"];
    parts.iter().any(|part| name.contains(part))
}

/// Whether a variable of the environment may hold a credential of a store.
fn is_of_a_store(name: &str) -> bool {
    let starts = ["AWS_", "GOOGLE_", "AZURE_"];
    let parts = ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "SAS"];
    starts.iter().any(|start| name.starts_with(start))
        && parts.iter().any(|part| name.contains(part))
}

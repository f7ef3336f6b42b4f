//! Whether a ringpost runs already at the addresses of this configuration.
//!
//! Owns: the question to the admin listener, and which addresses its answer names. Must not know: what `check` says of them.
//!
//! Invariants: one request, with one deadline; without an answer of `serve` there is no ringpost.
//!
//! BUGS: it is the admin listener of the configuration now. A ringpost that was started with another one is not found.

use std::net::SocketAddr;
use std::time::Duration;

use crate::command::page;
use crate::telemetry::status::snapshot::Snapshot;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The addresses that a running ringpost serves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Running(Vec<SocketAddr>);

impl Running {
    /// What the admin listener at this address says.
    pub(super) fn ask(admin: SocketAddr) -> Self {
        if admin.port() == 0 {
            return Self::default();
        }
        match page::get(page::reached(admin), "/status.json", PATIENCE) {
            Ok(page) if page.status == 200 => Self::read(admin, &page.body),
            Ok(_) | Err(_) => Self::default(),
        }
    }

    /// The addresses in an answer, and the one where it came from.
    fn read(admin: SocketAddr, body: &str) -> Self {
        match serde_json::from_str::<Snapshot>(body) {
            Ok(status) if status.command == "serve" => {
                let listeners = status.listeners.iter();
                let smtp = listeners.filter_map(|listener| listener.address.parse().ok());
                Self(smtp.chain([admin]).collect())
            }
            Ok(_) | Err(_) => Self::default(),
        }
    }

    /// Whether it serves this address.
    pub(super) fn serves(&self, address: SocketAddr) -> bool {
        self.0.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_serves_what_it_names_and_its_admin_listener() {
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let admin = at("0.0.0.0:9925");
        let serve = r#"{"command": "serve", "listeners": [{"address": "[::]:25"}]}"#;
        let running = Running::read(admin, serve);
        assert!(running.serves(at("[::]:25")));
        assert!(running.serves(admin));
        assert!(!running.serves(at("[::]:26")));
        let forward = serve.replace("serve", "forward");
        for other in [forward.as_str(), "{}", "[]", "ok"] {
            assert_eq!(Running::read(admin, other), Running::default(), "{other}");
        }
        // The kernel would choose its port: nobody is there to be asked.
        assert_eq!(Running::ask(at("127.0.0.1:0")), Running::default());
    }
}

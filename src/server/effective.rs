//! The configuration that is in force, as text, for `/config`.
//!
//! Owns: that a reload changes it, and what it says of options that wait for a restart. Must not know: the form of the text, and which
//! values are secret (`config`).
//!
//! Invariant: a reader gets the text of the start or of one reload, whole.

use std::fmt::Display;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Loaded;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Effective(Arc<ArcSwap<String>>);

impl Effective {
    /// That of the start.
    pub(super) fn new(loaded: &Loaded) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(loaded.effective())))
    }

    /// That of a reload; these changes of it wait for a restart.
    pub(super) fn reloaded(&self, loaded: &Loaded, waiting: &[impl Display]) {
        let mut text = String::new();
        for change in waiting {
            let change = change.to_string().replace(char::is_control, " ");
            text.push_str(&format!("# Not in force until a restart: {change}\n"));
        }
        text.push_str(&loaded.effective());
        self.0.store(Arc::new(text));
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        self.0.load().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_reload_changes_it_and_names_what_waits() {
        let loaded = |hostname: &str| {
            let flags = [("server.hostname", vec![hostname.to_owned()])];
            config::load(None, [], &flags).unwrap_or_else(|error| panic!("{error}"))
        };
        let effective = Effective::new(&loaded("a.example"));
        assert!(effective.text().contains("\"a.example\""));
        effective.reloaded(&loaded("b.example"), &["server.workers\nfrom 1 to 2"]);
        let text = effective.text();
        assert!(text.contains("\"b.example\""), "{text}");
        assert!(
            text.starts_with("# Not in force until a restart: server.workers from 1 to 2\n# "),
            "{text}"
        );
    }
}

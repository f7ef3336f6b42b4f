//! Where each value of a configuration was set.
//!
//! Owns: the places of options and of the entries of tables, which several sources may set. Must not know: precedence; what is
//! noted last is in force.

use std::collections::BTreeMap;

use super::error::Place;

/// The places of what was set; what is not here has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    options: BTreeMap<&'static str, Place>,
    entries: BTreeMap<(&'static str, String), Place>,
}

impl Origins {
    /// Whether the file, the environment or a flag set this option.
    pub fn is_set(&self, key: &str) -> bool {
        self.options.contains_key(key)
    }

    /// The options that are set.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.options.keys().copied()
    }

    /// Where an option was set; none where it has its default.
    pub fn of(&self, key: &str) -> Option<&Place> {
        self.options.get(key)
    }

    /// Where an entry of a table was set.
    pub fn of_entry(&self, key: &'static str, name: &str) -> Option<&Place> {
        self.entries.get(&(key, name.to_owned()))
    }

    /// Notes where an option was set.
    pub(super) fn note(&mut self, key: &'static str, place: Place) {
        self.options.insert(key, place);
    }

    /// Notes where an entry of a table was set.
    pub(super) fn note_entry(&mut self, key: &'static str, name: String, place: Place) {
        self.entries.insert((key, name), place);
    }
}

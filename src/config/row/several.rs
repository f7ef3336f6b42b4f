//! The kinds of options that take several values: lists and tables.
//!
//! Owns: what an empty list and an entry of a table are. Must not know: what is in them.
//!
//! Invariant: the texts of a table may be passwords, so none is ever part of a fault, a change or a debug print; a literal has
//! them masked, as the row says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::kind::{Change, EntryChange, Fault, Kind, Literal, Scalar, Shape, Written};
use crate::config::reason::Reason;
use crate::config::value;

/// A list of values of one kind. It may be empty if its default is.
pub(crate) struct List<S>(pub S);

impl<S: Scalar> Kind for List<S> {
    type Value = Vec<S::Value>;

    fn shape(&self) -> Shape {
        Shape::List
    }

    fn allowed(&self) -> String {
        format!("a list of {}", self.0.range())
    }

    fn read(
        &self,
        written: &Written<'_>,
        default: &'static str,
    ) -> Result<Self::Value, Vec<Fault>> {
        let texts = match written {
            Written::One(text) => std::slice::from_ref(text),
            Written::List(texts) => texts.as_slice(),
            Written::Table(entries) => {
                return Err(Fault::whole(Reason::GivenTimes(entries.len())));
            }
        };
        if texts.is_empty() && !default.is_empty() {
            let allowed = self.allowed();
            return Err(Fault::whole(Reason::EmptyList { allowed }));
        }
        let mut values = Vec::new();
        let mut faults = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match self.0.parse(text, default) {
                Ok(value) => values.push(value),
                Err(reason) => faults.push(Fault {
                    item: Some(index),
                    reason,
                }),
            }
        }
        if faults.is_empty() {
            Ok(values)
        } else {
            Err(faults)
        }
    }

    fn change(&self, old: &Self::Value, new: &Self::Value) -> Option<Change> {
        if old == new {
            return None;
        }
        let shown = |values: &[S::Value]| -> BTreeSet<String> {
            values.iter().map(|value| self.0.show(value)).collect()
        };
        let (old, new) = (shown(old), shown(new));
        let only = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect();
        Some(Change::Items(only(&new, &old), only(&old, &new)))
    }

    fn literal(&self, value: &Self::Value) -> Literal {
        let items = value.iter().map(|item| self.0.literal_of(item));
        Literal::List(items.collect())
    }
}

/// The names and texts of a table. A debug print shows the names alone: a text may be a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts(BTreeMap<String, String>);

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Deref for Texts {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Texts {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl FromIterator<(String, String)> for Texts {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl IntoIterator for Texts {
    type Item = (String, String);
    type IntoIter = std::collections::btree_map::IntoIter<String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Texts {
    type Item = (&'a String, &'a String);
    type IntoIter = std::collections::btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A table of texts. Its entries are added to those of the sources before, and beat them.
pub(crate) struct Table {
    /// What its texts are.
    pub of: &'static str,
    /// Checks a name and gives it its one form.
    pub name: fn(&str) -> Result<String, Reason>,
    /// Checks the text of a name.
    pub text: fn(&str, &str) -> Result<(), Reason>,
    /// The text of a name, with what is secret of it masked.
    pub masked: fn(&str, &str) -> String,
}

impl Table {
    fn checked(&self, name: &str, text: &str) -> Result<String, Reason> {
        let name = (self.name)(name)?;
        (self.text)(&name, text)?;
        Ok(name)
    }

    /// All of it on one line; what comes later beats what comes before.
    fn read_line(&self, line: &str) -> Result<Texts, Reason> {
        let mut texts = Texts::default();
        for (name, text) in value::pairs(line)? {
            let checked = self.checked(&name, &text).map_err(|reason| Reason::Entry {
                name,
                reason: Box::new(reason),
            })?;
            texts.insert(checked, text);
        }
        Ok(texts)
    }

    fn read_entries(&self, entries: &[(&str, &str)]) -> Result<Texts, Vec<Fault>> {
        let mut texts = Texts::default();
        let mut faults = Vec::new();
        for (index, (name, text)) in entries.iter().enumerate() {
            let checked = self.checked(name, text).and_then(|name| {
                if texts.contains_key(&name) {
                    return Err(Reason::SetTwice);
                }
                texts.insert(name, (*text).to_owned());
                Ok(())
            });
            faults.extend(checked.err().map(|reason| Fault {
                item: Some(index),
                reason,
            }));
        }
        if faults.is_empty() {
            Ok(texts)
        } else {
            Err(faults)
        }
    }
}

impl Kind for Table {
    type Value = Texts;

    fn shape(&self) -> Shape {
        Shape::Table
    }

    fn allowed(&self) -> String {
        format!("a table of {}", self.of)
    }

    fn read(&self, written: &Written<'_>, _default: &'static str) -> Result<Texts, Vec<Fault>> {
        match written {
            Written::One(line) => self.read_line(line).map_err(Fault::whole),
            Written::List(texts) => Err(Fault::whole(Reason::GivenTimes(texts.len()))),
            Written::Table(entries) => self.read_entries(entries),
        }
    }

    fn replace(&self, value: &mut Texts, newer: Texts) {
        value.extend(newer);
    }

    fn change(&self, old: &Texts, new: &Texts) -> Option<Change> {
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| old.get(*name) != new.get(*name));
        let shown = |texts: &Texts, name: &String| {
            let text = texts.get(name)?;
            Some(value::quoted(&(self.masked)(name, text)))
        };
        let entries = names.into_iter().map(|name| EntryChange {
            name: name.clone(),
            old: shown(old, name),
            new: shown(new, name),
        });
        let entries: Vec<EntryChange> = entries.collect();
        (!entries.is_empty()).then_some(Change::Entries(entries))
    }

    fn literal(&self, value: &Texts) -> Literal {
        let entry = |(name, text): (&String, &String)| {
            let masked = (self.masked)(name, text);
            (name.clone(), value::quoted(&masked))
        };
        Literal::Table(value.iter().map(entry).collect())
    }

    fn names(&self, written: &Written<'_>) -> Vec<String> {
        let one_form = |name: &str| (self.name)(name).unwrap_or_else(|_| name.to_owned());
        match written {
            Written::One(line) => {
                let pairs = value::pairs(line).unwrap_or_default();
                pairs.iter().map(|(name, _)| one_form(name)).collect()
            }
            Written::List(_) => Vec::new(),
            Written::Table(entries) => entries.iter().map(|(name, _)| one_form(name)).collect(),
        }
    }
}

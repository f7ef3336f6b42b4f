//! What every kind of option does: says what it takes, reads a value, and says how two values differ.
//!
//! Owns the two traits and what passes through them. Must not know: any kind in particular, any option, and where a value was
//! written.
//!
//! Invariant: what [`Kind::read`] returns is allowed.

use crate::config::reason::Reason;
use crate::config::value;

/// How a value is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Count,
    /// A number of bytes, or a text with a unit.
    Size,
    /// A text with a unit.
    Time,
    /// A text.
    Text,
    /// A list of texts.
    List,
    /// A table of texts, which may be passwords: none of them is ever shown.
    Table,
}

/// A value as it was written.
#[derive(Debug)]
pub(crate) enum Written<'a> {
    /// One text; of a table, all of it on one line.
    One(&'a str),
    /// Several texts.
    List(Vec<&'a str>),
    /// The names and texts of a table.
    Table(Vec<(&'a str, &'a str)>),
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The index of the item of a list or table; none where the value as a whole is meant.
    pub item: Option<usize>,
    /// What is wrong.
    pub reason: Reason,
}

impl Fault {
    /// That of a value as a whole.
    pub(crate) fn whole(reason: Reason) -> Vec<Self> {
        vec![Self { item: None, reason }]
    }
}

/// How two values differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// From this value to that one, as they would be written in the file.
    Values(String, String),
    /// These items of a list are new, and those are gone; none of either where their order alone changed.
    Items(Vec<String>, Vec<String>),
    /// These entries of a table.
    Entries(Vec<EntryChange>),
}

/// How an entry of a table differs. A value that is a secret is masked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EntryChange {
    /// Its name.
    pub name: String,
    /// What it was, if it was there.
    pub old: Option<String>,
    /// What it is, if it is there.
    pub new: Option<String>,
}

/// A value as the file would have it, in TOML. Secrets are masked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    /// One value.
    One(String),
    /// Those of a list.
    List(Vec<String>),
    /// The names of a table, not quoted, each with its value.
    Table(Vec<(String, String)>),
}

/// A kind of option.
pub(crate) trait Kind {
    /// What its field holds.
    type Value;

    /// How it is written in the file.
    fn shape(&self) -> Shape;

    /// What it takes, for people: `1KiB to 1GiB`.
    fn allowed(&self) -> String;

    /// Reads a value; `default` is the default of the option.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn read(&self, written: &Written<'_>, default: &'static str)
    -> Result<Self::Value, Vec<Fault>>;

    /// Puts a value that was read in place of one that another source has set.
    fn replace(&self, value: &mut Self::Value, newer: Self::Value) {
        *value = newer;
    }

    /// How two values differ, if they do.
    fn change(&self, old: &Self::Value, new: &Self::Value) -> Option<Change>;

    /// A value as the file would have it.
    fn literal(&self, value: &Self::Value) -> Literal;

    /// The names of the entries that are written, in their order and in the form that the value has them in: of a table alone.
    fn names(&self, _written: &Written<'_>) -> Vec<String> {
        Vec::new()
    }
}

/// A kind whose value is one text.
pub(crate) trait Scalar {
    /// What its field holds.
    type Value: PartialEq;

    /// How it is written in the file.
    const SHAPE: Shape;

    /// What it takes, for people.
    fn range(&self) -> String;

    /// Reads a value; `default` is the default of the option.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(&self, text: &str, default: &'static str) -> Result<Self::Value, Reason>;

    /// A value as it would be written in the environment.
    fn plain(&self, value: &Self::Value) -> String;

    /// A value as a sentence has it.
    fn show(&self, value: &Self::Value) -> String {
        self.plain(value)
    }

    /// A value as it would be written in the file.
    fn literal_of(&self, value: &Self::Value) -> String {
        let plain = self.plain(value);
        match Self::SHAPE {
            Shape::Switch | Shape::Count => plain,
            Shape::Size | Shape::Time | Shape::Text | Shape::List | Shape::Table => {
                value::quoted(&plain)
            }
        }
    }
}

impl<S: Scalar> Kind for S {
    type Value = S::Value;

    fn shape(&self) -> Shape {
        S::SHAPE
    }

    fn allowed(&self) -> String {
        self.range()
    }

    fn read(&self, written: &Written<'_>, default: &'static str) -> Result<S::Value, Vec<Fault>> {
        match written {
            Written::One(text) => self.parse(text, default).map_err(Fault::whole),
            Written::List(texts) => Err(Fault::whole(Reason::GivenTimes(texts.len()))),
            Written::Table(entries) => Err(Fault::whole(Reason::GivenTimes(entries.len()))),
        }
    }

    fn change(&self, old: &S::Value, new: &S::Value) -> Option<Change> {
        (old != new).then(|| Change::Values(self.show(old), self.show(new)))
    }

    fn literal(&self, value: &S::Value) -> Literal {
        Literal::One(self.literal_of(value))
    }
}

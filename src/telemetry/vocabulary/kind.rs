//! What a field may hold.
//!
//! Owns: the kinds, with their units. Must not know: which fields there are.

use std::marker::PhantomData;

/// What a field holds: how documentation names it.
pub trait Kind {
    /// Its type.
    const NAME: &'static str;
    /// Its unit; empty for none.
    const UNIT: &'static str;
}

/// A text, in quotes.
#[derive(Debug, Clone, Copy)]
pub enum Text {}

/// A text that has nothing to escape, which the form `text` has without quotes then.
#[derive(Debug, Clone, Copy)]
pub enum Word {}

/// Several texts.
#[derive(Debug, Clone, Copy)]
pub enum List {}

/// A whole number; its unit, if it has one, ends the name or is named by the field's text.
#[derive(Debug, Clone, Copy)]
pub enum Number {}

/// A time in milliseconds, with three decimals.
#[derive(Debug, Clone, Copy)]
pub enum Milliseconds {}

macro_rules! kinds {
    ($($kind:ident $name:literal $unit:literal;)*) => { $(
        impl Kind for $kind {
            const NAME: &'static str = $name;
            const UNIT: &'static str = $unit;
        }
    )* };
}

kinds! {
    Text "text" "";
    Word "text" "";
    List "list of texts" "";
    Number "number" "";
    Milliseconds "number" "milliseconds";
}

/// A field of the table, which alone makes them.
#[derive(Debug)]
pub struct Field<K> {
    /// Its name, the same in text and in JSON.
    pub name: &'static str,
    /// What comes before its value in text.
    pub(crate) in_text: &'static str,
    /// The same in JSON, after another field.
    pub(crate) in_json: &'static str,
    kind: PhantomData<K>,
}

// Not derived: a kind need not be copied for its field to be.
impl<K> Clone for Field<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Field<K> {}

impl<K> Field<K> {
    pub(super) const fn new(
        name: &'static str,
        in_text: &'static str,
        in_json: &'static str,
    ) -> Self {
        Self {
            name,
            in_text,
            in_json,
            kind: PhantomData,
        }
    }
}

/// What documentation says of a field.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// Its unit; empty for none.
    pub unit: &'static str,
    /// What it says, in Markdown; begins with a space.
    pub what: &'static str,
    /// A value.
    pub example: &'static str,
}

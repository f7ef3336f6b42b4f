//! One option: its row, put together with the place of its field in the configuration.
//!
//! Owns the macro `rows`, which makes fields, defaults and settings of a table's rows. Must not know: the options, the
//! configuration as a whole (`C`), files, positions or precedence.
//!
//! Invariants: a field holds what its kind allows at any time, its default included; a value with a fault changes nothing.

use super::kind::{Change, Fault, Kind, Literal, Shape, Written};

/// A table of the configuration and what its options have in common.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name without brackets.
    pub name: &'static str,
    /// A sentence on it.
    pub doc: &'static str,
}

/// One option of the configuration `C`: everything that there is to know of it.
pub struct Setting<C> {
    /// `section.name`.
    pub key: &'static str,
    /// What it does, in a paragraph of Markdown.
    pub doc: &'static str,
    /// Its default, as it would be written in the environment.
    pub default: &'static str,
    /// The flag of the command line that sets it.
    pub flag: Option<&'static str>,
    /// Whether SIGHUP applies a new value; other options need a restart.
    pub reload: bool,
    slot: Box<dyn Slot<C>>,
}

impl<C> Setting<C> {
    /// A setting without a flag that needs a restart.
    pub(in crate::config) fn new(
        key: &'static str,
        doc: &'static str,
        default: &'static str,
        slot: Box<dyn Slot<C>>,
    ) -> Self {
        assert!(key.contains('.'), "{key} has a table and a name");
        let setting = Self {
            key,
            doc: doc.trim_ascii_start(),
            default,
            flag: None,
            reload: false,
            slot,
        };
        assert!(setting.doc.ends_with('.'), "{key} is documented");
        setting
    }

    /// Names the flag of the command line.
    pub(in crate::config) fn flag(self, flag: &'static str) -> Self {
        assert!(flag.starts_with("--"), "{flag} is a long flag");
        let flag = Some(flag);
        Self { flag, ..self }
    }

    /// Says that SIGHUP applies it.
    pub(in crate::config) fn reload(self) -> Self {
        let reload = true;
        Self { reload, ..self }
    }

    /// The section of its key.
    pub fn section(&self) -> &'static str {
        self.split().0
    }

    /// Its key without the section.
    pub fn name(&self) -> &'static str {
        self.split().1
    }

    fn split(&self) -> (&'static str, &'static str) {
        let split = self.key.split_once('.');
        split.expect("every key of the table has a section")
    }

    /// The environment variable that sets it, `RINGPOST_LIMITS_MESSAGE_SIZE`.
    pub fn variable(&self) -> String {
        let name = self.key.replace('.', "_").to_ascii_uppercase();
        format!("RINGPOST_{name}")
    }

    /// How it is written in the file.
    pub fn shape(&self) -> Shape {
        self.slot.shape()
    }

    /// What it takes, for people: `1KiB to 1GiB`.
    pub fn allowed(&self) -> String {
        self.slot.allowed()
    }

    /// Whether it takes several values.
    pub fn is_list(&self) -> bool {
        self.shape() == Shape::List
    }

    /// Whether its value may hold a password and is not to be shown.
    pub(in crate::config) fn is_secret(&self) -> bool {
        self.shape() == Shape::Table
    }

    /// The texts that its default consists of: one, or those of a list.
    pub fn default_texts(&self) -> Vec<&'static str> {
        match written(self.shape(), self.default) {
            Written::One(text) => vec![text],
            Written::List(texts) => texts,
            Written::Table(entries) => entries.into_iter().map(|(_, text)| text).collect(),
        }
    }

    /// A text of the environment as one value, or as those of a list, which commas separate.
    pub(in crate::config) fn written<'a>(&self, text: &'a str) -> Written<'a> {
        written(self.shape(), text)
    }

    /// Checks a value and sets it. What is wrong leaves the value as it was.
    pub(in crate::config) fn set(
        &self,
        config: &mut C,
        written: &Written<'_>,
    ) -> Result<(), Vec<Fault>> {
        let set = self.slot.set(config, written, self.default);
        assert!(
            set.as_ref().err().is_none_or(|faults| !faults.is_empty()),
            "a value of {} that is refused has a fault",
            self.key
        );
        set
    }

    /// From what to what its value changed; none where it did not.
    pub(in crate::config) fn change(&self, old: &C, new: &C) -> Option<Change> {
        self.slot.change(old, new)
    }

    /// Its value as the file would have it, with secrets masked.
    pub(in crate::config) fn literal(&self, config: &C) -> Literal {
        self.slot.literal(config)
    }

    /// The names of the entries that are written, in their order: of a table alone.
    pub(in crate::config) fn names(&self, written: &Written<'_>) -> Vec<String> {
        self.slot.names(written)
    }

    /// Whether its value is its default.
    pub(in crate::config) fn has_default(&self, config: &C) -> bool {
        self.slot.has_default(config, self.default)
    }
}

/// One text as a value of this shape.
fn written(shape: Shape, text: &str) -> Written<'_> {
    match shape {
        Shape::List if text.trim().is_empty() => Written::List(Vec::new()),
        Shape::List => Written::List(text.split(',').map(str::trim).collect()),
        Shape::Switch | Shape::Count | Shape::Size | Shape::Time | Shape::Text | Shape::Table => {
            Written::One(text)
        }
    }
}

/// The default of a row.
pub(crate) fn default_of<K: Kind>(kind: &K, default: &'static str) -> K::Value {
    kind.read(&written(kind.shape(), default), default)
        .unwrap_or_else(|faults| panic!("the default {default:?} is not allowed: {faults:?}"))
}

/// A field of the configuration `C`, whatever its type.
pub(crate) trait Slot<C>: Send + Sync {
    /// How it is written in the file.
    fn shape(&self) -> Shape;
    /// What it takes, for people.
    fn allowed(&self) -> String;
    /// Checks a value and sets it.
    fn set(
        &self,
        config: &mut C,
        written: &Written<'_>,
        default: &'static str,
    ) -> Result<(), Vec<Fault>>;
    /// How it differs between two configurations.
    fn change(&self, old: &C, new: &C) -> Option<Change>;
    /// Its value as the file would have it.
    fn literal(&self, config: &C) -> Literal;
    /// The names of the entries that are written.
    fn names(&self, written: &Written<'_>) -> Vec<String>;
    /// Whether it holds its default.
    fn has_default(&self, config: &C, default: &'static str) -> bool;
}

/// A field, with what it takes and the way to it.
pub(crate) struct Field<K, G, M> {
    kind: K,
    get: G,
    get_mut: M,
}

impl<K, G, M> Field<K, G, M> {
    /// The field of a kind that `get` and `get_mut` lead to.
    pub(crate) fn slot<C>(kind: K, get: G, get_mut: M) -> Box<dyn Slot<C>>
    where
        Self: Slot<C> + 'static,
        G: Fn(&C) -> &K::Value,
        M: Fn(&mut C) -> &mut K::Value,
        K: Kind,
    {
        Box::new(Self { kind, get, get_mut })
    }
}

impl<C, K, G, M> Slot<C> for Field<K, G, M>
where
    K: Kind + Send + Sync,
    G: Fn(&C) -> &K::Value + Send + Sync,
    M: Fn(&mut C) -> &mut K::Value + Send + Sync,
{
    fn shape(&self) -> Shape {
        self.kind.shape()
    }

    fn allowed(&self) -> String {
        self.kind.allowed()
    }

    fn set(
        &self,
        config: &mut C,
        written: &Written<'_>,
        default: &'static str,
    ) -> Result<(), Vec<Fault>> {
        let newer = self.kind.read(written, default)?;
        self.kind.replace((self.get_mut)(config), newer);
        Ok(())
    }

    fn change(&self, old: &C, new: &C) -> Option<Change> {
        self.kind.change((self.get)(old), (self.get)(new))
    }

    fn literal(&self, config: &C) -> Literal {
        self.kind.literal((self.get)(config))
    }

    fn names(&self, written: &Written<'_>) -> Vec<String> {
        self.kind.names(written)
    }

    fn has_default(&self, config: &C, default: &'static str) -> bool {
        let default = default_of(&self.kind, default);
        self.kind.change((self.get)(config), &default).is_none()
    }
}

/// Makes of the rows of one table its type, the values that it has by default, and its settings.
macro_rules! rows {
    (
        $(#[doc = $about:literal])+
        $table:ident: $Type:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $Value:ty = $default:literal, $kind:expr $(, $more:ident $($argument:literal)?)*;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $Type {
            $(
                $(#[doc = $doc])+
                pub $field: $Value,
            )+
        }

        impl Default for $Type {
            fn default() -> Self {
                Self {
                    $($field: $crate::config::row::default_of(&$kind, $default),)+
                }
            }
        }

        /// What its options have in common.
        pub(in crate::config) const SECTION: $crate::config::row::Section = $crate::config::row::Section {
            name: stringify!($table),
            doc: concat!($($about),+).trim_ascii_start(),
        };

        /// Its options, in a configuration that has it as a part.
        pub(in crate::config) fn settings<C: 'static>(
            part: fn(&C) -> &$Type,
            part_mut: fn(&mut C) -> &mut $Type,
        ) -> Vec<$crate::config::row::Setting<C>> {
            vec![$({
                let slot = $crate::config::row::Field::slot(
                    $kind,
                    move |config: &C| &part(config).$field,
                    move |config: &mut C| &mut part_mut(config).$field,
                );
                let key = concat!(stringify!($table), ".", stringify!($field));
                $crate::config::row::Setting::new(key, concat!($($doc),+), $default, slot)
                    $(.$more($($argument)?))*
            },)+]
        }
    };
}
pub(in crate::config) use rows;

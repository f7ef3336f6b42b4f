//! What a row of the configuration is made of: its kind, and the macro that makes fields and settings of rows.
//!
//! A row in `options` looks like this:
//!
//! ```text
//! /// What it does, in a paragraph of Markdown: the documentation of the field, of the page and of the example file.
//! recipients: usize = "100", Count(1..=10_000);
//! domains: Vec<String> = "*", List(Text("domain names", value::domain_pattern)), flag "--domain", reload;
//! ```
//!
//! Name and type of the field, the default as it would be written in the environment, and what is taken. The key in the file and
//! the variable follow from the names of table and field. `flag` names the flag of the command line, `reload` says that SIGHUP
//! applies the option. A further kind of value is a type that implements the trait `Scalar` or `Kind`.

mod kind;
mod scalar;
mod setting;
mod several;

pub use kind::Shape;
pub(super) use kind::{Change, EntryChange, Fault, Literal, Written};
pub(super) use scalar::{
    Choice, Count, GIB, KIB, NETWORKS, Shown, Size, Switch, Text, Time, hours, milliseconds,
    minutes,
};
pub(super) use setting::{Field, default_of, rows};
pub(super) use setting::{Section, Setting};
pub use several::Texts;
pub(super) use several::{List, Table};

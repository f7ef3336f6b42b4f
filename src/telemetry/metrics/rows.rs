//! The machinery of the tables: what a row makes.
//!
//! Owns: the macro, the names that it takes, and one [`Table`] by itself as a [`Book`]. Must not know: any one metric, who counts.
//!
//! Invariant: a name fits the kind and the unit of its row, or the row does not compile.

use metrics::Unit;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::handle::{Kind, Scope};
use crate::config::Topics;

/// The handles of a table, and what is counted beside the recorder.
pub trait Table: Sized {
    /// What one thread counts by itself.
    type Sums: Default;

    /// Makes them for this server, in the recorder of this thread.
    fn register(scope: &Scope) -> Self;

    /// Shows what all workers together have counted by themselves.
    fn show(&self, sum: &Self::Sums);

    /// Adds what another thread counted. The caller is the only writer of `sum`.
    fn add(sum: &Self::Sums, other: &Self::Sums);

    /// Writes what the recorder does not render.
    fn write(&self, sum: &Self::Sums, text: &mut String);
}

/// A table of a command that has no workers: one thread counts what is tallied.
pub struct Book<T: Table> {
    /// The handles.
    pub handles: T,
    /// What one thread counts.
    pub sums: T::Sums,
    recorder: PrometheusHandle,
}

impl<T: Table> Default for Book<T> {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let scope = Scope {
            workers: 0,
            topics: Topics::one(""),
        };
        let handles = metrics::with_local_recorder(&recorder, || T::register(&scope));
        Self {
            handles,
            sums: T::Sums::default(),
            recorder: recorder.handle(),
        }
    }
}

impl<T: Table> Book<T> {
    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handles.show(&self.sums);
        let mut text = self.recorder.render();
        self.handles.write(&self.sums, &mut text);
        text
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name, in base units.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts or measures.
    pub unit: Unit,
    /// Its one label, or nothing.
    pub label: &'static str,
    /// The values of the label in a server.
    pub values: fn(&Scope) -> Vec<String>,
    /// One sentence for who reads it.
    pub help: &'static str,
}

/// Whether a name fits what the row says of it; asked for each row at compile time.
pub(super) const fn is_named_well(name: &str, kind: Kind, unit: Unit) -> bool {
    let (name, is_total) = without_end(name.as_bytes(), b"_total");
    let (_, is_seconds) = without_end(name, b"_seconds");
    let (_, is_bytes) = without_end(name, b"_bytes");
    is_total == matches!(kind, Kind::Counter)
        && is_seconds == matches!(unit, Unit::Seconds)
        && is_bytes == matches!(unit, Unit::Bytes)
}

/// A name without this end, and whether it had it.
const fn without_end<'a>(name: &'a [u8], end: &[u8]) -> (&'a [u8], bool) {
    let Some(length) = name.len().checked_sub(end.len()) else {
        return (name, false);
    };
    let (stem, rest) = name.split_at(length);
    let mut at = 0;
    while at < end.len() {
        if rest[at] != end[at] {
            return (name, false);
        }
        at += 1;
    }
    (stem, true)
}

macro_rules! rows {
    ($($field:ident: $handle:ty, $unit:ident, $name:literal, $help:literal;)*) => {
        /// All metrics.
        pub const TABLE: &[super::rows::Row] = &[$(super::rows::Row {
            name: $name,
            kind: <$handle as super::handle::Handle>::KIND,
            unit: metrics::Unit::$unit,
            label: <$handle as super::handle::Handle>::LABEL,
            values: <$handle as super::handle::Handle>::values,
            help: $help,
        }),*];

        $(const _: () = assert!(
            super::rows::is_named_well($name, <$handle as super::handle::Handle>::KIND, metrics::Unit::$unit),
            concat!(
                $name,
                ": the names of counters, and no others, end in _total; before that, _bytes and _seconds are the units"
            )
        );)*

        /// The handles of all metrics.
        pub struct Handles { $(#[doc = $help] pub $field: $handle,)* }

        impl super::rows::Table for Handles {
            type Sums = Sums;

            fn register(scope: &super::handle::Scope) -> Self {
                super::rows::describe(TABLE);
                Self { $($field: <$handle as super::handle::Handle>::register($name, scope),)* }
            }

            fn show(&self, sum: &Sums) {
                $(super::handle::Handle::show(&self.$field, &sum.$field);)*
            }

            fn add(sum: &Sums, other: &Sums) {
                $(super::handle::Own::add(&sum.$field, &other.$field);)*
            }

            fn write(&self, sum: &Sums, text: &mut String) {
                $(super::handle::Handle::write(&self.$field, $name, $help, &sum.$field, text);)*
            }
        }

        /// What one worker counts by itself, or the sum of several.
        #[derive(Default)]
        #[repr(align(128))]
        pub struct Sums { $(#[doc = $help] pub $field: <$handle as super::handle::Handle>::Own,)* }
    };
}

pub(super) use rows;

/// Tells the recorder of this thread what the rows are.
pub(super) fn describe(table: &[Row]) {
    for row in table {
        match row.kind {
            Kind::Counter => metrics::describe_counter!(row.name, row.unit, row.help),
            Kind::Gauge => metrics::describe_gauge!(row.name, row.unit, row.help),
            // The recorder has none.
            Kind::Histogram => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::TABLES;

    #[test]
    fn names_and_help_have_their_form() {
        for row in TABLES.iter().copied().flatten() {
            let (name, help) = (row.name, row.help);
            assert!(
                name.starts_with("ringpost_") || name.starts_with("process_"),
                "{name} begins with ringpost_, or is one that every process has"
            );
            assert!(
                !help.contains('|'),
                "{name}: its help is a cell of a table in docs/metrics.md, so it has no |"
            );
        }
    }
}

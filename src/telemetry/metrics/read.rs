//! Handles whose series are not fixed at the start: what is read when it is scraped, and one gauge for each file.
//!
//! Owns: their text for Prometheus, which the recorder does not write. Must not know: any one metric, what is read.
//!
//! Invariant: what is not known has no series.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::handle::{Handle, Kind, Own, Scope};
use super::label::Label;

macro_rules! read {
    ($($(#[$doc:meta])* $handle:ident $kind:ident $word:literal)*) => { $(
        $(#[$doc])*
        pub struct $handle;

        impl Handle for $handle {
            const KIND: Kind = Kind::$kind;
            const LABEL: &'static str = <() as Label>::NAME;
            type Own = Reading;

            fn values(_scope: &Scope) -> Vec<String> {
                <() as Label>::values()
            }

            fn register(_name: &'static str, _scope: &Scope) -> Self {
                Self
            }

            fn write(&self, name: &str, help: &str, sum: &Reading, text: &mut String) {
                head(name, help, $word, text);
                if let Some(value) = sum.get() {
                    writeln!(text, "{name} {value}").expect("a String takes every write");
                }
                text.push('\n');
            }
        }
    )* };
}

read! {
    /// A gauge that is read when it is scraped.
    ReadGauge Gauge "gauge"
    /// A counter that is read when it is scraped, which may count fractions.
    ReadCounter Counter "counter"
}

fn head(name: &str, help: &str, kind: &str, text: &mut String) {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
        .expect("a String takes every write");
}

/// What was read last, if it is known.
pub struct Reading(AtomicU64);

impl Reading {
    /// It is this much now; none: that is not known.
    pub fn set(&self, now: Option<f64>) {
        let bits = now.unwrap_or(f64::NAN).to_bits();
        self.0.store(bits, Ordering::Relaxed);
    }

    fn get(&self) -> Option<f64> {
        let value = f64::from_bits(self.0.load(Ordering::Relaxed));
        (!value.is_nan()).then_some(value)
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self(AtomicU64::new(f64::NAN.to_bits()))
    }
}

impl Own for Reading {
    fn add(&self, other: &Self) {
        let both = self.get().into_iter().chain(other.get());
        self.set(both.reduce(|one, two| one + two));
    }
}

/// A gauge for each file that is in use; which these are can change.
pub struct GaugePerFile(Mutex<BTreeMap<String, f64>>);

impl GaugePerFile {
    /// These are the files now, and what there is to say of each.
    pub fn replace(&self, now: impl IntoIterator<Item = (String, f64)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now.into_iter().collect();
    }
}

impl Handle for GaugePerFile {
    const KIND: Kind = Kind::Gauge;
    const LABEL: &'static str = "file";
    type Own = ();

    fn values(_scope: &Scope) -> Vec<String> {
        Vec::new()
    }

    fn register(_name: &'static str, _scope: &Scope) -> Self {
        Self(Mutex::default())
    }

    fn write(&self, name: &str, help: &str, (): &(), text: &mut String) {
        head(name, help, "gauge", text);
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (file, value) in &*files {
            let file = escaped(file);
            let label = Self::LABEL;
            writeln!(text, "{name}{{{label}=\"{file}\"}} {value}")
                .expect("a String takes every write");
        }
        text.push('\n');
    }
}

/// The value of a label as Prometheus reads it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn files_come_and_go_and_odd_names_stay_one_line() {
        let (metrics, scrape) = Metrics::new(1);
        let name = "ringpost_tls_certificate_expiry_timestamp_seconds";
        let shown = || {
            let text = scrape.render();
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(shown().is_empty());
        let files = [("b.pem", 2.0), ("a\"\\\n.pem", 1.5), ("b.pem", 2.0)];
        metrics
            .certificate_expiry
            .replace(files.map(|(file, until)| (file.to_owned(), until)));
        assert_eq!(
            shown(),
            [
                format!("{name}{{file=\"a\\\"\\\\\\n.pem\"}} 1.5"),
                format!("{name}{{file=\"b.pem\"}} 2"),
            ]
        );
        metrics.certificate_expiry.replace([]);
        assert!(shown().is_empty());
    }

    #[test]
    fn what_is_not_known_has_no_series() {
        let reading = Reading::default();
        let text = || {
            let mut text = String::new();
            ReadCounter.write("x_total", "X", &reading, &mut text);
            text
        };
        assert_eq!(text(), "# HELP x_total X\n# TYPE x_total counter\n\n");
        reading.set(Some(0.25));
        assert!(text().ends_with("\nx_total 0.25\n\n"), "{}", text());
        reading.set(None);
        assert!(!text().contains("\nx_total"), "{}", text());
    }
}

//! The last lines of the log that said that something is wrong, for a look from outside.
//!
//! Owns: which lines these are, and how many are kept. Must not know: how lines are written (`log`), who looks.
//!
//! Invariants: what is kept is at most [`LOG_LINES_KEPT`] texts of [`LOG_LINE_KEPT_OCTETS`] bytes; nobody that logs ever waits here: a
//! line that comes while another one is being kept is counted, and its text is lost here (the log has it).

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::limits::{LOG_LINE_KEPT_OCTETS, LOG_LINES_KEPT};

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Recent(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    said: VecDeque<Said>,
    all: u64,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When it was said last.
    pub time: Timestamp,
    /// `ERROR` or `WARN`.
    pub level: &'static str,
    /// The message, and its fields.
    pub text: String,
    /// How often it was said in a row.
    pub times: u64,
}

impl Recent {
    /// The lines, the newest first.
    pub fn lines(&self) -> Vec<Said> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.said.iter().rev().cloned().collect()
    }

    /// How many there were since the start.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    fn keep(&self, said: Said) {
        let mut ring = match self.0.try_lock() {
            Ok(ring) => ring,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody keeps another one, or looks at them.
            Err(TryLockError::WouldBlock) => return,
        };
        ring.all += 1;
        if let Some(last) = ring.said.back_mut()
            && (last.level, &last.text) == (said.level, &said.text)
        {
            (last.time, last.times) = (said.time, last.times + 1);
            return;
        }
        if ring.said.len() == LOG_LINES_KEPT {
            ring.said.pop_front();
        }
        ring.said.push_back(said);
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::WARN {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        self.keep(Said {
            time: Timestamp::now(),
            level: level.as_str(),
            text: words.text(),
            times: 1,
        });
    }
}

/// The message and the fields of an event.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Words {
    fn text(self) -> String {
        let mut text = self.message + &self.fields;
        if text.len() > LOG_LINE_KEPT_OCTETS {
            let end = (0..=LOG_LINE_KEPT_OCTETS).rfind(|&at| text.is_char_boundary(at));
            text.truncate(end.unwrap_or(0));
            text.push('…');
        }
        text
    }

    fn take(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // A value of any length costs no more than what is kept.
        let written = match field.name() {
            "message" => write!(Bounded(&mut self.message), "{value}"),
            name => write!(Bounded(&mut self.fields), " {name}={value}"),
        };
        // What is beyond the bound is cut off.
        let _ = written;
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format_args!("{value:?}"));
    }
}

/// A text that takes no more than a little above what is kept.
struct Bounded<'a>(&'a mut String);

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = (LOG_LINE_KEPT_OCTETS + 1).saturating_sub(self.0.len());
        let end = (0..=room.min(more.len())).rfind(|&at| more.is_char_boundary(at));
        let end = end.unwrap_or(0);
        self.0.push_str(&more[..end]);
        if end == more.len() {
            Ok(())
        } else {
            // The cut has to be seen: one more byte than is kept.
            self.0.push('…');
            Err(fmt::Error)
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    fn heard(say: impl FnOnce()) -> Vec<(&'static str, String, u64)> {
        let recent = Recent::default();
        let subscriber = registry().with(recent.clone());
        tracing::subscriber::with_default(subscriber, say);
        let lines = recent.lines().into_iter();
        lines
            .map(|said| (said.level, said.text, said.times))
            .collect()
    }

    #[test]
    fn warnings_and_errors_are_kept_the_newest_first() {
        let lines = heard(|| {
            tracing::info!("usual");
            tracing::warn!(count = 3, file = "a.pem", "odd: {}", 7);
            tracing::error!("bad");
            tracing::error!("bad");
        });
        assert_eq!(
            lines,
            [
                ("ERROR", "bad".to_owned(), 2),
                ("WARN", "odd: 7 count=3 file=a.pem".to_owned(), 1)
            ]
        );
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_in_length() {
        let lines = heard(|| {
            for number in 0..3 * LOG_LINES_KEPT {
                tracing::warn!("{number} {}", "ü".repeat(LOG_LINE_KEPT_OCTETS));
            }
            tracing::warn!(field = "x".repeat(10 * LOG_LINE_KEPT_OCTETS), "long");
        });
        assert_eq!(lines.len(), LOG_LINES_KEPT);
        assert!(lines[0].1.starts_with("long field=xxx"), "{:?}", lines[0]);
        for (_, text, _) in lines {
            assert!(text.len() <= LOG_LINE_KEPT_OCTETS + '…'.len_utf8());
            assert!(text.ends_with('…'), "{text}");
        }
    }

    #[test]
    fn a_reader_makes_nobody_wait() {
        let recent = Recent::default();
        let said = Said {
            time: Timestamp::UNIX_EPOCH,
            level: "WARN",
            text: "a".to_owned(),
            times: 1,
        };
        let reading = recent.0.lock().unwrap();
        recent.keep(said.clone());
        drop(reading);
        assert_eq!(recent.lines(), []);
        recent.keep(said.clone());
        assert_eq!((recent.lines(), recent.count()), (vec![said], 1));
    }
}

//! Keys of the topic that name nobody, or nobody here: counted, and said once in a while.
//!
//! Owns: how often a line is written. Must not know: the directory.
//!
//! Invariant: however many there are, each kind has one line a minute at most.

use std::time::{Duration, Instant};

use super::reader::Record;
use crate::smtp::name::{Name, NotAName};

/// How long one line covers all of its kind.
const QUIET: Duration = Duration::from_secs(60);
/// Characters of a key that are shown.
const SHOWN: usize = 80;

/// Records of one kind since the last line about them.
#[derive(Debug, Default)]
struct Kind {
    said: Option<Instant>,
    unsaid: u64,
}

impl Kind {
    /// One more: how many there are to say, if it is time.
    fn count(&mut self) -> Option<u64> {
        self.unsaid += 1;
        if self.said.is_some_and(|said| said.elapsed() < QUIET) {
            return None;
        }
        self.said = Some(Instant::now());
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Notes {
    invalid: Kind,
    foreign: Kind,
}

impl Notes {
    /// A key is no name.
    pub(super) fn invalid(&mut self, record: &Record<'_>, why: NotAName) {
        if let Some(count) = self.invalid.count() {
            tracing::warn!(
                partition = record.partition,
                offset = record.offset,
                key = shown(record.key),
                count,
                "a key in recipients.topic {why}; the record is passed over"
            );
        }
    }

    /// A name is of a domain that mail is not taken for.
    pub(super) fn foreign(&mut self, record: &Record<'_>, name: &Name) {
        if let Some(count) = self.foreign.count() {
            tracing::warn!(
                partition = record.partition,
                offset = record.offset,
                key = %name,
                count,
                "recipients.topic names recipients of a domain that is not in recipients.domains: mail for them is refused as \
                 relaying; add the domain there, or remove the recipients"
            );
        }
    }
}

/// The front of a key, readable.
pub(super) fn shown(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    text.escape_debug().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_at_first_and_then_once_in_a_while() {
        let mut kind = Kind::default();
        assert_eq!(kind.count(), Some(1));
        assert_eq!((kind.count(), kind.count()), (None, None));
        kind.said = Instant::now().checked_sub(QUIET);
        assert_eq!(kind.count(), Some(3));
    }

    #[test]
    fn a_key_is_shown_on_one_short_line() {
        assert_eq!(shown(b"a\nb\xff"), "a\\nb\u{fffd}");
        assert_eq!(shown(&[b'x'; 500]).len(), SHOWN);
    }
}

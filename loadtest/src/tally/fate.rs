//! Whether the sessions of one shape of a mixture work at all.
//!
//! A shape that asks for what the server does not offer (STARTTLS, CHUNKING) fails each time, for as long as the run lasts. After
//! some failures without one message answered it is given up, and the report says so.
//!
//! Must not know sockets. Invariants: a shape of which one message was answered is never given up; one that was given up stays so.
//!
//! # BUGS
//! - A server that gets the extension during the run is noticed only before the shape is given up.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::fault::{ErrorKind, Fault};

/// A shape is given up after this many failures.
const MOST: u64 = 20;

/// What threads know together about one shape.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    worked: AtomicBool,
    failures: AtomicU64,
    given_up: OnceLock<Fault>,
}

impl Fate {
    /// A message of this shape was answered.
    pub(crate) fn count_answer(&self) {
        // Mostly a read: a write would send the line from core to core with every message.
        if !self.worked.load(Ordering::Relaxed) {
            self.worked.store(true, Ordering::Relaxed);
        }
    }

    /// A session of this shape ended by an error; enough of them give the shape up, if it is an error that does not go away.
    pub(crate) fn count_failure(&self, fault: &Fault) {
        let lasting = matches!(fault.kind, ErrorKind::Unsupported | ErrorKind::Tls);
        if !lasting || self.worked.load(Ordering::Relaxed) {
            return;
        }
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= MOST {
            // Only the first is kept.
            let _ = self.given_up.set(fault.clone());
        }
    }

    /// Why the shape was given up, if it was.
    pub(crate) fn given_up(&self) -> Option<&Fault> {
        self.given_up.get()
    }

    /// Failures that were counted.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Step};

    fn fault(kind: ErrorKind) -> Fault {
        Fault {
            kind,
            step: Step::Ehlo,
            cause: Cause::Unnamed,
            code: None,
            words: b"the server does not offer STARTTLS".to_vec(),
        }
    }

    #[test]
    fn only_a_shape_that_never_worked_and_cannot_is_given_up() {
        let (hopeless, worked, unlucky) = (Fate::default(), Fate::default(), Fate::default());
        worked.count_answer();
        for _ in 0..MOST {
            assert!(hopeless.given_up().is_none());
            hopeless.count_failure(&fault(ErrorKind::Unsupported));
            worked.count_failure(&fault(ErrorKind::Unsupported));
            unlucky.count_failure(&fault(ErrorKind::Closed));
        }
        assert_eq!(
            hopeless.given_up().map(|fault| fault.kind),
            Some(ErrorKind::Unsupported)
        );
        assert!(worked.given_up().is_none() && unlucky.given_up().is_none());
    }
}

//! How far reading of one partition is.
//!
//! Owns: what is read, what of it is committed, and how the last record is known again. Must not know: the client.

use crate::consume::mark::Mark;
use crate::consume::received::Received;

/// How far reading of a partition is.
#[derive(Debug, Clone)]
pub(super) struct Position {
    /// The offset to read next.
    pub next: i64,
    /// The group's offset, as far as it is known.
    committed: Option<i64>,
    /// Records were read that are not committed.
    uncommitted: bool,
    /// Id and time stamp of the last record.
    last: (Option<String>, Option<i64>),
    /// The broker said that the partition ends here, and no record came since.
    at_end: bool,
}

impl Position {
    /// Nothing was read yet.
    pub(super) fn at(next: i64, committed: Option<i64>) -> Self {
        Self {
            next,
            committed,
            uncommitted: false,
            last: (None, None),
            at_end: false,
        }
    }

    /// Records up to here are skipped: the output has them, and their commit was lost. The next commit makes up for it.
    pub(super) fn after(mark: &Mark, next: i64, committed: Option<i64>) -> Self {
        Self {
            uncommitted: committed != Some(next),
            last: (mark.id.clone(), mark.timestamp),
            ..Self::at(next, committed)
        }
    }

    /// A mail was read.
    pub(super) fn mail(&mut self, received: &Received) {
        let id = received.attributes().id.map(str::to_owned);
        self.passed(received.offset, id, received.timestamp);
    }

    /// A record was read that is none.
    pub(super) fn no_mail(&mut self, offset: i64, timestamp: Option<i64>) {
        self.passed(offset, None, timestamp);
    }

    fn passed(&mut self, offset: i64, id: Option<String>, timestamp: Option<i64>) {
        self.next = offset + 1;
        self.last = (id, timestamp);
        self.uncommitted = true;
        self.at_end = false;
    }

    /// The broker says that the partition ends here.
    pub(super) fn end(&mut self) {
        self.at_end = true;
    }

    /// Whether the broker has said so, and no record came since.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Whether all that was read is committed.
    pub(super) fn is_settled(&self) -> bool {
        !self.uncommitted
    }

    /// The group has taken this offset.
    ///
    /// # Panics
    /// If nothing was read up to it.
    pub(super) fn commit(&mut self, next: i64) {
        assert!(next <= self.next, "what was not read is not committed");
        self.committed = Some(next);
        self.uncommitted = next != self.next;
    }

    /// What was read.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            committed: self.committed,
            next: self.next,
            id: self.last.0.clone(),
            timestamp: self.last.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_of_a_part_leaves_the_rest_uncommitted() {
        let mut position = Position::at(5, Some(5));
        assert!(position.is_settled());
        for offset in 5..8 {
            position.no_mail(offset, None);
        }
        position.commit(6);
        assert!(!position.is_settled());
        assert_eq!(
            (position.mark().committed, position.mark().next),
            (Some(6), 8)
        );
        position.commit(8);
        assert!(position.is_settled());
    }

    #[test]
    #[should_panic(expected = "not committed")]
    fn what_was_not_read_is_not_committed() {
        Position::at(5, None).commit(6);
    }

    #[test]
    fn a_commit_that_was_lost_is_made_up_for() {
        let mark = Mark {
            next: 9,
            ..Mark::default()
        };
        assert!(!Position::after(&mark, 9, Some(5)).is_settled());
        assert!(Position::after(&mark, 9, Some(9)).is_settled());
    }
}

//! Where reading of a partition begins in a group: what the group has committed, what the output holds, what the topic has.
//!
//! Owns: the decision. Must not know: the client, or how the facts were asked for.
//! Invariants: no record is skipped unless the output holds it, or the topic no longer has it.

use crate::consume::mark::Mark;

/// Said of partitions whose offset is no longer in the topic, and of those that hold other records. There is no number in it,
/// so that one line covers all partitions.
const BEYOND_END: &str = "the group's offset is beyond the end, as after the topic was made again: it is read from its beginning";
/// See [`BEYOND_END`].
pub(super) const OTHER_TOPIC: &str = "the topic is not the one that the output holds records of, as it was made again: it is \
                                      read as the group's offsets say";

/// The facts about a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The group's offset.
    pub committed: Option<i64>,
    /// What the output holds.
    pub mark: Option<&'a Mark>,
    /// The oldest offset that the topic has.
    pub low: i64,
    /// The offset of the next record that is written to it.
    pub high: i64,
    /// Where a group without an offset begins: one of the offsets that the topic has.
    pub fresh: i64,
}

/// Where to begin, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// The offset.
    pub next: i64,
    /// The output holds records that the group has not committed: they are skipped.
    pub by_output: bool,
    /// What an operator should know.
    pub said: Option<String>,
}

/// Decides. The group's offset counts, but for two cases: it has none, and its last commit was lost to a kill. Then the
/// output knows better.
pub(super) fn start(facts: &Facts<'_>) -> Start {
    let (next, by_output, mut said) = wanted(facts);
    let Some(next) = next else {
        return Start {
            next: facts.fresh,
            by_output,
            said,
        };
    };
    let bounded = if next < facts.low {
        said = Some(format!(
            "{} records from offset {next} on were deleted by the topic's retention before they were read",
            facts.low - next
        ));
        facts.low
    } else if next > facts.high {
        said = Some(BEYOND_END.to_owned());
        facts.low
    } else {
        next
    };
    Start {
        next: bounded,
        by_output,
        said,
    }
}

fn wanted(facts: &Facts<'_>) -> (Option<i64>, bool, Option<String>) {
    let Some(mark) = facts.mark else {
        return (facts.committed, false, None);
    };
    match (facts.committed, mark.committed) {
        (None, _) => (Some(mark.next), true, None),
        (Some(committed), Some(before)) if (before..mark.next).contains(&committed) => {
            (Some(mark.next), true, None)
        }
        (Some(committed), _) if committed < mark.next => {
            let said = format!(
                "the group was set back to offset {committed}: the output holds records up to {} and gets them again",
                mark.next
            );
            (Some(committed), false, Some(said))
        }
        (committed, _) => (committed, false, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(before: Option<i64>, next: i64) -> Mark {
        Mark {
            committed: before,
            next,
            ..Mark::default()
        }
    }

    fn at(committed: Option<i64>, mark: Option<&Mark>) -> (i64, bool, bool) {
        let start = start(&Facts {
            committed,
            mark,
            low: 10,
            high: 100,
            fresh: 10,
        });
        (start.next, start.by_output, start.said.is_some())
    }

    #[test]
    fn the_group_decides_where_the_output_says_nothing() {
        assert_eq!(at(None, None), (10, false, false));
        assert_eq!(at(Some(50), None), (50, false, false));
        let from_end = Facts {
            committed: None,
            mark: None,
            low: 10,
            high: 100,
            fresh: 100,
        };
        assert_eq!(start(&from_end).next, 100);
    }

    #[test]
    fn a_commit_that_was_lost_is_not_read_again() {
        let killed = mark(Some(40), 50);
        assert_eq!(at(Some(40), Some(&killed)), (50, true, false));
        assert_eq!(at(Some(50), Some(&killed)), (50, false, false));
        // The first commit of all, and a group that was forgotten (its offsets expire).
        assert_eq!(at(None, Some(&mark(None, 50))), (50, true, false));
        assert_eq!(at(None, Some(&mark(Some(50), 50))), (50, true, false));
    }

    #[test]
    fn a_group_that_was_moved_is_followed() {
        let ended = mark(Some(50), 50);
        assert_eq!(at(Some(20), Some(&ended)), (20, false, true));
        assert_eq!(at(Some(80), Some(&ended)), (80, false, false));
        assert_eq!(at(Some(20), Some(&mark(None, 50))), (20, false, true));
        assert_eq!(at(Some(39), Some(&mark(Some(40), 50))), (39, false, true));
    }

    #[test]
    fn what_the_topic_no_longer_has_is_said_and_the_rest_read() {
        assert_eq!(at(Some(5), None), (10, false, true));
        assert_eq!(at(Some(101), None), (10, false, true));
        assert_eq!(at(Some(100), None), (100, false, false));
        assert_eq!(at(None, Some(&mark(None, 500))), (10, true, true));
    }
}

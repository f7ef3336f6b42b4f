//! Where a partition that the group gave begins.
//!
//! Owns: asking the cluster for what `resume` decides by. Must not know: what is read after that.
//!
//! BUGS: what cannot be compared counts as the same topic.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::position::Position;
use super::record::received;
use super::resume::{self, Facts};
use super::start;
use crate::consume::client::ask::watermarks;
use crate::consume::client::reports::Reports;
use crate::consume::failure::Halt;
use crate::consume::line::Lines;
use crate::consume::mark::Mark;
use crate::consume::plan::Plan;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// How long an offset beyond the end of its partition is put down to a leader that is not up to date yet.
const CATCH_UP_WAIT: Duration = Duration::from_secs(5);
/// How long the search for the record by which a topic is recognized may take.
const RECOGNITION_WAIT: Duration = Duration::from_secs(5);

/// Asks where partitions begin.
#[derive(Clone, Copy)]
pub(super) struct Beginnings<'a> {
    /// What is read.
    pub plan: &'a Plan,
    /// The client that asks.
    pub asking: &'a BaseConsumer<Reports>,
}

impl Beginnings<'_> {
    /// Where a partition begins, given what the group has committed of it and what the output holds.
    ///
    /// # Errors
    /// Where the brokers do not answer, or reading is to stop.
    pub(super) fn of(
        self,
        partition: i32,
        committed: Option<i64>,
        mark: Option<&Mark>,
        lines: &mut Lines,
    ) -> Result<Position, Halt> {
        let furthest = committed.max(mark.map(|mark| mark.next)).unwrap_or(0);
        let (low, high) = self.settled_watermarks(partition, furthest)?;
        let fresh = match committed {
            Some(_) => low,
            None => start::within(self.asking, self.plan, partition, (low, high))?,
        };
        let mut facts = Facts {
            committed,
            mark,
            low,
            high,
            fresh,
        };
        let mut start = resume::start(&facts);
        if let (true, Some(mark)) = (start.by_output, mark)
            && !self.is_same_topic(partition, mark, (low, high))
        {
            facts.mark = None;
            start = resume::start(&facts);
            start.said = start.said.or_else(|| Some(resume::OTHER_TOPIC.to_owned()));
        }
        if let Some(said) = start.said.take() {
            lines.add(partition, said);
        }
        Ok(match (start.by_output, mark) {
            (true, Some(mark)) => Position::after(mark, start.next, committed),
            (true, None) | (false, _) => Position::at(start.next, committed),
        })
    }

    /// The watermarks, once they reach an offset that was read before, or do not for some time: a new leader can lag.
    fn settled_watermarks(self, partition: i32, reached: i64) -> Result<(i64, i64), Halt> {
        let deadline = Instant::now() + CATCH_UP_WAIT;
        loop {
            let (low, high) = watermarks(self.asking, self.plan, partition)?;
            if high >= reached || Instant::now() >= deadline {
                return Ok((low, high));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Whether the last record that the output holds is in the topic, as it was: a topic that was deleted and made again
    /// has the same name and other records.
    fn is_same_topic(self, partition: i32, mark: &Mark, (low, high): (i64, i64)) -> bool {
        let last = mark.next - 1;
        if mark.next > high {
            return false;
        }
        if last < low {
            return true;
        }
        let mut one = TopicPartitionList::new();
        let assigned = one
            .add_partition_offset(&self.plan.topic, partition, Offset::Offset(last))
            .and_then(|()| self.asking.assign(&one));
        let deadline = Instant::now() + RECOGNITION_WAIT;
        let mut same = true;
        while assigned.is_ok() && Instant::now() < deadline {
            match self.asking.poll(LOOK) {
                Some(Ok(message)) => {
                    let found = received(&message, &[]);
                    same = message.offset() != last
                        || (found.timestamp == mark.timestamp
                            && (mark.id.is_none() || found.attributes().id == mark.id.as_deref()));
                    break;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(_)) | None => {}
            }
        }
        // This client reads nothing more; where this fails, what it reads is dropped with it.
        let _ = self.asking.unassign();
        same
    }
}

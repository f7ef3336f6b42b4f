//! The loop of `ringpost consume`: from a reader into an output, in batches.
//!
//! Owns: when reading is over, and the order of a commit. Must not know: Kafka's client, what form the output has.
//!
//! Invariants: an offset is committed only after the output was flushed with its record in it. Partitions are given back only
//! after what was read of them is committed.
//!
//! BUGS: with [`Until::end`] a topic that is written to without pause is never at its end. A member that the group gave up
//! while it slept takes its batch back; a stream cannot, so the next owner reads again what it printed.

use std::io;
use std::time::Duration;

use super::failure::{Halt, ReadError};
use super::filter::Filter;
use super::object::Objects;
use super::output::Output;
use super::plan::Plan;
use super::reader::{Committed, Polled, Reader};
use super::stop::Signal;
use crate::failure::{Blame, Blamed};
use crate::objects::fetch::FetchError;

/// How long a poll waits for the first record of a batch.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Records of a batch: what is repeated at most, in a group, when the process is killed.
const BATCH_RECORDS: u64 = 1_000;

/// Rounds without a record (2 s at `POLL_WAIT`) after which the reader is quiet.
const QUIET_ROUNDS: u32 = 20;

/// When reading is over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Until {
    /// Where every partition is at its end.
    pub end: bool,
    /// After this many mails.
    pub count: Option<u64>,
}

/// What a record goes through on its way to the output.
pub struct Steps<'a> {
    /// Only records for which it holds are given on.
    pub filter: &'a Filter,
    /// Gives each its whole message.
    pub objects: &'a mut Objects,
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Mails that were written.
    pub mails: u64,
    /// The signal that ended it, if one did.
    pub stopped: Option<Signal>,
}

/// Why a run ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Records cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The object of a record cannot be read now.
    #[error(transparent)]
    Object(#[from] FetchError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Blamed for CopyError {
    fn blame(&self) -> Blame {
        match self {
            Self::Read(error) => error.blame(),
            Self::Object(error) => error.blame(),
            Self::Output(_) => Blame::Machine,
        }
    }
}

/// Reads what the plan says into the output, each record that the filter takes with its whole message.
///
/// # Errors
/// Why it ended early; what was read before it has been flushed, unless the output failed.
pub fn copy(
    plan: &Plan,
    until: Until,
    steps: Steps<'_>,
    output: &mut Output<'_>,
) -> Result<Outcome, CopyError> {
    let reader = match Reader::open(plan) {
        Ok(reader) => reader,
        Err(halt) => {
            stopped_or(halt)?;
            return Ok(Outcome {
                mails: 0,
                stopped: plan.stop.asked(),
            });
        }
    };
    let mut run = Run {
        reader,
        steps,
        output,
        plan,
        until,
        mails: 0,
    };
    let ran = run.go();
    run.reader.sum_up();
    run.steps.objects.end();
    ran?;
    let Run { reader, output, .. } = &mut run;
    if let Some(source) = reader.source() {
        output.end_run(source, &reader.settled())?;
    }
    Ok(Outcome {
        mails: run.mails,
        stopped: plan.stop.asked().filter(|_| !run.is_counted()),
    })
}

/// A reader that was stopped did not fail.
fn stopped_or(halt: Halt) -> Result<(), ReadError> {
    match halt {
        Halt::Stopped => Ok(()),
        Halt::Failed(error) => Err(error),
    }
}

/// A batch as it ended.
struct Batch {
    /// Records of every kind.
    records: u64,
    /// Why the reader has no more.
    halt: Option<Halt>,
}

/// A run.
struct Run<'r, 'o, 'w> {
    reader: Reader<'r>,
    steps: Steps<'o>,
    output: &'o mut Output<'w>,
    plan: &'r Plan,
    until: Until,
    mails: u64,
}

impl Run<'_, '_, '_> {
    fn go(&mut self) -> Result<(), CopyError> {
        let mut quiet_rounds = 0;
        while !self.is_over() {
            let batch = self.batch().inspect_err(|_| self.output.abandon())?;
            let halt = match self.save()? {
                Err(halt) => Some(halt),
                Ok(()) => batch.halt,
            };
            if let Some(halt) = halt {
                return Ok(stopped_or(halt)?);
            }
            quiet_rounds = if batch.records == 0 {
                quiet_rounds + 1
            } else {
                0
            };
            match self.follow(batch.records == 0, quiet_rounds >= QUIET_ROUNDS) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(halt) => return Ok(stopped_or(halt)?),
            }
        }
        Ok(())
    }

    /// Whether the count is reached or a signal came.
    fn is_over(&self) -> bool {
        self.is_counted() || self.plan.stop.asked().is_some()
    }

    fn is_counted(&self) -> bool {
        self.until.count.is_some_and(|count| self.mails >= count)
    }

    /// Answers the group; whether the end is reached that was asked for.
    fn follow(&mut self, idle: bool, quiet: bool) -> Result<bool, Halt> {
        self.reader
            .follow_group(|source| self.output.marks(source))?;
        if self.until.end && idle {
            return self.reader.is_at_end(quiet);
        }
        Ok(false)
    }

    /// Reads until nothing is waiting, the batch is full, the count is reached, or something else has to be done first.
    ///
    /// # Errors
    /// The output's, and an object that cannot be read now: nothing of the batch is committed then.
    fn batch(&mut self) -> Result<Batch, CopyError> {
        let mut batch = Batch {
            records: 0,
            halt: None,
        };
        let mut wait = POLL_WAIT;
        while batch.records < BATCH_RECORDS && !self.is_over() {
            match self.reader.poll(wait) {
                Ok(Polled::Nothing) => break,
                Ok(Polled::Passed) => {}
                Ok(Polled::NoMail { .. }) => batch.records += 1,
                Ok(Polled::Mail(mut received)) => {
                    batch.records += 1;
                    if self.steps.filter.holds(&received)
                        && self.steps.objects.complete(&mut received)?
                    {
                        self.output.write(&received)?;
                        self.mails += 1;
                    }
                }
                Err(halt) => {
                    batch.halt = Some(halt);
                    break;
                }
            }
            if batch.records > 0 {
                wait = Duration::ZERO;
            }
            if self.reader.group_has_news() {
                break;
            }
        }
        Ok(batch)
    }

    /// Flushes the output, commits what was read, and lets the output deliver it.
    ///
    /// # Errors
    /// The output's; those of the reader are inside.
    fn save(&mut self) -> io::Result<Result<(), Halt>> {
        let marks = self.reader.uncommitted();
        let source = self.reader.source();
        if source.is_some() && marks.is_empty() {
            return Ok(Ok(()));
        }
        let progress = source.map(|source| (source, &marks));
        self.output
            .flush(progress)
            .inspect_err(|_| self.output.abandon())?;
        if source.is_some() {
            match self.reader.commit(&marks) {
                Ok(Committed::Kept) => {}
                Ok(Committed::Lost) => return self.give_back(),
                Err(halt) => return Ok(Err(halt)),
            }
        }
        self.output.deliver().map(Ok)
    }

    /// What was read belongs to other members of the group.
    fn give_back(&mut self) -> io::Result<Result<(), Halt>> {
        (self.plan.say)(
            "this member's partitions went to others of the group before its last records were committed: they are \
             left to those, and the group is joined again",
        );
        self.output.take_back()?;
        Ok(self.reader.join_again())
    }
}

#[cfg(test)]
mod tests;

//! The thread that reads and commits: records go to the tasks within the bounds, come back settled, and the offset up to which
//! all are is committed.
//!
//! Owns: when something is read, committed, paused and given back, and when reading is over. Must not know: what a step does.
//!
//! Invariants: what is committed of a partition is settled; a partition is given back only after everything of it came back and
//! what is settled was committed; however reading ends, everything comes back first.
//!
//! BUGS: with `until_end` a record that is tried again for ever keeps it from its end.

mod bounds;
mod desk;
mod session;

use std::time::{Duration, Instant};

use super::backoff::{Backoff, random};
use super::failure::{PipelineError, passes};
use super::progress::Progress;
use crate::consume::failure::Halt;
use crate::consume::reader::Reader;
use crate::failure::Failure;
pub(super) use desk::Desk;
use desk::LOOK;
use session::Session;

/// Pauses before a cluster that could not be read is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Reads until it is over.
///
/// # Errors
/// Why it ended early.
pub(super) fn read(mut desk: Desk<'_>) -> Result<(), Failure> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut opened = false;
    let topic = &desk.job.plan.topic;
    let starting = format!("starting: topic {topic:?} has not been found yet");
    desk.watch.away(Some(starting));
    let ended = loop {
        let begun = Instant::now();
        let ended = session(&mut desk, &mut opened);
        if desk.is_over() {
            desk.stopping();
        }
        if begun.elapsed() > LONGEST_PAUSE {
            backoff.again();
        }
        // Whatever ended it, nothing of its partitions is under way afterwards.
        desk.withdraw(None, desk.job.bounds.grace);
        desk.progress = Progress::default();
        match ended {
            Ok(()) | Err(Halt::Stopped) => break Ok(()),
            Err(Halt::Failed(error)) if opened && !desk.is_over() && passes(&error) => {
                let text = format!("{error}; it is tried again");
                (desk.job.plan.say)(&text);
                desk.watch.away(Some(error.to_string()));
                sleep(&desk, backoff.pause(random()));
            }
            Err(Halt::Failed(error)) => break Err(PipelineError::of(error)),
        }
    };
    match desk.failed {
        Some(failure) => Err(failure),
        None => ended.map_err(Failure::from),
    }
}

/// Reads with one reader, until it is over or the reader fails.
fn session(desk: &mut Desk<'_>, opened: &mut bool) -> Result<(), Halt> {
    let reader = Reader::open(&desk.job.plan)?;
    if !std::mem::replace(opened, true) {
        desk.watch.topic_found();
    }
    desk.watch.away(None);
    let mut session = Session::new(desk, reader);
    let ended = session.go();
    session.reader.sum_up();
    ended
}

fn sleep(desk: &Desk<'_>, pause: Duration) {
    let end = Instant::now() + pause;
    while !desk.is_over() && Instant::now() < end {
        std::thread::sleep(LOOK.min(pause));
    }
}

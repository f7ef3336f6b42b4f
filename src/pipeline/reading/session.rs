//! Reading with one reader: the loop from a poll to a commit.
//!
//! Owns: the order of polls, commits and answers to the group; what is paused. Must not know: what becomes of a reader that failed.
//!
//! Invariants: the group is answered only after what is settled of the partitions that it takes was committed; a poll is made at
//! least every few seconds, as the group asks for, whatever is full.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::desk::{Desk, LOOK};
use crate::consume::failure::{Halt, ReadError};
use crate::consume::mark::{Mark, Marks};
use crate::consume::reader::{Committed, Polled, Reader};

/// How long a poll waits for a record.
const POLL_WAIT: Duration = Duration::from_millis(50);
/// Rounds without a record (2 s at `POLL_WAIT`) after which the reader is quiet.
const QUIET_ROUNDS: u32 = 40;
/// How long what is held may be full before partitions are paused. A pause throws away what was fetched, so a receiver that is
/// merely slower than Kafka never causes one.
const PAUSE_AFTER: Duration = Duration::from_secs(2);

/// How often brokers are asked where partitions end that are paused.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Session<'a, 'b, 'p> {
    desk: &'a mut Desk<'b>,
    pub reader: Reader<'p>,
    commit_due: Instant,
    /// Since when too much is held.
    full_since: Option<Instant>,
    /// Paused because too much is held.
    all_paused: bool,
    /// Partitions that are paused because their window is full.
    windows_full: BTreeSet<i32>,
    /// Where paused partitions end, and when that was asked last.
    ends: BTreeMap<i32, i64>,
    asked: Option<Instant>,
    quiet_rounds: u32,
    /// Whether the last commit failed, which was said.
    commit_failed: bool,
}

impl<'a, 'b, 'p> Session<'a, 'b, 'p> {
    pub(super) fn new(desk: &'a mut Desk<'b>, reader: Reader<'p>) -> Self {
        Self {
            commit_due: Instant::now() + desk.job.bounds.commit_every,
            desk,
            reader,
            full_since: None,
            all_paused: false,
            windows_full: BTreeSet::new(),
            ends: BTreeMap::new(),
            asked: None,
            quiet_rounds: 0,
            commit_failed: false,
        }
    }

    /// Reads until it is over.
    pub(super) fn go(&mut self) -> Result<(), Halt> {
        loop {
            self.desk.take_answers();
            if self.desk.is_over() || self.is_at_end()? {
                return self.finish();
            }
            self.follow()?;
            if Instant::now() >= self.commit_due {
                self.look();
                self.commit()?;
            }
            self.open_windows()?;
            self.round()?;
        }
    }

    /// Takes back what is under way, and commits what is settled.
    fn finish(&mut self) -> Result<(), Halt> {
        self.desk.stopping();
        self.desk.withdraw(None, self.desk.job.bounds.grace);
        let offsets = self.desk.progress.committable();
        if offsets.is_empty() {
            return Ok(());
        }
        match self.reader.commit(&marks(&offsets))? {
            Committed::Kept => self.desk.progress.committed(&offsets),
            // The next owner settles them again.
            Committed::Lost => {}
        }
        Ok(())
    }

    /// Reads a record if there is room for it, else waits for room.
    fn round(&mut self) -> Result<(), Halt> {
        if !self.is_full() {
            if std::mem::take(&mut self.all_paused) {
                self.resume_all()?;
            }
            self.full_since = None;
            return self.poll(POLL_WAIT);
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if !self.all_paused && since.elapsed() >= PAUSE_AFTER {
            self.all_paused = true;
            let partitions: Vec<i32> = self.reader.partitions().collect();
            self.reader.pause(&partitions)?;
        }
        if self.all_paused {
            self.poll(Duration::ZERO)?;
        }
        self.desk.wait_for_answers(LOOK);
        Ok(())
    }

    fn is_full(&self) -> bool {
        let (held, bounds) = (&self.desk.held, &self.desk.job.bounds);
        held.records(None) >= bounds.records || held.bytes() >= bounds.bytes
    }

    fn poll(&mut self, wait: Duration) -> Result<(), Halt> {
        let mut quiet = false;
        match self.reader.poll(wait)? {
            Polled::Mail(record) => {
                let partition = record.partition;
                self.desk.hand_over(record);
                self.close_window(partition)?;
            }
            Polled::NoMail { partition, offset } => {
                self.desk.pass_over(partition, offset);
                self.close_window(partition)?;
            }
            Polled::Passed => {}
            Polled::Nothing => quiet = true,
        }
        self.quiet_rounds = if quiet { self.quiet_rounds + 1 } else { 0 };
        Ok(())
    }

    fn close_window(&mut self, partition: i32) -> Result<(), Halt> {
        let window = self.desk.progress.window(partition);
        if window >= self.desk.job.bounds.window && self.windows_full.insert(partition) {
            self.desk.watch.windows_full(self.windows_full.len());
            self.reader.pause(&[partition])?;
        }
        Ok(())
    }

    /// Goes on with partitions that have room again: a quarter, so that a window is not opened for each record.
    fn open_windows(&mut self) -> Result<(), Halt> {
        if self.windows_full.is_empty() {
            return Ok(());
        }
        let most = self.desk.job.bounds.window * 3 / 4;
        let progress = &self.desk.progress;
        let has_room = |partition: &i32| progress.window(*partition) <= most;
        let open: Vec<i32> = self.windows_full.iter().copied().filter(has_room).collect();
        if open.is_empty() {
            return Ok(());
        }
        self.windows_full
            .retain(|partition| !open.contains(partition));
        self.desk.watch.windows_full(self.windows_full.len());
        match self.all_paused {
            true => Ok(()),
            false => self.reader.resume(&open),
        }
    }

    fn resume_all(&mut self) -> Result<(), Halt> {
        let partitions = self.reader.partitions();
        let open: Vec<i32> = partitions
            .filter(|partition| !self.windows_full.contains(partition))
            .collect();
        self.reader.resume(&open)
    }

    /// Answers the group, after what it takes was given up or finished.
    fn follow(&mut self) -> Result<(), Halt> {
        let taken = self.reader.taken();
        let has_news = self.reader.group_has_news();
        if !taken.is_empty() {
            self.desk.withdraw(Some(&taken), self.desk.job.bounds.grace);
            self.commit()?;
            for &partition in &taken {
                self.desk.progress.forget(partition);
                self.windows_full.remove(&partition);
            }
        }
        self.reader.follow_group(|_| Marks::new())?;
        if has_news {
            // A partition that comes back is as it went: librdkafka keeps it paused.
            self.all_paused = false;
            self.resume_all()?;
            self.desk.watch.partitions(self.reader.partitions().count());
        }
        Ok(())
    }

    /// Tells how far the ends are, and whether brokers are there.
    fn look(&mut self) {
        self.look_for_ends();
        let seen = self.reader.seen();
        let progress = &self.desk.progress;
        let behind = self.reader.positions().filter_map(|(partition, next)| {
            let reached = progress.reached(partition).unwrap_or(next);
            let end = seen.ends.get(&partition).max(self.ends.get(&partition))?;
            Some(end.saturating_sub(reached).max(0))
        });
        self.desk.watch.lag(behind.sum());
        if !self.commit_failed {
            let why = seen.is_alone.then(|| {
                let brokers = &self.desk.job.plan.brokers;
                format!("no broker of {brokers} is connected")
            });
            self.desk.watch.away(why);
        }
    }

    /// Asks where paused partitions end: nothing of them is fetched, so their ends do not come with records.
    fn look_for_ends(&mut self) {
        let paused = |partition: &i32| self.all_paused || self.windows_full.contains(partition);
        let mut paused = self.reader.partitions().filter(paused).peekable();
        if paused.peek().is_none() {
            self.ends.clear();
        } else if self.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
            self.ends = self.reader.ends(paused);
            self.asked = Some(Instant::now());
        }
    }

    /// Commits what is settled. Brokers that do not take it now are asked again with the next.
    fn commit(&mut self) -> Result<(), Halt> {
        self.commit_due = Instant::now() + self.desk.job.bounds.commit_every;
        let offsets = self.desk.progress.committable();
        if offsets.is_empty() {
            return Ok(());
        }
        let say = self.desk.job.plan.say;
        match self.reader.commit(&marks(&offsets)) {
            Ok(Committed::Kept) => {
                self.desk.progress.committed(&offsets);
                if std::mem::take(&mut self.commit_failed) {
                    say("offsets are committed again");
                    self.desk.watch.away(None);
                }
                Ok(())
            }
            Ok(Committed::Lost) => self.join_again(),
            Err(Halt::Failed(ReadError::Commit { group, source, .. })) => {
                if !std::mem::replace(&mut self.commit_failed, true) {
                    let text = format!("offsets of group {group:?} are not committed: {source}");
                    say(&format!("{text}; it is tried again"));
                    self.desk.watch.away(Some(text));
                }
                Ok(())
            }
            Err(halt) => Err(halt),
        }
    }

    /// What was read belongs to other members of the group: what is under way is dropped.
    fn join_again(&mut self) -> Result<(), Halt> {
        (self.desk.job.plan.say)(
            "this member's partitions went to others of the group before its last offsets were committed: what it did since \
             then is done again by those, and the group is joined again",
        );
        self.desk.withdraw(None, Duration::ZERO);
        self.desk.progress = Default::default();
        self.windows_full.clear();
        self.all_paused = false;
        self.reader.join_again()
    }

    /// Whether everything is done, where that is an end.
    fn is_at_end(&mut self) -> Result<bool, Halt> {
        let idle = self.quiet_rounds > 0 && self.desk.held.records(None) == 0;
        if !self.desk.job.until_end || !idle {
            return Ok(false);
        }
        let quiet = self.quiet_rounds >= QUIET_ROUNDS;
        self.reader.is_at_end(quiet)
    }
}

fn marks(offsets: &BTreeMap<i32, i64>) -> Marks {
    let mark = |(&partition, &next): (&i32, &i64)| {
        let mark = Mark {
            next,
            ..Mark::default()
        };
        (partition, mark)
    };
    offsets.iter().map(mark).collect()
}

//! What came of clients that misbehaved, in fixed memory.
//!
//! Must not know how they misbehave: a misdeed is a name here.

use std::collections::BTreeMap;

/// What came of one misdeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MisdeedOutcome {
    /// Too many misbehaved at once, so this one did not.
    Skipped,
    /// There was no connection to misbehave on.
    NoConnection,
    /// The client closed the connection where it meant to.
    Aborted,
    /// The client gave up first: the server held out.
    HeldOut,
    /// The server refused the envelope, so there was nothing to misbehave in.
    EnvelopeRefused,
    /// 2xx.
    Accepted,
    /// 4xx.
    RefusedForNow,
    /// 5xx.
    Refused,
    /// 421.
    Closing,
    /// The server closed the connection without a word.
    Closed,
    /// The server did not answer in time.
    Silent,
    /// What came is not a reply, or does not fit.
    NotAReply,
    /// Garbage got a positive reply.
    TakenForSmtp,
    /// A message was taken out of another one.
    Smuggled,
}

impl MisdeedOutcome {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            MisdeedOutcome::Skipped => "skipped: too many at once",
            MisdeedOutcome::NoConnection => "no connection",
            MisdeedOutcome::Aborted => "aborted",
            MisdeedOutcome::HeldOut => "held out",
            MisdeedOutcome::EnvelopeRefused => "envelope refused",
            MisdeedOutcome::Accepted => "accepted",
            MisdeedOutcome::RefusedForNow => "refused for now (4xx)",
            MisdeedOutcome::Refused => "refused (5xx)",
            MisdeedOutcome::Closing => "421",
            MisdeedOutcome::Closed => "closed by the server",
            MisdeedOutcome::Silent => "no answer in time",
            MisdeedOutcome::NotAReply => "not a reply",
            MisdeedOutcome::TakenForSmtp => "answered as if it were SMTP",
            MisdeedOutcome::Smuggled => "SMUGGLED",
        }
    }
}

/// Counts by misdeed and outcome.
#[derive(Debug, Default)]
pub(crate) struct Misdeeds {
    counts: BTreeMap<(&'static str, MisdeedOutcome), u64>,
}

impl Misdeeds {
    /// Counts one.
    pub(crate) fn count(&mut self, misdeed: &'static str, outcome: MisdeedOutcome) {
        *self.counts.entry((misdeed, outcome)).or_default() += 1;
    }

    /// Adds another thread's.
    pub(crate) fn merge(&mut self, other: &Misdeeds) {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// All messages that misbehaved.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Those with one outcome.
    pub(crate) fn with_outcome(&self, outcome: MisdeedOutcome) -> u64 {
        self.counts
            .iter()
            .filter(|((_, of), _)| *of == outcome)
            .map(|(_, count)| count)
            .sum()
    }

    /// Counts by outcome, by misdeed.
    pub(crate) fn by_misdeed(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut by_misdeed: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for ((misdeed, outcome), count) in &self.counts {
            by_misdeed
                .entry((*misdeed).to_owned())
                .or_default()
                .insert(outcome.name().to_owned(), *count);
        }
        by_misdeed
    }
}

//! Fail fast: when senders are refused before they send, instead of after.
//!
//! Owns: how long the storage has been without a broker or a leader that could take mail, and what follows. Must not know: how that
//! was found out; the clock is an argument.
//!
//! ```text
//!           nothing could take mail for `fail_fast_after`, and that is certain
//!   Open ────────────────────────────────────────────────────────────────────▶ NoMail or Closed
//!     ▲                                                                            │
//!     └── a probe finds a topic that can take mail, or a record was stored ────────┘
//! ```
//!
//! There are two kinds of evidence. What brokers say, or that they say nothing, is asked for every few seconds, mail or not. And
//! records that are under way while none is stored: brokers may answer while the leaders that they name are frozen, so these are
//! asked then. A server without mail relies on the first.
//!
//! Invariants: the time is counted from the last moment at which mail could be stored; a server whose brokers answer and which has
//! nothing under way is never closed; one large record that takes its time closes nothing, as its leader answers.
//!
//! BUGS: leaders that answer and cannot write, as with a disk that hangs, are not noticed: mail waits for its delivery timeout.

use std::time::{Duration, Instant};

use crate::smtp::session::Intake;

/// What a round found, of all topics together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// What the topic that is best off could take.
    pub(super) takes: Intake,
    /// Whether that is certain: not one late answer.
    pub(super) certain: bool,
    /// Whether records are under way.
    pub(super) under_way: bool,
    /// When one was last stored, if any was since the last round.
    pub(super) stored: Option<Instant>,
    /// Whether every leader answers, where [`Patience::doubts`] them.
    pub(super) leaders_answer: Option<bool>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Patience {
    /// None: never.
    after: Option<Duration>,
    /// When mail could last be stored, as far as brokers say.
    good: Instant,
    /// Since when records have been under way and none was stored.
    vain: Option<Instant>,
    /// Whether that has lasted so long that it is held against the storage.
    stalled: bool,
}

impl Patience {
    /// Zero: never. The time counts from now on.
    pub(super) fn new(after: Duration, now: Instant) -> Self {
        Self {
            after: (!after.is_zero()).then_some(after),
            good: now,
            vain: None,
            stalled: false,
        }
    }

    /// Takes note of a round; what senders may begin.
    pub(super) fn judge(&mut self, sight: &Sight, now: Instant) -> Intake {
        self.note_vain(sight, now);
        let Some(after) = self.after else {
            return Intake::Open;
        };
        if let Some(stored) = sight.stored {
            self.good = self.good.max(stored);
        }
        if sight.takes == Intake::Open {
            self.good = now;
        } else if sight.certain && now.duration_since(self.good) >= after {
            return sight.takes;
        }
        match self.stalled {
            true => Intake::Closed,
            false => Intake::Open,
        }
    }

    fn note_vain(&mut self, sight: &Sight, now: Instant) {
        if sight.stored.is_some() {
            (self.vain, self.stalled) = (None, false);
            return;
        }
        match sight.leaders_answer {
            // Those under way may take their time, and mail may come.
            Some(true) => (self.vain, self.stalled) = (None, false),
            Some(false) => self.stalled = true,
            None => {}
        }
        self.vain = sight.under_way.then(|| self.vain.unwrap_or(now));
    }

    /// Whether it is to be asked if the leaders answer: records have been under way in vain for long.
    pub(super) fn doubts(&self, now: Instant) -> bool {
        let long = |since, after| now.duration_since(since) >= after;
        let vain = self.vain.zip(self.after);
        self.stalled || vain.is_some_and(|(since, after)| long(since, after))
    }

    /// How long records have been under way in vain, if that is held against the storage.
    pub(super) fn stalled(&self, now: Instant) -> Option<Duration> {
        let since = self.vain.filter(|_| self.stalled);
        let lasted = since.map(|since| now.duration_since(since));
        lasted.or(self.after.filter(|_| self.stalled))
    }

    /// Whether records were under way in vain for so long that it is held against the storage.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// When senders are refused at the earliest, if what was seen goes on.
    pub(super) fn due(&self) -> Option<Instant> {
        let begin = self.vain.map_or(self.good, |vain| vain.min(self.good));
        self.after.map(|after| begin + after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Story {
        patience: Patience,
        start: Instant,
    }

    const FINE: Sight = Sight {
        takes: Intake::Open,
        certain: true,
        under_way: false,
        stored: None,
        leaders_answer: None,
    };

    impl Story {
        fn new(after: u64) -> Self {
            let start = Instant::now();
            Self {
                patience: Patience::new(Duration::from_secs(after), start),
                start,
            }
        }

        fn at(&mut self, second: u64, sight: Sight) -> Intake {
            let now = self.start + Duration::from_secs(second);
            self.patience.judge(&sight, now)
        }
    }

    fn away(takes: Intake) -> Sight {
        Sight { takes, ..FINE }
    }

    #[test]
    fn the_time_is_counted_from_the_last_moment_that_was_good() {
        for takes in [Intake::Closed, Intake::NoMail] {
            let mut story = Story::new(5);
            assert_eq!(story.at(100, FINE), Intake::Open);
            assert_eq!(story.at(102, away(takes)), Intake::Open);
            let due = story.start + Duration::from_secs(105);
            assert_eq!(story.patience.due(), Some(due));
            assert_eq!(story.at(104, away(takes)), Intake::Open);
            assert_eq!(story.at(105, away(takes)), takes);
            assert_eq!(story.at(500, away(takes)), takes);
            assert_eq!(story.at(501, FINE), Intake::Open);
            assert_eq!(story.at(503, away(takes)), Intake::Open, "it begins again");
        }
    }

    #[test]
    fn what_is_not_certain_refuses_nobody() {
        let mut story = Story::new(5);
        let late = Sight {
            certain: false,
            ..away(Intake::Closed)
        };
        assert_eq!(story.at(60, late), Intake::Open);
        assert_eq!(story.at(61, away(Intake::Closed)), Intake::Closed);
    }

    #[test]
    fn a_record_that_is_stored_is_worth_more_than_a_broker_that_is_silent() {
        let mut story = Story::new(5);
        for second in 0..60 {
            let stored = Sight {
                stored: Some(story.start + Duration::from_secs(second)),
                ..away(Intake::Closed)
            };
            assert_eq!(story.at(second, stored), Intake::Open);
        }
        // The last one was stored some time before this was noticed.
        let before = Sight {
            stored: Some(story.start + Duration::from_secs(60)),
            ..away(Intake::Closed)
        };
        assert_eq!(story.at(63, before), Intake::Open);
        assert_eq!(story.at(65, away(Intake::Closed)), Intake::Closed);
    }

    #[test]
    fn zero_is_never() {
        let mut story = Story::new(0);
        let vain = Sight {
            under_way: true,
            ..away(Intake::Closed)
        };
        for second in 0..60 {
            assert_eq!(story.at(second, vain), Intake::Open);
        }
        let late = story.start + Duration::from_secs(60);
        assert!(story.patience.due().is_none() && !story.patience.doubts(late));
    }

    #[test]
    fn a_server_without_mail_whose_brokers_answer_is_never_closed() {
        let mut story = Story::new(5);
        for second in 0..600 {
            assert_eq!(story.at(second, FINE), Intake::Open);
        }
    }

    /// Records are under way, and the leaders answer or not, where they were asked.
    fn vain(leaders_answer: Option<bool>) -> Sight {
        Sight {
            under_way: true,
            leaders_answer,
            ..FINE
        }
    }

    #[test]
    fn records_under_way_in_vain_are_held_against_leaders_that_do_not_answer() {
        let mut story = Story::new(5);
        assert_eq!(story.at(100, vain(None)), Intake::Open);
        let after = |story: &Story, seconds| story.start + Duration::from_secs(seconds);
        assert!(!story.patience.doubts(after(&story, 104)));
        assert!(story.patience.doubts(after(&story, 105)));
        assert_eq!(story.at(105, vain(Some(false))), Intake::Closed);
        let lasted = story.patience.stalled(after(&story, 106));
        assert_eq!(lasted, Some(Duration::from_secs(6)));
        // They have run out of time.
        let over = |answer| Sight {
            leaders_answer: Some(answer),
            ..FINE
        };
        assert_eq!(story.at(130, over(false)), Intake::Closed);
        assert_eq!(story.at(131, FINE), Intake::Closed);
        assert!(story.patience.doubts(after(&story, 131)));
        assert_eq!(story.at(132, over(true)), Intake::Open);
        assert!(!story.patience.doubts(after(&story, 132)));
    }

    #[test]
    fn one_record_that_takes_its_time_closes_nothing_while_its_leader_answers() {
        let mut story = Story::new(5);
        for second in 0..60 {
            let now = story.start + Duration::from_secs(second);
            let asked = story.patience.doubts(now).then_some(true);
            assert_eq!(story.at(second, vain(asked)), Intake::Open);
        }
    }

    #[test]
    fn one_record_that_is_stored_ends_it() {
        let mut story = Story::new(5);
        story.at(0, vain(None));
        assert_eq!(story.at(5, vain(Some(false))), Intake::Closed);
        let stored = Sight {
            stored: Some(story.start + Duration::from_secs(6)),
            ..vain(None)
        };
        assert_eq!(story.at(6, stored), Intake::Open);
        assert_eq!(story.at(7, vain(None)), Intake::Open);
        let early = story.start + Duration::from_secs(11);
        assert!(!story.patience.doubts(early), "it begins again");
    }

    #[test]
    fn records_that_come_and_are_stored_are_no_stall() {
        let mut story = Story::new(5);
        for second in 0..60 {
            let sight = Sight {
                under_way: true,
                stored: (second % 4 == 0).then_some(story.start),
                ..FINE
            };
            assert_eq!(story.at(second, sight), Intake::Open);
        }
    }
}

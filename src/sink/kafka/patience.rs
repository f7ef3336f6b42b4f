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
//! records that are under way while none is stored: then each leader is looked at.
//!
//! | a leader | could take mail |
//! |---|---|
//! | was given records of ours, and none was stored anywhere since | no: it is frozen, its disk hangs, a replica that it waits for does not confirm, or it refuses |
//! | does not answer a question | no |
//! | answers a question, but fewer of its replicas than `min.insync.replicas` do | no |
//! | answers a question, and has none of our records | yes |
//!
//! One that could is enough, however many records wait for the others. Where it is not known who has records, leaders could take mail
//! if all of them answer.
//!
//! Invariants: the time is counted from the last moment at which mail could be stored; a server whose brokers answer and which has
//! nothing under way is never closed; a large record that takes its time closes nothing.
//!
//! BUGS: where every leader answers and none stores, nothing but a mail can show that they store again. So when all that was under
//! way has failed, mail is let in, and refused again `fail_fast_after` later if none of it is stored.

use std::time::{Duration, Instant};

use crate::smtp::session::Intake;

/// How much earlier than senders are refused the leaders are looked at first, so that the answers are there in time.
const AHEAD: Duration = Duration::from_secs(1);
/// How long what was found counts.
const FRESH: Duration = Duration::from_millis(1500);
/// Records that have been under way for so long in vain are worth a closer look.
const WORRY: Duration = Duration::from_millis(500);

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
    /// The leaders, where [`Patience::doubts`] them.
    pub(super) leaders: Option<Leaders>,
}

/// How many leaders do what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Leaders {
    /// Have records, or were given some, and confirm none.
    pub(super) holding: usize,
    /// Do not answer a question.
    pub(super) silent: usize,
    /// Answer one, and too few of their replicas do.
    pub(super) short: usize,
    /// Answer one, and have no record.
    pub(super) free: usize,
    /// Answer one, and may have records.
    pub(super) unclear: usize,
}

impl Leaders {
    /// How many were asked.
    pub(super) fn asked(self) -> u64 {
        (self.silent + self.short + self.free + self.unclear) as u64
    }

    fn could_take(self) -> bool {
        self.free > 0 || self.all_answer()
    }

    /// Whether all answer, and not all of them have records.
    fn all_answer(self) -> bool {
        self.silent == 0 && self.free + self.unclear > 0
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Patience {
    /// None: never.
    after: Option<Duration>,
    /// When mail could last be stored, as far as is known.
    good: Instant,
    /// Since when records have been under way and none was stored.
    vain: Option<Instant>,
    /// When it was last seen that no leader could take mail.
    none_could: Option<Instant>,
    /// Whether that has lasted so long that it is held against the storage.
    stalled: bool,
}

impl Patience {
    /// None: never. The time counts from now on.
    pub(super) fn new(after: Option<Duration>, now: Instant) -> Self {
        Self {
            after,
            good: now,
            vain: None,
            none_could: None,
            stalled: false,
        }
    }

    /// Takes note of a round; what senders may begin.
    pub(super) fn judge(&mut self, sight: &Sight, now: Instant) -> Intake {
        self.note_vain(sight, now);
        if let Some(leaders) = sight.leaders {
            self.note_leaders(leaders, now);
        }
        let after = self.after.unwrap_or(Duration::MAX);
        let long = |since: Instant| now.duration_since(since) >= after;
        let fresh = self
            .none_could
            .is_some_and(|at| now.duration_since(at) <= FRESH);
        self.stalled |= fresh && self.vain.is_some_and(long);
        if let Some(stored) = sight.stored {
            self.good = self.good.max(stored);
        }
        match sight.takes {
            // What brokers say is worth less than what becomes of the records that they were given.
            Intake::Open if self.vain.is_none() && !self.stalled => self.good = now,
            Intake::Open => {}
            Intake::NoMail | Intake::Closed if sight.certain && long(self.good) => {
                return sight.takes;
            }
            Intake::NoMail | Intake::Closed => {}
        }
        match self.stalled {
            true => Intake::Closed,
            false => Intake::Open,
        }
    }

    fn note_vain(&mut self, sight: &Sight, now: Instant) {
        if let Some(stored) = sight.stored {
            // The others may be as old as that one.
            (self.vain, self.none_could, self.stalled) = (Some(stored), None, false);
        }
        self.vain = sight.under_way.then(|| self.vain.unwrap_or(now));
    }

    fn note_leaders(&mut self, leaders: Leaders, now: Instant) {
        let good = match self.stalled {
            // They did not store what they had, so that one of them alone is not believed.
            true => leaders.all_answer(),
            false => leaders.could_take(),
        };
        if good {
            (self.good, self.none_could, self.stalled) = (now, None, false);
            self.vain = self.vain.map(|_| now);
        } else {
            self.none_could = Some(now);
        }
    }

    /// How long ago mail could last be stored, as far as is known.
    pub(super) fn lasted(&self, now: Instant) -> Duration {
        now.duration_since(self.good)
    }

    /// Since when records have been under way in vain, if any are.
    pub(super) fn vain(&self) -> Option<Instant> {
        self.vain
    }

    /// Whether records are under way of which none was stored for a moment.
    pub(super) fn worries(&self, now: Instant) -> bool {
        self.after.is_some()
            && self
                .vain
                .is_some_and(|since| now.duration_since(since) >= WORRY)
    }

    /// Whether the leaders are to be looked at: records have been under way in vain for long.
    pub(super) fn doubts(&self, now: Instant) -> bool {
        let long =
            |since, after: Duration| now.duration_since(since) + AHEAD.min(after / 2) >= after;
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
        leaders: None,
    };

    impl Story {
        fn new(after: u64) -> Self {
            let start = Instant::now();
            Self {
                patience: Patience::new(
                    Some(after)
                        .filter(|&after| after > 0)
                        .map(Duration::from_secs),
                    start,
                ),
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
    fn none_is_never() {
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

    /// Records are under way, and this was found of the leaders, where they were looked at.
    fn vain(leaders: Option<Leaders>) -> Sight {
        Sight {
            under_way: true,
            leaders,
            ..FINE
        }
    }

    const NONE: Leaders = Leaders {
        holding: 0,
        silent: 0,
        short: 0,
        free: 0,
        unclear: 0,
    };
    const HOLDING: Leaders = Leaders { holding: 3, ..NONE };
    const SILENT: Leaders = Leaders { silent: 3, ..NONE };
    const FREE: Leaders = Leaders { free: 3, ..NONE };
    const ONE_FREE: Leaders = Leaders {
        silent: 2,
        free: 1,
        ..NONE
    };
    const ONE_SHORT: Leaders = Leaders {
        silent: 2,
        short: 1,
        ..NONE
    };
    const ONE_HOLDING: Leaders = Leaders {
        holding: 1,
        silent: 2,
        ..NONE
    };

    #[test]
    fn records_under_way_in_vain_are_held_against_leaders_that_do_not_answer() {
        let mut story = Story::new(5);
        assert_eq!(story.at(100, vain(None)), Intake::Open);
        let after = |story: &Story, seconds| story.start + Duration::from_secs(seconds);
        assert!(!story.patience.doubts(after(&story, 103)));
        assert!(story.patience.doubts(after(&story, 104)));
        assert_eq!(story.at(104, vain(Some(SILENT))), Intake::Open, "not yet");
        assert_eq!(
            story.at(105, vain(None)),
            Intake::Closed,
            "the last answers count"
        );
        let lasted = story.patience.stalled(after(&story, 106));
        assert_eq!(lasted, Some(Duration::from_secs(6)));
        // They have run out of time.
        let over = |leaders| Sight {
            leaders: Some(leaders),
            ..FINE
        };
        assert_eq!(story.at(130, over(SILENT)), Intake::Closed);
        assert_eq!(story.at(131, FINE), Intake::Closed);
        assert!(story.patience.doubts(after(&story, 131)));
        assert_eq!(story.at(132, over(FREE)), Intake::Open);
        assert!(!story.patience.doubts(after(&story, 132)));
    }

    #[test]
    fn what_was_found_long_ago_refuses_nobody() {
        let mut story = Story::new(5);
        story.at(0, vain(None));
        story.at(4, vain(Some(SILENT)));
        assert_eq!(story.at(7, vain(None)), Intake::Open);
        assert_eq!(story.at(8, vain(Some(SILENT))), Intake::Closed);
    }

    #[test]
    fn one_leader_that_could_take_mail_is_enough_however_many_records_wait_for_others() {
        let mut story = Story::new(5);
        for second in 0..120 {
            let now = story.start + Duration::from_secs(second);
            let leaders = story.patience.doubts(now).then_some(ONE_FREE);
            assert_eq!(story.at(second, vain(leaders)), Intake::Open, "{second}");
        }
        // A look that fails later begins its own time.
        let late = away(Intake::Closed);
        assert_eq!(story.at(120, late), Intake::Open);
        assert_eq!(story.at(121, late), Intake::Closed);
    }

    #[test]
    fn leaders_that_answer_and_store_nothing_of_what_they_have_could_take_none() {
        for leaders in [HOLDING, ONE_HOLDING, ONE_SHORT] {
            let mut story = Story::new(5);
            story.at(0, vain(None));
            assert_eq!(story.at(4, vain(Some(leaders))), Intake::Open);
            assert_eq!(story.at(5, vain(Some(leaders))), Intake::Closed);
            // One that has nothing left is not believed as long as others are silent.
            let over = Sight {
                leaders: Some(ONE_FREE),
                ..FINE
            };
            assert_eq!(story.at(40, over), Intake::Closed);
            let all = Sight {
                leaders: Some(FREE),
                ..FINE
            };
            assert_eq!(story.at(41, all), Intake::Open);
        }
    }

    #[test]
    fn where_it_is_not_known_who_has_records_all_leaders_have_to_answer() {
        let unclear = Leaders { unclear: 2, ..NONE };
        let silent = Leaders {
            silent: 1,
            ..unclear
        };
        for (leaders, intake) in [(unclear, Intake::Open), (silent, Intake::Closed)] {
            let mut story = Story::new(5);
            story.at(0, vain(None));
            assert_eq!(story.at(5, vain(Some(leaders))), intake);
        }
    }

    #[test]
    fn brokers_that_call_all_well_while_nothing_is_stored_gain_no_time() {
        let mut story = Story::new(5);
        let stored = Sight {
            stored: Some(story.start + Duration::from_secs(99)),
            ..vain(None)
        };
        assert_eq!(story.at(100, stored), Intake::Open);
        for second in 101..103 {
            assert_eq!(story.at(second, vain(None)), Intake::Open);
        }
        // Now they say that too few replicas are in sync.
        let few = |leaders| Sight {
            takes: Intake::Closed,
            ..vain(leaders)
        };
        assert_eq!(story.at(103, few(Some(ONE_HOLDING))), Intake::Open);
        assert_eq!(story.at(104, few(None)), Intake::Closed);
    }

    #[test]
    fn one_record_that_is_stored_ends_it() {
        let mut story = Story::new(5);
        story.at(0, vain(None));
        assert_eq!(story.at(5, vain(Some(SILENT))), Intake::Closed);
        let stored = Sight {
            stored: Some(story.start + Duration::from_secs(6)),
            ..vain(None)
        };
        assert_eq!(story.at(6, stored), Intake::Open);
        assert_eq!(story.at(7, vain(None)), Intake::Open);
        let early = story.start + Duration::from_secs(9);
        assert!(!story.patience.doubts(early), "it begins again");
    }

    #[test]
    fn records_that_come_and_are_stored_are_no_stall() {
        let mut story = Story::new(5);
        for second in 0..60 {
            let last = story.start + Duration::from_secs(second);
            let sight = Sight {
                under_way: true,
                stored: (second % 3 == 0).then_some(last),
                ..FINE
            };
            let doubts = story.patience.doubts(last);
            assert_eq!((story.at(second, sight), doubts), (Intake::Open, false));
        }
    }
}

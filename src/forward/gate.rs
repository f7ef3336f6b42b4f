//! Whether a receiver is worth trying: while it cannot be reached, one attempt at a time finds out when it is back.
//!
//! Owns: when attempts are let through. Must not know: what an attempt is, the clock.
//!
//! ```text
//!   Open ── several attempts in a row without an answer ──▶ Shut(until) ── its time comes ──▶ Probing ── an answer ──▶ Open
//!                                                              ▲                                │
//!                                                              └──────── no answer ─────────────┘
//! ```
//!
//! Invariant: while the gate is not open, one attempt at a time is under way that began since it was shut.

use std::time::{Duration, Instant};

use crate::pipeline::backoff::Backoff;

/// Attempts in a row without an answer that shut the gate: one mail that breaks its connection does not.
const IN_A_ROW: u32 = 3;
/// Pauses between two attempts while it is shut.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Shut(Instant),
    Probing,
}

/// Whether an attempt may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Yes.
    Go,
    /// Yes, and the others wait for what comes of it.
    Probe,
    /// Not before this.
    Wait(Instant),
    /// Not before the attempt that is under way has ended.
    WaitForProbe,
}

/// See the module.
#[derive(Debug)]
pub struct Gate {
    state: State,
    in_a_row: u32,
    backoff: Backoff,
    why: String,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            state: State::Open,
            in_a_row: 0,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            why: String::new(),
        }
    }
}

impl Gate {
    /// Asks for an attempt.
    pub fn ask(&mut self, now: Instant) -> Pass {
        match self.state {
            State::Open => Pass::Go,
            State::Shut(until) if now >= until => {
                self.state = State::Probing;
                Pass::Probe
            }
            State::Shut(until) => Pass::Wait(until),
            State::Probing => Pass::WaitForProbe,
        }
    }

    /// An attempt got an answer: whether the gate was not open before.
    pub fn answered(&mut self) -> bool {
        self.in_a_row = 0;
        self.backoff.again();
        std::mem::replace(&mut self.state, State::Open) != State::Open
    }

    /// An attempt got none, for this reason; `random` is any number. Whether the gate was open before and is not now.
    pub fn unanswered(&mut self, was_probe: bool, why: &str, now: Instant, random: u32) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        why.clone_into(&mut self.why);
        match self.state {
            State::Open if self.in_a_row < IN_A_ROW => false,
            State::Open => {
                self.state = State::Shut(now + self.backoff.pause(random));
                true
            }
            State::Probing if was_probe => {
                self.state = State::Shut(now + self.backoff.pause(random));
                false
            }
            // It began before the gate was shut.
            State::Shut(_) | State::Probing => false,
        }
    }

    /// The attempt that others wait for was given up.
    pub fn given_up(&mut self, now: Instant) {
        if self.state == State::Probing {
            self.state = State::Shut(now);
        }
    }

    /// Why the gate is not open.
    pub fn trouble(&self) -> Option<&str> {
        match self.state {
            State::Open => None,
            State::Shut(_) | State::Probing => Some(&self.why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_attempt_at_a_time_finds_the_receivers_return() {
        let (mut gate, begin) = (Gate::default(), Instant::now());
        for _ in 0..2 {
            assert!(!gate.unanswered(false, "refused", begin, u32::MAX));
            assert_eq!(gate.ask(begin), Pass::Go);
        }
        assert!(gate.unanswered(false, "refused", begin, u32::MAX));
        assert_eq!(gate.trouble(), Some("refused"));
        assert_eq!(gate.ask(begin), Pass::Wait(begin + FIRST_PAUSE));
        let later = begin + FIRST_PAUSE;
        assert_eq!(gate.ask(later), Pass::Probe);
        assert_eq!(gate.ask(later), Pass::WaitForProbe);
        // One that began before says nothing new.
        assert!(!gate.unanswered(false, "refused", later, 0));
        assert_eq!(gate.ask(later), Pass::WaitForProbe);
        assert!(!gate.unanswered(true, "refused", later, u32::MAX));
        assert_eq!(gate.ask(later), Pass::Wait(later + FIRST_PAUSE * 2));
        let later = later + FIRST_PAUSE * 2;
        assert_eq!(gate.ask(later), Pass::Probe);
        gate.given_up(later);
        assert_eq!(gate.ask(later), Pass::Probe);
        assert!(gate.answered());
        assert_eq!((gate.ask(later), gate.trouble()), (Pass::Go, None));
        assert!(!gate.answered());
    }

    #[test]
    fn a_mail_that_breaks_its_connection_shuts_nothing() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        for _ in 0..10 {
            assert!(!gate.unanswered(false, "reset", now, 0));
            assert!(!gate.unanswered(false, "reset", now, 0));
            assert!(!gate.answered());
        }
    }
}

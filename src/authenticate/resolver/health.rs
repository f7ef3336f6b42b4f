//! Whether the resolver answers at all.
//!
//! Owns: what follows from answers and their absence, and what an operator learns of it. Must not know: how a question is asked.
//!
//! A question without an answer says nothing of the resolver: the servers of one name can be broken. So after each, either somebody
//! has had an answer since it began, or the resolver is asked a question that every working one answers.
//!
//! BUGS: a resolver that is cut off from the world answers that question from its memory for some time. Mails whose names it does
//! not know then wait for the patience with each name and no longer.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::consume::line::Say;
use crate::kafka::lock::lock;
use crate::telemetry::metrics::authenticate::Counts;

/// See the module.
pub(super) struct Health {
    last_answer: Mutex<Option<Instant>>,
    /// When it was known last not to answer.
    last_silence: Mutex<Option<Instant>>,
    down: Arc<AtomicBool>,
    /// One probe at a time.
    probing: tokio::sync::Mutex<()>,
    say: Say,
    counts: Arc<Counts>,
}

impl Health {
    pub(super) fn new(say: Say, down: Arc<AtomicBool>, counts: Arc<Counts>) -> Self {
        Self {
            last_answer: Mutex::new(None),
            last_silence: Mutex::new(None),
            down,
            probing: tokio::sync::Mutex::new(()),
            say,
            counts,
        }
    }

    /// Whether it is known to answer nothing.
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Somebody got an answer.
    pub(super) fn answered(&self) {
        let now = Instant::now();
        *lock(&self.last_answer) = Some(now);
        if self.down.swap(false, Ordering::Relaxed) {
            *lock(&self.last_silence) = Some(now);
            self.counts.handles.resolver_down.set(0.0);
            (self.say)("the DNS resolver answers again");
        }
    }

    /// Whether the resolver has answered all the time since then, as far as is known: it has answered somebody, or does so now, and was
    /// not away meanwhile.
    pub(super) async fn answers_since<P: Future<Output = bool>>(
        &self,
        then: Instant,
        error: &impl fmt::Display,
        probe: impl FnOnce() -> P,
    ) -> bool {
        let answers = self.has_answered_since(then) || self.answers_now(then, error, probe).await;
        answers && lock(&self.last_silence).is_none_or(|last| last < then)
    }

    async fn answers_now<P: Future<Output = bool>>(
        &self,
        then: Instant,
        error: &impl fmt::Display,
        probe: impl FnOnce() -> P,
    ) -> bool {
        let asked = Instant::now();
        let _one = self.probing.lock().await;
        // What another one's probe found meanwhile holds for this one too.
        if self.has_answered_since(then) {
            return true;
        }
        if lock(&self.last_silence).is_some_and(|last| last >= asked) {
            return false;
        }
        if probe().await {
            self.answered();
            return true;
        }
        *lock(&self.last_silence) = Some(Instant::now());
        if !self.down.swap(true, Ordering::Relaxed) {
            self.counts.handles.resolver_down.set(1.0);
            (self.say)(&format!(
                "the DNS resolver does not answer ({error}): mails wait until it does"
            ));
        }
        false
    }

    fn has_answered_since(&self, then: Instant) -> bool {
        lock(&self.last_answer).is_some_and(|last| last > then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(_line: &str) {}

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn those_who_wait_for_a_probe_take_what_it_finds() {
        let health = Health::new(quiet, Arc::default(), Arc::default());
        let (then, asked) = (Instant::now(), std::cell::Cell::new(0));
        let ask = || {
            let probe = || async {
                asked.set(asked.get() + 1);
                tokio::task::yield_now().await;
                false
            };
            health.answers_since(then, &"x", probe)
        };
        let found = block_on(async { tokio::join!(ask(), ask(), ask()) });
        assert_eq!((found, asked.get()), ((false, false, false), 1));
    }

    #[test]
    fn an_answer_or_a_probe_shows_that_it_answers() {
        let (health, before) = (
            Health::new(quiet, Arc::default(), Arc::default()),
            Instant::now(),
        );
        let asked = std::cell::Cell::new(0);
        let ask = |then, answer: bool| {
            let probe = || async {
                asked.set(asked.get() + 1);
                answer
            };
            block_on(health.answers_since(then, &"x", probe))
        };
        assert!(!ask(before, false) && health.down.load(Ordering::Relaxed));
        // It answers again, but was away for a part of the time.
        assert!(!ask(before, true) && !health.down.load(Ordering::Relaxed));
        assert_eq!(asked.get(), 2);
        let later = Instant::now();
        assert!(ask(later, true));
        // The probe was an answer.
        assert!(ask(later, false));
        assert_eq!(asked.get(), 3);
        assert!(!ask(Instant::now(), false) && health.down.load(Ordering::Relaxed));
        health.answered();
        assert!(!health.down.load(Ordering::Relaxed));
    }
}

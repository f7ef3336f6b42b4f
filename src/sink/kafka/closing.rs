//! When a batch is closed before its linger is over: as soon as every sender that could add to it waits for it.
//!
//! Owns: the counts that tell, and the wait of the thread that closes. Must not know: records, librdkafka, the clock.
//!
//! A fixed linger serves one kind of load. Where mail trickles in from many senders, a long one saves requests; where a
//! few senders wait for their 250 before they send on, all of it is lost time. The rule: close when
//! 1. about as many records are under way as the recent maximum, so that nearly all senders with another mail wait for a
//!    report (about, for some are in the middle of a message while others wait); and
//! 2. all that were sent by the last closing have been reported, so that no report is about to let a sender go on.
//!
//! A steady trickle reaches its own maximum seldom, so its batches last as long as the linger lets them.
//!
//! librdkafka has one way to end a linger: it is taken as over while a flush is going on. A flush blocks, so a thread
//! does it.
//!
//! Invariant: a closing only ever makes a batch leave earlier; nothing depends on it.
//!
//! BUGS: records that arrive during the flush leave one by one. A flush wakes the threads of all brokers that
//! are connected. When a sender leaves, the rule does not apply until the maximum is forgotten.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

/// See the module. The counts are advice, so none of them orders other memory.
#[derive(Default)]
pub(super) struct Closing {
    submitted: AtomicU64,
    reported: AtomicU64,
    /// The value of `submitted` at the last closing.
    sent: AtomicU64,
    /// The most that were under way in this window of time, and in the one before.
    most: [AtomicU64; 2],
    due: AtomicBool,
    closer: OnceLock<Thread>,
}

impl Closing {
    /// A record is under way. Whether the batches are to be closed.
    pub(super) fn submitted(&self) -> bool {
        let submitted = self.submitted.fetch_add(1, Ordering::Relaxed) + 1;
        let reported = self.reported.load(Ordering::Relaxed);
        // A record may be reported before it is counted here.
        let under_way = submitted.saturating_sub(reported);
        let most = self.most[0].fetch_max(under_way, Ordering::Relaxed);
        let most = most.max(self.most[1].load(Ordering::Relaxed));
        let nearly_all = under_way * 8 >= most * 7;
        let close = nearly_all && reported >= self.sent.load(Ordering::Relaxed);
        if close {
            self.sent.store(submitted, Ordering::Relaxed);
        }
        close
    }

    /// This many records have been reported.
    pub(super) fn reported(&self, count: usize) {
        self.reported.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// A window of time is over.
    pub(super) fn turn(&self) {
        let most = self.most[0].swap(0, Ordering::Relaxed);
        self.most[1].store(most, Ordering::Relaxed);
    }

    /// Has the thread close.
    pub(super) fn close(&self) {
        self.due.store(true, Ordering::Release);
        if let Some(closer) = self.closer.get() {
            closer.unpark();
        }
    }

    /// The thread that closes: calls `flush` for each [`Self::close`], or once for several, until it is unparked with
    /// `stopping` set.
    pub(super) fn run(&self, flush: impl Fn(), stopping: &AtomicBool) {
        let first = self.closer.set(std::thread::current());
        assert!(first.is_ok(), "one thread closes");
        while !stopping.load(Ordering::SeqCst) {
            if self.due.swap(false, Ordering::Acquire) {
                flush();
            } else {
                std::thread::park();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(closing: &Closing, count: usize) -> Vec<bool> {
        (0..count).map(|_| closing.submitted()).collect()
    }

    #[test]
    fn one_who_waits_for_each_report_never_waits_for_a_linger() {
        let closing = Closing::default();
        for _ in 0..3 {
            assert_eq!(submit(&closing, 1), [true]);
            closing.reported(1);
        }
    }

    #[test]
    fn a_few_who_all_wait_close_with_the_last_of_them() {
        let closing = Closing::default();
        // The first of all is alone; the others wait for its report, then for each other.
        assert_eq!(submit(&closing, 3), [true, false, false]);
        closing.reported(1);
        assert_eq!(submit(&closing, 1), [true]);
        for _ in 0..3 {
            closing.reported(3);
            assert_eq!(submit(&closing, 3), [false, false, true]);
        }
    }

    #[test]
    fn one_of_many_who_is_slow_holds_nobody_up() {
        let closing = Closing::default();
        submit(&closing, 16);
        closing.reported(16);
        assert_eq!(
            submit(&closing, 14).iter().position(|&close| close),
            Some(13)
        );
    }

    #[test]
    fn nothing_closes_while_what_was_sent_is_out() {
        let closing = Closing::default();
        assert_eq!(submit(&closing, 1), [true]);
        assert_eq!(submit(&closing, 100), [false; 100]);
        closing.reported(1);
        assert_eq!(submit(&closing, 1), [true]);
    }

    #[test]
    fn a_trickle_below_its_maximum_is_left_to_the_linger_until_that_is_forgotten() {
        let closing = Closing::default();
        submit(&closing, 10);
        closing.reported(10);
        closing.turn();
        for _ in 0..20 {
            assert_eq!(submit(&closing, 3), [false; 3]);
            closing.reported(3);
        }
        closing.turn();
        assert_eq!(submit(&closing, 3), [false, false, true]);
    }

    #[test]
    fn the_thread_closes_what_was_asked_for_before_it_began_and_ends_when_told() {
        let closing = Closing::default();
        let stopping = AtomicBool::new(false);
        closing.close();
        std::thread::scope(|scope| {
            let (said, flushed) = crossbeam_channel::bounded(0);
            let stop = &stopping;
            let closing = &closing;
            let thread = scope.spawn(move || closing.run(|| said.send(()).unwrap(), stop));
            flushed.recv().unwrap();
            closing.close();
            flushed.recv().unwrap();
            stopping.store(true, Ordering::SeqCst);
            thread.thread().unpark();
        });
    }
}

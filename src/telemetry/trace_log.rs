//! The lines of a traced connection, and how many of them are written.
//!
//! Owns: what each line says, and the budget of a worker. Must not know: connections, whose dialogue is traced, nor the clock; the
//! time comes in.
//!
//! Invariants: of the traces of one worker at most [`TRACE_LINES`] lines are written in a second; each line is either written or
//! in one count.

use std::time::{Duration, Instant};

use tracing::Level;

use super::lines::Lines;
use super::vocabulary::field::{
    CLIENT, COMMAND, COUNT, ERROR, LEFT_OUT, LISTENER, OPEN_MILLISECONDS, PROXY, REASON, REPLY,
    RESUMED, SIZE, TLS, TLS_MILLISECONDS,
};
use crate::limits::TRACE_LINES;

/// How a field says that there is no TLS.
pub(super) const NO_TLS: &str = "none";

/// What happens on a traced connection.
#[derive(Debug, Clone, Copy)]
pub enum TraceLine<'a> {
    /// It was opened.
    Opened {
        /// Where it came in, with what is spoken there.
        listener: &'a str,
        /// The proxy that it came from.
        proxy: Option<&'a str>,
    },
    /// A TLS handshake succeeded.
    Secured {
        /// Version and cipher suite.
        tls: &'a str,
        /// Whether it resumed an earlier session.
        resumed: bool,
        /// How long it took.
        took: Duration,
    },
    /// A TLS handshake failed.
    NotSecured {
        /// Why.
        error: &'a str,
        /// How long it took.
        took: Duration,
    },
    /// The client sent a line.
    Command {
        /// As much of it as may be shown.
        shown: Option<&'a str>,
        /// What is not shown.
        left_out: Option<&'a str>,
    },
    /// The client sent data.
    Data {
        /// Bytes.
        size: u64,
        /// What is not shown.
        left_out: &'a str,
    },
    /// It was sent a line.
    Reply(&'a str),
    /// The connection, or its trace, is over.
    Ended {
        /// Why.
        reason: &'a str,
        /// What broke.
        error: Option<&'a str>,
        /// How long it was open.
        open: Duration,
    },
}

/// Adds the line.
pub(super) fn write(
    lines: &Lines,
    octets: &mut Vec<u8>,
    time: &str,
    client: &str,
    said: TraceLine<'_>,
) {
    let mut line = lines.begin(octets, Level::INFO, time, message(said));
    line.text(CLIENT, client);
    match said {
        TraceLine::Opened { listener, proxy } => {
            line.text(LISTENER, listener);
            proxy.into_iter().for_each(|proxy| line.text(PROXY, proxy));
        }
        TraceLine::Secured { tls, resumed, took } => {
            line.text(TLS, tls);
            line.word(RESUMED, if resumed { "yes" } else { "no" });
            line.time(TLS_MILLISECONDS, took);
        }
        TraceLine::NotSecured { error, took } => {
            line.text(TLS, NO_TLS);
            line.time(TLS_MILLISECONDS, took);
            line.text(ERROR, error);
        }
        TraceLine::Command { shown, left_out } => {
            shown
                .into_iter()
                .for_each(|shown| line.text(COMMAND, shown));
            if let Some(what) = left_out {
                line.text(LEFT_OUT, what);
            }
        }
        TraceLine::Data { size, left_out } => {
            line.number(SIZE, size);
            line.text(LEFT_OUT, left_out);
        }
        TraceLine::Reply(reply) => line.text(REPLY, reply),
        TraceLine::Ended {
            reason,
            error,
            open,
        } => {
            line.text(REASON, reason);
            error.into_iter().for_each(|error| line.text(ERROR, error));
            line.time(OPEN_MILLISECONDS, open);
        }
    }
    line.end();
}

fn message(said: TraceLine<'_>) -> &'static str {
    match said {
        TraceLine::Opened { .. } => "trace opened",
        TraceLine::Secured { .. } | TraceLine::NotSecured { .. } => "trace tls",
        TraceLine::Command { .. } => "trace command",
        TraceLine::Data { .. } => "trace data",
        TraceLine::Reply(_) => "trace reply",
        TraceLine::Ended { .. } => "trace ended",
    }
}

/// Adds how many lines were left out.
pub(super) fn write_left_out(lines: &Lines, octets: &mut Vec<u8>, time: &str, count: u64) {
    let mut line = lines.begin(octets, Level::WARN, time, "trace left out");
    line.number(COUNT, count);
    line.end();
}

/// The lines of one worker's traces in the present second.
#[derive(Debug, Default)]
pub(super) struct Budget {
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Budget {
    /// Whether one more is written; else it has been counted.
    pub(super) fn takes(&mut self, now: Instant) -> bool {
        let over = self.began.is_none_or(|began| is_over(began, now));
        if over && self.left_out == 0 {
            (self.began, self.written) = (Some(now), 0);
        }
        if self.written < TRACE_LINES {
            self.written += 1;
            return true;
        }
        self.left_out += 1;
        false
    }

    /// How many were left out, if there were any and their second is over, or all is.
    pub(super) fn end(&mut self, now: Instant, all: bool) -> Option<u64> {
        let over = all || self.began.is_some_and(|began| is_over(began, now));
        if !over || self.left_out == 0 {
            return None;
        }
        self.began = None;
        Some(std::mem::take(&mut self.left_out))
    }
}

fn is_over(began: Instant, now: Instant) -> bool {
    now.saturating_duration_since(began) >= Duration::from_secs(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_budget_of_a_second_are_counted_and_none_is_lost() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let (mut written, mut counted) = (0_u64, 0);
        for step in 0..10_000_u32 {
            let now = start + Duration::from_millis(u64::from(step / 4));
            counted += budget.end(now, false).unwrap_or(0);
            written += u64::from(budget.takes(now));
        }
        // Two seconds and a half, in which four lines came each millisecond.
        assert_eq!(
            written,
            2 * u64::from(TRACE_LINES) + 1000.min(u64::from(TRACE_LINES))
        );
        let end = start + Duration::from_millis(2500);
        counted += budget.end(end, true).unwrap_or(0);
        assert_eq!(written + counted, 10_000);
        assert_eq!(budget.end(end, true), None);
    }
}

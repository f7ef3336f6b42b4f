//! SIGINT and SIGTERM: the first asks reading to stop, the second ends the process.
//!
//! Owns: the two signals while records are read. Must not know: what is read, nor what stopping takes.
//! Invariants: a request to stop is never taken back; a second signal ends the process whatever it is waiting for.
//! BUGS: a second signal leaves the group without notice, as SIGKILL would.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::signal::unix::SignalKind;

use crate::failure::{Blame, Blamed};

/// A signal that stops reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What service managers send.
    Terminate,
}

impl Signal {
    fn number(self) -> i32 {
        match self {
            Signal::Interrupt => SignalKind::interrupt().as_raw_value(),
            Signal::Terminate => SignalKind::terminate().as_raw_value(),
        }
    }

    /// The exit code of a command that the signal cut short, as shells have it.
    pub fn exit_code(self) -> u8 {
        u8::try_from(128 + self.number()).expect("both numbers are below 64")
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        })
    }
}

/// Signals are not available.
#[derive(Debug, thiserror::Error)]
#[error("signals cannot be waited for: {0}")]
pub struct NoSignals(#[from] io::Error);

impl Blamed for NoSignals {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Whether reading was asked to stop; clones share the answer.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicI32>);

impl Stop {
    /// Listens for the signals from now on.
    ///
    /// # Errors
    /// Where the process cannot have a handler or a thread.
    pub fn on_signals() -> Result<Self, NoSignals> {
        let stop = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            (
                tokio::signal::unix::signal(SignalKind::interrupt())?,
                tokio::signal::unix::signal(SignalKind::terminate())?,
            )
        };
        let asked = stop.clone();
        let wait = async move {
            loop {
                let signal = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                };
                if asked.asked().is_some() {
                    std::process::exit(i32::from(signal.exit_code()));
                }
                asked.ask(signal);
            }
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(wait))?;
        Ok(stop)
    }

    /// Asks for it.
    pub fn ask(&self, signal: Signal) {
        self.0.store(signal.number(), Ordering::Relaxed);
    }

    /// The signal that asked for it.
    pub fn asked(&self) -> Option<Signal> {
        let number = self.0.load(Ordering::Relaxed);
        [Signal::Interrupt, Signal::Terminate]
            .into_iter()
            .find(|signal| signal.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_was_asked() {
        let stop = Stop::default();
        let other = stop.clone();
        assert_eq!(other.asked(), None);
        stop.ask(Signal::Terminate);
        assert_eq!(other.asked(), Some(Signal::Terminate));
        assert_eq!(Signal::Terminate.exit_code(), 143);
        assert_eq!(Signal::Interrupt.exit_code(), 130);
    }
}

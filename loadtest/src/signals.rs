//! SIGINT and SIGTERM: the first asks for an end with a report, the second ends the process.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Blame, Blamed};

/// timeout(1) sends its signal to the process and then to its group: what comes so soon is the same signal.
const SAME: Duration = Duration::from_millis(300);

static STOPPED: AtomicBool = AtomicBool::new(false);
/// As a shell shows a process that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// A signal ended it.
#[derive(Debug, Error)]
#[error("stopped by a signal")]
pub(crate) struct Stopped;

impl Blamed for Stopped {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Signals cannot be watched for.
#[derive(Debug, Error)]
#[error("signals: {0}")]
pub(crate) struct SignalError(#[from] io::Error);

impl Blamed for SignalError {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Whether a signal came.
pub(crate) fn stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// Watches for signals in a thread.
pub(crate) fn watch() -> Result<(), SignalError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let (Ok(mut interrupts), Ok(mut terminations)) = (
                    signal(SignalKind::interrupt()),
                    signal(SignalKind::terminate()),
                ) else {
                    return;
                };
                let mut first: Option<Instant> = None;
                loop {
                    tokio::select! {
                        _ = interrupts.recv() => {}
                        _ = terminations.recv() => {}
                    }
                    STOPPED.store(true, Ordering::Relaxed);
                    if first.get_or_insert_with(Instant::now).elapsed() > SAME {
                        std::process::exit(EXIT_INTERRUPTED);
                    }
                }
            });
        })?;
    Ok(())
}

//! SIGINT and SIGTERM: the first asks for an end with a report, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

/// timeout(1) sends its signal to the process and then to its group: what comes so soon is the same signal.
const SAME: Duration = Duration::from_millis(300);

static STOPPED: AtomicBool = AtomicBool::new(false);
/// As a shell shows a process that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Whether a signal came.
pub fn stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// Watches for signals in a thread of its own. The error is a text for the operator.
pub fn watch() -> Result<(), String> {
    let failed = |error: std::io::Error| format!("signals: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
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
        })
        .map_err(failed)?;
    Ok(())
}

//! What the commands that work through a topic until they are stopped have in common.
//!
//! Owns: the log around their work, the admin listener, the line "ready" and the line at the end. Must not know: what the work is.
//!
//! Invariant: the line "ready" is written once, after the topic that is read was found.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use super::output;
use crate::config::{self, LogFormat};
use crate::consume::stop::Stop;
use crate::failure::Failure;
use crate::pipeline;
use crate::pipeline::job::Job;
use crate::pipeline::step::Step;
use crate::pipeline::watch::Watch;
use crate::telemetry::admin::{self, Health, Render};
use crate::telemetry::log;

/// A line for the operator.
pub(super) fn say(text: &str) {
    tracing::warn!("{text}");
}

/// A line about what is usual.
pub(super) fn note(text: &str) {
    tracing::info!("{text}");
}

/// Works with a log, which has the error that ends the work.
pub(super) fn logged(
    config: &config::Log,
    work: impl FnOnce() -> Result<ExitCode, Failure>,
) -> ExitCode {
    let log = match log::install(config) {
        Ok(log) => log,
        Err(error) => return output::fail(&error.into()),
    };
    let failure = match work() {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    match config.format {
        // What was logged is printed before the error that ended it.
        LogFormat::Text => {
            drop(log);
            output::fail(&failure)
        }
        // With JSON logs the error is JSON too: a reader can parse every line.
        LogFormat::Json => {
            let text = failure.to_string();
            text.lines().for_each(|line| tracing::error!("{line}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The admin listener, before it serves.
pub(super) struct Admin {
    listener: std::net::TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Admin {
    /// Listens here.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Serves from now on, in the runtime that this is called in.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn serve(self, metrics: Render, health: Arc<dyn Health>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let never = std::future::pending();
        tokio::spawn(admin::serve(listener, metrics, health, never));
        Ok(())
    }
}

/// Works through the topic; calls `ready` once the topic was found.
///
/// # Errors
/// Why it ended early.
pub(super) async fn work<S: Step>(
    job: Job,
    step: Rc<S>,
    watch: &Arc<Watch>,
    ready: impl FnOnce(),
) -> Result<(), Failure> {
    let mut working = pin!(pipeline::run(job, step, Arc::clone(watch)));
    tokio::select! {
        biased;
        () = watch.found() => ready(),
        ended = &mut working => return ended,
    }
    working.await
}

/// Writes the line "ready" to standard output.
pub(super) fn print_ready(line: &str, admin: Option<SocketAddr>) {
    let admin = admin.map_or(String::new(), |admin| format!(" admin={admin}"));
    if let Err(error) = output::print(&format!("ready {line}{admin}")) {
        tracing::warn!("the line \"ready\" cannot be written to standard output: {error}");
    }
}

/// Says what a run came to that nothing kept from its end, or that a signal ended; with its exit code.
pub(super) fn ended(stop: &Stop, until_end: bool, mails: u64, passed_over: u64) -> ExitCode {
    let Some(signal) = stop.asked() else {
        tracing::info!(mails, passed_over, "done");
        return ExitCode::SUCCESS;
    };
    tracing::info!(mails, passed_over, "stopped");
    // What follows the topic has no other end; what was to reach an end did not.
    if until_end {
        ExitCode::from(signal.exit_code())
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::stop::Signal;

    #[test]
    fn a_signal_fails_only_what_was_to_reach_an_end() {
        let stop = Stop::default();
        assert_eq!(ended(&stop, true, 1, 0), ExitCode::SUCCESS);
        stop.ask(Signal::Terminate);
        assert_eq!(ended(&stop, false, 1, 0), ExitCode::SUCCESS);
        assert_eq!(ended(&stop, true, 1, 0), ExitCode::from(143));
    }
}

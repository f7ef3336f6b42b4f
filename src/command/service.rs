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
use std::time::Instant;

use tracing::Level;

use super::cluster::Settings;
use super::output;
use crate::config::{self, LogFormat};
use crate::consume::stop::Stop;
use crate::failure::Failure;
use crate::pipeline;
use crate::pipeline::job::Job;
use crate::pipeline::step::Step;
use crate::pipeline::watch::Watch;
use crate::telemetry::admin::{self, Pages};
use crate::telemetry::line::Writer;
use crate::telemetry::lines::Lines;
use crate::telemetry::log::{self, LogHandle};
use crate::telemetry::status::observer::{Observed, Observer};
use crate::telemetry::status::plain::plain;
use crate::telemetry::status::snapshot::{Fact, Limit, Storage, Topic};
use crate::telemetry::status::{Reading, State};
use crate::telemetry::vocabulary::field::{
    ADMIN, BROKERS, EXIT_CODE, GROUP, HOSTNAME, MAILS, PASSED_OVER, REASON, TOPIC, UPTIME_SECONDS,
    VERSION,
};
use crate::telemetry::vocabulary::{Field, Text};

/// A line for the operator.
pub(super) fn say(text: &str) {
    tracing::warn!("{text}");
}

/// A line about what is usual.
pub(super) fn note(text: &str) {
    tracing::info!("{text}");
}

/// What is said when such a command starts, and again when it is ready.
pub(super) struct Begun<'a> {
    /// Its settings.
    pub(super) settings: &'a Settings,
    /// The consumer group.
    pub(super) group: &'a str,
    /// Where its mail goes, and the name of that in a line.
    pub(super) to: (Field<Text>, &'a str),
    /// The admin listener.
    pub(super) admin: Option<SocketAddr>,
}

impl Begun<'_> {
    /// Says that it starts.
    pub(super) fn say_starting(&self, lines: &Lines) {
        lines.say(Level::INFO, "starting", |line| {
            line.text(VERSION, env!("CARGO_PKG_VERSION"));
            line.text(HOSTNAME, &self.settings.config.server.hostname);
            self.write(line);
        });
    }

    /// Says that the topic was found.
    pub(super) fn say_ready(&self, lines: &Lines) {
        lines.say(Level::INFO, "ready", |line| self.write(line));
    }

    fn write(&self, line: &mut Writer<'_>) {
        line.text(BROKERS, &self.settings.brokers);
        line.text(TOPIC, &self.settings.topic);
        line.text(GROUP, self.group);
        line.text(self.to.0, self.to.1);
        let admin = self.admin.map(|admin| admin.to_string());
        line.text(ADMIN, admin.as_deref().unwrap_or("none"));
    }
}

/// How such a command ended, unless it failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// A signal, or the end that was asked for.
    reason: String,
    exit_code: u8,
    mails: u64,
    passed_over: u64,
}

/// Says how it ended.
fn say_stopped(lines: &Lines, began: Instant, ended: Result<&Ended, &Failure>) {
    let level = if ended.is_ok() {
        Level::INFO
    } else {
        Level::ERROR
    };
    lines.say(level, "stopped", |line| {
        let (reason, exit_code) = match ended {
            Ok(ended) => (ended.reason.as_str(), ended.exit_code),
            Err(failure) => (FAILED, failure.exit_code()),
        };
        line.text(REASON, reason);
        line.number(EXIT_CODE, u64::from(exit_code));
        line.number(UPTIME_SECONDS, began.elapsed().as_secs());
        if let Ok(ended) = ended {
            line.number(MAILS, ended.mails);
            line.number(PASSED_OVER, ended.passed_over);
        }
    });
}

/// The reason of an end that an error explains, which follows.
pub(super) const FAILED: &str = "failed";

/// Works with a log, which has the error that ends the work.
pub(super) fn logged(
    config: &config::Log,
    work: impl FnOnce(&LogHandle) -> Result<Ended, Failure>,
) -> ExitCode {
    let began = Instant::now();
    let log = match log::install(config) {
        Ok(log) => log,
        Err(error) => return output::fail(&error.into()),
    };
    let ended = work(&log);
    say_stopped(&log.lines(), began, ended.as_ref());
    let failure = match ended {
        Ok(ended) => return ExitCode::from(ended.exit_code),
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
    pub(super) fn serve(self, observed: Observed, about: &About) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let never = std::future::pending();
        let pages = Pages {
            configuration: Arc::new({
                let text = about.configuration(observed.command);
                move || text.clone()
            }),
            hostname: about.hostname.clone(),
            observer: Arc::new(Observer::new(observed)),
        };
        tokio::spawn(admin::serve(listener, pages, never));
        Ok(())
    }
}

/// What a command that works through a topic says of itself on its status page.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub hostname: String,
    pub brokers: String,
    pub topic: String,
    pub group: String,
    /// Where its work goes: a name, the name for people, and the value.
    pub to: (&'static str, &'static str, String),
    /// Records that are held at once, and their bytes: what bounds each, and how many there may be.
    pub bounds: [(&'static str, f64); 2],
    /// The effective configuration, without secrets.
    pub effective: String,
}

impl About {
    /// What `/config` shows: what the flags decide, and the configuration below them.
    fn configuration(&self, command: &str) -> String {
        let (name, _, to) = &self.to;
        let flags = [
            ("brokers", &self.brokers),
            ("topic", &self.topic),
            ("group", &self.group),
            (*name, to),
        ];
        let mut text = format!("# ringpost {command} uses:\n");
        for (name, value) in flags {
            text.push_str(&format!("#   {name}: {}\n", plain(value)));
        }
        text.push_str(
            "# Properties of --property are not listed. What follows is the configuration of serve, of which server.hostname, \
             [kafka], [objects] and [log] concern this command.\n",
        );
        text + &self.effective
    }

    /// Its state; `away` is why no record is read or none can be committed.
    pub(super) fn state(&self, reading: &Reading, away: Option<String>) -> State {
        let (name, text, to) = &self.to;
        let [(records, most_records), (bytes, most_bytes)] = self.bounds;
        let used = |metric| reading.sum(metric);
        State {
            hostname: self.hostname.clone(),
            facts: vec![
                Fact::new("group", "Consumer group", &self.group),
                Fact::new(name, text, to),
            ],
            limits: vec![
                Limit::count(
                    records,
                    used("ringpost_pipeline_records_held"),
                    most_records,
                ),
                Limit::bytes(bytes, used("ringpost_pipeline_held_bytes"), most_bytes),
            ],
            storage: Some(Storage {
                address: self.brokers.clone(),
                away: away.is_some(),
                topics: vec![Topic {
                    name: self.topic.clone(),
                    ok: away.is_none(),
                    ..Topic::default()
                }],
                reason: away,
                ..Storage::default()
            }),
            ..State::default()
        }
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

/// What a run came to that nothing kept from its end, or that a signal ended.
pub(super) fn ended(stop: &Stop, until_end: bool, mails: u64, passed_over: u64) -> Ended {
    let signal = stop.asked();
    Ended {
        reason: signal.map_or(REACHED_END.to_owned(), |signal| signal.to_string()),
        // What follows the topic has no other end; what was to reach an end did not.
        exit_code: match signal {
            Some(signal) if until_end => signal.exit_code(),
            Some(_) | None => 0,
        },
        mails,
        passed_over,
    }
}

/// The reason of the end that `--until-end` asks for.
const REACHED_END: &str = "end of the topic";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::stop::Signal;

    #[test]
    fn a_signal_fails_only_what_was_to_reach_an_end() {
        let stop = Stop::default();
        let of = |stop: &Stop, until_end| {
            let ended = ended(stop, until_end, 1, 0);
            (ended.reason, ended.exit_code)
        };
        assert_eq!(of(&stop, true), (REACHED_END.to_owned(), 0));
        stop.ask(Signal::Terminate);
        assert_eq!(of(&stop, false), ("SIGTERM".to_owned(), 0));
        assert_eq!(of(&stop, true), ("SIGTERM".to_owned(), 143));
    }
}

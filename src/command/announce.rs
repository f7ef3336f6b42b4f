//! What a server says of itself: the log lines "starting", "ready" and "stopped", and the line on standard output.
//!
//! Owns: what these lines name. Must not know: how a server starts and ends.
//!
//! Invariant: no secret is in them; a list of any length takes a bounded line.

use std::fmt::Display;
use std::time::Instant;

use tracing::Level;

use super::output;
use super::quick_start;
use super::service::FAILED;
use crate::failure::Failure;
use crate::net::connection::Opening;
use crate::net::worker::CutOff;
use crate::server::addresses::Spoken;
use crate::server::shares::worker_count;
use crate::server::{Checked, Facts, Stopped};
use crate::sink::Keeps;
use crate::telemetry::line::Writer;
use crate::telemetry::lines::Lines;
use crate::telemetry::metrics::Done;
use crate::telemetry::vocabulary::field::{
    ADMIN, BROKERS, CONNECTIONS, CONNECTIONS_CUT_OFF, DOMAINS, DRAIN_MILLISECONDS, EXIT_CODE,
    HOSTNAME, IO, LIMIT_CONNECTIONS, LIMIT_CONNECTIONS_PER_IP, LIMIT_IN_FLIGHT_BYTES,
    LIMIT_MESSAGE_SIZE, LIMIT_RECIPIENTS, MESSAGES_ACCEPTED, MESSAGES_REFUSED, REASON,
    RECORDS_CUT_OFF, SMTP, TOPIC, UPTIME_SECONDS, VERSION, WORKERS,
};

/// Names of a list that are written.
const NAMES_TOLD: usize = 10;

/// Says what is about to start, as it is configured: a port may still be 0. Then what is odd about it.
pub(super) fn starting(checked: &Checked, lines: &Lines) {
    let config = &checked.loaded.config;
    let (limits, smtp) = (&config.limits, checked.addresses.smtp());
    lines.say(Level::INFO, "starting", |line| {
        line.text(VERSION, env!("CARGO_PKG_VERSION"));
        line.text(HOSTNAME, &config.server.hostname);
        line.text(DOMAINS, &bounded(&config.recipients.domains));
        line.text(BROKERS, &config.kafka.brokers.to_string());
        line.text(TOPIC, &config.kafka.topic);
        line.text(SMTP, &listeners(&smtp, checked.material.is_some()));
        line.text(ADMIN, &checked.addresses.admin().to_string());
        line.number(WORKERS, worker_count(config) as u64);
        line.text(IO, checked.io.label());
        line.number(LIMIT_MESSAGE_SIZE, limits.message_size);
        line.number(LIMIT_RECIPIENTS, limits.recipients as u64);
        line.number(LIMIT_CONNECTIONS, limits.connections as u64);
        line.number(LIMIT_CONNECTIONS_PER_IP, limits.connections_per_ip as u64);
        line.number(LIMIT_IN_FLIGHT_BYTES, limits.in_flight_bytes);
    });
    for warning in &checked.warnings {
        tracing::warn!("{warning}");
    }
}

/// Says that everything listens and every worker serves: in the log, and by the one line on standard output. What a newcomer
/// can do now is printed before it.
pub(super) fn ready(facts: &Facts, lines: &Lines) {
    if facts.sink.keeps == Keeps::Memory {
        output::complain_text(&quick_start::banner_here(facts));
    }
    lines.say(Level::INFO, "ready", |line| {
        let starttls = facts.config.tls.certificate.is_some();
        line.text(SMTP, &listeners(&facts.smtp, starttls));
        line.text(ADMIN, &facts.admin.to_string());
        line.text(BROKERS, &facts.sink.address);
        line.text(TOPIC, facts.sink.first_topic());
    });
    // Supervisors that close standard output exist, and mail needs none.
    if let Err(error) = output::print(&ready_line(facts)) {
        tracing::warn!(
            "the line \"ready\" cannot be written to standard output: {error}; ringpost serves anyway, and the log says \
             ready as well"
        );
    }
}

/// The one line on standard output. `smtps=`, where there is one, repeats the addresses that begin with TLS.
fn ready_line(facts: &Facts) -> String {
    let Facts {
        smtp,
        admin,
        sink,
        io,
        ..
    } = facts;
    let all = joined(smtp.iter().map(|spoken| spoken.address), ",");
    let mut line = format!(
        "ready smtp={all} admin={admin} kafka={} topic={} io={}",
        sink.address,
        sink.first_topic(),
        io.label()
    );
    let with_tls = smtp.iter().filter(|spoken| spoken.opening == Opening::Tls);
    let implicit = joined(with_tls.map(|spoken| spoken.address), ",");
    if !implicit.is_empty() {
        line += &format!(" smtps={implicit}");
    }
    line
}

/// How the process ends, as the line "stopped" has it.
pub(super) struct End<'a> {
    /// Why; the failure follows in lines of its own.
    pub(super) stopped: Result<&'a Stopped, &'a Failure>,
    /// When the process began.
    pub(super) began: Instant,
    /// What it did meanwhile.
    pub(super) done: Done,
}

impl End<'_> {
    /// Says it.
    pub(super) fn say(&self, lines: &Lines) {
        let cut_off = match self.stopped {
            Ok(Stopped::Drained { drained, .. }) => Some(drained.cut_off),
            Ok(Stopped::AtOnce) | Err(_) => None,
        };
        let level = match self.stopped {
            Ok(_) if cut_off == Some(CutOff::default()) => Level::INFO,
            Ok(_) => Level::WARN,
            Err(_) => Level::ERROR,
        };
        let message = match self.stopped {
            Ok(Stopped::AtOnce) => "stopped by a second signal; what was open is cut off",
            Ok(_) if level == Level::WARN => "stopped; server.drain_timeout cut off what was left",
            Ok(_) | Err(_) => "stopped",
        };
        lines.say(level, message, |line| self.write(line));
    }

    fn write(&self, line: &mut Writer<'_>) {
        let reason = match self.stopped {
            Ok(Stopped::Drained { why, .. }) => why.to_string(),
            Ok(Stopped::AtOnce) => "second signal".to_owned(),
            Err(_) => FAILED.to_owned(),
        };
        line.text(REASON, &reason);
        line.number(EXIT_CODE, u64::from(exit_code(self.stopped)));
        line.number(UPTIME_SECONDS, self.began.elapsed().as_secs());
        line.number(CONNECTIONS, self.done.connections);
        line.number(MESSAGES_ACCEPTED, self.done.messages_accepted);
        line.number(MESSAGES_REFUSED, self.done.messages_refused);
        if let Ok(Stopped::Drained { drained, .. }) = self.stopped {
            line.time(DRAIN_MILLISECONDS, drained.took);
            line.number(CONNECTIONS_CUT_OFF, drained.cut_off.connections as u64);
            line.number(RECORDS_CUT_OFF, drained.cut_off.records as u64);
        }
    }
}

/// The exit code of this end.
pub(super) fn exit_code(stopped: Result<&Stopped, &Failure>) -> u8 {
    match stopped {
        Ok(Stopped::Drained { .. }) => 0,
        Ok(Stopped::AtOnce) => 1,
        Err(failure) => failure.exit_code(),
    }
}

/// Every address with its protocol.
fn listeners(smtp: &[Spoken], starttls: bool) -> String {
    let texts: Vec<String> = smtp.iter().map(|spoken| spoken.text(starttls)).collect();
    bounded(&texts)
}

fn joined(names: impl Iterator<Item = impl Display>, between: &str) -> String {
    let names: Vec<String> = names.map(|name| name.to_string()).collect();
    names.join(between)
}

/// The first few, and how many there are beside them.
fn bounded(names: &[String]) -> String {
    let text = joined(names.iter().take(NAMES_TOLD), ", ");
    match names.len().saturating_sub(NAMES_TOLD) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::sink::Description;
    use crate::telemetry::metrics::Io;

    fn facts(openings: &[Opening]) -> Facts {
        let smtp = openings.iter().zip(2525..).map(|(&opening, port)| Spoken {
            address: ([127, 0, 0, 1], port).into(),
            opening,
        });
        Facts {
            smtp: smtp.collect(),
            admin: "127.0.0.1:9925".parse().unwrap(),
            sink: Description {
                address: "b:9092".to_owned(),
                topics: crate::config::Topics::one("mail"),
                message_size: 1000,
                keeps: Keeps::Replicas,
            },
            io: Io::Epoll,
            config: Config::default(),
        }
    }

    #[test]
    fn each_address_is_named_with_what_is_spoken_there() {
        use Opening::{Clear, Proxied, Tls};
        let all = facts(&[Clear, Clear, Tls, Proxied]).smtp;
        assert_eq!(
            listeners(&all, true),
            "127.0.0.1:2525 clear+STARTTLS, 127.0.0.1:2526 clear+STARTTLS, 127.0.0.1:2527 TLS, \
             127.0.0.1:2528 PROXY+clear+STARTTLS"
        );
        assert_eq!(
            listeners(&all[..2], false),
            "127.0.0.1:2525 clear, 127.0.0.1:2526 clear"
        );
    }

    #[test]
    fn the_line_on_standard_output_keeps_its_keys_and_adds_one_for_tls() {
        use Opening::{Clear, Proxied, Tls};
        assert_eq!(
            ready_line(&facts(&[Clear, Clear, Tls, Proxied])),
            "ready smtp=127.0.0.1:2525,127.0.0.1:2526,127.0.0.1:2527,127.0.0.1:2528 admin=127.0.0.1:9925 kafka=b:9092 \
             topic=mail io=epoll smtps=127.0.0.1:2527"
        );
        assert_eq!(
            ready_line(&facts(&[Clear, Clear])),
            "ready smtp=127.0.0.1:2525,127.0.0.1:2526 admin=127.0.0.1:9925 kafka=b:9092 topic=mail io=epoll"
        );
    }

    #[test]
    fn a_long_list_takes_a_short_line() {
        let names: Vec<String> = (0..1000)
            .map(|number| format!("d{number}.example"))
            .collect();
        let text = bounded(&names);
        assert!(text.starts_with("d0.example, d1.example, "), "{text}");
        assert!(text.ends_with("d9.example and 990 more"), "{text}");
    }
}

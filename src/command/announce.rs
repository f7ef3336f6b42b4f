//! What a server says of itself: the log lines "starting", "ready" and "stopped", and the line on standard output.
//!
//! Owns: what these lines name. Must not know: how a server starts and ends.
//!
//! Invariant: no secret is in them; a list of any length takes a bounded line.

use super::output;
use super::quick_start;
use crate::net::connection::Opening;
use crate::net::worker::CutOff;
use crate::server::addresses::Spoken;
use crate::server::shares::worker_count;
use crate::server::{Checked, Drained, Facts, Stopped};
use crate::sink::Keeps;
use std::fmt::Display;

/// Names of a list that are written.
const NAMES_TOLD: usize = 10;

/// Says what is about to start, as it is configured: a port may still be 0. Then what is odd about it.
pub(super) fn starting(checked: &Checked) {
    let config = &checked.loaded.config;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        hostname = config.server.hostname,
        domains = bounded(&config.recipients.domains),
        brokers = %config.kafka.brokers,
        topic = config.kafka.topic,
        smtp = listeners(&checked.addresses.smtp(), checked.material.is_some()),
        admin = %checked.addresses.admin(),
        workers = worker_count(config),
        io = checked.io.label(),
        "starting"
    );
    for warning in &checked.warnings {
        tracing::warn!("{warning}");
    }
}

/// Says that everything listens and every worker serves: in the log, and by the one line on standard output. What a newcomer
/// can do now is printed before it.
pub(super) fn ready(facts: &Facts) {
    if facts.sink.keeps == Keeps::Memory {
        output::complain_text(&quick_start::banner_here(facts));
    }
    tracing::info!(
        smtp = listeners(&facts.smtp, facts.config.tls.certificate.is_some()),
        admin = %facts.admin,
        brokers = facts.sink.address,
        topic = facts.sink.first_topic(),
        "ready"
    );
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

/// Says how it ended.
pub(super) fn stopped(stopped: Stopped) {
    let Drained { took, cut_off } = match stopped {
        Stopped::Drained(drained) => drained,
        Stopped::AtOnce => {
            tracing::warn!("stopped by a second signal; what was open is cut off");
            return;
        }
    };
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let CutOff {
        connections,
        records,
    } = cut_off;
    if cut_off == CutOff::default() {
        tracing::info!(milliseconds, connections, records, "stopped");
    } else {
        tracing::warn!(
            milliseconds,
            connections,
            records,
            "stopped; server.drain_timeout cut off what was left"
        );
    }
}

/// Every address with its protocol.
fn listeners(smtp: &[Spoken], starttls: bool) -> String {
    let clear = if starttls { "clear+STARTTLS" } else { "clear" };
    let texts: Vec<String> = smtp
        .iter()
        .map(|Spoken { address, opening }| match opening {
            Opening::Clear => format!("{address} {clear}"),
            Opening::Tls => format!("{address} TLS"),
            Opening::Proxied => format!("{address} PROXY+{clear}"),
        })
        .collect();
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

//! The report for people, in some lines.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use super::data::{EndedBy, LoopKind, Percentiles, Report, Verified};
use crate::fault::{Reason, ReasonKind};
use crate::tally::Phase;
use crate::units::{grouped, show_bytes, show_number};

/// The phases in the order of a message's way, with what they are called.
pub(crate) const ROWS: [(Phase, &str); 8] = [
    (Phase::Connect, "connect"),
    (Phase::Banner, "banner"),
    (Phase::Tls, "TLS"),
    (Phase::Ehlo, "EHLO"),
    (Phase::Envelope, "MAIL to 354"),
    (Phase::Reply, "end to reply"),
    (Phase::Whole, "whole"),
    (Phase::StartLag, "(own lag)"),
];

/// Most kinds of reasons that are listed.
const MOST_REASONS: usize = 12;

/// The whole report.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    write(report, &mut text).expect("a String takes everything");
    text
}

fn write(report: &Report, text: &mut String) -> fmt::Result {
    write_counts(report, text)?;
    write_setting(report, text)?;
    write_latencies(report, text)?;
    write_costs(report, text)?;
    if let Some(verify) = &report.verify {
        write_verify(verify, text)?;
    }
    writeln!(text, "limit        {}", report.limit.text)?;
    for assertion in &report.assertions {
        let value = assertion.measured();
        let holds = if assertion.holds { "holds" } else { "FAILS" };
        writeln!(text, "assert       {}: {holds} ({value})", assertion.text)?;
    }
    match &report.failures()[..] {
        [] => writeln!(text, "result       passed"),
        failures => writeln!(text, "result       failed: {}", failures.join("; ")),
    }
}

fn write_counts(report: &Report, text: &mut String) -> fmt::Result {
    let messages = &report.messages;
    let options = &report.options;
    writeln!(
        text,
        "run          {} to {}, {:.3} s, {} loop{}",
        report.run,
        report.target,
        report.elapsed_seconds,
        match options.loop_kind {
            LoopKind::Open => "open",
            LoopKind::Closed => "closed",
        },
        match (options.rate, options.connection_rate) {
            (Some(rate), _) => format!(", {} messages/s", show_number(rate)),
            (_, Some(rate)) => format!(", {} connections/s", show_number(rate)),
            _ => String::new(),
        }
    )?;
    writeln!(
        text,
        "messages     {} accepted, {} refused, {} unanswered, {} unsent{}; {} bytes on average",
        grouped(messages.accepted),
        grouped(messages.refused),
        grouped(messages.unanswered),
        grouped(messages.unsent),
        if messages.misbehaved > 0 {
            format!(", {} misbehaved", grouped(messages.misbehaved))
        } else {
            String::new()
        },
        grouped(options.message_octets_mean.round() as u64)
    )?;
    writeln!(
        text,
        "rate         {} messages/s, {:.2} MB/s",
        show_number(report.messages_per_second),
        report.megabytes_per_second
    )?;
    write_connections(report, text)?;
    write_replies(report, text)
}

/// What the figures are to be read with: the machine, and who answered.
fn write_setting(report: &Report, text: &mut String) -> fmt::Result {
    writeln!(text, "machine      {}", report.machine.line())?;
    match &report.greeting {
        None => Ok(()),
        Some(greeting) => writeln!(
            text,
            "server       {}\n             offers {}",
            greeting.banner,
            greeting.offers()
        ),
    }
}

fn write_connections(report: &Report, text: &mut String) -> fmt::Result {
    write!(
        text,
        "connections  {} opened, {} at a time",
        grouped(report.connections_opened),
        grouped(report.options.connections.into())
    )?;
    if report.tls.handshakes > 0 {
        write!(
            text,
            "; {} TLS handshakes, {} resumed",
            grouped(report.tls.handshakes),
            grouped(report.tls.resumed)
        )?;
    }
    writeln!(text)?;
    if let Some(idle) = &report.idle {
        write!(
            text,
            "idle         {} of {} opened, {} closed by the server",
            grouped(idle.opened),
            grouped(idle.asked.into()),
            grouped(idle.closed_by_server)
        )?;
        match (idle.server_rss_bytes_per_session, &idle.server_rss_note) {
            (Some(each), _) => writeln!(
                text,
                "; the server's memory grew by {} each (what a session costs, if the server was just started)",
                show_bytes(each)
            )?,
            (None, Some(note)) => writeln!(text, "; {note}")?,
            (None, None) => writeln!(text)?,
        }
    }
    Ok(())
}

fn write_replies(report: &Report, text: &mut String) -> fmt::Result {
    writeln!(text, "replies      {}", list(&report.replies))?;
    write_reasons(report, ReasonKind::Refused, "refused", text)?;
    if report.recipients_refused > 0 {
        writeln!(
            text,
            "recipients   {} refused in messages that went on without them",
            grouped(report.recipients_refused)
        )?;
        write_reasons(report, ReasonKind::Recipient, "", text)?;
    }
    write_errors(report, text)?;
    for shape in &report.shapes_given_up {
        writeln!(text, "gave up      {}", shape.line())?;
    }
    for (misdeed, outcomes) in &report.misbehaviour {
        writeln!(text, "misbehaved   {misdeed}: {}", list(outcomes))?;
    }
    match report.ended_by {
        EndedBy::Errors => writeln!(
            text,
            "gave up      too many errors without an answer in between (--max-errors)"
        ),
        EndedBy::Signal => writeln!(text, "stopped      by a signal"),
        EndedBy::Duration | EndedBy::Messages => Ok(()),
    }
}

fn write_errors(report: &Report, text: &mut String) -> fmt::Result {
    let happened: BTreeMap<_, _> = report
        .errors
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| (name, *count))
        .collect();
    if happened.is_empty() {
        writeln!(text, "errors       0")?;
    } else {
        writeln!(
            text,
            "errors       {}: {}",
            grouped(report.errors_total),
            list(&happened)
        )?;
    }
    write_reasons(report, ReasonKind::Error, "", text)?;
    match report.reasons_not_listed {
        0 => Ok(()),
        more => writeln!(
            text,
            "             {} refusals and errors with further texts",
            grouped(more)
        ),
    }
}

/// The server's words for one kind of failure, the most frequent first, each with its hint.
fn write_reasons(report: &Report, kind: ReasonKind, title: &str, text: &mut String) -> fmt::Result {
    let reasons: Vec<&Reason> = report
        .reasons
        .iter()
        .filter(|reason| reason.kind == kind)
        .collect();
    for (index, reason) in reasons.iter().take(MOST_REASONS).enumerate() {
        let title = if index == 0 { title } else { "" };
        writeln!(text, "{title:<12} {}", reason.counted())?;
        if let Some(hint) = &reason.hint {
            writeln!(text, "               hint: {hint}")?;
        }
    }
    match reasons.len().checked_sub(MOST_REASONS) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(
            text,
            "             and {more} further texts; --json has them"
        ),
    }
}

fn write_latencies(report: &Report, text: &mut String) -> fmt::Result {
    let measured = ROWS
        .iter()
        .map(|(phase, title)| (report.phase(*phase), title));
    let measured: Vec<_> = measured.filter(|(times, _)| times.count > 0).collect();
    if measured.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "                 p50 \u{b5}s     p90 \u{b5}s     p99 \u{b5}s   p99.9 \u{b5}s     max \u{b5}s      count"
    )?;
    for (times, title) in measured {
        write_row(text, title, times)?;
    }
    Ok(())
}

fn write_row(text: &mut String, title: &str, percentiles: &Percentiles) -> fmt::Result {
    let Percentiles {
        p50,
        p90,
        p99,
        p99_9,
        max,
        count,
        ..
    } = *percentiles;
    write!(text, "{title:<12}")?;
    for value in [p50, p90, p99, p99_9, max, count] {
        write!(text, " {:>10}", grouped(value))?;
    }
    writeln!(text)
}

fn write_costs(report: &Report, text: &mut String) -> fmt::Result {
    write_cpu(
        text,
        "tester CPU",
        report.own.cpu_microseconds_per_message,
        report.own.cpu_seconds,
    )?;
    if let Some(server) = &report.server {
        write_cpu(
            text,
            "server CPU",
            server.cpu_microseconds_per_message,
            server.cpu_seconds,
        )?;
        writeln!(
            text,
            "server RSS   {} at its peak, {} now, {} process{}",
            show_bytes(server.peak_rss_bytes as f64),
            show_bytes(server.rss_bytes as f64),
            server.processes,
            if server.processes == 1 { "" } else { "es" }
        )?;
    }
    if let Some(error) = &report.metrics_error {
        writeln!(text, "metrics      {error}")?;
    }
    for (name, grown) in report.counters() {
        writeln!(text, "metric       {name} +{}", show_number(grown))?;
    }
    Ok(())
}

fn write_cpu(text: &mut String, name: &str, each: Option<f64>, seconds: f64) -> fmt::Result {
    match each {
        Some(each) => writeln!(
            text,
            "{name:<12} {each:.1} \u{b5}s a message, {seconds:.2} s in all"
        ),
        None => writeln!(text, "{name:<12} {seconds:.2} s in all"),
    }
}

fn write_verify(verify: &Verified, text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "verify       {}, {} duplicated ({} by a produce retry), {} altered, {} with another envelope; {} records",
        match verify.lost {
            Some(lost) => format!("{} lost", grouped(lost)),
            None => format!(
                "{} not found (unknown, not lost)",
                grouped(verify.not_found)
            ),
        },
        grouped(verify.duplicated),
        grouped(verify.duplicated_same_id),
        grouped(verify.altered),
        grouped(verify.envelope_differs),
        grouped(verify.records)
    )?;
    if verify.stored_without_reply > 0 {
        writeln!(
            text,
            "             {} stored whose 250 was not read",
            grouped(verify.stored_without_reply)
        )?;
    }
    if verify.foreign > 0 {
        writeln!(
            text,
            "             {} records of other origin",
            grouped(verify.foreign)
        )?;
    }
    write_unknown(verify, text)?;
    if verify.readable_microseconds.count > 0 {
        write_row(text, "250 to read", &verify.readable_microseconds)?;
    }
    Ok(())
}

/// What was not found, and what is not known.
fn write_unknown(verify: &Verified, text: &mut String) -> fmt::Result {
    for id in &verify.lost_message_ids {
        let what = verify.lost.map_or("not found", |_| "lost");
        writeln!(text, "             {what}: {id}")?;
    }
    if !verify.complete {
        writeln!(
            text,
            "             NOT COMPLETE within --verify-wait: {}",
            verify.incomplete()
        )?;
    }
    if let Some(error) = &verify.kafka_last_error {
        writeln!(
            text,
            "             {} errors of the Kafka client, the last: {error}",
            grouped(verify.kafka_errors)
        )?;
    }
    Ok(())
}

fn list<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{} x {name}", grouped(*count)))
        .collect();
    parts.join(", ")
}

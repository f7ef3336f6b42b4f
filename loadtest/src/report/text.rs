//! The report for people, in some lines.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use super::{Percentiles, Report};

/// The phases in the order of a message's way, with what they are called.
pub const ROWS: [(&str, &str); 8] = [
    ("connect", "connect"),
    ("banner", "banner"),
    ("tls", "TLS"),
    ("ehlo", "EHLO"),
    ("envelope", "MAIL to 354"),
    ("reply", "end to reply"),
    ("whole", "whole"),
    ("start_lag", "(own lag)"),
];

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    write(report, &mut text).expect("a String takes everything");
    text
}

fn write(report: &Report, text: &mut String) -> fmt::Result {
    write_counts(report, text)?;
    write_latencies(report, text)?;
    write_costs(report, text)?;
    if report.verify.is_some() {
        write_verify(report, text)?;
    }
    writeln!(text, "limit        {}", report.limit.text)?;
    for assertion in &report.assertions {
        let value = assertion.measured();
        let holds = if assertion.holds { "holds" } else { "FAILS" };
        writeln!(text, "assert       {}: {holds} ({value})", assertion.text)?;
    }
    Ok(())
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
        options.loop_kind,
        match (options.rate, options.connection_rate) {
            (Some(rate), _) => format!(", {rate} messages/s"),
            (_, Some(rate)) => format!(", {rate} connections/s"),
            _ => String::new(),
        }
    )?;
    writeln!(
        text,
        "messages     {} accepted, {} refused, {} unanswered, {} unsent{}; {:.0} octets on average",
        messages.accepted,
        messages.refused,
        messages.unanswered,
        messages.unsent,
        if messages.misbehaved > 0 {
            format!(", {} misbehaved", messages.misbehaved)
        } else {
            String::new()
        },
        options.message_octets_mean
    )?;
    writeln!(
        text,
        "rate         {:.0} messages/s, {:.2} MB/s",
        report.messages_per_second, report.megabytes_per_second
    )?;
    write_connections(report, text)?;
    write_replies(report, text)
}

fn write_connections(report: &Report, text: &mut String) -> fmt::Result {
    write!(
        text,
        "connections  {} opened, {} at a time",
        report.connections_opened, report.options.connections
    )?;
    if report.tls.handshakes > 0 {
        write!(
            text,
            "; {} TLS handshakes, {} resumed",
            report.tls.handshakes, report.tls.resumed
        )?;
    }
    writeln!(text)?;
    if let Some(idle) = &report.idle {
        write!(
            text,
            "idle         {} of {} opened, {} closed by the server",
            idle.opened, idle.asked, idle.closed_by_server
        )?;
        match idle.server_rss_bytes_per_session {
            Some(each) => writeln!(text, "; {each:.0} octets of the server's memory each")?,
            None => writeln!(text)?,
        }
    }
    Ok(())
}

fn write_replies(report: &Report, text: &mut String) -> fmt::Result {
    writeln!(text, "replies      {}", list(&report.replies))?;
    if report.messages.refused > 0 {
        writeln!(text, "refused by   {}", list(&report.refused_by_code))?;
    }
    if report.recipients_refused > 0 {
        writeln!(
            text,
            "recipients   {} refused in messages that went on without them",
            report.recipients_refused
        )?;
    }
    let happened: BTreeMap<_, _> = report
        .errors
        .iter()
        .filter(|(_, count)| **count > 0)
        .collect();
    writeln!(
        text,
        "errors       {} {}",
        report.errors_total,
        list(&happened)
    )?;
    for (misdeed, outcomes) in &report.misbehaviour {
        writeln!(text, "misbehaved   {misdeed}: {}", list(outcomes))?;
    }
    match report.ended_by {
        "errors" => writeln!(
            text,
            "gave up      too many errors without an accepted message in between (--max-errors)"
        ),
        "signal" => writeln!(text, "stopped      by a signal"),
        _ => Ok(()),
    }
}

fn write_latencies(report: &Report, text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "microseconds        p50       p90       p99     p99.9       max     count"
    )?;
    for (name, title) in ROWS {
        if let Some(percentiles) = report
            .latency_microseconds
            .get(name)
            .filter(|percentiles| percentiles.count > 0)
        {
            write_row(text, title, percentiles)?;
        }
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
    } = percentiles;
    writeln!(
        text,
        "{title:<12} {p50:>10}{p90:>10}{p99:>10}{p99_9:>10}{max:>10}{count:>10}"
    )
}

fn write_costs(report: &Report, text: &mut String) -> fmt::Result {
    write_cpu(
        text,
        "own CPU",
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
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        writeln!(
            text,
            "server RSS   {:.1} MiB at its peak, {:.1} MiB now, {} processes",
            mebibytes(server.peak_rss_bytes),
            mebibytes(server.rss_bytes),
            server.processes
        )?;
    }
    if let Some(error) = &report.metrics_error {
        writeln!(text, "metrics      {error}")?;
    }
    for change in report
        .metrics
        .iter()
        .flatten()
        .filter(|change| change.name.contains("_total"))
    {
        let before = change.before.unwrap_or(0.0);
        writeln!(
            text,
            "metric       {} +{}",
            change.name,
            change.after - before
        )?;
    }
    Ok(())
}

fn write_cpu(text: &mut String, name: &str, each: Option<f64>, seconds: f64) -> fmt::Result {
    match each {
        Some(each) => writeln!(
            text,
            "{name:<12} {each:.1} microseconds/message, {seconds:.2} s"
        ),
        None => writeln!(text, "{name:<12} {seconds:.2} s"),
    }
}

fn write_verify(report: &Report, text: &mut String) -> fmt::Result {
    let Some(verify) = &report.verify else {
        return Ok(());
    };
    writeln!(
        text,
        "verify       {} lost, {} duplicated ({} by a produce retry), {} altered, {} with another envelope; {} records",
        verify.lost,
        verify.duplicated,
        verify.duplicated_same_id,
        verify.altered,
        verify.envelope_differs,
        verify.records
    )?;
    if verify.stored_without_reply > 0 {
        writeln!(
            text,
            "             {} stored whose 250 was not read",
            verify.stored_without_reply
        )?;
    }
    if verify.foreign > 0 {
        writeln!(
            text,
            "             {} records of other origin",
            verify.foreign
        )?;
    }
    for id in &verify.lost_message_ids {
        writeln!(text, "             lost: {id}")?;
    }
    if !verify.complete {
        writeln!(
            text,
            "             NOT COMPLETE: the topic was not read to its end within --verify-wait"
        )?;
    }
    if let Some(error) = &verify.kafka_last_error {
        writeln!(
            text,
            "             {} errors of the Kafka client, the last: {error}",
            verify.kafka_errors
        )?;
    }
    write_row(text, "250 to read", &verify.readable_microseconds)
}

fn list<K: Display, V: Display>(counts: &BTreeMap<K, V>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    parts.join(", ")
}

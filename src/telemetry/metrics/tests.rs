//! What is counted is rendered, under the names and labels of the table.

use std::collections::BTreeSet;

use super::label::{CODES, Label};
use super::*;
use crate::config::Config;
use crate::smtp::command::Verb;
use crate::smtp::refusal::Refusal;

const WORKERS: usize = 3;

/// The value of a series, and that there is exactly one of it.
pub(super) fn value(text: &str, series: &str) -> f64 {
    let mut found = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = found.next().unwrap_or_else(|| panic!("{series}\n{text}"));
    assert!(found.next().is_none(), "{series} is there twice");
    value.parse().unwrap()
}

/// The rows that `serve` shows.
fn rows() -> impl Iterator<Item = &'static Row> {
    process::TABLE.iter().chain(table::TABLE)
}

fn row(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name)
}

#[test]
fn what_is_rendered_is_what_the_table_says() {
    let (_metrics, handle) = Metrics::new(WORKERS);
    let text = handle.render();
    let expected: BTreeSet<String> = rows()
        .map(|row| format!("{} {}", row.name, format!("{:?}", row.kind).to_lowercase()))
        .collect();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    assert_eq!(types.map(str::to_owned).collect::<BTreeSet<_>>(), expected);
    for row in rows() {
        assert!(
            text.contains(&format!("# HELP {} {}\n", row.name, row.help)),
            "{}",
            row.name
        );
    }
}

#[test]
fn series_have_the_label_of_the_table_and_no_other() {
    let (_metrics, handle) = Metrics::new(WORKERS);
    let text = handle.render();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| row(name.strip_suffix(suffix)?));
        let row = row(name).or(of_histogram).expect(line);
        let label = labels.split('=').next().unwrap();
        let expected = if name.ends_with("_bucket") {
            "le"
        } else {
            row.label
        };
        assert_eq!(label, expected, "{line}");
        assert_eq!(
            labels.matches('=').count(),
            usize::from(!label.is_empty()),
            "{line}"
        );
    }
}

#[test]
fn labels_select_the_series_of_their_value() {
    let (metrics, handle) = Metrics::new(WORKERS);
    let tally = metrics.tally();
    for (at, end) in SessionEnd::ALL.iter().enumerate() {
        (0..=at).for_each(|_| metrics.connection_closed(*end));
    }
    for (at, verb) in Verb::ALL.iter().enumerate() {
        (0..=at).for_each(|_| tally.commands.increment(*verb));
    }
    for (at, refusal) in Refusal::ALL.iter().enumerate() {
        (0..=at).for_each(|_| metrics.refusals.increment(*refusal));
        (0..2 * at).for_each(|_| metrics.connections_refused.increment(*refusal));
    }
    for (at, code) in CODES.iter().chain(&[299]).enumerate() {
        (0..=at).for_each(|_| tally.replies.increment(Code(*code)));
    }
    tally.replies.increment(Code(600));
    let text = handle.render();
    let count = |name: &str, label: &str, of: &str| {
        value(&text, &format!("ringpost_{name}_total{{{label}=\"{of}\"}}")) as usize
    };
    for (at, end) in SessionEnd::ALL.iter().enumerate() {
        assert_eq!(count("sessions", "end", end.label()), at + 1);
    }
    for (at, verb) in Verb::ALL.iter().enumerate() {
        assert_eq!(count("commands", "verb", verb.label()), at + 1);
    }
    for (at, refusal) in Refusal::ALL.iter().enumerate() {
        let label = refusal.row().label;
        assert_eq!(count("refusals", "reason", label), at + 1);
        assert_eq!(count("connections_refused", "reason", label), 2 * at);
    }
    for (at, code) in CODES.iter().enumerate() {
        assert_eq!(count("replies", "code", &code.to_string()), at + 1);
    }
    assert_eq!(count("replies", "code", "other"), CODES.len() + 2);
}

/// The values of a row are what is rendered: no series is missing, and none is there that the table does not have.
#[test]
fn every_value_of_a_label_has_its_series_from_the_start() {
    let mut config = Config::default();
    config.kafka.large_topic = Some("large".to_owned());
    let scope = Scope {
        workers: WORKERS,
        topics: config.topics(),
    };
    let (metrics, handle) = Metrics::of(&scope);
    metrics.tally().topic_records.increment(1);
    let text = handle.render();
    assert_eq!(
        value(&text, "ringpost_topic_records_total{topic=\"large\"}"),
        1.0
    );
    for row in rows().filter(|row| row.kind != Kind::Histogram) {
        let values = (row.values)(&scope);
        let series = |value: &String| match row.label {
            "" => row.name.to_owned(),
            label => format!("{}{{{label}=\"{value}\"}}", row.name),
        };
        for value in &values {
            tests::value(&text, &series(value));
        }
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(row.name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        assert_eq!(lines.count(), values.len(), "{}", row.name);
    }
}

#[test]
fn messages_connections_and_the_budget() {
    let (metrics, handle) = Metrics::new(WORKERS);
    let tally = metrics.tally();
    tally.messages.increment(MessageOutcome::Accepted);
    tally.message_bytes.add(5000);
    tally.message_size.record(5000.0);
    tally.receive_to_reply.record(0.003);
    tally.produce_to_report.record(0.0002);
    for outcome in [MessageOutcome::Tempfailed, MessageOutcome::Refused] {
        let times = 1 + outcome.place();
        (0..times).for_each(|_| tally.messages.increment(outcome));
    }
    for (messages, octets) in [(3, 900), (2, 600)] {
        tally.in_flight_messages.set(messages);
        tally.in_flight_bytes.set(octets);
    }
    (0..4).for_each(|_| metrics.connection_accepted());
    metrics.connection_closed(SessionEnd::Quit);
    metrics.late_reports.increment(1);
    metrics.workers.set(2);
    metrics.worker_connections.of(1).increment(5);
    metrics.worker_connections.of(1).decrement(1);
    metrics.log_lines_dropped.absolute(7);
    metrics.log_lines_dropped.absolute(9);
    metrics.reloads.increment(ReloadResult::Applied);
    (0..2).for_each(|_| metrics.reloads.increment(ReloadResult::Failed));
    let text = handle.render();
    let version = env!("CARGO_PKG_VERSION");
    for (series, expected) in [
        ("messages_total{outcome=\"accepted\"}", 1.0),
        ("messages_total{outcome=\"tempfailed\"}", 2.0),
        ("messages_total{outcome=\"refused\"}", 3.0),
        ("message_bytes_total", 5000.0),
        ("message_size_bytes_bucket{le=\"4096\"}", 0.0),
        ("message_size_bytes_bucket{le=\"16384\"}", 1.0),
        ("receive_to_reply_seconds_bucket{le=\"0.0025\"}", 0.0),
        ("receive_to_reply_seconds_bucket{le=\"0.005\"}", 1.0),
        ("produce_to_report_seconds_bucket{le=\"0.0001\"}", 0.0),
        ("produce_to_report_seconds_bucket{le=\"0.00025\"}", 1.0),
        ("in_flight_messages", 2.0),
        ("in_flight_bytes", 600.0),
        ("connections_accepted_total", 4.0),
        ("connections_open", 3.0),
        ("late_reports_total", 1.0),
        ("workers", 2.0),
        ("worker_connections{worker=\"0\"}", 0.0),
        ("worker_connections{worker=\"1\"}", 4.0),
        ("log_lines_dropped_total", 9.0),
        ("reloads_total{result=\"applied\"}", 1.0),
        ("reloads_total{result=\"failed\"}", 2.0),
        (&format!("build_info{{version=\"{version}\"}}"), 1.0),
    ] {
        assert_eq!(
            value(&text, &format!("ringpost_{series}")),
            expected,
            "{series}"
        );
    }
}

#[test]
fn servers_in_one_process_count_for_themselves() {
    let (one, of_one) = Metrics::new(WORKERS);
    let (_two, of_two) = Metrics::new(WORKERS);
    let clone = one.clone();
    std::thread::spawn(move || clone.late_reports.increment(1))
        .join()
        .unwrap();
    assert_eq!(value(&of_one.render(), "ringpost_late_reports_total"), 1.0);
    assert_eq!(value(&of_two.render(), "ringpost_late_reports_total"), 0.0);
}

//! The page: its verdict, its figures, its plots, its tables.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{charts, tables};
use crate::fault::ReasonKind;
use crate::report::data::Report;
use crate::report::limit::LimitedBy;
use crate::tally::Phase;
use crate::units::{grouped, shell_words, show_microseconds, show_number};

const STYLE: &str = include_str!("page.css");

/// Reasons that a page shows before its figures.
const MOST_REASONS: usize = 8;

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    page_with(report, None)
}

/// The whole page, with a section before the run's own.
pub(crate) fn page_with(report: &Report, before: Option<Markup>) -> String {
    let title = format!("Load test of {}", report.target);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        h1 { (title) }
                        p.sub { (report.began) " \u{b7} run " (report.run) " \u{b7} " (report.tool) }
                        p.sub { code { (shell_words(&report.command_line)) } }
                    }
                    (body(report, before))
                }
            }
        }
    };
    page.into_string()
}

fn body(report: &Report, before: Option<Markup>) -> Markup {
    let is_alone = before.is_none();
    let has_begun = report.start_error.is_none();
    html! {
        // A search has its own verdict.
        @match before {
            None => { (verdict(report)) }
            Some(before) => {
                (before)
                @if has_begun { (reasons(report)) }
            }
        }
        @if has_begun {
            (tiles(report))
            @if report.limit.by != LimitedBy::None {
                p.limit { "The limit was " (report.limit.text) "." }
            }
            @if report.passed && is_alone && !report.reasons.is_empty() {
                h2 { "What went wrong meanwhile" }
                (reasons(report))
            }
            (charts::charts(report))
        }
        (tables::tables(report))
        (tables::setting(report))
    }
}

/// Passed, or failed and why: before any figure.
fn verdict(report: &Report) -> Markup {
    if report.passed {
        return html! { p.verdict { b.passed { "\u{2713} passed" } } };
    }
    html! {
        section.why {
            p.verdict {
                b.failed { "\u{2717} failed" } " "
                span { (report.failures().join("; ")) }
            }
            // The sentence of a run that did not begin says what its only reason says.
            @if report.start_error.is_none() || report.reasons.len() > 1 {
                (reasons(report))
            }
        }
    }
}

/// What the server said, the most frequent first.
fn reasons(report: &Report) -> Markup {
    let more = report.reasons.len().saturating_sub(MOST_REASONS);
    html! {
        @if !report.reasons.is_empty() {
            ul.reasons {
                @for reason in report.reasons.iter().take(MOST_REASONS) {
                    li {
                        b { (grouped(reason.count)) " \u{d7}" } " "
                        span {
                            @match reason.kind {
                                ReasonKind::Refused => { "refused" },
                                ReasonKind::Recipient => { "recipient refused" },
                                ReasonKind::Error => { "error" },
                            }
                            ": " (reason.line())
                            @if let Some(hint) = &reason.hint { small { (hint) } }
                        }
                    }
                }
            }
        }
        @if more > 0 { p.sub { "and " (more) " further texts" } }
    }
}

/// A figure with its name and what is said below it.
type Tile = (&'static str, String, String);

fn tiles(report: &Report) -> Markup {
    let mut tiles: Vec<Tile> = vec![
        (
            "Accepted",
            grouped(report.messages.accepted),
            "messages".to_owned(),
        ),
        (
            "Rate",
            format!("{}/s", show_number(report.messages_per_second)),
            format!("messages; {:.1} MB/s", report.megabytes_per_second),
        ),
    ];
    tiles.extend(latency_tiles(report));
    tiles.push((
        "Not accepted",
        grouped(report.messages.refused + report.messages.unanswered + report.messages.unsent),
        format!("messages; {} errors", grouped(report.errors_total)),
    ));
    if let Some(verify) = &report.verify {
        tiles.push((
            verify.lost.map_or("Not found", |_| "Lost"),
            grouped(verify.not_found),
            format!("of {} read back", grouped(verify.records)),
        ));
    }
    let server = report.server.as_ref();
    if let Some(each) = server.and_then(|server| server.cpu_microseconds_per_message) {
        let each = if each < 100.0 {
            format!("{each:.1} \u{b5}s")
        } else {
            show_microseconds(each)
        };
        tiles.push(("Server CPU", each, "a message".to_owned()));
    }
    html! {
        section.tiles {
            @for (name, value, detail) in tiles {
                div { span { (name) } b { (value) } small { (detail) } }
            }
        }
    }
}

fn latency_tiles(report: &Report) -> Vec<Tile> {
    if !report.has_latencies() {
        return Vec::new();
    }
    let whole = report.phase(Phase::Whole);
    let microseconds = |value: u64| show_microseconds(value as f64);
    let max = format!("max {}", microseconds(whole.max));
    let to_reply = "to the final reply".to_owned();
    vec![
        ("p50", microseconds(whole.p50), to_reply),
        ("p99", microseconds(whole.p99), max),
    ]
}

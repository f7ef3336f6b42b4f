//! The tables of a page.

use std::fmt::Display;

use maud::{Markup, html};

use crate::report::data::{Asserted, LoopKind, Percentiles, Report, Setting, Verified};
use crate::report::text::ROWS;
use crate::units::{grouped, show_bytes, show_microseconds, show_number};

/// All tables that have something to show.
pub(super) fn tables(report: &Report) -> Markup {
    html! {
        (phases(report))
        @for assertion in &report.assertions { (asserted(assertion)) }
        @if let Some(verify) = &report.verify { (read_back(verify)) }
        (counts("Replies by code", &report.replies))
        (counts("Errors", &report.errors))
        @for (misdeed, outcomes) in &report.misbehaviour {
            (counts(&format!("Misbehaviour: {misdeed}"), outcomes))
        }
        (table(
            "The server's counters",
            report.counters().map(|(name, grown)| (name, show_number(grown))),
        ))
    }
}

/// What the figures are to be read with: what was asked for, the machine, and who answered.
pub(super) fn setting(report: &Report) -> Markup {
    let mut rows = vec![
        ("load", load(&report.options)),
        (
            "messages",
            format!(
                "{} on average",
                show_bytes(report.options.message_octets_mean)
            ),
        ),
        ("load tester's machine", report.machine.line()),
    ];
    if let Some(io) = report.own.io {
        rows.push(("load tester's sockets", io.name().to_owned()));
    }
    if let Some(greeting) = &report.greeting {
        rows.push(("server's banner", greeting.banner.clone()));
        rows.push(("server offers", greeting.offers()));
    }
    html! {
        h2 { "Setting" }
        table.texts {
            tbody {
                @for (name, value) in &rows {
                    tr { th { (name) } td { (value) } }
                }
            }
        }
    }
}

/// `open loop, 500 messages/s for 30 s, 100 connections`.
fn load(options: &Setting) -> String {
    let kind = match options.loop_kind {
        LoopKind::Open => "open loop",
        LoopKind::Closed => "closed loop",
    };
    let rate = match (options.rate, options.connection_rate) {
        (Some(rate), _) => format!(", {} messages/s", show_number(rate)),
        (_, Some(rate)) => format!(", {} connections/s", show_number(rate)),
        (None, None) => String::new(),
    };
    let length = match options.duration_seconds {
        Some(seconds) if seconds.fract() == 0.0 => format!(" for {} s", show_number(seconds)),
        Some(seconds) => format!(" for {}", show_microseconds(seconds * 1e6)),
        None => format!(", {} messages", grouped(options.messages)),
    };
    let count = |number: u32, of: &str| {
        let s = if number == 1 { "" } else { "s" };
        format!("{} {of}{s}", grouped(number.into()))
    };
    format!(
        "{kind}{rate}{length}, {}, {}",
        count(options.connections, "connection"),
        count(options.threads, "thread")
    )
}

fn asserted(assertion: &Asserted) -> Markup {
    let (class, word) = if assertion.holds {
        ("passed", "\u{2713} holds")
    } else {
        ("failed", "\u{2717} fails")
    };
    html! {
        p.verdict {
            b class=(class) { (word) } " "
            span { code { (assertion.text) } ", measured " (assertion.measured()) }
        }
    }
}

fn read_back(verify: &Verified) -> Markup {
    let rows = [
        (
            verify.lost.map_or("not found, unknown", |_| "lost"),
            verify.not_found,
        ),
        ("duplicated", verify.duplicated),
        ("of those, by a produce retry", verify.duplicated_same_id),
        ("altered", verify.altered),
        ("with another envelope", verify.envelope_differs),
        ("stored, 250 not read", verify.stored_without_reply),
        ("of other origin", verify.foreign),
    ];
    table(
        "Read back",
        rows.into_iter().map(|(name, count)| (name, grouped(count))),
    )
}

/// A table of counts, without those that are zero.
fn counts<'a, K: Display + 'a>(
    title: &str,
    counts: impl IntoIterator<Item = (&'a K, &'a u64)>,
) -> Markup {
    let happened = counts.into_iter().filter(|(_, count)| **count > 0);
    table(title, happened.map(|(name, count)| (name, grouped(*count))))
}

fn phases(report: &Report) -> Markup {
    let mut rows: Vec<(&str, &Percentiles)> = ROWS
        .iter()
        .map(|(phase, title)| (*title, report.phase(*phase)))
        .collect();
    if rows.iter().all(|(_, times)| times.count == 0) {
        return html! {};
    }
    if let Some(verify) = &report.verify {
        rows.push(("250 to readable", &verify.readable_microseconds));
    }
    rows.retain(|(_, times)| times.count > 0);
    let rows: Vec<(&str, Vec<String>)> = rows
        .into_iter()
        .map(|(name, times)| {
            let values = [times.p50, times.p90, times.p99, times.p99_9, times.max];
            let mut row = vec![grouped(times.count)];
            row.extend(values.map(|value| show_microseconds(value as f64)));
            (name, row)
        })
        .collect();
    html! {
        h2 { "Phases" }
        (headed(
            &["", "count", "p50", "p90", "p99", "p99.9", "max"],
            rows.iter().map(|(name, row)| (Some(*name), &row[..])),
        ))
    }
}

/// A table with headings.
pub(crate) fn grid(headings: &[&str], rows: &[Vec<String>]) -> Markup {
    headed(headings, rows.iter().map(|row| (None, &row[..])))
}

/// A table with headings, and with names of rows where they have one.
fn headed<'a>(
    headings: &[&str],
    rows: impl Iterator<Item = (Option<&'a str>, &'a [String])>,
) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { @for heading in headings { th { (heading) } } } }
                tbody {
                    @for (name, row) in rows {
                        tr {
                            @if let Some(name) = name { th { (name) } }
                            @for cell in row { td { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// A table of names and values; nothing where there are none.
fn table<K: Display>(title: &str, rows: impl Iterator<Item = (K, String)>) -> Markup {
    let rows: Vec<(K, String)> = rows.collect();
    html! {
        @if !rows.is_empty() {
            h2 { (title) }
            div.wide {
                table {
                    tbody {
                        @for (name, value) in &rows {
                            tr { th { (name) } td { (value) } }
                        }
                    }
                }
            }
        }
    }
}

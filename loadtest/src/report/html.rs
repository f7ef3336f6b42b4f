//! The report as one self-contained page: style and plots inside, no script, nothing fetched.

use std::fmt::{Display, Write};

pub use super::plot::escape;
use super::plot::{Chart, Line, Scale, svg};
use super::{Percentiles, Report, SeriesPoint};
use crate::units::axis::Quantity;
use crate::units::{grouped, shell_words, show_microseconds, show_number, show_octets};

const STYLE: &str = include_str!("page.css");

/// Reasons that a page shows before its figures.
const MOST_REASONS: usize = 8;

/// The whole page.
pub fn page(report: &Report) -> String {
    page_with(report, "")
}

/// The whole page, with a section of HTML before the run's own.
pub fn page_with(report: &Report, before: &str) -> String {
    let mut out = String::new();
    write_page(report, before, &mut out).expect("a String takes everything");
    out
}

fn write_page(report: &Report, before: &str, out: &mut String) -> std::fmt::Result {
    let title = format!("Load test of {}", report.target);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{0}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<header>\n<h1>{0}</h1>\n<p class=\"sub\">{1} · run {2} · {3}</p>\n\
         <p class=\"sub\"><code>{4}</code></p>\n</header>\n",
        escape(&title),
        escape(&report.began),
        escape(&report.run),
        escape(report.tool),
        escape(&shell_words(&report.command_line))
    )?;
    out.push_str(before);
    // A search has its own verdict.
    if before.is_empty() {
        write_verdict(report, out)?;
    } else if report.start_error.is_none() {
        write_reasons(report, out)?;
    }
    if report.start_error.is_none() {
        write_tiles(report, out)?;
        if report.limit.by != "none" {
            let limit = escape(&report.limit.text);
            writeln!(out, "<p class=\"limit\">The limit was {limit}.</p>")?;
        }
        if report.passed && before.is_empty() && !report.reasons.is_empty() {
            out.push_str("<h2>What went wrong meanwhile</h2>\n");
            write_reasons(report, out)?;
        }
        write_plots(report, out)?;
    }
    write_tables(report, out)?;
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

/// Passed, or failed and why: before any figure.
fn write_verdict(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.passed {
        out.push_str("<p class=\"verdict\"><b class=\"passed\">\u{2713} passed</b></p>\n");
        return Ok(());
    }
    let failures = escape(&report.failures().join("; "));
    writeln!(
        out,
        "<section class=\"why\">\n<p class=\"verdict\"><b class=\"failed\">\u{2717} failed</b> <span>{failures}</span></p>"
    )?;
    // The sentence of a run that did not begin says what its only reason says.
    if report.start_error.is_none() || report.reasons.len() > 1 {
        write_reasons(report, out)?;
    }
    out.push_str("</section>\n");
    Ok(())
}

/// What the server said, the most frequent first.
fn write_reasons(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.reasons.is_empty() {
        return Ok(());
    }
    out.push_str("<ul class=\"reasons\">\n");
    for reason in report.reasons.iter().take(MOST_REASONS) {
        let what = match reason.kind {
            "refused" => "refused",
            "recipient" => "recipient refused",
            _ => "error",
        };
        write!(
            out,
            "<li><b>{} \u{d7}</b> <span>{what}: {}",
            grouped(reason.count),
            escape(&reason.line())
        )?;
        if let Some(hint) = &reason.hint {
            write!(out, "<small>{}</small>", escape(hint))?;
        }
        out.push_str("</span></li>\n");
    }
    out.push_str("</ul>\n");
    let more = report.reasons.len().saturating_sub(MOST_REASONS);
    if more > 0 {
        writeln!(out, "<p class=\"sub\">and {more} further texts</p>")?;
    }
    Ok(())
}

fn write_tiles(report: &Report, out: &mut String) -> std::fmt::Result {
    let whole = &report.latency_microseconds["whole"];
    let microseconds = |value: u64| show_microseconds(value as f64);
    let mut tiles = vec![
        ("Accepted", grouped(report.messages.accepted), String::new()),
        (
            "Rate",
            format!("{}/s", show_number(report.messages_per_second)),
            format!("{:.1} MB/s", report.megabytes_per_second),
        ),
    ];
    if report.has_latencies() {
        tiles.push((
            "p50",
            microseconds(whole.p50),
            "to the final reply".to_owned(),
        ));
        tiles.push((
            "p99",
            microseconds(whole.p99),
            format!("max {}", microseconds(whole.max)),
        ));
    }
    tiles.push((
        "Not accepted",
        grouped(report.messages.refused + report.messages.unanswered + report.messages.unsent),
        format!("{} errors", grouped(report.errors_total)),
    ));
    if let Some(verify) = &report.verify {
        tiles.push((
            verify.lost.map_or("Not found", |_| "Lost"),
            grouped(verify.not_found),
            format!("of {} read back", grouped(verify.records)),
        ));
    }
    if let Some(each) = report
        .server
        .as_ref()
        .and_then(|server| server.cpu_microseconds_per_message)
    {
        tiles.push((
            "Server CPU",
            format!("{each:.1} \u{b5}s"),
            "a message".to_owned(),
        ));
    }
    out.push_str("<section class=\"tiles\">\n");
    for (name, value, detail) in tiles {
        let (value, detail) = (escape(&value), escape(&detail));
        writeln!(
            out,
            "<div><span>{name}</span><b>{value}</b><small>{detail}</small></div>"
        )?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn write_plots(report: &Report, out: &mut String) -> std::fmt::Result {
    let before = out.len();
    write_rates(&report.series, out)?;
    if report.has_latencies() {
        write_latencies(&report.series, out)?;
    }
    write_usage(report, out)?;
    if out.len() == before {
        out.push_str("<p class=\"sub\">The run was too short for plots over time.</p>\n");
    }
    if report.has_latencies() {
        figure(out, "Latency by percentile", &curve(report))?;
    }
    Ok(())
}

/// A line over the time of the run.
fn line(
    series: &[SeriesPoint],
    name: &str,
    class: &'static str,
    of: impl Fn(&SeriesPoint) -> Option<f64>,
) -> Line {
    Line {
        name: name.to_owned(),
        class,
        points: series
            .iter()
            .map(|point| of(point).map(|value| (point.end_seconds, value)))
            .collect(),
    }
}

fn write_rates(series: &[SeriesPoint], out: &mut String) -> std::fmt::Result {
    let rates = [
        (
            "accepted",
            "s1",
            (|point| point.accepted) as fn(&SeriesPoint) -> u64,
        ),
        ("refused", "bad", |point| point.refused),
        ("errors", "warn", |point| point.errors),
    ];
    // What never happened has no line.
    let rates = rates
        .into_iter()
        .filter(|(_, _, of)| series.iter().any(|point| of(point) > 0))
        .map(|(name, class, of)| {
            line(series, name, class, |point| {
                Some(of(point) as f64 / point.seconds.max(1e-9))
            })
        });
    let chart = over_time(
        series,
        rates.collect(),
        Scale::Linear,
        Quantity::Number,
        show_number,
    );
    figure(out, "Messages a second", &chart)
}

fn write_latencies(series: &[SeriesPoint], out: &mut String) -> std::fmt::Result {
    let microseconds = |value: Option<u64>| value.map(|value| value as f64);
    let latencies = vec![
        line(series, "p50", "o1", |point| {
            microseconds(point.p50_microseconds)
        }),
        line(series, "p90", "o2", |point| {
            microseconds(point.p90_microseconds)
        }),
        line(series, "p99", "o3", |point| {
            microseconds(point.p99_microseconds)
        }),
    ];
    figure(
        out,
        "Latency, from the intended start to the final reply",
        &over_time(
            series,
            latencies,
            Scale::Logarithmic,
            Quantity::Latency,
            show_microseconds,
        ),
    )
}

/// The CPUs of both sides and the server's memory.
fn write_usage(report: &Report, out: &mut String) -> std::fmt::Result {
    let series = &report.series;
    let busy = |cpu: f64, point: &SeriesPoint| cpu / point.seconds.max(1e-9);
    let mut cpus = vec![line(series, "load tester", "s1", |point| {
        Some(busy(point.own_cpu_seconds, point))
    })];
    let mut title = "CPUs in use by the load tester".to_owned();
    if report.server.is_some() {
        title += ", and by the server";
        cpus.push(line(series, "server", "s2", |point| {
            point.server_cpu_seconds.map(|cpu| busy(cpu, point))
        }));
    }
    let show = |value: f64| format!("{value:.2} CPUs");
    figure(
        out,
        &title,
        &over_time(series, cpus, Scale::Linear, Quantity::Number, show),
    )?;
    if report.server.is_none() {
        return Ok(());
    }
    let memory = vec![line(series, "server", "s2", |point| {
        point.server_rss_bytes.map(|bytes| bytes as f64)
    })];
    figure(
        out,
        "The server's memory",
        &over_time(series, memory, Scale::Linear, Quantity::Memory, show_octets),
    )
}

/// A chart with its title; nothing where there is nothing to see.
fn figure(out: &mut String, title: &str, chart: &Chart) -> std::fmt::Result {
    if !chart.is_drawable() {
        return Ok(());
    }
    writeln!(
        out,
        "<figure>\n<figcaption>{}</figcaption>\n{}</figure>",
        escape(title),
        svg(chart)
    )
}

fn over_time(
    series: &[SeriesPoint],
    lines: Vec<Line>,
    scale: Scale,
    quantity: Quantity,
    show: fn(f64) -> String,
) -> Chart {
    let names: Vec<&str> = lines.iter().map(|line| &line.name[..]).collect();
    Chart {
        description: format!("{} over time", names.join(", ")),
        lines,
        scale,
        quantity,
        show,
        x_marks: Vec::new(),
        x_end: series.last().map_or(0.0, |point| point.end_seconds),
        show_x: |seconds| format!("{} s", (seconds * 10.0).round() / 10.0),
    }
}

/// Each step to the right is a tenth of the messages that are left.
fn curve(report: &Report) -> Chart {
    let place = |share: f64| -(1.0 - share).log10();
    // A share of which no single message is beyond says nothing.
    let count = report.latency_microseconds["whole"].count as f64;
    let is_told = |share: f64| share < 1.0 && (1.0 - share) * count > 0.5;
    let points = report
        .latency_curve
        .iter()
        .filter(|point| is_told(point.share));
    let marks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999];
    let marks = marks.into_iter().filter(|share| is_told(*share));
    Chart {
        description: "latency by percentile".to_owned(),
        lines: vec![Line {
            name: "latency".to_owned(),
            class: "s1",
            points: points
                .map(|point| Some((place(point.share), point.microseconds as f64)))
                .collect(),
        }],
        scale: Scale::Logarithmic,
        quantity: Quantity::Latency,
        show: show_microseconds,
        x_marks: marks
            .map(|share| (place(share), show_share(share)))
            .collect(),
        x_end: 0.0,
        show_x: |place| show_share(1.0 - 10f64.powf(-place)),
    }
}

fn show_share(share: f64) -> String {
    let percent = (share * 1e6).round() / 1e4;
    format!("p{percent}")
}

fn write_tables(report: &Report, out: &mut String) -> std::fmt::Result {
    write_phases(report, out)?;
    for assertion in &report.assertions {
        let (class, word) = if assertion.holds {
            ("passed", "\u{2713} holds")
        } else {
            ("failed", "\u{2717} fails")
        };
        let value = escape(&assertion.measured());
        writeln!(
            out,
            "<p class=\"verdict\"><b class=\"{class}\">{word}</b> <span><code>{}</code>, measured {value}</span></p>",
            escape(&assertion.text)
        )?;
    }
    let counts = |counts: &mut dyn Iterator<Item = (String, u64)>| -> Vec<(String, String)> {
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name, grouped(count)))
            .collect()
    };
    if let Some(verify) = &report.verify {
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
            out,
            "Read back",
            &rows.map(|(name, count)| (name, grouped(count))),
        )?;
    }
    let mut replies = report
        .replies
        .iter()
        .map(|(code, count)| (code.clone(), *count));
    table(out, "Replies by code", &counts(&mut replies))?;
    let mut errors = report
        .errors
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    table(out, "Errors", &counts(&mut errors))?;
    for (misdeed, outcomes) in &report.misbehaviour {
        let mut outcomes = outcomes.iter().map(|(name, count)| (name.clone(), *count));
        table(
            out,
            &format!("Misbehaviour: {misdeed}"),
            &counts(&mut outcomes),
        )?;
    }
    let changes: Vec<(&str, String)> = report
        .metrics
        .iter()
        .flatten()
        .filter(|change| change.name.contains("_total"))
        .map(|change| {
            let grown = change.after - change.before.unwrap_or(0.0);
            (&change.name[..], show_number(grown))
        })
        .collect();
    table(out, "The server's counters", &changes)
}

fn write_phases(report: &Report, out: &mut String) -> std::fmt::Result {
    if report
        .latency_microseconds
        .values()
        .all(|phase| phase.count == 0)
    {
        return Ok(());
    }
    out.push_str(
        "<h2>Phases</h2>\n<div class=\"wide\"><table>\n<thead><tr><th></th><th>count</th><th>p50</th><th>p90</th>\
         <th>p99</th><th>p99.9</th><th>max</th></tr></thead>\n<tbody>\n",
    );
    let mut row = |name: &str, of: &Percentiles| -> std::fmt::Result {
        if of.count == 0 {
            return Ok(());
        }
        write!(
            out,
            "<tr><th>{}</th><td>{}</td>",
            escape(name),
            grouped(of.count)
        )?;
        for value in [of.p50, of.p90, of.p99, of.p99_9, of.max] {
            write!(out, "<td>{}</td>", show_microseconds(value as f64))?;
        }
        writeln!(out, "</tr>")
    };
    for (name, title) in super::text::ROWS {
        row(title, &report.latency_microseconds[name])?;
    }
    if let Some(verify) = &report.verify {
        row("250 to readable", &verify.readable_microseconds)?;
    }
    out.push_str("</tbody>\n</table></div>\n");
    Ok(())
}

/// A table with headings.
pub fn grid(out: &mut String, headings: &[&str], rows: &[Vec<String>]) -> std::fmt::Result {
    out.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for heading in headings {
        write!(out, "<th>{}</th>", escape(heading))?;
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            write!(out, "<td>{}</td>", escape(cell))?;
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    Ok(())
}

fn table<K: Display>(out: &mut String, title: &str, rows: &[(K, String)]) -> std::fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>{}</h2>\n<div class=\"wide\"><table>\n<tbody>",
        escape(title)
    )?;
    for (name, value) in rows {
        writeln!(
            out,
            "<tr><th>{}</th><td>{value}</td></tr>",
            escape(&name.to_string())
        )?;
    }
    out.push_str("</tbody>\n</table></div>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentiles() {
        assert_eq!(show_share(0.9999), "p99.99");
        assert_eq!(show_share(0.0), "p0");
    }
}

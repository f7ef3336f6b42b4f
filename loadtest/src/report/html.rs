//! The report as one self-contained page: style and plots inside, no script, nothing fetched.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::plot::{Chart, Line, Scale, escape, svg};
use super::{Percentiles, Report, SeriesPoint};
use crate::units::show_microseconds;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    write_page(report, &mut out).expect("a String takes everything");
    out
}

fn write_page(report: &Report, out: &mut String) -> std::fmt::Result {
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
        escape(&report.command_line.join(" "))
    )?;
    write_tiles(report, out)?;
    let passed = if report.passed { "passed" } else { "failed" };
    let sign = if report.passed {
        "\u{2713} passed"
    } else {
        "\u{2717} failed"
    };
    writeln!(
        out,
        "<p class=\"verdict\"><b class=\"{passed}\">{sign}</b> <span>The limit was {}.</span></p>",
        escape(&report.limit.text)
    )?;
    write_plots(report, out)?;
    write_tables(report, out)?;
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn write_tiles(report: &Report, out: &mut String) -> std::fmt::Result {
    let whole = &report.latency_microseconds["whole"];
    let microseconds = |value: u64| show_microseconds(value as f64);
    let mut tiles = vec![
        ("Accepted", grouped(report.messages.accepted), String::new()),
        (
            "Rate",
            format!("{}/s", grouped(report.messages_per_second.round() as u64)),
            format!("{:.1} MB/s", report.megabytes_per_second),
        ),
        (
            "p50",
            microseconds(whole.p50),
            "to the final reply".to_owned(),
        ),
        (
            "p99",
            microseconds(whole.p99),
            format!("max {}", microseconds(whole.max)),
        ),
        (
            "Not accepted",
            grouped(report.messages.refused + report.messages.unanswered + report.messages.unsent),
            format!("{} errors", grouped(report.errors_total)),
        ),
    ];
    if let Some(verify) = &report.verify {
        tiles.push((
            "Lost",
            grouped(verify.lost),
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
    write_rates(&report.series, out)?;
    write_latencies(&report.series, out)?;
    figure(out, "Latency by percentile", &curve(report))?;
    write_usage(report, out)
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
    let rate = |count: u64, point: &SeriesPoint| Some(count as f64 / point.seconds.max(1e-9));
    let mut rates = vec![line(series, "accepted", "s1", |point| {
        rate(point.accepted, point)
    })];
    if series.iter().any(|point| point.refused + point.errors > 0) {
        rates.push(line(series, "not", "bad", |point| {
            rate(point.refused + point.errors, point)
        }));
    }
    figure(
        out,
        "Messages a second",
        &over_time(rates, Scale::Linear, show_number),
    )
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
        &over_time(latencies, Scale::Logarithmic, show_microseconds),
    )
}

/// The CPUs of both sides and the server's memory.
fn write_usage(report: &Report, out: &mut String) -> std::fmt::Result {
    let series = &report.series;
    let busy = |cpu: f64, point: &SeriesPoint| cpu / point.seconds.max(1e-9);
    let mut cpus = vec![line(series, "tester", "s1", |point| {
        Some(busy(point.own_cpu_seconds, point))
    })];
    if report.server.is_some() {
        cpus.push(line(series, "server", "s2", |point| {
            point.server_cpu_seconds.map(|cpu| busy(cpu, point))
        }));
    }
    let three_digits = |value: f64| {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    figure(
        out,
        "CPUs in use",
        &over_time(cpus, Scale::Linear, three_digits),
    )?;
    if report.server.is_none() {
        return Ok(());
    }
    let memory = vec![line(series, "server", "s2", |point| {
        let bytes = point.server_rss_bytes?;
        Some(bytes as f64 / 1_048_576.0)
    })];
    figure(
        out,
        "Server memory",
        &over_time(memory, Scale::Linear, |value| format!("{value:.0} MiB")),
    )
}

fn figure(out: &mut String, title: &str, chart: &Chart) -> std::fmt::Result {
    writeln!(
        out,
        "<figure>\n<figcaption>{}</figcaption>\n{}</figure>",
        escape(title),
        svg(chart)
    )
}

fn over_time(lines: Vec<Line>, scale: Scale, show: fn(f64) -> String) -> Chart {
    let names: Vec<&str> = lines.iter().map(|line| &line.name[..]).collect();
    Chart {
        description: format!("{} over time", names.join(", ")),
        lines,
        scale,
        show,
        x_marks: Vec::new(),
        show_x: |seconds| format!("{} s", (seconds * 10.0).round() / 10.0),
    }
}

/// Each step to the right is a tenth of the messages that are left.
fn curve(report: &Report) -> Chart {
    let place = |share: f64| -(1.0 - share).log10();
    let points = report
        .latency_curve
        .iter()
        .filter(|point| point.share < 1.0);
    let marks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999];
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
        show: show_microseconds,
        x_marks: marks
            .iter()
            .map(|share| (place(*share), show_share(*share)))
            .collect(),
        show_x: |place| show_share(1.0 - 10f64.powf(-place)),
    }
}

fn show_share(share: f64) -> String {
    let percent = (share * 1e6).round() / 1e4;
    format!("p{percent}")
}

fn show_number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        grouped(value.round() as u64)
    } else {
        format!("{value:.1}")
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
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
    if let Some(verify) = &report.verify {
        let rows: BTreeMap<&str, u64> = BTreeMap::from([
            ("lost", verify.lost),
            ("duplicated", verify.duplicated),
            ("of those, by a produce retry", verify.duplicated_same_id),
            ("altered", verify.altered),
            ("with another envelope", verify.envelope_differs),
            ("stored, 250 not read", verify.stored_without_reply),
            ("of other origin", verify.foreign),
        ]);
        table(out, "Read back", &rows)?;
    }
    table(out, "Replies", &report.replies)?;
    let errors: BTreeMap<&str, u64> = report
        .errors
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| (*name, *count))
        .collect();
    table(out, "Errors", &errors)?;
    for (misdeed, outcomes) in &report.misbehaviour {
        table(out, &format!("Misbehaviour: {misdeed}"), outcomes)?;
    }
    let changes: BTreeMap<&str, f64> = report
        .metrics
        .iter()
        .flatten()
        .filter(|change| change.name.contains("_total"))
        .map(|change| {
            (
                &change.name[..],
                change.after - change.before.unwrap_or(0.0),
            )
        })
        .collect();
    table(out, "The server's counters", &changes)
}

fn write_phases(report: &Report, out: &mut String) -> std::fmt::Result {
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

fn table<K: Display, V: Display>(
    out: &mut String,
    title: &str,
    rows: &BTreeMap<K, V>,
) -> std::fmt::Result {
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
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(show_share(0.9999), "p99.99");
        assert_eq!(show_share(0.0), "p0");
    }
}

//! Which plots a page has, and what is in them.

use maud::{Markup, html};

use super::svg::{Chart, Line, Scale, svg};
use crate::report::data::{Report, SeriesPoint};
use crate::tally::Phase;
use crate::units::axis::Quantity;
use crate::units::{show_bytes, show_microseconds, show_number};

const LATENCY: &str = "Latency, from the intended start to the final reply";

/// A line needs two of them.
const TOO_SHORT: &str = "No plot: the run was shorter than two intervals of a second.";
const NO_ANSWER: &str =
    "No plot: no message was sent to its end and answered, so there is no latency.";
const NOTHING_HAPPENED: &str = "No plot: no message was answered and no error happened.";
const TOO_FEW: &str = "No plot: too few messages for percentiles.";

/// All plots; one that is empty says why.
pub(super) fn charts(report: &Report) -> Markup {
    let latencies = report.has_latencies();
    html! {
        (rates(&report.series))
        @if latencies {
            (self::latencies(&report.series))
        } @else {
            (empty(LATENCY, NO_ANSWER))
        }
        (cpus(report))
        @if report.server.is_some() { (memory(&report.series)) }
        @if latencies { (figure("Latency by percentile", &curve(report), TOO_FEW)) }
    }
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

fn rates(series: &[SeriesPoint]) -> Markup {
    let rates = [
        (
            "accepted",
            "s1",
            (|point| point.accepted) as fn(&SeriesPoint) -> u64,
        ),
        ("refused", "bad", |point| point.refused),
        ("errors", "warn", |point| point.errors),
    ];
    // What never happened gets no line.
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
    let happened = series.len() < 2 || !chart.lines.is_empty();
    let why = if happened {
        TOO_SHORT
    } else {
        NOTHING_HAPPENED
    };
    figure("Messages a second", &chart, why)
}

fn latencies(series: &[SeriesPoint]) -> Markup {
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
        LATENCY,
        &over_time(
            series,
            latencies,
            Scale::Logarithmic,
            Quantity::Latency,
            show_microseconds,
        ),
        TOO_SHORT,
    )
}

/// The CPUs of both sides.
fn cpus(report: &Report) -> Markup {
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
    let chart = over_time(series, cpus, Scale::Linear, Quantity::Number, show);
    figure(&title, &chart, TOO_SHORT)
}

fn memory(series: &[SeriesPoint]) -> Markup {
    let memory = vec![line(series, "server", "s2", |point| {
        point.server_rss_bytes.map(|bytes| bytes as f64)
    })];
    let (scale, quantity) = (Scale::Linear, Quantity::Memory);
    let chart = over_time(series, memory, scale, quantity, show_bytes);
    figure("The server's memory", &chart, TOO_SHORT)
}

/// A chart with its title, or why there is nothing to see.
fn figure(title: &str, chart: &Chart, why_not: &str) -> Markup {
    if !chart.is_drawable() {
        return empty(title, why_not);
    }
    html! {
        figure {
            figcaption { (title) }
            (svg(chart))
        }
    }
}

fn empty(title: &str, why: &str) -> Markup {
    html! {
        figure {
            figcaption { (title) }
            p.empty { (why) }
        }
    }
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
    // A percentile beyond which there is not one message says nothing.
    let count = report.phase(Phase::Whole).count as f64;
    let is_known = |share: f64| share < 1.0 && (1.0 - share) * count > 0.5;
    let points = report
        .latency_curve
        .iter()
        .filter(|point| is_known(point.share));
    let marks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999];
    let marks = marks.into_iter().filter(|share| is_known(*share));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentiles() {
        assert_eq!(show_share(0.9999), "p99.99");
        assert_eq!(show_share(0.0), "p0");
    }
}

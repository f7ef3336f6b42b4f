//! The run over time as comma-separated values (RFC 4180, lines ended by LF): a line for each interval. Units are in the
//! headings; what was not measured is empty.

use super::data::{Report, SeriesPoint};

/// The headings, in the order of [`row`].
const HEADINGS: [&str; 14] = [
    "end_seconds",
    "length_seconds",
    "accepted_messages",
    "refused_messages",
    "errors",
    "accepted_messages_per_second",
    "p50_microseconds",
    "p90_microseconds",
    "p99_microseconds",
    "max_microseconds",
    "tester_cpu_seconds",
    "server_cpu_seconds",
    "server_memory_bytes",
    "run",
];

/// The whole table; its headings alone for a run that did not begin.
pub(crate) fn csv(report: &Report) -> String {
    let begun = report.start_error.is_none();
    let points = report.series.iter().filter(|_| begun);
    table(&HEADINGS, points.map(|point| row(report, point)))
}

/// Headings and rows, each with the cells of the headings.
pub(crate) fn table<const COLUMNS: usize>(
    headings: &[&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> String {
    let mut text = headings.join(",") + "\n";
    for row in rows {
        text += &(row.map(|cell| quoted(&cell)).join(",") + "\n");
    }
    text
}

/// A cell, in quotes where it would not be read as one.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

fn row(report: &Report, point: &SeriesPoint) -> [String; 14] {
    let rate = point.accepted as f64 / point.seconds.max(1e-9);
    [
        format!("{:.3}", point.end_seconds),
        format!("{:.3}", point.seconds),
        point.accepted.to_string(),
        point.refused.to_string(),
        point.errors.to_string(),
        format!("{rate:.3}"),
        measured(point.p50_microseconds),
        measured(point.p90_microseconds),
        measured(point.p99_microseconds),
        measured(point.max_microseconds),
        format!("{:.6}", point.own_cpu_seconds),
        measured(point.server_cpu_seconds),
        measured(point.server_rss_bytes),
        report.run.clone(),
    ]
}

/// A value, or nothing.
pub(crate) fn measured<T: ToString>(value: Option<T>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_one_whatever_is_in_it() {
        let rows = [["a,b".to_owned(), "it is \"so\"".to_owned()]];
        let text = table(&["one", "two"], rows.into_iter());
        assert_eq!(text, "one,two\n\"a,b\",\"it is \"\"so\"\"\"\n");
        assert_eq!(measured::<u64>(None), "");
        assert_eq!(measured(Some(1.5)), "1.5");
    }
}

//! The metrics of one moment, read from the text that Prometheus gets: the page can never say something else than a scrape.
//!
//! Owns: how series are found in that text. Must not know: any one metric.
//!
//! Invariants: a series that is not there counts as 0, so that a page is shown whatever the metrics are; the series of a metric are in
//! the order of their labels.

use std::collections::HashMap;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// For each name its labels, as they are written, and its value.
    series: HashMap<String, Vec<(String, f64)>>,
}

impl Reading {
    /// From Prometheus' text format.
    pub fn of(text: &str) -> Self {
        let mut series: HashMap<String, Vec<(String, f64)>> = HashMap::new();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for (name, labels, value) in lines.filter_map(parse) {
            let values = match series.get_mut(name) {
                Some(values) => values,
                None => series.entry(name.to_owned()).or_default(),
            };
            values.push((labels.to_owned(), value));
        }
        // The recorder renders the series of a metric in another order each time.
        for values in series.values_mut() {
            values.sort_by(|one, other| one.0.cmp(&other.0));
        }
        Self { series }
    }

    /// Whether there is such a metric.
    pub fn has(&self, name: &str) -> bool {
        self.series.contains_key(name)
    }

    /// The sum over its series.
    pub fn sum(&self, name: &str) -> f64 {
        self.of_name(name).iter().map(|(_, value)| value).sum()
    }

    /// The series with exactly this label.
    pub fn labelled(&self, name: &str, label: &str, value: &str) -> f64 {
        let wanted = format!("{label}=\"{value}\"");
        let all = self.of_name(name).iter();
        let found = all.filter(|(labels, _)| *labels == wanted);
        found.map(|(_, value)| value).sum()
    }

    /// Each series that has this label alone: its value there, and its own.
    pub fn by_label<'a>(
        &'a self,
        name: &str,
        label: &'a str,
    ) -> impl Iterator<Item = (&'a str, f64)> + use<'a> {
        let value = move |labels: &'a str| {
            let rest = labels.strip_prefix(label)?.strip_prefix("=\"")?;
            rest.strip_suffix('"')
        };
        let all = self.of_name(name).iter();
        all.filter_map(move |(labels, count)| Some((value(labels)?, *count)))
    }

    /// The counts of a histogram up to and including each bound, in the order of the bounds; that of `+Inf` is the last.
    pub fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let all = self.of_name(&format!("{name}_bucket")).iter();
        let bound = |labels: &str| {
            let text = labels.strip_prefix("le=\"")?.strip_suffix('"')?;
            text.parse::<f64>().ok()
        };
        let mut buckets: Vec<(f64, f64)> = all
            .filter_map(|(labels, count)| Some((bound(labels)?, *count)))
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }

    fn of_name(&self, name: &str) -> &[(String, f64)] {
        self.series.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Name, labels and value of a line.
fn parse(line: &str) -> Option<(&str, &str, f64)> {
    let (series, value) = line.trim().rsplit_once(' ')?;
    let value = value.parse().ok()?;
    match series.split_once('{') {
        Some((name, labels)) => Some((name, labels.strip_suffix('}')?, value)),
        None => Some((series, "", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_name_and_label_and_what_is_not_there_is_nothing() {
        let reading = Reading::of(
            "# HELP a b\n# TYPE a counter\na{x=\"2\"} 3\na{x=\"1\"} 2\n\nb 4.5\nodd\nb{open 1\n\
             h_bucket{le=\"+Inf\"} 2\nh_bucket{le=\"0.1\"} 1\nh_sum 0.3\nh_count 2\n",
        );
        assert_eq!((reading.sum("a"), reading.sum("b")), (5.0, 4.5));
        assert_eq!(reading.labelled("a", "x", "2"), 3.0);
        assert_eq!(reading.labelled("a", "x", ""), 0.0);
        let by_label: Vec<_> = reading.by_label("a", "x").collect();
        assert_eq!(by_label, [("1", 2.0), ("2", 3.0)]);
        assert_eq!(reading.by_label("b", "x").count(), 0);
        assert_eq!((reading.sum("c"), reading.has("c")), (0.0, false));
        assert_eq!(reading.buckets("h"), [(0.1, 1.0), (f64::INFINITY, 2.0)]);
        assert_eq!(reading.buckets("a"), []);
        assert!(reading.has("b"));
    }
}

//! Alert rules, runbook and dashboard fit each other and the metrics that exist.
//!
//! Owns: what of deploy/prometheus and deploy/grafana has to agree with docs/metrics.md (which the tables of the code make) and
//! docs/runbook.md. Must not know: YAML, PromQL: promtool does both, and what is read here is read by its words.
//!
//! BUGS: without promtool (Debian: `prometheus`) rules and their unit tests do not run.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use support::tools;

const RULES: &str = "deploy/prometheus/alerts.yml";
const UNIT_TESTS: &str = "deploy/prometheus/alerts_test.yml";
const DASHBOARD: &str = "deploy/grafana/ringpost.json";
const RUNBOOK: &str = "docs/runbook.md";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metrics that a text names: words that begin with `ringpost_` or `process_`.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_of_a_name(c))
        .filter(|word| word.starts_with("ringpost_") || word.starts_with("process_"))
        .collect()
}

/// The series that docs/metrics.md promises; a histogram has three.
fn series() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut series = BTreeSet::new();
    for (name, rest) in rows.filter_map(|row| row.split_once("` | ")) {
        if rest.starts_with("histogram ") {
            series.extend(["bucket", "sum", "count"].map(|end| format!("{name}_{end}")));
        } else if rest.starts_with("counter ") || rest.starts_with("gauge ") {
            series.insert(name.to_owned());
        }
    }
    assert!(series.len() > 50, "{series:?}");
    series
}

/// The rules, each with its name and its text.
fn alerts(rules: &str) -> Vec<(&str, &str)> {
    let mut parts = rules.split("- alert: ");
    parts.next();
    parts
        .map(|rule| rule.split_once('\n').expect("a rule has several lines"))
        .collect()
}

/// The headings of the runbook's paragraphs, in their order.
fn headings(runbook: &str) -> Vec<&str> {
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    headings.collect()
}

#[test]
fn every_metric_of_the_rules_the_dashboard_and_the_runbook_exists() {
    let series = series();
    for path in [RULES, UNIT_TESTS, DASHBOARD] {
        let text = read(path);
        let unknown: Vec<&str> = metrics_in(&text)
            .into_iter()
            .filter(|&name| !series.contains(name))
            .collect();
        assert!(
            unknown.is_empty(),
            "{path} names series that docs/metrics.md has not: {unknown:?}"
        );
    }
    // A page for people names a histogram without an end.
    let page = read("docs/metrics.md");
    let (runbook, known) = (read(RUNBOOK), metrics_in(&page));
    for name in metrics_in(&runbook) {
        assert!(
            known.contains(name) || series.contains(name),
            "{RUNBOOK}: {name}"
        );
    }
}

/// A metric that nobody sees helps nobody.
#[test]
fn the_dashboard_shows_every_metric() {
    let dashboard = read(DASHBOARD);
    let shown = metrics_in(&dashboard);
    // Of a histogram the buckets are enough.
    let sums = |name: &str| ["_sum", "_count"].iter().any(|end| name.ends_with(end));
    let hidden: Vec<String> = series()
        .into_iter()
        .filter(|name| !shown.contains(name.as_str()) && !sums(name))
        .collect();
    assert!(hidden.is_empty(), "{DASHBOARD} does not show {hidden:?}");
}

/// Who renames a reason of a refusal has to find the alert that counts it.
#[test]
fn every_value_of_a_label_in_the_rules_exists() {
    let page = read("docs/metrics.md");
    let rules = read(RULES);
    let mut checked = 0;
    for part in rules.split('{').skip(1) {
        let Some((label, rest)) = part.split_once('=') else {
            continue;
        };
        let label = label.trim_end_matches('!');
        if !["reason", "result", "io", "verb", "word", "error"].contains(&label) {
            continue;
        }
        let value = rest.trim_start_matches('~').trim_start_matches('"');
        let value = value.split('"').next().unwrap();
        // Of a pattern its beginning.
        let exists = match value.strip_suffix(".+") {
            Some(beginning) => page.contains(&format!("\n| `{beginning}")),
            None => {
                page.contains(&format!("\n| `{value}` |"))
                    || page.lines().any(|line| {
                        let values = line.strip_prefix(&format!("- `{label}`: "));
                        values.is_some_and(|values| values.split(", ").any(|known| known == value))
                    })
            }
        };
        assert!(exists, "{RULES}: {label}={value} is not in docs/metrics.md");
        checked += 1;
    }
    assert!(checked > 5, "{checked}");
}

#[test]
fn every_alert_says_what_to_do_and_has_a_unit_test() {
    let (rules, unit_tests, runbook) = (read(RULES), read(UNIT_TESTS), read(RUNBOOK));
    let alerts = alerts(&rules);
    assert!(alerts.len() > 10, "{alerts:?}");
    for (name, rule) in &alerts {
        let severities = ["critical", "warning", "info"];
        assert!(
            severities
                .iter()
                .any(|severity| rule.contains(&format!(" severity: {severity}\n"))),
            "{name}: its severity is one of {severities:?}"
        );
        for annotation in [" summary: \"", " description: \""] {
            assert!(rule.contains(annotation), "{name} has no{annotation}");
        }
        // The anchor that GitHub makes of the heading.
        let link = format!("/docs/runbook.md#{}\n", name.to_lowercase());
        assert!(
            rule.contains(" runbook_url: https://") && rule.contains(&link),
            "{name}: its runbook_url ends in {link}"
        );
        let fires = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"");
        // A case begins with its input and ends with the last time at which it is looked at.
        let mut cases = unit_tests.split("  - interval: ");
        let case = cases.find(|case| case.contains(&fires));
        let case = case.unwrap_or_else(|| panic!("{name} does not fire in {UNIT_TESTS}"));
        let (_, after) = case.rsplit_once(&fires).expect("it is there");
        assert!(
            after.contains(" exp_samples: []\n"),
            "{name} does not end in {UNIT_TESTS}"
        );
    }
    let names: Vec<&str> = alerts.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        headings(&runbook),
        names,
        "{RUNBOOK} has a heading for each alert, in the order of {RULES}"
    );
}

/// What Grafana's schema cannot say: each panel asks the data source that was chosen, of the instances that were chosen.
#[test]
fn every_panel_asks_the_chosen_data_source_and_instances() {
    let dashboard: serde_json::Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut queries = 0;
    for panel in panels {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id");
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(
                query.contains("instance=~\"$instance\""),
                "{title}: {query}"
            );
            queries += 1;
        }
    }
    assert!(queries > 50, "{queries}");
}

#[test]
fn promtool_accepts_configuration_and_rules_and_every_alert_fires_and_ends() {
    let Some(promtool) = tools::find_or_skip("promtool") else {
        return;
    };
    let run = |arguments: &[&str]| {
        tools::run(
            Command::new(&promtool)
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .args(arguments),
            b"",
        );
    };
    run(&["check", "config", "deploy/prometheus.yml"]);
    run(&["check", "rules", RULES]);
    run(&["test", "rules", UNIT_TESTS]);
}

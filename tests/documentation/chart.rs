//! What the chart of Helm has twice: its page of values, and the alerts and the dashboard, which a chart can only read inside its
//! folder.
//!
//! Owns: how a value's comment in values.yaml becomes a row. Must not know: YAML beyond the indentation of keys.
//!
//! BUGS: a default that is a block of several lines is not shown; its comment says where it is.

use serde_json::Value;

const FOLDER: &str = "deploy/helm/ringpost";

const HEAD: &str = "# Chart: ringpost

<!-- Made from values.yaml by tests/documentation/chart.rs. Change it there. -->

ringpost on Kubernetes 1.30 or later, by Helm 3 or 4. [docs/kubernetes.md](../../../docs/kubernetes.md) says how to install it, and what to do
about certificates, addresses of clients, io_uring, upgrades and scaling. This page lists every value.

```sh
helm install mx deploy/helm/ringpost --values values.yaml
```

The least that `values.yaml` has to say is [ci/default-values.yaml](ci/default-values.yaml). The other files in `ci/` are examples too: each is rendered
and checked by the tests.

## Values

| value | default | what |
|---|---|---|
";

const TAIL: &str = "
## What it makes

| object | when |
|---|---|
| Deployment, Service, ConfigMap | always. No StatefulSet: a pod keeps nothing |
| ServiceAccount | `serviceAccount.create` |
| PodDisruptionBudget | `podDisruptionBudget.enabled` |
| HorizontalPodAutoscaler | `autoscaling.enabled` |
| NetworkPolicy | `networkPolicy.enabled` |
| a Deployment for each of `consumers` | it is named there |
| Certificate | `tls.certManager.enabled` |
| PodMonitor; or ServiceMonitor and a headless Service | `podMonitor.enabled`, `serviceMonitor.enabled` |
| PrometheusRule | `prometheusRule.enabled` |
| ConfigMap with the dashboard | `dashboard.enabled` |
| Pod that runs `ringpost check` | `helm test` |

There is no setting for port 25 inside of a pod: the Service has port 25, and the pod listens on 2525, which needs no capability.
";

/// Files that have to be what the program or another file makes of them.
pub fn pages() -> [(&'static str, String); 3] {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    [
        ("deploy/helm/ringpost/README.md", page()),
        (
            "deploy/helm/ringpost/files/alerts.yml",
            read("deploy/prometheus/alerts.yml"),
        ),
        (
            "deploy/helm/ringpost/files/dashboard.json",
            read("deploy/grafana/ringpost.json"),
        ),
    ]
}

/// A value that its comment describes.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    path: String,
    default: String,
    text: String,
}

fn page() -> String {
    let values = std::fs::read_to_string(format!("{FOLDER}/values.yaml")).unwrap();
    let rows = rows(&values).into_iter().map(|row| {
        let cell = |text: String| text.replace('|', "\\|");
        format!(
            "| `{}` | {} | {} |\n",
            row.path,
            cell(row.default),
            cell(row.text)
        )
    });
    HEAD.to_owned() + &rows.collect::<String>() + TAIL
}

fn rows(values: &str) -> Vec<Row> {
    let (mut keys, mut rows): (Vec<(usize, &str)>, Vec<Row>) = (Vec::new(), Vec::new());
    let (mut text, mut default): (Option<String>, Option<String>) = (None, None);
    for line in values.lines() {
        let content = line.trim_start();
        if let Some(begin) = content.strip_prefix("# -- ") {
            text = Some(begin.to_owned());
        } else if let Some(said) = content.strip_prefix("# @default: ") {
            default = Some(said.to_owned());
        } else if let (Some(more), Some(text)) = (content.strip_prefix("# "), &mut text) {
            text.push(' ');
            text.push_str(more);
        } else if let (Some((key, value)), false) =
            (content.split_once(':'), content.starts_with(['#', '-']))
        {
            let indent = line.len() - content.len();
            keys.retain(|&(other, _)| other < indent);
            keys.push((indent, key));
            let Some(text) = text.take() else { continue };
            let path: Vec<&str> = keys.iter().map(|&(_, key)| key).collect();
            let shown = match value.trim() {
                "" => "see values.yaml".to_owned(),
                value => format!("`{value}`"),
            };
            rows.push(Row {
                path: path.join("."),
                default: default.take().unwrap_or(shown),
                text,
            });
        }
    }
    rows
}

#[test]
fn a_comment_is_the_row_of_the_key_after_it() {
    let values = "# no row\n\n# -- One.\n# Two.\na: 1\nb:\n  # -- Three.\n  c: {d: e}\n  # -- Four.\n  # @default: some\n  f:\n    g: 1\nh: 2\n";
    let row = |path: &str, default: &str, text: &str| Row {
        path: path.to_owned(),
        default: default.to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(
        rows(values),
        [
            row("a", "`1`", "One. Two."),
            row("b.c", "`{d: e}`", "Three."),
            row("b.f", "some", "Four.")
        ]
    );
}

#[test]
fn every_value_of_the_chart_is_described_and_in_its_schema() {
    let read = |name: &str| std::fs::read_to_string(format!("{FOLDER}/{name}")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let rows = rows(&read("values.yaml"));
    let missing = rows.iter().filter(|row| {
        let mut at = &schema;
        row.path
            .split('.')
            .any(|key| match at["properties"].get(key) {
                Some(below) => {
                    at = below;
                    false
                }
                None => true,
            })
    });
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&Row>::new());
    // The other way round, with the tables whose keys are free left out.
    let mut described = Vec::new();
    collect("", &schema, &mut described);
    let paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    described.retain(|path| {
        let is_below = |row: &&str| path == row || path.starts_with(&format!("{row}."));
        path != "global" && !paths.iter().any(is_below)
    });
    assert_eq!(described, Vec::<String>::new(), "not in values.yaml");
}

fn collect(path: &str, schema: &Value, found: &mut Vec<String>) {
    match schema["properties"].as_object() {
        Some(below) if !below.is_empty() => {
            for (key, schema) in below {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                collect(&path, schema, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn the_chart_and_the_program_have_one_version() {
    let chart = std::fs::read_to_string(format!("{FOLDER}/Chart.yaml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        format!("version: {version}\n"),
        format!("appVersion: \"{version}\"\n"),
    ] {
        assert!(chart.contains(&line), "{line}");
    }
}

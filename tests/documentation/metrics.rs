//! The page docs/metrics.md, made from the table of metrics.

use ringpost::config::Topics;
use ringpost::telemetry::metrics::{SECONDS_BUCKETS, SIZE_BUCKETS, Scope, TABLES};
use ringpost_proto::smtp::refusal::Refusal;

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n<!-- Made from the tables in src/telemetry/metrics/. Change it there. -->\n\n\
         What `/metrics` of the admin listener shows, in the text format of Prometheus: `process_` and `ringpost_build_info` in every\n\
         command, `ringpost_pipeline_` in `forward` and `authenticate`. Every series exists from the start, except that what the kernel\n\
         does not say of the process has none. [watch.md](watch.md) says how to collect them and what to look at.\n\n| name | kind | unit | label | meaning |\n|---|---|---|---|---|\n",
    );
    for row in TABLES.iter().copied().flatten() {
        let kind = format!("{:?}", row.kind).to_lowercase();
        let label = match row.label {
            "" => String::new(),
            label => format!("`{label}`"),
        };
        let (name, unit, help) = (row.name, row.unit.as_str(), row.help);
        page.push_str(&format!(
            "| `{name}` | {kind} | {unit} | {label} | {help} |\n"
        ));
    }
    page.push_str("\n## Values of the labels\n\n");
    let scope = Scope {
        workers: 0,
        topics: Topics::one("mail"),
    };
    let mut told = Vec::new();
    for row in TABLES.iter().copied().flatten() {
        // The versions speak for themselves; the reasons follow with their replies, and the workers by themselves.
        let known = ["", "version", "reason", "worker", "topic", "file"].contains(&row.label);
        if !known && !told.contains(&row.label) {
            told.push(row.label);
            let values = (row.values)(&scope).join(", ");
            page.push_str(&format!("- `{}`: {values}\n", row.label));
        }
    }
    page.push_str("- `worker`: from 0, one for each of `ringpost_workers`\n");
    page.push_str("- `topic`: the topics of the configuration\n");
    page.push_str("- `file`: the files of `tls.certificate` and `tls.sni_certificates`, as the configuration names them\n");
    page.push_str(
        "\n`reason`, with the reply that it stands for:\n\n| reason | reply |\n|---|---|\n",
    );
    for refusal in Refusal::ALL {
        let row = refusal.row();
        let reply = match refusal {
            Refusal::ProxyHeader => "closed without a reply".to_owned(),
            _ => format!("{} {} {}", row.code, row.enhanced, row.text),
        };
        page.push_str(&format!("| `{}` | {reply} |\n", row.label));
    }
    let buckets = |bounds: &[f64]| {
        bounds
            .iter()
            .map(f64::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    page.push_str(&format!(
        "\n## Buckets\n\n- seconds: {}\n- bytes: {}\n",
        buckets(&SECONDS_BUCKETS),
        buckets(&SIZE_BUCKETS)
    ));
    page
}

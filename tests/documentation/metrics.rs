//! The page docs/metrics.md, made from the table of metrics.

use ringpost::telemetry::metrics::table::{
    CODES, ENDS, OUTCOMES, SECONDS_BUCKETS, SIZE_BUCKETS, TABLE,
};
use ringpost_proto::smtp::command::Verb;
use ringpost_proto::smtp::refusal::Refusal;

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n<!-- Made from the table in src/telemetry/metrics/table.rs. Change it there. -->\n\n\
         What `/metrics` of the admin listener shows, in the text format of Prometheus. Every series exists from the\n\
         start.\n\n| name | kind | unit | label | meaning |\n|---|---|---|---|---|\n",
    );
    for row in TABLE {
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
    let verbs = Verb::ALL.map(|verb| verb.label().to_owned());
    let codes = CODES.iter().map(u16::to_string);
    for (label, values) in [
        ("end", ENDS.map(|(_, end)| end.to_owned()).to_vec()),
        ("verb", verbs.to_vec()),
        ("code", codes.chain(["other".to_owned()]).collect()),
        ("outcome", OUTCOMES.map(str::to_owned).to_vec()),
        ("result", ["applied", "failed"].map(str::to_owned).to_vec()),
    ] {
        page.push_str(&format!("- `{label}`: {}\n", values.join(", ")));
    }
    page.push_str(
        "\n`reason`, with the reply that it stands for:\n\n| reason | reply |\n|---|---|\n",
    );
    for refusal in Refusal::ALL {
        let row = refusal.row();
        let reply = format!("{} {} {}", row.code, row.enhanced, row.text);
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

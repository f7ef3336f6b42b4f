//! The page docs/log-fields.md, made from the vocabulary of the log.

use ringpost::telemetry::vocabulary::lines::{self, ALWAYS, Line};
use ringpost::telemetry::vocabulary::{Row, field};

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Fields of the log\n\n<!-- Made from the tables in src/telemetry/vocabulary/. Change it there. -->\n\n\
         Every field that a line of ringpost may have, and the lines that come with mail, with connections and with the life of a\n\
         process. [logging.md](logging.md) says how to use them. A name has one meaning in all lines, in both formats and in every\n\
         command.\n\n\
         ## Every line\n\n\
         | field | type | what |\n|---|---|---|\n\
         | `timestamp` | text | the time, RFC 3339 in UTC with milliseconds: `2026-11-28T10:15:02.114Z`; in text the first word of the line |\n\
         | `level` | text | `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`; in text the second word |\n\
         | `message` | text | what happened, such as `message` and `refused`; in text what follows the level |\n",
    );
    for group in lines::ALL {
        page.push_str(&format!("\n## {}\n", group.title));
        group
            .lines
            .iter()
            .for_each(|line| push_line(&mut page, line));
    }
    page.push_str("\n## All fields\n");
    for group in field::ALL {
        page.push_str(&format!(
            "\n### {}\n\n| field | type | unit | what | example |\n|---|---|---|---|---|\n",
            group.title
        ));
        group.rows.iter().for_each(|row| push_field(&mut page, row));
    }
    page
}

fn push_line(page: &mut String, line: &Line) {
    let Line {
        message,
        level,
        what,
        fields,
    } = line;
    page.push_str(&format!("\n### `{message}`\n\n{level}: {what}.\n\n"));
    let always = fields.iter().filter(|(_, when)| *when == ALWAYS);
    let always: Vec<String> = always.map(|(name, _)| format!("`{name}`")).collect();
    page.push_str(&format!("- always: {}\n", always.join(", ")));
    let mut said: Vec<&str> = Vec::new();
    for (_, when) in fields.iter().filter(|(_, when)| *when != ALWAYS) {
        if said.contains(when) {
            continue;
        }
        said.push(when);
        let names = fields.iter().filter(|(_, other)| other == when);
        let names: Vec<String> = names.map(|(name, _)| format!("`{name}`")).collect();
        page.push_str(&format!("- {when}: {}\n", names.join(", ")));
    }
}

fn push_field(page: &mut String, row: &Row) {
    let Row {
        name,
        kind,
        unit,
        what,
        example,
    } = row;
    let what = what.trim();
    page.push_str(&format!(
        "| `{name}` | {kind} | {unit} | {what} | `{example}` |\n"
    ));
}

//! The texts about the options, made from their table: the example file and the page docs/configuration.md.
//!
//! Must not know: how values are read.
//!
//! Invariant, tested: the example loads to the defaults, as it is and with every option uncommented.

use std::fmt::Write;

use ringpost::config::options::{ROUTE_SETTINGS, ROUTES, RouteSetting, SECTIONS, SETTINGS};
use ringpost::config::{Error, Loaded, Setting, Shape, load};

/// Columns of the example file.
const COLUMNS: usize = 100;

/// The configuration file with every option at its default, commented out: `#key = value` is an option, `# ` a comment.
pub fn example() -> String {
    let mut text = String::new();
    comment(
        &mut text,
        "Configuration of ringpost, in TOML. Every option is here with its default; remove the # in front of one to \
         change it. Flags beat the environment, which beats this file. `ringpost check --config FILE` says what is wrong \
         with a file. Sizes are bytes or have a unit: B, KiB, MiB, GiB, TiB, KB, MB, GB, TB. Durations have a unit: ms, \
         s, min, h.",
    );
    for section in SECTIONS {
        text.push('\n');
        comment(&mut text, section.doc);
        line(&mut text, &format!("[{}]", section.name));
        for setting in of_section(section.name) {
            text.push('\n');
            comment(&mut text, setting.doc);
            comment(&mut text, &facts(setting));
            if setting.shape() == Shape::Table {
                line(&mut text, &format!("[{}]", setting.key));
            } else {
                line(
                    &mut text,
                    &format!("#{} = {}", setting.name(), toml_default(setting)),
                );
            }
        }
    }
    text.push('\n');
    comment(&mut text, ROUTES.doc);
    for example_line in ROUTE.lines() {
        line(&mut text, &format!("# {example_line}"));
    }
    text
}

/// A route as the example file shows it.
const ROUTE: &str = r#"[[routes]]
recipients = ["*.tenant.example"]
topic = "mail.tenant"
"#;

/// The reference of all options, in Markdown.
pub fn page() -> String {
    let mut text = String::from(PREFACE);
    for section in SECTIONS {
        line(
            &mut text,
            &format!("\n## [{}]\n\n{}", section.name, section.doc),
        );
        for setting in of_section(section.name) {
            entry(&mut text, setting);
        }
    }
    line(
        &mut text,
        &format!(
            "\n## [[{}]]\n\n{}\n\n```toml\n{ROUTE}```",
            ROUTES.name, ROUTES.doc
        ),
    );
    for setting in ROUTE_SETTINGS.iter() {
        route_entry(&mut text, setting);
    }
    text
}

const PREFACE: &str = r#"# Configuration

<!-- Made from the table of options in src/config/options. Change it there. -->

Without any configuration ringpost is the quick start: SMTP on 127.0.0.1:2525 and a broker in memory. Options come from
a file in TOML (`--config FILE`), from the environment and from flags; flags beat the environment, which beats the file.
Without `--config`, the environment variable `RINGPOST_CONFIG` names the file, for `serve`, `check` and `consume` alike. Set it once,
as the image does, and `ringpost check` looks at the configuration that is served. If the file that it names does not exist, or its
value is empty, that is an error (exit code 2). A file, named either way, that sets nothing at all is an error too, unless a variable
or a flag sets `recipients.domains` or `kafka.brokers`: an empty file was probably lost or never written, and the quick start would
take mail for every domain and keep it in memory.

```toml
[server]
hostname = "mx.example.net"
listen = ["0.0.0.0:25", "[::]:25"]

[recipients]
domains = ["example.net", "*.example.net"]

[kafka]
brokers = "kafka-1:9092,kafka-2:9092"
topic = "mail"
```

- **Environment**: `RINGPOST_`, the section, the key: `RINGPOST_LIMITS_MESSAGE_SIZE=50MiB`. Items of a list are separated by commas.
  The [routes](#routes) have no variables: an array of tables is in a file.
  Other variables that begin with `RINGPOST_`, except `RINGPOST_CONFIG`, have no effect, and a warning says so.
- **Sizes** are bytes, or a whole number with B, KiB, MiB, GiB, TiB (powers of 1024), KB, MB, GB or TB (powers of 1000). Case
  makes no difference, a space before the unit is allowed, and the B is optional: `25M` is 25,000,000 bytes. In the file, a size with
  a unit is in quotes: `"25MiB"`. The load tester reads sizes in the same way.
- **Durations** are a whole number with ms, s, min (or m) or h. In the file they are in quotes: `"30s"`.
- **Reload**: SIGHUP reads the configuration again and applies the options marked `Reload: yes`; all others need a restart.
- **Mistakes**: with an unknown key or a value out of its range, ringpost does not start (exit code 2). It reports every mistake,
  with its file, line, key, value and what is allowed. `ringpost check --config FILE` finds them beforehand.

All options at their defaults are in [deploy/ringpost.example.toml](../deploy/ringpost.example.toml).
"#;

fn entry(text: &mut String, setting: &Setting) {
    line(text, &format!("\n### {}\n\n{}\n", setting.key, setting.doc));
    line(text, &format!("- Allowed: {}", setting.allowed()));
    let default = match setting.shape() {
        Shape::Table => "none".to_owned(),
        _ => format!("`{}`", toml_default(setting)),
    };
    line(text, &format!("- Default: {default}"));
    line(text, &format!("- Environment: `{}`", setting.variable()));
    if let Some(flag) = setting.flag {
        line(
            text,
            &format!(
                "- Flag: `{flag}`{}",
                if setting.is_list() {
                    ", once per item"
                } else {
                    ""
                }
            ),
        );
    }
    line(
        text,
        &format!("- Reload: {}", if setting.reload { "yes" } else { "no" }),
    );
}

/// A key of a route: only a file sets it, and no reload does.
fn route_entry(text: &mut String, setting: &RouteSetting) {
    line(text, &format!("\n### {}\n\n{}\n", setting.key, setting.doc));
    line(text, &format!("- Allowed: {}", setting.allowed()));
    line(text, "- Environment: none");
    line(text, "- Reload: no");
}

fn of_section(name: &str) -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.section() == name)
}

/// What the example says of an option besides its text.
fn facts(setting: &Setting) -> String {
    let mut facts = format!(
        "Allowed: {}. Environment: {}.",
        setting.allowed(),
        setting.variable()
    );
    if let Some(flag) = setting.flag {
        write!(facts, " Flag: {flag}.").expect("a String takes every write");
    }
    if setting.reload {
        facts.push_str(" Applied by SIGHUP.");
    }
    facts
}

/// The default as it is written in the file.
fn toml_default(setting: &Setting) -> String {
    match setting.shape() {
        Shape::Switch | Shape::Count => setting.default.to_owned(),
        // No default has a quote or a backslash in it; a test would find one, as the example is read back.
        Shape::Size | Shape::Time | Shape::Text => format!("\"{}\"", setting.default),
        Shape::List => {
            let items: Vec<String> = setting
                .default_texts()
                .iter()
                .map(|item| format!("\"{item}\""))
                .collect();
            format!("[{}]", items.join(", "))
        }
        Shape::Table => "{}".to_owned(),
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A paragraph as comment lines. Code marks of Markdown are of no use there.
fn comment(text: &mut String, paragraph: &str) {
    let mut current = String::from("#");
    for word in paragraph.replace('`', "").split(' ') {
        if current.chars().count() + 1 + word.chars().count() > COLUMNS {
            line(text, &current);
            current = String::from("#");
        }
        current.push(' ');
        current.push_str(word);
    }
    line(text, &current);
}

fn loaded(text: &str, variables: Vec<(String, String)>) -> Result<Loaded, Error> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("a written file");
    load(Some(file.path()), variables, &[])
}

/// The example with every option in force.
fn uncommented() -> String {
    let mut text = String::new();
    for example_line in example().lines() {
        let option = example_line
            .strip_prefix('#')
            .filter(|rest| !rest.starts_with(' '));
        line(&mut text, option.unwrap_or(example_line));
    }
    text
}

#[test]
fn the_example_loads_to_the_defaults() {
    let defaults = load(None, [], &[]).expect("the defaults").config;
    let brokers = ("RINGPOST_KAFKA_BROKERS".to_owned(), "embedded".to_owned());
    for (text, variables) in [(example(), vec![brokers]), (uncommented(), vec![])] {
        let loaded = loaded(&text, variables).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((loaded.config, loaded.warnings), (defaults.clone(), vec![]));
    }
}

/// Installed and started as it is, it would be the quick start: mail in memory.
#[test]
fn the_example_in_which_nothing_is_changed_is_refused() {
    let error = loaded(&example(), vec![]).unwrap_err().to_string();
    assert!(error.contains("sets nothing"), "{error}");
}

#[test]
fn the_example_has_every_option_once() {
    let text = uncommented();
    for section in SECTIONS {
        assert_eq!(
            text.matches(&format!("\n[{}]\n", section.name)).count(),
            1,
            "{}",
            section.name
        );
    }
    let options = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']))
        .count();
    let tables = SETTINGS
        .iter()
        .filter(|setting| setting.shape() == Shape::Table)
        .count();
    assert_eq!(options + tables, SETTINGS.len());
}

#[test]
fn lines_of_the_example_are_not_too_long() {
    for line in example().lines() {
        assert!(
            line.chars().count() <= COLUMNS && line.trim_end() == line,
            "{line}"
        );
    }
}

#[test]
fn the_reference_has_every_option() {
    let text = page();
    for setting in ROUTE_SETTINGS.iter() {
        assert!(text.contains(&format!("\n### {}\n", setting.key)));
    }
    for setting in SETTINGS.iter() {
        assert_eq!(
            text.matches(&format!("\n### {}\n", setting.key)).count(),
            1,
            "{}",
            setting.key
        );
        assert!(
            text.contains(&format!("`{}`", setting.variable())),
            "{}",
            setting.key
        );
        assert!(
            setting
                .flag
                .is_none_or(|flag| text.contains(&format!("- Flag: `{flag}`"))),
            "{}",
            setting.key
        );
    }
}

#[test]
fn the_configuration_in_the_preface_loads() {
    let (_, rest) = PREFACE.split_once("```toml\n").expect("a block begins");
    let (block, _) = rest.split_once("```").expect("and ends");
    assert_eq!(
        loaded(block, vec![]).expect("it loads").config.kafka.topic,
        "mail"
    );
    assert_eq!(
        loaded(ROUTE, vec![]).expect("it loads").config.routes[0].topic,
        "mail.tenant"
    );
}

//! The pages that the program's own tables make are the ones in the repository, and what they name as proof exists.
//! `RINGPOST_UPDATE_PAGES=1 cargo test --test documentation` writes them.

#[path = "documentation/chart.rs"]
mod chart;
#[path = "documentation/check.rs"]
mod check;
#[path = "documentation/configuration.rs"]
mod configuration;
#[path = "documentation/generosities.rs"]
mod generosities;
#[path = "documentation/limits.rs"]
mod limits;
#[path = "documentation/links.rs"]
mod links;
#[path = "documentation/log_fields.rs"]
mod log_fields;
#[path = "documentation/metrics.rs"]
mod metrics;
#[path = "documentation/protocol.rs"]
mod protocol;

use std::path::Path;

use generosities::GENEROSITIES;
use limits::LIMITS;
use ringpost_proto::smtp::extension::EXTENSIONS;
use ringpost_proto::smtp::positive::Positive;
use ringpost_proto::smtp::refusal::Refusal;

#[test]
fn generated_pages_are_up_to_date() {
    let pages = [
        ("docs/configuration.md", configuration::page()),
        ("deploy/ringpost.example.toml", configuration::example()),
        ("docs/log-fields.md", log_fields::page()),
        ("docs/check.md", check::page()),
        ("docs/metrics.md", metrics::page()),
        ("docs/protocol.md", protocol::page()),
    ];
    for (path, text) in pages.into_iter().chain(chart::pages()) {
        if std::env::var_os("RINGPOST_UPDATE_PAGES").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == text,
            "{path} is not what the tables make of it; \
             `RINGPOST_UPDATE_PAGES=1 cargo test --test documentation` writes it"
        );
    }
}

#[test]
fn the_page_of_the_record_names_every_header_in_order() {
    let page = std::fs::read_to_string("docs/record.md").unwrap();
    let (_, table) = page.split_once("\n## Attributes\n").expect("its heading");
    let (table, _) = table.split_once("\n## ").expect("the next heading");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let named: Vec<&str> = rows.map(|row| row.split_once('`').unwrap().0).collect();
    assert_eq!(
        named,
        ringpost_proto::mail::header::ALL,
        "docs/record.md, written by hand, has one row for each header under \"Attributes\", in the order of a record"
    );
}

/// What a row is held by: all of a dialogue, or the text of one test.
fn proof(held_by: &str) -> String {
    let (path, test) = held_by.split_once(": ").unwrap_or((held_by, ""));
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{held_by}: {error}"));
    if test.is_empty() {
        assert!(path.ends_with(".smtp"), "{held_by} names its test");
        return text;
    }
    // Inside a module a test is indented, so its end is a line by itself, indented no deeper.
    let marked = format!("#[test]\nfn {test}() {{\n");
    let unindented = text.replace("\n    ", "\n");
    let (text, at) = match text.find(&marked) {
        Some(at) => (&text, at),
        None => (
            &unindented,
            unindented
                .find(&marked)
                .unwrap_or_else(|| panic!("no {held_by}")),
        ),
    };
    let body = &text[at..];
    body[..body.find("\n}\n").expect("a test ends")].to_owned()
}

#[test]
fn every_refusal_is_held_by_a_dialogue_or_test_that_has_its_codes() {
    for refusal in Refusal::ALL {
        let row = refusal.row();
        let codes = format!("{} {}", row.code, row.enhanced);
        let text = proof(row.held_by);
        // A connection without a header of its proxy is closed without a reply.
        let silent = *refusal == Refusal::ProxyHeader;
        assert!(
            silent || text.contains(&codes),
            "{refusal:?}: {codes} is not in {}",
            row.held_by
        );
    }
}

#[test]
fn every_positive_reply_is_held_by_a_dialogue_that_has_its_codes() {
    for positive in Positive::ALL {
        let row = positive.row();
        let codes = format!("{} {}", row.code, row.enhanced);
        assert!(
            proof(row.held_by).contains(codes.trim_end()),
            "{positive:?}: {codes} is not in {}",
            row.held_by
        );
    }
}

#[test]
fn extensions_and_limits_are_held_by_what_exists() {
    for extension in &EXTENSIONS {
        proof(extension.held_by);
    }
    for limit in LIMITS {
        proof(limit.held_by);
    }
    for generosity in GENEROSITIES {
        proof(generosity.held_by);
    }
}

/// A flag of the image's command would reach `serve` alone.
#[test]
fn the_image_names_its_configuration_to_every_command() {
    let image = std::fs::read_to_string("deploy/Dockerfile").unwrap();
    let path = "/etc/ringpost/ringpost.toml";
    let variable = format!("ENV {}={path} \\\n", ringpost::config::FILE_VARIABLE);
    assert!(image.contains(&variable));
    assert!(image.contains(&format!("> /image{path}\n")));
    assert!(image.contains("CMD [\"serve\"]\n"));
    assert!(image.contains("CMD [\"ringpost\", \"health\"]\n"));
}

/// The commands of a page, a line each, without what continues a line.
fn commands(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in page.replace("\\\n", " ").lines() {
        match line.trim_start() {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside => found.push(command.to_owned()),
            _ => {}
        }
    }
    found
}

/// What a flag of a command is given.
fn flag<'a>(command: &'a str, name: &str) -> Option<&'a str> {
    let mut words = command.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()
}

#[test]
fn the_commands_of_the_readme_fit_each_other() {
    let read = |name: &str| std::fs::read_to_string(name).unwrap();
    let commands = commands(&read("README.md"));
    let one = |begin: &str| {
        let found = commands.iter().find(|command| command.starts_with(begin));
        found.unwrap_or_else(|| panic!("{begin} in {commands:?}"))
    };
    let serve = one("cargo run --release -- --brokers ");
    let (domain, brokers) = (flag(serve, "--domain").unwrap(), flag(serve, "--brokers"));
    let load = one("cargo run --release -p ringpost-loadtest ");
    let to = flag(load, "--to").unwrap();
    assert_eq!(to.split_once('@').unwrap().1, domain, "the server takes it");
    // The Kafka that is started is the one that is used, with the topic that is made.
    let topic = one("tests/support/kafka/brokers topic ");
    let name = topic.split_whitespace().nth(3);
    for begin in [
        "cargo run --release -- check ",
        "cargo run --release -- consume ",
    ] {
        assert_eq!(flag(one(begin), "--brokers"), brokers);
        assert_eq!(flag(one(begin), "--topic"), name);
    }
    assert_eq!(flag(serve, "--topic"), name);
}

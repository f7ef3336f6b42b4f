//! The consumers in `examples/`, each run by the command of its README against a real broker: they agree on what they print.
//!
//! Owns: the comparison. Must not know: what a language needs, which is in its README.
//!
//! A language whose toolchain is missing, or whose packages cannot be fetched, is skipped with its reason;
//! `RINGPOST_REQUIRE_EXAMPLES=1` makes that a failure. Each example is copied, so that nothing is installed into the source tree;
//! the one in Rust is a member of the workspace and is run where it is.
//!
//! Invariant: every example has a test here.

#[path = "examples/program.rs"]
mod program;
#[path = "examples/stage.rs"]
mod stage;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use program::Program;
use serde_json::Value;
use stage::{Stage, stage};

/// Runs an example until its group has committed all of the topic, and compares what it has printed.
fn prints_the_facts(name: &'static str, toolchain: &[&str]) {
    let Some(stage) = stage() else { return };
    let Some(mut program) = Program::start(name, toolchain, stage) else {
        return;
    };
    program.wait_until("its group has committed the topic", |_| {
        stage.is_committed(name)
    });
    program.stop();
    are_the_facts(name, &program.lines(), &program, stage);
}

/// Compares lines of mails, and what was said of the rest of the topic.
fn are_the_facts(name: &str, lines: &[String], program: &Program, stage: &Stage) {
    let errors = program.errors();
    let printed: BTreeSet<String> = lines.iter().map(|line| in_order(line)).collect();
    let expected: BTreeSet<String> = stage.facts.iter().map(|line| in_order(line)).collect();
    assert_eq!(printed, expected, "{name}: {errors}");
    assert_eq!(lines.len(), expected.len(), "each mail once");
    let passed_over = errors.matches(": passed over: ").count();
    assert_eq!(passed_over, stage.not_mails, "{name}: {errors}");
    assert!(errors.contains(stage.elsewhere), "{name}: {errors}");
    assert!(!errors.contains("cannot be read"), "{name}: {errors}");
}

/// The same JSON with its members in one order.
fn in_order(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    value.to_string()
}

#[test]
fn python_prints_the_facts() {
    prints_the_facts("python", &["python3"]);
}

#[test]
fn the_sdk_of_cloudevents_prints_the_facts() {
    prints_the_facts("cloudevents-python", &["python3"]);
}

#[test]
fn node_prints_the_facts() {
    prints_the_facts("node", &["node", "npm"]);
}

#[test]
fn go_prints_the_facts() {
    prints_the_facts("go", &["go"]);
}

#[test]
fn java_prints_the_facts() {
    prints_the_facts("java", &["java", "mvn"]);
}

#[test]
fn rust_prints_the_facts() {
    prints_the_facts("rust", &["cargo"]);
}

#[test]
fn parquet_files_have_the_facts() {
    let name = "parquet-python";
    let Some(stage) = stage() else { return };
    let Some(mut program) = Program::start(name, &["python3"], stage) else {
        return;
    };
    program.wait_until("its group has committed the topic", |_| {
        stage.is_committed(name)
    });
    program.stop();
    let lines = program.also(".venv/bin/python facts.py");
    are_the_facts(name, &lines, &program, stage);
}

#[test]
fn streams_counts_mails_per_domain_and_minute() {
    let name = "java-streams";
    let Some(stage) = stage() else { return };
    let Some(mut program) = Program::start(name, &["java", "mvn"], stage) else {
        return;
    };
    program.wait_until("it has counted every mail", |lines| {
        counts(lines) == stage.counts
    });
    program.wait_until("its group has committed the topic", |_| {
        stage.is_committed(name)
    });
    program.stop();
    assert_eq!(counts(&program.lines()), stage.counts, "nothing twice");
}

/// The last count of each domain and minute.
fn counts(lines: &[String]) -> BTreeMap<(String, String), u64> {
    let counts = lines.iter().map(|line| {
        let count: Value = serde_json::from_str(line).expect(line);
        let text = |name: &str| count[name].as_str().expect(line).to_owned();
        let mails = count["mails"].as_u64().expect(line);
        ((text("domain"), text("minute")), mails)
    });
    counts.collect()
}

#[test]
fn every_example_is_in_the_index_and_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let this = include_str!("examples.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_type().unwrap().is_dir() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        assert!(
            index.contains(&format!("[{name}]({name}/README.md)")),
            "{name}"
        );
        assert!(this.contains(&format!("\"{name}\"")), "{name} has a test");
    }
}

/// Lock files name packages, their versions and their hashes, and no host that a package came from.
#[test]
fn lock_files_name_no_host() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let npm: Value =
        serde_json::from_slice(&std::fs::read(folder.join("node/package-lock.json")).unwrap())
            .unwrap();
    for (name, package) in npm["packages"].as_object().unwrap() {
        assert!(package.get("resolved").is_none(), "{name} is from a host");
        let hashed = name.is_empty() || package["integrity"].is_string();
        assert!(hashed, "{name} has no hash");
    }
    for python in ["python", "cloudevents-python"] {
        let path = folder.join(python).join("requirements.txt");
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let pinned = line.split_once("==").is_some_and(|(name, _)| {
                !name.is_empty() && !name.contains(|character: char| " @:/".contains(character))
            });
            assert!(pinned, "{python}: {line}");
        }
    }
}

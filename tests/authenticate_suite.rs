//! The test suite of openspf.org for RFC 7208 against the SPF of `authenticate`.
//!
//! The suite is not a part of ringpost: `pip download --no-deps --no-binary :all: pyspf` brings it, as `test/rfc7208-tests.yml`.
//! `RINGPOST_SPF_SUITE=PATH cargo test --test authenticate_suite` runs it; PyYAML reads it.

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use ringpost::authenticate::dns::{Answer, Answers, Kind, Question};
use ringpost::authenticate::spf::check::{Claim, check_host};
use serde_json::{Map, Value};
use support::tools;

/// Reads a YAML of several documents and prints them as JSON.
const TO_JSON: &str = "import json, sys, yaml
print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1], 'rb')))))";

/// Aliases that are followed: some lead back.
const ALIASES_MOST: usize = 8;

/// Records of the suite by name and type; `TIMEOUT` for what gets no answer.
struct Zone(BTreeMap<String, Vec<(String, Value)>>);

impl Zone {
    fn read(data: &Value) -> Self {
        let names = data["zonedata"].as_object().expect("records");
        let records = names
            .iter()
            .map(|(name, records)| (name.to_lowercase(), of_name(records)));
        Self(records.collect())
    }

    fn ask(&self, question: &Question) -> Answer {
        self.follow(question, ALIASES_MOST)
    }

    fn follow(&self, question: &Question, aliases: usize) -> Answer {
        let (kind, empty) = (name_of(question.kind), Answer::Empty);
        let Some(records) = self.0.get(&question.name) else {
            return if question.name.starts_with("error.") {
                Answer::Trouble
            } else {
                Answer::NoName
            };
        };
        if let Some((_, target)) = records.iter().find(|(kind, _)| kind == "CNAME")
            && let Some(target) = Question::new(target.as_str().expect("a name"), question.kind)
        {
            return aliases
                .checked_sub(1)
                .map_or(empty, |left| self.follow(&target, left));
        }
        let found: Vec<&Value> = records
            .iter()
            .filter(|(of, _)| of == kind)
            .map(|(_, value)| value)
            .collect();
        let all_else = records.iter().any(|(of, _)| of == "TIMEOUT");
        if found.iter().any(|value| *value == "TIMEOUT") || (found.is_empty() && all_else) {
            return Answer::Trouble;
        }
        if found.is_empty() {
            return empty;
        }
        let text = |value: &&Value| {
            value
                .as_str()
                .expect("a text")
                .trim_end_matches('.')
                .to_owned()
        };
        match question.kind {
            Kind::Txt => Answer::Txt(found.iter().map(|value| joined(value)).collect()),
            Kind::A | Kind::Aaaa => Answer::Addresses(
                found
                    .iter()
                    .map(|value| text(value).parse().expect("an address"))
                    .collect(),
            ),
            Kind::Mx => Answer::Mx(
                found
                    .iter()
                    .filter(|value| value[1] != "")
                    .map(|value| (0, text(&&value[1])))
                    .collect(),
            ),
            Kind::Ptr => Answer::Names(found.iter().map(text).collect()),
        }
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Txt => "TXT",
        Kind::A => "A",
        Kind::Aaaa => "AAAA",
        Kind::Mx => "MX",
        Kind::Ptr => "PTR",
    }
}

/// A text, or its strings joined.
fn joined(value: &Value) -> Vec<u8> {
    match value {
        Value::Array(parts) => parts.iter().flat_map(joined).collect(),
        text => text.as_str().expect("a text").as_bytes().to_vec(),
    }
}

/// Records of a name: those of the retired type SPF are texts too where there is no TXT.
fn of_name(records: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for record in records.as_array().expect("a list of records") {
        match record {
            Value::Object(one) => found.extend(
                one.iter()
                    .map(|(kind, value)| (kind.clone(), value.clone())),
            ),
            other => found.push((other.as_str().expect("TIMEOUT").to_owned(), Value::Null)),
        }
    }
    if !found.iter().any(|(kind, _)| kind == "TXT") {
        let texts: Vec<_> = found
            .iter()
            .filter(|(kind, _)| kind == "SPF")
            .cloned()
            .collect();
        found.extend(
            texts
                .into_iter()
                .map(|(_, value)| ("TXT".to_owned(), value)),
        );
    }
    found.retain(|(_, value)| value != "NONE");
    found
}

fn run(zone: &Zone, test: &Map<String, Value>) -> String {
    let text = |key: &str| test.get(key).and_then(Value::as_str).unwrap_or_default();
    let (sender, helo) = (text("mailfrom"), text("helo"));
    let (local_part, domain) = match sender.rsplit_once('@') {
        Some(("", domain)) => ("postmaster", domain),
        Some(parts) => parts,
        None if sender.is_empty() => ("postmaster", helo),
        None => ("postmaster", sender),
    };
    let claim = Claim {
        client: text("host").parse().expect("an address"),
        domain,
        local_part,
        helo,
    };
    let mut answers = Answers::default();
    loop {
        if let Ok(word) = check_host(&claim, &answers) {
            return word.to_string();
        }
        for question in answers.needed() {
            let answer = Arc::new(zone.ask(&question));
            answers.insert(question, answer);
        }
    }
}

#[test]
fn the_results_are_those_of_the_suite() {
    let Ok(path) = std::env::var("RINGPOST_SPF_SUITE") else {
        return tools::say_skipped("RINGPOST_SPF_SUITE does not name rfc7208-tests.yml");
    };
    let Some(python) = tools::find_or_say("python3") else {
        return;
    };
    let json = tools::run(Command::new(python).args(["-c", TO_JSON, &path]), b"");
    let scenarios: Vec<Value> = serde_json::from_slice(&json.stdout).expect("JSON");
    let (mut count, mut wrong) = (0, Vec::new());
    for scenario in scenarios.iter().filter(|scenario| scenario.is_object()) {
        let zone = Zone::read(scenario);
        for (name, test) in scenario["tests"].as_object().expect("tests") {
            let test = test.as_object().expect("a test");
            let found = run(&zone, test);
            let expected = match &test["result"] {
                Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
                one => vec![one.as_str().expect("a result")],
            };
            count += 1;
            if !expected.contains(&found.as_str()) {
                wrong.push(format!("{name}: {found}, and the suite says {expected:?}"));
            }
        }
    }
    assert!(count > 100, "{count} tests");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

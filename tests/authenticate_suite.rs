//! Test suites of others against `authenticate`. They are not a part of ringpost; each is run where a variable names its file, which
//! PyYAML reads.
//!
//! | suite | variable | file |
//! |---|---|---|
//! | of openspf.org, for RFC 7208 | `RINGPOST_SPF_SUITE` | `test/rfc7208-tests.yml` of pyspf (`pip download --no-deps --no-binary :all: pyspf`) |
//! | of ValiMail, for ARC | `RINGPOST_ARC_SUITE` | `tests/arc-draft-validation-tests.yml` of github.com/ValiMail/arc_test_suite |

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ringpost::authenticate::dns::{Answer, Answers, Kind, Question};
use ringpost::authenticate::examine::{Body, Examiner};
use ringpost::authenticate::resolver::Settings;
use ringpost::authenticate::spf::check::{Claim, check_host};
use ringpost::consume::received::Received;
use serde_json::{Map, Value};
use support::names::Names;
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
            Kind::Tlsa => panic!("no check asks for TLSA records"),
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
        Kind::Tlsa => "TLSA",
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

/// The documents of the suite that a variable names, or none where it cannot be read here.
fn scenarios(variable: &str) -> Option<Vec<Value>> {
    let Ok(path) = std::env::var(variable) else {
        tools::say_skipped(&format!("{variable} names no file"));
        return None;
    };
    let python = tools::find_or_say("python3")?;
    let json = tools::run(Command::new(python).args(["-c", TO_JSON, &path]), b"");
    let scenarios: Vec<Value> = serde_json::from_slice(&json.stdout).expect("JSON");
    Some(scenarios.into_iter().filter(Value::is_object).collect())
}

#[test]
fn spf_has_the_results_of_the_suite() {
    let Some(scenarios) = scenarios("RINGPOST_SPF_SUITE") else {
        return;
    };
    let (mut count, mut wrong) = (0, Vec::new());
    for scenario in &scenarios {
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

/// Where the suite of ARC, which is of a draft, is not followed.
const ARC_OTHERWISE: [(&str, &str, &str); 2] = [
    (
        "ams_fields_c_na",
        "fail",
        "without c= it is the default of RFC 6376, simple/simple, and not relaxed",
    ),
    (
        "ams_fields_h_empty",
        "fail",
        "a signature that covers no field is not accepted",
    ),
];

/// The word of ARC for a message of the suite.
fn chain(names: &Names, message: &str) -> String {
    fn quiet(_line: &str) {}
    let settings = Settings {
        servers: vec![names.address()],
        patience: Duration::ZERO,
        timeout: Duration::from_secs(10),
        down: Arc::default(),
        say: quiet,
    };
    let value = message.replace('\n', "\r\n").into_bytes();
    let headers = [
        ("ce_type", "io.ringpost.mail.received.v1"),
        ("ce_smtpfrom", ""),
        ("ce_smtpclient", "192.0.2.1:25"),
        ("ce_smtpsize", &value.len().to_string()),
    ];
    let record = Received {
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .to_vec(),
        value,
        ..Received::default()
    };
    let body = Body {
        bytes: &record.value,
        is_whole: true,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let output = runtime.block_on(async {
        let examiner = Examiner::new(&settings, "mx.example".to_owned(), Arc::default()).unwrap();
        examiner.examine(&record, body).await.expect("a mail")
    });
    let word = output
        .headers
        .iter()
        .find(|(name, _)| name == "ce_autharc")
        .expect("a verdict");
    String::from_utf8_lossy(&word.1).into_owned()
}

#[test]
fn arc_has_the_results_of_the_suite() {
    let Some(scenarios) = scenarios("RINGPOST_ARC_SUITE") else {
        return;
    };
    let (mut count, mut wrong) = (0, Vec::new());
    for scenario in &scenarios {
        let names = Names::start();
        for (name, text) in scenario["txt-records"].as_object().expect("keys") {
            names.txt(name, &text.as_str().expect("a text").replace('\n', ""));
        }
        for (name, test) in scenario["tests"].as_object().expect("tests") {
            let mut expected = test["cv"].as_str().unwrap_or("None").to_lowercase();
            // Of a chain whose last seal says fail the draft says nothing; RFC 8617 5.2 does.
            if expected.is_empty() {
                "fail".clone_into(&mut expected);
            }
            if let Some((_, other, _)) = ARC_OTHERWISE.iter().find(|(known, ..)| known == name) {
                (*other).clone_into(&mut expected);
            }
            let found = chain(&names, test["message"].as_str().expect("a message"));
            count += 1;
            if found != expected {
                let why = test["description"].as_str().unwrap_or_default();
                wrong.push(format!(
                    "{name}: {found}, and the suite says {expected}: {why}"
                ));
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

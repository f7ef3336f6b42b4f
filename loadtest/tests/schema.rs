//! The report is what `report.schema.json` says, no more and no less.
//!
//! The validator below knows the words that the schema uses, and fails on any other: a word that is not checked would be a
//! promise that nobody keeps.

mod support;

use serde_json::Value;
use support::{Behaviour, Server, report};

fn schema() -> Value {
    serde_json::from_str(include_str!("../report.schema.json")).expect("JSON")
}

/// What is wrong, with its place.
fn check(root: &Value, schema: &Value, value: &Value, place: &str, wrong: &mut Vec<String>) {
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        match &word[..] {
            "description" | "title" | "$schema" | "$defs" => {}
            "$ref" => {
                let pointer = rule
                    .as_str()
                    .and_then(|text| text.strip_prefix('#'))
                    .expect("a local reference");
                check(
                    root,
                    root.pointer(pointer).expect("it exists"),
                    value,
                    place,
                    wrong,
                );
            }
            "type" => {
                let fits = match rule {
                    Value::Array(names) => names.iter().any(|name| is_a(value, name)),
                    name => is_a(value, name),
                };
                if !fits {
                    wrong.push(format!("{place}: {value} is no {rule}"));
                }
            }
            "enum" if !rule.as_array().expect("values").contains(value) => {
                wrong.push(format!("{place}: {value}"))
            }
            "const" if rule != value => wrong.push(format!("{place}: {value} is not {rule}")),
            "minimum" if value.as_f64() < rule.as_f64() => {
                wrong.push(format!("{place}: {value} is too small"))
            }
            "maximum" if value.as_f64() > rule.as_f64() => {
                wrong.push(format!("{place}: {value} is too large"))
            }
            "enum" | "const" | "minimum" | "maximum" => {}
            "pattern" => {
                assert_eq!(
                    rule, "^[0-9a-f]{16}$",
                    "the one pattern that this validator knows"
                );
                let text = value.as_str().unwrap_or("");
                if text.len() != 16 || !text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
                {
                    wrong.push(format!("{place}: {value}"));
                }
            }
            "anyOf" => {
                let fits = rule.as_array().expect("schemas").iter().any(|schema| {
                    let mut inner = Vec::new();
                    check(root, schema, value, place, &mut inner);
                    inner.is_empty()
                });
                if !fits {
                    wrong.push(format!("{place}: fits none of anyOf: {value}"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{place}/{index}"), wrong);
                }
            }
            "required" => {
                for name in rule.as_array().expect("names") {
                    if value.get(name.as_str().expect("a name")).is_none() {
                        wrong.push(format!("{place}: {name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().expect("schemas") {
                    if let Some(value) = value.get(name) {
                        check(root, schema, value, &format!("{place}/{name}"), wrong);
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.get(name).is_some()) {
                        continue;
                    }
                    match rule {
                        Value::Bool(_) => {
                            wrong.push(format!("{place}: {name} is not in the schema"))
                        }
                        rule => check(root, rule, value, &format!("{place}/{name}"), wrong),
                    }
                }
            }
            other => panic!("the validator does not know {other:?}"),
        }
    }
}

fn is_a(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the validator does not know the type {other:?}"),
    }
}

fn wrong(value: &Value) -> Vec<String> {
    let (schema, mut wrong) = (schema(), Vec::new());
    check(&schema, &schema, value, "", &mut wrong);
    wrong
}

#[test]
fn reports_are_as_the_schema_says() {
    let server = Server::start(Behaviour {
        extensions: vec!["PIPELINING"],
        ..Behaviour::default()
    });
    let pid = std::process::id().to_string();
    for words in [
        &[][..],
        &[
            "--rate",
            "500",
            "--duration",
            "1500ms",
            "--pid",
            &pid,
            "--assert",
            "p99<1h,server_cpu<1h",
        ],
        &[
            "--idle",
            "5",
            "--misbehave",
            "garbage=10%",
            "--metrics",
            "http://127.0.0.1:1/metrics",
        ],
        &["--no-pipeline", "--per-connection", "1"],
    ] {
        let words: Vec<&str> = ["--messages", "600"].iter().chain(words).copied().collect();
        let report = report(server.address, &words);
        assert_eq!(wrong(&report), Vec::<String>::new(), "{words:?}");
        assert!(
            report["messages"]["accepted"].as_u64() > Some(400),
            "{report}"
        );
    }
}

#[test]
fn reports_of_failed_runs_are_as_the_schema_says() {
    let refusing = Server::start(Behaviour {
        refuses: true,
        ..Behaviour::default()
    });
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let lasting = ["--duration", "500ms", "--max-errors", "0"];
    for (address, words) in [
        (refusing.address, &["--messages", "20"][..]),
        (
            refusing.address,
            &[&lasting[..], &["--tls", "starttls"]].concat(),
        ),
        (nobody, &[]),
        (nobody, &lasting),
    ] {
        let report = report(address, words);
        assert_eq!(wrong(&report), Vec::<String>::new(), "{words:?}");
        assert_eq!(report["passed"], false);
        assert!(report["reasons"][0]["count"].as_u64() > Some(0), "{report}");
        assert_eq!(report["limit"]["by"], "none");
    }
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let server = Server::start(Behaviour::default());
    let good = report(server.address, &["--messages", "10"]);
    for (pointer, bad) in [
        ("/version", Value::from(1)),
        ("/run", Value::from("short")),
        ("/limit/by", Value::from("nobody")),
        ("/messages/accepted", Value::from(-1)),
        ("/series", Value::Null),
        ("/idle", Value::from(3)),
        ("/replies/250", Value::from("many")),
    ] {
        let mut report = good.clone();
        *report.pointer_mut(pointer).expect("it is there") = bad;
        assert!(!wrong(&report).is_empty(), "{pointer}");
    }
    let mut more = good.clone();
    more["new"] = Value::Null;
    let mut less = good;
    less["own"]
        .as_object_mut()
        .expect("an object")
        .remove("cpu_seconds");
    assert!(!wrong(&more).is_empty() && !wrong(&less).is_empty());
}

//! The AsyncAPI description of the record, and whether headers fit one of its schemas.
//!
//! Owns: the keywords of JSON Schema that the description uses. A keyword that is not known here is a panic, so that none is thought
//! to hold that nobody checks. Must not know: what a record is.

use regex_lite::Regex;
use serde_json::Value;

/// Keywords that say something to people or tools and allow every value.
const ANNOTATIONS: [&str; 3] = ["description", "format", "contentMediaType"];

/// `docs/record.asyncapi.json`.
pub struct Description(Value);

impl Description {
    /// Reads it.
    pub fn read() -> Self {
        let text = std::fs::read("docs/record.asyncapi.json").unwrap();
        Self(serde_json::from_slice(&text).unwrap())
    }

    fn message(&self, name: &str) -> &Value {
        &self.0["components"]["messages"][name]
    }

    /// The schema of a message's headers.
    pub fn headers(&self, message: &str) -> &Value {
        self.resolve(&self.message(message)["headers"])
    }

    /// The examples of a message.
    pub fn examples(&self, message: &str) -> &[Value] {
        let examples = &self.message(message)["examples"];
        examples.as_array().expect("examples")
    }

    /// What a reference refers to; anything else is itself.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').expect("a place in this file");
                self.0.pointer(pointer).expect(reference)
            }
            None => schema,
        }
    }

    /// What of a value does not fit a schema.
    pub fn violations(&self, schema: &Value, value: &Value) -> Vec<String> {
        let schema = self.resolve(schema);
        let mut wrong = Vec::new();
        for (keyword, rule) in schema.as_object().expect("a schema") {
            if ANNOTATIONS.contains(&keyword.as_str()) {
                continue;
            }
            let inner: Vec<String> = match keyword.as_str() {
                "allOf" => {
                    let parts = list(rule).iter();
                    parts
                        .flat_map(|part| self.violations(part, value))
                        .collect()
                }
                "properties" => self.of_properties(rule, value),
                "required" => missing(list(rule), value),
                "dependencies" => of_dependencies(rule, value),
                _ => of_text(keyword, rule, value).into_iter().collect(),
            };
            wrong.extend(inner);
        }
        wrong
    }

    fn of_properties(&self, rules: &Value, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, rule) in rules.as_object().expect("properties") {
            if let Some(property) = value.get(name) {
                let inner = self.violations(rule, property);
                wrong.extend(inner.into_iter().map(|what| format!("{name}: {what}")));
            }
        }
        wrong
    }
}

fn list(rule: &Value) -> &[Value] {
    rule.as_array().expect("a list")
}

fn missing(names: &[Value], value: &Value) -> Vec<String> {
    let names = names.iter().map(|name| name.as_str().expect("a name"));
    names
        .filter(|name| value.get(name).is_none())
        .map(|name| format!("{name} is missing"))
        .collect()
}

fn of_dependencies(rules: &Value, value: &Value) -> Vec<String> {
    let rules = rules.as_object().expect("dependencies").iter();
    rules
        .filter(|(name, _)| value.get(name).is_some())
        .flat_map(|(_, needed)| missing(list(needed), value))
        .collect()
}

/// The keywords of a value by itself.
fn of_text(keyword: &str, rule: &Value, value: &Value) -> Option<String> {
    let text = value.as_str().unwrap_or_default();
    let length = text.chars().count() as u64;
    let fits = match keyword {
        "type" => match rule.as_str().expect("one type") {
            "object" => value.is_object(),
            "string" => value.is_string(),
            other => panic!("the type {other} is not checked"),
        },
        "const" => value == rule,
        "enum" => list(rule).contains(value),
        "minLength" => length >= rule.as_u64().expect("a length"),
        "maxLength" => length <= rule.as_u64().expect("a length"),
        "pattern" => {
            let pattern = Regex::new(rule.as_str().expect("a pattern")).unwrap();
            pattern.is_match(text)
        }
        other => panic!("the keyword {other} is not checked"),
    };
    (!fits).then(|| format!("{value} against {keyword} {rule}"))
}

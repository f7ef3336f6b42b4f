//! What the flags of the command line set. clap and the table say which flags there are.

use super::Draft;
use crate::config::error::{Place, Problem};
use crate::config::options;
use crate::config::row::{Fault, Written};

impl Draft {
    pub(super) fn apply_flags(&mut self, flags: &[(&'static str, Vec<String>)]) {
        for (key, values) in flags.iter().filter(|(_, values)| !values.is_empty()) {
            let setting = options::setting(key)
                .unwrap_or_else(|| panic!("{key} is not an option of the table"));
            let flag = setting
                .flag
                .unwrap_or_else(|| panic!("{key} has no flag in the table"));
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            let written = match texts.as_slice() {
                [text] if !setting.is_list() => Written::One(text),
                texts => Written::List(texts.to_vec()),
            };
            let place = || Place::Flag(flag);
            for Fault { item, reason } in self.set(setting, place(), &|_| place(), &written) {
                let value = match (item, texts.as_slice()) {
                    (Some(index), _) => Some(texts[index].to_owned()),
                    (None, [text]) => Some((*text).to_owned()),
                    (None, _) => None,
                };
                let key = Some(setting.key.to_owned());
                self.problems.push(Problem {
                    place: place(),
                    key,
                    value,
                    reason,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;

    #[test]
    fn mistakes_of_flags_name_flag_and_value() {
        let cases: &[(&'static str, &[&str], &str)] = &[
            (
                "kafka.topic",
                &["a b"],
                "--topic a b: is not a name that Kafka allows",
            ),
            (
                "kafka.topic",
                &["a", "b"],
                "--topic: is given 2 times: it takes one value",
            ),
            ("recipients.domains", &[], ""),
            (
                "recipients.domains",
                &["a", "b c"],
                "--domain b c: is not a domain name",
            ),
            (
                "tls.certificate",
                &["mx.pem"],
                "--tls-cert: tls.certificate is set without tls.key",
            ),
        ];
        for (key, values, begin) in cases {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            match load(None, [], &[(key, values)]) {
                Ok(_) => assert_eq!(*begin, ""),
                Err(error) => assert!(
                    error.to_string().starts_with(begin) && !begin.is_empty(),
                    "{error}"
                ),
            }
        }
    }
}

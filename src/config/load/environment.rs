//! What the environment sets, and which of its variables are no options though they look like one.
//!
//! Invariant: a variable that begins with `RINGPOST_` and has no effect is warned of.

use std::collections::BTreeMap;

use super::{Draft, OTHER_VARIABLES};
use crate::config::error::{Place, Problem};
use crate::config::options::{SETTINGS, Setting};
use crate::config::row::{Fault, Written};
use crate::config::suggest;

impl Draft {
    pub(super) fn apply_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) {
        // In the order of the names: an environment has no order that anybody chose.
        let ours = |(name, _): &(String, String)| {
            name.starts_with("RINGPOST_") && !OTHER_VARIABLES.contains(&name.as_str())
        };
        let variables: BTreeMap<String, String> = environment.into_iter().filter(ours).collect();
        let mut injected = Vec::new();
        for (name, text) in variables {
            match SETTINGS.iter().find(|setting| setting.variable() == name) {
                Some(setting) => self.apply_variable(setting, &name, &text),
                None if is_service_link(&name) => injected.push(name),
                None => self.warnings.push(unknown_variable(&name)),
            }
        }
        if !injected.is_empty() {
            self.warnings.push(format!(
                "{}: not an option; Kubernetes sets such variables for a service of this name (enableServiceLinks: false \
                 in the pod keeps them away)",
                injected.join(", ")
            ));
        }
    }

    fn apply_variable(&mut self, setting: &'static Setting, name: &str, text: &str) {
        let written = setting.written(text);
        let place = Place::Environment(name.to_owned());
        for Fault { item, reason } in self.set(setting, place.clone(), &|_| place.clone(), &written)
        {
            let shown = match (&written, item) {
                (Written::List(texts), Some(index)) => texts[index],
                (Written::One(_) | Written::List(_) | Written::Table(_), _) => text,
            };
            let value = (!setting.is_secret()).then(|| shown.to_owned());
            let key = Some(setting.key.to_owned());
            self.problems.push(Problem {
                place: place.clone(),
                key,
                value,
                reason,
            });
        }
    }
}

fn unknown_variable(name: &str) -> String {
    let options = SETTINGS.iter().map(Setting::variable);
    let variables: Vec<String> = options.chain(OTHER_VARIABLES.map(str::to_owned)).collect();
    let rest = name.strip_prefix("RINGPOST").unwrap_or(name);
    let whole_end = variables
        .iter()
        .find(|variable| variable.ends_with(rest))
        .map(String::as_str);
    // Names are compared without their common beginning, which would make all of them similar.
    let ends = variables
        .iter()
        .filter_map(|variable| variable.strip_prefix("RINGPOST"));
    let near = whole_end
        .map(str::to_owned)
        .or_else(|| Some(format!("RINGPOST{}", suggest::nearest(rest, ends)?)));
    match near {
        Some(near) => format!("{name}: not an option, so it has no effect: did you mean {near}?"),
        None => format!("{name}: not an option, so it has no effect"),
    }
}

/// Whether a variable is one that Kubernetes sets in each pod for a service whose name begins with `ringpost`:
/// `RINGPOST_PORT`, `RINGPOST_SERVICE_HOST`, `RINGPOST_SMTP_PORT_25_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    let ends = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    if ends.iter().any(|end| name.ends_with(end)) || name.contains("_SERVICE_PORT_") {
        return true;
    }
    // RINGPOST_PORT_25_TCP, and the same followed by _PROTO, _PORT or _ADDR.
    name.match_indices("_PORT_").any(|(at, found)| {
        let mut parts = name[at + found.len()..].split('_');
        let is_number = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
        is_number && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::super::tests::from_environment;
    use super::*;

    fn environment_problems(variables: &[(&str, &str)]) -> String {
        from_environment(variables)
            .expect_err("a variable has a mistake")
            .to_string()
    }

    #[test]
    fn every_option_has_its_variable() {
        for setting in SETTINGS.iter() {
            let variables = [(setting.variable(), setting.default.to_owned())];
            let loaded = load(None, variables, &[]).expect(setting.key);
            assert_eq!(
                loaded.config,
                load(None, [], &[]).expect("the defaults").config,
                "{}",
                setting.key
            );
            let faulty = [(setting.variable(), "\u{7}=,".to_owned())];
            match setting.key {
                // A path may be anything.
                "tls.certificate" | "tls.key" => assert_eq!(
                    load(None, faulty, &[]).expect_err("alone").problems().len(),
                    1
                ),
                key => assert!(load(None, faulty, &[]).is_err(), "{key}"),
            }
        }
    }

    #[test]
    fn mistakes_of_the_environment_name_variable_and_value() {
        let cases: &[(&str, &str, &str)] = &[
            (
                "RINGPOST_LIMITS_RECIPIENTS",
                "1x",
                "RINGPOST_LIMITS_RECIPIENTS=1x: is not a whole number: 1 to 10000 is allowed",
            ),
            (
                "RINGPOST_SERVER_TRACE",
                "yes",
                "RINGPOST_SERVER_TRACE=yes: is neither true nor false",
            ),
            (
                "RINGPOST_SERVER_LISTEN",
                "[::]:25, :26",
                "RINGPOST_SERVER_LISTEN=:26: is not an IP address with a port: write 0.0.0.0:26 for every interface, or [::]:26",
            ),
            (
                "RINGPOST_KAFKA_PROPERTIES",
                "sasl.password=hunter2;acks=1",
                "RINGPOST_KAFKA_PROPERTIES: its entry \"acks\" is not for kafka.properties: it is always all, as a 250 promises \
                 that every in-sync replica has the message",
            ),
        ];
        for (name, text, expected) in cases {
            assert_eq!(environment_problems(&[(name, text)]), *expected);
        }
        let empty = environment_problems(&[("RINGPOST_RECIPIENTS_DOMAINS", "")]);
        assert!(
            empty.starts_with("RINGPOST_RECIPIENTS_DOMAINS=: is empty: a list of"),
            "{empty}"
        );
    }

    #[test]
    fn unknown_variables_are_warned_of() {
        let cases = [
            (
                "RINGPOST_LISTEN",
                "RINGPOST_LISTEN: not an option, so it has no effect: did you mean RINGPOST_SERVER_LISTEN?",
            ),
            (
                "RINGPOST_LIMIT_MESSAGE_SIZE",
                "RINGPOST_LIMIT_MESSAGE_SIZE: not an option, so it has no effect: did you mean RINGPOST_LIMITS_MESSAGE_SIZE?",
            ),
            (
                "RINGPOST_FORWARD_SECERT",
                "RINGPOST_FORWARD_SECERT: not an option, so it has no effect: did you mean RINGPOST_FORWARD_SECRET?",
            ),
            (
                "RINGPOST_ZZZ",
                "RINGPOST_ZZZ: not an option, so it has no effect",
            ),
            ("RINGPOST_", "RINGPOST_: not an option, so it has no effect"),
        ];
        for (name, warning) in cases {
            let loaded = from_environment(&[(name, "1"), ("HOME", "/"), ("XRINGPOST_A", "1")])
                .expect("no mistake");
            assert_eq!(loaded.warnings, [warning]);
        }
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_one_warning() {
        let names = [
            "RINGPOST_ADMIN_PORT",
            "RINGPOST_PORT",
            "RINGPOST_PORT_25_TCP",
            "RINGPOST_PORT_25_TCP_ADDR",
            "RINGPOST_PORT_25_TCP_PORT",
            "RINGPOST_PORT_25_TCP_PROTO",
            "RINGPOST_SERVICE_HOST",
            "RINGPOST_SERVICE_PORT",
            "RINGPOST_SERVICE_PORT_SMTP",
            "RINGPOST_SMTP_PORT_25_TCP_ADDR",
        ];
        let variables: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (*name, "tcp://192.0.2.1:25"))
            .collect();
        let loaded = from_environment(&variables).expect("no mistake");
        assert_eq!(loaded.warnings.len(), 1);
        assert!(
            loaded.warnings[0]
                .starts_with(&format!("{}: not an option; Kubernetes", names.join(", ")))
        );
        for setting in SETTINGS.iter() {
            assert!(!is_service_link(&setting.variable()), "{}", setting.key);
        }
        assert!(!is_service_link("RINGPOST_PORT_X_TCP") && !is_service_link("RINGPOST_EXPORT"));
    }

    #[test]
    fn a_variable_that_a_command_reads_is_not_warned_of() {
        for name in OTHER_VARIABLES {
            let mut draft = Draft::new();
            draft.apply_environment([(name.to_owned(), "hunter2".to_owned())]);
            assert_eq!(draft.warnings, [""; 0], "{name}");
        }
    }
}

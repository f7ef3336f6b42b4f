//! What `check` asks about names and limits: this server's name, those of the domains and recipients that mail is taken for, and what
//! clients may use.
//!
//! Owns: these lines. Must not know: how a list is read, what is odd about an option.

use super::report::Answer;
use super::sum::counted;
use crate::config::Config;
use crate::config::advice::{self, Advice};
use crate::server::rules;
use crate::verdict::{Line, Verdict};

/// The name of this server, as others see it.
pub(super) fn hostname(config: &Config, is_set: bool) -> Answer {
    const NAME: &str = "hostname";
    match advice::hostname(config, is_set) {
        Some(advice) => advised(NAME, advice),
        None => {
            let whose = match is_set {
                true => "",
                false => ", the name of this machine",
            };
            let name = &config.server.hostname;
            let text = format!("{name:?}{whose} is used in the greeting");
            (Verdict::Ok, NAME, text).into()
        }
    }
}

/// Whose mail is taken.
pub(super) fn domains(config: &Config) -> Answer {
    const NAME: &str = "domains";
    if let Some(advice) = advice::domains(config) {
        return advised(NAME, advice);
    }
    let recipients = &config.recipients;
    let names: Vec<&str> = recipients
        .domains
        .iter()
        .take(5)
        .map(String::as_str)
        .collect();
    let more = match recipients.domains.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("mail is taken for {}{more}", names.join(", "));
    (Verdict::Ok, NAME, text).into()
}

/// Whether limits fit together.
pub(super) fn limits(config: &Config) -> Vec<Answer> {
    const NAME: &str = "limits";
    let odd = advice::limits(config);
    if odd.is_empty() {
        let text = "no limit makes another one useless".to_owned();
        return vec![(Verdict::Ok, NAME, text).into()];
    }
    odd.into_iter()
        .map(|advice| advised(NAME, advice))
        .collect()
}

fn advised(name: &'static str, advice: Advice) -> Answer {
    Answer {
        verdict: Verdict::Warning,
        name,
        text: advice.what,
        fix: Some(advice.fix),
    }
}

/// Whose mail is taken at domains that have a list.
pub(super) fn lists(config: &Config) -> Vec<Line> {
    const NAME: &str = "lists";
    let count = config.recipients.lists.len();
    if count == 0 {
        let text = match config.recipients.topic {
            None => "recipients.lists is not set: every recipient at recipients.domains is taken",
            Some(_) => "recipients.lists is not set: recipients.topic alone names recipients",
        };
        return vec![(Verdict::Skipped, NAME, text.to_owned())];
    }
    match rules::taken(config) {
        Ok(taken) => {
            let recipients = counted(taken.listed(), "recipient");
            let text = format!("{recipients} on {}", counted(count, "list"));
            vec![(Verdict::Ok, NAME, text)]
        }
        Err(unusable) => unusable
            .problems()
            .iter()
            .map(|problem| (Verdict::Failed, NAME, problem.to_string()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advised_against_is_a_warning_with_its_fix() {
        let mut config = Config::default();
        for answer in [hostname(&config, false), domains(&config)] {
            assert_eq!(answer.verdict, Verdict::Warning, "{answer:?}");
            assert!(answer.fix.is_some(), "{answer:?}");
        }
        config.server.hostname = "mx.example.net".to_owned();
        config.recipients.domains = (0..7).map(|n| format!("{n}.example")).collect();
        assert_eq!(hostname(&config, true).verdict, Verdict::Ok);
        let text = domains(&config).text;
        assert!(text.ends_with("3.example, 4.example and 2 more"), "{text}");
        assert_eq!(limits(&config)[0].verdict, Verdict::Ok);
        config.limits.connections_per_ip = config.limits.connections;
        assert_eq!(limits(&config)[0].verdict, Verdict::Warning);
    }
}

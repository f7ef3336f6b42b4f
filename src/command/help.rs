//! The long help of flags that set an option of the configuration.
//!
//! Owns: how such a help is made of the option's row, so that default, range and variable are those of the configuration. Must
//! not know: which flags there are.

use crate::config::options::setting;
use crate::config::{Setting, Shape};

/// The help of a flag that sets this option: the text of the option's row, with all that is allowed.
pub(super) fn option(key: &str) -> String {
    let setting = row(key);
    let several = match setting.shape() {
        Shape::List => " May be given several times.",
        Shape::Switch | Shape::Count | Shape::Size | Shape::Time | Shape::Text | Shape::Table => "",
    };
    let allowed = plain(&setting.allowed());
    let default = match setting.default_texts().join(",") {
        none if none.is_empty() => "empty".to_owned(),
        some => some,
    };
    let text = plain(setting.doc);
    format!(
        "{text}\n\nAllowed: {allowed}.{several}\n{}",
        sources(setting, &default)
    )
}

/// The help of a flag that stands for this option in a command with its own use of it, and its own default.
pub(super) fn reads(key: &str, text: &str, default: &str) -> String {
    format!("{text}\n\n{}", sources(row(key), default))
}

fn row(key: &str) -> &'static Setting {
    setting(key).unwrap_or_else(|| panic!("{key} is an option"))
}

fn sources(setting: &Setting, default: &str) -> String {
    let (key, variable) = (setting.key, setting.variable());
    format!("[option: {key}] [environment: {variable}] [default: {default}]")
}

/// A text without the marks of Markdown; of a link, its text.
fn plain(text: &str) -> String {
    let mut plain = text.replace('`', "");
    while let Some(middle) = plain.find("](") {
        let (Some(begin), Some(length)) = (plain[..middle].rfind('['), plain[middle..].find(')'))
        else {
            break;
        };
        plain.replace_range(middle..=middle + length, "");
        plain.remove(begin);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_has_its_range_its_variable_and_its_default() {
        let help = option("server.listen");
        for part in [
            "Allowed: a list of IP addresses",
            "May be given several times.",
            "[option: server.listen] [environment: RINGPOST_SERVER_LISTEN] [default: 127.0.0.1:2525]",
        ] {
            assert!(help.contains(part), "{help}");
        }
        assert!(option("tls.key").ends_with("[default: empty]"));
        assert!(!option("server.hostname").contains('`'));
    }

    #[test]
    fn of_a_link_the_text_is_left() {
        assert_eq!(
            plain("See [a.md](a.md#b), `[::]:25` and [c](d)."),
            "See a.md, [::]:25 and c."
        );
    }

    #[test]
    fn a_command_may_have_its_own_default() {
        assert_eq!(
            reads("kafka.topic", "Topic to read.", "mail"),
            "Topic to read.\n\n[option: kafka.topic] [environment: RINGPOST_KAFKA_TOPIC] [default: mail]"
        );
    }
}

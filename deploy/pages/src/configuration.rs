//! The manual page ringpost.toml(5), made of the table of options.
//!
//! Owns: the form of that page. Must not know: an option in particular.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use ringpost::config::options::{ROUTE_SETTINGS, ROUTES, RouteSetting, SECTIONS, SETTINGS};
use ringpost::config::{Setting, Shape};

use crate::File;

const DESCRIPTION: &[&str] = &[
    "The configuration of ringpost, in TOML. Without a file ringpost is the quick start: SMTP on 127.0.0.1:2525, and a broker in \
     memory. The file is named by --config, or by the variable RINGPOST_CONFIG. Flags beat the environment, which beats the file.",
    "Each option of a table has a variable: RINGPOST_, the table, the name. Commas separate the items of a list there.",
    "Sizes are bytes or have a unit (B, KiB, MiB, GiB, TiB, KB, MB, GB, TB). Durations have a unit (ms, s, min, h).",
    "An unknown key or a value out of its range is an error that names the line, the key and what is allowed. SIGHUP applies the \
     options that are marked so here; the others need a restart.",
];

const EXAMPLE: &str = r#"[server]
hostname = "mx.example.net"
listen = ["0.0.0.0:25", "[::]:25"]

[recipients]
domains = ["example.net", "*.example.net"]

[kafka]
brokers = "kafka-1:9092,kafka-2:9092"
topic = "mail""#;

/// The page.
pub(crate) fn page(date: &str) -> File {
    let mut page = Roff::new();
    let source = concat!("ringpost ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["ringpost.toml", "5", date, source, "ringpost"]);
    page.control("SH", ["NAME"]);
    page.text([roman("ringpost.toml - the configuration of ringpost")]);
    page.control("SH", ["DESCRIPTION"]);
    for (at, paragraph) in DESCRIPTION.iter().enumerate() {
        if at > 0 {
            page.control("PP", []);
        }
        page.text([roman(*paragraph)]);
    }
    for section in SECTIONS {
        page.control("SH", [&*format!("[{}]", section.name)]);
        page.text(prose(section.doc));
        let options = SETTINGS.iter();
        for setting in options.filter(|setting| setting.section() == section.name) {
            option(&mut page, setting);
        }
    }
    page.control("SH", [&*format!("[[{}]]", ROUTES.name)]);
    page.text(prose(ROUTES.doc));
    ROUTE_SETTINGS
        .iter()
        .for_each(|setting| of_route(&mut page, setting));
    end(&mut page);
    File {
        path: "ringpost/man5/ringpost.toml.5".to_owned(),
        text: page.render().into_bytes(),
    }
}

fn end(page: &mut Roff) {
    page.control("SH", ["EXAMPLES"]);
    page.control("nf", []);
    for line in EXAMPLE.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
    page.control("SH", ["FILES"]);
    page.control("TP", []);
    page.text([bold("/etc/ringpost/ringpost.toml")]);
    page.text([roman("The file that the systemd unit names.")]);
    page.control("SH", ["SEE ALSO"]);
    page.text([roman("ringpost(1), ringpost-serve(1), ringpost-check(1)")]);
}

fn option(page: &mut Roff, setting: &Setting) {
    page.control("TP", []);
    page.text([bold(setting.name())]);
    page.text(prose(setting.doc));
    let mut facts = vec![
        ("Allowed", setting.allowed()),
        ("Default", default_of(setting)),
        ("Environment", setting.variable()),
    ];
    facts.extend(setting.flag.map(|flag| ("Flag", flag.to_owned())));
    let reload = if setting.reload {
        "SIGHUP"
    } else {
        "a restart"
    };
    facts.push(("Applied by", reload.to_owned()));
    given(page, &facts);
}

/// A key of a route has neither a default nor a variable.
fn of_route(page: &mut Roff, setting: &RouteSetting) {
    page.control("TP", []);
    page.text([bold(setting.name())]);
    page.text(prose(setting.doc));
    given(page, &[("Allowed", setting.allowed())]);
}

fn given(page: &mut Roff, facts: &[(&str, String)]) {
    for (name, value) in facts {
        page.control("br", []);
        page.text([roman(format!("{name}: {value}"))]);
    }
}

fn default_of(setting: &Setting) -> String {
    let quoted = |text: &str| format!("\"{text}\"");
    match setting.shape() {
        Shape::Switch | Shape::Count => setting.default.to_owned(),
        Shape::Size | Shape::Time | Shape::Text => quoted(setting.default),
        Shape::List => {
            let items: Vec<String> = setting.default_texts().into_iter().map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
        Shape::Table => "none".to_owned(),
    }
}

/// A paragraph of Markdown: what is between marks of code is in italics.
fn prose(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    let inline = |(at, part): (usize, &str)| match at % 2 {
        0 => roman(part),
        _ => italic(part),
    };
    parts.map(inline).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_option_once_with_its_variable() {
        let text = String::from_utf8(page("").text).unwrap();
        for setting in SETTINGS.iter() {
            let variable = format!("Environment: {}\n", setting.variable());
            assert_eq!(text.matches(&variable).count(), 1, "{}", setting.key);
        }
        for section in SECTIONS {
            assert!(
                text.contains(&format!("\n.SH [{}]\n", section.name)),
                "{text}"
            );
        }
    }
}

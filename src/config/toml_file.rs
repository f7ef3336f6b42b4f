//! Reads a configuration file into values with their positions, and finds what in it is no option at all.
//!
//! Owns the shape of the file: sections, keys, and the TOML type of each option. What a value means is checked by
//! [`Setting`]. Reading the file is here, and nothing else is read.
//!
//! Invariant: everything in the file is either an [`Entry`] or a [`Mistake`]; nothing is dropped in silence.
//!
//! BUGS: where the syntax is broken, only that is reported of the file, as what follows could be misread.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::options::{self, SECTIONS, SETTINGS};
use super::setting::{Setting, Shape};
use super::suggest;

/// An option that the file sets.
pub(super) struct Entry<'a> {
    pub setting: &'static Setting,
    pub content: Content<'a>,
}

/// The value of an option, as written.
pub(super) enum Content<'a> {
    /// One value.
    One(Written<'a>),
    /// A list: its items, and the list as a whole.
    List(Vec<Written<'a>>, Written<'a>),
    /// A table: names in their one form and values, and the offset of the table.
    Table(Vec<(String, String)>, usize),
}

/// A value in the text of the file.
pub(super) struct Written<'a> {
    /// What it says, without quotes.
    pub text: String,
    /// How it is written there.
    pub source: &'a str,
    /// Offset of its first octet.
    pub start: usize,
}

/// Something in the file that is no value of an option.
#[derive(Debug)]
pub(super) struct Mistake {
    /// Offset of its first octet.
    pub start: usize,
    /// The option, where one is reached.
    pub key: Option<String>,
    /// The value as it is written, where there is one to show.
    pub value: Option<String>,
    pub reason: String,
}

/// What was found in a file, in the order of the file.
pub(super) struct Contents<'a> {
    pub entries: Vec<Entry<'a>>,
    pub mistakes: Vec<Mistake>,
    /// The syntax is broken: there are options in the file that are not known.
    pub broken: bool,
}

/// The text of the file, or what is wrong with the file as a whole.
pub(super) fn read(path: &Path, named_by: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no such file: {named_by} names it; correct the path, or leave {named_by} out to run without a file")
        }
        io::ErrorKind::PermissionDenied => {
            format!("this user may not read it: {named_by} names it; give the user of ringpost permission to read it")
        }
        io::ErrorKind::IsADirectory => format!("is a folder: {named_by} has to name a file in TOML"),
        io::ErrorKind::InvalidData => {
            format!("is not text in UTF-8: {named_by} has to name a file in TOML")
        }
        _ => format!("cannot be read: {error}; {named_by} names it"),
    })
}

/// Line and column of an offset, both from 1; columns count characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let offset = (0..=offset.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Sorts what is in a file into options and mistakes.
pub(super) fn parse(text: &str) -> Contents<'_> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut contents = Contents {
        entries: Vec::new(),
        mistakes: Vec::new(),
        broken: !errors.is_empty(),
    };
    for error in &errors {
        let start = error.span().map_or(0, |span| span.start);
        let reason = format!("is not TOML: {}", error.message().replace('\n', "; "));
        contents.mistakes.push(Mistake {
            start,
            key: None,
            value: None,
            reason,
        });
    }
    if errors.is_empty() {
        for (key, item) in table.get_ref() {
            section(text, key, item, &mut contents);
        }
    }
    contents.mistakes.sort_by_key(|mistake| mistake.start);
    contents
}

type Key<'a> = Spanned<Cow<'a, str>>;
type Item<'a> = Spanned<DeValue<'a>>;

fn section<'a>(text: &'a str, key: &Key<'a>, item: &Item<'a>, contents: &mut Contents<'a>) {
    let name = key.get_ref().as_ref();
    let start = key.span().start;
    let known = SECTIONS.iter().any(|section| section.name == name);
    let mut mistake = |key, reason| {
        contents.mistakes.push(Mistake {
            start,
            key,
            value: None,
            reason,
        })
    };
    match item.get_ref() {
        DeValue::Table(table) if known => {
            for (key, item) in table {
                option(text, name, key, item, contents);
            }
        }
        DeValue::Table(_) => mistake(None, unknown_section(name)),
        other if known => {
            let found = other.type_str();
            let reason = format!(
                "is of type {found}, and a section is expected: begin it with a line [{name}]"
            );
            mistake(Some(name.to_owned()), reason);
        }
        _ => mistake(None, unknown_top_level_key(name)),
    }
}

fn option<'a>(
    text: &'a str,
    section: &str,
    key: &Key<'a>,
    item: &Item<'a>,
    contents: &mut Contents<'a>,
) {
    let full = format!("{section}.{}", key.get_ref());
    let Some(setting) = options::setting(&full) else {
        let reason = unknown_key(section, key.get_ref());
        contents.mistakes.push(Mistake {
            start: key.span().start,
            key: None,
            value: None,
            reason,
        });
        return;
    };
    let content = match (setting.shape(), item.get_ref()) {
        (Shape::Table, DeValue::Table(table)) => {
            let pairs = pairs(setting, table, contents);
            Some(Content::Table(pairs, key.span().start))
        }
        (Shape::List, DeValue::Array(array)) => {
            let items: Vec<_> = array
                .iter()
                .filter_map(|item| expect(text, setting, Shape::Text, item, contents))
                .collect();
            // What is left of a list with mistakes is still checked; a list of nothing but mistakes is not called empty.
            (array.is_empty() || !items.is_empty()).then(|| Content::List(items, whole(text, item)))
        }
        (shape, _) => expect(text, setting, shape, item, contents).map(Content::One),
    };
    contents
        .entries
        .extend(content.map(|content| Entry { setting, content }));
}

/// A value of an option, or an item of its list, that is written as the shape asks; what is not becomes a mistake.
fn expect<'a>(
    text: &'a str,
    setting: &'static Setting,
    shape: Shape,
    item: &Item<'a>,
    contents: &mut Contents<'a>,
) -> Option<Written<'a>> {
    let written = written(text, shape, item);
    if written.is_none() {
        let Written { source, start, .. } = whole(text, item);
        contents.mistakes.push(Mistake {
            start,
            key: Some(setting.key.to_owned()),
            value: (!setting.is_secret()).then(|| source.to_owned()),
            reason: wrong_type(setting, item.get_ref().type_str(), source),
        });
    }
    written
}

/// The value, if it is written as the shape asks.
fn written<'a>(text: &'a str, shape: Shape, item: &Item<'a>) -> Option<Written<'a>> {
    let fits = match item.get_ref() {
        DeValue::String(_) => matches!(shape, Shape::Text | Shape::Size | Shape::Time),
        DeValue::Integer(_) => matches!(shape, Shape::Count | Shape::Size),
        DeValue::Boolean(_) => shape == Shape::Switch,
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => false,
    };
    let said = scalar(item.get_ref()).filter(|_| fits)?;
    Some(Written {
        text: said,
        ..whole(text, item)
    })
}

fn whole<'a>(text: &'a str, item: &Item<'a>) -> Written<'a> {
    Written {
        text: String::new(),
        source: slice(text, item.span()),
        start: item.span().start,
    }
}

fn slice(text: &str, span: Range<usize>) -> &str {
    text.get(span).unwrap_or_default()
}

/// What a value without parts says.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(said) => Some(said.to_string()),
        DeValue::Integer(number) => {
            // The text of a number in base 16, 8 or 2 comes without its prefix.
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            Some(decimal.map_or_else(
                |_| number.as_str().to_owned(),
                |decimal| decimal.to_string(),
            ))
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(said) => Some(said.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// The names and values of a table; those that are none become mistakes.
fn pairs<'a>(
    setting: &'static Setting,
    table: &DeTable<'a>,
    contents: &mut Contents<'a>,
) -> Vec<(String, String)> {
    let (check, check_value, _) = setting.table().expect("the shape is that of a table");
    let mut items = Vec::new();
    flatten(table, "", &mut items);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, start, item) in items {
        let reason = match (check(&name), scalar(item)) {
            (Err(reason), _) => reason,
            (Ok(_), None) => format!(
                "is of type {}, and a string, number or boolean is expected",
                item.type_str()
            ),
            (Ok(checked), Some(_)) if pairs.iter().any(|(known, _)| *known == checked) => {
                "is set twice, written in two ways: remove one".to_owned()
            }
            (Ok(checked), Some(said)) => match check_value(&checked, &said) {
                Err(reason) => reason,
                Ok(()) => {
                    pairs.push((checked, said));
                    continue;
                }
            },
        };
        let key = Some(format!("{}.{name}", setting.key));
        contents.mistakes.push(Mistake {
            start,
            key,
            value: None,
            reason,
        });
    }
    pairs
}

/// The leaves of a table with their names and positions. `linger.ms = 2` without quotes is TOML for a table `linger`
/// with a key `ms`, so that the names are put together again.
fn flatten<'t, 'a>(
    table: &'t DeTable<'a>,
    prefix: &str,
    items: &mut Vec<(String, usize, &'t DeValue<'a>)>,
) {
    for (key, item) in table {
        let name = format!("{prefix}{}", key.get_ref());
        match item.get_ref() {
            DeValue::Table(inner) => flatten(inner, &format!("{name}."), items),
            leaf => items.push((name, key.span().start, leaf)),
        }
    }
}

fn wrong_type(setting: &Setting, found: &str, source: &str) -> String {
    let expected = match setting.shape() {
        Shape::Switch => "true or false, without quotes,".to_owned(),
        Shape::Count => format!("a whole number without quotes ({})", setting.allowed()),
        Shape::Size => "a size such as \"25MiB\", or a number of octets,".to_owned(),
        Shape::Time => "a duration with its unit, in quotes, such as \"30s\",".to_owned(),
        Shape::Text => format!("a text in quotes ({})", setting.allowed()),
        Shape::List if found == "string" => {
            return format!("is of type string, and a list is expected: write [{source}]");
        }
        Shape::List => format!("a list of texts, [\"…\", \"…\"] ({}),", setting.allowed()),
        Shape::Table => format!("a section of its own, [{}],", setting.key),
    };
    format!("is of type {found}, and {expected} is expected")
}

fn unknown_section(name: &str) -> String {
    let names = || SECTIONS.iter().map(|section| section.name);
    match suggest::nearest(name, names()) {
        Some(near) => format!("unknown section [{name}]: did you mean [{near}]?"),
        None => format!(
            "unknown section [{name}]: there are {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    }
}

fn unknown_top_level_key(name: &str) -> String {
    match SETTINGS.iter().find(|setting| setting.name() == name) {
        Some(setting) => {
            format!(
                "unknown key {name} outside of a section: did you mean {}, below a line [{}]?",
                setting.key,
                setting.section()
            )
        }
        None => format!(
            "unknown key {name} outside of a section: {}",
            remedy("", name)
        ),
    }
}

fn unknown_key(section: &str, name: &str) -> String {
    format!("unknown key {section}.{name}: {}", remedy(section, name))
}

/// The option that was probably meant: one of this section, of the same name in another, or of a similar full name.
fn remedy(section: &str, name: &str) -> String {
    let siblings = || {
        SETTINGS
            .iter()
            .filter(|setting| setting.section() == section)
    };
    let sibling = suggest::nearest(name, siblings().map(|setting| setting.name()));
    let near = match sibling {
        Some(sibling) => siblings()
            .find(|setting| setting.name() == sibling)
            .map(|setting| setting.key),
        None => None,
    };
    let elsewhere = || {
        SETTINGS
            .iter()
            .find(|setting| setting.name() == name)
            .map(|setting| setting.key)
    };
    let similar = || {
        let leaf = suggest::nearest(name, SETTINGS.iter().map(Setting::name))?;
        SETTINGS
            .iter()
            .find(|setting| setting.name() == leaf)
            .map(|setting| setting.key)
    };
    if let Some(key) = near.or_else(elsewhere).or_else(similar) {
        return format!("did you mean {key}?");
    }
    let known: Vec<&str> = siblings().map(|setting| setting.name()).collect();
    if known.is_empty() {
        return "every key belongs below the line of its section, such as [server]".to_owned();
    }
    format!("[{section}] has {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "a\né = 1\n\nb";
        let cases = [
            (0, (1, 1)),
            (1, (1, 2)),
            (2, (2, 1)),
            (3, (2, 1)),
            (4, (2, 2)),
            (9, (3, 1)),
            (10, (4, 1)),
            (99, (4, 2)),
        ];
        for (offset, expected) in cases {
            assert_eq!(position(text, offset), expected, "{offset}");
        }
    }

    #[test]
    fn values_keep_their_source_and_place() {
        let contents = parse("[limits]\nmessage_size = 0x40_0\n");
        let [
            Entry {
                setting,
                content: Content::One(written),
            },
        ] = contents.entries.as_slice()
        else {
            panic!("one option with one value: {:?}", contents.mistakes);
        };
        assert_eq!(setting.key, "limits.message_size");
        assert_eq!(
            (written.text.as_str(), written.source, written.start),
            ("1024", "0x40_0", 24)
        );
    }

    #[test]
    fn a_list_keeps_the_items_that_fit() {
        let contents = parse("[recipients]\ndomains = [\"a\", 1, \"b\", [\"c\"]]\n");
        let [
            Entry {
                content: Content::List(items, _),
                ..
            },
        ] = contents.entries.as_slice()
        else {
            panic!("one option with a list");
        };
        assert_eq!(
            items
                .iter()
                .map(|item| item.text.as_str())
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(contents.mistakes.len(), 2);
    }

    #[test]
    fn any_text_is_parsed_or_refused_without_a_panic() {
        // Every prefix of a file that has each construct, each with some garbage behind it.
        let text = "[server]\nlisten = [\"a\", '''b''']\n[kafka.properties]\nlinger.ms = 0x1f # é\n\"é\" = 1979-05-27\n[[log]]\n";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            for garbage in ["", "\"", "[", "=", "\0", "é", "\\"] {
                let cut = format!("{}{garbage}", &text[..end]);
                let contents = parse(&cut);
                let starts = contents.mistakes.iter().map(|mistake| mistake.start);
                assert!(starts.max().unwrap_or(0) <= cut.len(), "{cut}");
                assert_eq!(
                    contents.broken,
                    toml::de::DeTable::parse(&cut).is_err(),
                    "{cut}"
                );
            }
        }
    }
}

//! Reads a configuration file into values with their positions, and finds what in it is not an option.
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

use super::options::{self, Config, ROUTE_SETTINGS, ROUTES, Route, SECTIONS};
use super::reason::{ContentFault, FileFault, Reason};
use super::row::{Setting, Shape};
use super::unknown;

/// An option that the file sets, of the configuration or of a route.
pub(super) struct Entry<'a, C: 'static> {
    pub setting: &'static Setting<C>,
    pub content: Content<'a>,
}

/// A route of the file.
pub(super) struct RouteTable<'a> {
    /// Offset of its first byte.
    pub start: usize,
    pub entries: Vec<Entry<'a, Route>>,
    /// Something in it is a mistake: nothing may be concluded from what it lacks.
    pub faulty: bool,
}

/// The value of an option, as written.
pub(super) enum Content<'a> {
    /// One value.
    One(Source<'a>),
    /// A list: its items, and the list as a whole.
    List(Vec<Source<'a>>, Source<'a>),
    /// A table: its entries, and the offset of the table.
    Table(Vec<Named>, usize),
}

impl Content<'_> {
    /// Offset of its first byte.
    pub(super) fn start(&self) -> usize {
        match self {
            Self::One(whole) | Self::List(_, whole) => whole.start,
            Self::Table(_, start) => *start,
        }
    }
}

/// A value in the text of the file.
pub(super) struct Source<'a> {
    /// What it says, without quotes.
    pub text: String,
    /// How it is written there.
    pub source: &'a str,
    /// Offset of its first byte.
    pub start: usize,
}

impl Source<'_> {
    /// Its place, the key that it is a value of, and how it is written.
    pub(super) fn shown(&self, key: &str) -> (usize, String, Option<String>) {
        (self.start, key.to_owned(), Some(self.source.to_owned()))
    }
}

/// An entry of a table.
pub(super) struct Named {
    /// Its name, however it was divided.
    pub name: String,
    /// What it says, without quotes.
    pub text: String,
    /// Offset of its name.
    pub start: usize,
}

/// Something in the file that is no value of an option.
#[derive(Debug)]
pub(super) struct Mistake {
    /// Offset of its first byte.
    pub start: usize,
    /// The option, where one is reached.
    pub key: Option<String>,
    /// The value as it is written, where there is one to show.
    pub value: Option<String>,
    pub reason: Reason,
}

/// What was found in a file, in the order of the file.
pub(super) struct Contents<'a> {
    pub entries: Vec<Entry<'a, Config>>,
    pub routes: Vec<RouteTable<'a>>,
    pub mistakes: Vec<Mistake>,
    /// The syntax is broken: there are options in the file that are not known.
    pub broken: bool,
}

impl Contents<'_> {
    /// Whether there is nothing in the file. An option that is a table is something if it has an entry: the example file, in which
    /// nothing is changed, has the headings of all tables.
    pub(super) fn is_empty(&self) -> bool {
        let sets_nothing = |entry: &Entry<'_, Config>| match &entry.content {
            Content::Table(entries, _) => entries.is_empty(),
            Content::One(_) | Content::List(..) => false,
        };
        let no_options = self.entries.iter().all(sets_nothing);
        no_options && self.routes.is_empty() && self.mistakes.is_empty()
    }

    fn unknown_key(&mut self, key: &Key<'_>, fault: ContentFault) {
        self.mistakes.push(Mistake {
            start: key.span().start,
            key: None,
            value: None,
            reason: fault.into(),
        });
    }
}

/// The text of the file. `named_by` is the flag or the variable that names it.
pub(super) fn read(path: &Path, named_by: &'static str) -> Result<String, FileFault> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileFault::Missing { named_by },
        io::ErrorKind::PermissionDenied => FileFault::Forbidden { named_by },
        io::ErrorKind::IsADirectory => FileFault::Folder { named_by },
        io::ErrorKind::InvalidData => FileFault::NotText { named_by },
        _ => FileFault::Unreadable {
            named_by,
            error: error.to_string(),
        },
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
        routes: Vec::new(),
        mistakes: Vec::new(),
        broken: !errors.is_empty(),
    };
    for error in &errors {
        let start = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', "; ");
        let reason = ContentFault::NotToml { message }.into();
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
    if name == ROUTES.name {
        return routes(text, start, item, contents);
    }
    let mut mistake = |key, fault: ContentFault| {
        contents.mistakes.push(Mistake {
            start,
            key,
            value: None,
            reason: fault.into(),
        })
    };
    match item.get_ref() {
        DeValue::Table(table) if known => {
            for (key, item) in table {
                option(text, name, key, item, contents);
            }
        }
        DeValue::Array(array) if !known && is_of_tables(array) => {
            mistake(None, unknown::section(name));
        }
        DeValue::Table(_) => mistake(None, unknown::section(name)),
        other if known => {
            let fault = ContentFault::NotASection {
                found: other.type_str(),
                section: name.to_owned(),
            };
            mistake(Some(name.to_owned()), fault);
        }
        _ => mistake(None, unknown::key_outside_of_sections(name)),
    }
}

fn is_of_tables(array: &[Item<'_>]) -> bool {
    let table = |item: &Item<'_>| matches!(item.get_ref(), DeValue::Table(_));
    !array.is_empty() && array.iter().all(table)
}

/// The routes, which are an array of tables. One that is no table is a mistake.
fn routes<'a>(text: &'a str, start: usize, item: &Item<'a>, contents: &mut Contents<'a>) {
    let other = |start, item: &Item<'a>| Mistake {
        start,
        key: Some(ROUTES.name.to_owned()),
        value: None,
        reason: ContentFault::NotTables {
            found: item.get_ref().type_str(),
            name: ROUTES.name,
        }
        .into(),
    };
    let DeValue::Array(array) = item.get_ref() else {
        return contents.mistakes.push(other(start, item));
    };
    for item in array {
        let start = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            contents.mistakes.push(other(start, item));
            continue;
        };
        let before = contents.mistakes.len();
        let entries = table.iter().filter_map(|(key, item)| {
            let setting = route_setting(key, contents)?;
            let content = content(text, setting, key, item, contents)?;
            Some(Entry { setting, content })
        });
        let entries = entries.collect();
        let faulty = contents.mistakes.len() > before;
        contents.routes.push(RouteTable {
            start,
            entries,
            faulty,
        });
    }
}

fn route_setting(key: &Key<'_>, contents: &mut Contents<'_>) -> Option<&'static Setting<Route>> {
    let name = key.get_ref().as_ref();
    let known = ROUTE_SETTINGS.iter().find(|known| known.name() == name);
    if known.is_none() {
        let fault = unknown::key_of_route(name);
        contents.unknown_key(key, fault);
    }
    known
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
        let fault = unknown::key(section, key.get_ref());
        return contents.unknown_key(key, fault);
    };
    let content = content(text, setting, key, item, contents);
    contents
        .entries
        .extend(content.map(|content| Entry { setting, content }));
}

/// What an option is set to; nothing where that is a mistake.
fn content<'a, C>(
    text: &'a str,
    setting: &'static Setting<C>,
    key: &Key<'a>,
    item: &Item<'a>,
    contents: &mut Contents<'a>,
) -> Option<Content<'a>> {
    match (setting.shape(), item.get_ref()) {
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
    }
}

/// A value of an option, or an item of its list, that is written as the shape asks; what is not becomes a mistake.
fn expect<'a, C>(
    text: &'a str,
    setting: &'static Setting<C>,
    shape: Shape,
    item: &Item<'a>,
    contents: &mut Contents<'a>,
) -> Option<Source<'a>> {
    let written = written(text, shape, item);
    if written.is_none() {
        let Source { source, start, .. } = whole(text, item);
        contents.mistakes.push(Mistake {
            start,
            key: Some(setting.key.to_owned()),
            value: (!setting.is_secret()).then(|| source.to_owned()),
            reason: wrong_type(setting, item.get_ref().type_str(), source).into(),
        });
    }
    written
}

/// The value, if it is written as the shape asks.
fn written<'a>(text: &'a str, shape: Shape, item: &Item<'a>) -> Option<Source<'a>> {
    let fits = match item.get_ref() {
        DeValue::String(_) => matches!(shape, Shape::Text | Shape::Size | Shape::Time),
        DeValue::Integer(_) => matches!(shape, Shape::Count | Shape::Size),
        DeValue::Boolean(_) => shape == Shape::Switch,
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => false,
    };
    let said = scalar(item.get_ref()).filter(|_| fits)?;
    Some(Source {
        text: said,
        ..whole(text, item)
    })
}

fn whole<'a>(text: &'a str, item: &Item<'a>) -> Source<'a> {
    Source {
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
fn pairs<C>(
    setting: &'static Setting<C>,
    table: &DeTable<'_>,
    contents: &mut Contents<'_>,
) -> Vec<Named> {
    let mut items = Vec::new();
    flatten(table, "", &mut items);
    let mut entries = Vec::new();
    for (name, start, item) in items {
        match scalar(item) {
            Some(text) => entries.push(Named { name, text, start }),
            None => contents.mistakes.push(Mistake {
                start,
                key: Some(format!("{}.{name}", setting.key)),
                value: None,
                reason: ContentFault::WrongType {
                    found: item.type_str(),
                    expected: "a string, number or boolean".to_owned(),
                }
                .into(),
            }),
        }
    }
    entries
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

fn wrong_type<C>(setting: &Setting<C>, found: &'static str, source: &str) -> ContentFault {
    let expected = match setting.shape() {
        Shape::Switch => "true or false, without quotes,".to_owned(),
        Shape::Count => format!("a whole number without quotes ({})", setting.allowed()),
        Shape::Size => "a size such as \"25MiB\", or a number of bytes,".to_owned(),
        Shape::Time => "a duration with its unit, in quotes, such as \"30s\",".to_owned(),
        Shape::Text => format!("a text in quotes ({})", setting.allowed()),
        Shape::List if found == "string" => {
            let source_text = source.to_owned();
            return ContentFault::TextForList { source_text };
        }
        Shape::List => format!("a list of texts, [\"…\", \"…\"] ({}),", setting.allowed()),
        Shape::Table => format!("its own section, [{}],", setting.key),
    };
    ContentFault::WrongType { found, expected }
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
        // Every prefix of a file that has each construct, each followed by some garbage.
        let text = "[server]\nlisten = [\"a\", '''b''']\n[kafka.properties]\nlinger.ms = 0x1f # é\n\"é\" = 1979-05-27\n[[log]]\n";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            for garbage in ["", "\"", "[", "=", "\0", "é", "\\"] {
                let cut = format!("{}{garbage}", &text[..end]);
                let contents = parse(&cut);
                let starts = contents.mistakes.iter().map(|mistake| mistake.start);
                assert!(starts.max().unwrap_or(0) <= cut.len(), "{cut}");
                assert_eq!(contents.broken, DeTable::parse(&cut).is_err(), "{cut}");
            }
        }
    }
}

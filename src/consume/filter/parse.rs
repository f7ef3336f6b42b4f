//! From a text to an expression.
//!
//! Owns: the grammar, which the parent's documentation has. Must not know: records.
//!
//! Invariants: every loop consumes a character or ends; recursion is bounded by [`DEPTH_MOST`].

use jiff::Timestamp;
use ringpost_proto::smtp::access::{Network, Networks};

use super::condition::Condition;
use super::expression::Expression;
use super::fault::{Fault, FilterError, WrongValue};
use super::field::{self, Field, Kind};
use super::value::{Operator, Who, Wild};
use crate::config;
use crate::consume::moment::moment;

/// Bytes of a filter: about what a command line takes.
const OCTETS_MOST: usize = 64 * 1024;
/// Parentheses and `not`s around a condition.
const DEPTH_MOST: usize = 32;

/// The expression that a text is.
///
/// # Errors
/// The first mistake.
pub(super) fn parse(text: &str, now: Timestamp) -> Result<Expression, FilterError> {
    let mut parser = Parser {
        text,
        at: 0,
        now,
        alternatives: None,
    };
    parser
        .whole()
        .map_err(|(at, fault)| FilterError::new(text, at, fault))
}

/// A fault and its place.
type Misplaced = (usize, Box<Fault>);

struct Parser<'t> {
    text: &'t str,
    /// Bytes that were consumed.
    at: usize,
    now: Timestamp,
    /// The name of the field that was read last, if it takes several values.
    alternatives: Option<&'t str>,
}

/// Words that are no names of fields.
const KEYWORDS: [&str; 4] = ["and", "or", "not", "ago"];

impl<'t> Parser<'t> {
    fn whole(&mut self) -> Result<Expression, Misplaced> {
        if self.text.len() > OCTETS_MOST {
            return Err((0, Box::new(Fault::TooLong { most: OCTETS_MOST })));
        }
        if self.text.trim().is_empty() {
            return Err((0, Box::new(Fault::Empty)));
        }
        let expression = self.any(0)?;
        if self.rest().is_empty() {
            return Ok(expression);
        }
        Err((self.at, Box::new(Fault::NothingJoins)))
    }

    /// What is left, without blanks in front.
    fn rest(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    /// Consumes a sign.
    fn sign(&mut self, sign: char) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len_utf8();
        }
        found
    }

    /// Consumes a keyword, in any case.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found = word(self.rest()).eq_ignore_ascii_case(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    fn any(&mut self, depth: usize) -> Result<Expression, Misplaced> {
        let mut parts = vec![self.all(depth)?];
        while self.keyword("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, Misplaced> {
        let mut parts = vec![self.not(depth)?];
        while self.keyword("and") {
            parts.push(self.not(depth)?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn not(&mut self, depth: usize) -> Result<Expression, Misplaced> {
        self.rest();
        let begun = self.at;
        if depth > DEPTH_MOST {
            return Err((begun, Box::new(Fault::TooDeep { most: DEPTH_MOST })));
        }
        if self.keyword("not") {
            return Ok(Expression::Not(Box::new(self.not(depth + 1)?)));
        }
        if !self.sign('(') {
            return self.condition();
        }
        let inner = self.any(depth + 1)?;
        if self.sign(')') {
            return Ok(inner);
        }
        // What follows is the fault, unless nothing does.
        if self.rest().is_empty() {
            return Err((begun, Box::new(Fault::OpenParenthesis)));
        }
        Err((self.at, Box::new(Fault::NothingJoins)))
    }

    fn condition(&mut self) -> Result<Expression, Misplaced> {
        let name = word(self.rest());
        let lower = name.to_ascii_lowercase();
        let field = field::named(&lower).ok_or_else(|| (self.at, Box::new(self.no_field(name))))?;
        self.at += name.len();
        let operator = self.operator(field, name)?;
        let condition = match field.kind {
            Kind::Size => Condition::Size(operator, self.measure(field, config::size)?),
            Kind::Time => Condition::Time(operator, self.time(field)?),
            Kind::Recipient => {
                Condition::Recipient(self.several(field, |text| Who::parse(text, false))?)
            }
            Kind::Sender => Condition::Sender(self.several(field, |text| Who::parse(text, true))?),
            Kind::Domain => Condition::Domain(self.several(field, config::domain_pattern)?),
            Kind::Client => Condition::Client(Networks::new(&self.several(field, Network::parse)?)),
            Kind::Text(header) => self.texts(field, header.to_owned())?,
            Kind::Header => self.texts(field, lower)?,
        };
        self.alternatives = (!field.kind.is_ordered()).then_some(name);
        let condition = Expression::Is(condition);
        // An order has its own operators; of alternatives, `!=` is what `=` is not.
        Ok(match operator {
            Operator::Different if !field.kind.is_ordered() => Expression::Not(Box::new(condition)),
            _ => condition,
        })
    }

    /// What is wrong with a condition that begins with this, which names no field: perhaps it is a value of the last one.
    fn no_field(&self, name: &str) -> Fault {
        let text = &self.text[self.at..];
        let value = match text.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(text, quote).map_or(text, |(_, end)| &text[..end]),
            _ => unquoted(text),
        };
        let written = if name.is_empty() { value } else { name };
        let compares = text[written.len()..]
            .trim_start()
            .starts_with(['=', '!', '<', '>']);
        let is_value = !value.is_empty()
            && !compares
            && !is_keyword(name)
            && !value.starts_with(['=', '!', '&', '|']);
        match self.alternatives {
            Some(field) if is_value => Fault::Alternative {
                field: field.to_owned(),
                value: value.to_owned(),
            },
            _ if name.is_empty() => Fault::NoCondition,
            _ => Fault::NoField(name.to_owned()),
        }
    }

    fn operator(&mut self, field: &'static Field, name: &str) -> Result<Operator, Misplaced> {
        let rest = self.rest();
        let found = Operator::at_front(rest);
        let fits = |operator: Operator| match operator {
            Operator::Equal | Operator::Different => field.kind != Kind::Time,
            Operator::Less | Operator::AtMost | Operator::More | Operator::AtLeast => {
                field.kind.is_ordered()
            }
        };
        if let Some((written, meant, operator)) =
            Operator::misspelled(rest, field.kind.is_ordered())
            && fits(operator)
            && !(written == "<>" && field.kind == Kind::Sender)
        {
            let fault = Fault::Misspelled {
                field,
                written,
                meant,
            };
            return Err((self.at, Box::new(fault)));
        }
        match found {
            Some((operator, length)) if fits(operator) => {
                self.at += length;
                Ok(operator)
            }
            other => {
                let fault = Fault::NoOperator {
                    field,
                    name: name.to_owned(),
                    is_order: other.is_some()
                        && !field.kind.is_ordered()
                        && !rest.starts_with("<>"),
                };
                Err((self.at, Box::new(fault)))
            }
        }
    }

    /// One value, read by its field.
    fn one<T, E: Into<WrongValue>>(
        &mut self,
        field: &'static Field,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, Misplaced> {
        self.rest();
        let begun = self.at;
        let text = self.value(field)?;
        read(&text).map_err(|why| (begun, Box::new(Fault::Wrong(field, text, why.into()))))
    }

    /// One value of an order, in which a number and its unit may be apart.
    fn measure<T, E: Into<WrongValue>>(
        &mut self,
        field: &'static Field,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, Misplaced> {
        let is_quoted = self.rest().starts_with(['"', '\'']);
        let begun = self.at;
        let mut text = self.value(field)?;
        let next = unquoted(self.rest());
        if !is_quoted && goes_on(&text, next) {
            self.at += next.len();
            text = format!("{text} {next}");
        }
        read(&text).map_err(|why| (begun, Box::new(Fault::Wrong(field, text, why.into()))))
    }

    /// One or more values with commas between them.
    fn several<T, E: Into<WrongValue>>(
        &mut self,
        field: &'static Field,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Misplaced> {
        let mut values = vec![self.one(field, &read)?];
        while self.sign(',') {
            values.push(self.one(field, &read)?);
        }
        Ok(values)
    }

    fn texts(&mut self, field: &'static Field, header: String) -> Result<Condition, Misplaced> {
        let read = |text: &str| Ok::<_, WrongValue>(Wild::new(text));
        let texts = self.several(field, read)?;
        Ok(Condition::Text { header, texts })
    }

    /// A point in time; a word `ago` may follow.
    fn time(&mut self, field: &'static Field) -> Result<Timestamp, Misplaced> {
        let now = self.now;
        let time = self.measure(field, |text| moment(text, now))?;
        self.keyword("ago");
        Ok(time)
    }

    /// The text of a value.
    fn value(&mut self, field: &'static Field) -> Result<String, Misplaced> {
        let rest = self.rest();
        let begun = self.at;
        match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let (text, length) =
                    quoted(rest, quote).ok_or((begun, Box::new(Fault::OpenQuote)))?;
                self.at += length;
                if unquoted(&rest[length..]).is_empty() {
                    return Ok(text);
                }
                Err((self.at, Box::new(Fault::AfterQuote)))
            }
            _ => {
                let text = unquoted(rest);
                if text.is_empty() {
                    return Err((begun, Box::new(Fault::NoValue(field))));
                }
                self.at += text.len();
                Ok(text.to_owned())
            }
        }
    }
}

/// The part alone, or all of them joined.
fn one_or(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Whether what comes after a blank belongs to a value: no condition and no keyword begins so.
fn goes_on(value: &str, next: &str) -> bool {
    let is_number = value.bytes().all(|octet| octet.is_ascii_digit());
    let is_word = !next.is_empty() && next.bytes().all(|octet| octet.is_ascii_alphabetic());
    let is_unit = is_number
        && is_word
        && !is_keyword(next)
        && field::named(&next.to_ascii_lowercase()).is_none();
    is_unit || next.starts_with(|c: char| c.is_ascii_digit())
}

/// The value without quotes at the front.
fn unquoted(text: &str) -> &str {
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')');
    &text[..text.find(ends).unwrap_or(text.len())]
}

/// The name or keyword at the front.
fn word(text: &str) -> &str {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    &text[..text.find(ends).unwrap_or(text.len())]
}

/// The text in the quotes at the front, and its length with them. In double quotes a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut inner = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => inner.push(characters.next()?.1),
            _ if character == quote => return Some((inner, at + quote.len_utf8())),
            _ => inner.push(character),
        }
    }
    None
}

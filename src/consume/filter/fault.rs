//! What is wrong with the text of a filter, and where.
//!
//! Owns: the texts, and the mark under the place. Must not know: how a filter is parsed.
//!
//! Invariant: every line of an error can go to a terminal, whatever the filter holds.
//!
//! BUGS: the mark is off by the width of characters that take two columns.

use std::fmt;

use ringpost_proto::smtp::access::NotANetwork;

use super::field::{ATTRIBUTES, FIELDS, Field, Kind};
use super::value::NotWho;
use crate::config::Reason;
use crate::consume::line::escaped;
use crate::consume::moment::NotAMoment;
use crate::failure::{Blame, Blamed};

/// Characters that are shown before the place and after it.
const SHOWN_BEFORE: usize = 60;
const SHOWN_AFTER: usize = 40;

/// A mistake in a filter, in four lines: what, the text, the place, an example.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterError {
    text: String,
    /// Bytes before the place; the end of a character.
    at: usize,
    fault: Box<Fault>,
}

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// There is nothing in it.
    Empty,
    /// It is too long.
    TooLong {
        /// The most bytes.
        most: usize,
    },
    /// Parentheses and `not`s are too deep.
    TooDeep {
        /// The most.
        most: usize,
    },
    /// No condition begins here.
    NoCondition,
    /// There is no such field.
    NoField(String),
    /// What may be a further value stands where a condition is expected.
    Alternative {
        /// The name of the field before.
        field: String,
        /// The value.
        value: String,
    },
    /// No operator of the field follows it.
    NoOperator {
        /// The field.
        field: &'static Field,
        /// Its name as it is written.
        name: String,
        /// Whether there is one of an order, which the field does not have.
        is_order: bool,
    },
    /// An operator of another language.
    Misspelled {
        /// The field.
        field: &'static Field,
        /// How it is written.
        written: &'static str,
        /// How it is written here.
        meant: &'static str,
    },
    /// No value follows the operator.
    NoValue(&'static Field),
    /// A quote is not closed.
    OpenQuote,
    /// A value goes on after its quote is closed.
    AfterQuote,
    /// A parenthesis is not closed.
    OpenParenthesis,
    /// Something follows that joins nothing.
    NothingJoins,
    /// A value is not one of the field's.
    Wrong(&'static Field, String, WrongValue),
}

/// Why a value is none of its field's. Its text is the end of a sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum WrongValue {
    /// Not an address or domain.
    #[error(transparent)]
    Who(#[from] NotWho),
    /// Not a network.
    #[error(transparent)]
    Network(#[from] NotANetwork),
    /// Not a size, or not a pattern of domains.
    #[error(transparent)]
    Reason(#[from] Reason),
    /// Not a point in time.
    #[error(transparent)]
    Moment(#[from] NotAMoment),
}

impl FilterError {
    /// A mistake after `at` bytes of a text.
    ///
    /// # Panics
    /// If `at` is inside of a character.
    pub(super) fn new(text: &str, at: usize, fault: Box<Fault>) -> Self {
        assert!(text.is_char_boundary(at), "a place is between characters");
        Self {
            text: text.to_owned(),
            at,
            fault,
        }
    }

    /// Bytes of the text before the place.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl std::error::Error for FilterError {}

impl Blamed for FilterError {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.text.split_at(self.at);
        let front = front(before);
        let column = front.chars().count();
        writeln!(f, "--filter: {}", self.fault)?;
        writeln!(f, "  {front}{}", back(after))?;
        writeln!(f, "  {:column$}^", "")?;
        write!(f, "for example: {}", self.fault.example())
    }
}

/// The end of what is before the place.
fn front(before: &str) -> String {
    let cut = before.char_indices().rev().nth(SHOWN_BEFORE - 1);
    match cut {
        Some((at, _)) if at > 0 => format!("\u{2026}{}", escaped(&before[at..])),
        _ => escaped(before),
    }
}

/// The beginning of what is after it.
fn back(after: &str) -> String {
    match after.char_indices().nth(SHOWN_AFTER) {
        Some((at, _)) => format!("{}\u{2026}", escaped(&after[..at])),
        None => escaped(after),
    }
}

impl Fault {
    fn example(&self) -> &'static str {
        match self {
            Self::NoOperator { is_order: true, .. } => "size > 1MiB",
            Self::NoOperator { field, .. }
            | Self::Misspelled { field, .. }
            | Self::NoValue(field)
            | Self::Wrong(field, ..) => field.example,
            Self::Alternative { .. } => "domain = a.example, b.example",
            Self::AfterQuote => "sender = '\"a b;c\"@example.com'",
            Self::OpenQuote => "helo = \"My Printer\"",
            Self::Empty
            | Self::TooLong { .. }
            | Self::TooDeep { .. }
            | Self::NoCondition
            | Self::NoField(_)
            | Self::OpenParenthesis
            | Self::NothingJoins => {
                "domain = example.com and not (size < 1KiB or client = 192.0.2.0/24)"
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty: write a condition, or leave it out"),
            Self::TooLong { most } => write!(f, "it is too long: at most {most} bytes are allowed"),
            Self::TooDeep { most } => {
                write!(
                    f,
                    "parentheses and `not` are nested too deep: at most {most} levels are allowed"
                )
            }
            Self::NoCondition => write!(f, "a condition is expected here: {}", fields()),
            Self::NoField(name) => write!(f, "there is no field `{}`: {}", escaped(name), fields()),
            Self::Alternative { field, value } => write!(
                f,
                "`{}` is not a condition: further values of {field} come after commas",
                escaped(value)
            ),
            Self::NoOperator {
                field,
                name,
                is_order,
            } => {
                let operators = field.kind.operators();
                write!(f, "an operator is expected after {name}: {operators}")?;
                if *is_order {
                    f.write_str("; < <= > and >= are for the fields size and time")?;
                }
                Ok(())
            }
            Self::Misspelled { written, meant, .. } => {
                write!(f, "`{written}` is not an operator: write `{meant}`")
            }
            Self::NoValue(field) => {
                write!(f, "{} is expected here", expected(field.kind))
            }
            Self::OpenQuote => f.write_str("the quote that begins here is not closed"),
            Self::AfterQuote => f.write_str(
                "the value goes on after its closing quote: put single quotes around the whole of it",
            ),
            Self::OpenParenthesis => f.write_str("the parenthesis that begins here is not closed"),
            Self::NothingJoins => f.write_str("`and`, `or` or the end is expected here"),
            // The reason may quote a part of the text.
            Self::Wrong(_, text, why) => {
                write!(f, "\"{}\" {}", escaped(text), escaped(&why.to_string()))
            }
        }
    }
}

/// The fields, as the end of a sentence.
fn fields() -> String {
    let names = FIELDS.iter().map(|field| match field.name {
        ATTRIBUTES => "ce_NAME for any attribute",
        name => name,
    });
    format!("the fields are {}", names.collect::<Vec<_>>().join(", "))
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Recipient => "an address or a domain",
        Kind::Domain => "a domain, *.example.com for all below one, or *",
        Kind::Sender => "an address, a domain, or <> for the null sender",
        Kind::Client => "an address or a network",
        Kind::Size => "a size",
        Kind::Time => "a point in time, or how long ago",
        Kind::Text(_) | Kind::Header => "a text, in which * is any text",
    }
}

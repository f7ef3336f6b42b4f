//! Which records a command takes: `--filter`.
//!
//! From the bottom up: `field` is what can be asked of a record, `value` what it is compared with, `condition` one comparison,
//! `expression` several of them, `fault` what is wrong with a text, `parse` from a text to an expression.
//!
//! Owns: the language, and the decision. Must not know: how records are read, what becomes of them, the clock.
//!
//! ```text
//! any        = all *( "or" all )
//! all        = not *( "and" not )
//! not        = [ "not" ] ( "(" any ")" / condition )
//! condition  = field operator value *( "," value )
//! operator   = "=" / "!=" / "<" / "<=" / ">" / ">="
//! value      = word / DQUOTE text DQUOTE / "'" text "'" / number blanks unit
//! ```
//!
//! Several values are alternatives; `!=` is what `=` is not. A comparison with what a record does not have does not hold.
//!
//! Invariants: a filter that is there holds for no record that ringpost did not write. The same filter and record give the same
//! answer at any time: `1h` is an hour before the filter was parsed. Any text is parsed or refused, within bounds of length and
//! depth.
//!
//! BUGS: letters outside of ASCII are compared as they are, except in domains.

mod condition;
mod expression;
mod fault;
mod field;
mod parse;
mod value;

use jiff::Timestamp;

use super::received::Received;
use expression::Expression;
pub use fault::FilterError;

/// See the module. The default holds for every record.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// All have to hold.
    parts: Vec<Expression>,
}

impl Filter {
    /// Parses the texts, which all have to hold; without any, everything does. `now` is what `1h` counts back from.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse<T: AsRef<str>>(texts: &[T], now: Timestamp) -> Result<Self, FilterError> {
        let parts = texts.iter().map(|text| parse::parse(text.as_ref(), now));
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
        })
    }

    /// Whether it holds for everything because nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether a record is one of those that were asked for.
    pub fn holds(&self, received: &Received) -> bool {
        if self.is_empty() {
            return true;
        }
        let attributes = received.attributes();
        received.is_ours()
            && self
                .parts
                .iter()
                .all(|part| part.holds(received, &attributes))
    }
}

#[cfg(test)]
mod tests;

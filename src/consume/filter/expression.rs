//! Conditions joined by `and`, `or` and `not`.

use ringpost_proto::mail::decode::Attributes;

use super::condition::Condition;
use crate::consume::received::Received;

/// See the module. No deeper than a text may be.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    /// All hold.
    All(Vec<Expression>),
    /// One holds.
    Any(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
    /// A condition holds.
    Is(Condition),
}

impl Expression {
    /// Whether it holds for a record, whose attributes these are.
    pub(super) fn holds(&self, received: &Received, attributes: &Attributes<'_>) -> bool {
        let holds = |part: &Self| part.holds(received, attributes);
        match self {
            Self::All(parts) => parts.iter().all(holds),
            Self::Any(parts) => parts.iter().any(holds),
            Self::Not(part) => !holds(part),
            Self::Is(condition) => condition.holds(received, attributes),
        }
    }
}

//! What can be wrong with a property of librdkafka.
//!
//! Invariant: no variant holds a value, which may be a password.

use thiserror::Error;

/// What is wrong with a property of librdkafka.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PropertyFault {
    /// One that ringpost sets itself.
    #[error("is not for kafka.properties: {instead}")]
    Reserved {
        /// What to do instead.
        instead: &'static str,
    },
    /// Not a name of one.
    #[error("is not the name of a librdkafka property, such as linger.ms")]
    NotAName,
    /// None that librdkafka knows.
    #[error("is not a property of librdkafka: {}", meant_property(*.near))]
    Unknown {
        /// The one that was probably meant.
        near: Option<&'static str>,
    },
    /// One that only Java clients have.
    #[error("is for Java clients only: {instead}")]
    OfJava {
        /// What to set instead.
        instead: &'static str,
    },
    /// Kerberos.
    #[error(
        "asks for GSSAPI (Kerberos), which is not built in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are"
    )]
    Gssapi,
    /// One of a part of librdkafka that is left out.
    #[error("is of a part of librdkafka that is not built in; remove it")]
    NotBuiltIn,
    /// A number with a unit, or one that is too large for librdkafka.
    #[error("takes a number without a unit, within the range of librdkafka")]
    Unit,
    /// A number outside of librdkafka's range.
    #[error("has a value that is out of range: {allowed} is allowed")]
    OutOfRange {
        /// The range.
        allowed: String,
    },
    /// Not a switch.
    #[error("takes true or false")]
    Switch,
    /// A property that holds a pointer.
    #[error("can be set only by a program")]
    ProgramsAlone,
    /// None of its words.
    #[error("has a value that librdkafka does not take: {words} are allowed")]
    NoneOf {
        /// The words.
        words: &'static str,
    },
    /// Not a number.
    #[error("has a value that librdkafka does not take: a number is expected")]
    NotANumber,
    /// Refused, and librdkafka does not say why.
    #[error("has a value that librdkafka does not take: its CONFIGURATION.md says what is allowed")]
    Refused,
    /// Text that C would cut.
    #[error("has a NUL in its value")]
    Nul,
}

fn meant_property(near: Option<&str>) -> String {
    match near {
        Some(near) => format!("did you mean {near}?"),
        None => "its CONFIGURATION.md lists them".to_owned(),
    }
}

//! What is wrong with a configuration: one [`Problem`] per mistake, all of one load together in an [`Error`].
//!
//! Every problem is the operator's to solve, so each names where the value was written, the key, the value and the reason
//! (`reason` has their texts). Knows nothing of the options themselves.
//!
//! Invariant: the values of librdkafka properties never get into a problem, as they may be passwords.

use std::fmt;
use std::path::PathBuf;

use super::reason::Reason;
use super::value;
use crate::failure::{Blame, Blamed};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the configuration file.
    File {
        /// The path as it was given.
        path: PathBuf,
        /// Line and column in characters, both from 1; none where the file as a whole is meant.
        position: Option<(usize, usize)>,
    },
    /// In this environment variable.
    Environment(String),
    /// After this flag of the command line.
    Flag(&'static str),
}

/// One mistake of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// The option that it concerns, `limits.recipients`; none where no option is reached, as in a syntax error, and where
    /// several are concerned, which the reason names.
    pub key: Option<String>,
    /// The value as it was written; none where it is secret or where the mistake is not one of the value.
    pub value: Option<String>,
    /// What is wrong, what is allowed, and what to write instead.
    pub reason: Reason,
}

/// Every mistake that one load found; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    problems: Vec<Problem>,
}

impl Error {
    /// An error out of at least one problem.
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        assert!(!problems.is_empty(), "an error needs a problem");
        Self { problems }
    }

    /// The mistakes: those of the file in its order, then environment, flags, and checks between values.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Error {
    /// One line per problem, without a line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut subject = self.place.to_string();
        match (&self.place, &self.key) {
            // The name of a variable or flag says which option it is.
            (Place::Environment(_) | Place::Flag(_), _) | (_, None) => {}
            (Place::File { .. }, Some(key)) => {
                subject.push_str(": ");
                subject.push_str(key);
            }
        }
        if let Some(value) = &self.value {
            subject.push_str(match self.place {
                Place::Environment(_) => "=",
                Place::Flag(_) => " ",
                Place::File { .. } => " = ",
            });
            subject.push_str(&one_line(value));
        }
        // Names, keys and texts of the file are in it as they were written.
        let line = format!("{subject}: {}", self.reason);
        f.write_str(&value::escaped(&line))
    }
}

impl fmt::Display for Place {
    /// `ringpost.toml:3:14`, `RINGPOST_KAFKA_TOPIC`, `--topic`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File {
                path,
                position: None,
            } => write!(f, "{}", path.display()),
            Place::File {
                path,
                position: Some((line, column)),
            } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Place::Environment(name) => f.write_str(name),
            Place::Flag(name) => f.write_str(name),
        }
    }
}

/// A value fit for the middle of a line: control characters escaped, and cut when it is long.
fn one_line(value: &str) -> String {
    const CHARACTERS: usize = 80;
    let mut shown = value::escaped(&value.chars().take(CHARACTERS).collect::<String>());
    if value.chars().nth(CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ContentFault, Remedy};

    const REASON: Reason = Reason::SetTwice;

    fn problem(place: Place, key: Option<&str>, value: Option<&str>) -> String {
        Problem {
            place,
            key: key.map(str::to_owned),
            value: value.map(str::to_owned),
            reason: REASON,
        }
        .to_string()
    }

    #[test]
    fn a_problem_names_its_place_key_and_value() {
        let file = |position| Place::File {
            path: "a.toml".into(),
            position,
        };
        let key = Some("kafka.topic");
        let cases = [
            (
                file(Some((2, 5))),
                key,
                Some("3"),
                "a.toml:2:5: kafka.topic = 3: is wrong",
            ),
            (
                file(Some((2, 5))),
                key,
                None,
                "a.toml:2:5: kafka.topic: is wrong",
            ),
            (file(Some((2, 5))), None, None, "a.toml:2:5: is wrong"),
            (file(None), None, None, "a.toml: is wrong"),
            (
                Place::Environment("RINGPOST_X".into()),
                key,
                Some("3"),
                "RINGPOST_X=3: is wrong",
            ),
            (
                Place::Environment("RINGPOST_X".into()),
                key,
                None,
                "RINGPOST_X: is wrong",
            ),
            (
                Place::Flag("--topic"),
                key,
                Some("3"),
                "--topic 3: is wrong",
            ),
        ];
        for (place, key, value, expected) in cases {
            let (front, end) = expected.split_once("is wrong").expect("a reason");
            let expected = format!("{front}{REASON}{end}");
            assert_eq!(problem(place, key, value), expected);
        }
    }

    #[test]
    fn what_was_written_cannot_end_the_line_or_turn_it() {
        let place = Place::File {
            path: "a\nb.toml".into(),
            position: None,
        };
        let problem = Problem {
            place,
            key: Some("kafka.properties.a\u{1b}[2Jb".to_owned()),
            value: None,
            reason: ContentFault::UnknownSection {
                name: "x\r\n\u{202e}y".to_owned(),
                remedy: Remedy::InASection,
            }
            .into(),
        };
        let said = problem.to_string();
        let expected =
            "a\\nb.toml: kafka.properties.a\\u{1b}[2Jb: unknown section [x\\r\\n\\u{202e}y]: ";
        assert!(said.starts_with(expected), "{said:?}");
    }

    #[test]
    fn a_value_stays_on_one_line() {
        assert_eq!(one_line("a\nb\u{1b}"), "a\\nb\\u{1b}");
        assert_eq!(one_line(&"é".repeat(80)), "é".repeat(80));
        assert_eq!(one_line(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }

    #[test]
    fn an_error_has_one_line_per_problem() {
        let one = Problem {
            place: Place::Flag("--a"),
            key: None,
            value: None,
            reason: REASON,
        };
        let error = Error::new(vec![one.clone(), one]);
        let line = format!("--a: {REASON}");
        assert_eq!(error.to_string(), format!("{line}\n{line}"));
    }
}

//! Why the program has no result: who can mend it, what is wrong, where, and what to do.
//!
//! Each module has its own errors; this file has what they share. The exit status follows from the blame, and the blame from
//! the type, never from the text.

use std::error::Error;
use std::fmt::{self, Display};
use std::sync::Arc;

/// Who can mend an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The operator: the command line asks for what cannot be done.
    Operator,
    /// This machine, or this program on it.
    Machine,
    /// The server, or the brokers behind it.
    Server,
}

impl Blame {
    /// The exit status: 2 for wrong usage, 1 for a run that failed.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Blame::Operator => 2,
            Blame::Machine | Blame::Server => 1,
        }
    }
}

/// An error with blame.
pub(crate) trait Blamed: Error + Send + Sync + 'static {
    /// Who can mend it.
    fn blame(&self) -> Blame;
}

/// Why there is no result.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Arc<dyn Blamed>);

impl Failure {
    /// Who can mend it.
    pub(crate) fn blame(&self) -> Blame {
        self.0.blame()
    }
}

impl<E: Blamed> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(Arc::new(error))
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The command line asks for what cannot be done: which option, as it was given, what is wrong, what to give instead.
#[derive(Debug)]
pub(crate) struct Wrong {
    place: &'static str,
    given: String,
    problem: String,
    fix: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Wrong {
    /// With an option, as it is typed, or another part of the command line.
    pub(crate) fn at(place: &'static str) -> Wrong {
        Wrong {
            place,
            given: String::new(),
            problem: String::new(),
            fix: String::new(),
            source: None,
        }
    }

    /// What was given.
    pub(crate) fn given(mut self, given: impl Display) -> Wrong {
        self.given = given.to_string();
        self
    }

    /// What was given, in quotes: text that may be empty or hold anything.
    pub(crate) fn quoted(self, given: &str) -> Wrong {
        self.given(format_args!("{given:?}"))
    }

    /// What is wrong with it.
    pub(crate) fn problem(mut self, problem: impl Display) -> Wrong {
        self.problem = problem.to_string();
        self
    }

    /// The error that says what is wrong.
    pub(crate) fn source(mut self, source: impl Error + Send + Sync + 'static) -> Wrong {
        self.problem = source.to_string();
        self.source = Some(Box::new(source));
        self
    }

    /// What to give instead, with the allowed range.
    pub(crate) fn fix(mut self, fix: impl Display) -> Wrong {
        self.fix = fix.to_string();
        self
    }
}

impl Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let non_empty = |texts: [&str; 2], between: &str| {
            let texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
            texts.join(between)
        };
        let place = non_empty([self.place, &self.given], " ");
        let what = non_empty([&self.problem, &self.fix], "; ");
        formatter.write_str(&non_empty([&place, &what], ": "))
    }
}

impl Error for Wrong {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

impl Blamed for Wrong {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_names_its_place_and_what_to_give() {
        let whole = Wrong::at("--chunk")
            .quoted("")
            .problem("it is empty")
            .fix("give a size");
        assert_eq!(whole.to_string(), "--chunk \"\": it is empty; give a size");
        let only_fix = Wrong::at("--helo").fix("give a name");
        assert_eq!(only_fix.to_string(), "--helo: give a name");
        assert_eq!(Wrong::at("").problem("too few").to_string(), "too few");
        let caused = Wrong::at("--log").source(std::io::Error::other("full"));
        assert_eq!(caused.to_string(), "--log: full");
        assert!(Error::source(&caused).is_some());
    }

    #[test]
    fn the_exit_status_follows_from_the_blame() {
        assert_eq!(Failure::from(Wrong::at("x")).blame().exit_code(), 2);
        assert_eq!(Blame::Machine.exit_code(), 1);
        assert_eq!(Blame::Server.exit_code(), 1);
    }
}

//! Whose an error is, and the exit code that follows from it.
//!
//! Owns: the four kinds of blame, the one type in which an error of any module reaches the end of a command, and how an error is
//! written with its causes. Must not know: any error in particular, nor where one is printed.
//!
//! A module has its own error type, with what, where, range and fix as its text, and says by [`Blamed`] whose it is; `?` makes a
//! [`Failure`] of it. A command returns that, and nobody decides an exit code where an error is reported.
//!
//! Invariant: the exit code depends on the blame alone, never on a text.

use std::error::Error;
use std::fmt;

/// Whose an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The operator's: the command line, the environment, the configuration or a file that it names.
    Operator,
    /// The cluster's: brokers that do not answer, or that refuse.
    Cluster,
    /// The machine's: the kernel, its limits, a disk, an address that another process uses.
    Machine,
    /// Ours: it cannot happen unless ringpost, or a library that it is made of, is wrong.
    Bug,
}

impl Blame {
    /// The exit code of a command that ends with it: 2 for wrong usage or configuration, 1 for what failed at run time.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Operator => 2,
            Self::Cluster | Self::Machine | Self::Bug => 1,
        }
    }
}

/// An error that knows whose it is.
pub trait Blamed: Error {
    /// Whose.
    fn blame(&self) -> Blame;
}

/// Why a command ends: the error of any module, with its blame. Its text is the error's, one line for each mistake.
#[derive(Debug)]
pub struct Failure {
    blame: Blame,
    cause: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// Whose it is.
    pub fn blame(&self) -> Blame {
        self.blame
    }

    /// The exit code of the command that ends with it.
    pub fn exit_code(&self) -> u8 {
        self.blame.exit_code()
    }

    /// The error itself, if it is of this type.
    pub fn cause<E: Error + 'static>(&self) -> Option<&E> {
        self.cause.downcast_ref()
    }
}

impl<E: Blamed + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            blame: error.blame(),
            cause: Box::new(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// An error with what caused it, for libraries whose first error says little.
pub fn chain(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !texts.iter().any(|earlier| earlier.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("disk {0}: full")]
    struct Full(u8, #[source] std::io::Error);

    impl Blamed for Full {
        fn blame(&self) -> Blame {
            Blame::Machine
        }
    }

    #[test]
    fn the_exit_code_follows_from_the_blame() {
        for (blame, code) in [
            (Blame::Operator, 2),
            (Blame::Cluster, 1),
            (Blame::Machine, 1),
            (Blame::Bug, 1),
        ] {
            assert_eq!(blame.exit_code(), code, "{blame:?}");
        }
    }

    #[test]
    fn a_failure_keeps_text_blame_source_and_type_of_its_error() {
        let fail = || -> Result<(), Failure> {
            Err(Full(3, std::io::ErrorKind::StorageFull.into()))?;
            Ok(())
        };
        let failure = fail().unwrap_err();
        assert_eq!(failure.to_string(), "disk 3: full");
        assert_eq!((failure.blame(), failure.exit_code()), (Blame::Machine, 1));
        assert!(failure.source().is_some());
        assert_eq!(failure.cause::<Full>().map(|full| full.0), Some(3));
        assert!(failure.cause::<std::io::Error>().is_none());
    }
    #[test]
    fn a_chain_says_each_text_once() {
        let full = Full(3, std::io::ErrorKind::StorageFull.into());
        assert_eq!(chain(&full), format!("disk 3: full: {}", full.1));
        let same = Full(4, std::io::Error::other("full"));
        assert_eq!(chain(&same), "disk 4: full");
    }
}

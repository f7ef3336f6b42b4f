//! Why the program has no result to show.

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for what cannot be done.
    Usage(String),
    /// Something did not work.
    Run(String),
}

//! What is said of a certificate that can be served, and how bad it is.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong.
    Fine,
    /// It will be bad, or it is for some senders.
    Warning,
    /// Senders that look at certificates do not deliver.
    Error,
}

/// What is to be said of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What, where and what helps, in one line.
    pub text: String,
}

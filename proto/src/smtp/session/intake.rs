//! Whether mail is taken at all: what the place where messages go is worth, as its driver knows it.
//!
//! Owns: the word for it. Must not know: how that is found out.

/// What a session may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Intake {
    /// Everything.
    #[default]
    Open,
    /// No transaction: the storage answers, and takes no mail.
    NoMail,
    /// No session: the storage is away.
    Closed,
}

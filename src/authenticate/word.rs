//! The result words of RFC 8601.
//!
//! Owns: which there are, and the one of several that counts. Must not know: what is checked.

use std::fmt;

/// What a check came to (RFC 8601 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// There was nothing to check.
    None,
    /// It is as claimed.
    Pass,
    /// It is not as claimed.
    Fail,
    /// SPF: probably not as claimed.
    SoftFail,
    /// Nothing is claimed, or what is claimed cannot be read.
    Neutral,
    /// As claimed, in a way that is not accepted here.
    Policy,
    /// The DNS gave no answer.
    TempError,
    /// What was published or written cannot be used.
    PermError,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Pass,
        Self::Fail,
        Self::SoftFail,
        Self::Neutral,
        Self::Policy,
        Self::TempError,
        Self::PermError,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }

    /// The one of several signatures that counts: a message is signed if one signature holds, whatever the others are.
    pub fn of_several(words: impl IntoIterator<Item = Self>) -> Self {
        const ORDER: [Word; 8] = [
            Word::Pass,
            Word::TempError,
            Word::Fail,
            Word::Policy,
            Word::PermError,
            Word::SoftFail,
            Word::Neutral,
            Word::None,
        ];
        let rank = |word: &Self| ORDER.iter().position(|one| one == word);
        words.into_iter().min_by_key(rank).unwrap_or(Self::None)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_that_holds_counts() {
        assert_eq!(Word::of_several([]), Word::None);
        assert_eq!(Word::of_several([Word::Fail, Word::Pass]), Word::Pass);
        assert_eq!(
            Word::of_several([Word::Neutral, Word::PermError, Word::TempError]),
            Word::TempError
        );
        for word in Word::ALL {
            assert_eq!(Word::of_several([word]), word);
            assert_eq!(Word::of_several([Word::None, word]), word);
        }
    }
}

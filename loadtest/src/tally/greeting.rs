//! What the server said when it greeted: its banner, and what it offers.
//!
//! Invariant: bounded, and fit for a terminal, a page and a log ([`harmless`]).

use crate::fault::harmless;

/// The most lines of EHLO that are kept.
const MOST: usize = 32;

/// What the server said to the first connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// The text of its banner.
    pub banner: String,
    /// What it offers in its last reply to EHLO, a line each; nothing where it knows HELO alone.
    pub extensions: Vec<String>,
}

impl Greeting {
    /// From the texts of the banner and of the last reply to EHLO or HELO, their lines joined by LF.
    pub(crate) fn new(banner: &[u8], ehlo: &[u8]) -> Greeting {
        // The first line is the greeting.
        let extensions = ehlo.split(|byte| *byte == b'\n').skip(1).take(MOST);
        Greeting {
            banner: harmless(banner),
            extensions: extensions.map(harmless).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_bounded_and_harmless() {
        let greeting = Greeting::new(b"mx ESMTP\x1b[31m", b"mx greets\nPIPELINING\nSIZE 100");
        assert_eq!(greeting.banner, "mx ESMTP?[31m");
        assert_eq!(greeting.extensions, ["PIPELINING", "SIZE 100"]);
        assert!(Greeting::new(b"", b"mx").extensions.is_empty());
        let many = b"mx"
            .iter()
            .copied()
            .chain(b"\nX".repeat(1000))
            .collect::<Vec<u8>>();
        assert_eq!(Greeting::new(b"", &many).extensions.len(), MOST);
    }
}

//! What a server offers in its reply to EHLO (RFC 5321 section 4.1.1.1).

use crate::content::Needs;
use crate::fault::Extension;

/// The extensions that this program knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 3030.
    pub binary: bool,
    /// RFC 6152.
    pub eight_bit: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 1870, with a limit.
    pub size: Option<u64>,
}

impl Offers {
    /// An extension that a message needs and the server does not offer.
    pub(crate) fn missing(&self, needs: Needs) -> Option<Extension> {
        if needs.chunking && !self.chunking {
            Some(Extension::Chunking)
        } else if needs.binary && !self.binary {
            Some(Extension::BinaryMime)
        } else if needs.eight_bit && !needs.binary && !self.eight_bit {
            Some(Extension::EightBitMime)
        } else {
            None
        }
    }

    /// Reads the lines of a reply, joined by LF; the first line is the greeting.
    pub(crate) fn read(text: &[u8]) -> Offers {
        let mut offers = Offers::default();
        for line in text.split(|byte| *byte == b'\n').skip(1) {
            let mut words = line.split(|byte| *byte == b' ');
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match &keyword[..] {
                b"PIPELINING" => offers.pipelining = true,
                b"CHUNKING" => offers.chunking = true,
                b"BINARYMIME" => offers.binary = true,
                b"8BITMIME" => offers.eight_bit = true,
                b"STARTTLS" => offers.starttls = true,
                b"SIZE" => {
                    let number = words.next().and_then(|word| std::str::from_utf8(word).ok());
                    offers.size = number
                        .and_then(|word| word.parse().ok())
                        .filter(|size| *size > 0);
                }
                _ => {}
            }
        }
        offers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_after_the_greeting_only() {
        let offers = Offers::read(b"mx greets\nSIZE 100\npipelining\n8BITMIME\nSTARTTLS");
        let expected = Offers {
            pipelining: true,
            eight_bit: true,
            starttls: true,
            size: Some(100),
            ..Offers::default()
        };
        assert_eq!(offers, expected);
        assert_eq!(Offers::read(b"PIPELINING greets\nSIZE"), Offers::default());
        assert_eq!(
            Offers::read(b"mx\nX-PIPELINING\nPIPELININGS\nSIZE 0"),
            Offers::default()
        );
    }

    #[test]
    fn what_a_message_needs_is_missing_where_it_is_not_offered() {
        let eight_bit = Needs {
            eight_bit: true,
            ..Needs::default()
        };
        let binary = Needs {
            binary: true,
            chunking: true,
            ..eight_bit
        };
        let of = |text: &[u8], needs| Offers::read(text).missing(needs);
        assert_eq!(of(b"mx", Needs::default()), None);
        assert_eq!(of(b"mx", eight_bit), Some(Extension::EightBitMime));
        assert_eq!(of(b"mx\n8BITMIME", eight_bit), None);
        assert_eq!(of(b"mx\n8BITMIME", binary), Some(Extension::Chunking));
        let chunking = b"mx\nCHUNKING";
        assert_eq!(of(chunking, binary), Some(Extension::BinaryMime));
        assert_eq!(of(b"mx\nCHUNKING\nBINARYMIME", binary), None);
    }
}

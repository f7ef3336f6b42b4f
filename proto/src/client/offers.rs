//! What a server offers in its reply to EHLO (RFC 5321 section 4.1.1.1) or LHLO (RFC 2033).
//!
//! Must not know: which of it a client uses.

/// The extensions that clients here know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offers {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 3030.
    pub binary: bool,
    /// RFC 6152.
    pub eight_bit: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 1870.
    pub size: bool,
    /// The limit of RFC 1870, where one is stated.
    pub size_limit: Option<u64>,
    /// RFC 4954 with PLAIN.
    pub auth_plain: bool,
    /// The same with LOGIN.
    pub auth_login: bool,
}

impl Offers {
    /// Reads the lines of a reply, joined by LF; the first line is the greeting.
    pub fn read(text: &[u8]) -> Self {
        let mut offers = Self::default();
        for line in text.split(|byte| *byte == b'\n').skip(1) {
            offers.take(line);
        }
        offers
    }

    fn take(&mut self, line: &[u8]) {
        let mut words = line.split(|byte| *byte == b' ');
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match &keyword[..] {
            b"PIPELINING" => self.pipelining = true,
            b"CHUNKING" => self.chunking = true,
            b"BINARYMIME" => self.binary = true,
            b"8BITMIME" => self.eight_bit = true,
            b"SMTPUTF8" => self.smtputf8 = true,
            b"STARTTLS" => self.starttls = true,
            b"SIZE" => {
                let number = words.next().and_then(|word| std::str::from_utf8(word).ok());
                self.size = true;
                self.size_limit = number
                    .and_then(|word| word.parse().ok())
                    .filter(|size| *size > 0);
            }
            b"AUTH" => {
                for mechanism in words {
                    self.auth_plain |= mechanism.eq_ignore_ascii_case(b"PLAIN");
                    self.auth_login |= mechanism.eq_ignore_ascii_case(b"LOGIN");
                }
            }
            _ => {}
        }
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
            size: true,
            size_limit: Some(100),
            ..Offers::default()
        };
        assert_eq!(offers, expected);
        let sized = Offers {
            size: true,
            ..Offers::default()
        };
        assert_eq!(Offers::read(b"PIPELINING greets\nSIZE"), sized);
        assert_eq!(
            Offers::read(b"mx\nX-PIPELINING\nPIPELININGS\nSIZE 0"),
            sized
        );
    }

    #[test]
    fn mechanisms_are_words_after_auth() {
        let offers = Offers::read(b"mx\nAUTH CRAM-MD5 plain\nSMTPUTF8");
        assert!(offers.auth_plain && !offers.auth_login && offers.smtputf8);
    }
}

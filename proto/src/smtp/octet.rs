//! What an octet of an address may be part of: one look at a table instead of a chain of comparisons, for each octet of each
//! address.

/// RFC 5322 atext, and UTF-8 as RFC 6531 adds it.
pub(super) const ATEXT: u8 = 1;
/// The same in ASCII alone.
pub(super) const PLAIN_ATEXT: u8 = 2;
/// A letter, digit, hyphen or underscore in ASCII.
pub(super) const LABEL: u8 = 4;
/// A hyphen.
pub(super) const HYPHEN: u8 = 8;
/// A letter in upper case.
pub(super) const UPPER: u8 = 16;
/// What a label may be made of, but the hyphen.
pub(super) const WORD: u8 = 64;
/// Outside of ASCII.
pub(super) const INTERNATIONAL: u8 = 32;

static CLASSES: [u8; 256] = classes();

/// All classes of an octet.
pub(super) fn classes_of(octet: u8) -> u8 {
    CLASSES[octet as usize]
}

/// The classes that at least one of these octets has.
pub(super) fn classes_among(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |all, &octet| all | classes_of(octet))
}

/// Whether an octet is of this class.
pub(super) fn is(octet: u8, class: u8) -> bool {
    classes_of(octet) & class != 0
}

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut place = 0;
    while place < 256 {
        let octet = place as u8;
        classes[place] = match octet {
            b'-' => ATEXT | PLAIN_ATEXT | LABEL | HYPHEN,
            b'_' => ATEXT | PLAIN_ATEXT | LABEL | WORD,
            b'A'..=b'Z' => ATEXT | PLAIN_ATEXT | LABEL | WORD | UPPER,
            b'a'..=b'z' | b'0'..=b'9' => ATEXT | PLAIN_ATEXT | LABEL | WORD,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'/' | b'=' | b'?' | b'^' | b'`' | b'{'..=b'~' => {
                ATEXT | PLAIN_ATEXT
            }
            128.. => ATEXT | INTERNATIONAL,
            _ => 0,
        };
        place += 1;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_as_the_rfcs_have_them() {
        for octet in 0..=255_u8 {
            let letter = octet.is_ascii_alphanumeric();
            let atext = letter || b"!#$%&'*+-/=?^_`{|}~".contains(&octet);
            assert_eq!(is(octet, PLAIN_ATEXT), atext, "{octet}");
            assert_eq!(is(octet, ATEXT), atext || octet >= 128, "{octet}");
            assert_eq!(
                is(octet, LABEL),
                letter || b"-_".contains(&octet),
                "{octet}"
            );
            assert_eq!(is(octet, HYPHEN), octet == b'-', "{octet}");
            assert_eq!(is(octet, WORD), letter || octet == b'_', "{octet}");
            assert_eq!(is(octet, UPPER), octet.is_ascii_uppercase(), "{octet}");
            assert_eq!(is(octet, INTERNATIONAL), !octet.is_ascii(), "{octet}");
        }
    }
}

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

static CLASSES: [u8; 256] = classes();

/// All classes of an octet.
pub(super) fn classes_of(octet: u8) -> u8 {
    CLASSES[octet as usize]
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
            b'_' => ATEXT | PLAIN_ATEXT | LABEL,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => ATEXT | PLAIN_ATEXT | LABEL,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'/' | b'=' | b'?' | b'^' | b'`' | b'{'..=b'~' => {
                ATEXT | PLAIN_ATEXT
            }
            128.. => ATEXT,
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
        }
    }
}

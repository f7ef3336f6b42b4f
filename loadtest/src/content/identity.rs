//! The two header fields that name a message and let anyone check it: they begin every message, and are found again in
//! what the server stored.
//!
//! ```text
//! X-Loadtest: id=0123456789abcdef.000000000042 size=0000004019 crc32=9ae0daaf
//! Message-ID: <0123456789abcdef.000000000042@loadtest.ringpost.example>
//! ```
//!
//! `size` and `crc32` are those of everything after these two fields. They stay the same from message to message; only the
//! number changes, at fixed places. A server puts its own fields before them.

/// Digits of a message's number: `--messages` stays below 10^12.
const NUMBER_DIGITS: usize = 12;
/// Digits of a run's id.
pub(crate) const RUN_DIGITS: usize = 16;
const FIELD: &[u8] = b"X-Loadtest: id=";
const MESSAGE_ID: &[u8] = b"\r\nMessage-ID: <";
const DOMAIN: &[u8] = b"@loadtest.ringpost.example>\r\n";

/// Where the numbers are in [`fields`].
const NUMBERS_AT: [usize; 2] = {
    let first = FIELD.len() + RUN_DIGITS + 1;
    let line = first + NUMBER_DIGITS + " size=0000000000 crc32=00000000".len();
    [first, line + MESSAGE_ID.len() + RUN_DIGITS + 1]
};
/// Bytes of both fields.
pub(crate) const LENGTH: usize = NUMBERS_AT[1] + NUMBER_DIGITS + DOMAIN.len();

/// Both fields of message 0, whose remainder is `rest`.
pub(crate) fn fields(run: &str, rest: &[u8]) -> Vec<u8> {
    assert!(run.len() == RUN_DIGITS, "a run's id has its fixed width");
    let id = format!("{run}.{}", "0".repeat(NUMBER_DIGITS));
    let check = format!(
        " size={:010} crc32={:08x}",
        rest.len(),
        crc32fast::hash(rest)
    );
    let fields = [
        FIELD,
        id.as_bytes(),
        check.as_bytes(),
        MESSAGE_ID,
        id.as_bytes(),
        DOMAIN,
    ]
    .concat();
    assert!(fields.len() == LENGTH, "the fields have a fixed width");
    fields
}

/// Writes a number into the fields at the start of `bytes`.
pub(crate) fn patch(bytes: &mut [u8], number: u64) {
    let [first, second] = NUMBERS_AT;
    let mut rest = number;
    for at in (first..first + NUMBER_DIGITS).rev() {
        bytes[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    assert!(rest == 0, "the number fits its {NUMBER_DIGITS} digits");
    bytes.copy_within(first..first + NUMBER_DIGITS, second);
}

/// The Message-ID in the fields at the start of `bytes`, with its angle brackets.
pub(crate) fn message_id(bytes: &[u8]) -> &[u8] {
    &bytes[NUMBERS_AT[1] - RUN_DIGITS - 2..LENGTH - 2]
}

/// What a stored message turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// Not a message of this program.
    Foreign,
    /// Message `number` of a run, byte by byte as it was sent.
    Intact {
        /// The run's id.
        run: &'a [u8],
        /// The message's number.
        number: u64,
    },
    /// Message `number` of a run, but its bytes differ from what was sent.
    Altered {
        /// The run's id.
        run: &'a [u8],
        /// The message's number.
        number: u64,
    },
}

/// Looks for the fields in a stored message, after the fields that the server added, and checks the rest.
pub(crate) fn check(message: &[u8]) -> Found<'_> {
    let Some(at) = find_field(message) else {
        return Found::Foreign;
    };
    let fields = &message[at..];
    let run_at = FIELD.len();
    let (Some(run), Some(number)) = (
        fields.get(run_at..run_at + RUN_DIGITS),
        fields
            .get(NUMBERS_AT[0]..NUMBERS_AT[0] + NUMBER_DIGITS)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()),
    ) else {
        return Found::Foreign;
    };
    let intact = fields.get(LENGTH..).is_some_and(|rest| {
        let mut expected = [FIELD, run, b"."].concat();
        expected.extend_from_slice(&self::fields("0000000000000000", rest)[expected.len()..]);
        let second_run = NUMBERS_AT[1] - RUN_DIGITS - 1;
        expected[second_run..second_run + RUN_DIGITS].copy_from_slice(run);
        patch(&mut expected, number);
        expected == fields[..LENGTH]
    });
    if intact {
        Found::Intact { run, number }
    } else {
        Found::Altered { run, number }
    }
}

/// The field's place: at the start of a line of the header.
fn find_field(message: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(line) = message.get(at..) {
        if line.starts_with(FIELD) {
            return Some(at);
        }
        if line.starts_with(b"\r\n") || line.starts_with(b"\n") {
            return None;
        }
        at += memchr::memchr(b'\n', line)? + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0123456789abcdef";

    fn message(number: u64) -> Vec<u8> {
        let rest = b"Subject: x\r\n\r\nbody\r\n";
        let mut message = fields(RUN, rest);
        message.extend_from_slice(rest);
        patch(&mut message, number);
        message
    }

    #[test]
    fn a_message_is_found_behind_other_fields() {
        let sent = message(42);
        assert_eq!(
            message_id(&sent),
            b"<0123456789abcdef.000000000042@loadtest.ringpost.example>"
        );
        let intact = Found::Intact {
            run: RUN.as_bytes(),
            number: 42,
        };
        assert_eq!(check(&sent), intact);
        let stored = [b"Received: from x\r\n\tby y; now\r\n", &sent[..]].concat();
        assert_eq!(check(&stored), intact);
    }

    #[test]
    fn the_checksum_is_the_one_of_zlib() {
        let fields = fields(RUN, b"123456789");
        let text = String::from_utf8_lossy(&fields);
        assert!(
            text.contains(" size=0000000009 crc32=cbf43926\r\n"),
            "{text}"
        );
    }

    #[test]
    fn any_changed_byte_behind_the_number_is_an_alteration() {
        let sent = message(42);
        for at in NUMBERS_AT[0] + NUMBER_DIGITS..sent.len() {
            let mut stored = sent.clone();
            stored[at] ^= 1;
            assert_eq!(
                check(&stored),
                Found::Altered {
                    run: RUN.as_bytes(),
                    number: 42
                },
                "byte {at}"
            );
        }
        for cut in LENGTH..sent.len() {
            assert!(
                matches!(check(&sent[..cut]), Found::Altered { .. }),
                "cut at {cut}"
            );
        }
        let longer = [&sent[..], b"\r\n"].concat();
        assert!(matches!(check(&longer), Found::Altered { .. }));
    }

    #[test]
    fn other_messages_are_foreign() {
        assert_eq!(
            check(b"Subject: x\r\n\r\nX-Loadtest: id=0123456789abcdef.000000000001"),
            Found::Foreign
        );
        assert_eq!(check(b""), Found::Foreign);
        assert_eq!(check(b"X-Loadtest: id="), Found::Foreign);
    }
}

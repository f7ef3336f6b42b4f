//! Transparency and the end of the data, in place and in one pass (RFC 5321 4.5.2 and 4.1.1.4).
//!
//! Owns: which octets of the data belong to the message, and the one sequence that ends it. Must not know: buffers'
//! owners, sizes allowed, replies.
//!
//! ```text
//!            ┌───────────────── any other octet ────────────────┐
//!            ▼                                                  │
//!        ┌────────┐  CR   ┌─────────┐  LF   ┌───────────┐       │
//!   ┌───▶│ Inside │──────▶│ SawCr   │──────▶│ LineStart │◀── start of the data
//!   │    └────────┘       └─────────┘       └─────┬─────┘
//!   │       ▲  ▲             │   ▲ CR             │ '.' (dropped)
//!   │ other │  └── other ────┘   └─┐              ▼
//!   │    ┌──┴───────┐   CR kept    │        ┌───────────┐
//!   └────┤ SawDotCr │◀──────────── │ ────── │ SawDot    │── other ──▶ Inside
//!        └──┬───────┘              │        └───────────┘
//!           ├── CR ────────────────┘
//!           └── LF: the end (the CR that was kept is taken back)
//! ```
//!
//! Invariants: nothing but CRLF `.` CRLF ends the data, where the first CRLF may be that of the DATA command; the CRLF
//! before the dot belongs to the message; every other octet goes through unchanged, bare CR and bare LF and NUL among
//! them; the result does not depend on how the octets were cut.

use std::ops::Range;

use super::scan::{Scan, scan};

/// What precedes the next octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    Inside,
    SawCr,
    SawDot,
    SawDotCr,
}

/// What a piece of data came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Octets of the message, now at the front of the piece.
    pub kept: usize,
    /// Octets of the piece that belonged to the data; what follows the end is the next command's.
    pub consumed: usize,
    /// Whether the end of the data was seen.
    pub ended: bool,
    /// Octets (0 or 1) to take back from the end of the message as kept so far, this piece included: the CR of the
    /// final CRLF, which could have been part of the message until its LF was seen.
    pub retracted: usize,
}

/// Decodes the data of one message, piece by piece.
#[derive(Debug)]
pub struct Decoder {
    place: Place,
    bare_newlines: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            place: Place::LineStart,
            bare_newlines: false,
        }
    }
}

impl Decoder {
    /// Whether a CR or LF that is not half of a CRLF is in the message so far: what other software may take for the end of a
    /// line, and so what smuggling is made of (CVE-2023-51764 and others like it). A CR at the end is judged with what follows.
    pub fn bare_newlines(&self) -> bool {
        self.bare_newlines
    }

    /// Decodes `piece` in place.
    pub fn decode(&mut self, piece: &mut [u8]) -> Decoded {
        let (mut read, mut write) = (0, 0);
        while read < piece.len() {
            if matches!(self.place, Place::Inside) {
                let scan = self.run(&piece[read..]);
                let mut from = read;
                for dot in scan.dots() {
                    write = move_down(piece, from..read + dot, write);
                    from = read + dot + 1;
                }
                read += scan.seen;
                write = move_down(piece, from..read, write);
                continue;
            }
            let octet = piece[read];
            read += 1;
            match self.step(octet) {
                Step::Keep => {
                    piece[write] = octet;
                    write += 1;
                }
                Step::Drop => {}
                Step::End => {
                    assert!(write < read, "the dot is dropped");
                    return Decoded {
                        kept: write,
                        consumed: read,
                        ended: true,
                        retracted: 1,
                    };
                }
            }
        }
        assert!(
            write <= read && read == piece.len(),
            "all of a piece is looked at, and none of it twice"
        );
        Decoded {
            kept: write,
            consumed: read,
            ended: false,
            retracted: 0,
        }
    }

    /// Looks at octets from inside a line, up to and including the next CRLF before a dot that may be the end of the data, or at
    /// all; leaves `place` after them. Dots of stuffed lines that cannot be the end are found on the way.
    fn run(&mut self, rest: &[u8]) -> Scan {
        let scan = scan(rest);
        self.bare_newlines |= scan.bare;
        self.place = match rest.get(scan.seen) {
            Some(octet) => {
                assert_eq!(*octet, b'.', "a line that starts with a dot");
                Place::LineStart
            }
            None => match rest {
                [.., b'\r', b'\n'] => Place::LineStart,
                [.., b'\r'] => Place::SawCr,
                _ => Place::Inside,
            },
        };
        scan
    }

    fn step(&mut self, octet: u8) -> Step {
        use Place::{Inside, LineStart, SawCr, SawDot, SawDotCr};
        let (place, step) = match (self.place, octet) {
            (LineStart, b'.') => (SawDot, Step::Drop),
            (SawDot, b'\r') => (SawDotCr, Step::Keep),
            (SawDotCr, b'\n') => (LineStart, Step::End),
            (SawCr, b'\n') => (LineStart, Step::Keep),
            (LineStart | Inside | SawCr | SawDotCr, b'\r') => (SawCr, Step::Keep),
            (LineStart | Inside | SawCr | SawDot | SawDotCr, _) => (Inside, Step::Keep),
        };
        let after_cr = matches!(self.place, SawCr | SawDotCr);
        self.bare_newlines |= after_cr != (octet == b'\n');
        self.place = place;
        step
    }
}

/// Moves octets of a piece down over what was dropped before them; the place after them.
fn move_down(piece: &mut [u8], octets: Range<usize>, to: usize) -> usize {
    let end = to + octets.len();
    if octets.start != to {
        piece.copy_within(octets, to);
    }
    end
}

enum Step {
    Keep,
    Drop,
    End,
}

/// The specification of [`Decoder`], as simple as possible: the message and the number of octets of `input` that belong to
/// the data, or `None` while its end is not there. `input` starts after the CRLF of the DATA command.
pub fn oracle(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut message = Vec::new();
    let mut at = 0;
    loop {
        let line = &input[at..];
        let length = line.windows(2).position(|two| two == b"\r\n")? + 2;
        let line = &line[..length];
        at += length;
        if line == b".\r\n" {
            return Some((message, at));
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` in pieces that end at `cuts`; the message and what was consumed, once it has ended.
    fn decode(input: &[u8], cuts: &[usize]) -> Option<(Vec<u8>, usize)> {
        let mut decoder = Decoder::default();
        let (mut message, mut from) = (Vec::new(), 0);
        for &to in cuts.iter().chain(std::iter::once(&input.len())) {
            let mut piece = input[from..to].to_vec();
            let decoded = decoder.decode(&mut piece);
            message.extend_from_slice(&piece[..decoded.kept]);
            message.truncate(message.len() - decoded.retracted);
            if decoded.ended {
                return Some((message, from + decoded.consumed));
            }
            assert_eq!(decoded.consumed, piece.len());
            from = to;
        }
        None
    }

    /// Every way to cut `input` once and twice, and octet by octet.
    fn agrees_with_the_oracle(input: &[u8]) {
        let expected = oracle(input);
        assert_eq!(
            decode(input, &[]),
            expected,
            "whole: {:?}",
            input.escape_ascii().to_string()
        );
        for first in (0..=input.len()).step_by(if cfg!(miri) { 3 } else { 1 }) {
            for second in (first..=input.len()).step_by(if cfg!(miri) { 13 } else { 1 }) {
                let got = decode(input, &[first, second]);
                assert_eq!(
                    got,
                    expected,
                    "cut at {first}, {second}: {}",
                    input.escape_ascii()
                );
            }
        }
        let every: Vec<usize> = (0..input.len()).collect();
        assert_eq!(decode(input, &every), expected);
    }

    fn message(input: &[u8]) -> Vec<u8> {
        agrees_with_the_oracle(input);
        let (message, consumed) = oracle(input).expect("the data ends");
        assert_eq!(consumed, input.len());
        message
    }

    #[test]
    fn an_empty_message_ends() {
        assert_eq!(message(b".\r\n"), b"");
    }

    #[test]
    fn a_stuffed_first_line_is_unstuffed() {
        assert_eq!(message(b"..\r\n.\r\n"), b".\r\n");
        assert_eq!(message(b".x\r\n.\r\n"), b"x\r\n");
    }

    #[test]
    fn crlf_dot_cr_cr_lf_does_not_end_the_data() {
        assert_eq!(message(b"a\r\n.\r\r\nb\r\n.\r\n"), b"a\r\n\r\r\nb\r\n");
    }

    #[test]
    fn the_final_crlf_belongs_to_the_message() {
        assert_eq!(message(b"a\r\n.\r\n"), b"a\r\n");
        assert_eq!(message(b"a\r\n\r\n.\r\n"), b"a\r\n\r\n");
    }

    #[test]
    fn no_smuggling_sequence_ends_the_data() {
        for sequence in [
            &b"\n.\n"[..],
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\r\r\n.\r\r\n",
            b"\r\n\0.\r\n",
            b"\r\n.\r\r\n",
        ] {
            let mut input = b"before".to_vec();
            input.extend_from_slice(sequence);
            input.extend_from_slice(b"MAIL FROM:<smuggled@example.net>");
            let text = input.escape_ascii().to_string();
            assert_eq!(oracle(&input), None, "{text}");
            input.extend_from_slice(b"\r\n.\r\n");
            let decoded = message(&input);
            assert!(
                decoded.ends_with(b"MAIL FROM:<smuggled@example.net>\r\n"),
                "{text}"
            );
        }
    }

    /// As simple as possible: whether a CR without LF or an LF without CR is in a message that ends with CRLF.
    fn has_bare_newline(message: &[u8]) -> bool {
        message.iter().enumerate().any(|(at, &octet)| match octet {
            b'\r' => message.get(at + 1) != Some(&b'\n'),
            b'\n' => at == 0 || message[at - 1] != b'\r',
            _ => false,
        })
    }

    #[test]
    fn bare_newlines_are_found_wherever_the_message_is_cut() {
        let alphabet = b"\r\n.x";
        for number in (0..4_usize.pow(6)).step_by(if cfg!(miri) { 409 } else { 1 }) {
            let mut input: Vec<u8> = (0..6)
                .map(|i| alphabet[number / 4_usize.pow(i) % 4])
                .collect();
            input.extend_from_slice(b"\r\n.\r\n");
            let (message, consumed) = oracle(&input).expect("the data ends");
            let expected = has_bare_newline(&message);
            for cut in 0..=consumed {
                let mut decoder = Decoder::default();
                for piece in [&input[..cut], &input[cut..consumed]] {
                    decoder.decode(&mut piece.to_vec());
                }
                assert_eq!(
                    decoder.bare_newlines(),
                    expected,
                    "{} cut at {cut}",
                    input.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn what_follows_the_end_is_not_touched() {
        let mut input = *b"a\r\n.\r\nQUIT\r\n";
        let decoded = Decoder::default().decode(&mut input);
        assert_eq!((decoded.consumed, decoded.ended), (6, true));
        assert_eq!(&input[decoded.consumed..], b"QUIT\r\n");
    }

    #[test]
    fn every_short_input_over_the_octets_that_matter() {
        let alphabet = b"\r\n.x";
        for length in 0..=if cfg!(miri) { 3 } else { 7 } {
            for number in 0..4_usize.pow(length) {
                let input: Vec<u8> = (0..length)
                    .map(|i| alphabet[number / 4_usize.pow(i) % 4])
                    .collect();
                let expected = oracle(&input);
                assert_eq!(decode(&input, &[]), expected, "{}", input.escape_ascii());
                let every: Vec<usize> = (0..input.len()).collect();
                assert_eq!(decode(&input, &every), expected, "{}", input.escape_ascii());
            }
        }
    }
}

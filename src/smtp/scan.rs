//! One look at each octet of the data: where the next line that starts with a dot is, and whether a CR or LF stands alone
//! before it.
//!
//! Owns: the loop that most octets of most mails pass through. Must not know: what follows from what it finds; `data` does.
//!
//! A round of [`ROUND`] octets is judged without a branch inside, which the compiler makes SIMD of; only a round that holds
//! a dot at the start of a line is looked at again. Where the processor has AVX2, the same code is compiled for it.

#![allow(
    unsafe_code,
    reason = "code for AVX2 is called where the processor has it"
)]

use std::sync::LazyLock;

use memchr::memmem;

/// Octets that are judged at once.
const ROUND: usize = 256;

static LINE_WITH_DOT: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"\r\n."));

/// What [`scan`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the first CRLF is that a dot follows.
    pub dot: Option<usize>,
    /// Whether a CR without LF or an LF without CR is among the octets up to it, or among all. The first octet's
    /// predecessor and the last one's successor are not known here, so neither is judged for its unknown half.
    pub bare: bool,
}

/// Looks at octets of which the first is inside a line.
pub(super) fn scan(octets: &[u8]) -> Scan {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for, as was just asked.
        return unsafe { scan_avx2(octets) };
    }
    scan_rounds(octets)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn scan_avx2(octets: &[u8]) -> Scan {
    scan_rounds(octets)
}

#[inline(always)]
fn scan_rounds(octets: &[u8]) -> Scan {
    let (mut from, mut bare) = (0, false);
    while let Some(round) = octets[from..].first_chunk::<{ ROUND + 2 }>() {
        let (unpaired, dotted) = judge(round);
        if dotted && let Some(at) = LINE_WITH_DOT.find(round) {
            bare |= is_bare(&round[..at + 2]);
            return Scan {
                dot: Some(from + at),
                bare,
            };
        }
        bare |= unpaired;
        from += ROUND;
    }
    let rest = &octets[from..];
    let dot = LINE_WITH_DOT.find(rest);
    Scan {
        dot: dot.map(|at| from + at),
        bare: bare | is_bare(dot.map_or(rest, |at| &rest[..at + 2])),
    }
}

/// Whether one of the first [`ROUND`] octets is a CR without LF behind it, or another one with; and whether an LF behind one
/// of them has a dot behind it.
#[inline(always)]
fn judge(round: &[u8; ROUND + 2]) -> (bool, bool) {
    let (mut unpaired, mut dotted) = (0_u8, 0_u8);
    for at in 0..ROUND {
        let newline = u8::from(round[at + 1] == b'\n');
        unpaired |= u8::from(round[at] == b'\r') ^ newline;
        dotted |= newline & u8::from(round[at + 2] == b'.');
    }
    (unpaired != 0, dotted != 0)
}

#[inline(always)]
fn is_bare(octets: &[u8]) -> bool {
    let pairs = octets.iter().zip(octets.iter().skip(1));
    pairs.fold(0_u8, |bare, (&one, &next)| {
        bare | (u8::from(one == b'\r') ^ u8::from(next == b'\n'))
    }) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As naive as can be.
    fn oracle(octets: &[u8]) -> Scan {
        let dot = octets.windows(3).position(|three| three == b"\r\n.");
        let judged = dot.map_or(octets, |at| &octets[..at + 2]);
        let bare = judged
            .windows(2)
            .any(|two| (two[0] == b'\r') != (two[1] == b'\n'));
        Scan { dot, bare }
    }

    #[test]
    fn it_agrees_with_the_naive_way_wherever_things_stand() {
        let sequences: [&[u8]; 8] = [
            b"", b"\r\n.", b"\r\n", b"\n.", b"\r", b"\n", b"\r\r\n.", b".\r\n..",
        ];
        for length in [0, 1, 5, ROUND - 1, ROUND, ROUND + 1, 2 * ROUND + 3, 700] {
            for first in sequences {
                for second in sequences {
                    for at in (0..=length).step_by(if length > 300 { 7 } else { 1 }) {
                        let mut octets = vec![b'x'; length];
                        octets.splice(at..at, first.iter().copied());
                        let behind = (at + first.len() + 37).min(octets.len());
                        octets.splice(behind..behind, second.iter().copied());
                        let expected = oracle(&octets);
                        assert_eq!(scan(&octets), expected, "{}", octets.escape_ascii());
                        assert_eq!(scan_rounds(&octets), expected, "without AVX2");
                    }
                }
            }
        }
    }
}

//! One look at each octet of the data: where the next line that starts with a dot is, and whether a CR or LF stands alone
//! before it.
//!
//! Owns: the loop that most octets of most mails pass through. Must not know: what follows from what it finds; `data` does.
//!
//! A block of [`BLOCK`] octets becomes three words, one bit an octet: where its CRs, its LFs and its dots are. What is
//! looked for are then a few operations on words, without a branch until a dot is found, so that lines that start with one
//! cost little more than others. Vector instructions make the words where the processor has them; the words are the same.

#![allow(
    unsafe_code,
    reason = "vector instructions are called where the processor has them"
)]

use std::sync::LazyLock;

/// Octets of a block: the bits of a word.
const BLOCK: usize = 64;

/// What [`scan`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the first dot is that follows a CRLF.
    pub dot: Option<usize>,
    /// Whether a CR without LF or an LF without CR is in front of it, or among all octets. The last octet's successor is
    /// not known here, so a CR there is not judged.
    pub bare: bool,
}

/// Looks at octets of which the first is inside a line: neither a CR nor the start of a line is in front of it.
pub(super) fn scan(octets: &[u8]) -> Scan {
    (*FASTEST)(octets)
}

/// The way that this processor is fastest at, chosen once.
static FASTEST: LazyLock<fn(&[u8]) -> Scan> = LazyLock::new(fastest);

#[cfg(target_arch = "x86_64")]
fn fastest() -> fn(&[u8]) -> Scan {
    if std::arch::is_x86_feature_detected!("avx512bw") {
        return avx512::scan;
    }
    if std::arch::is_x86_feature_detected!("avx2") {
        return avx2::scan;
    }
    scan_anywhere
}

#[cfg(not(target_arch = "x86_64"))]
fn fastest() -> fn(&[u8]) -> Scan {
    scan_anywhere
}

fn scan_anywhere(octets: &[u8]) -> Scan {
    scan_blocks(octets, |block| Marks {
        cr: mark(block, b'\r'),
        lf: mark(block, b'\n'),
        dot: mark(block, b'.'),
    })
}

/// Where in a block its CRs, LFs and dots are; the first octet is the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    cr: u64,
    lf: u64,
    dot: u64,
}

fn mark(block: &[u8; BLOCK], wanted: u8) -> u64 {
    let bits = block.iter().enumerate();
    bits.fold(0, |word, (at, &octet)| {
        word | u64::from(octet == wanted) << at
    })
}

/// What the blocks so far say of the next one, and what they came to.
#[derive(Default)]
struct Line {
    /// 1 if the last octet was a CR.
    after_cr: u64,
    /// 1 if the last two octets were CRLF.
    after_newline: u64,
    /// Not 0 if a bare CR or LF was seen.
    bare: u64,
}

impl Line {
    /// Takes the first `length` octets of a block, which is not 0; where the first dot after a CRLF is.
    #[inline(always)]
    fn block(&mut self, marks: Marks, length: usize) -> Option<usize> {
        let valid = u64::MAX >> (BLOCK - length);
        let after_cr = marks.cr << 1 | self.after_cr;
        let unpaired = (after_cr ^ marks.lf) & valid;
        let newlines = after_cr & marks.lf;
        let dots = (newlines << 1 | self.after_newline) & marks.dot & valid;
        if dots != 0 {
            // The octets in front of the dot are judged, what follows it is the next scan's.
            self.bare |= unpaired & (dots & dots.wrapping_neg()).wrapping_sub(1);
            return Some(dots.trailing_zeros() as usize);
        }
        self.bare |= unpaired;
        self.after_cr = marks.cr >> (BLOCK - 1);
        self.after_newline = newlines >> (BLOCK - 1);
        None
    }
}

#[inline(always)]
fn scan_blocks(octets: &[u8], marks: impl Fn(&[u8; BLOCK]) -> Marks) -> Scan {
    let mut line = Line::default();
    let mut dot = None;
    let (blocks, rest) = octets.as_chunks::<BLOCK>();
    for (number, block) in blocks.iter().enumerate() {
        if let Some(at) = line.block(marks(block), BLOCK) {
            dot = Some(number * BLOCK + at);
            break;
        }
    }
    if dot.is_none() && !rest.is_empty() {
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        let at = line.block(marks(&block), rest.len());
        dot = at.map(|at| octets.len() - rest.len() + at);
    }
    Scan {
        dot,
        bare: line.bare != 0,
    }
}

/// 32 octets an instruction.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
    };

    use super::{BLOCK, Marks, Scan, scan_blocks};

    pub(super) fn scan(octets: &[u8]) -> Scan {
        // SAFETY: `fastest` names this function only where the processor has AVX2.
        unsafe { scan_vectors(octets) }
    }

    #[target_feature(enable = "avx2")]
    fn scan_vectors(octets: &[u8]) -> Scan {
        scan_blocks(octets, |block| marks(block))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn marks(block: &[u8; BLOCK]) -> Marks {
        let (low, high) = block.split_at(BLOCK / 2);
        // SAFETY: each half is 32 octets long, and the load asks for no alignment.
        let halves: [__m256i; 2] =
            [low, high].map(|half| unsafe { _mm256_loadu_si256(half.as_ptr().cast()) });
        let mark = |wanted: u8| {
            let wanted = _mm256_set1_epi8(wanted.cast_signed());
            let [low, high] = halves
                .map(|half| _mm256_movemask_epi8(_mm256_cmpeq_epi8(half, wanted)).cast_unsigned());
            u64::from(high) << 32 | u64::from(low)
        };
        Marks {
            cr: mark(b'\r'),
            lf: mark(b'\n'),
            dot: mark(b'.'),
        }
    }
}

/// 64 octets an instruction.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{_mm512_cmpeq_epi8_mask, _mm512_loadu_epi8, _mm512_set1_epi8};

    use super::{BLOCK, Marks, Scan, scan_blocks};

    pub(super) fn scan(octets: &[u8]) -> Scan {
        // SAFETY: `fastest` names this function only where the processor has AVX-512BW.
        unsafe { scan_vectors(octets) }
    }

    #[target_feature(enable = "avx512bw")]
    fn scan_vectors(octets: &[u8]) -> Scan {
        scan_blocks(octets, |block| marks(block))
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn marks(block: &[u8; BLOCK]) -> Marks {
        // SAFETY: the block is 64 octets long, and the load asks for no alignment.
        let octets = unsafe { _mm512_loadu_epi8(block.as_ptr().cast()) };
        let mark =
            |wanted: u8| _mm512_cmpeq_epi8_mask(octets, _mm512_set1_epi8(wanted.cast_signed()));
        Marks {
            cr: mark(b'\r'),
            lf: mark(b'\n'),
            dot: mark(b'.'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As simple as possible.
    fn oracle(octets: &[u8]) -> Scan {
        let dot = octets.windows(3).position(|three| three == b"\r\n.");
        let dot = dot.map(|at| at + 2);
        let judged = dot.map_or(octets, |at| &octets[..at]);
        let bare = judged.first() == Some(&b'\n')
            || judged
                .windows(2)
                .any(|two| (two[0] == b'\r') != (two[1] == b'\n'));
        Scan { dot, bare }
    }

    fn ways() -> Vec<fn(&[u8]) -> Scan> {
        let mut ways: Vec<fn(&[u8]) -> Scan> = vec![scan, scan_anywhere];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            ways.push(avx2::scan);
        }
        ways
    }

    #[test]
    fn all_ways_agree_with_the_naive_one_wherever_things_stand() {
        let sequences: [&[u8]; 8] = [
            b"", b"\r\n.", b"\r\n", b"\n.", b"\r", b"\n", b"\r\r\n.", b".\r\n..",
        ];
        let ways = ways();
        let lengths = [0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3, 300];
        // The interpreter is slow: one length that has a whole block and a rest.
        let lengths = if cfg!(miri) {
            &lengths[5..6]
        } else {
            &lengths[..]
        };
        for &length in lengths {
            for first in sequences {
                for second in sequences {
                    for at in (0..=length).step_by(if cfg!(miri) { 31 } else { 1 }) {
                        let mut octets = vec![b'x'; length];
                        octets.splice(at..at, first.iter().copied());
                        let after = (at + first.len() + 37).min(octets.len());
                        octets.splice(after..after, second.iter().copied());
                        let expected = oracle(&octets);
                        for way in &ways {
                            assert_eq!(way(&octets), expected, "{}", octets.escape_ascii());
                        }
                    }
                }
            }
        }
    }
}

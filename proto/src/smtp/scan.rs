//! One look at each octet of the data: where lines start with a dot, and whether a CR or LF stands alone.
//!
//! Owns: the loop that most octets of most mails pass through. Must not know: what follows from what it finds; `data` does.
//!
//! A block of [`BLOCK`] octets becomes three words, one bit an octet: where its CRs, its LFs and its dots are. What is
//! looked for are then a few operations on words, without a branch until a dot is found. The look goes on after a dot that
//! cannot be the end of the data, so that lines that start with one cost little more than others. Vector instructions make the words where the processor has them; the words are the same.

#![allow(
    unsafe_code,
    reason = "vector instructions are called where the processor has them"
)]

use std::sync::LazyLock;

/// Octets of a block: the bits of a word.
const BLOCK: usize = 64;

/// The most dots that one scan notes.
const DOTS: usize = 16;

/// What [`scan`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// Octets that were looked at: all, or those before a dot that follows a CRLF and was not noted. That is one before a CR,
    /// which may be the end of the data, one at the very end, or one more than there is room for.
    pub seen: usize,
    /// Whether a CR without LF or an LF without CR is among them. The last octet's successor is not known here, so a CR there
    /// is not judged.
    pub bare: bool,
    dots: [usize; DOTS],
    noted: usize,
}

impl Scan {
    fn all(octets: &[u8]) -> Self {
        Self {
            seen: octets.len(),
            bare: false,
            dots: [0; DOTS],
            noted: 0,
        }
    }

    /// Where the dots among them are that follow a CRLF.
    pub(super) fn dots(&self) -> &[usize] {
        &self.dots[..self.noted]
    }

    /// Notes dots of the block that begins at `from`; the place in the block of the first that is not noted.
    #[inline(always)]
    fn note(&mut self, dots: u64, octets: &[u8], from: usize) -> Option<usize> {
        let mut left = dots;
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            let at = from + place;
            if matches!(octets.get(at + 1), None | Some(b'\r')) || self.noted == DOTS {
                return Some(place);
            }
            self.dots[self.noted] = at;
            self.noted += 1;
            left &= left - 1;
        }
        None
    }
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
}

/// What is looked for in one block, one bit an octet.
struct Found {
    /// Dots after a CRLF.
    dots: u64,
    /// CRs without LF, each at the octet after it, and LFs without CR.
    unpaired: u64,
}

impl Line {
    /// Takes the first `length` octets of a block, which is not 0.
    #[inline(always)]
    fn block(&mut self, marks: Marks, length: usize) -> Found {
        let valid = u64::MAX >> (BLOCK - length);
        let after_cr = marks.cr << 1 | self.after_cr;
        let unpaired = (after_cr ^ marks.lf) & valid;
        let newlines = after_cr & marks.lf;
        let dots = (newlines << 1 | self.after_newline) & marks.dot & valid;
        self.after_cr = marks.cr >> (BLOCK - 1);
        self.after_newline = newlines >> (BLOCK - 1);
        Found { dots, unpaired }
    }
}

#[inline(always)]
fn scan_blocks(octets: &[u8], marks: impl Fn(&[u8; BLOCK]) -> Marks) -> Scan {
    let mut line = Line::default();
    let mut scan = Scan::all(octets);
    // Not 0 once a bare CR or LF was seen.
    let mut bare = 0;
    let (blocks, rest) = octets.as_chunks::<BLOCK>();
    for (number, block) in blocks.iter().enumerate() {
        let found = line.block(marks(block), BLOCK);
        if let Some(place) = scan.note(found.dots, octets, number * BLOCK) {
            return end(
                scan,
                number * BLOCK + place,
                bare | found.unpaired & below(place),
            );
        }
        bare |= found.unpaired;
    }
    if !rest.is_empty() {
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        let (found, from) = (
            line.block(marks(&block), rest.len()),
            octets.len() - rest.len(),
        );
        if let Some(place) = scan.note(found.dots, octets, from) {
            return end(scan, from + place, bare | found.unpaired & below(place));
        }
        bare |= found.unpaired;
    }
    end(scan, octets.len(), bare)
}

/// The bits of the octets before this place.
fn below(place: usize) -> u64 {
    (1 << place) - 1
}

#[inline(always)]
fn end(mut scan: Scan, seen: usize, bare: u64) -> Scan {
    scan.seen = seen;
    scan.bare = bare != 0;
    scan
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
        let mut scan = Scan::all(octets);
        for (before, three) in octets.windows(3).enumerate() {
            let at = before + 2;
            if three != b"\r\n." {
                continue;
            }
            if at + 1 == octets.len() || octets[at + 1] == b'\r' || scan.noted == DOTS {
                scan.seen = at;
                break;
            }
            scan.dots[scan.noted] = at;
            scan.noted += 1;
        }
        let judged = &octets[..scan.seen];
        scan.bare = judged.first() == Some(&b'\n')
            || judged
                .windows(2)
                .any(|two| (two[0] == b'\r') != (two[1] == b'\n'));
        scan
    }

    #[test]
    fn dots_are_noted_while_there_is_room() {
        for lines in [1, DOTS - 1, DOTS, DOTS + 1, 3 * DOTS] {
            for line in [&b"\r\n.x"[..], b"\r\n..\n", b"\r\n.a line of more octets"] {
                let octets = line.repeat(lines);
                for way in ways() {
                    let scan = way(&octets);
                    assert_eq!(scan, oracle(&octets), "{}", octets.escape_ascii());
                    assert_eq!(scan.dots().len(), lines.min(DOTS));
                }
            }
        }
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
            b"",
            b"\r\n.",
            b"\r\n.\r",
            b"\n.",
            b"\r",
            b"\n",
            b"\r\r\n.\n",
            b".\r\n..",
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

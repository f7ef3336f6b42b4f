//! Random numbers that a seed decides: the same on every machine and in every version, so that a seed names one run.
//!
//! Owns: SplitMix64 (Steele, Lea, Flood 2014), and the tape that a fuzzer writes in its place. Must not know: the system's
//! randomness.
#![allow(dead_code, reason = "each test uses its part")]

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
    /// Numbers that come first, one byte each.
    tape: std::vec::IntoIter<u8>,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            tape: Vec::new().into_iter(),
        }
    }

    /// The numbers that somebody else has chosen, one byte each, and then a stream that depends on them: whoever changes a
    /// byte of `tape` changes one decision.
    pub fn tape(tape: &[u8]) -> Self {
        let seed = tape.iter().fold(1, |seed: u64, &byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self {
            state: seed,
            tape: Vec::from(tape).into_iter(),
        }
    }

    /// A stream of its own for part number `part` of what this seed names: drawing from one does not change another.
    pub fn part(seed: u64, part: u64) -> Self {
        let mut mixed = Self::new(seed ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Self::new(mixed.next() ^ part)
    }

    /// The next number.
    #[allow(
        clippy::should_implement_trait,
        reason = "a stream without an end is no iterator to loop over"
    )]
    pub fn next(&mut self) -> u64 {
        if let Some(byte) = self.tape.next() {
            // In all of its bytes, for both `below`, which takes the highest, and those who take the lowest.
            return u64::from(byte) * 0x0101_0101_0101_0101;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is no number below 0");
        let product = u128::from(self.next()) * bound as u128;
        (product >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of `choices`.
    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

//! Queue ids: unique over all workers, instances and restarts, and sortable by time.
//!
//! Owns: their layout, 48 bits of milliseconds, 40 bits drawn once per worker, 40 bits counted; 26 characters of
//! Crockford's base 32. Must not know: the clock and the source of randomness, which come in as arguments.

/// The id of one mail, as the 250 and `ce_id` name it. It is written several times and never computed with, so it is its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueueId([u8; 26]);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl QueueId {
    fn new(milliseconds: u64, drawn: u64, counted: u64) -> Self {
        let mut text = [0; 26];
        let (time, rest) = text.split_at_mut(10);
        let (random, count) = rest.split_at_mut(8);
        for (digits, number) in [(time, milliseconds), (random, drawn), (count, counted)] {
            write(digits, number);
        }
        Self(text)
    }

    /// Its characters, which are ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

/// Fills `digits` with the low bits of `number`, five each.
fn write(digits: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest as usize & 31];
        rest >>= 5;
    }
}

impl std::fmt::Display for QueueId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives one worker's ids.
#[derive(Debug)]
pub struct Generator {
    drawn: u64,
    counted: u64,
}

impl Generator {
    /// `random` is drawn once per worker; its low 40 bits are used.
    pub fn new(random: u64) -> Self {
        Self {
            drawn: random & 0xff_ffff_ffff,
            counted: 0,
        }
    }

    /// The next id, at `milliseconds` since the Unix epoch.
    pub fn next(&mut self, milliseconds: u64) -> QueueId {
        self.counted = (self.counted + 1) & 0xff_ffff_ffff;
        QueueId::new(milliseconds & 0xffff_ffff_ffff, self.drawn, self.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_sort_by_time() {
        let mut generator = Generator::new(7);
        let (a, b, c) = (
            generator.next(1000),
            generator.next(1000),
            generator.next(1001),
        );
        assert!(a.as_str() < b.as_str() && b.as_str() < c.as_str());
        assert_ne!(Generator::new(8).next(1000), Generator::new(7).next(1000));
        assert_eq!(a.as_str(), "00000000Z80000000700000001");
        let last = Generator::new(u64::MAX).next(u64::MAX);
        assert_eq!(last.to_string(), "7ZZZZZZZZZZZZZZZZZ00000001");
    }
}

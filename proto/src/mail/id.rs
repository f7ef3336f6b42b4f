//! Queue ids: unique over all workers, instances and restarts, and sortable by time.
//!
//! Owns: their layout, 48 bits of milliseconds, 40 bits drawn once per worker, 40 bits counted; 26 characters of
//! Crockford's base 32. Must not know: the clock and the source of randomness, which come in as arguments.

/// The id of one mail, as the 250 and `ce_id` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueueId(u128);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The 26 characters of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text([u8; 26]);

impl Text {
    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

impl QueueId {
    /// Its text form.
    pub fn text(self) -> Text {
        let mut text = [0; 26];
        for (place, octet) in text.iter_mut().enumerate() {
            *octet = ALPHABET[(self.0 >> (125 - 5 * place)) as usize & 31];
        }
        Text(text)
    }
}

impl std::fmt::Display for QueueId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text().as_str())
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
        let time = u128::from(milliseconds & 0xffff_ffff_ffff);
        QueueId(time << 80 | u128::from(self.drawn) << 40 | u128::from(self.counted))
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
        assert!(a.text().as_str() < b.text().as_str() && b.text().as_str() < c.text().as_str());
        assert_ne!(Generator::new(8).next(1000), Generator::new(7).next(1000));
        assert_eq!(QueueId(u128::MAX).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    }
}

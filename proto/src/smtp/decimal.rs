//! A number in decimal digits: one is in each record, and `std::fmt` takes ten times as long.

/// The digits of a number.
pub struct Decimal {
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    /// Those of this number.
    pub fn new(number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let (mut rest, mut from) = (number, digits.len());
        loop {
            from -= 1;
            digits[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return Self { digits, from };
            }
        }
    }

    /// Without a zero in front.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.from..]
    }

    /// The same as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("digits are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn it_is_what_std_writes() {
        for number in [0, 7, 10, 4096, 1_000_000, u64::MAX - 1, u64::MAX] {
            assert_eq!(Decimal::new(number).as_str(), number.to_string());
        }
    }
}

//! CRC-32 as zlib, gzip and PNG have it, so that any other tool can check a message too.
//!
//! Octet by octet over a table: it runs once per template, and once per record that `--verify` reads back.

const TABLE: [u32; 256] = table();

/// The CRC-32 of some octets.
pub fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc: u32, octet| {
        TABLE[usize::from(crc as u8 ^ octet)] ^ (crc >> 8)
    })
}

const fn table() -> [u32; 256] {
    // The polynomial of IEEE 802.3, reflected.
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut entry = index as u32;
        let mut bit = 0;
        while bit < 8 {
            entry = (entry >> 1) ^ (POLYNOMIAL * (entry & 1));
            bit += 1;
        }
        table[index] = entry;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(
            crc32(b"The quick brown fox jumps over the lazy dog"),
            0x414F_A339
        );
    }
}

//! CRC-32 as zlib, gzip and PNG have it, so that any other tool can check a message too.
//!
//! Eight octets a step over eight tables, so that `--verify` keeps up with what it reads back.

#[cfg(test)]
#[path = "../../tests/support/crc32.rs"]
mod definition;

/// Octets of a step.
const STEP: usize = 8;

/// `TABLES[n][octet]`: the CRC of an octet with `n` octets of zero behind it.
static TABLES: [[u32; 256]; STEP] = tables();

/// The CRC-32 of some octets.
pub fn crc32(octets: &[u8]) -> u32 {
    let mut crc = !0u32;
    let mut steps = octets.chunks_exact(STEP);
    for step in &mut steps {
        let first = crc.to_le_bytes();
        crc = 0;
        for (index, octet) in step.iter().enumerate() {
            let octet = octet ^ first.get(index).copied().unwrap_or(0);
            crc ^= TABLES[STEP - 1 - index][usize::from(octet)];
        }
    }
    for octet in steps.remainder() {
        crc = TABLES[0][usize::from(crc as u8 ^ octet)] ^ (crc >> 8);
    }
    !crc
}

const fn tables() -> [[u32; 256]; STEP] {
    // The polynomial of IEEE 802.3, reflected.
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut tables = [[0; 256]; STEP];
    let mut index = 0;
    while index < 256 {
        let mut entry = index as u32;
        let mut bit = 0;
        while bit < 8 {
            entry = (entry >> 1) ^ (POLYNOMIAL * (entry & 1));
            bit += 1;
        }
        tables[0][index] = entry;
        index += 1;
    }
    let mut table = 1;
    while table < STEP {
        let mut index = 0;
        while index < 256 {
            let before = tables[table - 1][index];
            tables[table][index] = tables[0][(before & 0xFF) as usize] ^ (before >> 8);
            index += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_and_every_length() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(
            crc32(b"The quick brown fox jumps over the lazy dog"),
            0x414F_A339
        );
        let octets: Vec<u8> = (0..100u8).map(|octet| octet.wrapping_mul(37)).collect();
        for length in 0..octets.len() {
            assert_eq!(
                crc32(&octets[..length]),
                definition::crc32(&octets[..length])
            );
        }
    }
}

//! CRC-32 as its definition has it, bit by bit: the oracle of the fast one, and what tests check messages with.

/// The CRC-32 of some octets.
pub fn crc32(octets: &[u8]) -> u32 {
    let mut crc = !0u32;
    for octet in octets {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

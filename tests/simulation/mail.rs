//! Messages, and the bytes that bring them: as good clients and bad ones write them.
//!
//! Owns: what is sent, and what of it has to arrive. Must not know: when it is sent.

use ringpost_proto::smtp::data::oracle;

use crate::random::Random;

/// The largest message that the simulated server takes.
pub const LARGEST: usize = 30_000;

/// A message that a client writes by DATA: lines, some of which begin with dots.
pub fn text(random: &mut Random) -> Vec<u8> {
    let octets = size(random);
    let mut message = Vec::with_capacity(octets + 2);
    if random.once_in(8) {
        // What could continue the Received field that the server puts in front.
        let start = random.of(&[
            " ; Mon, 1 Jan 1990 00:00:00 +0000\r\n",
            "\tFrom: x\r\n",
            " \r\n",
            "\u{a0}\r\n",
            "\0\r\n",
        ]);
        message.extend_from_slice(start.as_bytes());
    }
    while message.len() < octets {
        if random.once_in(4) {
            let start = random.of(&[".", "..", ".x", "...\t"]);
            message.extend_from_slice(start.as_bytes());
        }
        let length = random.between(0, 78);
        message.extend((0..length).map(|place| b'a' + (place % 26) as u8));
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// A message that a client writes by BDAT: any bytes.
pub fn binary(random: &mut Random) -> Vec<u8> {
    let mut message = text(random);
    message.extend_from_slice(b"\r\n.\r\nQUIT\r\n\0\n.\n\r");
    let extra = random.below(20);
    message.extend((0..extra).map(|_| random.next() as u8));
    message
}

fn size(random: &mut Random) -> usize {
    match random.below(12) {
        0 => 0,
        1 => random.between(10_000, LARGEST - 200),
        2 => random.between(2_000, 10_000),
        _ => random.between(1, 800),
    }
}

/// A message larger than the server takes.
pub fn too_big(random: &mut Random) -> Vec<u8> {
    let mut message = b"x\r\n".repeat(LARGEST / 3 + 1);
    message.extend(b"y\r\n".repeat(random.below(3000)));
    message
}

/// The message with its transparency dots and its end (RFC 5321 4.5.2).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(message.len() + 100);
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
    }
    octets.extend_from_slice(b".\r\n");
    assert_eq!(
        oracle(&octets),
        Some((message.to_vec(), octets.len())),
        "a client that stuffs rightly"
    );
    octets
}

/// Data with a sequence that some server took for the end of the data, and a second message after it; and what a correct
/// server makes of it: one message.
pub fn smuggled(random: &mut Random, envelope: &str) -> (Vec<u8>, Vec<u8>) {
    let sequences: [&[u8]; 12] = [
        b"\r\n.\n.\r\n",
        b"\n.\r\n.\n",
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\r\r\n.\r\r\n",
        b"\r\n\0.\r\n",
        b"\r\n.\r\r\n",
        b"\n\r\n.\r\r\n",
    ];
    let mut octets = stuffed(&text(random));
    octets.truncate(octets.len() - 3);
    octets.extend_from_slice(b"x");
    octets.extend_from_slice(random.of::<&[u8]>(&sequences));
    octets.extend_from_slice(envelope.as_bytes());
    octets.extend_from_slice(b"smuggled\r\n.\r\n");
    let (message, length) = oracle(&octets).expect("it ends");
    assert_eq!(length, octets.len(), "it ends at its end");
    (octets, message)
}

/// A BDAT line that names no size that can be counted, followed by bytes that look like commands.
pub fn miscounted(random: &mut Random) -> Vec<u8> {
    let lines: [&[u8]; 24] = [
        b"BDAT\r\n",
        b"BDAT LAST\r\n",
        b"BDAT x LAST\r\n",
        b"BDAT -86\r\n",
        b"BDAT +86 LAST\r\n",
        b"BDAT 86 FIRST\r\n",
        b"BDAT 86 LAST LAST\r\n",
        b"BDAT 86LAST\r\n",
        b"BDAT 0x86\r\n",
        b"BDAT 8.6 LAST\r\n",
        b"BDAT 8,600\r\n",
        b"BDAT 18446744073709551616 LAST\r\n",
        b"BDAT 123456789012345678901234567890 LAST\r\n",
        b"BDAT 86\n",
        b"BDAT 86 LAST\n",
        b"bdat 86\0\r\n",
        b"BDAT\x0b86\r\n",
        b"bdat86 last\r\n",
        b" BDAT 86 LAST\r\n",
        b"BDATA 86\r\n",
        b"NOOP\rBDAT 86\r\n",
        b"BDAT 86 LAST\r\r\n",
        b"BDAT \xef\xbc\x98 LAST\r\n",
        b"BDAT 86 ",
    ];
    let mut octets = random.of::<&[u8]>(&lines).to_vec();
    if octets.ends_with(b" ") {
        // Longer than a line may be.
        octets.resize(random.between(2_100, 5_000), b'L');
        octets.extend_from_slice(b"\r\n");
    }
    for _ in 0..random.between(1, 3) {
        octets.extend_from_slice(
            b"RSET\r\nMAIL FROM:<smuggled@client.example>\r\nRCPT TO:<r0@mx.example>\r\nDATA\r\nx\r\n.\r\n",
        );
    }
    octets
}

/// What a client sends that speaks SMTP badly, or not at all.
pub fn garbage(random: &mut Random) -> Vec<u8> {
    let words: [&[u8]; 18] = [
        b"EHLO g\r\n",
        b"HELO g\r\n",
        b"MAIL FROM:<garbage@x>\r\n",
        b"MAIL FROM:<garbage@x> BODY=BINARYMIME\r\n",
        b"RCPT TO:<a@mx.example>\r\n",
        b"RCPT TO:<a@elsewhere>\r\n",
        b"DATA\r\n",
        b"garbage\r\n.\r\n",
        b".\r\n",
        b"\n.\n",
        b"BDAT 10\r\n",
        b"BDAT 10 LAST\r\n",
        b"BDAT 10 LAST\n",
        b"RCPT TO:a@mx.example.\r\n",
        b"0123456789",
        b"RSET\r\n",
        b"QUIT\r\n",
        b"\r",
    ];
    let mut octets = Vec::new();
    if random.once_in(2) {
        octets.extend_from_slice(b"EHLO g\r\nMAIL FROM:<garbage@x>\r\nRCPT TO:<a@mx.example>\r\n");
    }
    for _ in 0..random.between(1, 30) {
        octets.extend_from_slice(random.of::<&[u8]>(&words));
        if random.once_in(6) && !octets.is_empty() {
            let at = random.below(octets.len());
            octets[at] = random.next() as u8;
        }
    }
    octets
}

//! Messages to send: CPython's own corpus of test mails, random ones, and the form that they take on the wire.

use std::process::Command;

/// Random messages of a run.
pub const RANDOM_MESSAGES: usize = 200;

/// What a client writes after the reply to DATA (RFC 5321 4.5.2): transparency dots added, the end of data at the end.
/// Written line by line, as the specification says it; nothing of the server's is used.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    assert!(
        message.is_empty() || message.ends_with(b"\r\n"),
        "whole lines"
    );
    let mut wire = Vec::with_capacity(message.len() + 3);
    let mut rest = message;
    while !rest.is_empty() {
        if rest[0] == b'.' {
            wire.push(b'.');
        }
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let (line, behind) = rest.split_at(end.expect("whole lines") + 2);
        wire.extend_from_slice(line);
        rest = behind;
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Every file of CPython's test mails with its name, the ends of its lines made CRLF; an error says why there is none.
pub fn cpython_corpus() -> Result<Vec<(String, Vec<u8>)>, String> {
    let code =
        "import os, test.test_email as t; print(os.path.join(os.path.dirname(t.__file__), 'data'))";
    let output = Command::new("python3")
        .args(["-c", code])
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    if !output.status.success() {
        return Err(
            "this python3 is installed without its tests (the module test.test_email)".into(),
        );
    }
    let folder = String::from_utf8(output.stdout).unwrap();
    let folder = std::fs::read_dir(folder.trim()).map_err(|error| format!("{folder}: {error}"))?;
    let mut mails: Vec<_> = folder
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, with_crlf(&std::fs::read(entry.path()).unwrap()))
        })
        .collect();
    mails.sort();
    assert!(mails.len() >= 40, "a corpus of {} mails", mails.len());
    Ok(mails)
}

/// Every end of a line (CRLF, CR, LF) made CRLF, and one at the end.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(text.len() + 64);
    for (index, &octet) in text.iter().enumerate() {
        match octet {
            b'\n' if index > 0 && text[index - 1] == b'\r' => {}
            b'\r' | b'\n' => lines.extend_from_slice(b"\r\n"),
            other => lines.push(other),
        }
    }
    if !lines.ends_with(b"\r\n") {
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// Random messages of whole lines: any bytes but bare CR and bare LF, rich in dots where lines begin. The seed is
/// `RINGPOST_SEED`, or one of the run's own that is printed where a test fails.
pub fn random(count: usize) -> Vec<Vec<u8>> {
    let seed = match std::env::var("RINGPOST_SEED") {
        Ok(text) => text.parse().expect("RINGPOST_SEED is a number"),
        Err(_) => getrandom::u64().expect("the kernel gives random numbers"),
    };
    println!("replay with RINGPOST_SEED={seed}");
    let mut random = Random(seed);
    (0..count).map(|_| message(&mut random)).collect()
}

fn message(random: &mut Random) -> Vec<u8> {
    // Sizes over orders of magnitude: most mails fit the first buffer, some grow it several times.
    let octets = 1_usize << random.below(18);
    let octets = random.below(octets);
    let mut message = Vec::with_capacity(octets + 2);
    while message.len() < octets {
        match random.below(40) {
            0 => message.extend_from_slice(b"\r\n"),
            1 => message.extend_from_slice(b"\r\n."),
            2 => message.extend_from_slice(b"\r\n..\r\n"),
            3 => message.push(b'.'),
            4 => message.extend_from_slice(b"\r\n\r\n"),
            _ => match random.next() as u8 {
                b'\r' | b'\n' => {}
                octet => message.push(octet),
            },
        }
    }
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

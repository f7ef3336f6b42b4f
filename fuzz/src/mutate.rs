//! Inputs: an entry of the corpus, changed at random with the words of the protocol at hand.
//!
//! Owns: how an input is made. Must not know: what it is for.
//!
//! Invariant: an input is a function of corpus, words, seed and number alone, so that any one of a run can be made again.

use crate::random::Random;

/// What inputs are made from.
#[derive(Debug)]
pub struct Corpus {
    /// Inputs that are known to go deep.
    pub entries: Vec<Vec<u8>>,
    /// Words that the parsers look for.
    pub words: &'static [&'static str],
    /// The longest input.
    pub octets_most: usize,
}

impl Corpus {
    /// Reads a corpus: one entry a line, with the escapes `\r \n \t \0 \\ \xHH`; `#` begins a comment.
    ///
    /// # Panics
    /// If the text is no corpus.
    pub fn read(text: &str, words: &'static [&'static str], octets_most: usize) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entries: Vec<_> = lines.map(unescape).collect();
        assert!(!entries.is_empty(), "a corpus has entries");
        Self {
            entries,
            words,
            octets_most,
        }
    }

    /// Makes an input into `input`, whose memory is used again.
    pub fn input(&self, random: &mut Random, input: &mut Vec<u8>) {
        input.clear();
        if !random.once_in(16) {
            let entry: &Vec<u8> = random.of(&self.entries);
            input.extend_from_slice(entry);
        }
        if random.once_in(4) {
            // The front of one entry and the back of another.
            let other = random.of(&self.entries);
            let (keep, from) = (
                random.between(0, input.len()),
                random.between(0, other.len()),
            );
            input.truncate(keep);
            input.extend_from_slice(&other[from..]);
        }
        for _ in 0..random.below(6) {
            self.change(random, input);
        }
        input.truncate(self.octets_most);
    }

    fn change(&self, random: &mut Random, input: &mut Vec<u8>) {
        let at = random.between(0, input.len());
        let end = (at + 1 + random.below(16)).min(input.len());
        match random.below(8) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = *random.of(TELLING),
            2 => input.insert(at, *random.of(TELLING)),
            3 => drop(input.drain(at..end)),
            4 => {
                let copy = input[at..end].repeat(random.between(1, 4));
                insert(input, at, &copy);
            }
            5 | 6 => insert(input, at, random.of(self.words).as_bytes()),
            7 => {
                let noise: Vec<u8> = (0..random.below(8)).map(|_| random.next() as u8).collect();
                insert(input, at, &noise);
            }
            _ => {}
        }
    }
}

/// Octets at which parsers turn.
const TELLING: &[u8] = b"\r\n\0 .<>@:\"\\=[],;-_09aZ~\x7f\x80\xc3\xff";

fn insert(input: &mut Vec<u8>, at: usize, what: &[u8]) {
    input.splice(at..at, what.iter().copied());
}

fn unescape(line: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = line.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        octets.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => hexadecimal(rest.next()) << 4 | hexadecimal(rest.next()),
            other => panic!("an unknown escape: {other:?} in {line}"),
        });
    }
    octets
}

fn hexadecimal(digit: Option<u8>) -> u8 {
    let value = digit.and_then(|digit| char::from(digit).to_digit(16));
    u8::try_from(value.expect("a hexadecimal digit")).expect("below 16")
}

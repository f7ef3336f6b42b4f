//! The server's replies: bytes that arrive cut anywhere become codes and texts (RFC 5321 section 4.2).
//!
//! Owns the buffer that the kernel reads into. Must not know sockets, commands or what a reply means.
//!
//! Invariants: bytes before `parsed` were handed out; a reply of several lines has one code; memory is bounded by
//! `BUFFER` and `MAX_TEXT`, whatever the server sends.
//!
//! # BUGS
//! - A line that ends with a bare LF is taken, though RFC 5321 asks for CRLF.

/// The server closes the connection after this reply, RFC 5321 section 3.8.
pub const CLOSING: u16 = 421;

/// Bytes of the buffer, and so of the longest line; RFC 5321 section 4.5.3.1.5 allows a reply line 512.
const BUFFER: usize = 4096;
/// Bytes of a reply's text that are kept, over all its lines.
const MAX_TEXT: usize = 4096;
/// "250", the shortest reply without its line end.
const CODE_DIGITS: usize = 3;

/// The bytes are not an SMTP reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Collects bytes, gives replies.
#[derive(Debug)]
pub struct ReplyReader {
    bytes: Vec<u8>,
    parsed: usize,
    /// The code of the lines so far, while a reply of several lines is incomplete.
    open_code: Option<u16>,
    text: Vec<u8>,
}

impl Default for ReplyReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplyReader {
    /// An empty reader.
    pub fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(BUFFER),
            parsed: 0,
            open_code: None,
            text: Vec::with_capacity(MAX_TEXT.min(256)),
        }
    }

    /// Lends the buffer for a read: the kernel appends after its length, up to its capacity. Give it back with
    /// [`ReplyReader::give_back`].
    pub fn lend(&mut self) -> Vec<u8> {
        if self.parsed == self.bytes.len() {
            self.bytes.clear();
        } else {
            self.bytes.drain(..self.parsed);
        }
        self.parsed = 0;
        std::mem::take(&mut self.bytes)
    }

    /// Takes the buffer back after a read.
    ///
    /// # Panics
    /// When it was not lent.
    pub fn give_back(&mut self, bytes: Vec<u8>) {
        assert!(
            self.bytes.capacity() == 0,
            "the buffer was lent once and comes back once"
        );
        self.bytes = bytes;
    }

    /// The code of the next complete reply; its text is then in [`ReplyReader::text`]. `None` when bytes are missing.
    ///
    /// # Errors
    /// [`Malformed`]; nothing can be read of this server any more.
    pub fn next_reply(&mut self) -> Result<Option<u16>, Malformed> {
        loop {
            let rest = &self.bytes[self.parsed..];
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return if rest.len() < BUFFER {
                    Ok(None)
                } else {
                    Err(Malformed)
                };
            };
            let line = &rest[..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (code, last, text) = split_line(line)?;
            match self.open_code {
                None => self.text.clear(),
                Some(open) if open != code => return Err(Malformed),
                Some(_) => append_bounded(&mut self.text, b"\n"),
            }
            append_bounded(&mut self.text, text);
            self.parsed += end + 1;
            self.open_code = if last { None } else { Some(code) };
            if last {
                return Ok(Some(code));
            }
        }
    }

    /// The text of the last reply without codes, its lines joined by LF, cut at 4096 bytes.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The line that is no reply, after [`Malformed`], or what there is of it.
    pub fn unread_line(&self) -> &[u8] {
        let rest = &self.bytes[self.parsed..];
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end])
    }

    /// Appends bytes that did not come by a read into the buffer, as those of TLS. The buffer may grow by them.
    pub fn append(&mut self, bytes: &[u8]) {
        let mut buffer = self.lend();
        buffer.extend_from_slice(bytes);
        self.give_back(buffer);
    }

    /// Whether a reply, or part of one, waits.
    pub fn is_empty(&self) -> bool {
        self.parsed == self.bytes.len()
    }
}

/// Code, whether it is the last line, text.
fn split_line(line: &[u8]) -> Result<(u16, bool, &[u8]), Malformed> {
    if line.len() < CODE_DIGITS || !line[..CODE_DIGITS].iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let code = line[..CODE_DIGITS]
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if !(200..600).contains(&code) {
        return Err(Malformed);
    }
    match line.get(CODE_DIGITS) {
        None => Ok((code, true, &[])),
        Some(b' ') => Ok((code, true, &line[CODE_DIGITS + 1..])),
        Some(b'-') => Ok((code, false, &line[CODE_DIGITS + 1..])),
        Some(_) => Err(Malformed),
    }
}

fn append_bounded(text: &mut Vec<u8>, more: &[u8]) {
    let room = MAX_TEXT.saturating_sub(text.len()).min(more.len());
    text.extend_from_slice(&more[..room]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALOGUE: &[u8] =
        b"220 mx ready\r\n250-mx greets\r\n250-PIPELINING\r\n250 SIZE 10\r\n250\r\n354 go\r\n\
        451-4.3.0 try\r\n451 4.3.0 later\r\n221 2.0.0 bye\n";

    fn expected() -> Vec<(u16, &'static [u8])> {
        vec![
            (220, b"mx ready"),
            (250, b"mx greets\nPIPELINING\nSIZE 10"),
            (250, b""),
            (354, b"go"),
            (451, b"4.3.0 try\n4.3.0 later"),
            (221, b"2.0.0 bye"),
        ]
    }

    fn read_all(reader: &mut ReplyReader, replies: &mut Vec<(u16, Vec<u8>)>) {
        while let Some(code) = reader.next_reply().expect("well-formed") {
            replies.push((code, reader.text().to_vec()));
        }
    }

    fn assert_expected(replies: &[(u16, Vec<u8>)], how: &str) {
        let replies: Vec<(u16, &[u8])> = replies
            .iter()
            .map(|(code, text)| (*code, &text[..]))
            .collect();
        assert_eq!(replies, expected(), "{how}");
    }

    #[test]
    fn cut_at_every_pair_of_bytes_the_replies_are_the_same() {
        for first in 0..=DIALOGUE.len() {
            for second in first..=DIALOGUE.len() {
                let mut reader = ReplyReader::new();
                let mut replies = Vec::new();
                for part in [
                    &DIALOGUE[..first],
                    &DIALOGUE[first..second],
                    &DIALOGUE[second..],
                ] {
                    reader.append(part);
                    read_all(&mut reader, &mut replies);
                }
                assert_expected(&replies, &format!("cut at {first} and {second}"));
            }
        }
    }

    #[test]
    fn byte_by_byte_the_replies_are_the_same() {
        let mut reader = ReplyReader::new();
        let mut replies = Vec::new();
        for byte in DIALOGUE {
            reader.append(&[*byte]);
            read_all(&mut reader, &mut replies);
        }
        assert_expected(&replies, "one byte at a time");
    }

    #[test]
    fn what_is_no_reply_is_malformed() {
        for bytes in [
            &b"hello\r\n"[..],
            b"25\r\n",
            b"\r\n",
            b"150 x\r\n",
            b"600 x\r\n",
            b"250x\r\n",
            b"250-a\r\n251 b\r\n",
        ] {
            let mut reader = ReplyReader::new();
            reader.append(bytes);
            assert_eq!(
                reader.next_reply(),
                Err(Malformed),
                "{}",
                bytes.escape_ascii()
            );
            let line = reader.unread_line();
            assert!(bytes.ends_with(&[line, b"\r\n"].concat()));
        }
    }

    #[test]
    fn a_line_without_end_is_malformed_once_the_buffer_is_full() {
        let mut reader = ReplyReader::new();
        reader.append(&vec![b'2'; BUFFER - 1]);
        assert_eq!(reader.next_reply(), Ok(None));
        reader.append(b"2");
        assert_eq!(reader.next_reply(), Err(Malformed));
    }

    #[test]
    fn a_long_reply_keeps_a_bounded_text() {
        let mut reader = ReplyReader::new();
        for _ in 0..1000 {
            reader.append(b"250-a line of the reply\r\n");
            assert_eq!(reader.next_reply(), Ok(None));
        }
        reader.append(b"250 end\r\n");
        assert_eq!(reader.next_reply(), Ok(Some(250)));
        assert_eq!(reader.text().len(), MAX_TEXT);
    }
}

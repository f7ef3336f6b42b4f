//! Reply lines (RFC 5321 4.2), written one after another, so that a pipelined group leaves in one write.
//!
//! Owns: the form of a reply. Must not know: which one is due.
//!
//! Invariant: no line is longer than [`REPLY_LINE_OCTETS`].

use std::fmt::{self, Write};

use super::refusal::Refusal;
use crate::limits::REPLY_LINE_OCTETS;

/// Replies that wait to be written, in the order of their commands.
#[derive(Debug, Default)]
pub struct Replies {
    octets: Vec<u8>,
}

impl Replies {
    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Octets that wait.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Octets that there is room for.
    pub fn capacity(&self) -> usize {
        self.octets.capacity()
    }

    /// The octets that wait.
    pub fn waiting(&self) -> &[u8] {
        &self.octets
    }

    /// The first `octets` of them wait no longer.
    pub fn sent(&mut self, octets: usize) {
        assert!(octets <= self.octets.len(), "no more is sent than was said");
        self.octets.drain(..octets);
    }

    /// Gives the waiting octets in exchange for an empty buffer.
    pub fn swap(&mut self, buffer: &mut Vec<u8>) {
        assert!(buffer.is_empty(), "replies are not mixed with others");
        std::mem::swap(&mut self.octets, buffer);
    }

    /// A whole line of a table, which is as a line has to be.
    pub(super) fn whole(&mut self, line: &'static str) {
        assert!(line.ends_with("\r\n"), "a line has its end");
        self.octets.extend_from_slice(line.as_bytes());
    }

    /// One line with an enhanced status code, or without one where RFC 2034 has none (`enhanced` empty), and the parts of its
    /// text.
    pub fn line(&mut self, code: u16, enhanced: &str, text: &[&str]) {
        let start = self.octets.len();
        let digit = |divisor: u16| b'0' + (code / divisor % 10) as u8;
        let code = [digit(100), digit(10), digit(1), b' '];
        self.octets.extend_from_slice(&code);
        if !enhanced.is_empty() {
            self.octets.extend_from_slice(enhanced.as_bytes());
            self.octets.push(b' ');
        }
        for part in text {
            self.octets.extend_from_slice(part.as_bytes());
        }
        self.finish(start);
    }

    /// A refusal's line.
    pub fn refuse(&mut self, refusal: Refusal) {
        let row = refusal.row();
        self.line(row.code, row.enhanced, &[row.text]);
    }

    /// A line of a reply of several, which have no enhanced codes (RFC 2034 3: EHLO's); the last one ends the reply.
    pub fn further(&mut self, code: u16, last: bool, text: fmt::Arguments<'_>) {
        let start = self.octets.len();
        let separator = if last { ' ' } else { '-' };
        Octets(&mut self.octets)
            .write_fmt(format_args!("{code}{separator}{text}"))
            .expect("a Vec takes all octets");
        self.finish(start);
    }

    fn finish(&mut self, start: usize) {
        assert!(
            memchr::memchr2(b'\r', b'\n', &self.octets[start..]).is_none(),
            "a line holds no other"
        );
        self.octets.truncate(start + REPLY_LINE_OCTETS - 2);
        self.octets.extend_from_slice(b"\r\n");
    }
}

struct Octets<'a>(&'a mut Vec<u8>);

impl Write for Octets<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(replies: &mut Replies) -> String {
        let mut out = Vec::new();
        replies.swap(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_have_their_form() {
        let mut replies = Replies::default();
        replies.line(250, "2.0.0", &["7", " of ", "8"]);
        replies.line(354, "", &["go"]);
        replies.whole("214 2.0.0 HELO\r\n");
        replies.further(250, false, format_args!("mx"));
        replies.further(250, true, format_args!("SIZE"));
        replies.refuse(Refusal::NeedMail);
        let expected = "250 2.0.0 7 of 8\r\n354 go\r\n214 2.0.0 HELO\r\n250-mx\r\n250 SIZE\r\n503 5.5.1 Send MAIL first\r\n";
        assert_eq!(text(&mut replies), expected);
        assert!(replies.is_empty());
    }

    #[test]
    fn a_line_is_never_too_long() {
        let mut replies = Replies::default();
        replies.line(250, "2.0.0", &["x".repeat(2000).as_str()]);
        let line = text(&mut replies);
        assert_eq!(line.len(), REPLY_LINE_OCTETS);
        assert!(line.ends_with("x\r\n"));
    }
}

//! The least of SMTP that a client needs to hand over mail: verbs are recognized by their first four bytes, every address is
//! taken, and the message ends at CRLF `.` CRLF.
//!
//! Owns: which bytes are commands and which are a message, however they were cut. Must not know: sockets.
//!
//! Invariants: a message is held whole until its end is seen, as a server that passes it on would; replies are in the
//! order of their commands; bytes are looked at once.
//!
//! BUGS: no syntax is checked, no limit is kept, stuffed dots stay. It is a measure, not a mail server.

use std::sync::LazyLock;

use memchr::memmem;

static END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\n.\r\n"));

/// Room of a new connection's buffer: as much as ringpost gives to a message of which it knows nothing, so that one read takes
/// a small message on both sides.
pub const INITIAL: usize = 16 * 1024;
/// The least that a read is offered, as in ringpost.
pub const ROOM: usize = 4 * 1024;

/// The banner.
pub const BANNER: &[u8] = b"220 floor ESMTP\r\n";
const HELLO: &[u8] = b"250-floor\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250 8BITMIME\r\n";
const OK: &[u8] = b"250 2.0.0 Ok\r\n";
const GO_ON: &[u8] = b"354 End data with <CR><LF>.<CR><LF>\r\n";
const BYE: &[u8] = b"221 2.0.0 Bye\r\n";
const UNKNOWN: &[u8] = b"500 5.5.1 Unknown command\r\n";

/// One client's side of the conversation.
#[derive(Debug, Default)]
pub struct Dialogue {
    /// Inside a message: bytes of it that cannot begin its end any more.
    message: Option<usize>,
    closed: bool,
}

impl Dialogue {
    /// Whether QUIT was answered.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Looks at all of `input`, which starts where the last call stopped consuming; the bytes consumed. What is not
    /// consumed is an unfinished line or message, to be passed again with what follows it.
    pub fn receive(&mut self, input: &[u8], replies: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while !self.closed {
            let rest = &input[at..];
            let consumed = match self.message {
                None => self.command(rest, replies),
                Some(seen) => self.data(rest, seen, replies),
            };
            match consumed {
                Some(octets) => at += octets,
                None => break,
            }
        }
        at
    }

    fn command(&mut self, input: &[u8], replies: &mut Vec<u8>) -> Option<usize> {
        let length = memchr::memchr(b'\n', input)? + 1;
        let mut verb = [0; 4];
        if let Some(front) = input[..length].get(..4) {
            verb.copy_from_slice(front);
            verb.make_ascii_uppercase();
        }
        replies.extend_from_slice(match &verb {
            b"EHLO" | b"HELO" => HELLO,
            b"MAIL" | b"RCPT" | b"RSET" | b"NOOP" => OK,
            b"DATA" => {
                self.message = Some(0);
                GO_ON
            }
            b"QUIT" => {
                self.closed = true;
                BYE
            }
            _ => UNKNOWN,
        });
        Some(length)
    }

    fn data(&mut self, input: &[u8], seen: usize, replies: &mut Vec<u8>) -> Option<usize> {
        // The CRLF in front of the dot may be that of the DATA command (RFC 5321 4.1.1.4).
        let end = if input.starts_with(b".\r\n") {
            Some(3)
        } else {
            END.find(&input[seen..]).map(|place| seen + place + 5)
        };
        if end.is_some() {
            self.message = None;
            replies.extend_from_slice(OK);
        } else {
            self.message = Some(input.len().saturating_sub(4));
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALOGUE: &[u8] = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n..\r\n.\r\r\n\n.\r\ny\r\n.\r\n\
        RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\nfoo\r\nQUIT\r\n";

    fn replies(cuts: &[usize]) -> (Vec<u8>, bool) {
        let (mut dialogue, mut held, mut replies) = (Dialogue::default(), Vec::new(), Vec::new());
        let mut from = 0;
        for &to in cuts.iter().chain(std::iter::once(&DIALOGUE.len())) {
            held.extend_from_slice(&DIALOGUE[from..to]);
            let consumed = dialogue.receive(&held, &mut replies);
            held.drain(..consumed);
            from = to;
        }
        (replies, dialogue.is_closed() && held.is_empty())
    }

    #[test]
    fn the_same_replies_however_it_is_cut() {
        let expected = [
            HELLO, OK, OK, GO_ON, OK, OK, OK, OK, GO_ON, OK, UNKNOWN, BYE,
        ]
        .concat();
        for first in 0..=DIALOGUE.len() {
            for second in first..=DIALOGUE.len() {
                assert_eq!(
                    replies(&[first, second]),
                    (expected.clone(), true),
                    "cut at {first}, {second}"
                );
            }
        }
        let every: Vec<usize> = (0..DIALOGUE.len()).collect();
        assert_eq!(replies(&every), (expected, true));
    }
}

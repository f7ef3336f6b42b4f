//! The sink's side of a dialogue: bytes in, replies out, nothing kept. Sans I/O.
//!
//! More lenient than a server may be: it accepts any envelope. Strict where it matters for counting: only CRLF `.` CRLF, or
//! the last chunk, ends a message.

use memchr::memmem::Finder;

const END: &[u8] = b"\r\n.\r\n";
/// The longest command line; what is longer is not SMTP.
const LONGEST_LINE: usize = 4096;

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Messages.
    pub messages: u64,
    /// Recipients of those.
    pub recipients: u64,
    /// Bytes of data or chunks, dots that were doubled included.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Command,
    /// Whether nothing of the data was seen yet.
    Data(bool),
    Chunk {
        left: u64,
        last: bool,
    },
}

/// One connection.
pub(super) struct Session {
    state: State,
    recipients: u64,
    finder: Finder<'static>,
    /// QUIT was seen, or no SMTP.
    pub ended: bool,
    /// So far.
    pub counted: Counted,
}

impl Session {
    /// Nothing seen.
    pub(super) fn new() -> Session {
        Session {
            state: State::Command,
            recipients: 0,
            finder: Finder::new(END),
            ended: false,
            counted: Counted::default(),
        }
    }

    /// Takes bytes, appends replies; returns how many bytes are done with. The rest has to come again, with what follows it.
    pub(super) fn take(&mut self, bytes: &[u8], replies: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.ended {
            let taken = match self.state {
                State::Command => self.command(&bytes[at..], replies),
                State::Data(first) => self.data(&bytes[at..], first, replies),
                State::Chunk { left, last } => self.chunk(&bytes[at..], left, last, replies),
            };
            at += taken;
            if taken == 0 {
                break;
            }
        }
        at
    }

    fn command(&mut self, bytes: &[u8], replies: &mut Vec<u8>) -> usize {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            if bytes.len() >= LONGEST_LINE {
                replies.extend_from_slice(b"500 5.5.2 Line too long\r\n");
                self.ended = true;
            }
            return 0;
        };
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let mut verb = [0; 4];
        verb.iter_mut()
            .zip(line)
            .for_each(|(to, from)| *to = from.to_ascii_uppercase());
        let reply: &[u8] = match &verb {
            b"EHLO" => {
                b"250-sink.ringpost.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n\
                250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
            }
            b"HELO" => b"250 sink.ringpost.example\r\n",
            b"MAIL" => {
                self.recipients = 0;
                b"250 2.1.0 Ok\r\n"
            }
            b"RCPT" => {
                self.recipients += 1;
                b"250 2.1.5 Ok\r\n"
            }
            b"DATA" => {
                self.state = State::Data(true);
                b"354 Go on\r\n"
            }
            b"BDAT" => return self.begin_chunk(line, end + 1, replies),
            b"RSET" | b"NOOP" => b"250 2.0.0 Ok\r\n",
            b"QUIT" => {
                self.ended = true;
                b"221 2.0.0 Bye\r\n"
            }
            _ => b"500 5.5.2 What?\r\n",
        };
        replies.extend_from_slice(reply);
        end + 1
    }

    fn begin_chunk(&mut self, line: &[u8], taken: usize, replies: &mut Vec<u8>) -> usize {
        let mut words = line[4..]
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty());
        let size = words
            .next()
            .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
        let last = words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case(b"LAST"));
        match size {
            // A chunk may be empty: then no byte comes that would end it.
            Some(0) => self.end_chunk(last, replies),
            Some(left) => self.state = State::Chunk { left, last },
            None => {
                replies.extend_from_slice(b"501 5.5.4 No size\r\n");
                self.ended = true;
            }
        }
        taken
    }

    fn chunk(&mut self, bytes: &[u8], left: u64, last: bool, replies: &mut Vec<u8>) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.counted.bytes += taken as u64;
        let left = left - taken as u64;
        if left == 0 {
            self.end_chunk(last, replies);
        } else {
            self.state = State::Chunk { left, last };
        }
        taken
    }

    fn end_chunk(&mut self, last: bool, replies: &mut Vec<u8>) {
        self.state = State::Command;
        if last {
            self.end_message(replies);
        } else {
            replies.extend_from_slice(b"250 2.0.0 Ok\r\n");
        }
    }

    fn data(&mut self, bytes: &[u8], first: bool, replies: &mut Vec<u8>) -> usize {
        // The CRLF of the DATA command counts for a message without a line.
        if first {
            let dot = &END[2..];
            if bytes.starts_with(dot) {
                self.state = State::Command;
                self.end_message(replies);
                return dot.len();
            }
            if dot.starts_with(bytes) {
                return 0;
            }
            self.state = State::Data(false);
        }
        match self.finder.find(bytes) {
            Some(at) => {
                self.counted.bytes += at as u64 + 2;
                self.state = State::Command;
                self.end_message(replies);
                at + END.len()
            }
            None => {
                // The end may be cut: its first bytes come again.
                let taken = bytes.len().saturating_sub(END.len() - 1);
                self.counted.bytes += taken as u64;
                taken
            }
        }
    }

    fn end_message(&mut self, replies: &mut Vec<u8>) {
        self.counted.messages += 1;
        self.counted.recipients += self.recipients;
        self.recipients = 0;
        replies.extend_from_slice(b"250 2.0.0 Ok, gone\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bytes, cut at the given places.
    fn run(bytes: &[u8], cuts: &[usize]) -> (String, Counted) {
        let (mut session, mut buffer, mut replies) = (Session::new(), Vec::new(), Vec::new());
        let mut from = 0;
        for to in cuts.iter().copied().chain([bytes.len()]) {
            buffer.extend_from_slice(&bytes[from..to]);
            from = to;
            let taken = session.take(&buffer, &mut replies);
            buffer.drain(..taken);
        }
        (String::from_utf8(replies).expect("ASCII"), session.counted)
    }

    const DIALOGUE: &[u8] = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nA: b\r\n\r\n..\r\n.x\r\n\n.\n\r\n.\r\n\
        MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nBDAT 7\r\n\r\n.\r\nABBDAT 0 LAST\r\n\
        nonsense\r\nQUIT\r\n";

    #[test]
    fn cut_anywhere_the_counts_are_the_same() {
        let (replies, counted) = run(DIALOGUE, &[]);
        let expected = Counted {
            messages: 3,
            recipients: 4,
            bytes: 21 + 7,
        };
        assert_eq!(counted, expected);
        let codes: Vec<&str> = replies
            .lines()
            .filter(|line| line.as_bytes()[3] == b' ')
            .map(|line| &line[..3])
            .collect();
        assert_eq!(
            codes.join(" "),
            "250 250 250 250 354 250 250 250 354 250 250 250 250 250 500 221"
        );
        for first in 0..DIALOGUE.len() {
            for second in first..DIALOGUE.len() {
                assert_eq!(
                    run(DIALOGUE, &[first, second]),
                    (replies.clone(), counted),
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_smtp_ends() {
        let mut session = Session::new();
        let mut replies = Vec::new();
        session.take(&[b'x'; LONGEST_LINE], &mut replies);
        assert!(session.ended && replies.starts_with(b"500"));
    }
}

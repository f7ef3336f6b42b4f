//! Where a command line ends: at CRLF (RFC 5321 2.3.8), or at a bare LF, which makes it a line in error.
//!
//! Owns: the search for the end, and the way back into step after a line that is too long. Must not know: what a line means.
//!
//! A bare LF ends a line only here, among commands, and such a line is never obeyed: a client that sends no CR learns so at
//! once, instead of waiting for a reply until it times out. In data only CRLF ends a line (`data`). A bare CR is part of the
//! line; the parser of commands refuses a line that holds one.

use crate::limits::COMMAND_LINE_OCTETS;

/// What the front of the input holds.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Line {
    /// A whole line: its octets without CRLF, and the octets to consume with it.
    Whole {
        /// Octets of the line, CRLF not counted.
        length: usize,
        /// Octets to consume, CRLF counted.
        consumed: usize,
    },
    /// A line that a bare LF ends.
    Bare {
        /// Octets of the line, LF not counted.
        length: usize,
        /// Octets to consume, LF counted.
        consumed: usize,
    },
    /// No end yet, and the line may still fit.
    Partial,
    /// The line is longer than [`COMMAND_LINE_OCTETS`]; these octets are to be consumed and dropped. The reply is due
    /// when its end has been seen.
    Overlong {
        /// Octets to consume.
        consumed: usize,
        /// Whether they begin with the first octet of the line.
        begins: bool,
        /// Whether its end was among them.
        ended: bool,
    },
}

/// Finds lines, and remembers only whether it is inside one that is too long.
#[derive(Debug, Default)]
pub struct Splitter {
    dropping: bool,
}

impl Splitter {
    /// Looks at the front of `input`.
    pub fn next(&mut self, input: &[u8]) -> Line {
        let begins = !self.dropping;
        let Some(at) = memchr::memchr(b'\n', input) else {
            return self.without_end(input);
        };
        let consumed = at + 1;
        if self.dropping || consumed > COMMAND_LINE_OCTETS {
            self.dropping = false;
            return Line::Overlong {
                consumed,
                begins,
                ended: true,
            };
        }
        assert!(
            consumed <= COMMAND_LINE_OCTETS,
            "a line that is too long is dropped"
        );
        match input[..at].strip_suffix(b"\r") {
            Some(line) => Line::Whole {
                length: line.len(),
                consumed,
            },
            None => Line::Bare {
                length: at,
                consumed,
            },
        }
    }

    fn without_end(&mut self, input: &[u8]) -> Line {
        if !self.dropping && input.len() < COMMAND_LINE_OCTETS {
            return Line::Partial;
        }
        let begins = !self.dropping;
        self.dropping = true;
        // A CR at the very end may be the first half of the CRLF: it stays.
        let kept = usize::from(input.last() == Some(&b'\r'));
        Line::Overlong {
            consumed: input.len() - kept,
            begins,
            ended: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_crlf_and_a_bare_lf_spoils_it() {
        let mut splitter = Splitter::default();
        assert_eq!(
            splitter.next(b"NOOP\r\nQUIT\r\n"),
            Line::Whole {
                length: 4,
                consumed: 6
            }
        );
        assert_eq!(
            splitter.next(b"NOOP\nQUIT\r\n"),
            Line::Bare {
                length: 4,
                consumed: 5
            }
        );
        assert_eq!(splitter.next(b"NOOP\r"), Line::Partial);
        assert_eq!(splitter.next(b"NOOP\rQUIT"), Line::Partial);
        assert_eq!(
            splitter.next(b"\n"),
            Line::Bare {
                length: 0,
                consumed: 1
            }
        );
        assert_eq!(
            splitter.next(b"\r\n"),
            Line::Whole {
                length: 0,
                consumed: 2
            }
        );
    }

    #[test]
    fn an_overlong_line_is_dropped_to_its_end_wherever_it_is_cut() {
        let mut text = vec![b'x'; 3 * COMMAND_LINE_OCTETS];
        text.extend_from_slice(b"\r\nNOOP\r\n");
        for step in [
            1,
            7,
            COMMAND_LINE_OCTETS - 1,
            COMMAND_LINE_OCTETS,
            COMMAND_LINE_OCTETS + 1,
            text.len(),
        ] {
            let mut splitter = Splitter::default();
            let mut pending = Vec::new();
            let mut endings = 0;
            let mut lines = Vec::new();
            for piece in text.chunks(step) {
                pending.extend_from_slice(piece);
                loop {
                    match splitter.next(&pending) {
                        Line::Whole { length, consumed } => {
                            lines.push(pending[..length].to_vec());
                            pending.drain(..consumed);
                        }
                        Line::Bare { .. } => panic!("every line here ends with CRLF"),
                        Line::Overlong {
                            consumed, ended, ..
                        } => {
                            pending.drain(..consumed);
                            endings += usize::from(ended);
                            if !ended {
                                break;
                            }
                        }
                        Line::Partial => break,
                    }
                }
                assert!(pending.len() <= COMMAND_LINE_OCTETS);
            }
            assert_eq!(
                (endings, lines),
                (1, vec![b"NOOP".to_vec()]),
                "cut every {step} octets"
            );
        }
    }

    #[test]
    fn the_longest_line_that_fits_is_whole() {
        let mut text = vec![b'x'; COMMAND_LINE_OCTETS - 2];
        text.extend_from_slice(b"\r\n");
        let whole = Line::Whole {
            length: COMMAND_LINE_OCTETS - 2,
            consumed: COMMAND_LINE_OCTETS,
        };
        assert_eq!(Splitter::default().next(&text), whole);
    }
}

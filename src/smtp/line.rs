//! Where a command line ends: at CRLF and nowhere else (RFC 5321 2.3.8).
//!
//! Owns: the search for CRLF, and the way back into step after a line that is too long. Must not know: what a line means.
//!
//! A bare CR or bare LF is part of the line; the parser of commands refuses a line that holds one.

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
    /// No CRLF yet, and the line may still fit.
    Partial,
    /// The line is longer than [`COMMAND_LINE_OCTETS`]; these octets are to be consumed and dropped. The reply is due
    /// when its end has been seen.
    Overlong {
        /// Octets to consume.
        consumed: usize,
        /// Whether its CRLF was among them.
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
        match find_crlf(input) {
            Some(length) if self.dropping || length + 2 > COMMAND_LINE_OCTETS => {
                self.dropping = false;
                Line::Overlong {
                    consumed: length + 2,
                    ended: true,
                }
            }
            Some(length) => Line::Whole {
                length,
                consumed: length + 2,
            },
            None if self.dropping || input.len() >= COMMAND_LINE_OCTETS => {
                self.dropping = true;
                // A CR at the very end may be the first half of the CRLF: it stays.
                let kept = usize::from(input.last() == Some(&b'\r'));
                Line::Overlong {
                    consumed: input.len() - kept,
                    ended: false,
                }
            }
            None => Line::Partial,
        }
    }
}

fn find_crlf(input: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', input)
        .find(|&at| at > 0 && input[at - 1] == b'\r')
        .map(|at| at - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_crlf_only() {
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
            Line::Whole {
                length: 9,
                consumed: 11
            }
        );
        assert_eq!(splitter.next(b"NOOP\r"), Line::Partial);
        assert_eq!(splitter.next(b"\n"), Line::Partial);
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
                        Line::Overlong { consumed, ended } => {
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

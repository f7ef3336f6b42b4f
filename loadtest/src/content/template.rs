//! A message as it goes over the wire: built once, of which only the number changes.
//!
//! Owns transparency (RFC 5321 section 4.5.2), chunks (RFC 3030), the envelope's commands, and how a message is cut into
//! writes. Must not know sockets or replies.
//!
//! On the wire a message is a connection's own part, then the shared segments. A connection patches the number in its own
//! part, which holds the fields that name the message; a small message is all own part. The last segment of a large message
//! is short, so that the write that holds the message's last byte does not hold much else: the measured time starts there.

use bytes::Bytes;

use super::identity;
use crate::options::shape::Transfer;

/// Bytes of a large message that belong to the last write.
const LAST: usize = 512;
/// Ends the data: the CRLF before the dot is the message's own.
const END_OF_DATA: &[u8] = b".\r\n";

/// The commands before a message.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// MAIL, each RCPT, and DATA where that is how the message is sent.
    pub commands: Vec<Bytes>,
    /// All of them, for a server that offers PIPELINING.
    pub group: Bytes,
    /// Number of RCPT commands.
    pub recipients: usize,
}

/// What a message asks of the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// 8BITMIME: bytes above 127.
    pub eight_bit: bool,
    /// BINARYMIME: no lines.
    pub binary: bool,
    /// CHUNKING: BDAT.
    pub chunking: bool,
}

/// Some bytes of a message.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The bytes.
    pub bytes: Bytes,
    /// The server answers after these.
    pub ends_chunk: bool,
}

/// The wire form of a message.
#[derive(Debug)]
pub(crate) struct Template {
    /// Bytes before transparency.
    pub size: usize,
    /// The commands before it.
    pub envelope: Envelope,
    /// What the server must offer.
    pub needs: Needs,
    own: Vec<u8>,
    /// Bytes of a BDAT command before the message in the own part.
    lead: usize,
    own_ends_chunk: bool,
    rest: Vec<Segment>,
}

/// A connection's own part of a message.
#[derive(Debug, Default)]
pub(crate) struct OwnPart {
    /// The bytes. Lent to the kernel during a write.
    pub bytes: Vec<u8>,
    /// The template whose bytes these are.
    loaded: usize,
}

impl Envelope {
    /// For a message to `recipients` addresses made from `to`.
    pub(crate) fn new(from: &str, to: &str, recipients: u32, needs: Needs) -> Envelope {
        let body = match needs {
            Needs { binary: true, .. } => " BODY=BINARYMIME",
            Needs {
                eight_bit: true, ..
            } => " BODY=8BITMIME",
            _ => "",
        };
        let mut commands = vec![Bytes::from(format!("MAIL FROM:<{from}>{body}\r\n"))];
        for number in 1..=recipients {
            commands.push(Bytes::from(format!(
                "RCPT TO:<{}>\r\n",
                numbered_address(to, number)
            )));
        }
        if !needs.chunking {
            commands.push(Bytes::from_static(b"DATA\r\n"));
        }
        let group = Bytes::from(commands.concat());
        Envelope {
            commands,
            group,
            recipients: recipients as usize,
        }
    }
}

/// How a message is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// DATA or BDAT.
    pub transfer: Transfer,
    /// Bytes of a chunk, for BDAT.
    pub chunk: usize,
    /// A message up to this size on the wire is one write out of a connection's own buffer.
    pub largest_own: usize,
}

impl Template {
    /// Lays out a message: the fields that name it and `rest`.
    pub(crate) fn new(
        run: &str,
        rest: &[u8],
        layout: Layout,
        envelope: Envelope,
        needs: Needs,
    ) -> Template {
        let mut message = identity::fields(run, rest);
        message.extend_from_slice(rest);
        let (wire, lead, chunk_ends) = match layout.transfer {
            Transfer::Data => {
                let mut wire = stuffed(&message);
                wire.extend_from_slice(END_OF_DATA);
                let end = wire.len();
                (wire, 0, vec![end])
            }
            Transfer::Bdat => chunked(&message, layout.chunk.max(identity::LENGTH)),
        };
        let own_end = if chunk_ends[0] <= layout.largest_own {
            chunk_ends[0]
        } else {
            lead + identity::LENGTH
        };
        let own = wire[..own_end].to_vec();
        Template {
            size: message.len(),
            envelope,
            needs,
            own,
            lead,
            own_ends_chunk: chunk_ends[0] == own_end,
            rest: segments(wire, own_end, &chunk_ends),
        }
    }

    /// Makes the part that of message `number`, followed by `tail` where all of the message is in it.
    pub(crate) fn load(&self, part: &mut OwnPart, number: u64, tail: &[u8]) {
        let this = std::ptr::from_ref(self).addr();
        if part.loaded == this {
            assert!(
                part.bytes.len() >= self.own.len(),
                "the part came back from its write"
            );
            part.bytes.truncate(self.own.len());
        } else {
            part.bytes.clear();
            part.bytes.extend_from_slice(&self.own);
            part.loaded = this;
        }
        identity::patch(&mut part.bytes[self.lead..], number);
        if self.rest.is_empty() {
            part.bytes.extend_from_slice(tail);
        }
    }

    /// All of message `number` with its end, in one piece.
    pub(crate) fn wire(&self, number: u64) -> Vec<u8> {
        let mut part = OwnPart::default();
        self.load(&mut part, number, &[]);
        let mut wire = part.bytes;
        for segment in &self.rest {
            wire.extend_from_slice(&segment.bytes);
        }
        wire
    }

    /// The Message-ID that a part was loaded with, with its angle brackets.
    pub(crate) fn message_id<'a>(&self, part: &'a OwnPart) -> &'a [u8] {
        identity::message_id(&part.bytes[self.lead..])
    }

    /// Whether the server answers after the own part.
    pub(crate) fn own_ends_chunk(&self) -> bool {
        self.own_ends_chunk
    }

    /// What follows the own part.
    pub(crate) fn rest(&self) -> &[Segment] {
        &self.rest
    }

    /// Replies to the message itself: one, or one for each chunk.
    pub(crate) fn replies(&self) -> usize {
        usize::from(self.own_ends_chunk)
            + self
                .rest
                .iter()
                .filter(|segment| segment.ends_chunk)
                .count()
    }
}

/// Cuts what follows `own_end` at the ends of chunks, and a short end off the last piece.
fn segments(wire: Vec<u8>, own_end: usize, chunk_ends: &[usize]) -> Vec<Segment> {
    let wire = Bytes::from(wire);
    let mut segments = Vec::new();
    let mut from = own_end;
    for end in chunk_ends.iter().filter(|end| **end > own_end) {
        if *end == wire.len() && end - from > 2 * LAST {
            segments.push(Segment {
                bytes: wire.slice(from..end - LAST),
                ends_chunk: false,
            });
            from = end - LAST;
        }
        segments.push(Segment {
            bytes: wire.slice(from..*end),
            ends_chunk: true,
        });
        from = *end;
    }
    segments
}

/// The message with a BDAT command before each chunk, the bytes of the first command, and where chunks end.
fn chunked(message: &[u8], chunk: usize) -> (Vec<u8>, usize, Vec<usize>) {
    let mut wire = Vec::with_capacity(message.len() + 64);
    let (mut lead, mut ends) = (0, Vec::new());
    let pieces = message.chunks(chunk);
    let count = pieces.len();
    for (index, piece) in pieces.enumerate() {
        let last = if index + 1 == count { " LAST" } else { "" };
        wire.extend_from_slice(format!("BDAT {}{last}\r\n", piece.len()).as_bytes());
        if index == 0 {
            lead = wire.len();
        }
        wire.extend_from_slice(piece);
        ends.push(wire.len());
    }
    (wire, lead, ends)
}

/// `local@domain`, and `local+2@domain` and so on for further recipients.
pub(crate) fn numbered_address(address: &str, number: u32) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) if number > 1 => format!("{local}+{number}@{domain}"),
        _ => address.to_owned(),
    }
}

/// Doubles the dot of every line that starts with one (RFC 5321 section 4.5.2).
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 64 + 16);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::super::generate::{Header, message};
    use super::*;
    use crate::options::shape::Body;

    const RUN: &str = "0123456789abcdef";

    fn rest(body: Body, size: usize) -> Vec<u8> {
        let header = Header {
            run: RUN,
            from: "a@x.example",
            to: "b@x.example",
            date: jiff::Timestamp::constant(1_000_000_000, 0),
        };
        message(&header, body, size).expect("large enough")
    }

    fn envelope(needs: Needs) -> Envelope {
        Envelope::new("a@x.example", "b@x.example", 2, needs)
    }

    /// The specification of transparency, byte by byte: what a server must make of the wire form.
    fn unstuffed(wire: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        let mut line_start = true;
        for byte in wire {
            if !(line_start && *byte == b'.') {
                message.push(*byte);
            }
            line_start = *byte == b'\n';
        }
        message
    }

    fn wire(template: &Template, number: u64, tail: &[u8]) -> Vec<u8> {
        let mut part = OwnPart::default();
        template.load(&mut part, 999_999_999_999, b"something longer");
        template.load(&mut part, number, tail);
        let mut wire = part.bytes.clone();
        for segment in template.rest() {
            wire.extend_from_slice(&segment.bytes);
        }
        if !template.rest().is_empty() {
            wire.extend_from_slice(tail);
        }
        wire
    }

    fn layout(transfer: Transfer, chunk: usize, largest_own: usize) -> Layout {
        Layout {
            transfer,
            chunk,
            largest_own,
        }
    }

    #[test]
    fn data_survives_transparency_in_every_layout() {
        for size in (200..1400).chain([4096, 65_536, 1 << 20]) {
            let rest = rest(Body::SevenBit, size);
            for largest_own in [0, 4096, usize::MAX] {
                let needs = Needs::default();
                let layout = layout(Transfer::Data, 0, largest_own);
                let template = Template::new(RUN, &rest, layout, envelope(needs), needs);
                assert_eq!(
                    (template.size, template.replies()),
                    (size + identity::LENGTH, 1)
                );
                let bytes = wire(&template, 42, b"QUIT\r\n");
                let data = bytes
                    .strip_suffix(b"\r\n.\r\nQUIT\r\n")
                    .expect("end and tail");
                assert!(
                    memchr::memmem::find(data, b"\r\n.\r\n").is_none(),
                    "size {size} ends early"
                );
                let message = [unstuffed(data), b"\r\n".to_vec()].concat();
                let intact = identity::Found::Intact {
                    run: RUN.as_bytes(),
                    number: 42,
                };
                assert_eq!(identity::check(&message), intact, "size {size}");
            }
        }
    }

    /// A naive reader of BDAT: the message and how many chunks it had.
    fn dechunked(mut wire: &[u8]) -> (Vec<u8>, usize) {
        let (mut message, mut chunks) = (Vec::new(), 0);
        loop {
            let end = memchr::memchr(b'\n', wire).expect("a command");
            let command = std::str::from_utf8(&wire[..end]).expect("ASCII").trim_end();
            let mut words = command.strip_prefix("BDAT ").expect("BDAT").split(' ');
            let size: usize = words.next().expect("a size").parse().expect("a number");
            message.extend_from_slice(&wire[end + 1..end + 1 + size]);
            wire = &wire[end + 1 + size..];
            chunks += 1;
            if words.next() == Some("LAST") {
                assert!(wire.is_empty());
                return (message, chunks);
            }
        }
    }

    #[test]
    fn chunks_carry_the_bytes_as_they_are() {
        let needs = Needs {
            binary: true,
            chunking: true,
            ..Needs::default()
        };
        for size in [1000, 5000, 100_000] {
            let rest = rest(Body::Binary, size);
            for chunk in [200, 1000, 4096, usize::MAX] {
                for largest_own in [0, 4096, usize::MAX] {
                    let layout = layout(Transfer::Bdat, chunk, largest_own);
                    let template = Template::new(RUN, &rest, layout, envelope(needs), needs);
                    let (message, chunks) = dechunked(&wire(&template, 7, b""));
                    assert_eq!((chunks, message.len()), (template.replies(), template.size));
                    let intact = identity::Found::Intact {
                        run: RUN.as_bytes(),
                        number: 7,
                    };
                    assert_eq!(identity::check(&message), intact);
                }
            }
        }
    }

    #[test]
    fn the_envelope_names_each_recipient_once() {
        let envelope = Envelope::new("", "load@x.example", 3, Needs::default());
        assert_eq!(
            &envelope.group[..],
            b"MAIL FROM:<>\r\nRCPT TO:<load@x.example>\r\nRCPT TO:<load+2@x.example>\r\nRCPT TO:<load+3@x.example>\r\nDATA\r\n"
        );
        let needs = Needs {
            eight_bit: true,
            chunking: true,
            ..Needs::default()
        };
        let envelope = Envelope::new("a@x", "load@x.example", 1, needs);
        assert_eq!(
            &envelope.group[..],
            b"MAIL FROM:<a@x> BODY=8BITMIME\r\nRCPT TO:<load@x.example>\r\n"
        );
    }
}

//! The message that is sent: an RFC 5322 message of an exact size, built once, of which only the number changes.
//!
//! Owns the header, the body, transparency (RFC 5321 section 4.5.2), the envelope's commands and how a message is laid
//! out for the wire. Must not know sockets or replies.
//!
//! Invariants: the message has exactly the size asked for, counted before dots are doubled and with its last CRLF;
//! lines have at most 78 octets (RFC 5322 section 2.1.1); the number has a fixed width, so patching it moves nothing.
//!
//! On the wire a message is `head`, then `middle`, then `last`. A connection owns a copy of `head`, in which it patches
//! the number; `middle` and `last` are shared. A small message is all head. `last` is short, so that the write that
//! holds the message's last octet does not hold much else: the measured time starts there.
//!
//! # BUGS
//! - The Date is that of the start of the run.

use std::fmt::Write as _;

use bytes::Bytes;

/// Octets of a line without its CRLF, RFC 5322 section 2.1.1.
const LINE: usize = 78;
/// Digits of a message's number: `--messages` stays below 10^12.
const NUMBER_DIGITS: usize = 12;
/// A message up to this size on the wire is one write out of a connection's own buffer ...
const LARGEST_OWN: usize = 64 * 1024;
/// ... unless all connections' buffers together would take more than this.
const OWN_BUDGET: usize = 256 << 20;
/// Octets of a large message that belong to the last write.
const LAST: usize = 32 * 1024;
/// Ends the data: the CRLF in front of the dot is the message's own.
const END_OF_DATA: &[u8] = b".\r\n";
/// Each so many lines of the body, one starts with a dot, one is a dot alone, one starts with two dots.
const DOT_PERIOD: usize = 12;

/// What the header says.
#[derive(Debug)]
pub struct Header<'a> {
    /// Names the run.
    pub run: &'a str,
    /// Sender; empty for the null sender.
    pub from: &'a str,
    /// First recipient.
    pub to: &'a str,
    /// Seconds since 1970.
    pub date: u64,
}

/// The commands in front of a message.
#[derive(Debug)]
pub struct Envelope {
    /// MAIL, each RCPT, DATA, one after the other.
    pub commands: Vec<Bytes>,
    /// All of them, for a server that offers PIPELINING.
    pub group: Bytes,
}

/// What goes out behind the end of a message, in the same write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the reply is awaited first.
    Nothing,
    /// The next message's envelope.
    Envelope,
    /// QUIT.
    Quit,
}

/// The wire form of all messages of a run.
#[derive(Debug)]
pub struct Template {
    head: Vec<u8>,
    number_at: usize,
    message_id: std::ops::Range<usize>,
    middle: Bytes,
    /// The end of a large message with each tail, in the order of [`Tail`]; empty for a small one.
    last: [Bytes; 3],
    tails: [Bytes; 3],
}

/// A connection's own part of a message.
#[derive(Debug)]
pub struct OwnPart {
    /// The head, and for a small message its end and tail. Lent to the kernel during a write.
    pub bytes: Vec<u8>,
}

impl Envelope {
    /// For a message to `recipients` addresses made from `to`.
    pub fn new(from: &str, to: &str, recipients: u32) -> Envelope {
        let mut commands = vec![Bytes::from(format!("MAIL FROM:<{from}>\r\n"))];
        for number in 1..=recipients {
            commands.push(Bytes::from(format!(
                "RCPT TO:<{}>\r\n",
                numbered_address(to, number)
            )));
        }
        commands.push(Bytes::from_static(b"DATA\r\n"));
        let group = Bytes::from(commands.concat());
        Envelope { commands, group }
    }

    /// Number of RCPT commands.
    pub fn recipients(&self) -> usize {
        self.commands.len() - 2
    }
}

impl Template {
    /// Builds the message of `size` octets. The error is the smallest size that is possible.
    pub fn new(
        header: &Header,
        size: usize,
        envelope: &Envelope,
        connections: usize,
    ) -> Result<Template, usize> {
        let (message, number_at) = build(header, size)?;
        let start =
            memchr::memmem::find(&message, MESSAGE_ID.as_bytes()).expect("the header has it");
        let start = start + MESSAGE_ID.len();
        let end = start + memchr::memchr(b'\r', &message[start..]).expect("a field ends");
        let mut head = stuffed(&message);
        let tails = [
            Bytes::new(),
            envelope.group.clone(),
            Bytes::from_static(b"QUIT\r\n"),
        ];
        let own = head.len() <= LARGEST_OWN && head.len() * connections <= OWN_BUDGET;
        let (middle, last) = if own || head.len() <= end + LAST {
            head.extend_from_slice(END_OF_DATA);
            (Bytes::new(), Default::default())
        } else {
            let mut rest = head.split_off(end);
            let last = rest.split_off(rest.len() - LAST);
            let with = |tail: &Bytes| Bytes::from([&last[..], END_OF_DATA, tail].concat());
            (
                Bytes::from(rest),
                [with(&tails[0]), with(&tails[1]), with(&tails[2])],
            )
        };
        Ok(Template {
            head,
            number_at,
            message_id: start..end,
            middle,
            last,
            tails,
        })
    }

    /// A connection's own part.
    pub fn own_part(&self) -> OwnPart {
        let longest = self.tails.iter().map(Bytes::len).max().unwrap_or(0);
        let mut bytes = Vec::with_capacity(self.head.len() + longest);
        bytes.extend_from_slice(&self.head);
        OwnPart { bytes }
    }

    /// Makes the part that of message `number`, followed by `tail` where the message has no `last` of its own.
    pub fn patch(&self, part: &mut OwnPart, number: u64, tail: Tail) {
        assert!(
            part.bytes.len() >= self.head.len(),
            "the part came back from its write"
        );
        part.bytes.truncate(self.head.len());
        let mut rest = number;
        for digit in part.bytes[self.number_at..self.number_at + NUMBER_DIGITS]
            .iter_mut()
            .rev()
        {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        assert!(rest == 0, "the number fits its {NUMBER_DIGITS} digits");
        if !self.is_shared() {
            part.bytes.extend_from_slice(&self.tails[tail as usize]);
        }
    }

    /// The Message-ID that a part was patched to, with its angle brackets.
    pub fn message_id<'a>(&self, part: &'a OwnPart) -> &'a [u8] {
        &part.bytes[self.message_id.clone()]
    }

    /// Whether most of the message is shared: then `middle` and `last` follow a connection's own part.
    pub fn is_shared(&self) -> bool {
        !self.last[0].is_empty()
    }

    /// What follows a connection's own part of a large message.
    pub fn middle(&self) -> Bytes {
        self.middle.clone()
    }

    /// The end of a large message, with its tail.
    pub fn last(&self, tail: Tail) -> Bytes {
        self.last[tail as usize].clone()
    }
}

/// `local@domain`, and `local+2@domain` and so on for further recipients.
fn numbered_address(address: &str, number: u32) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) if number > 1 => format!("{local}+{number}@{domain}"),
        _ => address.to_owned(),
    }
}

const MESSAGE_ID: &str = "\r\nMessage-ID: ";

/// The message before transparency, and where its number is. The error is the smallest size.
fn build(header: &Header, size: usize) -> Result<(Vec<u8>, usize), usize> {
    let smallest = header_text(header, 0).len();
    // A body of one octet cannot end with CRLF: that octet goes into the Subject.
    let padding = usize::from(size == smallest + 1);
    let text = header_text(header, padding);
    if size < text.len() {
        return Err(smallest);
    }
    let number = "0".repeat(NUMBER_DIGITS) + "@";
    // The last one: the Message-ID is the last field, and an address may look like a number.
    let number_at = text
        .rfind(&number)
        .expect("the Message-ID holds the number");
    let mut message = text.into_bytes();
    fill_body(&mut message, size);
    assert!(
        message.len() == size,
        "the message has the size that was asked for"
    );
    Ok((message, number_at))
}

fn header_text(header: &Header, padding: usize) -> String {
    let from = if header.from.is_empty() {
        "loadtest@ringpost.example"
    } else {
        header.from
    };
    let mut text = String::new();
    write!(
        text,
        "From: <{from}>\r\nTo: <{}>\r\nSubject: load test {}{}\r\nDate: {}{MESSAGE_ID}<{}.{}@loadtest.ringpost.example>\r\n\r\n",
        header.to,
        header.run,
        "x".repeat(padding),
        date_text(header.date),
        header.run,
        "0".repeat(NUMBER_DIGITS),
    )
    .expect("a String takes everything");
    text
}

/// Lines of at most [`LINE`] octets and CRLF up to `size`; some start with a dot.
fn fill_body(message: &mut Vec<u8>, size: usize) {
    let mut number = 0;
    while message.len() < size {
        let rest = size - message.len();
        assert!(rest >= 2, "room for a CRLF is left");
        let mut length = (rest - 2).min(LINE);
        // Never leave one octet: no line is that short.
        if rest - 2 - length == 1 {
            length -= 1;
        }
        let line = line_text(number, length);
        message.extend_from_slice(&line);
        message.extend_from_slice(b"\r\n");
        number += 1;
    }
}

/// Line `number` of the body, at most `length` octets; lines differ, so that a lost or moved one would show.
fn line_text(number: usize, length: usize) -> Vec<u8> {
    let dots = match number % DOT_PERIOD {
        1 => ".",
        4 => "..",
        // The line that a server must not take for the end. Not where it would leave one octet behind.
        7 if length == LINE => return b".".to_vec(),
        _ => "",
    };
    let mut line = format!("{dots}{number:07} ").into_bytes();
    line.extend((b'a'..=b'z').cycle().skip(number % 26).take(LINE));
    line.truncate(length);
    line
}

/// Doubles the dot of every line that starts with one (RFC 5321 section 4.5.2).
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 64 + 16);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire
}

/// RFC 5322 section 3.3, in UTC.
fn date_text(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!(
        "{}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} +0000",
        DAYS[(days % 7) as usize],
        MONTHS[month]
    )
}

/// Year, month from 0, day from 1, of a day counted from 1 January 1970.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        run: "0123456789abcdef",
        from: "a@x.example",
        to: "b@x.example",
        date: 1_000_000_000,
    };

    fn smallest() -> usize {
        build(&HEADER, 1).expect_err("too small")
    }

    /// The specification of transparency, byte by byte: what a server must make of the wire form.
    fn unstuffed(wire: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        let mut line_start = true;
        for octet in wire {
            if !(line_start && *octet == b'.') {
                message.push(*octet);
            }
            line_start = *octet == b'\n';
        }
        message
    }

    #[test]
    fn the_message_has_exactly_the_size_and_survives_transparency() {
        for size in (smallest()..smallest() + 1200).chain([4096, 50_000, 65_536, 1 << 20]) {
            let (message, number_at) = build(&HEADER, size).expect("large enough");
            assert_eq!(message.len(), size);
            assert_eq!(
                &message[number_at..number_at + NUMBER_DIGITS],
                b"000000000000"
            );
            let wire = stuffed(&message);
            assert!(
                memchr::memmem::find(&wire, b"\r\n.\r\n").is_none(),
                "size {size} ends early"
            );
            assert_eq!(unstuffed(&wire), message, "size {size}");
            for line in message.split_inclusive(|octet| *octet == b'\n') {
                assert!(
                    line.ends_with(b"\r\n") && line.len() <= LINE + 2,
                    "size {size}"
                );
                assert!(!line[..line.len() - 2].contains(&b'\r'));
            }
        }
    }

    #[test]
    fn too_small_a_size_names_the_smallest() {
        let smallest = smallest();
        assert_eq!(
            build(&HEADER, smallest - 1).expect_err("too small"),
            smallest
        );
        assert_eq!(build(&HEADER, smallest).expect("fits").0.len(), smallest);
        assert_eq!(
            build(&HEADER, smallest + 1).expect("fits").0.len(),
            smallest + 1
        );
    }

    #[test]
    fn a_large_message_has_lines_with_dots() {
        let (message, _) = build(&HEADER, 4096).expect("large enough");
        let has = |line: &[u8]| memchr::memmem::find(&message, line).is_some();
        assert!(has(b"\r\n.0000001 ") && has(b"\r\n..0000004 ") && has(b"\r\n.\r\n"));
        assert!(stuffed(&message).len() >= message.len() + 10);
    }

    fn wire(template: &Template, number: u64, tail: Tail) -> Vec<u8> {
        let mut part = template.own_part();
        template.patch(&mut part, 999_999_999_999, Tail::Quit);
        template.patch(&mut part, number, tail);
        [&part.bytes[..], &template.middle(), &template.last(tail)].concat()
    }

    #[test]
    fn small_and_shared_layouts_carry_the_same_octets() {
        let envelope = Envelope::new("a@x.example", "b@x.example", 2);
        for size in [smallest(), 4096, 60_000, 65_536, 1 << 20] {
            let own = Template::new(&HEADER, size, &envelope, 1).expect("fits");
            let shared = Template::new(&HEADER, size, &envelope, 1 << 30).expect("fits");
            assert_eq!(own.is_shared(), size > 64_000, "size {size}");
            assert_eq!(shared.is_shared(), size > 40_000, "size {size}");
            for (tail, text) in [
                (Tail::Nothing, &b""[..]),
                (Tail::Envelope, &envelope.group),
                (Tail::Quit, b"QUIT\r\n"),
            ] {
                let octets = wire(&own, 42, tail);
                assert_eq!(octets, wire(&shared, 42, tail));
                let message = octets
                    .strip_suffix(&[b".\r\n", text].concat()[..])
                    .expect("end and tail");
                assert_eq!(unstuffed(message).len(), size);
                assert!(memchr::memmem::find(message, b".000000000042@").is_some());
            }
        }
    }

    #[test]
    fn the_message_id_carries_run_and_number() {
        let envelope = Envelope::new("a@x.example", "b@x.example", 1);
        let template = Template::new(&HEADER, 4096, &envelope, 1).expect("fits");
        let mut part = template.own_part();
        template.patch(&mut part, 7, Tail::Nothing);
        assert_eq!(
            template.message_id(&part),
            b"<0123456789abcdef.000000000007@loadtest.ringpost.example>"
        );
    }

    #[test]
    fn the_envelope_names_each_recipient_once() {
        let envelope = Envelope::new("", "load@x.example", 3);
        assert_eq!(envelope.recipients(), 3);
        assert_eq!(
            &envelope.group[..],
            b"MAIL FROM:<>\r\nRCPT TO:<load@x.example>\r\nRCPT TO:<load+2@x.example>\r\nRCPT TO:<load+3@x.example>\r\nDATA\r\n"
        );
    }

    #[test]
    fn dates_are_those_of_rfc_5322() {
        assert_eq!(date_text(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date_text(951_782_400), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(date_text(1_000_000_000), "Sun, 09 Sep 2001 01:46:40 +0000");
        assert_eq!(date_text(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 +0000");
        assert_eq!(date_text(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 +0000");
    }
}

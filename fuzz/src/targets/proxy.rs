//! The header of the PROXY protocol: its verdict is final.

use ringpost_proto::limits::PROXY_HEADER_OCTETS;
use ringpost_proto::proxy::{Header, parse};

use crate::mutate::Corpus;
use crate::random::Random;

pub fn corpus() -> Corpus {
    Corpus::read(include_str!("../../corpus/proxy.txt"), WORDS, 1500)
}

const WORDS: &[&str] = &[
    "PROXY ",
    "TCP4 ",
    "TCP6 ",
    "UNKNOWN",
    "192.0.2.1 ",
    "2001:db8::1 ",
    "::ffff:192.0.2.1 ",
    "4711 25\r\n",
    "65536",
    "\r\n",
    "\r\n\r\n\0\r\nQUIT\n",
    "\x21\x11",
    "\x20\x00",
    "\x00\x0c",
    "\x00\x24",
    "\x21\x21",
    " ",
    "0",
];

pub fn check(input: &[u8], random: &mut Random) {
    let verdict = parse(input);
    match verdict {
        Header::Proxied { consumed, .. } | Header::Local { consumed } => {
            assert!(consumed <= input.len() && consumed <= PROXY_HEADER_OCTETS);
            assert_eq!(parse(&input[..consumed]), verdict, "the header alone");
            assert_eq!(
                parse(&input[..consumed - 1]),
                Header::Incomplete,
                "one octet less"
            );
        }
        Header::Incomplete => assert!(input.len() < PROXY_HEADER_OCTETS, "an end is in sight"),
        Header::Invalid(why) => assert!(!why.text().is_empty()),
    }
    for _ in 0..4 {
        let cut = random.between(0, input.len());
        let before = parse(&input[..cut]);
        assert!(
            before == Header::Incomplete || before == verdict,
            "cut at {cut}: {before:?}"
        );
    }
    if verdict != Header::Incomplete {
        let more: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
        assert_eq!(parse(&[input, &more].concat()), verdict, "whatever follows");
    }
    agrees(input, verdict);
}

/// Version 1 as naive as can be: what `str` and the standard library make of the line.
fn agrees(input: &[u8], verdict: Header) {
    let Header::Proxied { source, consumed } = verdict else {
        return;
    };
    let Some(text) = input.strip_prefix(b"PROXY ") else {
        return;
    };
    let text = std::str::from_utf8(&text[..consumed - 8]).expect("ASCII");
    let words: Vec<&str> = text.split(' ').collect();
    let [family, client, _, port, _] = words[..] else {
        panic!("{text}")
    };
    assert_eq!(family == "TCP4", source.is_ipv4());
    assert_eq!(
        (client.parse(), port.parse()),
        (Ok(source.ip()), Ok(source.port()))
    );
}

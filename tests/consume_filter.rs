//! `--filter` against random texts and records: any text is parsed or refused with its place, and a filter and its opposite
//! share the records of ringpost between them. The harness is that of the fuzz targets.

use jiff::Timestamp;
use ringpost::consume::filter::Filter;
use ringpost::consume::received::Received;
use ringpost_fuzz::harness::{Range, run};
use ringpost_fuzz::mutate::Corpus;
use ringpost_fuzz::random::Random;
use ringpost_fuzz::targets::Target;

const TARGET: Target = Target {
    name: "filter",
    corpus,
    check,
};

/// The longest random text.
const OCTETS_MOST: usize = 400;

const TEXTS: &str = "\
domain = example.com
recipient = joe@example.com, *.example.org and not sender = <>
(size > 1MiB or time >= 1h ago) and client = 2001:db8::/32
helo = \"My \\\\\"Printer\\\\\"\" or tls != 'TLSv1.2*'
ce_authspf = pass and (id = 01* or protocol = ESMTPS or body = 8BITMIME)
not (not (domain = *.b\u{fc}cher.example))
time < 2026-11-28T03:12:01.5+01:00
";

const WORDS: &[&str] = &[
    "recipient",
    "domain",
    "sender",
    "client",
    "size",
    "time",
    "id",
    "helo",
    "protocol",
    "tls",
    "body",
    "ce_smtpto",
    "ce_",
    " = ",
    " != ",
    " < ",
    " <= ",
    " > ",
    " >= ",
    " and ",
    " or ",
    " not ",
    "(",
    ")",
    ",",
    "\"",
    "'",
    "\\",
    "*",
    "*.",
    "@",
    ".",
    "<>",
    "example.com",
    "joe@example.com",
    "192.0.2.0/24",
    "::/0",
    "1MiB",
    "18446744073709551616",
    "1h",
    "7d",
    "99999999999d",
    " ago",
    "2026-11-28",
    "T00:00:00Z",
    "\u{fc}",
    "xn--tda",
    "\u{202e}",
    "\u{1b}[2J",
    "\0",
    "\n",
    " ",
];

fn corpus() -> Corpus {
    Corpus::read(TEXTS, WORDS, OCTETS_MOST)
}

/// Twenty thousand, or as many as RINGPOST_EXECUTIONS says.
#[test]
fn any_text_is_a_filter_or_a_mistake_with_its_place() {
    let wanted = std::env::var("RINGPOST_EXECUTIONS");
    let executions = wanted.map_or(20_000, |text| text.parse().expect("a number"));
    let range = Range {
        seed: 1,
        first: 0,
        executions,
        threads: 1,
    };
    match run(&TARGET, range) {
        Ok(counted) => assert_eq!(counted, executions),
        Err(finding) => panic!(
            "execution {}: {}",
            finding.number,
            finding.input.escape_ascii()
        ),
    }
}

fn check(input: &[u8], random: &mut Random) {
    let text = String::from_utf8_lossy(input);
    let now = Timestamp::from_second(1_795_867_200).expect("a time");
    let parse = |text: &str| Filter::parse(&[text], now);
    match parse(&text) {
        Ok(filter) => {
            let opposite = match parse(&format!("not ({text})")) {
                Ok(opposite) => opposite,
                Err(deeper) => {
                    let said = deeper.to_string();
                    return assert!(said.contains("nested too deep"), "{said}");
                }
            };
            let received = record(random);
            let (holds, other) = (filter.holds(&received), opposite.holds(&received));
            assert_eq!(holds != other, received.is_ours(), "{text:?} {received:?}");
        }
        Err(error) => {
            assert!(error.at() <= text.len());
            let said = error.to_string();
            assert_eq!(said.lines().count(), 4, "{said}");
            let safe =
                |c: char| c == '\n' || !c.is_control() && !('\u{2028}'..='\u{202e}').contains(&c);
            assert!(said.chars().all(safe), "{said:?}");
        }
    }
}

/// A record of ringpost, or of anybody.
fn record(random: &mut Random) -> Received {
    let names = [
        "ce_type",
        "ce_id",
        "ce_time",
        "ce_smtpfrom",
        "ce_smtpto",
        "ce_smtphelo",
        "ce_smtpclient",
        "ce_smtptls",
        "ce_smtpsize",
        "ce_authspf",
    ];
    let values: [&[u8]; 14] = [
        b"io.ringpost.mail.received.v1",
        b"com.example.order",
        b"",
        b"joe@example.com",
        b"\"a@b\"@EXAMPLE.com.",
        b"[\"joe@example.com\",\"@\",\"x\",\"\xc3\xbc@\xc3\xbc.example\"]",
        b"[]",
        b"192.0.2.1:25",
        b"[2001:db8::1]:25",
        b"2048",
        b"2026-11-28T03:12:01Z",
        b"My \"Printer\"",
        b"\xff",
        b"pass",
    ];
    let mut headers = vec![("ce_type".to_owned(), random.of(&values[..2]).to_vec())];
    for _ in 0..random.below(8) {
        headers.push(((*random.of(&names)).to_owned(), random.of(&values).to_vec()));
    }
    Received {
        headers,
        timestamp: random.once_in(2).then(|| random.next() as i64),
        ..Received::default()
    }
}

//! Random messages and records: whatever comes, there are verdicts and a field.

use super::*;
use crate::authenticate::dns::Kind;
use crate::authenticate::dns::tests::Zone;
use crate::authenticate::keys::checker;
use crate::authenticate::{field, forged};

/// Numbers from a seed, so that a failure can be replayed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("below a usize")
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Parts of messages, of which many are cut off or odd.
const PARTS: [&str; 52] = [
    "From: ",
    "from :",
    "DKIM-Signature: ",
    "ARC-Seal: ",
    "ARC-Message-Signature: ",
    "ARC-Authentication-Results: ",
    "Authentication-Results: ",
    "Subject: ",
    "a@b.example",
    "mx.example",
    "<",
    ">",
    ",",
    ";",
    ":",
    "\"",
    "\\",
    "(",
    ")",
    "=",
    "=?utf-8?q?x?=",
    "v=1; ",
    "a=rsa-sha256; ",
    "a=ed25519-sha256; ",
    "a=rsa-sha1; ",
    "c=relaxed/simple; ",
    "c=simple; ",
    "d=b.example; ",
    "s=s; ",
    "h=from:to; ",
    "h=; ",
    "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; ",
    "bh=; ",
    "b=AAAA; ",
    "b=; ",
    "i=1; ",
    "i=2; ",
    "i=51; ",
    "i=@b.example; ",
    "cv=none; ",
    "cv=pass; ",
    "l=3; ",
    "l=99999999999999999999; ",
    "x=1; ",
    "t=9; ",
    "q=dns/txt; ",
    "group: ",
    "\u{0}",
    "\u{fc}\u{202e}",
    "none",
    " ",
    "\t",
];
const ENDS: [&str; 6] = ["\r\n", "\r\n ", "\n", "\r", "\r\n\r\n", ""];
const RECORDS: [&str; 30] = [
    "v=spf1 ",
    "v=DMARC1; ",
    "v=DKIM1; ",
    "a",
    "mx",
    "ptr",
    "all",
    "include:b.example ",
    "redirect=b.example ",
    "exists:%{i}.b.example ",
    "%{",
    "%{p}",
    "%{d2r-}",
    "%{S}",
    "%%",
    "%",
    ":",
    "/",
    "//",
    "24",
    "ip4:192.0.2.1",
    "ip6:::1",
    " ",
    "-",
    "p=reject; ",
    "p=",
    "sp=none; ",
    "psd=y; ",
    "k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "\u{fc}",
];

fn message(random: &mut Random) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..random.below(40) {
        for _ in 0..random.below(12) {
            message.extend_from_slice(random.of(&PARTS).as_bytes());
        }
        message.extend_from_slice(random.of(&ENDS).as_bytes());
    }
    message
}

fn zone(random: &mut Random) -> Zone {
    let mut zone = Zone::default()
        .with("b.example", Kind::A, &["192.0.2.1"])
        .with("b.example", Kind::Mx, &["b.example", "c.example"])
        .with(
            "1.2.0.192.in-addr.arpa",
            Kind::Ptr,
            &["b.example", "c.example"],
        );
    for name in ["b.example", "_dmarc.b.example", "s._domainkey.b.example"] {
        let texts: Vec<String> = (0..random.below(3))
            .map(|_| {
                (0..random.below(12))
                    .map(|_| *random.of(&RECORDS))
                    .collect()
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        zone = match random.below(10) {
            0 => zone.broken(name, Kind::Txt),
            _ => zone.with(name, Kind::Txt, &texts),
        };
    }
    zone
}

#[test]
fn whatever_comes_there_are_verdicts() {
    let checker = checker().unwrap();
    let seeds = std::env::var("RINGPOST_EXECUTIONS")
        .ok()
        .and_then(|count| count.parse().ok());
    for seed in 1..seeds.unwrap_or(3_000u64) {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (message, zone) = (message(&mut random), zone(&mut random));
        let odd = message.get(..random.below(30)).unwrap_or_default();
        let odd = String::from_utf8_lossy(odd);
        let names: [&str; 4] = ["b.example", "", "[192.0.2.1]", &odd];
        let senders: [&str; 5] = ["a@b.example", "", "@", "a", &odd];
        let mail = Mail {
            client: random.of(&["192.0.2.1", "2001:db8::1"]).parse().unwrap(),
            helo: names[random.below(names.len())],
            sender: senders[random.below(senders.len())],
            message: &message,
            is_whole: random.below(20) > 0,
        };
        let work = std::cell::RefCell::new(Work::begin(mail));
        let verdicts = zone.run(|answers| work.borrow_mut().advance(&checker, answers));
        let text = field::write("mx.example", &verdicts);
        assert!(
            text.starts_with("Authentication-Results: mx.example;\r\n\t"),
            "seed {seed}"
        );
        let fields = text.split("\r\n").skip(1).filter(|line| !line.is_empty());
        assert!(
            fields.clone().all(|line| line.starts_with('\t')),
            "seed {seed}: {text}"
        );
        if let Some((renamed, count)) = forged::renamed(&message, "mx.example") {
            assert_eq!(
                renamed.len(),
                message.len() + count * forged::PREFIX.len(),
                "seed {seed}"
            );
            assert_eq!(forged::renamed(&renamed, "mx.example"), None, "seed {seed}");
        }
    }
}

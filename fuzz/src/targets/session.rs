//! A client's octets, in random pieces, with random outcomes.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use ringpost_proto::smtp::policy::{BareNewlinePolicy, Policy, Recipients};
use ringpost_proto::smtp::refusal::Refusal;

use crate::driver::{Driver, Log, replies};
use crate::mutate::Corpus;
use crate::random::Random;

pub fn corpus() -> Corpus {
    Corpus::read(include_str!("../../corpus/session.txt"), WORDS, 3000)
}

const WORDS: &[&str] = &[
    "EHLO c\r\n",
    "MAIL FROM:<a@b>\r\n",
    "RCPT TO:<x@mx.example>\r\n",
    "RCPT TO:<x@other>\r\n",
    "DATA\r\n",
    ".\r\n",
    "\r\n.\r\n",
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r\n.\r\r\n",
    "\r\r\n.\r\n",
    "\r\n..",
    "..",
    "\r",
    "\n",
    "\r\n",
    "RSET\r\n",
    "QUIT\r\n",
    "NOOP\r\n",
    "MAIL FROM:<> SIZE=30\r\n",
    "BDAT 5\r\n",
    "BDAT 7 LAST\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 999\r\n",
    "BDAT 18446744073709551615\r\n",
    "BDAT 18446744073709551616\r\n",
    "BDAT x LAST\r\n",
    "BDAT 7 LAST\n",
    "RCPT TO:<x@m\u{fc}.example>\r\n",
    " BODY=BINARYMIME",
    "STARTTLS\r\n",
    "VRFY x\r\n",
    "STARTTLS\r\n~TLS~EHLO c\r\n",
    "~TLS~",
    "\x16\x03\x01",
    "GET / HTTP/1.1\r\n",
    "\0",
];

/// Stands in an input where the handshake is done that STARTTLS asked for.
const HANDSHAKE: &str = "~TLS~";

/// Answers of the driver; "stored" and "there is room" are the most frequent.
const OUTCOMES: [Result<(), Refusal>; 6] = [
    Ok(()),
    Ok(()),
    Ok(()),
    Err(Refusal::StorageTimedOut),
    Err(Refusal::StorageUnavailable),
    Err(Refusal::StorageTooBig),
];
const ROOMS: [Result<(), Refusal>; 4] = [Ok(()), Ok(()), Ok(()), Err(Refusal::NoRoom)];

/// One that refuses bare newlines in data, one that takes them.
static POLICIES: LazyLock<([Arc<Policy>; 2], Instant)> = LazyLock::new(|| {
    let (rejects, mut accepts) = (policy(), policy());
    accepts.bare_newlines = BareNewlinePolicy::Accept;
    ([Arc::new(rejects), Arc::new(accepts)], Instant::now())
});

fn policy() -> Policy {
    let mut policy = Policy::new("mx.example");
    policy.message_size = 60;
    policy.recipients = 3;
    policy.errors = 12;
    policy.session_messages = 5;
    policy.idle_commands = 30;
    policy.starttls = true;
    policy.taken = Arc::new(Recipients::everybody_at(["mx.example"]));
    policy
}

pub fn check(input: &[u8], random: &mut Random) {
    let (policies, now) = &*POLICIES;
    let policy = random.of(policies);
    let outcomes: VecDeque<_> = (0..4).map(|_| *random.of(&OUTCOMES)).collect();
    let rooms: VecDeque<_> = (0..4).map(|_| *random.of(&ROOMS)).collect();
    let mut expected = None;
    for most in [usize::MAX, 1, 2, 7, 100] {
        let mut driver = Driver::new(Arc::clone(policy), *now);
        (driver.rooms, driver.outcomes) = (rooms.clone(), outcomes.clone());
        for part in split(input) {
            let mut rest = part;
            while !rest.is_empty() {
                let length = if most < rest.len() {
                    random.between(1, most)
                } else {
                    rest.len()
                };
                let (piece, behind) = rest.split_at(length);
                driver.receive(piece);
                rest = behind;
            }
            driver.secure();
        }
        let expected = expected.get_or_insert_with(|| driver.log.clone());
        assert_eq!(driver.log, *expected, "in pieces of up to {most}");
    }
    promises(
        &expected.expect("the first run"),
        &Vec::from(outcomes),
        policy,
    );
}

/// What is sent before each handshake.
fn split(input: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), input);
    while let Some(at) = rest
        .windows(HANDSHAKE.len())
        .position(|octets| octets == HANDSHAKE.as_bytes())
    {
        parts.push(&rest[..at]);
        rest = &rest[at + HANDSHAKE.len()..];
    }
    parts.push(rest);
    parts
}

/// The replies to messages are one each, and 250 where, and only where, the message was stored. The driver has compared
/// each message with the oracle.
fn promises(log: &Log, outcomes: &[Result<(), Refusal>], policy: &Policy) {
    let promised: Vec<String> = replies(&log.said)
        .into_iter()
        .filter_map(|reply| {
            reply[0]
                .strip_prefix("250 2.0.0 queued as ")
                .map(str::to_owned)
        })
        .collect();
    let stored = (0..log.committed.len())
        .filter(|&number| outcomes.get(number).is_none_or(Result::is_ok))
        .map(|number| (number + 1).to_string());
    assert_eq!(promised, stored.collect::<Vec<_>>());
    for message in &log.committed {
        assert!(message.body.len() <= 60 && (1..=3).contains(&message.to.len()));
        assert!(!message.bare_newlines || policy.bare_newlines == BareNewlinePolicy::Accept);
    }
}

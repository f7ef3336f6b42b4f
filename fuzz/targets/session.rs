//! A client's octets, in random pieces, with random outcomes.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use ringpost::smtp::policy::Policy;
use ringpost::smtp::refusal::Refusal;

use crate::driver::{Driver, Log, replies};
use crate::mutate::Corpus;
use crate::random::Random;

pub fn corpus() -> Corpus {
    Corpus::read(include_str!("../corpus/session.txt"), WORDS, 3000)
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
    " BODY=BINARYMIME",
    "STARTTLS\r\n",
    "VRFY x\r\n",
    "\0",
];

/// Answers of the driver; "stored" and "there is room" are the most frequent.
const OUTCOMES: [Result<(), Refusal>; 6] = [
    Ok(()),
    Ok(()),
    Ok(()),
    Err(Refusal::KafkaTimedOut),
    Err(Refusal::KafkaUnavailable),
    Err(Refusal::KafkaTooBig),
];
const ROOMS: [Result<(), Refusal>; 4] = [Ok(()), Ok(()), Ok(()), Err(Refusal::NoRoom)];

static POLICY: LazyLock<(Arc<Policy>, Instant)> =
    LazyLock::new(|| (Arc::new(policy()), Instant::now()));

fn policy() -> Policy {
    let minute = Duration::from_secs(60);
    Policy {
        hostname: "mx.example".into(),
        message_size: 60,
        recipients: 3,
        errors: 12,
        command_timeout: minute,
        data_timeout: minute,
        commit_timeout: minute,
        domains: vec!["mx.example".into()],
    }
}

pub fn check(input: &[u8], random: &mut Random) {
    let mut whole = driver(random);
    let answers = (whole.rooms.clone(), whole.outcomes.clone());
    whole.receive(input);
    let expected = whole.log;
    promises(&expected, &Vec::from(answers.1.clone()));
    for most in [1, 2, 7, 100] {
        let mut driver = driver(random);
        (driver.rooms, driver.outcomes) = answers.clone();
        let mut rest = input;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(random.between(1, most).min(rest.len()));
            driver.receive(piece);
            rest = behind;
        }
        assert_eq!(driver.log, expected, "in pieces of up to {most}");
    }
}

fn driver(random: &mut Random) -> Driver {
    let (policy, now) = &*POLICY;
    let mut driver = Driver::new(Arc::clone(policy), *now);
    driver.outcomes = (0..4).map(|_| *random.of(&OUTCOMES)).collect();
    driver.rooms = (0..4).map(|_| *random.of(&ROOMS)).collect();
    driver
}

/// The replies to messages are one each, and 250 where, and only where, the message was stored. The driver has compared
/// each message with the oracle.
fn promises(log: &Log, outcomes: &[Result<(), Refusal>]) {
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
    }
}

//! All sequences of five inputs and outcomes, from two starting points: a message gets 250 where, and only where, it was
//! stored, exactly once; nothing is said while a handshake is awaited or after the end.

#[path = "support/driver.rs"]
mod driver;

use std::sync::Arc;
use std::time::Instant;

use driver::{Driver, replies};
use ringpost_proto::smtp::policy::{Policy, Recipients};
use ringpost_proto::smtp::refusal::Refusal;
use ringpost_proto::smtp::session::Expects;

/// One input, with what the driver will answer to what comes of it.
#[derive(Debug, Clone, Copy)]
enum Input {
    /// Octets of the client.
    Sends(&'static [u8]),
    /// Octets that may begin a message, for which there is room or none.
    Begins(&'static [u8], Result<(), Refusal>),
    /// Octets that may end a message, and what becomes of it.
    Ends(&'static [u8], Result<(), Refusal>),
    /// The handshake is done.
    Secured,
    /// The deadline passes.
    Expires,
    /// The server stops.
    Drains,
}

const LENGTH: u32 = 5;

const INPUTS: [Input; 16] = [
    Input::Sends(b"EHLO c\r\n"),
    Input::Sends(b"MAIL FROM:<a@b>\r\n"),
    Input::Sends(b"RCPT TO:<x@mx.example>\r\n"),
    Input::Begins(b"DATA\r\n", Ok(())),
    Input::Begins(b"DATA\r\n", Err(Refusal::NoRoom)),
    Input::Ends(b"x\r\n.\r\n", Ok(())),
    Input::Ends(b"x\r\n.\r\n", Err(Refusal::StorageUnavailable)),
    Input::Sends(b"BDAT 3\r\nabc"),
    Input::Ends(b"BDAT 3 LAST\r\nabc", Ok(())),
    Input::Ends(b"BDAT 3 LAST\r\nabc", Err(Refusal::StorageTimedOut)),
    Input::Sends(b"RSET\r\n"),
    Input::Sends(b"STARTTLS\r\n"),
    Input::Secured,
    Input::Sends(b"QUIT\r\n"),
    Input::Expires,
    Input::Drains,
];

/// What is known of a run.
struct Run {
    driver: Driver,
    /// What became of each message, in order.
    outcomes: Vec<Result<(), Refusal>>,
}

impl Run {
    fn new(policy: &Arc<Policy>, now: Instant, before: &[u8]) -> Self {
        let mut driver = Driver::new(Arc::clone(policy), now);
        driver.receive(before);
        Self {
            driver,
            outcomes: Vec::new(),
        }
    }

    fn input(&mut self, input: Input) {
        let said = self.driver.log.said.len();
        let committed = self.driver.log.committed.len();
        let mute = matches!(
            self.driver.session.expects(),
            Expects::Nothing | Expects::Driver
        );
        let mut outcome = Err(Refusal::StorageRefused);
        match input {
            Input::Sends(octets) => self.driver.receive(octets),
            Input::Begins(octets, room) => {
                self.driver.rooms.push_back(room);
                self.driver.receive(octets);
                self.driver.rooms.clear();
            }
            Input::Ends(octets, becomes) => {
                outcome = becomes;
                self.driver.outcomes.push_back(becomes);
                self.driver.receive(octets);
                self.driver.outcomes.clear();
            }
            Input::Secured => self.driver.secure(),
            Input::Expires => self.driver.expire(),
            Input::Drains => self.driver.drain(),
        }
        let messages = self.driver.log.committed.len() - committed;
        assert!(messages <= 1, "one input ends one message");
        self.outcomes.extend(std::iter::repeat_n(outcome, messages));
        assert!(
            !mute || said == self.driver.log.said.len(),
            "it speaks although it may not"
        );
    }

    /// The promises that were made are those for the messages that were stored, in order.
    fn check(&self) -> usize {
        let promised = replies(&self.driver.log.said)
            .into_iter()
            .filter_map(|reply| {
                let number = reply[0].strip_prefix("250 2.0.0 queued as ")?;
                Some(number.parse::<usize>().expect("a number"))
            });
        let stored = self
            .outcomes
            .iter()
            .enumerate()
            .filter(|(_, outcome)| outcome.is_ok());
        let stored: Vec<usize> = stored.map(|(number, _)| number + 1).collect();
        assert_eq!(promised.collect::<Vec<_>>(), stored);
        stored.len()
    }
}

fn all_sequences(before: &[u8]) -> usize {
    let mut policy = Policy::new("mx.example");
    policy.taken = Arc::new(Recipients::everybody_at(["mx.example"]));
    policy.starttls = true;
    let (policy, now) = (Arc::new(policy), Instant::now());
    let (mut promises, mut number) = (0, 0);
    while number < INPUTS.len().pow(LENGTH) {
        let mut run = Run::new(&policy, now, before);
        let mut step = 1;
        for place in (0..LENGTH).rev() {
            run.input(INPUTS[number / INPUTS.len().pow(place) % INPUTS.len()]);
            if run.driver.session.expects() == Expects::Nothing {
                // One more input shows that it is over; all sequences that begin so end so.
                run.input(INPUTS[number % INPUTS.len()]);
                step = INPUTS.len().pow(place) - number % INPUTS.len().pow(place);
                break;
            }
        }
        promises += run.check();
        number += step;
    }
    promises
}

#[test]
fn from_the_banner() {
    assert!(all_sequences(b"") > 0, "some sequences store a message");
}

#[test]
fn from_an_open_transaction() {
    let before = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@mx.example>\r\n";
    assert!(all_sequences(before) > 0, "some sequences store a message");
}

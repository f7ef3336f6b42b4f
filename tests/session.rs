//! The session against its own promises: a dialogue says the same however it is cut, and no sequence of inputs gets a
//! message's 250 without the outcome "stored".

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringpost::smtp::policy::{Policy, Recipients};
use ringpost::smtp::refusal::Refusal;
use ringpost::smtp::session::{Action, Expects, Session};

fn policy() -> Arc<Policy> {
    let minute = Duration::from_secs(60);
    Arc::new(Policy {
        hostname: "mx.example".into(),
        message_size: 50,
        recipients: 2,
        errors: 4,
        command_timeout: minute,
        data_timeout: minute,
        commit_timeout: minute,
        taken: Arc::new(Recipients::everybody_at(["mx.example"])),
    })
}

/// What a dialogue came to.
#[derive(Debug, PartialEq, Eq, Default)]
struct Log {
    said: String,
    committed: Vec<Vec<u8>>,
}

/// A driver as small as can be. `outcomes` answer the commits in turn; "stored" once they are used up.
struct Driver {
    session: Session,
    input: Vec<u8>,
    body: Vec<u8>,
    outcomes: Vec<Result<u32, Refusal>>,
    log: Log,
}

impl Driver {
    fn new(outcomes: Vec<Result<u32, Refusal>>) -> Self {
        let session = Session::new(policy(), Instant::now());
        Self {
            session,
            input: Vec::new(),
            body: Vec::new(),
            outcomes,
            log: Log::default(),
        }
    }

    fn receive(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        loop {
            self.act();
            let before = self.input.len();
            match self.session.expects() {
                Expects::Commands => {
                    let consumed = self.session.receive(&self.input, Instant::now());
                    self.input.drain(..consumed);
                }
                Expects::Data if !self.input.is_empty() => {
                    let progress = self.session.receive_data(&mut self.input, Instant::now());
                    self.body.extend_from_slice(&self.input[..progress.kept]);
                    self.body.truncate(self.body.len() - progress.retracted);
                    self.input.drain(..progress.consumed);
                }
                Expects::Data | Expects::Nothing => {}
                Expects::Driver => unreachable!("act() answered"),
            }
            if self.input.len() == before {
                break;
            }
        }
        self.act();
        let mut octets = Vec::new();
        self.session.replies().swap(&mut octets);
        self.log
            .said
            .push_str(std::str::from_utf8(&octets).unwrap());
    }

    fn act(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Admit { .. } => {
                    self.body.clear();
                    self.session.admit(Ok(()), Instant::now());
                }
                Action::Commit { size } => {
                    assert_eq!(size, self.body.len() as u64);
                    self.log.committed.push(std::mem::take(&mut self.body));
                    let outcome = if self.outcomes.is_empty() {
                        Ok(7)
                    } else {
                        self.outcomes.remove(0)
                    };
                    self.session.resolve(outcome, Instant::now());
                }
                Action::Discard => self.body.clear(),
                Action::Close => {}
            }
        }
    }
}

fn run(dialogue: &[u8], cuts: &[usize]) -> Log {
    let mut driver = Driver::new(vec![Ok(1), Err(Refusal::KafkaTimedOut)]);
    let mut from = 0;
    for &to in cuts.iter().chain([&dialogue.len()]) {
        driver.receive(&dialogue[from..to]);
        from = to;
    }
    driver.log
}

const DIALOGUE: &[u8] = b"NOOP\r\nMAIL FROM:<a@b>\r\nEHLO c.example\r\nDATA\r\nMAIL FROM:<a@b> SIZE=99\r\n\
MAIL FROM:<a@b>\r\nRCPT TO:<x@other>\r\nRCPT TO:<x@mx.example>\r\nDATA\r\n..one\r\n.\r\r\n\r\n.\r\n\
MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n.\r\nRSET\r\n\
MAIL FROM:<a@b>\r\nRCPT TO:<x@mx.example>\r\nRCPT TO:<y@mx.example>\r\nRCPT TO:<z@mx.example>\r\nDATA\r\n\
0123456789012345678901234567890123456789012345678901234567890\r\n.\r\nVRFY x\r\nQUIT\r\nNOOP\r\n";

#[test]
fn a_dialogue_says_the_same_however_it_is_cut() {
    let whole = run(DIALOGUE, &[]);
    let codes: Vec<&str> = whole
        .said
        .lines()
        .filter(|l| l.as_bytes()[3] == b' ')
        .map(|l| &l[..3])
        .collect();
    let expected = [
        "220", "250", "503", "250", "503", "552", "250", "550", "250", "354",
        "250", // the first message
        "250", "250", "354", "451", "250", // stored in vain, then RSET
        "250", "250", "250", "452", "354", "552", "252", "221",
    ];
    assert_eq!(codes, expected, "{}", whole.said);
    assert_eq!(whole.committed, [&b".one\r\n\r\r\n\r\n"[..], b""]);
    for first in 0..=DIALOGUE.len() {
        assert_eq!(run(DIALOGUE, &[first]), whole, "cut at {first}");
        for second in (first..=DIALOGUE.len()).step_by(3) {
            assert_eq!(
                run(DIALOGUE, &[first, second]),
                whole,
                "cut at {first} and {second}"
            );
        }
    }
    let every: Vec<usize> = (0..DIALOGUE.len()).collect();
    assert_eq!(run(DIALOGUE, &every), whole);
}

#[test]
fn no_sequence_of_inputs_gets_a_250_for_a_message_that_is_not_stored() {
    let inputs: [&[u8]; 8] = [
        b"EHLO c\r\n",
        b"MAIL FROM:<a@b>\r\n",
        b"RCPT TO:<x@mx.example>\r\n",
        b"DATA\r\n",
        b"x\r\n.\r\n",
        b"RSET\r\n",
        b"QUIT\r\n",
        b"\n.\n",
    ];
    let mut commits = 0;
    for length in 1..=6_u32 {
        for number in 0..inputs.len().pow(length) {
            let refused = vec![Err(Refusal::KafkaUnavailable); 6];
            let mut driver = Driver::new(refused);
            for place in 0..length {
                driver.receive(inputs[number / inputs.len().pow(place) % inputs.len()]);
            }
            // The id of a stored message is the only text of a 250 that is a number.
            let promised = driver
                .log
                .said
                .lines()
                .any(|line| line.strip_prefix("250 2.0.0 ").is_some_and(|t| t != "Ok"));
            assert!(!promised, "{}", driver.log.said);
            commits += driver.log.committed.len();
        }
    }
    assert!(commits > 0, "some sequences reach the commit");
}

#[test]
fn a_deadline_says_421_to_a_client_and_451_to_a_commit() {
    let mut driver = Driver::new(Vec::new());
    driver.session.expire(Instant::now());
    driver.receive(b"");
    assert!(
        driver
            .log
            .said
            .ends_with("\r\n421 4.4.2 Timed out; closing the connection\r\n")
    );
    assert_eq!(driver.session.expects(), Expects::Nothing);

    let mut session = Session::new(policy(), Instant::now());
    session.receive(
        b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n",
        Instant::now(),
    );
    assert_eq!(
        session.poll_action(),
        Some(Action::Admit { announced: None })
    );
    session.admit(Ok(()), Instant::now());
    session.receive_data(&mut b".\r\n".to_vec(), Instant::now());
    assert_eq!(session.poll_action(), Some(Action::Commit { size: 0 }));
    session.expire(Instant::now());
    let mut said = Vec::new();
    session.replies().swap(&mut said);
    assert!(
        String::from_utf8(said)
            .unwrap()
            .ends_with("in time; try again later\r\n")
    );
    assert_eq!(session.expects(), Expects::Commands);
}

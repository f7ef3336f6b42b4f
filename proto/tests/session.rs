//! The session against its own promises: a dialogue says the same however it is cut, and no sequence of inputs gets a
//! message's 250 without the outcome "stored".

#[path = "support/driver.rs"]
mod driver;

use std::sync::Arc;
use std::time::{Duration, Instant};

use driver::{Driver, Log, replies};
use ringpost_proto::smtp::policy::{BareNewlinePolicy, Policy, Recipients};
use ringpost_proto::smtp::refusal::Refusal;
use ringpost_proto::smtp::session::{Action, Expects, Output, Session};

fn policy() -> Arc<Policy> {
    let mut policy = Policy::new("mx.example");
    policy.message_size = 50;
    policy.recipients = 2;
    policy.errors = 8;
    policy.taken = Arc::new(Recipients::everybody_at(["mx.example"]));
    policy.bare_newlines = BareNewlinePolicy::Accept;
    policy.starttls = true;
    Arc::new(policy)
}

fn run(dialogue: &[u8], cuts: &[usize]) -> Log {
    let mut driver = Driver::new(policy(), Instant::now());
    driver.outcomes = [Ok(()), Err(Refusal::StorageTimedOut)].into();
    let mut from = 0;
    for &to in cuts.iter().chain([&dialogue.len()]) {
        driver.receive(&dialogue[from..to]);
        from = to;
    }
    driver.log
}

/// What was said, as text.
fn said(log: &Log) -> &str {
    std::str::from_utf8(&log.said).expect("replies are ASCII")
}

/// The codes of the replies.
fn codes(log: &Log) -> Vec<String> {
    let code = |reply: Vec<String>| reply[0][..3].to_owned();
    replies(&log.said).into_iter().map(code).collect()
}

/// The bodies of the messages.
fn bodies(log: &Log) -> Vec<&[u8]> {
    log.committed.iter().map(|message| &*message.body).collect()
}

const DIALOGUE: &[u8] = b"NOOP\r\nMAIL FROM:<a@b>\r\nEHLO c.example\r\nDATA\r\nMAIL FROM:<a@b> SIZE=99\r\n\
MAIL FROM:<a@b>\r\nRCPT TO:<x@other>\r\nRCPT TO:<x@mx.example>\r\nDATA\r\n..one\r\n.\r\r\n\r\n.\r\n\
MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n.\r\nRSET\r\n\
MAIL FROM:<a@b>\r\nRCPT TO:<x@mx.example>\r\nRCPT TO:<y@mx.example>\r\nRCPT TO:<z@mx.example>\r\nDATA\r\n\
0123456789012345678901234567890123456789012345678901234567890\r\n.\r\nVRFY x\r\nQUIT\r\nNOOP\r\n";

/// Chunks: refused ones are dropped whole, accepted ones are data whatever they hold.
const CHUNKS: &[u8] = b"EHLO c.example\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\n\
RCPT TO:<x@mx.example>\r\nDATA\r\nBDAT 4\r\na\r\n.RCPT TO:<x@mx.example>\r\nBDAT 0\r\nBDAT 5 LAST\r\n\r\n.\r\n\
MAIL FROM:<a@b>\r\nRCPT TO:<x@mx.example>\r\nBDAT 2\r\nabBDAT 49 LAST\r\n\
0123456789012345678901234567890123456789012345678BDAT 6 LAST\r\nQUIT\r\n\
MAIL FROM:<a@b>\r\nRCPT TO:<x@mx.example>\r\nBDAT 2\r\nabRSET\r\n\
MAIL FROM:<a@b>\r\nRCPT TO:<x@mx.example>\r\nBDAT 0 LAST\r\nQUIT\r\n";

#[test]
fn chunks_say_the_same_however_they_are_cut() {
    let whole = run(CHUNKS, &[]);
    let expected = [
        "220", "250", "503", "250", "250", "503", // DATA for a binary message
        "250", "503", "250", "250", // RCPT between chunks; stored
        "250", "250", "250", "552", "503", // too big; the next chunk is without a transaction
        "250", "250", "250", "250", // RSET
        "250", "250", "451", "221",
    ];
    assert_eq!(codes(&whole), expected, "{}", said(&whole));
    assert_eq!(bodies(&whole), [&b"a\r\n.\r\n.\r\n"[..], b""]);
    for first in 0..=CHUNKS.len() {
        assert_eq!(run(CHUNKS, &[first]), whole, "cut at {first}");
        for second in (first..=CHUNKS.len()).step_by(3) {
            let cut = run(CHUNKS, &[first, second]);
            assert_eq!(cut, whole, "cut at {first} and {second}");
        }
    }
}

#[test]
fn what_was_pipelined_in_clear_behind_starttls_is_never_answered() {
    let mut driver = Driver::new(policy(), Instant::now());
    driver.receive(b"EHLO c\r\nSTARTTLS\r\nMAIL FROM:<injected@b>\r\n");
    driver.secure();
    driver.receive(b"EHLO c\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\n");
    let said = said(&driver.log);
    let after = said.split_once("220 2.0.0 Ready to start TLS\r\n").unwrap();
    assert!(after.0.contains("250 STARTTLS\r\n"), "{said}");
    assert!(!after.1.contains("250 STARTTLS\r\n"), "{said}");
    assert!(after.1.starts_with("250-mx.example\r\n"), "{said}");
    assert!(after.1.contains("503 5.5.1 STARTTLS"), "{said}");
    assert_eq!(after.1.matches("250 2.1.0").count(), 1, "{said}");
}

#[test]
fn what_is_no_mail_client_is_told_so_and_closed() {
    for opening in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01",
    ] {
        let mut driver = Driver::new(policy(), Instant::now());
        driver.receive(opening);
        let said = said(&driver.log);
        assert!(said.contains("\r\n521 5.5.1 "), "{said}");
        assert_eq!(driver.session.expects(), Expects::Nothing);
    }
}

/// A session whose message is about to be received, and what it said.
fn receiving(now: Instant) -> (Session, Output) {
    let (mut session, mut output) = (Session::new(policy(), now), Output::default());
    let group = b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n";
    session.receive(group, now, &mut output);
    let Some(Action::Admit(admission)) = session.poll_action() else {
        panic!("DATA asks for room")
    };
    assert_eq!(admission.announced(), None);
    session.admit(admission, Ok(()), now, &mut output);
    (session, output)
}

#[test]
fn a_message_that_drips_ends_at_its_total_deadline() {
    let now = Instant::now();
    let (mut session, mut output) = receiving(now);
    let (mut later, step) = (now, Policy::new("").data_timeout / 2);
    let most = Policy::new("").message_timeout;
    while session.deadline() > later {
        session.receive_data(&mut b"x".to_vec(), later, &mut output);
        assert!(session.deadline() <= now + most);
        later += step;
    }
    assert!(
        later >= now + most,
        "each octet renewed the wait for the next, up to the end"
    );
}

#[test]
fn sessions_have_their_limits() {
    let limited = |change: fn(&mut Policy), input: &[u8]| {
        let mut policy = Policy::new("mx.example");
        change(&mut policy);
        let mut driver = Driver::new(Arc::new(policy), Instant::now());
        driver.receive(input);
        said(&driver.log).to_owned()
    };
    let mail = b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<>\r\n";
    let said = limited(|policy| policy.session_messages = 1, mail);
    assert!(said.contains("LIMITS RCPTMAX=100 MAILMAX=1\r\n"), "{said}");
    assert!(said.ends_with(
        "421 4.7.0 Enough mail for one connection; closing it, please open another\r\n"
    ));
    let said = limited(|policy| policy.session_octets = 3, mail);
    assert!(said.contains("421 4.7.0 Enough"), "{said}");
    let said = limited(|policy| policy.session_octets = 4, mail);
    assert!(!said.contains("421"), "{said}");
    let said = limited(
        |policy| policy.idle_commands = 3,
        b"NOOP\r\nRSET\r\nNOOP\r\nNOOP\r\n",
    );
    assert!(
        said.ends_with("421 4.7.0 Too many commands without a message; closing the connection\r\n")
    );
    let said = limited(
        |policy| policy.session_timeout = std::time::Duration::ZERO,
        b"NOOP\r\n",
    );
    assert!(said.contains("421 4.4.2 The session is too long"), "{said}");
    let said = limited(
        |_| {},
        b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nx\ny\r\n.\r\n",
    );
    assert!(said.contains("550 5.6.0 "), "{said}");
}

#[test]
fn a_dialogue_says_the_same_however_it_is_cut() {
    let whole = run(DIALOGUE, &[]);
    let expected = [
        "220", "250", "503", "250", "503", "552", "250", "550", "250", "354",
        "250", // the first message
        "250", "250", "354", "451", "250", // stored in vain, then RSET
        "250", "250", "250", "452", "354", "552", "252", "221",
    ];
    assert_eq!(codes(&whole), expected, "{}", said(&whole));
    assert_eq!(bodies(&whole), [&b".one\r\n\r\r\n\r\n"[..], b""]);
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
            let mut driver = Driver::new(policy(), Instant::now());
            driver.outcomes = [Err(Refusal::StorageUnavailable); 6].into();
            for place in 0..length {
                driver.receive(inputs[number / inputs.len().pow(place) % inputs.len()]);
            }
            let said = said(&driver.log);
            assert!(!said.contains("250 2.0.0 queued as"), "{said}");
            commits += driver.log.committed.len();
        }
    }
    assert!(commits > 0, "some sequences reach the commit");
}

#[test]
fn a_deadline_says_421_to_a_client() {
    let mut driver = Driver::new(policy(), Instant::now());
    driver.expire();
    let said = said(&driver.log);
    assert!(said.ends_with("\r\n421 4.4.2 Timed out; closing the connection\r\n"));
    assert_eq!(driver.session.expects(), Expects::Nothing);
}

#[test]
fn a_client_has_its_time_from_the_banner_on() {
    let accepted = Instant::now();
    let (policy, mut output) = (policy(), Output::default());
    let mut session = Session::new(Arc::clone(&policy), accepted);
    // As after a greeting delay, a PROXY header or a TLS handshake.
    let greeted = accepted + Duration::from_secs(50);
    session.begin(false, greeted, &mut output);
    assert_eq!(session.deadline(), greeted + policy.command_timeout);

    let before = output.waiting();
    let almost_over = greeted + policy.session_timeout - Duration::from_secs(1);
    session.receive(b"NOOP\r\n", almost_over, &mut output);
    assert!(output.waiting() > before && session.expects() == Expects::Commands);
    session.receive(b"NOOP\r\n", greeted + policy.session_timeout, &mut output);
    assert_eq!(session.expects(), Expects::Nothing);
}

#[test]
fn a_commit_is_answered_by_its_driver_alone() {
    let now = Instant::now();
    let (mut session, mut output) = receiving(now);
    session.receive_data(&mut b".\r\n".to_vec(), now, &mut output);
    let Some(Action::Commit(commit)) = session.poll_action() else {
        panic!("the message is complete")
    };
    assert_eq!((commit.size, commit.bare_newlines), (0, false));
    assert_eq!(commit.transaction().recipients.len(), 1);
    let waiting = output.waiting();
    session.expire(&mut output);
    session.drain(&mut output);
    assert_eq!(session.receive(b"NOOP\r\n", now, &mut output), 0);
    let progress = session.receive_data(&mut b"x".to_vec(), now, &mut output);
    assert_eq!(progress.consumed, 0);
    assert_eq!(
        (session.expects(), output.waiting()),
        (Expects::Driver, waiting)
    );

    session.resolve(commit, Err(Refusal::StorageTimedOut), now, &mut output);
    let mut said = Vec::new();
    output.replies().swap(&mut said);
    let said = String::from_utf8(said).expect("ASCII");
    assert!(said.ends_with("in time; try again later\r\n"), "{said}");
    assert_eq!(session.expects(), Expects::Commands);
}

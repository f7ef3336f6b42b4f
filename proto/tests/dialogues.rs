//! The dialogues in `tests/dialogues/*.smtp`, one per rule and per CVE, each run against the sans-IO session in turn,
//! whole, cut at every octet, and octet by octet; it has to say the same each time.
//!
//! `DIALOGUE=name cargo test -p ringpost-proto --test dialogues -- --nocapture` runs those whose name contains `name` and shows what was said.

#[path = "support/driver.rs"]
mod driver;
#[path = "dialogues/script.rs"]
mod script;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use driver::{Driver, Log, replies};
use ringpost_proto::smtp::session::Expects;
use script::{Script, Step, parse};

/// A dialogue of up to this many octets is cut at each of them; a longer one at about this many places.
const CUTS: usize = 3000;

#[test]
fn dialogues() {
    let filter = std::env::var("DIALOGUE").unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "smtp")
        })
        .collect();
    paths.sort();
    let (mut failures, mut ran) = (Vec::new(), 0);
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# "),
            "{name}: a dialogue opens with the rule it holds"
        );
        for script in parse(name, &text).unwrap_or_else(|error| panic!("{error}")) {
            if !script.name.contains(&filter) {
                continue;
            }
            ran += 1;
            if let Err(why) = check(&script) {
                failures.push(format!("{}: {why}", script.name));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {ran}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(ran > 0, "no dialogue has {filter} in its name");
}

/// Runs a dialogue every way.
fn check(script: &Script) -> Result<(), String> {
    let expected = in_turn(script)?;
    if std::env::var_os("DIALOGUE").is_some() {
        println!("-- {}\n{}", script.name, expected.said.escape_ascii());
    }
    let octets = script.steps.iter().map(|step| match step {
        Step::Send(octets) => octets.len(),
        _ => 0,
    });
    let length: usize = octets.sum();
    let differs = |how: &str, got: &Log| {
        let (got, want) = (got.said.escape_ascii(), expected.said.escape_ascii());
        Err(format!(
            "{how} it differs\n  in turn: {want}\n  {how}: {got}"
        ))
    };
    let stride = length / CUTS + 1;
    for cut in (0..=length).step_by(stride) {
        let log = in_pieces(script, |at| at == cut);
        if log != expected {
            return differs(&format!("cut at {cut}"), &log);
        }
    }
    let log = in_pieces(script, |_| true);
    if log != expected {
        return differs("octet by octet", &log);
    }
    Ok(())
}

fn driver(script: &Script) -> Driver {
    let policy = Arc::new(script.policy.clone());
    let mut driver = Driver::begin(policy, Instant::now(), script.intake);
    driver.rooms = script.rooms.clone().into();
    driver.outcomes = script.outcomes.clone().into();
    driver
}

/// Each line of the client is sent when the replies before it are there, and no others.
fn in_turn(script: &Script) -> Result<Log, String> {
    let mut driver = driver(script);
    let (mut heard, mut messages) = (0, 0);
    let mut sent = false;
    for step in &script.steps {
        let said = replies(&driver.log.said);
        if let Step::Send(octets) = step {
            if !sent && heard < said.len() {
                return Err(format!("not expected: {:?}", said[heard]));
            }
            driver.receive(octets);
            sent = true;
            continue;
        }
        sent = false;
        match step {
            Step::Reply(expected) => {
                let reply = said.get(heard).ok_or(format!("no reply for {expected}"))?;
                heard += 1;
                if !starts(reply.last().unwrap(), expected) {
                    return Err(format!("expected {expected}, not {reply:?}"));
                }
            }
            Step::Has(text) => {
                let reply = last(&said, heard)?;
                if !reply.iter().any(|line| line[4..] == *text) {
                    return Err(format!("{text} is not in {reply:?}"));
                }
            }
            Step::HasNot(word) => {
                let reply = last(&said, heard)?;
                if reply
                    .iter()
                    .any(|line| line[4..].split(' ').next() == Some(word))
                {
                    return Err(format!("{word} is in {reply:?}"));
                }
            }
            Step::Message { .. } => {
                check_message(&driver.log, messages, step)?;
                messages += 1;
            }
            Step::Expire => driver.expire(),
            Step::Drain => driver.drain(),
            Step::WindDown => driver.wind_down(),
            Step::Secured => driver.secure(),
            Step::Intake(intake) => driver.session.heed(*intake),
            Step::Named(directory) => driver.session.follow(Some(directory)),
            Step::Send(_) => unreachable!("handled above"),
        }
    }
    let said = replies(&driver.log.said);
    if heard < said.len() {
        return Err(format!("not expected: {:?}", said[heard]));
    }
    if messages < driver.log.committed.len() {
        return Err(format!(
            "not expected: {:?}",
            driver.log.committed[messages]
        ));
    }
    if script.closed != (driver.session.expects() == Expects::Nothing) {
        return Err(format!(
            "at the end the session expects {:?}",
            driver.session.expects()
        ));
    }
    Ok(driver.log)
}

fn starts(line: &str, expected: &str) -> bool {
    line.strip_prefix(expected)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn last(said: &[Vec<String>], heard: usize) -> Result<&Vec<String>, String> {
    heard
        .checked_sub(1)
        .map(|at| &said[at])
        .ok_or("no reply yet".to_owned())
}

fn check_message(log: &Log, number: usize, expected: &Step) -> Result<(), String> {
    let Step::Message { envelope, body } = expected else {
        unreachable!("only called for messages")
    };
    let got = log
        .committed
        .get(number)
        .ok_or("no message was committed")?;
    if got.body != *body {
        let (got, want) = (got.body.escape_ascii(), body.escape_ascii());
        return Err(format!("the message is\n  {got}\nnot\n  {want}"));
    }
    match envelope {
        Some(envelope)
            if (&envelope.from, &envelope.to, &envelope.parameters)
                != (&got.from, &got.to, &got.parameters) =>
        {
            Err(format!("the envelope is {got:?}, not {envelope:?}"))
        }
        _ => Ok(()),
    }
}

/// Everything up to the next event is sent at once, but cut before each octet for which `cut` says so.
fn in_pieces(script: &Script, cut: impl Fn(usize) -> bool) -> Log {
    let mut driver = driver(script);
    let (mut pending, mut at) = (Vec::new(), 0);
    for step in &script.steps {
        match step {
            Step::Send(octets) => {
                for &octet in octets {
                    if cut(at) {
                        driver.receive(&pending);
                        pending.clear();
                    }
                    pending.push(octet);
                    at += 1;
                }
            }
            Step::Expire
            | Step::Drain
            | Step::WindDown
            | Step::Secured
            | Step::Intake(_)
            | Step::Named(_) => {
                driver.receive(&pending);
                pending.clear();
                match step {
                    Step::Expire => driver.expire(),
                    Step::Drain => driver.drain(),
                    Step::WindDown => driver.wind_down(),
                    Step::Intake(intake) => driver.session.heed(*intake),
                    Step::Named(directory) => driver.session.follow(Some(directory)),
                    _ => driver.secure(),
                }
            }
            Step::Reply(_) | Step::Has(_) | Step::HasNot(_) | Step::Message { .. } => {}
        }
    }
    driver.receive(&pending);
    driver.log
}

/// The runner says no where it should.
#[test]
fn a_wrong_dialogue_fails() {
    let hello = "S: 220\nC: HELO c\nS: 250\n";
    let mail = "C: MAIL FROM:<a@b>\nC: RCPT TO:<x@mx.example>\nC: DATA\nS: 250\nS: 250\nS: 354\n";
    let data = "C|x\\r\\n.\\r\\n\nS: 250 2.0.0\n";
    let right = format!("{hello}{mail}{data}E: <a@b> <x@mx.example>\n=|x\\r\\n\n");
    for (text, fails) in [
        (right.clone(), false),
        ("S: 220\nC: HELO c\n".to_owned(), true),
        ("S: 220\nC: HELO c\nC: NOOP\nS: 250\n".to_owned(), true),
        (format!("{hello}S: 250\n"), true),
        (format!("{hello}C: NOOP\nS: 250 2.0.1\n"), true),
        (format!("{hello}C: NOOP\nS: 250 2.0\n"), true),
        (format!("{hello}S+ PIPELINING\n"), true),
        (format!("{hello}S- mx.example\n"), true),
        (format!("{hello}@closed\n"), true),
        (format!("{hello}C: QUIT\nS: 221\n"), true),
        (format!("{hello}{mail}{data}"), true),
        (right.replace("=|x", "=|y"), true),
        (right.replace("E: <a@b>", "E: <a@c>"), true),
        (right.replace("S: 354\n", ""), true),
    ] {
        let scripts = parse("test", &text).unwrap();
        assert_eq!(check(&scripts[0]).is_err(), fails, "{text}");
    }
    for text in [
        "X: y",
        "C: \\q",
        "C: {x}",
        "@unknown",
        "@room nothing",
        "E: <a>",
    ] {
        assert!(parse("test", text).is_err(), "{text}");
    }
}

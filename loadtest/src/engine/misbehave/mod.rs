//! Clients that misbehave: which messages, how, and what came of it.
//!
//! A message that misbehaves uses a connection of its own, so that it does not slow the others, and it counts by itself: it
//! is neither accepted nor refused. Must not know the run's numbers otherwise.
//!
//! # BUGS
//! - Misbehaviour is in clear and with DATA, whatever the shape says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::client::{CLOSING, Connection, Dial};
use crate::fault::{ErrorKind, Fault};

mod smuggle;

/// Octets of garbage that are sent.
const GARBAGE: usize = 4096;
/// How much larger than the server's SIZE an oversize message is; and its size where there is no SIZE.
const OVERSIZE_BEYOND: u64 = 64 * 1024;
const OVERSIZE_DEFAULT: u64 = 64 << 20;

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    /// Sends the message octet by octet.
    Drip,
    /// Closes the connection without a word behind a step.
    Abort(Step),
    /// Sends what is no SMTP.
    Garbage,
    /// Tries ends of data that only some servers take for one, with a second message behind.
    Smuggle,
    /// Sends a message that is larger than the server's SIZE, without saying so.
    Oversize,
}

/// A step of a dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the commands")]
pub enum Step {
    Connect,
    Banner,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Body,
    End,
}

const STEPS: [(Step, &str); 8] = [
    (Step::Connect, "connect"),
    (Step::Banner, "banner"),
    (Step::Ehlo, "ehlo"),
    (Step::Mail, "mail"),
    (Step::Rcpt, "rcpt"),
    (Step::Data, "data"),
    (Step::Body, "body"),
    (Step::End, "end"),
];

/// How the messages of a run misbehave.
#[derive(Debug, Default)]
pub struct Misbehaviour {
    /// What, and its share of all messages.
    parts: Vec<(Misdeed, f64)>,
    /// Time between two octets of a drip.
    pub drip_every: Duration,
    /// How long a drip goes on.
    pub drip_for: Duration,
}

/// What came of misbehaviour, in fixed memory: counts by misdeed and outcome.
#[derive(Debug, Default)]
pub struct Misdeeds {
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Misdeeds {
    /// One more.
    pub fn count(&mut self, misdeed: Misdeed, outcome: &'static str) {
        *self.counts.entry((misdeed.name(), outcome)).or_default() += 1;
    }

    /// Adds another thread's.
    pub fn merge(&mut self, other: &Misdeeds) {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// All messages that misbehaved.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Those with one outcome.
    pub fn with_outcome(&self, outcome: &str) -> u64 {
        self.counts
            .iter()
            .filter(|((_, of), _)| *of == outcome)
            .map(|(_, count)| count)
            .sum()
    }

    /// Counts by outcome, by misdeed.
    pub fn by_misdeed(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut by_misdeed: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for ((misdeed, outcome), count) in &self.counts {
            by_misdeed
                .entry((*misdeed).to_owned())
                .or_default()
                .insert((*outcome).to_owned(), *count);
        }
        by_misdeed
    }
}

impl Misdeed {
    /// Its name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Misdeed::Drip => "drip",
            Misdeed::Abort(step) => match step {
                Step::Connect => "abort:connect",
                Step::Banner => "abort:banner",
                Step::Ehlo => "abort:ehlo",
                Step::Mail => "abort:mail",
                Step::Rcpt => "abort:rcpt",
                Step::Data => "abort:data",
                Step::Body => "abort:body",
                Step::End => "abort:end",
            },
            Misdeed::Garbage => "garbage",
            Misdeed::Smuggle => "smuggle",
            Misdeed::Oversize => "oversize",
        }
    }

    fn parse(name: &str) -> Option<Misdeed> {
        match name {
            "drip" => Some(Misdeed::Drip),
            "garbage" => Some(Misdeed::Garbage),
            "smuggle" => Some(Misdeed::Smuggle),
            "oversize" => Some(Misdeed::Oversize),
            _ => {
                let step = name.strip_prefix("abort:")?;
                STEPS
                    .iter()
                    .find(|(_, name)| *name == step)
                    .map(|(step, _)| Misdeed::Abort(*step))
            }
        }
    }
}

impl Misbehaviour {
    /// Parses `drip=1%,abort:data=2%`. The error is a text for the operator.
    pub fn parse(
        list: &str,
        drip_every: Duration,
        drip_for: Duration,
    ) -> Result<Misbehaviour, String> {
        let mut parts = Vec::new();
        for part in list
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, share) = part
                .split_once('=')
                .ok_or_else(|| format!("--misbehave {part:?}: give name=share, e.g. drip=1%"))?;
            let misdeed = Misdeed::parse(name.trim()).ok_or_else(|| {
                let steps: Vec<&str> = STEPS.iter().map(|(_, name)| *name).collect();
                format!(
                    "--misbehave {name:?}: known are drip, garbage, smuggle, oversize, and abort: with one of {}",
                    steps.join(" ")
                )
            })?;
            parts.push((
                misdeed,
                crate::units::parse_share(share).map_err(|error| format!("--misbehave {error}"))?,
            ));
        }
        if parts.iter().map(|(_, share)| share).sum::<f64>() > 1.0 + 1e-9 {
            return Err("--misbehave: the shares are more than 100% together".to_owned());
        }
        Ok(Misbehaviour {
            parts,
            drip_every,
            drip_for,
        })
    }

    /// How a message misbehaves, if it does: by its number alone, and evenly spread.
    pub fn of(&self, number: u64) -> Option<Misdeed> {
        if self.parts.is_empty() {
            return None;
        }
        // Another constant than the one that picks a message, or misbehaviour would always meet the same sizes.
        let position = number.wrapping_mul(0xD1B5_4A32_D192_ED03) as f64 / 2f64.powi(64);
        let mut sum = 0.0;
        self.parts.iter().find_map(|(misdeed, share)| {
            sum += share;
            (position < sum).then_some(*misdeed)
        })
    }
}

/// What a misdeed needs besides a connection.
pub struct Props<'a> {
    /// How drips go.
    pub settings: &'a Misbehaviour,
    /// MAIL, RCPT, DATA.
    pub commands: &'a [Bytes],
    /// The whole message with its end, as DATA carries it.
    pub wire: Vec<u8>,
    /// The message's number.
    pub number: u64,
}

/// Misbehaves on a connection of its own; gives the outcome's name.
pub async fn act(
    misdeed: Misdeed,
    dial: &Dial<'_>,
    connection: Result<Connection, Fault>,
    props: &Props<'_>,
) -> &'static str {
    let Ok(mut connection) = connection else {
        return "no connection";
    };
    let result = match misdeed {
        Misdeed::Abort(step) => abort(&mut connection, dial, step, props).await,
        Misdeed::Garbage => garbage(&mut connection, props.number).await,
        Misdeed::Drip => in_data(&mut connection, dial, props, drip).await,
        Misdeed::Smuggle => in_data(&mut connection, dial, props, smuggle::smuggle).await,
        Misdeed::Oversize => in_data(&mut connection, dial, props, oversize).await,
    };
    result.unwrap_or_else(|fault| match fault.kind {
        ErrorKind::Timeout => "no answer in time",
        ErrorKind::Reply421 => "421",
        ErrorKind::Protocol => "not a reply",
        _ => "closed by the server",
    })
}

/// What misbehaves in the data: behind banner, EHLO and the envelope, if the server goes along.
async fn in_data(
    connection: &mut Connection,
    dial: &Dial<'_>,
    props: &Props<'_>,
    misbehave: impl AsyncFnOnce(&mut Connection, &Props<'_>) -> Result<&'static str, Fault>,
) -> Result<&'static str, Fault> {
    connection.banner().await?;
    connection.greet(dial).await?;
    for command in props.commands {
        if connection.command(command.clone()).await? >= 400 {
            return Ok("envelope refused");
        }
    }
    misbehave(connection, props).await
}

fn outcome_of(code: u16) -> &'static str {
    match code {
        CLOSING => "421",
        200..300 => "accepted",
        400..500 => "refused for now (4xx)",
        500..600 => "refused (5xx)",
        _ => "not a reply",
    }
}

async fn drip(connection: &mut Connection, props: &Props<'_>) -> Result<&'static str, Fault> {
    let end = Instant::now() + props.settings.drip_for;
    for octet in &props.wire {
        if Instant::now() >= end {
            return Ok("held out");
        }
        connection.send(vec![*octet]).await;
        if connection.is_ended() {
            return Ok("closed by the server");
        }
        connection.rest();
        tokio::time::sleep(props.settings.drip_every).await;
    }
    Ok(outcome_of(connection.read_reply().await?))
}

async fn abort(
    connection: &mut Connection,
    dial: &Dial<'_>,
    step: Step,
    props: &Props<'_>,
) -> Result<&'static str, Fault> {
    const DONE: &str = "aborted";
    if step == Step::Connect {
        return Ok(DONE);
    }
    connection.banner().await?;
    if step == Step::Banner {
        return Ok(DONE);
    }
    connection.greet(dial).await?;
    if step == Step::Ehlo {
        return Ok(DONE);
    }
    for (index, command) in props.commands.iter().enumerate() {
        let code = connection.command(command.clone()).await?;
        let is_data = index + 1 == props.commands.len();
        match step {
            Step::Mail if index == 0 => return Ok(DONE),
            Step::Rcpt if index > 0 && !is_data => return Ok(DONE),
            Step::Data if is_data => return Ok(DONE),
            _ if code >= 400 => return Ok("envelope refused"),
            _ => {}
        }
    }
    let octets = if step == Step::Body {
        props.wire.len() / 2
    } else {
        props.wire.len()
    };
    connection.send(props.wire[..octets].to_vec()).await;
    Ok(DONE)
}

async fn garbage(connection: &mut Connection, number: u64) -> Result<&'static str, Fault> {
    connection.banner().await?;
    let mut state = number | 1;
    let mut octets: Vec<u8> = (0..GARBAGE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    octets.extend_from_slice(b"\r\n");
    connection.exchange(octets).await;
    let mut outcome = "closed by the server";
    // As many replies as it likes, then its answer to a client that has come to its senses.
    for _ in 0..GARBAGE {
        match connection.read_reply().await {
            Ok(CLOSING) => return Ok("421"),
            Ok(code) if code >= 500 => outcome = "refused (5xx)",
            Ok(_) => outcome = "answered as if it were SMTP",
            Err(fault) if fault.kind == ErrorKind::Timeout => return Ok("no answer in time"),
            Err(_) => return Ok(outcome),
        }
        if !connection.has_replies() {
            break;
        }
    }
    Ok(outcome)
}

async fn oversize(connection: &mut Connection, props: &Props<'_>) -> Result<&'static str, Fault> {
    let size = connection
        .offers()
        .size
        .map_or(OVERSIZE_DEFAULT, |size| size + OVERSIZE_BEYOND);
    let line = Bytes::from_static(
        b"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\r\n",
    );
    let block = Bytes::from(line.repeat(1024));
    connection
        .send(props.wire[..props.wire.len() - b".\r\n".len()].to_vec())
        .await;
    let mut sent = 0;
    while sent <= size && !connection.is_ended() {
        connection.send(block.clone()).await;
        sent += block.len() as u64;
    }
    if !connection.is_ended() {
        connection.exchange(Bytes::from_static(b".\r\n")).await;
    }
    Ok(outcome_of(connection.read_reply().await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Result<Misbehaviour, String> {
        Misbehaviour::parse(list, Duration::ZERO, Duration::ZERO)
    }

    #[test]
    fn shares_are_kept_over_any_thousand_messages() {
        let misbehaviour = parse("drip=1%, abort:data=2%,smuggle=0.5%").expect("fits");
        for first in [1, 5_000_000] {
            let count = |wanted| {
                (first..first + 1000)
                    .filter(|number| misbehaviour.of(*number) == Some(wanted))
                    .count()
            };
            assert!((8..=12).contains(&count(Misdeed::Drip)));
            assert!((17..=23).contains(&count(Misdeed::Abort(Step::Data))));
            assert!((3..=7).contains(&count(Misdeed::Smuggle)));
        }
        assert_eq!(Misbehaviour::default().of(1), None);
        assert!(parse("garbage=100%").expect("fits").of(77).is_some());
    }

    #[test]
    fn names_are_parsed_back() {
        for (step, _) in STEPS {
            let misdeed = Misdeed::Abort(step);
            assert_eq!(Misdeed::parse(misdeed.name()), Some(misdeed));
        }
        for list in [
            "drip",
            "drip=200%",
            "abort:x=1%",
            "nap=1%",
            "drip=60%,garbage=60%",
        ] {
            assert!(parse(list).is_err(), "{list}");
        }
    }
}

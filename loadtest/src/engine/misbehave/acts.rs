//! The misdeeds, but for smuggling.

use std::time::Instant;

use bytes::Bytes;

use super::props::{Props, outcome_of};
use crate::client::{CLOSING, Connection, Dial};
use crate::fault::{ErrorKind, Fault};
use crate::options::misbehaviour::Step;
use crate::tally::MisdeedOutcome;

/// Bytes of garbage that are sent.
const GARBAGE: usize = 4096;
/// How much larger than the server's SIZE an oversize message is; and its size where there is no SIZE.
const OVERSIZE_BEYOND: u64 = 64 * 1024;
const OVERSIZE_DEFAULT: u64 = 64 << 20;

/// Sends the message byte by byte.
pub(super) async fn drip(
    connection: &mut Connection,
    props: &Props<'_>,
) -> Result<MisdeedOutcome, Fault> {
    let end = Instant::now() + props.settings.drip_for;
    for byte in &props.wire {
        if Instant::now() >= end {
            return Ok(MisdeedOutcome::HeldOut);
        }
        connection.send(vec![*byte]).await;
        if connection.is_ended() {
            return Ok(MisdeedOutcome::Closed);
        }
        connection.rest();
        tokio::time::sleep(props.settings.drip_every).await;
    }
    Ok(outcome_of(connection.read_reply().await?))
}

/// Closes the connection without a word after a step.
pub(super) async fn abort(
    connection: &mut Connection,
    dial: &Dial<'_>,
    step: Step,
    props: &Props<'_>,
) -> Result<MisdeedOutcome, Fault> {
    const DONE: MisdeedOutcome = MisdeedOutcome::Aborted;
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
            _ if code >= 400 => return Ok(MisdeedOutcome::EnvelopeRefused),
            _ => {}
        }
    }
    let bytes = if step == Step::Body {
        props.wire.len() / 2
    } else {
        props.wire.len()
    };
    connection.send(props.wire[..bytes].to_vec()).await;
    Ok(DONE)
}

/// Sends what is not SMTP, and reads the server's answer.
pub(super) async fn garbage(
    connection: &mut Connection,
    number: u64,
) -> Result<MisdeedOutcome, Fault> {
    connection.banner().await?;
    let mut state = number | 1;
    let mut bytes: Vec<u8> = (0..GARBAGE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    bytes.extend_from_slice(b"\r\n");
    connection.exchange(bytes).await;
    let mut outcome = MisdeedOutcome::Closed;
    // The server may answer each line of garbage: read until it says nothing more.
    for _ in 0..GARBAGE {
        match connection.read_reply().await {
            Ok(CLOSING) => return Ok(MisdeedOutcome::Closing),
            Ok(code) if code >= 500 => outcome = MisdeedOutcome::Refused,
            Ok(_) => outcome = MisdeedOutcome::TakenForSmtp,
            Err(fault) if fault.kind == ErrorKind::Timeout => return Ok(MisdeedOutcome::Silent),
            Err(_) => return Ok(outcome),
        }
        if !connection.has_replies() {
            break;
        }
    }
    Ok(outcome)
}

/// Sends a message that is larger than the server's SIZE.
pub(super) async fn oversize(
    connection: &mut Connection,
    props: &Props<'_>,
) -> Result<MisdeedOutcome, Fault> {
    let size = connection
        .offers()
        .size_limit
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

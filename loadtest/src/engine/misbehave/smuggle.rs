//! SMTP smuggling: ends of data that the standard does not know (RFC 5321 section 2.3.8 and 4.1.1.4), with a second
//! envelope and message after it, in case the server takes them for commands.
//!
//! The second message carries no number of the run: a record of it is foreign to `--verify`, and the replies show whether it was accepted.

use super::props::{Props, outcome_of};
use crate::client::Connection;
use crate::fault::Fault;
use crate::tally::MisdeedOutcome;

/// What a server might take for the end of the data; each message tries the next one.
const ENDS: [&[u8]; 6] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r\r\n.\r\r\n",
];

/// Sends it after the reply to DATA.
pub(super) async fn smuggle(
    connection: &mut Connection,
    props: &Props<'_>,
) -> Result<MisdeedOutcome, Fault> {
    let end = ENDS[(props.number % ENDS.len() as u64) as usize];
    let mut bytes = props.wire[..props.wire.len() - b"\r\n.\r\n".len()].to_vec();
    bytes.extend_from_slice(end);
    props
        .commands
        .iter()
        .for_each(|command| bytes.extend_from_slice(command));
    bytes.extend_from_slice(
        b"Subject: smuggled\r\n\r\nThis must not be a message.\r\n.\r\nQUIT\r\n",
    );
    connection.exchange(bytes).await;
    let first = connection.read_reply().await?;
    // One reply to the data and one to QUIT: more mean that commands were taken out of the message.
    let mut further = 0;
    while connection.read_reply().await.is_ok() {
        further += 1;
    }
    if further > 1 {
        return Ok(MisdeedOutcome::Smuggled);
    }
    Ok(outcome_of(first))
}

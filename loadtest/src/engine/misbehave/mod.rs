//! Clients that misbehave: what they do, and what came of it.
//!
//! A message that misbehaves uses its own connection, so that it does not slow the others, and it counts by itself: it is
//! neither accepted nor refused. Must not know the run's numbers otherwise.
//!
//! # BUGS
//! - Misbehaviour is in clear and with DATA, whatever the shape says.

mod acts;
mod props;
mod smuggle;

use crate::client::{Connection, Dial};
use crate::fault::{ErrorKind, Fault};
use crate::options::misbehaviour::Misdeed;
use crate::tally::MisdeedOutcome;
use acts::{abort, drip, garbage, oversize};
pub(super) use props::Props;
use smuggle::smuggle;

/// Misbehaves on its own connection; returns what came of it.
pub(super) async fn act(
    misdeed: Misdeed,
    dial: &Dial<'_>,
    connection: Result<Connection, Fault>,
    props: &Props<'_>,
) -> MisdeedOutcome {
    let Ok(mut connection) = connection else {
        return MisdeedOutcome::NoConnection;
    };
    let result = match misdeed {
        Misdeed::Abort(step) => abort(&mut connection, dial, step, props).await,
        Misdeed::Garbage => garbage(&mut connection, props.number).await,
        Misdeed::Drip => in_data(&mut connection, dial, props, drip).await,
        Misdeed::Smuggle => in_data(&mut connection, dial, props, smuggle).await,
        Misdeed::Oversize => in_data(&mut connection, dial, props, oversize).await,
    };
    result.unwrap_or_else(|fault| match fault.kind {
        ErrorKind::Timeout => MisdeedOutcome::Silent,
        ErrorKind::Reply421 => MisdeedOutcome::Closing,
        ErrorKind::Protocol => MisdeedOutcome::NotAReply,
        _ => MisdeedOutcome::Closed,
    })
}

/// What misbehaves in the data: after banner, EHLO and the envelope, if the server goes along.
async fn in_data(
    connection: &mut Connection,
    dial: &Dial<'_>,
    props: &Props<'_>,
    misbehave: impl AsyncFnOnce(&mut Connection, &Props<'_>) -> Result<MisdeedOutcome, Fault>,
) -> Result<MisdeedOutcome, Fault> {
    connection.banner().await?;
    connection.greet(dial).await?;
    for command in props.commands {
        if connection.command(command.clone()).await? >= 400 {
            return Ok(MisdeedOutcome::EnvelopeRefused);
        }
    }
    misbehave(connection, props).await
}

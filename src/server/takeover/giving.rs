//! The side of the running process: it waits for one that is to take over, and offers its sockets.
//!
//! Owns: the order of a takeover on this side. Must not know: what serves the sockets, what happens once they are given away.
//!
//! Invariants: nothing changes here before the new process has said that its workers serve; one that belongs to another user gets no
//! answer; each step has its time.

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::place::{Place, listen, same_user};
use super::protocol::{Answer, Described, Hello, MEETING, PROTOCOL, Reply};
use super::wire::{self, DESCRIPTORS};
use crate::limits::{ACCEPT_RETREAT_MILLISECONDS, TAKEOVER_STEP_SECONDS};
use crate::server::addresses::Held;

/// See the module.
pub(in crate::server) struct Giver {
    meeting: UnixListener,
    held: Arc<Vec<Held>>,
}

/// A process that has taken over.
#[derive(Debug)]
pub(in crate::server) struct Successor {
    /// Its process id, by its own word.
    pub(in crate::server) process: u32,
    /// Its version, by its own word.
    pub(in crate::server) version: String,
    /// The places whose sockets it does not serve.
    pub(in crate::server) unused: Vec<usize>,
}

/// Why a takeover came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// It asked nothing.
    #[error("it said nothing")]
    Silent,
    #[error("it belongs to the user with the number {0}")]
    OtherUser(u32),
    #[error("it speaks version {0} of the takeover, and this one version {PROTOCOL}")]
    Protocol(u32),
    #[error("it did not say that it serves, but: {0}")]
    OutOfOrder(String),
    #[error("it took longer than {TAKEOVER_STEP_SECONDS} s")]
    Slow,
    #[error(transparent)]
    Gone(#[from] io::Error),
}

impl Giver {
    /// Waits at this place, or at the socket of the process before. Where that is not possible, the log says so, and the server serves
    /// all the same. Called inside of a runtime.
    pub(in crate::server) fn at(
        place: Option<&Place>,
        passed: Option<std::os::unix::net::UnixListener>,
        held: Arc<Vec<Held>>,
    ) -> Option<Self> {
        let place = place?;
        let listening = match passed {
            Some(listener) => listener.set_nonblocking(true).map(|()| listener),
            None => listen(place),
        };
        match listening.and_then(UnixListener::from_std) {
            Ok(meeting) => Some(Self { meeting, held }),
            Err(error) => {
                tracing::warn!(
                    "server.takeover_socket: {place}: cannot listen there: {error}; this process cannot be taken over from \
                     (ringpost serve --takeover), only stopped; name another socket, or \"none\" if that is meant"
                );
                None
            }
        }
    }

    /// Waits until another process has taken over; `offers` says whether one is about to.
    pub(in crate::server) async fn give_away(&self, offers: &Cell<bool>) -> Successor {
        loop {
            let taker = match self.meeting.accept().await {
                Ok((taker, _)) => taker,
                Err(error) => {
                    tracing::warn!(%error, "a process that is to take over could not be accepted");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_RETREAT_MILLISECONDS)).await;
                    continue;
                }
            };
            let result = self.offer(&taker, offers).await;
            offers.set(false);
            match result {
                Ok(successor) => return successor,
                Err(Failed::Silent) => tracing::debug!("a process asked whether this one runs"),
                Err(why) => {
                    tracing::warn!("a takeover came to nothing, and this process serves on: {why}");
                }
            }
        }
    }

    async fn offer(&self, taker: &UnixStream, offers: &Cell<bool>) -> Result<Successor, Failed> {
        same_user(taker.peer_cred()?.uid()).map_err(Failed::OtherUser)?;
        let hello = match within(wire::receive::<Hello>(taker)).await {
            Ok((hello, _)) => hello,
            Err(Failed::Gone(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Failed::Silent);
            }
            Err(why) => return Err(why),
        };
        if hello.protocol != PROTOCOL {
            let why = Failed::Protocol(hello.protocol);
            return Err(refuse(taker, why).await);
        }
        offers.set(true);
        tracing::info!(
            process = hello.process,
            version = hello.version,
            "another process takes over"
        );
        let unused = match self.pass(taker).await {
            Ok(unused) => unused,
            Err(why) => return Err(refuse(taker, why).await),
        };
        // If it does not hear this, it serves all the same.
        let _ = within(wire::send(taker, &Answer::Yours, &[])).await;
        Ok(Successor {
            process: hello.process,
            version: hello.version,
            unused,
        })
    }

    /// Passes every socket; the places that are not served, once the new process serves.
    async fn pass(&self, taker: &UnixStream) -> Result<Vec<usize>, Failed> {
        let meeting = Described {
            purpose: MEETING.to_owned(),
            place: 0,
            configured: None,
            kept: false,
        };
        let mut all = vec![(meeting, self.meeting.as_fd())];
        all.extend(self.held.iter().map(|held| {
            let described = Described {
                purpose: held.socket.purpose.name().to_owned(),
                place: held.place,
                configured: Some(held.socket.configured),
                kept: held.socket.kept,
            };
            (described, held.socket.listener.as_fd())
        }));
        let mut pieces = all.chunks(DESCRIPTORS).peekable();
        while let Some(piece) = pieces.next() {
            let list = piece.iter().map(|(described, _)| described.clone());
            let descriptors: Vec<_> = piece.iter().map(|(_, descriptor)| *descriptor).collect();
            let more = pieces.peek().is_some();
            let sockets = Answer::Sockets {
                list: list.collect(),
                more,
            };
            within(wire::send(taker, &sockets, &descriptors)).await?;
            match within(wire::receive::<Reply>(taker)).await?.0 {
                Reply::More if more => {}
                Reply::Serving { unused } if !more => return Ok(unused),
                other => return Err(Failed::OutOfOrder(format!("{other:?}"))),
            }
        }
        unreachable!("the last piece is answered, and there is one")
    }
}

/// Says why not, if it still listens.
async fn refuse(taker: &UnixStream, why: Failed) -> Failed {
    let refused = Answer::Refused(why.to_string());
    let _ = within(wire::send(taker, &refused, &[])).await;
    why
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> Result<T, Failed> {
    match timeout(Duration::from_secs(TAKEOVER_STEP_SECONDS), step).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Failed::Slow),
    }
}

//! The side of the new process: it asks the running one for its sockets, and tells it when its own workers serve.
//!
//! Owns: the order of a takeover on this side. Must not know: what serves the sockets, when this process is ready to serve them.
//!
//! Invariant: sockets of a process of another user are never served.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::place::{Place, same_user};
use super::protocol::{Answer, Described, Hello, MEETING, PROTOCOL, Reply};
use super::wire;
use crate::failure::{Blame, Blamed};
use crate::limits::{TAKEOVER_READY_SECONDS, TAKEOVER_STEP_SECONDS};
use crate::net::inherited;
use crate::server::addresses::{Held, Purpose, Ready};

/// Why a process does not take over. The running one serves on.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum Error {
    /// There is no place to meet.
    #[error(
        "--takeover: there is no place to meet the running instance: server.takeover_socket is \"none\", or empty while every address of \
         SMTP has port 0; name a socket there, or stop the running instance and start without --takeover"
    )]
    NoPlace,
    /// Its sockets come from systemd.
    #[error(
        "--takeover: systemd has passed sockets (LISTEN_FDS), which outlive a restart by themselves: restart the unit, or start without \
         the socket unit to take over"
    )]
    Activated,
    /// It would not be ready.
    #[error(
        "--takeover: this process would not be ready after {TAKEOVER_READY_SECONDS} s, so the running instance serves on: {0}"
    )]
    NotReady(String),
    /// The running one belongs to somebody else.
    #[error(
        "--takeover: {place} belongs to a process of the user with the number {user}: run this one as the same user (sudo -u, User= of \
         systemd)"
    )]
    OtherUser {
        /// Where it is.
        place: String,
        /// The user.
        user: u32,
    },
    /// It says no.
    #[error("--takeover: the running instance at {place} refuses, and serves on: {why}")]
    Refused {
        /// Where it is.
        place: String,
        /// Its reason.
        why: String,
    },
    /// It does not answer, or nothing that can be understood.
    #[error(
        "--takeover: the running instance at {place}: {cause}; if it hangs, stop it and start without --takeover"
    )]
    Lost {
        /// Where it is.
        place: String,
        /// What happened.
        #[source]
        cause: io::Error,
    },
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        match self {
            Self::NoPlace | Self::Activated | Self::OtherUser { .. } => Blame::Operator,
            Self::NotReady(_) | Self::Refused { .. } | Self::Lost { .. } => Blame::Machine,
        }
    }
}

/// What the running process has passed.
pub(in crate::server) struct Taken {
    /// Its sockets.
    pub(in crate::server) sockets: Vec<Held>,
    /// Places whose purpose this process does not know.
    pub(in crate::server) unknown: Vec<usize>,
    /// Where the next process will come.
    pub(in crate::server) meeting: Option<UnixListener>,
}

/// A takeover that has begun.
pub(in crate::server) struct Taker {
    running: UnixStream,
    place: String,
}

impl Taker {
    /// Whether a process runs at this place.
    ///
    /// # Errors
    /// [`Error::Lost`].
    pub(in crate::server) fn finds(place: &Place) -> Result<bool, Error> {
        let found = place.connect().map_err(|cause| Error::Lost {
            place: place.to_string(),
            cause,
        })?;
        Ok(found.is_some())
    }

    /// Asks the process at this place for its sockets; none if there is no such process. Called inside of a runtime.
    ///
    /// # Errors
    /// [`Error`].
    pub(in crate::server) async fn begin(place: &Place) -> Result<Option<(Self, Taken)>, Error> {
        let lost = |cause| Error::Lost {
            place: place.to_string(),
            cause,
        };
        let Some(stream) = place.connect().map_err(lost)? else {
            return Ok(None);
        };
        stream.set_nonblocking(true).map_err(lost)?;
        let taker = Self {
            running: UnixStream::from_std(stream).map_err(lost)?,
            place: place.to_string(),
        };
        let user = taker.running.peer_cred().map_err(lost)?.uid();
        same_user(user).map_err(|user| Error::OtherUser {
            place: taker.place.clone(),
            user,
        })?;
        let taken = taker.take().await?;
        Ok(Some((taker, taken)))
    }

    async fn take(&self) -> Result<Taken, Error> {
        let hello = Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
        };
        self.within(wire::send(&self.running, &hello, &[])).await?;
        let mut taken = Taken {
            sockets: Vec::new(),
            unknown: Vec::new(),
            meeting: None,
        };
        loop {
            let (answer, descriptors) = self.within(wire::receive(&self.running)).await?;
            let (list, more) = match answer {
                Answer::Sockets { list, more } => (list, more),
                Answer::Refused(why) => return Err(self.refused(why)),
                Answer::Yours => return Err(self.nonsense("it hands over before it was asked")),
            };
            if list.len() != descriptors.len() {
                return Err(self.nonsense("it passes another number of sockets than it says"));
            }
            for (described, descriptor) in list.into_iter().zip(descriptors) {
                self.sort(described, descriptor, &mut taken)?;
            }
            if !more {
                return Ok(taken);
            }
            let reply = wire::send(&self.running, &Reply::More, &[]);
            self.within(reply).await?;
        }
    }

    /// Puts a socket where it belongs.
    fn sort(&self, it: Described, descriptor: OwnedFd, taken: &mut Taken) -> Result<(), Error> {
        if it.purpose == MEETING {
            taken.meeting = Some(descriptor.into());
            return Ok(());
        }
        let (Some(purpose), Some(configured)) = (Purpose::called(&it.purpose), it.configured)
        else {
            taken.unknown.push(it.place);
            return Ok(());
        };
        if let Some(what) = inherited::kind(&descriptor) {
            return Err(self.nonsense(&format!("it passes {what} as one that listens")));
        }
        taken.sockets.push(Held {
            place: it.place,
            socket: Ready {
                purpose,
                configured,
                listener: TcpListener::from(descriptor),
                kept: it.kept,
            },
        });
        Ok(())
    }

    /// Says that the workers serve, but for these places: the running process drains from now on.
    ///
    /// # Errors
    /// It has given up on this process, and serves on.
    pub(in crate::server) async fn commit(self, unused: Vec<usize>) -> Result<(), Error> {
        let serving = Reply::Serving { unused };
        let answered = async {
            wire::send(&self.running, &serving, &[]).await?;
            wire::receive(&self.running).await
        };
        match self.within(answered).await {
            Ok((Answer::Yours, _)) => Ok(()),
            Ok((Answer::Refused(why), _)) => Err(self.refused(why)),
            Ok((Answer::Sockets { .. }, _)) => Err(self.nonsense("it passes sockets again")),
            Err(Error::Lost { cause, .. }) => {
                // Its sockets live on in this process.
                tracing::warn!(
                    "the process before ended before it had handed over ({cause}); this one serves"
                );
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    async fn within<T>(&self, step: impl Future<Output = io::Result<T>>) -> Result<T, Error> {
        let lost = |cause| Error::Lost {
            place: self.place.clone(),
            cause,
        };
        match timeout(Duration::from_secs(TAKEOVER_STEP_SECONDS), step).await {
            Ok(result) => result.map_err(lost),
            Err(_) => Err(lost(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not answer within {TAKEOVER_STEP_SECONDS} s"),
            ))),
        }
    }

    fn refused(&self, why: String) -> Error {
        Error::Refused {
            place: self.place.clone(),
            why,
        }
    }

    fn nonsense(&self, why: &str) -> Error {
        Error::Lost {
            place: self.place.clone(),
            cause: io::Error::new(io::ErrorKind::InvalidData, why.to_owned()),
        }
    }
}

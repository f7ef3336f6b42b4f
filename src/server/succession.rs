//! Where a server's sockets come from and where they go: the addresses of its configuration, or the process before it; at the end
//! nowhere, or to the process after it.
//!
//! Owns: what happens to each socket when the server ends. Must not know: what is said between processes (`takeover`).
//!
//! Invariant: a socket that others still serve is not shut down: that would end it for them too, with all that waits in its queue.

use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::addresses::{Addresses, Held, Purpose};
use super::signals::Signal;
use super::takeover::{Error, Place, Successor, Taken, Taker};
use crate::limits::TAKEOVER_READY_SECONDS;
use crate::telemetry::status::Health;

/// Pause between two looks whether this process would be ready.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a server ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// This signal came.
    Signal(Signal),
    /// Another process serves.
    Succeeded(Successor),
}

/// A takeover that has begun on this side: the sockets are here, and the process before still serves them.
pub(super) struct Begun {
    taker: Taker,
    unused: Vec<usize>,
    /// Where the next process will come.
    pub(super) meeting: Option<std::os::unix::net::UnixListener>,
}

impl Begun {
    /// Takes the sockets of the process at this place once this one would be ready; none if that process has ended meanwhile.
    ///
    /// # Errors
    /// Why it takes over nothing.
    pub(super) fn new(
        place: &Place,
        runtime: &Runtime,
        health: &Arc<dyn Health>,
        addresses: &mut Addresses,
    ) -> Result<Option<Self>, Error> {
        let begun = runtime.block_on(async {
            would_be_ready(&**health).await?;
            Taker::begin(place).await
        })?;
        let Some((taker, taken)) = begun else {
            tracing::warn!(
                "--takeover: the running instance ended meanwhile; this one starts as usual"
            );
            return Ok(None);
        };
        let Taken {
            sockets,
            unknown,
            meeting,
        } = taken;
        let mut unused = unknown;
        for left in addresses.give(sockets) {
            tracing::warn!(
                "--takeover: this configuration does not have {} = {}, which the running instance serves: it is closed",
                left.socket.purpose.option(),
                left.socket.configured
            );
            unused.push(left.place);
        }
        Ok(Some(Self {
            taker,
            unused,
            meeting,
        }))
    }

    /// Says that the workers serve.
    ///
    /// # Errors
    /// The process before has given up on this one.
    pub(super) fn commit(self, runtime: &Runtime) -> Result<(), Error> {
        runtime.block_on(self.taker.commit(self.unused))
    }
}

async fn would_be_ready(health: &dyn Health) -> Result<(), Error> {
    let until = Instant::now() + Duration::from_secs(TAKEOVER_READY_SECONDS);
    while let Some(why) = health.unready() {
        if Instant::now() >= until {
            return Err(Error::NotReady(why));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Closes the sockets that nobody serves after this process, so that new clients go elsewhere while it drains.
pub(super) fn close(held: &[Held], ending: &Ending) {
    for it in held.iter().filter(|it| is_closed(it, ending)) {
        // It may be closed already: then the process before has done so.
        let _ = socket2::SockRef::from(&it.socket.listener).shutdown(Shutdown::Both);
    }
}

fn is_closed(held: &Held, ending: &Ending) -> bool {
    let served_on = match ending {
        // The admin listener answers until the end.
        Ending::Signal(_) => held.socket.purpose == Purpose::Admin,
        Ending::Succeeded(successor) => !successor.unused.contains(&held.place),
    };
    !served_on && !held.socket.kept
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::net::connection::Opening;
    use crate::server::addresses::Ready;

    #[test]
    fn only_what_nobody_serves_on_is_closed() {
        let held = |place, purpose, kept| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let configured = listener.local_addr().unwrap();
            let socket = Ready {
                purpose,
                configured,
                listener,
                kept,
            };
            Held { place, socket }
        };
        let smtp = Purpose::Smtp(Opening::Clear);
        let all = [
            held(0, smtp, false),
            held(1, smtp, true),
            held(2, smtp, false),
            held(3, Purpose::Admin, false),
        ];
        let closed = |ending: &Ending| {
            let closed = all.iter().filter(|it| is_closed(it, ending));
            closed.map(|it| it.place).collect::<Vec<_>>()
        };
        assert_eq!(
            closed(&Ending::Signal(Signal::Terminate)),
            [0, 2],
            "1 is systemd's"
        );
        let successor = |unused: &[usize]| {
            Ending::Succeeded(Successor {
                process: 1,
                version: String::new(),
                unused: unused.into(),
            })
        };
        assert!(closed(&successor(&[])).is_empty());
        assert_eq!(closed(&successor(&[1, 2])), [2]);
        close(&all, &Ending::Signal(Signal::Terminate));
        let reached = |place: usize| {
            let address = all[place].socket.configured;
            std::net::TcpStream::connect(address).is_ok()
        };
        assert_eq!([0, 1, 2, 3].map(reached), [false, true, false, true]);
    }
}

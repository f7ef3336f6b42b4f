//! Accepted sockets on their way from one worker to another.
//!
//! Owns: how a socket gets there, and what goes with it. Must not know: whom it goes to (`loads`), and what is done with it
//! there.
//!
//! A hand-over costs some system calls and the wake-up of another thread. Where connections with one mail come by the thousand,
//! the counts are uneven for moments only, and it would gain nothing. So a worker hands on a bounded number in a minute:
//! enough for the connections that stay, which come less often.
//!
//! Invariants: nothing waits for an inbox that is full, or whose worker is gone: the sender keeps the connection. What was sent is
//! taken, in order, by a worker that lives.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::Notify;

use super::connection::Entrance;
use crate::limits::{HANDED_ON_A_MINUTE, HANDED_ON_MOST};
use crate::smtp::rate::Rate;

/// A connection of which nothing was read and to which nothing was said.
#[derive(Debug)]
pub struct Accepted {
    /// Its socket.
    pub socket: TcpStream,
    /// Where it comes from.
    pub client: SocketAddr,
    /// Where it came in.
    pub entrance: Entrance,
}

/// One worker's inbox, and those of all, in the order of the workers.
#[derive(Debug)]
pub struct Handover {
    inbox: Receiver<Accepted>,
    arrived: Arc<Notify>,
    all: Arc<[Inbox]>,
    /// What this worker may still send.
    rate: Rate,
}

/// A worker's inbox, as the others see it.
#[derive(Debug)]
struct Inbox {
    accepted: Sender<Accepted>,
    arrived: Arc<Notify>,
}

/// For this many workers, from now on.
pub fn among(workers: usize, now: Instant) -> Vec<Handover> {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..workers).map(|_| bounded(HANDED_ON_MOST)).unzip();
    let inbox = |accepted| Inbox {
        accepted,
        arrived: Arc::default(),
    };
    let all: Arc<[Inbox]> = senders.into_iter().map(inbox).collect();
    let handover = |(worker, inbox): (usize, Receiver<Accepted>)| Handover {
        inbox,
        arrived: Arc::clone(&all[worker].arrived),
        all: Arc::clone(&all),
        rate: Rate::per_minute(HANDED_ON_A_MINUTE, now),
    };
    receivers.into_iter().enumerate().map(handover).collect()
}

impl Handover {
    /// Whether one more may be sent now, which then counts.
    pub fn allows(&self, now: Instant) -> bool {
        self.rate.take(now)
    }

    /// Sends a connection to a worker; whether its inbox has taken it.
    pub fn send(&self, worker: usize, accepted: Accepted) -> bool {
        let inbox = &self.all[worker];
        let taken = inbox.accepted.try_send(accepted).is_ok();
        if taken {
            inbox.arrived.notify_one();
        }
        taken
    }

    /// The next connection that another worker has sent.
    pub async fn next(&self) -> Accepted {
        loop {
            match self.inbox.try_recv() {
                Ok(accepted) => return accepted,
                // Empty: this worker's own list of inboxes keeps it open.
                Err(_) => self.arrived.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::net::connection::Opening;

    fn accepted(opening: Opening) -> Accepted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, client) = listener.accept().unwrap();
        Accepted {
            socket,
            client,
            entrance: Entrance {
                listener: 3,
                opening,
            },
        }
    }

    #[test]
    fn a_worker_gets_what_is_sent_to_it_with_its_opening() {
        let mut all = among(2, Instant::now());
        let (second, first) = (all.pop().unwrap(), all.pop().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for opening in [Opening::Tls, Opening::Proxied] {
                    assert!(first.send(1, accepted(opening)));
                }
            });
            assert_eq!(
                runtime.block_on(second.next()).entrance.opening,
                Opening::Tls
            );
            assert_eq!(
                runtime.block_on(second.next()).entrance.opening,
                Opening::Proxied
            );
        });
    }

    #[test]
    fn what_a_minute_allows_is_sent_and_no_more() {
        let now = Instant::now();
        let one = &among(1, now)[0];
        let allowed = (0..2 * HANDED_ON_A_MINUTE).filter(|_| one.allows(now));
        assert_eq!(allowed.count(), HANDED_ON_A_MINUTE);
    }

    #[test]
    fn a_worker_that_finds_a_full_inbox_or_none_keeps_the_connection() {
        let mut all = among(3, Instant::now());
        let gone = all.pop().unwrap();
        for _ in 0..HANDED_ON_MOST {
            assert!(all[0].send(1, accepted(Opening::Clear)));
        }
        assert!(!all[0].send(1, accepted(Opening::Clear)));
        drop(gone);
        assert!(!all[0].send(2, accepted(Opening::Clear)));
    }
}

//! `ringpost serve --takeover`: a new process takes the listening sockets of the running one, which then drains and ends.
//!
//! | file | owns |
//! |---|---|
//! | `place` | where the two meet, and that both belong to the same user |
//! | `wire` | messages with descriptors, and how they are written |
//! | `protocol` | which messages there are, and their version |
//! | `giving` | the side of the running process |
//! | `taking` | the side of the new one |
//!
//! The sockets themselves are passed (SCM_RIGHTS), all of them: a connection waits in the queue of one socket, so nothing that waits is
//! lost, whichever process accepts it. In order:
//!
//! 1. the new process prepares everything but its addresses, and waits until it would be ready;
//! 2. it says hello; the running one answers with its sockets, and serves on;
//! 3. the new process lets its workers serve; from now on both accept;
//! 4. it says so; the running one answers, stops accepting, drains, and ends with exit code 0.
//!
//! Until step 4 the running process serves as if nothing had happened, so a new one that fails costs at most the connections that it
//! has accepted itself since step 3. The socket at which they meet is passed too, so that the next takeover, which may wait there
//! already, finds the new process.
//!
//! Invariants: one takeover at a time; at every moment at least one of the two accepts.

mod giving;
mod place;
mod protocol;
mod taking;
mod wire;

pub(super) use giving::{Giver, Successor};
pub(super) use place::Place;
pub(super) use taking::{Error, Taken, Taker};

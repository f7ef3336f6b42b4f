//! The io_uring layer: the only one that names the runtime.
//!
//! | file | owns |
//! |---|---|
//! | `transport` | the door between a connection and its octets |
//! | `stream` | the transport in clear, or TLS over it |
//! | `tls` | one connection's TLS state, without I/O |
//! | `certificates` | the certificates that are served, by name, exchanged without a restart |
//! | `connection` | drives one session over one transport |
//! | `hub` | what the connections of one worker share: slots, ledger, budget, ids |
//! | `clock` | tells the time |
//! | `budget` | the in-flight budget of one worker |
//! | `worker` | a thread: ring, listeners, connections, reports, deadlines |
//! | `proxy` | the header of the PROXY protocol |
//! | `probe` | what the kernel allows, and what to do where it does not |

pub mod budget;
pub mod certificates;
pub mod clock;
pub mod connection;
pub mod hub;
pub mod probe;
pub mod proxy;
pub mod stream;
mod tls;
pub mod transport;
pub mod worker;

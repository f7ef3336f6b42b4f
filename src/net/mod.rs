//! The io_uring layer: the only one that names the runtime.
//!
//! | file | owns |
//! |---|---|
//! | `transport` | the door between a connection and its octets |
//! | `socket` | the few calls past the ring |
//! | `stream` | the transport in clear, or TLS over it |
//! | `tls` | one connection's TLS state, without I/O |
//! | `certificates` | the certificates that are served, by name, exchanged without a restart |
//! | `connection` | drives one session over one transport |
//! | `hub` | what the connections of one worker share: slots, ledger, budget, ids |
//! | `clock` | tells the time |
//! | `buffers` | bodies' buffers, used again |
//! | `budget` | the in-flight budget of one worker |
//! | `worker` | a thread: ring, listeners, connections, reports, deadlines |
//! | `vitals` | whether the workers serve |
//! | `listen` | sockets that listen, and why an address cannot be listened on |
//! | `admission` | how many connections and messages a client may have |
//! | `rules` | what a reload exchanges, and how it gets to the workers |
//! | `probe` | what the kernel allows, and what to do where it does not |

pub mod admission;
pub mod budget;
pub mod buffers;
pub mod certificates;
pub mod clock;
pub mod connection;
pub mod hub;
pub mod listen;
pub mod probe;
pub mod rules;
mod socket;
pub mod stream;
mod tls;
pub mod transport;
pub mod vitals;
pub mod worker;

//! The connection layer: from a socket to a session and back, on io_uring or epoll.
//!
//! | file | owns |
//! |---|---|
//! | `transport` | the door between a connection and its bytes |
//! | `engine` | what a worker runs on: io_uring by tokio-uring, epoll in a runtime of tokio |
//! | `stream` | the transport in clear, or TLS over it |
//! | `tls` | one connection's TLS state, without I/O |
//! | `certificates` | the certificates that are served, by name, exchanged without a restart |
//! | `tickets` | session tickets: form, keys, lifetime |
//! | `handshake` | what TLS handshakes are made with, together |
//! | `connection` | drives one session over one transport |
//! | `shared` | what all workers share |
//! | `loads` | how many connections each worker has, and which of them a new one goes to |
//! | `hub` | the parts of one worker, side by side: |
//! | `memory` | room for bodies, and what is used again |
//! | `budget` | the in-flight budget, its charges, and the queue for one |
//! | `buffers` | bodies' buffers, used again |
//! | `slots`, `slot` | the open connections, and how one waits |
//! | `flights` | the records in flight, with their charges |
//! | `parts` | the records of one mail that became several |
//! | `identities` | queue ids and dates |
//! | `journal` | log lines that wait |
//! | `clock` | tells the time |
//! | `worker` | a thread: engine, listeners, connections, reports, deadlines |
//! | `handover` | accepted sockets on their way from one worker to another |
//! | `vitals` | whether the workers serve |
//! | `pulse` | whether they make progress |
//! | `listen` | sockets that listen, and why an address cannot be listened on |
//! | `inherited` | sockets that a supervisor has opened |
//! | `admission` | how many connections and messages a client may have |
//! | `census` | how many sessions are open, by listener |
//! | `rules` | what a reload exchanges |

pub mod admission;
pub mod budget;
pub mod buffers;
pub mod census;
pub mod certificates;
pub mod clock;
pub mod connection;
pub mod engine;
pub mod flights;
pub mod handover;
pub mod handshake;
pub mod hub;
pub mod identities;
pub mod inherited;
pub mod journal;
pub mod listen;
pub mod loads;
pub mod memory;
pub mod parts;
pub mod pulse;
pub mod rules;
pub mod shared;
pub mod slot;
pub mod slots;
pub mod stream;
pub mod tickets;
mod tls;
pub mod transport;
pub mod vitals;
pub mod worker;

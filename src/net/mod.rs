//! The io_uring layer: the only one that names the runtime.
//!
//! | file | owns |
//! |---|---|
//! | `transport` | the door between a connection and its octets |
//! | `connection` | drives one session over one transport |
//! | `hub` | what the connections of one worker share: slots, ledger, budget, ids |
//! | `clock` | tells the time |
//! | `budget` | the in-flight budget of one worker |
//! | `worker` | a thread: ring, listeners, connections, reports, deadlines |
//! | `admission` | how many connections and messages a client may have |
//! | `rules` | what a reload exchanges, and how it gets to the workers |
//! | `proxy` | the header of the PROXY protocol |
//! | `probe` | what the kernel allows, and what to do where it does not |

pub mod admission;
pub mod budget;
pub mod clock;
pub mod connection;
pub mod hub;
pub mod probe;
pub mod proxy;
pub mod rules;
pub mod transport;
pub mod worker;

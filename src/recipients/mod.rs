//! Recipients that a topic names, live: read from its beginning, then followed.
//!
//! | file | what |
//! |---|---|
//! | `place` | which topic of which cluster, and the clients of it |
//! | `trouble` | why it cannot be read, in an operator's words, with what fixes it |
//! | `reader` | the records of all its partitions, without a group |
//! | `book` | what records come to: a directory, and keys that name nobody |
//! | `published` | the directory that is in force, and why there is none yet |
//! | `follow` | the thread of a server that keeps it so; `story` is what the log says of that, `notes` what it says of odd keys |
//! | `load` | the whole topic, once |
//! | `policy` | whether Kafka keeps what is written there |
//! | `write` | names added to the topic, and removed |
//!
//! The set itself is [`crate::smtp::directory`]. Must not know: sessions, workers, flags.

mod book;
mod follow;
mod load;
mod notes;
mod place;
mod policy;
mod published;
mod reader;
mod story;
mod trouble;
mod write;

pub use follow::{Following, Setup, start};
pub use load::{Loaded, load};
pub use place::Place;
pub use policy::{Kept, ask as ask_policy};
pub use published::Published;
pub use reader::Record;
pub use trouble::{Failed, Trouble};
pub use write::{Change, write};

//! Who a mail is from: SPF, DKIM, DMARC, ARC and the client's name, for each record of a topic.
//!
//! From the bottom up: `word` is a result, `dns` questions and answers, `message` the header section, `tags` a list of tags, `hash` a body
//! as it is signed, `keys` public keys; `spf`, `chain`, `signature`, `dmarc` and `reverse` are the checks, `verdicts` all of them for one
//! mail; `field` writes them down, `forged` finds what others wrote in our name, `output` is the record that results. All of these do no
//! I/O. `resolver` gets answers, `examine` takes one record through all of it, and `step` from one topic to the other.
//!
//! Must not know: flags, the configuration file.

mod chain;
mod dmarc;
pub mod dns;
pub mod examine;
mod field;
mod forged;
mod hash;
mod keys;
mod message;
pub mod output;
pub mod resolver;
mod reverse;
mod signature;
pub mod spf;
pub mod step;
mod tags;
mod verdicts;
pub mod word;

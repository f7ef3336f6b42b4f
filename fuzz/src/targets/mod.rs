//! The fuzz targets: what has to hold for any input.
//!
//! | target | holds |
//! |---|---|
//! | command | a line parses or is refused by its own kind of refusal; what was parsed, written out, parses to the same |
//! | session | octets in any pieces say and commit the same; messages are the oracle's; 250 is said for "stored" alone |
//! | chunks | BDAT says and stores what a naive model of RFC 3030 does |
//! | record | a record holds its message, and is the same in memory that another record has used |
//! | proxy | the verdict on a header is final, and the same for whatever follows |

mod chunks;
mod command;
mod proxy;
mod record;
mod session;

use crate::mutate::Corpus;
use crate::random::Random;

/// A target.
#[derive(Debug)]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// What its inputs are made from.
    pub corpus: fn() -> Corpus,
    /// Panics if something does not hold for an input.
    pub check: fn(&[u8], &mut Random),
}

/// The target of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

/// All targets.
pub const ALL: &[Target] = &[
    Target {
        name: "command",
        corpus: command::corpus,
        check: command::check,
    },
    Target {
        name: "session",
        corpus: session::corpus,
        check: session::check,
    },
    Target {
        name: "chunks",
        corpus: chunks::corpus,
        check: chunks::check,
    },
    Target {
        name: "record",
        corpus: record::corpus,
        check: record::check,
    },
    Target {
        name: "proxy",
        corpus: proxy::corpus,
        check: proxy::check,
    },
];

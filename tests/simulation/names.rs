//! Recipients that come and go: what the directory says of them at any time, and whether replies and records agree.
//!
//! Owns: which names there are, and since when each is in the directory or not. Must not know: clients, connections.

use std::cell::RefCell;
use std::sync::Arc;

use ringpost_proto::smtp::directory::{Directory, Origin};
use ringpost_proto::smtp::name::Name;

use crate::random::Random;
use crate::sharing::DOMAINS;

/// Recipients that come and go.
pub const PASSING: [&str; 3] = ["v0@mx.example", "v1@mx.example", "v2@mx.example"];

/// See the module.
#[derive(Debug)]
pub struct Names {
    directory: RefCell<Arc<Directory>>,
    /// Of each that comes and goes: from when on it was there, or not.
    history: RefCell<[Vec<(u64, bool)>; PASSING.len()]>,
}

impl Names {
    /// Those that stay.
    pub fn new() -> Self {
        let names = Self {
            directory: RefCell::new(Arc::new(Directory::new(1))),
            history: RefCell::new(std::array::from_fn(|_| vec![(0, false)])),
        };
        for domain in DOMAINS {
            for local_part in ["r0", "r1", "r2", "r3", "r4", "r5", "abandoned"] {
                names.put(&format!("{local_part}@{domain}"), 0, true);
            }
        }
        names
    }

    /// The directory now.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.borrow())
    }

    /// Lets one come or go.
    pub fn change(&self, random: &mut Random, now: u64) {
        let who = random.below(PASSING.len());
        let before = self.history.borrow()[who].last().expect("a beginning").1;
        self.put(PASSING[who], now, !before);
        self.history.borrow_mut()[who].push((now, !before));
    }

    fn put(&self, name: &str, now: u64, named: bool) {
        let name = Name::parse(name.as_bytes()).expect("a key");
        let mut directory = self.directory.borrow_mut();
        let mut changes = directory.changes();
        let origin = Origin {
            time: i64::try_from(now / 1000).expect("a run is short"),
            partition: 0,
        };
        changes.push(&name, origin, named);
        let next = directory.with(&mut changes).0;
        *directory = Arc::new(next);
    }

    /// Whether one was there, and whether it was not, at some moment of this time, both ends included.
    pub fn during(&self, who: usize, from: u64, to: u64) -> (bool, bool) {
        let history = &self.history.borrow()[who];
        let (mut there, mut away) = (false, false);
        for (place, &(since, named)) in history.iter().enumerate() {
            let until = history.get(place + 1).map_or(u64::MAX, |next| next.0);
            if since <= to && from <= until {
                there |= named;
                away |= !named;
            }
        }
        (there, away)
    }
}

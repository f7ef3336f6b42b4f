//! The whole topic, read once: for `check`, `list` and `import --replace`.
//!
//! Owns: how long a reader waits. Must not know: what becomes of the names.

use std::time::{Duration, Instant};

use super::book::Book;
use super::place::Place;
use super::reader::{Reader, Record};
use super::trouble::{Failed, Trouble};
use crate::smtp::directory::Directory;
use crate::smtp::name::Name;

/// Longest time of one look at the topic, and the pause between two.
const LOOK_WAIT: Duration = Duration::from_secs(1);
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for a record.
const POLL: Duration = Duration::from_millis(50);
/// Records that are applied at once.
const BATCH: usize = 16 * 1024;
/// If no broker can be reached by then, the wait ends.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// A topic that was read to its end.
pub struct Loaded {
    /// Whom it names.
    pub directory: Directory,
    /// Records with a key that is a name.
    pub records: u64,
    /// Records with another key.
    pub invalid: u64,
}

/// Reads the topic to its end. `visit` sees each record whose key is a name, in the order of each partition.
///
/// # Errors
/// What keeps it from being read, once no record has come for `limit`; or the command was stopped.
pub fn load(
    place: &Place,
    limit: Duration,
    stop: &dyn Fn() -> bool,
    visit: &mut dyn FnMut(&Record<'_>, &Name),
) -> Result<Loaded, Failed> {
    let mut reader = Reader::new(place)?;
    let mut book = Book::new(0);
    let (began, mut progress) = (Instant::now(), Instant::now());
    let mut looked: Option<Instant> = None;
    while !reader.is_loaded() {
        if stop() {
            return Err(Failed::Stopped);
        }
        let mut trouble = Trouble::Reading(book.records);
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_PAUSE) {
            looked = Some(Instant::now());
            if let Err(found) = reader.look(LOOK_WAIT) {
                trouble = found;
                let hopeless = began.elapsed() >= PATIENCE && reader.is_hopeless();
                if settles(&trouble) || hopeless {
                    return Err(place.failed(&trouble));
                }
            }
        }
        let count = reader.read(POLL, BATCH, &mut |record| {
            if let Ok(name) = book.take(record) {
                visit(record, &name);
            }
        });
        if count > 0 {
            book.apply();
            progress = Instant::now();
        }
        if progress.elapsed() >= limit {
            return Err(place.failed(&trouble));
        }
    }
    let Book {
        records, invalid, ..
    } = book;
    Ok(Loaded {
        directory: book.directory().clone(),
        records,
        invalid,
    })
}

/// Whether waiting does not help.
fn settles(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Missing(_) | Trouble::Hidden | Trouble::Unreadable | Trouble::Unwritable => true,
        Trouble::Silent(_) | Trouble::Odd(_) | Trouble::Leaderless(_) | Trouble::Reading(_) => {
            false
        }
    }
}

//! What the records of the topic come to: a directory, and keys that name nobody.
//!
//! Owns: the way from records to changes of the directory. Must not know: where records come from, who reads the directory.
//!
//! Invariant: an older record never counts over a newer one about the same name, in whatever order partitions are read: marks
//! of removed names are kept while the topic is read, and for [`OVERTAKEN`] after that.

use super::reader::Record;
use crate::smtp::directory::{Applied, Changes, Directory, Origin};
use crate::smtp::name::{Name, NotAName};

/// How much later than another partition's a record may come, in milliseconds of their time stamps.
const OVERTAKEN: i64 = 60 * 60 * 1000;

/// See the module.
pub(super) struct Book {
    directory: Directory,
    changes: Changes,
    /// The newest time stamp.
    newest: i64,
    /// Records with a key that is a name.
    pub(super) records: u64,
    /// Records with another key.
    pub(super) invalid: u64,
}

impl Book {
    /// Nobody is named. `seed` is a number that senders do not know.
    pub(super) fn new(seed: u64) -> Self {
        let directory = Directory::new(seed);
        Self {
            changes: directory.changes(),
            directory,
            newest: i64::MIN,
            records: 0,
            invalid: 0,
        }
    }

    /// Takes a record; the name that it is about.
    ///
    /// # Errors
    /// Why its key is no name.
    pub(super) fn take(&mut self, record: &Record<'_>) -> Result<Name, NotAName> {
        let name = Name::parse(record.key).inspect_err(|_| self.invalid += 1)?;
        self.records += 1;
        self.newest = self.newest.max(record.time);
        let origin = Origin {
            time: record.time,
            partition: record.partition,
        };
        self.changes.push(&name, origin, record.named);
        Ok(name)
    }

    /// Puts what was taken into the directory.
    pub(super) fn apply(&mut self) -> Applied {
        let (next, applied) = self.directory.with(&mut self.changes);
        self.directory = next;
        self.changes.clear();
        applied
    }

    /// The topic was read: from now on marks are kept no longer than they may be needed.
    pub(super) fn loaded(&mut self) {
        let before = self.newest.saturating_sub(OVERTAKEN);
        self.directory = self.directory.without_marks(before);
        self.keep_marks_for_a_while();
    }

    /// The same later on, as time goes by.
    pub(super) fn keep_marks_for_a_while(&mut self) {
        self.changes
            .forget_before(self.newest.saturating_sub(OVERTAKEN));
    }

    /// What is known.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(book: &mut Book, key: &str, time: i64, named: bool) -> bool {
        let record = Record {
            partition: (time % 2) as i32,
            offset: 0,
            time,
            key: key.as_bytes(),
            named,
        };
        book.take(&record).is_ok()
    }

    #[test]
    fn records_make_a_directory_and_odd_keys_are_counted() {
        let mut book = Book::new(1);
        assert!(take(&mut book, "joe@example.com", 1, true));
        assert!(take(&mut book, "ann@example.com", 2, true));
        assert!(!take(&mut book, "", 3, true));
        assert!(!take(&mut book, "no name", 3, true));
        assert!(take(&mut book, "JOE@example.com", 4, false));
        let applied = book.apply();
        assert_eq!((applied.added, applied.removed), (1, 0));
        assert_eq!((book.records, book.invalid), (3, 2));
        let names: Vec<String> = book
            .directory()
            .names()
            .map(|name| name.to_string())
            .collect();
        assert_eq!(names, ["ann@example.com"]);
    }

    #[test]
    fn an_older_record_of_another_partition_counts_for_nothing_also_after_the_load() {
        let mut book = Book::new(1);
        let now = 10 * OVERTAKEN;
        take(&mut book, "joe@example.com", now, false);
        book.apply();
        book.loaded();
        take(&mut book, "JOE@example.com", now - 1, true);
        assert_eq!(book.apply().added, 0);
        take(&mut book, "ann@example.com", now + 2 * OVERTAKEN, true);
        book.keep_marks_for_a_while();
        book.apply();
        assert_eq!(book.directory().counts().all(), 1);
    }
}

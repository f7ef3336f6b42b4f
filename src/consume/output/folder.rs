//! A file for each record: a folder of `.eml` files, or a maildir.
//!
//! Owns: the files' names, when they appear, and the folder's lock. Must not know: Kafka.
//!
//! A batch is staged under names that nobody reads, then decided (fsynced and in the journal), then delivered by renames.
//! A run that was killed is finished by the next: staged files of a batch that was decided are delivered, others removed.
//!
//! Invariants: a file is in its place only when it is whole, and is put there once: somebody may have moved it on since.
//! BUGS: mail programs remove files from `tmp/` that are 36 hours old: mails that were decided, staged and left there by a
//! kill for so long are lost to a maildir. Names that are delivered are fsynced with the next batch, and found in `tmp/`
//! after a power cut before it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::file::lock;
use super::journal::{Extent, Journal, Marks, Source, named, sync_folder};
use crate::command::consume::say;
use crate::consume::format::{self, Received};

/// What stands between the final name of a staged file and its batch.
const STAGED: &str = ".ringpost-";
/// The journal's name in a folder.
const JOURNAL: &str = ".ringpost-journal";

/// A folder of files.
pub struct Folder {
    kind: Kind,
    /// Where files are staged.
    staging: PathBuf,
    /// Where they are delivered.
    place: PathBuf,
    /// Final names of the batch that is being staged.
    staged: BTreeSet<String>,
    batch: u64,
    durable: bool,
    journal: Option<Journal>,
    /// Keeps the lock.
    _folder: File,
}

enum Kind {
    Eml,
    Maildir { host: String, written: u64 },
}

impl Folder {
    /// A folder of `.eml` files, made if it is missing. `durable`: fsynced, and with a journal.
    ///
    /// # Errors
    /// Where it cannot be made or read, or another process has it.
    pub fn eml(path: &Path, durable: bool) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Self::open(Kind::Eml, path, path.to_owned(), path.to_owned(), durable)
    }

    /// A maildir, made if it is missing.
    ///
    /// # Errors
    /// As of [`Folder::eml`].
    pub fn maildir(path: &Path, durable: bool) -> io::Result<Self> {
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(folder))?;
        }
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .replace('/', "\\057")
            .replace(':', "\\072");
        let kind = Kind::Maildir { host, written: 0 };
        Self::open(kind, path, path.join("tmp"), path.join("new"), durable)
    }

    fn open(
        kind: Kind,
        path: &Path,
        staging: PathBuf,
        place: PathBuf,
        durable: bool,
    ) -> io::Result<Self> {
        let folder = File::open(path)?;
        lock(&folder)?;
        let mut opened = Self {
            kind,
            staging,
            place,
            staged: BTreeSet::new(),
            batch: 0,
            durable,
            journal: None,
            _folder: folder,
        };
        let journal = Journal::open(&path.join(JOURNAL), opened.format())?;
        opened.batch = journal.extent().batch;
        opened.finish_earlier_run(path)?;
        if durable {
            opened.begin(journal)?;
        }
        Ok(opened)
    }

    fn format(&self) -> &'static str {
        match self.kind {
            Kind::Eml => "eml",
            Kind::Maildir { .. } => "maildir",
        }
    }

    fn begin(&mut self, mut journal: Journal) -> io::Result<()> {
        let extent = journal.extent().clone();
        journal.begin(extent)?;
        self.journal = Some(journal);
        Ok(())
    }

    /// Delivers what was decided, and removes what was not: it is read again.
    fn finish_earlier_run(&self, path: &Path) -> io::Result<()> {
        let (mut delivered, mut removed) = (0, 0);
        for entry in fs::read_dir(&self.staging)? {
            let entry = entry?;
            let file_name = entry.file_name();
            let Some((name, batch)) = file_name.to_str().and_then(staged_name) else {
                continue;
            };
            if batch <= self.batch {
                fs::rename(entry.path(), self.place.join(name))?;
                delivered += 1;
            } else {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        if delivered + removed > 0 {
            say(&format!(
                "{}: of an earlier run that did not end in order, {delivered} decided mails were delivered and {removed}, which it \
                 did not get to commit, removed",
                path.display()
            ));
        }
        Ok(())
    }

    /// What the journal holds for a source.
    pub fn marks(&self, source: &Source) -> Marks {
        self.journal
            .as_ref()
            .map(|journal| journal.marks(source))
            .unwrap_or_default()
    }

    /// Stages a record.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn write(&mut self, received: &Received) -> io::Result<()> {
        let (name, octets) = match &mut self.kind {
            Kind::Eml => {
                let name = self.eml_name(received)?;
                (name, std::borrow::Cow::Borrowed(received.value.as_slice()))
            }
            Kind::Maildir { host, written } => {
                *written += 1;
                let name = unique_name(host, *written, received);
                (name, format::local_line_ends(&received.value))
            }
        };
        let path = self.staged_path(&name, self.batch + 1);
        put(&path, &octets, self.durable).map_err(|error| named(&path, &error))?;
        self.staged.insert(name);
        Ok(())
    }

    /// The record's name, which a repeat of the record takes again; another record of the same id gets one of its own.
    fn eml_name(&self, received: &Received) -> io::Result<String> {
        let name = format::eml_name(received);
        let holder = if self.staged.contains(&name) {
            self.staged_path(&name, self.batch + 1)
        } else {
            self.place.join(&name)
        };
        match fs::read(&holder) {
            Ok(octets) if octets != received.value => Ok(format::eml_name_of_place(received)),
            Ok(_) => Ok(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(name),
            Err(error) => Err(named(&holder, &error)),
        }
    }

    /// Decides the batch: it is whole, and with marks on disk and in the journal.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn flush(&mut self, progress: Option<(&Source, &Marks)>) -> io::Result<()> {
        let batch = self.batch + 1;
        if let (Some((source, marks)), Some(journal)) = (progress, &mut self.journal) {
            sync_folder(&self.staging)?;
            if self.place != self.staging {
                sync_folder(&self.place)?;
            }
            let extent = Extent {
                batch,
                ..Extent::default()
            };
            journal.record(source, marks, extent)?;
        }
        self.batch = batch;
        Ok(())
    }

    /// Delivers the batch that was decided.
    ///
    /// # Errors
    /// What the file system returns; the next run delivers the rest.
    pub fn deliver(&mut self) -> io::Result<()> {
        for name in std::mem::take(&mut self.staged) {
            fs::rename(self.staged_path(&name, self.batch), self.place.join(&name))?;
        }
        Ok(())
    }

    /// Takes the last flush with marks back, before it was delivered.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn take_back(&mut self) -> io::Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.take_back()?;
        }
        self.batch -= 1;
        self.abandon();
        Ok(())
    }

    /// The run has ended in order.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn end_run(&mut self, source: &Source, settled: &[i32]) -> io::Result<()> {
        if self.durable {
            sync_folder(&self.place)?;
        }
        match &mut self.journal {
            Some(journal) => journal.end(source, settled),
            None => Ok(()),
        }
    }

    /// Removes what is staged and not decided, as far as it can: the records are read again.
    pub fn abandon(&mut self) {
        for name in std::mem::take(&mut self.staged) {
            // What stays is removed by the next run.
            let _ = fs::remove_file(self.staged_path(&name, self.batch + 1));
        }
    }

    fn staged_path(&self, name: &str, batch: u64) -> PathBuf {
        // Hidden, since `.eml` files are staged where they are delivered.
        let hidden = if matches!(self.kind, Kind::Eml) {
            "."
        } else {
            ""
        };
        self.staging.join(format!("{hidden}{name}{STAGED}{batch}"))
    }
}

/// The final name and the batch of a staged file; none where it is not one of ours.
fn staged_name(file_name: &str) -> Option<(&str, u64)> {
    let (name, batch) = file_name.rsplit_once(STAGED)?;
    let name = name.strip_prefix('.').unwrap_or(name);
    (!name.is_empty()).then_some((name, batch.parse().ok()?))
}

/// Time, process and a count of this process: no two deliveries of one host share a name.
fn unique_name(host: &str, written: u64, received: &Received) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!(
        "{}.M{}P{}Q{written}_{}_{}.{host}",
        now.as_secs(),
        now.subsec_micros(),
        std::process::id(),
        received.partition,
        received.offset,
    )
}

fn put(path: &Path, octets: &[u8], durable: bool) -> io::Result<()> {
    let mut file = File::create(path)?;
    let written = file.write_all(octets);
    let synced = written.and_then(|()| if durable { file.sync_data() } else { Ok(()) });
    if synced.is_err() {
        let _ = fs::remove_file(path);
    }
    synced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, id: &str) -> Received {
        Received {
            topic: "mail".into(),
            offset,
            headers: vec![("ce_id".into(), id.into())],
            value: format!("From {offset}\r\n").into_bytes(),
            ..Received::default()
        }
    }

    /// Names that are not hidden.
    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    fn marks(next: i64) -> Marks {
        let mark = super::super::journal::Mark {
            next,
            ..Default::default()
        };
        Marks::from([(0, mark)])
    }

    fn commit(folder: &mut Folder, next: i64) {
        let source = Source::default();
        folder.flush(Some((&source, &marks(next)))).unwrap();
        folder.deliver().unwrap();
    }

    #[test]
    fn an_eml_folder_keeps_octets_and_one_file_a_record() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("made/here");
        let mut folder = Folder::eml(&path, true).unwrap();
        folder.write(&record(1, "one")).unwrap();
        folder.write(&record(2, "")).unwrap();
        assert!(names(&path).is_empty());
        commit(&mut folder, 3);
        assert_eq!(names(&path), ["mail-0-2.eml", "one.eml"]);
        assert_eq!(fs::read(path.join("one.eml")).unwrap(), b"From 1\r\n");
        // A repeat takes the same file; another mail of the same id, in this batch or a later one, does not.
        folder.write(&record(1, "one")).unwrap();
        folder.write(&record(3, "one")).unwrap();
        folder.write(&record(4, "four")).unwrap();
        folder.write(&record(5, "four")).unwrap();
        commit(&mut folder, 6);
        assert_eq!(
            names(&path),
            [
                "four-mail-0-5.eml",
                "four.eml",
                "mail-0-2.eml",
                "one-mail-0-3.eml",
                "one.eml"
            ]
        );
        assert_eq!(fs::read(path.join("one.eml")).unwrap(), b"From 1\r\n");
    }

    #[test]
    fn a_maildir_gets_each_record_into_new_with_the_line_ends_of_local_mail() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::maildir(root.path(), false).unwrap();
        for _ in 0..3 {
            folder.write(&record(7, "same")).unwrap();
        }
        folder.flush(None).unwrap();
        folder.deliver().unwrap();
        assert_eq!(names(root.path()), ["cur", "new", "tmp"]);
        assert_eq!(names(&root.path().join("new")).len(), 3);
        assert!(names(&root.path().join("tmp")).is_empty());
        for name in names(&root.path().join("new")) {
            let octets = fs::read(root.path().join("new").join(name)).unwrap();
            assert_eq!(octets, b"From 7\n");
        }
    }

    #[test]
    fn a_killed_run_is_finished_whichever_step_it_was_killed_at() {
        type Open = fn(&Path, bool) -> io::Result<Folder>;
        for (open, place) in [(Folder::eml as Open, ""), (Folder::maildir, "new")] {
            let root = tempfile::tempdir().unwrap();
            let place = root.path().join(place);
            let source = Source::default();
            let mut folder = open(root.path(), true).unwrap();
            folder.write(&record(0, "a")).unwrap();
            commit(&mut folder, 1);
            // Killed while it was staging.
            folder.write(&record(1, "b")).unwrap();
            drop(folder);
            let mut folder = open(root.path(), true).unwrap();
            assert_eq!(folder.marks(&source)[&0].next, 1);
            assert_eq!(
                names(&place)
                    .iter()
                    .filter(|name| name.contains('.'))
                    .count(),
                1
            );
            // Killed after the decision, and half delivered; what was delivered has been moved on since.
            folder.write(&record(1, "b")).unwrap();
            folder.write(&record(2, "c")).unwrap();
            folder.flush(Some((&source, &marks(3)))).unwrap();
            let first = folder.staged.first().cloned().unwrap();
            fs::remove_file(folder.staged_path(&first, folder.batch)).unwrap();
            drop(folder);
            let folder = open(root.path(), true).unwrap();
            assert_eq!(folder.marks(&source)[&0].next, 3);
            assert_eq!(
                names(&place)
                    .iter()
                    .filter(|name| name.contains('.'))
                    .count(),
                2
            );
            assert!(!fs::read_dir(&folder.staging).unwrap().any(|entry| {
                let name = entry.unwrap().file_name();
                staged_name(name.to_str().unwrap()).is_some()
            }));
        }
    }

    #[test]
    fn a_decided_batch_is_taken_back() {
        let root = tempfile::tempdir().unwrap();
        let source = Source::default();
        let mut folder = Folder::maildir(root.path(), true).unwrap();
        folder.write(&record(0, "a")).unwrap();
        folder.flush(Some((&source, &marks(1)))).unwrap();
        folder.take_back().unwrap();
        folder.write(&record(0, "a")).unwrap();
        commit(&mut folder, 1);
        assert_eq!(names(&root.path().join("new")).len(), 1);
        assert!(names(&root.path().join("tmp")).is_empty());
    }

    #[test]
    fn a_folder_has_one_writer_and_one_format() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::maildir(root.path(), true).unwrap();
        let Err(error) = Folder::maildir(root.path(), false) else {
            panic!("a second writer was let in")
        };
        assert!(error.to_string().contains("another ringpost consume"));
        drop(folder);
        let Err(error) = Folder::eml(root.path(), true) else {
            panic!("another format was taken")
        };
        assert!(error.to_string().contains("--format maildir"), "{error}");
    }

    #[test]
    fn files_of_others_are_not_taken_for_staged_ones() {
        assert_eq!(staged_name(".a.eml.ringpost-7"), Some(("a.eml", 7)));
        assert_eq!(
            staged_name("1.M2P3Q4_0_5.mx.ringpost-12"),
            Some(("1.M2P3Q4_0_5.mx", 12))
        );
        for name in [
            ".ringpost-journal",
            "a.eml",
            "1.M2P3.mx",
            ".ringpost-7",
            "x.ringpost-",
        ] {
            assert_eq!(staged_name(name), None, "{name}");
        }
    }
}

//! A file for each record: a folder of `.eml` files, or a maildir.
//!
//! Owns: the files' names, when they appear, and the folder's lock. Must not know: Kafka.
//!
//! A batch is staged under names that nobody reads, then decided (fsynced and in the journal), then delivered by renames.
//! A run that was killed is finished by the next: staged files of a batch that was decided are delivered, others removed.
//!
//! Invariants: a file is in its place only when it is whole, and is put there once: another program may have moved it since.
//! BUGS: mail programs remove files from `tmp/` that are 36 hours old: mails that were decided, staged and left there by a
//! kill for that long are lost to a maildir. Names that are delivered are fsynced with the next batch, and found in `tmp/`
//! after a power cut before it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::OpenError;
use super::form::Message;
use super::journal::{Extent, Journal, named, sync_folder};
use super::lock::lock;
use crate::consume::format;
use crate::consume::line::Say;
use crate::consume::mark::{Marks, Source};
use crate::consume::received::Received;

/// What separates the final name of a staged file from its batch.
const STAGED: &str = ".ringpost-";
/// The journal's name in a folder.
const JOURNAL: &str = ".ringpost-journal";

/// A folder of files.
pub struct Folder {
    say: Say,
    kind: Kind,
    message: Message,
    /// Where files are staged.
    staging: PathBuf,
    /// Where they are delivered.
    place: PathBuf,
    /// Final names of the batch that is being staged.
    staged: BTreeSet<String>,
    batch: u64,
    /// The staged files are those of a batch that was decided and is to be delivered.
    decided: bool,
    durable: bool,
    journal: Option<Journal>,
    /// Keeps the lock.
    _folder: File,
}

/// Where files are staged, and where they are delivered.
struct Places {
    staging: PathBuf,
    place: PathBuf,
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
    pub fn eml(path: &Path, message: Message, durable: bool, say: Say) -> Result<Self, OpenError> {
        fs::create_dir_all(path)?;
        let places = Places {
            staging: path.to_owned(),
            place: path.to_owned(),
        };
        Self::open((Kind::Eml, message), path, places, durable, say)
    }

    /// A maildir, made if it is missing.
    ///
    /// # Errors
    /// As of [`Folder::eml`].
    pub fn maildir(
        path: &Path,
        message: Message,
        durable: bool,
        say: Say,
    ) -> Result<Self, OpenError> {
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(folder))?;
        }
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .replace('/', "\\057")
            .replace(':', "\\072");
        let kind = Kind::Maildir { host, written: 0 };
        let places = Places {
            staging: path.join("tmp"),
            place: path.join("new"),
        };
        Self::open((kind, message), path, places, durable, say)
    }

    fn open(
        (kind, message): (Kind, Message),
        path: &Path,
        places: Places,
        durable: bool,
        say: Say,
    ) -> Result<Self, OpenError> {
        let folder = File::open(path)?;
        lock(&folder)?;
        let mut opened = Self {
            say,
            kind,
            message,
            staging: places.staging,
            place: places.place,
            staged: BTreeSet::new(),
            batch: 0,
            decided: false,
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
            (self.say)(&format!(
                "{}: an earlier run did not end in order: {delivered} decided mails were delivered and {removed}, which it \
                 did not commit, were removed",
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
    ///
    /// # Panics
    /// Between a decision and its delivery: the file would be another batch's.
    pub fn write(&mut self, received: &Received) -> io::Result<()> {
        assert!(
            !self.decided,
            "a decided batch is delivered before the next"
        );
        let message = (self.message)(received);
        let (name, bytes) = match &mut self.kind {
            Kind::Eml => {
                let name = self.eml_name(received, &message)?;
                (name, Cow::Borrowed(&*message))
            }
            Kind::Maildir { host, written } => {
                *written += 1;
                let name = unique_name(host, *written, received);
                (name, format::local_line_ends(&message))
            }
        };
        let path = self.staged_path(&name, self.batch + 1);
        put(&path, &bytes, self.durable).map_err(|error| named(&path, &error))?;
        let is_new = self.staged.insert(name);
        // An `.eml` file may be the repeat of a record.
        assert!(
            is_new || matches!(self.kind, Kind::Eml),
            "a maildir has no name twice"
        );
        Ok(())
    }

    /// The record's name, which a repeat of the record takes again; another record with the same id gets its own.
    fn eml_name(&self, received: &Received, message: &[u8]) -> io::Result<String> {
        let name = format::eml_name(received);
        let holder = if self.staged.contains(&name) {
            self.staged_path(&name, self.batch + 1)
        } else {
            self.place.join(&name)
        };
        match fs::read(&holder) {
            Ok(bytes) if bytes != message => Ok(format::eml_name_of_place(received)),
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
        self.decided = true;
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
        self.decided = false;
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
        assert!(self.decided, "what was delivered stays");
        self.decided = false;
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

fn put(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let mut file = File::create(path)?;
    let written = file.write_all(bytes);
    let synced = written.and_then(|()| if durable { file.sync_data() } else { Ok(()) });
    if synced.is_err() {
        let _ = fs::remove_file(path);
    }
    synced
}

#[cfg(test)]
mod tests;

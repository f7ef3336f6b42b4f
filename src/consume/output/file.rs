//! One file that holds record after record: summary, json and mbox.
//!
//! Owns: the file, its lock, and where its last whole record ends. Must not know: Kafka.
//!
//! Invariants: a durable file (a group's) that is opened again ends with a whole record: what its journal does not have is
//! cut. Bytes that somebody else wrote are never cut. Two processes never write to one file.
//! BUGS: a file that is moved away after a kill keeps the bytes that the journal would have cut. The lock is flock(2):
//! over some network file systems it holds for one machine alone.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::journal::{Extent, Journal, Marks, Source, named};
use super::{Form, Writer};
use crate::command::consume::say;
use crate::consume::format::Received;

/// Bytes that wait for a write.
const BUFFER_OCTETS: usize = 1 << 20;
/// Bytes at its end by which a file is known again.
const TAIL_OCTETS: u64 = 64;

/// A file that records are appended to.
pub struct RecordFile {
    writer: Writer,
    file: File,
    buffer: Vec<u8>,
    /// Where the last flush ended.
    flushed: u64,
    journal: Option<Journal>,
}

impl RecordFile {
    /// A regular file, or one that is to be made. `durable`: it is continued, and has a journal; otherwise it starts empty.
    ///
    /// # Errors
    /// Where it cannot be opened, another process has it, or its journal does not fit.
    pub fn open(form: Form, writer: Writer, path: &Path, durable: bool) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        lock(&file)?;
        let journal_path = journal_path(path)?;
        let mut opened = Self {
            writer,
            file,
            buffer: Vec::new(),
            flushed: 0,
            journal: None,
        };
        if durable {
            let journal = Journal::open(&journal_path, form.name())?;
            opened.continue_from(journal, form, path)?;
        } else {
            opened.file.set_len(0)?;
            // Whatever it says, it is not about what the file holds from now on.
            match fs::remove_file(&journal_path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(named(&journal_path, &error));
                }
                _ => {}
            }
        }
        Ok(opened)
    }

    /// Cuts what the journal does not have; a file that is not the journal's is appended to.
    fn continue_from(&mut self, mut journal: Journal, form: Form, path: &Path) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let extent = journal.extent().clone();
        let path = path.display();
        let known = length >= extent.length && self.tail(extent.length)? == extent.tail;
        if !known {
            say(&format!(
                "{path} is not as its journal knows it (moved, replaced or edited): nothing of it is cut, and reading goes \
                 on at the group's offsets"
            ));
            journal.forget();
        }
        if known && !extent.clean && !journal.is_new() {
            if length > extent.length {
                let cut = length - extent.length;
                say(&format!(
                    "{path}: cut {cut} bytes at its end, of an earlier run that did not get to commit them"
                ));
                self.file.set_len(extent.length)?;
            }
            self.flushed = extent.length;
        } else {
            let missing = form.missing_end(&self.end(length)?);
            self.file.write_all(missing)?;
            self.file.sync_data()?;
            self.flushed = length + missing.len() as u64;
        }
        journal.begin(self.extent(self.flushed)?)?;
        self.journal = Some(journal);
        Ok(())
    }

    /// What the journal holds for a source.
    pub fn marks(&self, source: &Source) -> Marks {
        self.journal
            .as_ref()
            .map(|journal| journal.marks(source))
            .unwrap_or_default()
    }

    /// Appends a record.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn write(&mut self, received: &Received) -> io::Result<()> {
        (self.writer)(received, &mut self.buffer)?;
        if self.buffer.len() >= BUFFER_OCTETS {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Brings every record to the file; with marks to the disk, and these into the journal.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn flush(&mut self, progress: Option<(&Source, &Marks)>) -> io::Result<()> {
        self.write_out()?;
        // Asked for, and not counted: whoever truncates a file in place (copytruncate) makes it shorter than was written.
        let length = self.file.metadata()?.len();
        if let (Some((source, marks)), true) = (progress, self.journal.is_some()) {
            self.file.sync_data()?;
            let extent = self.extent(length)?;
            if let Some(journal) = &mut self.journal {
                journal.record(source, marks, extent)?;
            }
        }
        self.flushed = length;
        Ok(())
    }

    /// Takes the last flush with marks back: the records belong to another member of the group now.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn take_back(&mut self) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        journal.take_back()?;
        self.flushed = journal.extent().length;
        self.abandon();
        Ok(())
    }

    /// The run has ended in order.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn end_run(&mut self, source: &Source, settled: &[i32]) -> io::Result<()> {
        match &mut self.journal {
            Some(journal) => journal.end(source, settled),
            None => Ok(()),
        }
    }

    /// Drops what came after the last flush, as far as it can: the records are read again.
    pub fn abandon(&mut self) {
        self.buffer.clear();
        if self
            .file
            .metadata()
            .is_ok_and(|now| now.len() > self.flushed)
        {
            // Where this fails too, the journal has the length, and the next run cuts.
            let _ = self.file.set_len(self.flushed);
        }
    }

    fn extent(&self, length: u64) -> io::Result<Extent> {
        Ok(Extent {
            length,
            tail: self.tail(length)?,
            ..Extent::default()
        })
    }

    fn tail(&self, length: u64) -> io::Result<String> {
        Ok(STANDARD.encode(self.end(length)?))
    }

    /// The last bytes before this length.
    fn end(&self, length: u64) -> io::Result<Vec<u8>> {
        let octets = length.min(TAIL_OCTETS);
        let mut end = vec![0; usize::try_from(octets).expect("a few bytes")];
        self.file.read_exact_at(&mut end, length - octets)?;
        Ok(end)
    }
}

/// Beside the file itself and not beside a link to it; hidden, as folders of mbox files are listed by mail programs.
fn journal_path(path: &Path) -> io::Result<PathBuf> {
    let real = fs::canonicalize(path)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(real.file_name().unwrap_or_default());
    name.push(".ringpost");
    Ok(real.with_file_name(name))
}

/// Takes a file or a folder for this process.
///
/// # Errors
/// Where another process has it.
pub fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::other(
            "another ringpost consume is writing to it: give each a --output of its own",
        )),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::format;
    use super::*;

    fn record(offset: i64) -> Received {
        Received {
            offset,
            value: format!("Subject: {offset}\r\n\r\n{}\r\n", "x".repeat(100)).into_bytes(),
            ..Received::default()
        }
    }

    fn source() -> Source {
        Source::default()
    }

    fn marks(next: i64) -> Marks {
        let mark = super::super::journal::Mark {
            next,
            ..Default::default()
        };
        Marks::from([(0, mark)])
    }

    fn open(path: &Path) -> RecordFile {
        RecordFile::open(Form::Mbox, format::mbox, path, true).unwrap()
    }

    fn mails(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let mut mails: Vec<String> = text
            .split("From MAILER-DAEMON ")
            .map(str::to_owned)
            .collect();
        assert_eq!(mails.remove(0), "", "{text}");
        for mail in &mails {
            assert!(mail.ends_with("x\n\n"), "{mail:?}");
        }
        mails
    }

    #[test]
    fn what_was_not_flushed_with_marks_is_cut_at_every_length() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mbox");
        let mut file = open(&path);
        file.write(&record(0)).unwrap();
        file.flush(Some((&source(), &marks(1)))).unwrap();
        let whole = fs::metadata(&path).unwrap().len();
        file.write(&record(1)).unwrap();
        file.write(&record(2)).unwrap();
        file.flush(None).unwrap();
        drop(file);
        let octets = fs::read(&path).unwrap();
        for length in usize::try_from(whole).unwrap()..=octets.len() {
            fs::write(&path, &octets[..length]).unwrap();
            let mut file = open(&path);
            assert_eq!(file.marks(&source())[&0].next, 1);
            assert_eq!(fs::metadata(&path).unwrap().len(), whole);
            file.write(&record(1)).unwrap();
            file.flush(None).unwrap();
            drop(file);
            assert_eq!(mails(&path).len(), 2);
        }
    }

    #[test]
    fn what_others_append_after_a_run_that_ended_in_order_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mbox");
        let mut file = open(&path);
        file.write(&record(0)).unwrap();
        file.flush(Some((&source(), &marks(1)))).unwrap();
        file.end_run(&source(), &[0]).unwrap();
        drop(file);
        let mut theirs = File::options().append(true).open(&path).unwrap();
        theirs.write_all(b"From MAILER-DAEMON y\nx").unwrap();
        let mut file = open(&path);
        assert_eq!(file.marks(&source())[&0].committed, Some(1));
        file.write(&record(1)).unwrap();
        file.flush(Some((&source(), &marks(2)))).unwrap();
        drop(file);
        assert_eq!(mails(&path).len(), 3);
        assert_eq!(open(&path).marks(&source())[&0].next, 2);
    }

    #[test]
    fn the_first_record_of_all_is_cut_too() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mbox");
        let mut file = open(&path);
        file.write(&record(0)).unwrap();
        file.flush(None).unwrap();
        drop(file);
        assert!(fs::metadata(&path).unwrap().len() > 0);
        open(&path);
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn what_somebody_else_wrote_is_kept_and_its_last_line_ended() {
        let root = tempfile::tempdir().unwrap();
        for (form, writer, before, after) in [
            (
                Form::Json,
                format::json as Writer,
                "{\"half\"",
                "{\"half\"\n",
            ),
            (Form::Json, format::json, "{}\n", "{}\n"),
            (Form::Mbox, format::mbox, "From x\nA: b", "From x\nA: b\n\n"),
            (
                Form::Mbox,
                format::mbox,
                "From x\nA: b\n",
                "From x\nA: b\n\n",
            ),
            (Form::Mbox, format::mbox, "From x\n\n", "From x\n\n"),
            (Form::Summary, format::summary, "", ""),
        ] {
            let path = root.path().join(form.name());
            let _ = fs::remove_file(journal_path(&path).unwrap_or_default());
            fs::write(&path, before).unwrap();
            drop(RecordFile::open(form, writer, &path, true).unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn an_edited_moved_or_shortened_file_is_appended_to_and_its_offsets_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mbox");
        let edits: [fn(&Path); 4] = [
            |path| fs::remove_file(path).unwrap(),
            |path| fs::rename(path, path.with_extension("old")).unwrap(),
            |path| {
                let text = fs::read_to_string(path).unwrap();
                fs::write(path, text.replace('x', "y")).unwrap();
            },
            |path| {
                let octets = fs::read(path).unwrap();
                fs::write(path, &octets[..octets.len() / 2]).unwrap();
            },
        ];
        for edit in edits {
            let _ = fs::remove_file(&path);
            let mut file = open(&path);
            file.write(&record(0)).unwrap();
            file.flush(Some((&source(), &marks(1)))).unwrap();
            drop(file);
            edit(&path);
            let left = fs::metadata(&path).map_or(0, |left| left.len());
            let file = open(&path);
            assert!(file.marks(&source()).is_empty());
            assert!(fs::metadata(&path).unwrap().len() >= left);
        }
    }

    #[test]
    fn a_flush_is_taken_back_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mbox");
        let mut file = open(&path);
        file.write(&record(0)).unwrap();
        file.flush(Some((&source(), &marks(1)))).unwrap();
        file.write(&record(1)).unwrap();
        file.flush(Some((&source(), &marks(2)))).unwrap();
        assert_eq!(mails(&path).len(), 2);
        file.take_back().unwrap();
        assert_eq!(mails(&path).len(), 1);
        assert_eq!(file.marks(&source())[&0].next, 1);
        file.write(&record(2)).unwrap();
        file.flush(Some((&source(), &marks(3)))).unwrap();
        drop(file);
        assert_eq!(open(&path).marks(&source())[&0].next, 3);
        assert_eq!(mails(&path).len(), 2);
    }

    #[test]
    fn one_file_has_one_writer_and_a_truncated_one_gets_no_hole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mbox");
        let mut file = open(&path);
        for durable in [true, false] {
            let second = RecordFile::open(Form::Mbox, format::mbox, &path, durable);
            let Err(error) = second else {
                panic!("a second writer was let in")
            };
            assert!(error.to_string().contains("another ringpost consume"));
        }
        file.write(&record(0)).unwrap();
        file.flush(Some((&source(), &marks(1)))).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
        file.write(&record(1)).unwrap();
        file.flush(Some((&source(), &marks(2)))).unwrap();
        drop(file);
        assert_eq!(mails(&path).len(), 1);
        assert_eq!(open(&path).marks(&source())[&0].next, 2);
    }

    #[test]
    fn without_a_group_a_file_starts_empty_and_has_no_journal() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mbox");
        let mut file = open(&path);
        file.write(&record(0)).unwrap();
        file.flush(Some((&source(), &marks(1)))).unwrap();
        drop(file);
        let file = RecordFile::open(Form::Mbox, format::mbox, &path, false).unwrap();
        drop(file);
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}

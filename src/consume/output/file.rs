//! One file that holds record after record: summary, json and mbox.
//!
//! Owns: the file, its lock, and where its last whole record ends. Must not know: Kafka.
//!
//! Invariants: a durable file (a group's) that is opened again ends with a whole record: what its journal does not have is
//! cut. Bytes that somebody else wrote are never cut. Two processes never write to one file.
//! BUGS: a file that is moved away after a kill keeps the bytes that the journal would have cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::OpenError;
use super::form::{Form, Writer};
use super::journal::{Extent, Journal, named};
use super::lock::lock;
use crate::consume::line::Say;
use crate::consume::mark::{Marks, Source};
use crate::consume::received::Received;

/// Bytes that wait for a write.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes at its end by which a file is known again.
const TAIL_BYTES: u64 = 64;

/// A file that records are appended to.
pub struct RecordFile {
    say: Say,
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
    pub fn open(
        form: Form,
        writer: Writer,
        path: &Path,
        durable: bool,
        say: Say,
    ) -> Result<Self, OpenError> {
        let file = File::options()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        lock(&file)?;
        let journal_path = journal_path(path)?;
        let mut opened = Self {
            say,
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
            // The journal is about what the file held before.
            match fs::remove_file(&journal_path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(named(&journal_path, &error).into());
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
            (self.say)(&format!(
                "{path} does not match its journal (moved, replaced or edited): nothing of it is cut, and reading goes \
                 on at the group's offsets"
            ));
            journal.forget();
        }
        if known && !extent.clean && !journal.is_new() {
            if length > extent.length {
                let cut = length - extent.length;
                (self.say)(&format!(
                    "{path}: cut {cut} bytes at its end that an earlier run did not commit"
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
        if self.buffer.len() >= BUFFER_BYTES {
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
        // Asked for, and not counted: a file that is truncated in place (copytruncate) is shorter than what was written to it.
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
        let bytes = length.min(TAIL_BYTES);
        let mut end = vec![0; usize::try_from(bytes).expect("a few bytes")];
        self.file.read_exact_at(&mut end, length - bytes)?;
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

#[cfg(test)]
mod tests;

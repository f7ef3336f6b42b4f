//! Where the mails that were read go: a stream, a file, a folder of `.eml` files, or a maildir.
//!
//! Owns: which of them, and the steps of a commit that all of them take part in. Must not know: Kafka.
//!
//! A commit is: [`Output::flush`] (whole and on disk, and the journal says so), the group's offsets, [`Output::deliver`].
//! Whatever ends the process in between, the next run finds whole records and knows which.
//!
//! Invariants: after `flush` with marks everything written before it survives a power cut, unless the output is a stream.
//! BUGS: a stream (standard output, a pipe, a device) has no journal: records that were printed and not committed come again.

mod error;
mod file;
mod folder;
mod form;
mod journal;
mod lock;
mod stream;

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use super::line::Say;
use super::mark::{Marks, Source};
use super::received::Received;
pub use error::{Mismatch, OpenError};
use file::RecordFile;
use folder::Folder;
pub use form::{Choice, Form, Message, Writer};
use stream::Stream;

/// An output that takes one record after the other.
pub enum Output<'a> {
    /// Records one after the other in a stream.
    Stream(Stream<'a>),
    /// The same in a file.
    File(RecordFile),
    /// A file for each.
    Folder(Folder),
}

impl<'a> Output<'a> {
    /// Opens what a path names, or standard output. `durable`: it is continued, fsynced, and has a journal.
    /// `say` takes what the operator should know of an earlier run.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(
        form: Form,
        choice: Choice,
        path: Option<&Path>,
        durable: bool,
        say: Say,
    ) -> Result<Self, OpenError> {
        let Some(path) = path else {
            let mut stream = Stream::new(form.writer(choice), io::stdout());
            if io::stdout().is_terminal() {
                stream.begin(form.heading());
            }
            return Ok(Self::Stream(stream));
        };
        match form {
            Form::Eml => Folder::eml(path, choice.message(), durable, say).map(Self::Folder),
            Form::Maildir => {
                Folder::maildir(path, choice.message(), durable, say).map(Self::Folder)
            }
            Form::Summary | Form::Json | Form::Mbox => match fs::metadata(path) {
                Ok(known) if !known.is_file() && !known.is_dir() => {
                    let device = fs::File::options().write(true).open(path)?;
                    Ok(Self::stream(form.writer(choice), device))
                }
                _ => {
                    RecordFile::open(form, form.writer(choice), path, durable, say).map(Self::File)
                }
            },
        }
    }

    /// A stream that is not a file.
    pub fn stream(writer: Writer, to: impl Write + 'a) -> Self {
        Self::Stream(Stream::new(writer, to))
    }

    /// What the output holds for a source, by its journal.
    pub fn marks(&self, source: &Source) -> Marks {
        match self {
            Self::Stream(_) => Marks::new(),
            Self::File(file) => file.marks(source),
            Self::Folder(folder) => folder.marks(source),
        }
    }

    /// Takes one record.
    ///
    /// # Errors
    /// What the stream or the file system returns.
    pub fn write(&mut self, received: &Received) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write(received),
            Self::File(file) => file.write(received),
            Self::Folder(folder) => folder.write(received),
        }
    }

    /// Brings everything that was written out of the process; with progress, to the disk and into the journal.
    ///
    /// # Errors
    /// What the stream or the file system returns.
    pub fn flush(&mut self, progress: Option<(&Source, &Marks)>) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::File(file) => file.flush(progress),
            Self::Folder(folder) => folder.flush(progress),
        }
    }

    /// The offsets of the last flush are committed, or there are none to commit.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn deliver(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(_) | Self::File(_) => Ok(()),
            Self::Folder(folder) => folder.deliver(),
        }
    }

    /// The offsets of the last flush belong to another member: what it brought is taken out again, where that can be done.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn take_back(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File(file) => file.take_back(),
            Self::Folder(folder) => folder.take_back(),
        }
    }

    /// Reading has ended in order, everything committed.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn end_run(&mut self, source: &Source, settled: &[i32]) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File(file) => file.end_run(source, settled),
            Self::Folder(folder) => folder.end_run(source, settled),
        }
    }

    /// Writing has failed: what came after the last flush goes, so that what is left is whole.
    pub fn abandon(&mut self) {
        match self {
            Self::Stream(stream) => stream.abandon(),
            Self::File(file) => file.abandon(),
            Self::Folder(folder) => folder.abandon(),
        }
    }
}

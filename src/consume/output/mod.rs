//! Where the mails that were read go: a stream, a file, a folder of `.eml` files, or a maildir.
//!
//! Owns: which of them, and the steps of a commit that all of them take part in. Must not know: Kafka.
//!
//! A commit is: [`Output::flush`] (whole and on disk, and the journal says so), the group's offsets, [`Output::deliver`].
//! Whatever ends the process in between, the next run finds whole records and knows which.
//!
//! Invariants: after `flush` with marks everything written before it survives a power cut, unless the output is a stream.
//! BUGS: a stream (standard output, a pipe, a device) has no journal: records that were printed and not committed come again.

mod file;
mod folder;
pub mod journal;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::format::{self, Received};
use file::RecordFile;
use folder::Folder;
use journal::{Marks, Source};

/// How one record becomes octets in a stream.
pub type Writer = fn(&Received, &mut dyn Write) -> io::Result<()>;

/// The forms of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One line a mail, for a person.
    Summary,
    /// One JSON object a line.
    Json,
    /// One file a mail, its exact octets.
    Eml,
    /// An mbox file.
    Mbox,
    /// A maildir.
    Maildir,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Summary => "summary",
            Form::Json => "json",
            Form::Eml => "eml",
            Form::Mbox => "mbox",
            Form::Maildir => "maildir",
        }
    }

    fn writer(self) -> Writer {
        match self {
            Form::Summary => format::summary,
            Form::Json => format::json,
            Form::Mbox => format::mbox,
            Form::Eml | Form::Maildir => |received, to| to.write_all(&received.value),
        }
    }

    /// What a file that ends so lacks before a record of this form can follow.
    fn missing_end(self, end: &[u8]) -> &'static [u8] {
        match (self, end) {
            (_, []) => b"",
            (Form::Mbox, [.., b'\n', b'\n']) => b"",
            (Form::Mbox, [.., b'\n']) => b"\n",
            (Form::Mbox, _) => b"\n\n",
            (_, [.., b'\n']) => b"",
            (_, _) => b"\n",
        }
    }
}

/// An output that takes one record after the other.
pub enum Output<'a> {
    /// Records one after the other in a stream.
    Stream(Stream<'a>),
    /// The same in a file.
    File(RecordFile),
    /// A file for each.
    Folder(Folder),
}

/// A stream that is not a file.
pub struct Stream<'a> {
    writer: Writer,
    to: Box<dyn Write + 'a>,
    buffer: Vec<u8>,
}

/// Bytes that wait for a write to a stream.
const BUFFER_OCTETS: usize = 64 * 1024;

impl<'a> Output<'a> {
    /// Opens what a path names, or standard output. `durable`: it is continued, fsynced, and has a journal.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(form: Form, path: Option<&Path>, durable: bool) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::stream(form.writer(), io::stdout()));
        };
        match form {
            Form::Eml => Folder::eml(path, durable).map(Self::Folder),
            Form::Maildir => Folder::maildir(path, durable).map(Self::Folder),
            Form::Summary | Form::Json | Form::Mbox => match fs::metadata(path) {
                Ok(known) if !known.is_file() && !known.is_dir() => {
                    let device = fs::File::options().write(true).open(path)?;
                    Ok(Self::stream(form.writer(), device))
                }
                _ => RecordFile::open(form, form.writer(), path, durable).map(Self::File),
            },
        }
    }

    /// A stream that is not a file.
    pub fn stream(writer: Writer, to: impl Write + 'a) -> Self {
        Self::Stream(Stream {
            writer,
            to: Box::new(to),
            buffer: Vec::new(),
        })
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
            Self::Stream(stream) => stream.buffer.clear(),
            Self::File(file) => file.abandon(),
            Self::Folder(folder) => folder.abandon(),
        }
    }
}

impl Stream<'_> {
    fn write(&mut self, received: &Received) -> io::Result<()> {
        (self.writer)(received, &mut self.buffer)?;
        if self.buffer.len() >= BUFFER_OCTETS {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.to.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.to.flush()
    }
}

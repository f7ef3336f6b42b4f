//! Where the mails that were read go: a stream, a folder of `.eml` files, or a maildir.
//!
//! Owns: files, folders and when they are complete. Must not know: Kafka.
//! Invariants: a file is in its place only when it is whole (written elsewhere, then renamed); after `flush` of a
//! durable output everything written before it is on disk, because the offsets are committed next.
//! BUGS: maildir and `.eml` files keep the record's CRLF line ends. Names in a folder are not fsynced on file systems
//! that order a rename after its data; elsewhere a power cut can lose the newest name.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::format::{self, Received};

/// How one record becomes octets in a stream.
pub type Writer = fn(&Received, &mut dyn Write) -> io::Result<()>;

/// An output that takes one record after the other.
pub enum Output<'a> {
    /// Records one behind the other in a stream.
    Stream {
        /// The form of a record.
        writer: Writer,
        /// The stream.
        to: Box<dyn Write + 'a>,
        /// The file behind the stream, where it has to be on disk before `flush` returns.
        durable: Option<File>,
    },
    /// One `.eml` file a record.
    Folder(Folder),
    /// One file a record in `new/`.
    Maildir(Maildir),
}

impl<'a> Output<'a> {
    /// A stream that is not a file.
    pub fn stream(writer: Writer, to: impl Write + 'a) -> Self {
        Self::Stream {
            writer,
            to: Box::new(BufWriter::new(to)),
            durable: None,
        }
    }

    /// A file. `durable`: append to it, and flush to the disk; otherwise it starts empty.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn file(writer: Writer, path: &Path, durable: bool) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .write(true)
            .append(durable)
            .truncate(!durable)
            .open(path)?;
        let handle = if durable {
            Some(file.try_clone()?)
        } else {
            None
        };
        Ok(Self::Stream {
            writer,
            to: Box::new(BufWriter::new(file)),
            durable: handle,
        })
    }

    /// Takes one record.
    ///
    /// # Errors
    /// What the stream or the file system returns.
    pub fn write(&mut self, received: &Received) -> io::Result<()> {
        match self {
            Self::Stream { writer, to, .. } => writer(received, to),
            Self::Folder(folder) => folder.write(received),
            Self::Maildir(maildir) => maildir.write(received),
        }
    }

    /// Brings everything that was written out of the process; to the disk, if the output is durable.
    ///
    /// # Errors
    /// What the stream or the file system returns.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream { to, durable, .. } => {
                to.flush()?;
                // A pipe or a device takes no fsync (EINVAL); only regular files hold data back.
                match durable {
                    Some(file) if file.metadata()?.is_file() => file.sync_data(),
                    _ => Ok(()),
                }
            }
            // Their files were complete, and on disk if durable, when `write` returned.
            Self::Folder(_) | Self::Maildir(_) => Ok(()),
        }
    }
}

/// A folder of `.eml` files.
pub struct Folder {
    path: PathBuf,
    durable: bool,
}

impl Folder {
    /// The folder, made if it is missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(path: &Path, durable: bool) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self {
            path: path.to_owned(),
            durable,
        })
    }

    fn write(&self, received: &Received) -> io::Result<()> {
        let name = format::eml_name(received);
        let part = self.path.join(format!(".{name}.{}", std::process::id()));
        put(&part, &received.value, self.durable)?;
        fs::rename(&part, self.path.join(name))
    }
}

/// A maildir: `tmp/`, `new/`, `cur/`.
pub struct Maildir {
    path: PathBuf,
    host: String,
    written: u64,
    durable: bool,
}

impl Maildir {
    /// The maildir, made if it is missing.
    ///
    /// # Errors
    /// Where a folder of it cannot be made.
    pub fn open(path: &Path, durable: bool) -> io::Result<Self> {
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(folder))?;
        }
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .replace('/', "\\057")
            .replace(':', "\\072");
        Ok(Self {
            path: path.to_owned(),
            host,
            written: 0,
            durable,
        })
    }

    fn write(&mut self, received: &Received) -> io::Result<()> {
        let name = self.unique_name(received);
        let part = self.path.join("tmp").join(&name);
        put(&part, &received.value, self.durable)?;
        fs::rename(&part, self.path.join("new").join(&name))
    }

    /// Time, process and a count of this process: no two deliveries of one host share a name.
    fn unique_name(&mut self, received: &Received) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.written += 1;
        format!(
            "{}.M{}P{}Q{}_{}_{}.{}",
            now.as_secs(),
            now.subsec_micros(),
            std::process::id(),
            self.written,
            received.partition,
            received.offset,
            self.host
        )
    }
}

fn put(path: &Path, octets: &[u8], durable: bool) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(octets)?;
    if durable { file.sync_data() } else { Ok(()) }
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

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn folder_keeps_octets_and_leaves_no_parts() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("made/here");
        let mut output = Output::Folder(Folder::open(&path, true).unwrap());
        output.write(&record(1, "one")).unwrap();
        output.write(&record(2, "")).unwrap();
        output.write(&record(3, "one")).unwrap();
        assert_eq!(names(&path), ["mail-0-2.eml", "one.eml"]);
        assert_eq!(fs::read(path.join("one.eml")).unwrap(), b"From 3\r\n");
    }

    #[test]
    fn maildir_delivers_each_record_into_new_under_its_own_name() {
        let root = tempfile::tempdir().unwrap();
        let mut output = Output::Maildir(Maildir::open(root.path(), false).unwrap());
        for _ in 0..3 {
            output.write(&record(7, "same")).unwrap();
        }
        assert_eq!(names(root.path()), ["cur", "new", "tmp"]);
        assert_eq!(names(&root.path().join("new")).len(), 3);
        assert!(names(&root.path().join("tmp")).is_empty());
        for name in names(&root.path().join("new")) {
            let octets = fs::read(root.path().join("new").join(name)).unwrap();
            assert_eq!(octets, b"From 7\r\n");
        }
    }

    #[test]
    fn a_durable_file_is_continued_and_another_starts_empty() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mbox");
        for durable in [true, true] {
            let mut output = Output::file(format::mbox, &path, durable).unwrap();
            output.write(&record(1, "")).unwrap();
            output.flush().unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("From MAILER-DAEMON").count(), 2);
        let mut output = Output::file(format::mbox, &path, false).unwrap();
        output.flush().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }
}

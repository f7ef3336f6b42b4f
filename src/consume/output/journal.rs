//! What an output holds, written down beside it, so that a run that was killed is continued at a whole record.
//!
//! Owns: the journal's file, its form, and how it is replaced. Must not know: Kafka's client, nor how a record looks.
//!
//! The order of one commit is: records to the disk, then the journal, then the group's offsets. So what is longer than the
//! journal says was never committed and is cut; what the journal has and the group has not is skipped when reading begins.
//!
//! Invariants: the journal is replaced whole (written beside it, fsynced, renamed); it never names more than is on disk.
//! BUGS: what another program appends during a run that is then killed is cut as that run's own. Offsets are compared with the
//! group's alone: a group that is set back to exactly the offset before its last commit, after a kill, looks like a commit that
//! was lost, and those records are skipped, as the output has them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Mismatch, OpenError};
use crate::consume::mark::{Marks, Source};

/// The version of the journal's form.
const VERSION: u32 = 1;

/// How far the output itself is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    /// Bytes of a file that are whole records.
    pub length: u64,
    /// The last of these bytes, in base64: by them the file is known again.
    pub tail: String,
    /// Files of a folder up to this batch are to be delivered.
    pub batch: u64,
    /// The run ended in order: what is longer was not written by it.
    pub clean: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    version: u32,
    format: String,
    #[serde(flatten)]
    extent: Extent,
    sources: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    source: Source,
    partitions: Marks,
}

/// The journal of one output.
pub(super) struct Journal {
    path: PathBuf,
    content: Content,
    /// There was none yet.
    new: bool,
    /// What it said before the last [`Journal::record`].
    before: Option<Content>,
}

impl Journal {
    /// Reads the journal at this path, or begins one.
    ///
    /// # Errors
    /// Where it cannot be read, or is of another format or version.
    pub(super) fn open(path: &Path, format: &str) -> Result<Self, OpenError> {
        let mismatched = |mismatch| OpenError::Journal {
            path: path.to_owned(),
            mismatch,
        };
        let found = match fs::read(path) {
            Ok(bytes) => Some(parse(&bytes, format).map_err(mismatched)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(named(path, &error).into()),
        };
        let new = found.is_none();
        let content = found.unwrap_or_else(|| Content {
            version: VERSION,
            format: format.to_owned(),
            extent: Extent::default(),
            sources: Vec::new(),
        });
        Ok(Self {
            path: path.to_owned(),
            content,
            new,
            before: None,
        })
    }

    /// Whether there was none yet.
    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    /// How far the output is.
    pub(super) fn extent(&self) -> &Extent {
        &self.content.extent
    }

    /// What the output holds for a source.
    pub(super) fn marks(&self, source: &Source) -> Marks {
        let mut entries = self.content.sources.iter();
        entries
            .find(|entry| entry.source == *source)
            .map(|entry| entry.partitions.clone())
            .unwrap_or_default()
    }

    /// Forgets all offsets: the output is not the one that they were written for.
    pub(super) fn forget(&mut self) {
        self.content.sources.clear();
    }

    /// Says that a run has begun, and how far the output is.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub(super) fn begin(&mut self, extent: Extent) -> io::Result<()> {
        self.content.extent = extent;
        self.content.extent.clean = false;
        self.before = None;
        self.save()
    }

    /// Says that the run has ended in order: nothing comes after what was recorded, and of these partitions the group has
    /// committed it.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    ///
    /// # Panics
    /// If it has ended already.
    pub(super) fn end(&mut self, source: &Source, settled: &[i32]) -> io::Result<()> {
        assert!(!self.content.extent.clean, "a run ends once");
        let mut entries = self.content.sources.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.source == *source) {
            for partition in settled {
                if let Some(mark) = entry.partitions.get_mut(partition) {
                    mark.committed = Some(mark.next);
                }
            }
        }
        self.content.extent.clean = true;
        self.before = None;
        self.save()
    }

    /// Writes down how far the output is, and what it holds of some partitions now.
    ///
    /// # Errors
    /// Where the journal cannot be written; it then says what it said before.
    ///
    /// # Panics
    /// If the run has ended, or the extent is that of one that has.
    pub(super) fn record(
        &mut self,
        source: &Source,
        marks: &Marks,
        extent: Extent,
    ) -> io::Result<()> {
        let ended = self.content.extent.clean || extent.clean;
        assert!(!ended, "records are written by a run that goes on");
        let before = self.content.clone();
        let sources = &mut self.content.sources;
        let known = sources.iter().position(|entry| entry.source == *source);
        let at = known.unwrap_or_else(|| {
            sources.push(Entry {
                source: source.clone(),
                partitions: Marks::new(),
            });
            sources.len() - 1
        });
        let news = marks
            .iter()
            .map(|(partition, mark)| (*partition, mark.clone()));
        sources[at].partitions.extend(news);
        self.content.extent = extent;
        match self.save() {
            Ok(()) => {
                self.before = Some(before);
                Ok(())
            }
            Err(error) => {
                self.content = before;
                Err(error)
            }
        }
    }

    /// Takes the last [`Journal::record`] back.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        let Some(before) = self.before.take() else {
            return Ok(());
        };
        self.content = before;
        self.save()
    }

    fn save(&self) -> io::Result<()> {
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let written = self
            .write_part(&part)
            .and_then(|()| fs::rename(&part, &self.path));
        if let Err(error) = written {
            let _ = fs::remove_file(&part);
            return Err(named(&self.path, &error));
        }
        match self.path.parent() {
            Some(folder) => sync_folder(folder),
            None => Ok(()),
        }
    }

    fn write_part(&self, part: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            // It has the end of the last mail in it.
            .mode(0o600)
            .open(part)?;
        serde_json::to_writer(&mut file, &self.content).map_err(io::Error::from)?;
        file.write_all(b"\n")?;
        file.sync_data()
    }
}

/// Brings the names in a folder to the disk.
///
/// # Errors
/// What the file system returns.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

/// The error with the path in front.
pub(super) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn parse(bytes: &[u8], format: &str) -> Result<Content, Mismatch> {
    let content: Content = serde_json::from_slice(bytes).map_err(Mismatch::NoJournal)?;
    if content.version != VERSION {
        return Err(Mismatch::Version {
            found: content.version,
            known: VERSION,
        });
    }
    if content.format != format {
        return Err(Mismatch::Format {
            found: content.format,
            wanted: format.to_owned(),
        });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::mark::Mark;

    fn source(group: &str) -> Source {
        Source {
            cluster: "c".into(),
            topic: "mail".into(),
            group: group.into(),
        }
    }

    fn marks(partition: i32, next: i64) -> Marks {
        Marks::from([(
            partition,
            Mark {
                next,
                ..Mark::default()
            },
        )])
    }

    fn extent(length: u64) -> Extent {
        Extent {
            length,
            ..Extent::default()
        }
    }

    #[test]
    fn a_journal_keeps_each_source_apart_and_can_take_one_step_back() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(".f.ringpost");
        let mut journal = Journal::open(&path, "json").unwrap();
        journal
            .record(&source("a"), &marks(0, 5), extent(10))
            .unwrap();
        journal
            .record(&source("b"), &marks(0, 7), extent(20))
            .unwrap();
        journal
            .record(&source("a"), &marks(1, 9), extent(30))
            .unwrap();
        let again = Journal::open(&path, "json").unwrap();
        assert_eq!(again.extent().length, 30);
        let of_a: Vec<(i32, i64)> = again
            .marks(&source("a"))
            .iter()
            .map(|(partition, mark)| (*partition, mark.next))
            .collect();
        assert_eq!(of_a, [(0, 5), (1, 9)]);
        assert_eq!(again.marks(&source("b")).len(), 1);
        journal.take_back().unwrap();
        let again = Journal::open(&path, "json").unwrap();
        assert_eq!(again.extent().length, 20);
        assert_eq!(again.marks(&source("a")).len(), 1);
    }

    #[test]
    fn another_format_and_a_broken_journal_are_errors_that_say_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(".f.ringpost");
        let mut journal = Journal::open(&path, "json").unwrap();
        journal.begin(extent(0)).unwrap();
        let error = |format: &str| match Journal::open(&path, format) {
            Ok(_) => panic!("{format} was taken"),
            Err(error) => error.to_string(),
        };
        assert!(error("mbox").contains("--format json"), "{}", error("mbox"));
        fs::write(&path, "{").unwrap();
        assert!(error("json").contains("move it away"), "{}", error("json"));
    }
}

//! A server that `compare` starts for its turn: its process, what it says, and its end.
//!
//! Owns the process and the file of its output; must not know what is measured. Invariant: the process is stopped when
//! [`Started`] goes; the terminal shows nothing of what it says unless it fails, and then the end of it.
//!
//! # BUGS
//! - A server whose start command goes into the background is not found: its command must stay the server.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;

use crate::failure::{Blame, Blamed};
use crate::fault::harmless;
use crate::signals;

/// How long a server may take to end.
const STOP_WAIT: Duration = Duration::from_secs(15);
/// How much of its output is shown when it fails.
const SHOWN_BYTES: u64 = 8 * 1024;
const SHOWN_LINES: usize = 15;
/// How many names for a file are tried.
const NAMES: u32 = 100;

/// Why a server that was started here could not be loaded.
#[derive(Debug, Error)]
pub(super) enum StartError {
    /// Its output has no file.
    #[error("no file for the server's output in {folder}: {source}; name another folder with TMPDIR", folder = .folder.display())]
    NoFile {
        /// Where it should be.
        folder: PathBuf,
        /// Why it is not.
        source: io::Error,
    },
    /// It could not be started.
    #[error("{command:?}: {source}")]
    Spawn {
        /// Its command.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// It ended too soon.
    #[error("{command:?} ended {when}: {status}{said}")]
    Ended {
        /// Its command.
        command: String,
        /// In which part of its turn.
        when: String,
        /// How.
        status: ExitStatus,
        /// The end of its output.
        said: String,
    },
    /// It did not greet.
    #[error(
        "{command:?}: no banner from {address} within {wait:?}; try the command alone, or give --start-wait{said}"
    )]
    NoBanner {
        /// Its command.
        command: String,
        /// Where it was expected.
        address: SocketAddr,
        /// How long.
        wait: Duration,
        /// The end of its output.
        said: String,
    },
}

impl Blamed for StartError {
    fn blame(&self) -> Blame {
        match self {
            StartError::NoFile { .. } | StartError::Spawn { .. } => Blame::Machine,
            StartError::Ended { .. } | StartError::NoBanner { .. } => Blame::Server,
        }
    }
}

/// The file of one server's output; each turn begins it again, so that it does not grow with their number.
pub(super) struct ServerLog {
    path: PathBuf,
    file: File,
}

impl ServerLog {
    /// A new file among the temporary ones, for this user alone.
    pub(super) fn create(name: &str) -> Result<ServerLog, StartError> {
        let folder = std::env::temp_dir();
        let mut number = 0;
        loop {
            let path = folder.join(format!(
                "ringpost-loadtest-compare-{}-{number}-{name}.log",
                std::process::id()
            ));
            let opened = OpenOptions::new()
                .read(true)
                .append(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            match opened {
                Ok(file) => return Ok(ServerLog { path, file }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES => {
                    number += 1;
                }
                Err(source) => return Err(StartError::NoFile { folder, source }),
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn copy(&self) -> io::Result<ServerLog> {
        Ok(ServerLog {
            path: self.path.clone(),
            file: self.file.try_clone()?,
        })
    }

    /// The last lines, with where the rest is.
    fn end(&self) -> String {
        let mut file = &self.file;
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::End(0)).and_then(|end| {
            file.seek(SeekFrom::Start(end.saturating_sub(SHOWN_BYTES)))?;
            file.read_to_end(&mut bytes)
        });
        let path = self.path.display();
        if read.is_err() || bytes.trim_ascii().is_empty() {
            return format!("; it said nothing ({path})");
        }
        let lines: Vec<String> = bytes
            .split(|byte| *byte == b'\n')
            .map(harmless)
            .filter(|line| !line.is_empty())
            .collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        format!(
            "; the end of what it said ({path}):\n  {}",
            lines[from..].join("\n  ")
        )
    }
}

/// The command with `-u nobody` for smtp-sink, which does not run as root; `None` if nothing has to change.
pub(super) fn as_unprivileged(command: &str) -> Option<String> {
    let is_sink = |word: &str| {
        Path::new(word)
            .file_name()
            .is_some_and(|name| name == "smtp-sink")
    };
    let sink = command.split_whitespace().find(|word| is_sink(word))?;
    let (before, after) = command.split_once(sink)?;
    let has_user = after.split_whitespace().any(|word| word.starts_with("-u"));
    (!has_user).then(|| format!("{before}{sink} -u nobody{after}"))
}

/// A server that was started here; it is stopped when this goes.
pub(super) struct Started {
    command: String,
    child: Child,
    log: ServerLog,
}

impl Started {
    /// Starts it, with an empty log.
    pub(super) fn new(command: &str, log: &ServerLog) -> Result<Started, StartError> {
        let failed = |source: io::Error| StartError::Spawn {
            command: command.to_owned(),
            source,
        };
        log.file.set_len(0).map_err(failed)?;
        // In its own process group: a signal for this program at a terminal is not one for the server.
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(log.file.try_clone().map_err(failed)?)
            .stderr(log.file.try_clone().map_err(failed)?)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        Ok(Started {
            command: command.to_owned(),
            child,
            log: log.copy().map_err(failed)?,
        })
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it said.
    pub(super) fn last_words(&self) -> String {
        self.log.end()
    }

    /// Waits until it greets.
    pub(super) fn wait_for_banner(
        &mut self,
        address: SocketAddr,
        wait: Duration,
    ) -> Result<(), StartError> {
        let until = Instant::now() + wait;
        while Instant::now() < until && !signals::stopped() {
            if greets(address, wait).unwrap_or(false) {
                return self.must_run();
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let when = format!("before it greeted at {address}");
                return Err(self.ended(when, status));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(StartError::NoBanner {
            command: self.command.clone(),
            address,
            wait,
            said: self.log.end(),
        })
    }

    /// Fails if it has ended: what answers then is another server.
    pub(super) fn must_run(&mut self) -> Result<(), StartError> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(self.ended("within its turn".to_owned(), status)),
            _ => Ok(()),
        }
    }

    fn ended(&self, when: String, status: ExitStatus) -> StartError {
        StartError::Ended {
            command: self.command.clone(),
            when,
            status,
            said: self.log.end(),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.child);
        // An error means that it ended by itself.
        let _ = kill_process(pid, Signal::TERM);
        let until = Instant::now() + STOP_WAIT;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn greets(address: SocketAddr, wait: Duration) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, wait)?;
    stream.set_read_timeout(Some(wait))?;
    let mut banner = [0; 4];
    stream.read_exact(&mut banner)?;
    stream.write_all(b"QUIT\r\n")?;
    Ok(banner.starts_with(b"220"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smtp_sink_gets_a_user_where_it_has_none() {
        for (command, changed) in [
            (
                "smtp-sink 127.0.0.1:1 10",
                Some("smtp-sink -u nobody 127.0.0.1:1 10"),
            ),
            (
                "/usr/sbin/smtp-sink -c :1 10",
                Some("/usr/sbin/smtp-sink -u nobody -c :1 10"),
            ),
            (
                "nice smtp-sink :1 10",
                Some("nice smtp-sink -u nobody :1 10"),
            ),
            ("smtp-sink -u postfix :1 10", None),
            ("smtp-sink -upostfix :1 10", None),
            ("ringpost serve", None),
            ("smtp-sinks :1", None),
        ] {
            assert_eq!(as_unprivileged(command).as_deref(), changed, "{command}");
        }
    }
}

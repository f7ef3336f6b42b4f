//! A real S3 server for the integration tests: Versity's gateway, which keeps objects as files in a folder.
//!
//! Owns: its binary, which Go builds once into the folder of the target, its process, its address. Must not know: ringpost.
//!
//! Invariants: without Go, or where its modules cannot be fetched, there is no gateway but a printed reason; the process ends with the
//! value that represents it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{skips, tools};

/// The one account.
pub const ACCESS_KEY: &str = "AKRINGPOSTTEST";
/// Its secret.
pub const SECRET_KEY: &str = "hunter2hunter2";
/// The one bucket.
pub const BUCKET: &str = "bucket";

/// Ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway that runs.
pub struct Gateway {
    child: Option<Child>,
    binary: PathBuf,
    folder: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
}

/// Starts one with an empty bucket, or says why not.
pub fn start_or_skip() -> Option<Gateway> {
    let binary = binary_or_skip()?;
    let folder = tempfile::tempdir().expect("a folder");
    // When an object is deleted, the gateway removes the folders above it that are empty, also one that an object is just being put
    // into, which it then refuses ("Existing Object is a directory"). This one stays.
    fs::create_dir_all(folder.path().join(BUCKET).join("mail/in/stays")).expect("a bucket");
    let mut gateway = Gateway {
        child: None,
        binary,
        folder,
        port: 0,
    };
    match gateway.start() {
        Ok(()) => Some(gateway),
        Err(why) => {
            skips::say(&format!("no S3 server: {why}"));
            None
        }
    }
}

/// Built once for all tests of a machine's target folder.
fn binary_or_skip() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("s3");
    fs::create_dir_all(&folder).expect("a folder");
    let binary = folder.join("versitygw");
    let lock = File::create(folder.join("lock")).expect("a lock");
    lock.lock().expect("the lock");
    if binary.is_file() {
        return Some(binary);
    }
    tools::find_or_say("go")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/s3/build");
    let built = Command::new(script).arg(&folder).output();
    let built = built.expect("the script runs");
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        let last = said.lines().last().unwrap_or("no reason");
        skips::say(&format!("no S3 server: go install: {last}"));
        return None;
    }
    Some(binary)
}

impl Gateway {
    /// Starts it, at the address that it had before if it had one.
    ///
    /// # Errors
    /// What it says where it does not run.
    pub fn start(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "it runs");
        let log = self.folder.path().join("log");
        let out = File::create(&log).expect("a log");
        let child = Command::new(&self.binary)
            .args(["--access", ACCESS_KEY, "--secret", SECRET_KEY])
            .args(["--port", &format!("127.0.0.1:{}", self.port), "posix"])
            .arg(self.folder.path())
            .stdout(out.try_clone().expect("a log"))
            .stderr(out)
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let process = child.id();
        self.child = Some(child);
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(port) = listening(process) {
                self.port = port;
                return Ok(());
            }
            let child = self.child.as_mut().expect("it was started");
            if child.try_wait().expect("a child").is_some() || Instant::now() > end {
                self.stop();
                return Err(fs::read_to_string(log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it; what it has stored stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where the objects of the bucket are.
    pub fn bucket(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The port of 127.0.0.1 that a process listens on: its banner names the one that was asked for.
fn listening(process: u32) -> Option<u16> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // The columns of proc(5): local address, state (0A: listening), inode.
        let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
        let port = local.strip_prefix("0100007F:")?;
        let is_it = *state == "0A" && sockets.iter().any(|socket| socket == inode);
        is_it.then(|| u16::from_str_radix(port, 16).ok())?
    })
}

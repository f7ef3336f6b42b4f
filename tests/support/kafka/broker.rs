//! One broker's process, and the guard that outlives the test.
//!
//! Owns the JVMs (each a direct child of the test, so that its end can be seen and its process id cannot become another
//! process's), the signals to them, their logs, and calls of the script `brokers`.
//!
//! Must not know: what a broker answers, or when it is ready.
//!
//! BUGS: a test that is killed in the microseconds between a JVM's start and its registration leaves that JVM running.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A call of the script `brokers`, its first argument given.
pub fn script(command: &str) -> Command {
    // A package of the workspace that is not its root may include this module too.
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("tests/support/kafka/brokers"))
        .find(|path| path.exists())
        .expect("tests/support/kafka/brokers is in the workspace");
    let mut shell = Command::new("/bin/sh");
    shell.arg(path).arg(command);
    shell
}

/// One broker, running or not.
#[derive(Debug)]
pub struct Broker {
    /// Its number in the cluster, and its Kafka node id.
    pub node: usize,
    /// Where clients reach it.
    pub address: SocketAddr,
    /// Whether it was frozen, so that asking it would only cost time.
    pub paused: bool,
    process: Option<Child>,
    log: PathBuf,
    /// Bytes that its log had when it was last started.
    log_before: usize,
}

impl Broker {
    /// A broker of the cluster in `folder`, not started.
    pub fn new(node: usize, address: SocketAddr, folder: &Path) -> Self {
        Self {
            node,
            address,
            paused: false,
            process: None,
            log: folder.join(node.to_string()).join("log"),
            log_before: 0,
        }
    }

    /// As the protocol writes it.
    pub fn node_id(&self) -> i32 {
        i32::try_from(self.node).expect("clusters of tests are small")
    }

    /// Whether its process was started and has not been reaped.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Whether it is worth asking.
    pub fn answers(&self) -> bool {
        self.runs() && !self.paused
    }

    /// Starts its JVM.
    pub fn spawn(&mut self, folder: &Path, guard: &mut Guard) {
        assert!(!self.runs(), "broker {} runs already", self.node);
        self.log_before = fs::read(&self.log).map_or(0, |bytes| bytes.len());
        let child = script("run")
            .arg(folder)
            .arg(self.node.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("/bin/sh runs");
        guard.tell('+', child.id());
        self.process = Some(child);
        self.paused = false;
    }

    /// Sends a signal, named without SIG.
    pub fn signal(&self, name: &str) {
        // The shell's own kill: kill(1) is a separate package in small images.
        let status = Command::new("/bin/sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name])
            .arg(self.child().id().to_string())
            .status()
            .expect("/bin/sh runs");
        assert!(status.success(), "SIG{name} to broker {}", self.node);
    }

    /// Whether the kernel has stopped its process: state T of proc(5), the field after the name in parentheses.
    pub fn stands_still(&self) -> bool {
        let path = format!("/proc/{}/stat", self.child().id());
        let stat = fs::read_to_string(path).expect("a child that was not reaped is in /proc");
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('T'))
    }

    /// Notes its end if it has come.
    pub fn reap_if_ended(&mut self, guard: &mut Guard) -> bool {
        let Some(child) = &mut self.process else {
            return true;
        };
        let ended = child.try_wait().expect("a child can be waited for");
        if ended.is_some() {
            guard.tell('-', child.id());
            self.process = None;
        }
        ended.is_some()
    }

    /// Kills its process and waits for its end.
    pub fn kill(&mut self, guard: &mut Guard) {
        let mut child = self.process.take().expect("a running broker");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
        guard.tell('-', child.id());
        self.paused = false;
    }

    /// All that it has logged; empty before its first start.
    pub fn log(&self) -> String {
        self.log_from(0)
    }

    /// What it has logged since it was last started.
    pub fn log_of_this_start(&self) -> String {
        self.log_from(self.log_before)
    }

    fn log_from(&self, position: usize) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[position.min(bytes.len())..]).into_owned()
    }

    fn child(&self) -> &Child {
        self.process.as_ref().expect("a running broker")
    }
}

/// A shell that waits for the end of its standard input, which is the end of this process whatever its reason; then it
/// kills the JVMs that are still registered and removes the folder.
#[derive(Debug)]
pub struct Guard {
    process: Child,
    /// `None` while the guard is dropped.
    input: Option<ChildStdin>,
}

impl Guard {
    /// A guard of the cluster in `folder`.
    pub fn new(folder: &Path) -> Self {
        let mut process = script("guard")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("/bin/sh runs");
        let input = process.stdin.take();
        Self { process, input }
    }

    /// `+` registers a JVM, `-` says that it has been reaped.
    pub fn tell(&mut self, sign: char, process: u32) {
        let input = self.input.as_mut().expect("the guard lives");
        writeln!(input, "{sign} {process}").expect("the guard reads");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.input = None;
        self.process.wait().expect("a child can be waited for");
    }
}

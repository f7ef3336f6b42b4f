//! A ringpost that is started by a supervisor of sockets, or that takes over from another one.
//!
//! Owns: its configuration, its log, its line "ready", its end. Must not know: what a test wants to see.
//!
//! Invariant: the process ends with the value that represents it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};

use super::support::ringpost::Client;
use super::support::{engine, tools};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a shell does so that the process that it becomes is the one that LISTEN_PID names.
const ACTIVATE: &str = "export LISTEN_PID=$$; exec \"$@\"";

/// The folder of a test: configuration, logs, the socket of takeovers.
pub struct Folder(tempfile::TempDir);

/// A process of ringpost.
pub struct Instance {
    /// The process.
    pub child: Child,
    log: PathBuf,
    /// Its line on standard output, once it is ready.
    pub ready: String,
}

impl Folder {
    /// With a configuration that discards mail, and this beside: `[server]` is open.
    pub fn new(server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[admin]\nlisten = \"127.0.0.1:0\"\n[kafka]\nbrokers = \"discard\"\n[recipients]\ndomains = [\"*\"]\n\
             [server]\nhostname = \"mx.example\"\nworkers = 2\ntakeover_socket = \"{}\"\n{server}\n",
            folder.path().join("takeover.sock").display()
        );
        std::fs::write(folder.path().join("ringpost.toml"), text).unwrap();
        Self(folder)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// ringpost with its configuration, and these flags.
    pub fn command(&self, flags: &[&str]) -> Command {
        let mut command = engine::ringpost();
        command.args(["serve", "--config"]);
        command.arg(self.path("ringpost.toml")).args(flags);
        command
    }

    /// The same with sockets that a supervisor has opened.
    pub fn activated(&self, sockets: Vec<OwnedFd>, names: Option<&str>, flags: &[&str]) -> Command {
        let ringpost = self.command(flags);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ACTIVATE, "sh"]);
        command
            .arg(ringpost.get_program())
            .args(ringpost.get_args());
        command.envs(
            ringpost
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command.env("LISTEN_FDS", sockets.len().to_string());
        if let Some(names) = names {
            command.env("LISTEN_FDNAMES", names);
        }
        let mappings = sockets.into_iter().zip(3..);
        let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        command.fd_mappings(mappings.collect()).unwrap();
        command
    }

    /// Starts it; its log is a file of this name.
    pub fn launch(&self, name: &str, mut command: Command) -> Instance {
        let log = self.path(name);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("the binary starts");
        Instance {
            child,
            log,
            ready: String::new(),
        }
    }

    /// Starts it, and waits until it is ready.
    pub fn start(&self, name: &str, command: Command) -> Instance {
        let mut instance = self.launch(name, command);
        instance.wait_until_ready();
        instance
    }
}

impl Instance {
    /// Waits for its line "ready".
    pub fn wait_until_ready(&mut self) {
        let stdout = self.child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut self.ready).unwrap();
        assert!(self.ready.starts_with("ready "), "it ended: {}", self.log());
    }

    fn value(&self, name: &str) -> &str {
        let mut words = self.ready.split_whitespace();
        let found = words.find_map(|word| word.strip_prefix(name));
        found.unwrap_or_else(|| panic!("{}", self.ready))
    }

    /// Where it takes mail.
    pub fn smtp(&self) -> Vec<String> {
        self.value("smtp=").split(',').map(str::to_owned).collect()
    }

    /// A client that has said EHLO.
    pub fn client(&self) -> Client {
        let mut client = Client::connect(&self.smtp()[0]).unwrap();
        let reply = client.say("EHLO client.example").unwrap();
        assert!(reply.starts_with("250"), "{reply}");
        client
    }

    /// The answer of its admin listener.
    pub fn asked(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.value("admin=")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal, named without SIG.
    pub fn signal(&self, name: &str) {
        tools::signal(self.child.id(), name);
    }

    /// How it ended.
    pub fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// It drains and ends with 0.
    pub fn drains(&mut self) {
        let ended = self.ended();
        assert_eq!(ended.code(), Some(0), "{}", self.log());
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// The same once this is in it.
    pub fn log_with(&self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.contains(part) {
                return log;
            }
            assert!(Instant::now() < end, "no {part:?} in {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.log.display(), self.log());
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

//! A server for one topic of a real cluster, and what `ringpost check` says of it.
//!
//! Owns: its configuration, its log, its readiness, mails to it. Must not know: what is wrong with the topic.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::kafka::Cluster;
use super::ringpost::{Ringpost, promised};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server whose standard error goes to a file.
pub struct Server {
    /// Its process.
    pub ringpost: Ringpost,
    folder: Folder,
}

/// Where its configuration and its log are. A failing test prints the log, also of a server that ended before it was ready.
struct Folder(tempfile::TempDir);

impl Folder {
    fn log(&self) -> String {
        std::fs::read_to_string(self.0.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the log of a server ---\n{}", self.log());
        }
    }
}

impl Server {
    /// Starts it for a topic, with lines of `[kafka]`.
    pub fn start(cluster: &Cluster, topic: &str, lines: &str) -> Self {
        let text = format!(
            "[server]\nworkers = 1\n[kafka]\nfail_fast_after = \"0s\"\nbrokers = \"{}\"\ntopic = \"{topic}\"\n{lines}\n",
            cluster.bootstrap()
        );
        Self::configured(&text)
    }

    /// Starts it with this configuration.
    pub fn configured(text: &str) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        let path = folder.0.path().join("ringpost.toml");
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command.stderr(std::fs::File::create(folder.0.path().join("log")).unwrap());
        let ringpost = Ringpost::launch_heard(command, &["--config", path.to_str().unwrap()]);
        Self { ringpost, folder }
    }

    /// Status and text of /readyz.
    pub fn readiness(&self) -> (bool, String) {
        let mut stream = TcpStream::connect(&self.ringpost.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = "GET /readyz HTTP/1.1\r\nHost: ringpost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        (head.starts_with("HTTP/1.1 200"), body.trim().to_owned())
    }

    /// Waits until it is ready, or not; what it says then.
    pub fn wait(&self, ready: bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let (now, text) = self.readiness();
            if now == ready {
                return text;
            }
            assert!(
                Instant::now() < end,
                "ready is {now}: {text}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.folder.log()
    }

    /// The same once this holds of it: lines are written by a thread of the log's own.
    pub fn log_once(&self, holds: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if holds(&log) {
                return log;
            }
            assert!(Instant::now() < end, "{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The lines about the storage, and that there is no other of their kind.
    pub fn lines(&self) -> (Vec<String>, Vec<String>) {
        let log = self.log();
        let with = |word: &str| -> Vec<String> {
            let lines = log.lines().filter(|line| line.contains(word));
            lines.map(str::to_owned).collect()
        };
        (with("storage away since"), with("storage back after"))
    }

    /// The reply to a mail of this size.
    pub fn send(&self, octets: usize) -> String {
        let mut client = self.ringpost.client().unwrap();
        let line = "0123456789012345678901234567890123456789\r\n";
        let body = line.repeat(octets / line.len() + 1);
        let mail = format!("Subject: x\r\n\r\n{body}");
        client.send(&[mail.as_bytes(), b".\r\n"]).unwrap()
    }

    /// The number after SIZE in the reply to EHLO.
    pub fn advertised(&self) -> u64 {
        let mut stream = TcpStream::connect(&self.ringpost.smtp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(b"EHLO client.example\r\nQUIT\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, rest) = answer.split_once("SIZE ").expect("SIZE is offered");
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Sends a mail of this size, which is stored.
    pub fn stored(&self, octets: usize) {
        let reply = self.send(octets);
        assert!(promised(&reply).is_some(), "{reply}\n{}", self.log());
    }

    /// Sends a mail, which gets this reply.
    pub fn refused(&self, with: &str) {
        let reply = self.send(10);
        assert!(reply.starts_with(with), "{reply}\n{}", self.log());
    }
}

/// The exit code and the output of a command.
pub fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// The same of `ringpost check`.
pub fn check(cluster: &Cluster, topic: &str) -> (Option<i32>, String) {
    run(&["check", "--brokers", &cluster.bootstrap(), "--topic", topic])
}

/// The line of a check's question.
pub fn line<'a>(output: &'a str, verdict: &str, name: &str) -> &'a str {
    let start = format!("{verdict:<8} {name:<12} ");
    output
        .lines()
        .find_map(|line| line.strip_prefix(&start))
        .unwrap_or_else(|| panic!("no line {start:?} in:\n{output}"))
}

//! The real binary as a child process, and a client of it.
//!
//! Owns: its start, what its line "ready" says, its metrics, its end. Must not know: Kafka.
//!
//! Invariant: the process ends with the value that represents it, however the test ends short of a SIGKILL.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::engine;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server.
pub struct Ringpost {
    /// Its process.
    pub child: Child,
    /// Where it takes mail.
    pub smtp: String,
    /// The brokers that it names.
    pub kafka: String,
    /// Where its metrics are.
    pub admin: String,
    /// Its line on standard output.
    pub ready: String,
    log: Log,
    /// The folder of its configuration file.
    _folder: Option<tempfile::TempDir>,
}

impl Ringpost {
    /// Starts it on free ports and waits until it is ready.
    pub fn start(flags: &[&str]) -> Self {
        Self::launch(engine::ringpost(), flags)
    }

    /// Starts it by a command of which it becomes the process.
    pub fn launch(mut command: Command, flags: &[&str]) -> Self {
        command.env("RINGPOST_LOG_MESSAGES", "false");
        let log = tempfile::tempfile().unwrap();
        command.stderr(log.try_clone().unwrap());
        Self::launched(command, flags, Log(Some(log)))
    }

    /// The same, with the command's own standard error.
    pub fn launch_heard(command: Command, flags: &[&str]) -> Self {
        Self::launched(command, flags, Log(None))
    }

    fn launched(mut command: Command, flags: &[&str], mut log: Log) -> Self {
        let common = [
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--hostname",
            "mx.example",
        ];
        let mut child = command
            .args(common)
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        if line.is_empty() {
            let ended = child.wait().unwrap();
            panic!("it ended before it was ready, {ended}: {}", log.end());
        }
        let value = |name: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(name))
                .unwrap_or_else(|| panic!("ready names {name}: {line:?}"))
                .to_owned()
        };
        engine::assert_named(&line);
        Self {
            smtp: value("smtp="),
            kafka: value("kafka="),
            admin: value("admin="),
            child,
            ready: line,
            log,
            _folder: None,
        }
    }

    /// Starts it with a configuration file that says this.
    pub fn configured(text: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ringpost.toml");
        std::fs::write(&path, text).unwrap();
        let flags: Vec<&str> = ["--config", path.to_str().unwrap()]
            .iter()
            .chain(flags)
            .copied()
            .collect();
        let mut started = Self::start(&flags);
        started._folder = Some(folder);
        started
    }

    /// A client that has said EHLO.
    pub fn client(&self) -> std::io::Result<Client> {
        let mut client = Client::connect(&self.smtp)?;
        client.say("EHLO client.example")?;
        Ok(client)
    }

    /// Every sample of /metrics, by its name and labels.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: ringpost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (name, value) = line.trim().rsplit_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect()
    }

    /// One sample. Every series exists from the start, so a name that is not there is misspelt.
    pub fn metric(&self, name: &str) -> f64 {
        let value = self.metrics().get(name).copied();
        value.unwrap_or_else(|| panic!("/metrics has no series {name}"))
    }

    /// Sends a signal, named without SIG.
    pub fn signal(&self, name: &str) {
        super::tools::signal(self.child.id(), name);
    }
}

impl Drop for Ringpost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the end of its log ---\n{}", self.log.end());
        }
    }
}

/// What a server says on standard error, where that is not the test's own.
struct Log(Option<File>);

impl Log {
    /// The last of it.
    fn end(&mut self) -> String {
        const MOST: i64 = 4096;
        let Some(file) = &mut self.0 else {
            return String::new();
        };
        let length = file.seek(SeekFrom::End(0)).unwrap_or(0);
        let back = i64::try_from(length).map_or(MOST, |length| length.min(MOST));
        let mut text = Vec::new();
        let _ = file.seek(SeekFrom::End(-back));
        let _ = file.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// A connection to a server.
pub struct Client(pub BufReader<TcpStream>);

impl Client {
    /// Connects and reads the banner.
    pub fn connect(smtp: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(smtp)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self(BufReader::new(stream));
        client.reply()?;
        Ok(client)
    }

    /// The last line of the next reply.
    pub fn reply(&mut self) -> std::io::Result<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(octets)
    }

    /// Writes a line and waits for its reply.
    pub fn say(&mut self, line: &str) -> std::io::Result<String> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// An envelope of two recipients, up to the reply to DATA.
    pub fn open_data(&mut self) -> std::io::Result<()> {
        assert!(self.say("MAIL FROM:<a@client.example>")?.starts_with("250"));
        assert!(self.say("RCPT TO:<b@mx.example>")?.starts_with("250"));
        assert!(self.say("RCPT TO:<c@mx.example>")?.starts_with("250"));
        assert!(self.say("DATA")?.starts_with("354"));
        Ok(())
    }

    /// Sends a message that is stuffed already and ends itself, in pieces; the final reply.
    pub fn send(&mut self, pieces: &[&[u8]]) -> std::io::Result<String> {
        self.open_data()?;
        for piece in pieces {
            self.write(piece)?;
        }
        self.reply()
    }

    /// Sends a message that ends with CRLF or is empty; the id that its 250 names.
    pub fn deliver(&mut self, message: &[u8]) -> std::io::Result<String> {
        let reply = self.send(&[&super::mails::stuffed(message)])?;
        Ok(promised(&reply).unwrap_or_else(|| panic!("{reply}")))
    }
}

/// The id that a 250 to a message names.
pub fn promised(reply: &str) -> Option<String> {
    reply.strip_prefix("250 2.0.0 ").map(str::to_owned)
}

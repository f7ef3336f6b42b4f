//! The real binary with its log, in JSON.
//!
//! Owns: its configuration's folder, and the lines in their order. Must not know: what a line says.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

use super::ringpost::{Client, Ringpost};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server whose log is read, in JSON.
pub struct Server {
    /// The process.
    pub ringpost: Ringpost,
    lines: Receiver<Value>,
    /// All that were read.
    pub read: Vec<Value>,
    folder: tempfile::TempDir,
}

impl Server {
    /// With this configuration; `FOLDER` in it becomes the server's own folder, which has a certificate.
    pub fn start(text: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        std::fs::write(place.join("mx.key"), key.serialize_pem()).unwrap();
        std::fs::write(place.join("mx.pem"), certificate.pem()).unwrap();
        std::fs::write(place.join("list.txt"), "b\nc\nd\ne\nf\ng\n").unwrap();
        configure(&folder, text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command.stderr(Stdio::piped());
        let file = place.join("ringpost.toml");
        let config = ["--config", file.to_str().unwrap()];
        let flags: Vec<&str> = config.iter().chain(flags).copied().collect();
        let mut ringpost = Ringpost::launch_heard(command, &flags);
        let stderr = BufReader::new(ringpost.child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Every line: nothing but the log is written there.
                let _ = sender.send(serde_json::from_str(&line).expect(&line));
            }
        });
        Self {
            ringpost,
            lines,
            read: Vec::new(),
            folder,
        }
    }

    /// One that stores nothing.
    pub fn discarding(text: &str) -> Self {
        Self::start(text, &["--brokers", "discard"])
    }

    /// Writes its configuration again, which a reload reads.
    pub fn configure(&self, text: &str) {
        configure(&self.folder, text);
    }

    /// The next line with this message for which this is so.
    pub fn line(&mut self, message: &str, so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{message}: {:#?}", self.read));
            self.read.push(line.clone());
            if line["message"] == message && so(&line) {
                return line;
            }
        }
    }

    /// The next line of a refusal for this reason.
    pub fn refused(&mut self, reason: &str) -> Value {
        self.line("refused", |line| line["reason"] == reason)
    }

    /// Everything up to the end of the process, which SIGTERM brings.
    pub fn stop(mut self) -> Vec<Value> {
        self.ringpost.signal("TERM");
        self.ringpost.child.wait().unwrap();
        self.read.extend(self.lines.iter());
        self.read
    }

    /// The addresses that it listens on.
    pub fn addresses(&self) -> Vec<String> {
        self.ringpost.smtp.split(',').map(str::to_owned).collect()
    }

    /// A client that has said EHLO, and its address.
    pub fn client(&self) -> (Client, String) {
        let mut client = Client::connect(&self.addresses()[0]).unwrap();
        client.say("EHLO client.example").unwrap();
        let own = client.0.get_ref().local_addr().unwrap().to_string();
        (client, own)
    }
}

fn configure(folder: &tempfile::TempDir, text: &str) {
    let text = text.replace("FOLDER", folder.path().to_str().unwrap());
    let text = match text.contains("[log]\n") {
        true => text.replace("[log]\n", "[log]\nformat = \"json\"\n"),
        false => format!("{text}\n[log]\nformat = \"json\"\n"),
    };
    std::fs::write(folder.path().join("ringpost.toml"), text).unwrap();
}

//! The built-in sink as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Stopped when the test is done.
pub struct Sink {
    pub child: Child,
    pub address: SocketAddr,
}

impl Sink {
    pub fn start() -> Sink {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost-loadtest"))
            .args(["sink", "--listen", "127.0.0.1:0", "--threads", "2"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let address = line
            .trim()
            .strip_prefix("ready smtp=")
            .expect("the ready line")
            .parse()
            .expect("an address");
        Sink { child, address }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! What a listener is that takes connections and sends no banner: an HTTP server and one with TLS from the first byte wait for
//! the client to speak.
//!
//! Owns the question and what an answer means. It is asked once, over a connection of its own, when the first connection was given
//! up: a server that only holds its banner back is never spoken to before that.
//!
//! # BUGS
//! - The question blocks its thread, for [`WAIT`] at most three times. Nothing else runs before the first connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// To connect, to write, to read.
const WAIT: Duration = Duration::from_secs(1);
/// What both kinds of server answer.
const QUESTION: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
/// The beginning of an answer.
const ENOUGH: usize = 5;

/// What a silent listener turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listener {
    /// It answers as an HTTP server does.
    Http,
    /// It answers with a record of TLS.
    Tls,
}

/// Asks it; nothing where the answer says nothing.
pub(super) fn ask(address: SocketAddr) -> Option<Listener> {
    let mut stream = TcpStream::connect_timeout(&address, WAIT).ok()?;
    stream.set_write_timeout(Some(WAIT)).ok()?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    stream.write_all(QUESTION).ok()?;
    let mut answer = [0; ENOUGH];
    stream.read_exact(&mut answer).ok()?;
    listener(&answer)
}

/// By the beginning of its answer.
pub(super) fn listener(answer: &[u8]) -> Option<Listener> {
    /// An alert of TLS 1.0 to 1.3: the record's type, and the major version.
    const ALERT: &[u8] = &[21, 3];
    if answer.starts_with(b"HTTP/") {
        Some(Listener::Http)
    } else if answer.starts_with(ALERT) {
        Some(Listener::Tls)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_a_listener_is() {
        assert_eq!(listener(b"HTTP/1.0 400 Bad Request"), Some(Listener::Http));
        assert_eq!(listener(&[21, 3, 3, 0, 2]), Some(Listener::Tls));
        assert_eq!(listener(b"220 mx.example"), None);
        assert_eq!(listener(b""), None);
    }
}

//! A look at one broker of ours, where librdkafka says nothing of it.
//!
//! Owns: the one request, and what an answer to it means. Must not know: librdkafka.
//!
//! Invariant: a probe takes a few seconds at most.
//!
//! What is seen of TLS is `handshake`'s.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::handshake;
use super::way::Way;
use super::words::Trouble;

/// Longest wait of a probe for a connection, and for the first bytes of an answer.
const PROBE_WAIT: Duration = Duration::from_millis(500);
/// A request for ApiVersions, version 0, which every broker answers before any login: the length of what follows, the
/// request's number and version, a number of ours, and the client's name.
const PROBE: &[u8] = b"\0\0\0\x12\0\x12\0\0rp01\0\x08ringpost";

/// What is wrong with one broker, and whether more waiting is of no use; none where it works, or where nothing is
/// known. `unverified` says that librdkafka does not trust its certificate.
pub(super) fn probe(broker: &str, way: &Way, unverified: bool) -> Option<(Trouble, bool)> {
    let hopeless = |trouble| Some((trouble, true));
    let silent = |trouble| Some((trouble, false));
    let address = match broker.to_socket_addrs() {
        Ok(mut found) => found.next()?,
        Err(_) => return hopeless(Trouble::Unresolved),
    };
    let mut stream = match TcpStream::connect_timeout(&address, PROBE_WAIT) {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                ErrorKind::ConnectionRefused => hopeless(Trouble::Refused),
                ErrorKind::TimedOut => silent(Trouble::Unanswered),
                _ => silent(Trouble::Unconnectable(error.to_string())),
            };
        }
    };
    stream.set_read_timeout(Some(PROBE_WAIT)).ok()?;
    stream.set_write_timeout(Some(PROBE_WAIT)).ok()?;
    if !way.clear {
        let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
        return match handshake::look(stream, host, way, PROBE, unverified) {
            // It may answer this request, and want a login for all others: then librdkafka may say nothing at all.
            Some(Trouble::MuteInTls) | None => silent(Trouble::MuteInTls),
            Some(trouble) => hopeless(trouble),
        };
    }
    let mut bytes = [0; 8];
    let answer = stream
        .write_all(PROBE)
        .and_then(|()| first_octets(&mut stream, &mut bytes))
        .or_else(|error| match is_late(&error) {
            true => ask_for_lines(&mut stream, &mut bytes),
            false => Err(error),
        });
    match (answer, bytes) {
        (Ok(0), _) => hopeless(Trouble::HangsUp),
        // A TLS record: an alert, or a handshake.
        (Ok(_), [0x15 | 0x16, 3, ..]) => hopeless(Trouble::SpeaksTls),
        (Ok(_), [0, _, _, _, b'r', b'p', b'0', b'1']) => None,
        (Ok(_), _) => hopeless(Trouble::NotKafka),
        (Err(error), _) if is_late(&error) => silent(Trouble::Mute),
        (Err(_), _) => hopeless(Trouble::HangsUp),
    }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A server that reads lines, as an HTTP server does, answers at the end of one. A slow broker that takes this
/// for garbage and hangs up shows only that it is slow.
fn ask_for_lines(stream: &mut TcpStream, bytes: &mut [u8]) -> std::io::Result<usize> {
    let late = || std::io::Error::from(ErrorKind::TimedOut);
    stream.write_all(b"\r\n\r\n").map_err(|_| late())?;
    match first_octets(stream, bytes) {
        Ok(0) | Err(_) => Err(late()),
        answer => answer,
    }
}

/// Reads until the bytes are full, or tell enough: a broker's answer begins with a zero.
fn first_octets(stream: &mut TcpStream, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    loop {
        match stream.read(&mut bytes[filled..]) {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count,
            Err(_) if filled > 0 => return Ok(filled),
            Err(error) => return Err(error),
        }
        if filled == bytes.len() || bytes[0] != 0 {
            return Ok(filled);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What is said of a listener that does this to a connection whose request it has read.
    fn said_of(act: fn(TcpStream)) -> Option<(Trouble, bool)> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; PROBE.len()];
                stream.read_exact(&mut request).unwrap();
                act(stream);
            });
            probe(&address, &Way::in_clear(), false)
        })
    }

    #[test]
    fn a_probe_tells_what_listens_there() {
        for (act, expected) in [
            (
                (|mut stream| stream.write_all(b"\x15\x03\x03\0\x02\x02\x0a").unwrap())
                    as fn(TcpStream),
                Some((Trouble::SpeaksTls, true)),
            ),
            (
                |mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap(),
                Some((Trouble::NotKafka, true)),
            ),
            (drop, Some((Trouble::HangsUp, true))),
            // Held until the probe has given up.
            (
                |mut stream| {
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest).unwrap();
                },
                Some((Trouble::Mute, false)),
            ),
            // One that reads lines.
            (
                |mut stream| {
                    stream.read_exact(&mut [0; 4]).unwrap();
                    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
                },
                Some((Trouble::NotKafka, true)),
            ),
            (
                |mut stream| stream.write_all(b"\0\0\x01\0rp01\0\0").unwrap(),
                None,
            ),
        ] {
            assert_eq!(said_of(act), expected);
        }
    }
}

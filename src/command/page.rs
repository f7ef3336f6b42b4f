//! One page of an admin listener, asked for as a probe asks: a single GET, one deadline, a bounded answer.
//!
//! Owns: the request, how much of an answer is read, what an unusable answer is. Must not know: which pages there are.
//!
//! BUGS: HTTP/1.1 without chunks, redirects or TLS. The admin listener sends none of them on a connection that is to be closed.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::failure::{Blame, Blamed};

/// The most that is read of an answer.
const ANSWER_MOST: u64 = 1024 * 1024;

/// What an admin listener answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// The status of HTTP.
    pub status: u16,
    /// What follows the header section.
    pub body: String,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPage {
    #[error(
        "http://{address}{path}: {source}; is it running, and is its admin listener there? --admin ADDR names another address"
    )]
    Unreachable {
        address: SocketAddr,
        path: &'static str,
        source: io::Error,
    },
    #[error("http://{address}{path}: the answer is not HTTP; another program listens there")]
    NoHttp {
        address: SocketAddr,
        path: &'static str,
    },
}

impl Blamed for NoPage {
    fn blame(&self) -> Blame {
        match self {
            Self::Unreachable { .. } | Self::NoHttp { .. } => Blame::Machine,
        }
    }
}

/// Where a listener of this machine is reached: one of every interface also listens on loopback.
pub(super) fn reached(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// Asks for a page; the whole answer has this long.
///
/// # Errors
/// No answer in time, or one that is not HTTP.
pub(super) fn get(
    address: SocketAddr,
    path: &'static str,
    patience: Duration,
) -> Result<Page, NoPage> {
    let answer = exchange(address, path, Instant::now() + patience).map_err(|source| {
        NoPage::Unreachable {
            address,
            path,
            source,
        }
    })?;
    parse(&answer).ok_or(NoPage::NoHttp { address, path })
}

fn exchange(address: SocketAddr, path: &str, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let count = match stream.read(&mut piece) {
            // What the kernel calls it when the time-out of a socket ends a read.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(too_late()),
            // A signal, such as the kernel's at the end of a ring.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        };
        if count == 0 {
            return Ok(answer);
        }
        answer.extend_from_slice(&piece[..count]);
        if answer.len() as u64 > ANSWER_MOST {
            return Err(io::Error::other(format!(
                "the answer is larger than {ANSWER_MOST} bytes"
            )));
        }
    }
}

/// What is left until then; a time-out of zero would mean none.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(too_late()),
        false => Ok(left),
    }
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no whole answer in time")
}

fn parse(answer: &[u8]) -> Option<Page> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.split(' ');
    let is_http = words.next()?.starts_with("HTTP/1.");
    let status = words.next()?.parse().ok()?;
    is_http.then(|| Page {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Takes one connection, answers it after its request, and keeps it open until the caller is done where `stays`.
    fn answering(answer: &'static [u8], stays: bool) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 512]);
            while !request.ends_with(b"\r\n\r\n") {
                let count = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..count]);
            }
            stream.write_all(answer).unwrap();
            if stays {
                // The client's end.
                let _ = stream.read(&mut piece);
            }
            String::from_utf8(request).unwrap()
        });
        (address, served)
    }

    #[test]
    fn a_page_is_its_status_and_its_body() {
        let (address, served) = answering(
            b"HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\ndraining\n",
            false,
        );
        let page = get(address, "/readyz", PATIENCE).unwrap();
        assert_eq!((page.status, page.body.as_str()), (503, "draining\n"));
        let request = served.join().unwrap();
        assert!(
            request.starts_with("GET /readyz HTTP/1.1\r\n"),
            "{request:?}"
        );
    }

    #[test]
    fn what_is_no_answer_says_why_and_what_to_try() {
        let (address, _served) = answering(b"220 mx.example ESMTP\r\n", false);
        let error = get(address, "/healthz", PATIENCE).unwrap_err();
        assert!(matches!(error, NoPage::NoHttp { .. }), "{error}");

        let unused = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = unused.local_addr().unwrap();
        drop(unused);
        let error = get(address, "/healthz", PATIENCE).unwrap_err();
        assert!(error.to_string().contains("--admin ADDR"), "{error}");
    }

    #[test]
    fn an_answer_that_never_ends_is_not_waited_for() {
        let (address, served) = answering(b"HTTP/1.1 200 OK\r\n\r\nok", true);
        let error = get(address, "/healthz", Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("in time"), "{error}");
        served.join().unwrap();
    }

    #[test]
    fn a_listener_of_every_interface_is_reached_on_loopback() {
        for (listener, at) in [
            ("0.0.0.0:9925", "127.0.0.1:9925"),
            ("[::]:9925", "[::1]:9925"),
            ("192.0.2.1:9925", "192.0.2.1:9925"),
        ] {
            assert_eq!(reached(listener.parse().unwrap()).to_string(), at);
        }
    }
}

//! Sockets that a supervisor has opened and given to this process, by the protocol of systemd (sd_listen_fds(3)): descriptors from
//! 3 on, `LISTEN_FDS` of them, named by `LISTEN_FDNAMES`, for the process `LISTEN_PID`.
//!
//! Owns: which descriptors these are, and that each is a TCP socket that listens. Must not know: what is served there.
//!
//! Invariants: descriptors are taken once in the life of a process, before anything else could own their numbers; none is taken
//! that is not open, and none is inherited by a child of this process.
//!
//! BUGS: the variables stay in the environment; `LISTEN_PID` keeps a child from taking them for its own.

#![allow(unsafe_code, reason = "a descriptor is known by its number alone")]

use std::io;
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::AsFd;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::failure::{Blame, Blamed};

/// The first descriptor after standard error.
const FIRST: RawFd = 3;

/// Most sockets that are taken: more than there can be addresses and workers, and a number that no descriptor exceeds.
const MOST: usize = 4096;

/// Whether the descriptors were taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A socket that a supervisor has opened.
#[derive(Debug)]
pub struct Inherited {
    /// What the supervisor calls it.
    pub name: String,
    /// The socket.
    pub listener: TcpListener,
}

/// What a supervisor has given to this process.
#[derive(Debug)]
pub enum Given {
    /// Nothing.
    Nothing,
    /// Something, but to this other process, as the variable says.
    ToAnother(String),
    /// Sockets.
    Sockets(Vec<Inherited>),
}

/// The supervisor said something that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The number of sockets is none.
    #[error(
        "LISTEN_FDS = {0:?}: not a number from 1 to {MOST}; systemd sets this variable, so remove it where nothing else does"
    )]
    Count(String),
    /// A name for each is missing, or there are too many.
    #[error(
        "LISTEN_FDNAMES = {names:?}: {named} names for {count} sockets (LISTEN_FDS): each socket has one name, and a colon is between two"
    )]
    Names {
        /// The variable.
        names: String,
        /// Names that are there.
        named: usize,
        /// Sockets.
        count: usize,
    },
    /// A descriptor is not open.
    #[error(
        "LISTEN_FDS = {count}: descriptor {descriptor} is not open ({cause}): whoever started ringpost passed fewer sockets than it says"
    )]
    Closed {
        /// Sockets that there should be.
        count: usize,
        /// Which one is missing.
        descriptor: RawFd,
        /// What the kernel says.
        #[source]
        cause: io::Error,
    },
    /// It is no socket that listens for TCP.
    #[error(
        "descriptor {descriptor} (LISTEN_FDNAMES: {name:?}) is {what}; ringpost serves TCP sockets that listen: in the socket unit, \
         write ListenStream=PORT or ListenStream=IP:PORT, and Accept=no"
    )]
    Kind {
        /// Its number.
        descriptor: RawFd,
        /// Its name.
        name: String,
        /// What it is.
        what: &'static str,
    },
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// What the variables say.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    ToAnother(String),
    /// Of each socket: its name.
    Names(Vec<String>),
}

/// Takes what this process was given. A second call finds nothing.
///
/// # Errors
/// [`Error`].
pub fn take(variable: impl Fn(&str) -> Option<String>) -> Result<Given, Error> {
    let names = match read(&variable, std::process::id())? {
        Said::Names(names) if !TAKEN.swap(true, Ordering::Relaxed) => names,
        Said::Nothing | Said::Names(_) => return Ok(Given::Nothing),
        Said::ToAnother(process) => return Ok(Given::ToAnother(process)),
    };
    let count = names.len();
    let numbered = (FIRST..).zip(names);
    let sockets = numbered.map(|(descriptor, name)| own(descriptor, name, count));
    sockets.collect::<Result<_, _>>().map(Given::Sockets)
}

fn read(variable: &impl Fn(&str) -> Option<String>, process: u32) -> Result<Said, Error> {
    let Some(count) = variable("LISTEN_FDS") else {
        return Ok(Said::Nothing);
    };
    let given_to = variable("LISTEN_PID").unwrap_or_default();
    if given_to != process.to_string() {
        return Ok(Said::ToAnother(given_to));
    }
    let number: usize = match count.parse() {
        Ok(0) => return Ok(Said::Nothing),
        Ok(number) if number <= MOST => number,
        Ok(_) | Err(_) => return Err(Error::Count(count)),
    };
    let Some(names) = variable("LISTEN_FDNAMES") else {
        return Ok(Said::Names(vec![String::new(); number]));
    };
    let each: Vec<String> = names.split(':').map(str::to_owned).collect();
    if each.len() != number {
        return Err(Error::Names {
            named: each.len(),
            names,
            count: number,
        });
    }
    Ok(Said::Names(each))
}

/// The socket behind a number that the supervisor named, of this many.
fn own(descriptor: RawFd, name: String, count: usize) -> Result<Inherited, Error> {
    // SAFETY: the borrow lasts for the next call alone, which asks the kernel whether there is such a descriptor at all; where there is
    // none, nothing is read or written. It is not -1.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC).map_err(|cause| Error::Closed {
        count,
        descriptor,
        cause: cause.into(),
    })?;
    // SAFETY: the descriptor is open, as the kernel has just said. The supervisor opened it for this process, which is what LISTEN_PID
    // says, and `TAKEN` lets this line run once for each number, so nothing else in this process owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    match kind(&socket) {
        None => Ok(Inherited {
            name,
            listener: socket.into(),
        }),
        Some(what) => Err(Error::Kind {
            descriptor,
            name,
            what,
        }),
    }
}

/// What a socket is, if it is none that listens for TCP.
pub fn kind(socket: impl AsFd) -> Option<&'static str> {
    let socket = socket.as_fd();
    match sockopt::socket_domain(socket) {
        Ok(AddressFamily::INET | AddressFamily::INET6) => {}
        Ok(AddressFamily::UNIX) => return Some("a Unix socket"),
        Ok(_) => return Some("a socket of another family than IPv4 and IPv6"),
        Err(_) => return Some("no socket"),
    }
    match sockopt::socket_type(socket) {
        Ok(SocketType::STREAM) => {}
        Ok(SocketType::DGRAM) => return Some("a UDP socket"),
        Ok(_) | Err(_) => return Some("no TCP socket"),
    }
    match sockopt::socket_acceptconn(socket) {
        Ok(true) => None,
        Ok(false) | Err(_) => Some("a connection, or a socket that does not listen"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn said(variables: &[(&str, &str)]) -> Result<Said, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        read(&variable, 7).map_err(|error| error.to_string())
    }

    #[test]
    fn sockets_are_ours_if_they_are_given_to_this_process() {
        let fds = ("LISTEN_FDS", "2");
        assert_eq!(said(&[]), Ok(Said::Nothing));
        assert_eq!(said(&[("LISTEN_PID", "7")]), Ok(Said::Nothing));
        assert_eq!(said(&[fds]), Ok(Said::ToAnother(String::new())));
        let other = said(&[("LISTEN_PID", "8"), fds]);
        assert_eq!(other, Ok(Said::ToAnother("8".to_owned())));
        let ours = ("LISTEN_PID", "7");
        let unnamed = said(&[ours, fds]);
        assert_eq!(unnamed, Ok(Said::Names(vec![String::new(); 2])));
        let named = said(&[ours, fds, ("LISTEN_FDNAMES", "smtp:admin")]);
        let names = ["smtp", "admin"].map(str::to_owned);
        assert_eq!(named, Ok(Said::Names(names.into())));
        assert_eq!(said(&[ours, ("LISTEN_FDS", "0")]), Ok(Said::Nothing));
    }

    #[test]
    fn what_does_not_hold_is_an_error_that_names_the_variable() {
        let ours = ("LISTEN_PID", "7");
        for count in ["", "x", "-1", "5000"] {
            let error = said(&[ours, ("LISTEN_FDS", count)]).unwrap_err();
            assert!(error.starts_with("LISTEN_FDS = "), "{error}");
        }
        let names = ("LISTEN_FDNAMES", "smtp");
        let error = said(&[ours, ("LISTEN_FDS", "2"), names]).unwrap_err();
        assert!(error.contains("1 names for 2 sockets"), "{error}");
    }

    #[test]
    fn only_a_tcp_socket_that_listens_is_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(kind(&listener), None);
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(kind(&client).unwrap().contains("does not listen"));
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(kind(&datagrams), Some("a UDP socket"));
        let folder = tempfile::tempdir().unwrap();
        let local = UnixListener::bind(folder.path().join("s")).unwrap();
        assert_eq!(kind(&local), Some("a Unix socket"));
        let file = tempfile::tempfile().unwrap();
        assert_eq!(kind(&file), Some("no socket"));
    }
}

//! Where a running process and the one that takes over from it meet: a Unix socket.
//!
//! Owns: its name, who may come there, and that the other side belongs to the same user. Must not know: what is said.
//!
//! Without a name in the configuration it is an abstract socket that is named after the first address of SMTP. Such a socket needs no
//! folder, leaves no file behind, and belongs to the network namespace, as the address itself does. Every user may connect to it, so
//! both sides ask the kernel for the user of the other one (SO_PEERCRED) before anything is said.
//!
//! BUGS: an abstract name can be taken by any user, who then keeps takeovers from happening; a path in a folder of ringpost's own
//! cannot.

use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;

use rustix::process::geteuid;

use crate::config::{Config, TakeoverSocket};
use crate::server::addresses::Addresses;

/// Where the two meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum Place {
    /// An abstract socket.
    Abstract(String),
    /// A file.
    Path(PathBuf),
}

impl Place {
    /// That of a server, if it has one: the configuration may forbid it, and without a fixed address there is no name.
    pub(in crate::server) fn of(config: &Config, addresses: &Addresses) -> Option<Self> {
        match &config.server.takeover_socket {
            TakeoverSocket::None => None,
            TakeoverSocket::Abstract(name) => Some(Self::Abstract(name.clone())),
            TakeoverSocket::Path(path) => Some(Self::Path(path.clone())),
            TakeoverSocket::Derived => {
                let spoken = addresses.smtp();
                let first = spoken.iter().find(|it| it.address.port() != 0)?;
                Some(Self::Abstract(format!(
                    "ringpost/takeover/{}",
                    first.address
                )))
            }
        }
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Abstract(name) => SocketAddr::from_abstract_name(name),
            Self::Path(path) => SocketAddr::from_pathname(path),
        }
    }

    /// Connects to the process that listens there; none if there is no such process.
    ///
    /// # Errors
    /// What else keeps it from that.
    pub(super) fn connect(&self) -> io::Result<Option<UnixStream>> {
        match UnixStream::connect_addr(&self.address()?) {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error),
            },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abstract(name) => write!(f, "@{name}"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Listens there for a process that is to take over. A file that a process has left behind is replaced.
///
/// # Errors
/// Another process listens there, or the folder is not there or not writable.
pub(super) fn listen(place: &Place) -> io::Result<UnixListener> {
    let bind = || UnixListener::bind_addr(&place.address()?);
    let listener = match (bind(), place) {
        (Err(error), Place::Path(path)) if error.kind() == io::ErrorKind::AddrInUse => {
            if place.connect()?.is_some() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            bind()?
        }
        (bound, _) => bound?,
    };
    if let Place::Path(path) = place {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Makes sure that the other side belongs to the user of this process.
///
/// # Errors
/// The number of the other user.
pub(super) fn same_user(other: u32) -> Result<(), u32> {
    match other == geteuid().as_raw() {
        true => Ok(()),
        false => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_from_the_first_address_that_has_a_port() {
        let mut config = Config::default();
        let place = |config: &Config| Place::of(config, &Addresses::of(config));
        let named = place(&config).unwrap().to_string();
        assert_eq!(named, "@ringpost/takeover/127.0.0.1:2525");
        let any = "127.0.0.1:0".parse().unwrap();
        config.server.listen = vec![any];
        assert_eq!(place(&config), None);
        config.server.listen_tls = vec!["[::]:465".parse().unwrap()];
        let named = place(&config).unwrap().to_string();
        assert_eq!(named, "@ringpost/takeover/[::]:465");
        config.server.takeover_socket = TakeoverSocket::Path("/run/x".into());
        assert_eq!(place(&config).unwrap().to_string(), "/run/x");
        config.server.takeover_socket = TakeoverSocket::None;
        assert_eq!(place(&config), None);
    }

    #[test]
    fn a_file_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Path(folder.path().join("takeover.sock"));
        assert!(place.connect().unwrap().is_none(), "nobody is there");
        let listener = listen(&place).unwrap();
        assert_eq!(listen(&place).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(place.connect().unwrap().is_some());
        drop(listener);
        assert!(place.connect().unwrap().is_none(), "it was left behind");
        listen(&place).unwrap();
    }

    #[test]
    fn an_abstract_name_is_free_when_its_process_is_gone() {
        let place = Place::Abstract(format!("ringpost-test-place-{}", std::process::id()));
        let listener = listen(&place).unwrap();
        assert_eq!(listen(&place).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(place.connect().unwrap().is_none());
    }

    #[test]
    fn another_user_is_named() {
        let own = geteuid().as_raw();
        assert_eq!(same_user(own), Ok(()));
        assert_eq!(same_user(own + 1), Err(own + 1));
    }
}

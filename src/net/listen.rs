//! Sockets that listen, and the operator's text where an address cannot be listened on.
//!
//! Owns: how a socket is bound, which families it takes, what an error of bind(2) means and what helps. Must not know: what is
//! served there.
//!
//! `[::]` takes IPv4 as well, as on most machines and in most programs, unless an IPv4 address with the same port is listened
//! on: then each has its own. Clients that come by IPv4 have IPv4 addresses either way (see [`crate::mail::envelope::Client`]).
//!
//! BUGS: a policy of the kernel (SELinux, AppArmor, a seccomp filter) is guessed from EACCES alone.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{Blame, Blamed};
use crate::limits::LISTEN_BACKLOG;

/// The port from which on every process may listen, unless the machine says otherwise.
const UNPRIVILEGED_PORT: u16 = 1024;

/// A socket that an option asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The option that names the address.
    pub option: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Whether IPv4 clients come here as well. Only `[::]` can have them.
    pub both_families: bool,
}

/// An address that cannot be listened on: which option names it, why, and what helps, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{option}: {address}: cannot listen there: {cause}; {}", self.help())]
pub struct Error {
    /// The option that names the address.
    pub option: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the kernel says.
    #[source]
    pub cause: io::Error,
}

impl Wanted {
    /// Of an option's address beside all that are listened on.
    pub fn beside(option: &'static str, address: SocketAddr, all: &[SocketAddr]) -> Self {
        let taken = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
        // Port 0 is another port for each.
        let both_families =
            is_every_ipv6(address) && (address.port() == 0 || !all.iter().any(taken));
        Self {
            option,
            address,
            both_families,
        }
    }

    /// Listens: the socket, and its address with the port resolved. With `share`, other sockets may listen at the same address.
    ///
    /// # Errors
    /// [`Error`].
    pub fn listen(self, share: bool) -> Result<(TcpListener, SocketAddr), Error> {
        let listening = || {
            let socket = self.bind(share)?;
            socket.listen(LISTEN_BACKLOG)?;
            let listener = TcpListener::from(socket);
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        listening().map_err(|cause| self.failed(cause))
    }

    /// Whether [`Self::listen`] would succeed. No client gets through meanwhile.
    ///
    /// # Errors
    /// [`Error`].
    pub fn try_out(self) -> Result<(), Error> {
        match self.bind(false) {
            Ok(_) => Ok(()),
            Err(cause) => Err(self.failed(cause)),
        }
    }

    /// What there is to say where the kernel refuses it.
    pub fn failed(self, cause: io::Error) -> Error {
        Error {
            option: self.option,
            address: self.address,
            cause,
        }
    }

    fn bind(self, share: bool) -> io::Result<Socket> {
        let domain = Domain::for_address(self.address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(share)?;
        if self.address.is_ipv6() {
            socket.set_only_v6(!self.both_families)?;
        }
        // Accepted sockets inherit it: replies are whole, so there is nothing to gather.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&self.address.into())?;
        Ok(socket)
    }
}

fn is_every_ipv6(address: SocketAddr) -> bool {
    address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}

fn is_link_local(address: SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local())
}

impl Error {
    /// Whether another socket listens there.
    pub fn is_in_use(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }

    fn help(&self) -> String {
        let Self {
            option,
            address,
            cause,
        } = self;
        match cause.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::ACCESS | Errno::PERM) => {
                not_permitted(address.port(), first_unprivileged_port())
            }
            Some(Errno::ADDRINUSE) => in_use(option, *address),
            Some(Errno::ADDRNOTAVAIL) => not_here(*address),
            Some(Errno::AFNOSUPPORT) if address.is_ipv6() => format!(
                "IPv6 is off on this machine; listen on IPv4, 0.0.0.0:{}",
                address.port()
            ),
            Some(Errno::INVAL) if is_link_local(*address) => format!(
                "a link-local address needs its interface: write [{}%N]:{} with the number of the interface for N, which \
                 /sys/class/net/NAME/ifindex has",
                address.ip(),
                address.port()
            ),
            // No other address would be any better.
            Some(Errno::MFILE | Errno::NFILE) => {
                "too few files may be open; raise the limit (LimitNOFILE= of systemd, ulimit -n)"
                    .to_owned()
            }
            _ => "choose another address".to_owned(),
        }
    }
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

fn not_permitted(port: u16, first_unprivileged: u16) -> String {
    if port >= first_unprivileged {
        return "the machine's policy forbids it (SELinux, AppArmor, a seccomp filter): its audit log says which; allow it, or \
                choose another port"
            .to_owned();
    }
    let program = std::env::current_exe()
        .map_or_else(|_| "ringpost".to_owned(), |path| path.display().to_string());
    format!(
        "ports below {first_unprivileged} need the capability CAP_NET_BIND_SERVICE, which this process lacks: under systemd set \
         AmbientCapabilities=CAP_NET_BIND_SERVICE (deploy/ringpost.service does); else run \
         `setcap cap_net_bind_service=+ep {program}` as root; or listen on a higher port, such as 2525, and redirect port {port} \
         to it (docker run --publish {port}:2525, or a rule of the firewall)"
    )
}

fn in_use(option: &str, address: SocketAddr) -> String {
    let port = address.port();
    let likely = match port {
        25 => "often a mail server that came with the machine, such as Postfix or Exim",
        _ => "perhaps another ringpost",
    };
    let elsewhere = match option {
        "server.listen" => ", or choose another address with --listen",
        "admin.listen" => ", or choose another address with --admin",
        _ => ", or choose another address",
    };
    format!(
        "another process is using that port ({likely}): `ss -ltnp 'sport = :{port}'`, as root, names it; stop it{elsewhere}"
    )
}

fn not_here(address: SocketAddr) -> String {
    let every = match address.is_ipv4() {
        true => format!("0.0.0.0:{}", address.port()),
        false => format!("[::]:{}", address.port()),
    };
    format!(
        "this machine has no such address: `ip address` lists those that it has; name one of them, or {every} for all; behind \
         NAT or a load balancer the public address is not the machine's own"
    )
}

/// `net.ipv4.ip_unprivileged_port_start`, which IPv6 obeys as well.
fn first_unprivileged_port() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(UNPRIVILEGED_PORT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_ipv6_address_takes_ipv4_unless_that_is_listened_on_beside_it() {
        let both = |own: &str, others: &[&str]| {
            let all: Vec<SocketAddr> = others.iter().map(|other| address(other)).collect();
            Wanted::beside("server.listen", address(own), &all).both_families
        };
        assert!(both("[::]:25", &["[::]:25"]));
        assert!(both("[::]:25", &["[::]:25", "0.0.0.0:26", "[::1]:25"]));
        assert!(!both("[::]:25", &["0.0.0.0:25", "[::]:25"]));
        assert!(!both("[::]:25", &["[::]:25", "192.0.2.1:25"]));
        assert!(!both("[::1]:25", &["[::1]:25"]));
        assert!(!both("0.0.0.0:25", &["0.0.0.0:25"]));
        assert!(both("[::]:0", &["0.0.0.0:0", "[::]:0"]));
    }

    #[test]
    fn ipv4_clients_reach_a_socket_of_both_families_and_no_other() {
        for both_families in [true, false] {
            let wanted = Wanted {
                option: "server.listen",
                address: address("[::]:0"),
                both_families,
            };
            let Ok((_listener, resolved)) = wanted.listen(false) else {
                eprintln!("skipped: this machine has no IPv6");
                return;
            };
            let port = resolved.port();
            assert!(TcpStream::connect(("::1", port)).is_ok());
            let reached = TcpStream::connect(("127.0.0.1", port)).is_ok();
            assert_eq!(reached, both_families);
        }
    }

    #[test]
    fn each_error_says_what_is_missing_and_what_helps() {
        let told = |own: &str, errno: Errno| {
            let error = Error {
                option: "server.listen",
                address: address(own),
                cause: io::Error::from_raw_os_error(errno.raw_os_error()),
            };
            error.to_string()
        };
        for (own, errno, words) in [
            (
                "0.0.0.0:1",
                Errno::ACCESS,
                &[
                    "CAP_NET_BIND_SERVICE",
                    "AmbientCapabilities=",
                    "setcap cap_net_bind_service=+ep",
                    "2525",
                ][..],
            ),
            ("0.0.0.0:65535", Errno::ACCESS, &["SELinux"]),
            (
                "0.0.0.0:2525",
                Errno::ADDRINUSE,
                &["another process", "ss -ltnp 'sport = :2525'"],
            ),
            (
                "192.0.2.1:25",
                Errno::ADDRNOTAVAIL,
                &[
                    "this machine has no such address",
                    "ip address",
                    "0.0.0.0:25",
                ],
            ),
            ("[2001:db8::1]:25", Errno::ADDRNOTAVAIL, &["[::]:25"]),
            (
                "[::]:25",
                Errno::AFNOSUPPORT,
                &["IPv6 is off", "0.0.0.0:25"],
            ),
            ("[fe80::1]:25", Errno::INVAL, &["[fe80::1%N]:25"]),
            ("[::]:25", Errno::MFILE, &["LimitNOFILE=", "ulimit -n"]),
            ("[::]:25", Errno::IO, &["choose another address"]),
        ] {
            let text = told(own, errno);
            assert!(
                text.starts_with(&format!("server.listen: {own}: cannot listen there: ")),
                "{text}"
            );
            for word in words {
                assert!(text.contains(word), "{word}: {text}");
            }
            assert_eq!(text.lines().count(), 1);
        }
        let capability = "CAP_NET_BIND_SERVICE";
        assert!(not_permitted(25, 1024).contains(capability));
        assert!(not_permitted(1023, 1024).contains(capability));
        assert!(!not_permitted(1024, 1024).contains(capability));
        assert!(!not_permitted(25, 25).contains(capability));
    }
}

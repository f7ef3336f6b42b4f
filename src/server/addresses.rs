//! The addresses that are listened on: from the options that name them, or from sockets that listen already, to the workers.
//!
//! Owns: which option has which address, what is spoken there, in which order they are bound, which worker serves which socket.
//! Must not know: how a socket is bound and why it cannot be (`net::listen`), who gave one that listens already.
//!
//! Where an address is bound here, each worker has its own socket there (SO_REUSEPORT). Of sockets that listen already there may be
//! fewer or more than workers: each socket then has at least one worker, and each worker at least one socket of each address. Workers
//! that share a socket all wake up for a connection, and one of them gets it.
//!
//! Invariants: the addresses are in the order of the options, before and after their ports are resolved; no socket is without a
//! worker, because the kernel puts connections into the queue of each.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::net::connection::{Entrance, Opening};
use crate::net::listen::{Error, Wanted};
use crate::net::worker::Door;

/// Longest wait for an address that is still taken at the start: the kernel takes a moment to close the ring, and with it the
/// sockets, of a process that was killed.
const FREE_WAIT: Duration = Duration::from_secs(2);
/// How long an accept at a socket of others may wait, where they have made it block: a process that systemd starts with the socket makes it
/// so again for all that have it (NonBlocking= of the unit), and a worker that lost the race for a connection would hang.
const ACCEPT_WAIT: Duration = Duration::from_millis(1);
/// Pause between two tries.
const FREE_PAUSE: Duration = Duration::from_millis(50);

/// What is served at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// SMTP, which begins like this.
    Smtp(Opening),
    /// Metrics and health.
    Admin,
}

/// An address of SMTP, and what is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    /// Where.
    pub address: SocketAddr,
    /// What a client sends or gets first.
    pub opening: Opening,
}

impl Spoken {
    /// The address with its protocol.
    pub fn text(&self, starttls: bool) -> String {
        format!("{} {}", self.address, self.speaks(starttls))
    }

    /// What is spoken there, in a few words; `starttls` says whether TLS is offered.
    pub fn speaks(&self, starttls: bool) -> &'static str {
        match (self.opening, starttls) {
            (Opening::Clear, true) => "clear+STARTTLS",
            (Opening::Clear, false) => "clear",
            (Opening::Tls, _) => "TLS",
            (Opening::Proxied, true) => "PROXY+clear+STARTTLS",
            (Opening::Proxied, false) => "PROXY+clear",
        }
    }
}

/// A socket that listens already.
#[derive(Debug)]
pub struct Ready {
    /// What is served there.
    pub purpose: Purpose,
    /// The address as its option names it: a port may be 0.
    pub configured: SocketAddr,
    /// The socket.
    pub listener: TcpListener,
    /// Whether others serve it after this process: it is left as it is at the end.
    pub kept: bool,
}

/// A socket that is served, as the thread that started the workers has it.
#[derive(Debug)]
pub struct Held {
    /// The place of its address among all, that of the admin listener last.
    pub place: usize,
    /// What it is.
    pub socket: Ready,
}

/// What a server listens with.
pub struct Listening {
    /// The sockets of each worker.
    pub doors: Vec<Vec<Door>>,
    /// The addresses of SMTP with the ports resolved.
    pub smtp: Vec<Spoken>,
    /// The admin listener's socket.
    pub admin: TcpListener,
    /// Its address, the port resolved.
    pub admin_address: SocketAddr,
    /// All of them once more.
    pub held: Vec<Held>,
}

/// An address, with the sockets that listen there already, if any do.
#[derive(Debug)]
struct Place {
    wanted: Wanted,
    purpose: Purpose,
    ready: Vec<TcpListener>,
    kept: bool,
}

/// Every address of a server.
#[derive(Debug)]
pub struct Addresses {
    smtp: Vec<Place>,
    admin: Place,
}

impl Purpose {
    /// All of them, in the order of their options.
    pub const ALL: [Self; 4] = [
        Self::Smtp(Opening::Clear),
        Self::Smtp(Opening::Tls),
        Self::Smtp(Opening::Proxied),
        Self::Admin,
    ];

    /// The option that names its addresses.
    pub fn option(self) -> &'static str {
        match self {
            Self::Smtp(Opening::Clear) => "server.listen",
            Self::Smtp(Opening::Tls) => "server.listen_tls",
            Self::Smtp(Opening::Proxied) => "server.listen_proxy",
            Self::Admin => "admin.listen",
        }
    }

    /// What a socket for it is called where processes pass sockets to each other.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp(Opening::Clear) => "smtp",
            Self::Smtp(Opening::Tls) => "smtps",
            Self::Smtp(Opening::Proxied) => "smtp-proxy",
            Self::Admin => "admin",
        }
    }

    /// The purpose of a socket that is called this, if the name means one.
    pub fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The addresses that its option names.
    pub fn configured(self, config: &Config) -> &[SocketAddr] {
        match self {
            Self::Smtp(Opening::Clear) => &config.server.listen,
            Self::Smtp(Opening::Tls) => &config.server.listen_tls,
            Self::Smtp(Opening::Proxied) => &config.server.listen_proxy,
            Self::Admin => std::slice::from_ref(&config.admin.listen),
        }
    }
}

impl Place {
    fn of(purpose: Purpose, address: SocketAddr, all: &[SocketAddr]) -> Self {
        Self {
            wanted: Wanted::beside(purpose.option(), address, all),
            purpose,
            ready: Vec::new(),
            kept: false,
        }
    }

    /// Whether a socket belongs here.
    fn takes(&self, socket: &Ready) -> bool {
        let is_there = || {
            let actual = socket.listener.local_addr();
            actual.is_ok_and(|actual| actual == self.wanted.address)
        };
        self.purpose == socket.purpose && (self.wanted.address == socket.configured || is_there())
    }

    fn opening(&self) -> Opening {
        match self.purpose {
            Purpose::Smtp(opening) => opening,
            Purpose::Admin => panic!("an address of SMTP has an opening"),
        }
    }

    /// A socket for each worker, or those that are ready, at least as many as workers.
    fn sockets(&mut self, workers: usize) -> Result<Vec<TcpListener>, Error> {
        let configured = self.wanted;
        if self.ready.is_empty() {
            return (0..workers)
                .map(|_| {
                    // An operator knows the port of the option, not the one that the kernel chose.
                    let (listener, address) = self
                        .wanted
                        .listen(true)
                        .map_err(|error| configured.failed(error.cause))?;
                    // The port that the first of them got is that of the others.
                    self.wanted.address = address;
                    Ok(listener)
                })
                .collect();
        }
        let mut sockets = std::mem::take(&mut self.ready);
        let there = sockets.len();
        let prepared = || -> io::Result<Vec<TcpListener>> {
            for socket in &sockets {
                adopt(socket)?;
            }
            self.wanted.address = sockets[0].local_addr()?;
            for more in there..workers {
                sockets.push(sockets[more % there].try_clone()?);
            }
            Ok(sockets)
        };
        prepared().map_err(|cause| configured.failed(cause))
    }
}

/// Prepares a socket that somebody else has bound as [`Wanted::listen`] does with its own.
fn adopt(socket: &TcpListener) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = socket2::SockRef::from(socket);
    socket.set_read_timeout(Some(ACCEPT_WAIT))?;
    socket.set_tcp_nodelay(true)
}

impl Addresses {
    /// Those of this configuration.
    pub fn of(config: &Config) -> Self {
        let all: Vec<SocketAddr> = Purpose::ALL
            .iter()
            .flat_map(|purpose| purpose.configured(config))
            .copied()
            .collect();
        let places = Purpose::ALL.iter().flat_map(|&purpose| {
            let addresses = purpose.configured(config).iter();
            addresses.map(move |&address| (purpose, address))
        });
        let mut places: Vec<Place> = places
            .map(|(purpose, address)| Place::of(purpose, address, &all))
            .collect();
        let admin = places.pop().expect("the admin listener's option is last");
        assert_eq!(admin.purpose, Purpose::Admin, "it has one address");
        Self {
            smtp: places,
            admin,
        }
    }

    /// The same, with the addresses of SMTP that these sockets have, if there are such, and with that of the admin listener.
    pub fn replaced(config: &Config, sockets: Vec<Ready>) -> Self {
        let mut addresses = Self::of(config);
        if sockets.iter().any(|it| it.purpose != Purpose::Admin) {
            addresses.smtp.clear();
        }
        for purpose in Purpose::ALL {
            for socket in sockets.iter().filter(|it| it.purpose == purpose) {
                let place = || Place::of(purpose, socket.configured, &[]);
                match purpose {
                    Purpose::Admin => addresses.admin = place(),
                    Purpose::Smtp(_) if addresses.smtp.iter().any(|it| it.takes(socket)) => {}
                    Purpose::Smtp(_) => addresses.smtp.push(place()),
                }
            }
        }
        let held = sockets.into_iter().map(|socket| Held { place: 0, socket });
        let left = addresses.give(held.collect());
        assert!(left.is_empty(), "each socket has a place");
        addresses
    }

    /// Takes sockets that listen already for the addresses that they have; those that are left over.
    ///
    /// Where two addresses are the same (port 0), the sockets of the first place are for the first of them, and so on.
    pub fn give(&mut self, sockets: Vec<Held>) -> Vec<Held> {
        let mut left = Vec::new();
        for held in sockets {
            let socket = &held.socket;
            let own = |place: &&mut Place| {
                let mut others = place.ready.iter().filter_map(|it| it.local_addr().ok());
                let actual = socket.listener.local_addr().ok();
                place.takes(socket) && others.all(|other| Some(other) == actual)
            };
            let mut places = self.smtp.iter_mut().chain([&mut self.admin]);
            match places.find(own) {
                Some(place) => {
                    place.kept = socket.kept;
                    place.ready.push(held.socket.listener);
                }
                None => left.push(held),
            }
        }
        left
    }

    /// Those of SMTP, as they are configured: a port may still be 0.
    pub fn smtp(&self) -> Vec<Spoken> {
        let spoken = |place: &Place| Spoken {
            address: place.wanted.address,
            opening: place.opening(),
        };
        self.smtp.iter().map(spoken).collect()
    }

    /// That of the admin listener, as it is configured.
    pub fn admin(&self) -> SocketAddr {
        self.admin.wanted.address
    }

    /// Tries each, that of the admin listener last, without listening.
    pub fn try_out(&self) -> Vec<(Wanted, Result<(), Error>)> {
        let places = self.smtp.iter().chain([&self.admin]);
        places
            .map(|place| (place.wanted, place.wanted.try_out()))
            .collect()
    }

    /// Makes sure that no other process listens where SMTP will be served. Only a socket without SO_REUSEPORT can find out: the
    /// workers' sockets have it, so two servers would silently share the address.
    ///
    /// # Errors
    /// The first address that cannot be listened on.
    pub fn wait_until_free(&self) -> Result<(), Error> {
        let until = Instant::now() + FREE_WAIT;
        let is_own = |place: &&Place| place.ready.is_empty() && place.wanted.address.port() != 0;
        for place in self.smtp.iter().filter(is_own) {
            while let Err(error) = place.wanted.listen(false) {
                if !error.is_in_use() || Instant::now() >= until {
                    return Err(error);
                }
                std::thread::sleep(FREE_PAUSE);
            }
        }
        Ok(())
    }

    /// Listens everywhere, for this many workers.
    ///
    /// # Errors
    /// The first address that cannot be listened on.
    pub fn listen(mut self, workers: usize) -> Result<Listening, Error> {
        let (admin, admin_address) = self.listen_for_admin()?;
        let mut doors: Vec<Vec<Door>> = (0..workers).map(|_| Vec::new()).collect();
        let (mut held, mut smtp) = (Vec::new(), Vec::new());
        for (place, listener) in self.smtp.iter_mut().zip(0..) {
            let configured = place.wanted;
            let opening = place.opening();
            if configured.both_families && place.ready.is_empty() {
                tracing::info!(
                    "{}: {} takes IPv4 clients as well; to take IPv6 alone, name the IPv6 addresses of this machine",
                    configured.option,
                    configured.address
                );
            }
            let there = match place.ready.len() {
                0 => workers,
                ready => ready,
            };
            let sockets = place.sockets(workers)?;
            for socket in &sockets[..there] {
                held.push(Held {
                    place: usize::from(listener),
                    socket: Ready {
                        purpose: place.purpose,
                        configured: configured.address,
                        listener: socket
                            .try_clone()
                            .map_err(|cause| configured.failed(cause))?,
                        kept: place.kept,
                    },
                });
            }
            for (number, socket) in sockets.into_iter().enumerate() {
                doors[number % workers].push(Door {
                    listener: socket,
                    entrance: Entrance { listener, opening },
                });
            }
            smtp.push(Spoken {
                address: place.wanted.address,
                opening,
            });
        }
        held.push(self.hold_admin(&admin)?);
        Ok(Listening {
            doors,
            smtp,
            admin,
            admin_address,
            held,
        })
    }

    fn hold_admin(&self, listener: &TcpListener) -> Result<Held, Error> {
        let listener = listener.try_clone();
        Ok(Held {
            place: self.smtp.len(),
            socket: Ready {
                purpose: Purpose::Admin,
                configured: self.admin.wanted.address,
                listener: listener.map_err(|cause| self.admin.wanted.failed(cause))?,
                kept: self.admin.kept,
            },
        })
    }

    fn listen_for_admin(&mut self) -> Result<(TcpListener, SocketAddr), Error> {
        let wanted = self.admin.wanted;
        let listening = match self.admin.ready.pop() {
            Some(socket) => socket.local_addr().map(|address| (socket, address)),
            None => return prepared(wanted, wanted.listen(false)?),
        };
        prepared(wanted, listening.map_err(|cause| wanted.failed(cause))?)
    }
}

fn prepared(
    wanted: Wanted,
    (socket, address): (TcpListener, SocketAddr),
) -> Result<(TcpListener, SocketAddr), Error> {
    let prepared = socket.set_nonblocking(true);
    prepared.map_err(|cause| wanted.failed(cause))?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    fn config(listen: usize) -> Config {
        let mut config = Config::default();
        config.server.listen = vec![any(); listen];
        config.admin.listen = any();
        config
    }

    fn ready(purpose: Purpose, listener: TcpListener) -> Ready {
        Ready {
            purpose,
            configured: listener.local_addr().unwrap(),
            listener,
            kept: true,
        }
    }

    fn held(sockets: Vec<Ready>) -> Vec<Held> {
        let numbered = sockets.into_iter().enumerate();
        numbered
            .map(|(place, socket)| Held { place, socket })
            .collect()
    }

    fn bound() -> TcpListener {
        TcpListener::bind(any()).unwrap()
    }

    #[test]
    fn addresses_keep_the_order_of_the_options_and_each_worker_has_a_socket_at_each() {
        let mut config = config(2);
        config.server.listen_tls = vec![any()];
        config.server.listen_proxy = vec![any()];
        let addresses = Addresses::of(&config);
        let openings = [
            Opening::Clear,
            Opening::Clear,
            Opening::Tls,
            Opening::Proxied,
        ];
        let spoken = |all: &[Spoken]| all.iter().map(|one| one.opening).collect::<Vec<_>>();
        assert_eq!(spoken(&addresses.smtp()), openings);
        addresses.wait_until_free().unwrap();
        let listening = addresses.listen(3).unwrap();
        assert_eq!(spoken(&listening.smtp), openings);
        for own in &listening.doors {
            for (place, (door, spoken)) in own.iter().zip(&listening.smtp).enumerate() {
                assert_eq!(usize::from(door.entrance.listener), place);
                assert_eq!(door.listener.local_addr().unwrap(), spoken.address);
                assert_eq!(door.entrance.opening, spoken.opening);
            }
        }
        assert!(listening.smtp.iter().all(|it| it.address.port() != 0));
        assert_eq!(listening.held.len(), 3 * 4 + 1);
        let last = &listening.held[12];
        assert_eq!((last.place, last.socket.purpose), (4, Purpose::Admin));
    }

    #[test]
    fn an_address_that_another_socket_has_is_named_with_its_option() {
        let other = bound();
        let mut config = Config::default();
        config.admin.listen = any();
        config.server.listen_tls = vec![other.local_addr().unwrap()];
        config.server.listen = vec![any()];
        let addresses = Addresses::of(&config);
        let tried = addresses.try_out();
        let error = addresses.listen(1).err().unwrap();
        assert!(error.is_in_use(), "{error}");
        assert_eq!(error.option, "server.listen_tls");
        let taken: Vec<&str> = tried
            .iter()
            .filter(|(_, result)| result.as_ref().is_err_and(Error::is_in_use))
            .map(|(wanted, _)| wanted.option)
            .collect();
        assert!(taken.contains(&"server.listen_tls"), "{taken:?}");
    }

    /// Of sockets at one address and workers, there may be more of either.
    #[test]
    fn each_socket_has_a_worker_and_each_worker_a_socket() {
        for (sockets, workers) in [(1, 1), (1, 4), (3, 2), (4, 4), (2, 5)] {
            let wanted = Wanted::beside("server.listen", any(), &[]);
            let (first, address) = wanted.listen(true).unwrap();
            let same = Wanted { address, ..wanted };
            let mut all = vec![first];
            while all.len() < sockets {
                all.push(same.listen(true).unwrap().0);
            }
            let purpose = Purpose::Smtp(Opening::Clear);
            let given = all.into_iter().map(|it| ready(purpose, it)).collect();
            let addresses = Addresses::replaced(&config(1), given);
            assert_eq!(addresses.smtp().len(), 1);
            let listening = addresses.listen(workers).unwrap();
            assert_eq!(listening.smtp[0].address, address);
            assert!(listening.doors.iter().all(|own| !own.is_empty()));
            let doors: usize = listening.doors.iter().map(Vec::len).sum();
            assert_eq!(doors, sockets.max(workers));
            let held = listening.held.iter().filter(|it| it.socket.kept).count();
            assert_eq!(held, sockets, "each is held once");
        }
    }

    #[test]
    fn sockets_find_the_place_of_their_option_and_what_is_left_is_named() {
        let (smtp, tls, admin) = (bound(), bound(), bound());
        let actual = [&smtp, &tls, &admin].map(|it| it.local_addr().unwrap());
        let mut config = config(2);
        // Of two addresses with port 0 each has its own socket; an address is also found by its actual port.
        let mut addresses = Addresses::of(&config);
        let of_zero = |listener| Ready {
            configured: any(),
            ..ready(Purpose::Smtp(Opening::Clear), listener)
        };
        let again = smtp.try_clone().unwrap();
        let left = addresses.give(held(vec![
            of_zero(smtp),
            of_zero(tls.try_clone().unwrap()),
            of_zero(again),
        ]));
        assert!(left.is_empty());
        let listening = addresses.listen(1).unwrap();
        let there: Vec<SocketAddr> = listening.smtp.iter().map(|it| it.address).collect();
        assert_eq!(there, actual[..2]);
        assert_eq!(listening.doors[0].len(), 3);
        config.admin.listen = actual[2];
        let mut addresses = Addresses::of(&config);
        let left = addresses.give(held(vec![
            ready(Purpose::Smtp(Opening::Tls), tls),
            ready(Purpose::Admin, admin),
        ]));
        let places: Vec<usize> = left.iter().map(|it| it.place).collect();
        assert_eq!(places, [0], "there is no address of TLS");
        assert_eq!(addresses.listen(1).unwrap().admin_address, actual[2]);
    }
}

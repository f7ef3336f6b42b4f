//! The addresses that are listened on: from the options that name them to sockets.
//!
//! Owns: which option has which address, what is spoken there, in which order they are bound. Must not know: how a socket is
//! bound and why it cannot be (`net::listen`), which worker serves it.
//!
//! Invariant: the addresses are in the order of the options, before and after their ports are resolved.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::config::Config;
use crate::net::connection::{Entrance, Opening};
use crate::net::listen::{Error, Wanted};
use crate::net::worker::Door;

/// Longest wait for an address that is still taken at the start: the kernel takes a moment to close the ring, and with it the
/// sockets, of a process that was killed.
const FREE_WAIT: Duration = Duration::from_secs(2);
/// Pause between two tries.
const FREE_PAUSE: Duration = Duration::from_millis(50);

/// An address of SMTP, and what is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    /// Where.
    pub address: SocketAddr,
    /// What a client sends or gets first.
    pub opening: Opening,
}

/// Every address of a configuration.
#[derive(Debug)]
pub struct Addresses {
    smtp: Vec<(Wanted, Opening)>,
    admin: Wanted,
}

impl Addresses {
    /// Those of this configuration.
    pub fn of(config: &Config) -> Self {
        let (server, admin) = (&config.server, config.admin.listen);
        let smtp: Vec<_> = [
            ("server.listen", &server.listen, Opening::Clear),
            ("server.listen_tls", &server.listen_tls, Opening::Tls),
            (
                "server.listen_proxy",
                &server.listen_proxy,
                Opening::Proxied,
            ),
        ]
        .into_iter()
        .flat_map(|(option, addresses, opening)| {
            addresses
                .iter()
                .map(move |&address| (option, address, opening))
        })
        .collect();
        let all: Vec<SocketAddr> = smtp
            .iter()
            .map(|&(_, address, _)| address)
            .chain([admin])
            .collect();
        Self {
            smtp: smtp
                .into_iter()
                .map(|(option, address, opening)| (Wanted::beside(option, address, &all), opening))
                .collect(),
            admin: Wanted::beside("admin.listen", admin, &all),
        }
    }

    /// Those of SMTP, as they are configured: a port may still be 0.
    pub fn smtp(&self) -> Vec<Spoken> {
        let spoken = |&(wanted, opening): &(Wanted, Opening)| Spoken {
            address: wanted.address,
            opening,
        };
        self.smtp.iter().map(spoken).collect()
    }

    /// Tries each, that of the admin listener last, without listening.
    pub fn try_out(&self) -> Vec<(Wanted, Result<(), Error>)> {
        let smtp = self.smtp.iter().map(|&(wanted, _)| wanted);
        smtp.chain([self.admin])
            .map(|wanted| (wanted, wanted.try_out()))
            .collect()
    }

    /// Makes sure that no other process listens where SMTP will be served. Only a socket without SO_REUSEPORT can find out: the
    /// workers' sockets have it, so two servers would silently share the address.
    ///
    /// # Errors
    /// The first address that cannot be listened on.
    pub fn wait_until_free(&self) -> Result<(), Error> {
        let until = Instant::now() + FREE_WAIT;
        for (wanted, _) in self.smtp.iter().filter(|it| it.0.address.port() != 0) {
            while let Err(error) = wanted.listen(false) {
                if !error.is_in_use() || Instant::now() >= until {
                    return Err(error);
                }
                std::thread::sleep(FREE_PAUSE);
            }
        }
        Ok(())
    }

    /// Listens for the admin listener's clients, in this runtime: the socket, and its address with the port resolved.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn listen_for_admin(&self, runtime: &Runtime) -> Result<(TcpListener, SocketAddr), Error> {
        let (listener, address) = self.admin.listen(false)?;
        let _inside = runtime.enter();
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(listener));
        match listener {
            Ok(listener) => Ok((listener, address)),
            Err(cause) => Err(self.admin.failed(cause)),
        }
    }

    /// Listening sockets for each worker, and the addresses of SMTP with the ports resolved.
    ///
    /// # Errors
    /// The first address that cannot be listened on.
    pub fn doors(&self, workers: usize) -> Result<(Vec<Vec<Door>>, Vec<Spoken>), Error> {
        let mut doors: Vec<Vec<Door>> = (0..workers).map(|_| Vec::new()).collect();
        let mut resolved = Vec::new();
        for (listener, &(configured, opening)) in (0..).zip(&self.smtp) {
            let entrance = Entrance { listener, opening };
            let mut wanted = configured;
            if wanted.both_families {
                tracing::info!(
                    "{}: {} takes IPv4 clients as well; to take IPv6 alone, name the IPv6 addresses of this machine",
                    wanted.option,
                    wanted.address
                );
            }
            for own in &mut doors {
                // An operator knows the port of the option, not the one that the kernel chose.
                let (listener, address) = wanted
                    .listen(true)
                    .map_err(|error| configured.failed(error.cause))?;
                // The port that the first of them got is that of the others.
                wanted.address = address;
                own.push(Door { listener, entrance });
            }
            resolved.push(Spoken {
                address: wanted.address,
                opening,
            });
        }
        assert!(
            doors.iter().all(|own| own.len() == resolved.len()),
            "each worker listens everywhere"
        );
        Ok((doors, resolved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_the_order_of_the_options_and_each_worker_has_a_socket_at_each() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::default();
        let server = &mut config.server;
        (server.listen, server.listen_tls) = (vec![any, any], vec![any]);
        server.listen_proxy = vec![any];
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
        let (doors, resolved) = addresses.doors(3).unwrap();
        assert_eq!(spoken(&resolved), openings);
        for own in &doors {
            for (place, (door, spoken)) in own.iter().zip(&resolved).enumerate() {
                assert_eq!(usize::from(door.entrance.listener), place);
                assert_eq!(door.listener.local_addr().unwrap(), spoken.address);
                assert_eq!(door.entrance.opening, spoken.opening);
            }
        }
        assert!(resolved.iter().all(|spoken| spoken.address.port() != 0));
    }

    #[test]
    fn an_address_that_another_socket_has_is_named_with_its_option() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default();
        config.server.listen_tls = vec![other.local_addr().unwrap()];
        let addresses = Addresses::of(&config);
        let error = addresses.doors(1).err().unwrap();
        assert!(error.is_in_use(), "{error}");
        assert_eq!(error.option, "server.listen_tls");
        let tried = addresses.try_out();
        let taken: Vec<&str> = tried
            .iter()
            .filter(|(_, result)| result.as_ref().is_err_and(Error::is_in_use))
            .map(|(wanted, _)| wanted.option)
            .collect();
        assert!(taken.contains(&"server.listen_tls"), "{taken:?}");
    }
}

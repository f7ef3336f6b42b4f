//! Socket activation: the sockets that systemd, or another supervisor, has opened take the place of addresses of the configuration.
//!
//! Owns: which name of a socket means which option, and what the option means then. Must not know: how descriptors are taken
//! (`net::inherited`), which worker gets which.
//!
//! The rule: if one socket for SMTP is passed, the sockets that are passed are all that SMTP is served on, and an address that the
//! configuration names has to be among them. The same holds for the admin listener's socket, apart from those of SMTP.
//!
//! Invariant: no address that an operator wrote is silently not listened on.

use std::net::SocketAddr;

use super::addresses::{Addresses, Purpose, Ready};
use crate::config::Loaded;
use crate::failure::{Blame, Blamed};
use crate::net::connection::Opening;
use crate::net::inherited::{self, Given, Inherited};

/// What is wrong with the sockets, or with the configuration beside them.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// They cannot be taken.
    #[error(transparent)]
    Inherited(#[from] inherited::Error),
    /// Nobody knows what to serve there.
    #[error(
        "the socket at {address} is called {name:?}: ringpost serves sockets called {}; in the socket unit, write FileDescriptorName=smtp",
        known()
    )]
    Name {
        /// Its name.
        name: String,
        /// Where it listens.
        address: SocketAddr,
    },
    /// The kernel does not say where a socket listens.
    #[error("a socket called {name:?} has no address: {cause}")]
    Address {
        /// Its name.
        name: String,
        /// What the kernel says.
        #[source]
        cause: std::io::Error,
    },
    /// An option names an address at which no socket is.
    #[error(
        "{option}: {address}: systemd passed no socket for this address; those called {name:?} are at: {}. Sockets that are passed replace \
         the option: remove the address, or add ListenStream={address} with FileDescriptorName={name} to the socket unit",
        listed(.there)
    )]
    Missing {
        /// The option.
        option: &'static str,
        /// What it names.
        address: SocketAddr,
        /// What a socket for it is called.
        name: &'static str,
        /// Where such sockets are.
        there: Vec<SocketAddr>,
    },
    /// There is more than one socket for what has one.
    #[error("two sockets are called \"admin\", at {0} and {1}: the admin listener has one")]
    TwoForAdmin(SocketAddr, SocketAddr),
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        match self {
            Self::Inherited(error) => error.blame(),
            Self::Name { .. } | Self::Missing { .. } | Self::TwoForAdmin(..) => Blame::Operator,
            Self::Address { .. } => Blame::Machine,
        }
    }
}

/// The addresses of a configuration, with the sockets that were passed to this process.
#[derive(Debug)]
pub(super) struct Activated {
    /// The addresses.
    pub(super) addresses: Addresses,
    /// Whether there were sockets.
    pub(super) by_sockets: bool,
    /// What an operator should know.
    pub(super) warning: Option<String>,
}

/// Takes what this process was given; without that, the addresses are those of the configuration.
///
/// # Errors
/// [`Error`].
pub(super) fn activate(loaded: &Loaded) -> Result<Activated, Error> {
    let given = inherited::take(|name| std::env::var(name).ok())?;
    let (addresses, by_sockets, warning) = match given {
        Given::Nothing => (Addresses::of(&loaded.config), false, None),
        Given::ToAnother(process) => {
            let addresses = Addresses::of(&loaded.config);
            (addresses, false, Some(to_another(&process)))
        }
        Given::Sockets(sockets) => (addresses(loaded, sockets)?, true, None),
    };
    Ok(Activated {
        addresses,
        by_sockets,
        warning,
    })
}

fn to_another(process: &str) -> String {
    format!(
        "LISTEN_FDS is set, for process {process:?} (LISTEN_PID) and not for this one, {}: its sockets are not served; if they are \
         meant for ringpost, start it with `exec` in the script that runs it",
        std::process::id()
    )
}

fn addresses(loaded: &Loaded, sockets: Vec<Inherited>) -> Result<Addresses, Error> {
    let sockets: Vec<Ready> = sockets.into_iter().map(ready).collect::<Result<_, _>>()?;
    let is_smtp = |purpose: Purpose| purpose != Purpose::Admin;
    let replaced = |purpose: Purpose| {
        let mut all = sockets.iter();
        all.any(|it| is_smtp(it.purpose) == is_smtp(purpose))
    };
    for purpose in Purpose::ALL {
        let named = sockets.iter().filter(|it| it.purpose == purpose);
        let there: Vec<SocketAddr> = named.map(|it| it.configured).collect();
        if purpose == Purpose::Admin
            && let [first, second, ..] = there[..]
        {
            return Err(Error::TwoForAdmin(first, second));
        }
        let is_set = loaded.origins.is_set(purpose.option());
        if !is_set || !replaced(purpose) {
            continue;
        }
        let configured = purpose.configured(&loaded.config).iter();
        if let Some(&address) = configured.clone().find(|it| !there.contains(it)) {
            return Err(Error::Missing {
                option: purpose.option(),
                address,
                name: purpose.name(),
                there,
            });
        }
    }
    Ok(Addresses::replaced(&loaded.config, sockets))
}

fn ready(socket: Inherited) -> Result<Ready, Error> {
    let Inherited {
        name: own,
        listener,
    } = socket;
    let configured = match listener.local_addr() {
        Ok(address) => address,
        Err(cause) => return Err(Error::Address { name: own, cause }),
    };
    let purpose = match own.as_str() {
        "" => Some(Purpose::Smtp(Opening::Clear)),
        own => Purpose::called(own),
    };
    match purpose {
        Some(purpose) => Ok(Ready {
            purpose,
            configured,
            listener,
            kept: true,
        }),
        None => Err(Error::Name {
            name: own,
            address: configured,
        }),
    }
}

fn known() -> String {
    Purpose::ALL.map(Purpose::name).join(", ")
}

fn listed(addresses: &[SocketAddr]) -> String {
    if addresses.is_empty() {
        return "nowhere".to_owned();
    }
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::config::Config;

    fn socket(name: &str) -> (Inherited, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let name = name.to_owned();
        (Inherited { name, listener }, address)
    }

    fn loaded(variables: &[(&str, SocketAddr)]) -> Loaded {
        let variables = variables
            .iter()
            .map(|(name, address)| (format!("RINGPOST_SERVER_{name}"), address.to_string()));
        crate::config::load(None, variables, &[]).unwrap()
    }

    #[test]
    fn names_say_what_is_served_and_the_defaults_are_not_listened_on() {
        let ((plain, plain_at), (tls, tls_at)) = (socket("smtp"), socket("smtps"));
        let ((proxied, proxied_at), (unnamed, unnamed_at)) = (socket("smtp-proxy"), socket(""));
        let all = vec![proxied, plain, tls, unnamed];
        let addresses = addresses(&loaded(&[]), all).unwrap();
        let spoken = addresses.smtp();
        let spoken: Vec<_> = spoken.iter().map(|it| (it.address, it.opening)).collect();
        let expected = [
            (plain_at, Opening::Clear),
            (unnamed_at, Opening::Clear),
            (tls_at, Opening::Tls),
            (proxied_at, Opening::Proxied),
        ];
        assert_eq!(spoken, expected);
        assert_eq!(addresses.admin(), Config::default().admin.listen);
    }

    #[test]
    fn the_admin_socket_alone_leaves_the_addresses_of_smtp() {
        let (admin, at) = socket("admin");
        let listen = "127.0.0.1:2599".parse().unwrap();
        let loaded = loaded(&[("LISTEN", listen)]);
        let addresses = addresses(&loaded, vec![admin]).unwrap();
        assert_eq!(addresses.admin(), at);
        assert_eq!(addresses.smtp()[0].address, listen);
    }

    #[test]
    fn an_address_that_was_written_is_among_the_sockets_or_an_error() {
        let (plain, at) = socket("smtp");
        let same = loaded(&[("LISTEN", at)]);
        assert_eq!(addresses(&same, vec![plain]).unwrap().smtp().len(), 1);
        let (plain, at) = socket("smtp");
        let other = loaded(&[("LISTEN_PROXY", at)]);
        let error = addresses(&other, vec![plain]).unwrap_err();
        assert_eq!(error.blame(), Blame::Operator);
        let text = error.to_string();
        let start = format!("server.listen_proxy: {at}: systemd passed no socket for this address");
        assert!(text.starts_with(&start), "{text}");
        for word in ["nowhere", "remove", "FileDescriptorName=smtp-proxy"] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_name_that_means_nothing_is_an_error_that_lists_those_that_do() {
        let text = addresses(&loaded(&[]), vec![socket("ringpost.socket").0]);
        let text = text.unwrap_err().to_string();
        for word in [
            "ringpost.socket",
            "smtp, smtps, smtp-proxy, admin",
            "FileDescriptorName=",
        ] {
            assert!(text.contains(word), "{text}");
        }
        let two = vec![socket("admin").0, socket("admin").0];
        let text = addresses(&loaded(&[]), two).unwrap_err().to_string();
        assert!(
            text.starts_with("two sockets are called \"admin\""),
            "{text}"
        );
    }
}

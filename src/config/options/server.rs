//! The table `[server]`: the SMTP side as a whole.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ringpost_proto::smtp::access::Network;
use ringpost_proto::smtp::policy::BareNewlinePolicy;

use crate::config::reason::Reason;
use crate::config::row::{
    Choice, Count, List, NETWORKS, Shown, Switch, Text, Time, hours, milliseconds, minutes, rows,
};
use crate::config::value;

/// What the workers may run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoChoice {
    /// io_uring where the kernel allows it, else epoll.
    Auto,
    /// io_uring alone.
    IoUring,
    /// epoll alone.
    Epoll,
}

/// Where a new process meets the one that it takes over from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeoverSocket {
    /// At an abstract Unix socket that is named after the first address of SMTP.
    Derived,
    /// At the abstract Unix socket of this name.
    Abstract(String),
    /// At a Unix socket in the file system.
    Path(PathBuf),
    /// Nowhere.
    None,
}

impl fmt::Display for TakeoverSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Derived => Ok(()),
            Self::Abstract(name) => write!(f, "@{name}"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::None => f.write_str("none"),
        }
    }
}

impl Shown for TakeoverSocket {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// Most bytes of a socket's name: the kernel's 108, without the byte at the front or at the end.
const SOCKET_NAME_MOST: usize = 107;

fn takeover_socket(text: &str) -> Result<TakeoverSocket, Reason> {
    let text = text.trim();
    if text.len() > SOCKET_NAME_MOST {
        return Err(Reason::NotASocket);
    }
    match text {
        "" => Ok(TakeoverSocket::Derived),
        "none" => Ok(TakeoverSocket::None),
        path if path.starts_with('/') => Ok(TakeoverSocket::Path(path.into())),
        name => match name.strip_prefix('@') {
            Some(name) if !name.is_empty() => Ok(TakeoverSocket::Abstract(name.to_owned())),
            Some(_) | None => Err(Reason::NotASocket),
        },
    }
}

/// The name of a host, as this server gives its own.
const HOST_NAME: Text<String> = Text(
    "a domain name, or an address literal such as `[192.0.2.1]`",
    value::host_name,
);

rows! {
    /// The SMTP side as a whole.
    server: Server {
        /// The name of this server in its greeting, in the Received field and in `ce_source` of records. It should be
        /// the name that the MX record points to. Empty: the host name of the machine.
        hostname: String = "", HOST_NAME, flag "--hostname";

        /// The addresses that SMTP is served on. Port 0 lets the kernel choose a port; the line on standard output
        /// names it. `[::]` takes IPv4 clients as well, unless an IPv4 address with the same port is also listed: then
        /// it takes only IPv6. Ports below 1024 (`net.ipv4.ip_unprivileged_port_start`) need the capability
        /// CAP_NET_BIND_SERVICE.
        listen: Vec<SocketAddr> = "127.0.0.1:2525",
            List(Text("IP addresses with a port, such as `0.0.0.0:25` or `[::]:25`", value::address)), flag "--listen";

        /// The addresses that SMTP is served on with TLS from the first byte (RFC 8314 3.3). Needs `tls.certificate`.
        listen_tls: Vec<SocketAddr> = "",
            List(Text("IP addresses with a port, such as `0.0.0.0:465`", value::address));

        /// The addresses that SMTP is served on behind a load balancer that sends the PROXY protocol, version 1 or 2,
        /// at the start of each connection. Limits, records and logs use the client that the header names.
        listen_proxy: Vec<SocketAddr> = "",
            List(Text("IP addresses with a port, such as `0.0.0.0:2526`", value::address));

        /// What the workers run on. `auto`: io_uring where the kernel lets this process use it, else epoll; a line of the log says
        /// why, and the line "ready" and the metric `ringpost_io_info` name what was chosen. `io_uring`: that, or the server does not
        /// start. docs/performance.md says what either costs.
        io: IoChoice = "auto",
            Choice(&[("auto", IoChoice::Auto), ("io_uring", IoChoice::IoUring), ("epoll", IoChoice::Epoll)]), flag "--io";

        /// Threads that serve connections, each with its own io_uring or epoll. 0: one per core that the process may use. The kernel
        /// spreads connections over them by chance; a worker with more than its share hands new ones on to the one with the fewest.
        /// `ringpost_worker_connections` says how many each has, docs/performance.md what that gains.
        workers: usize = "0", Count(0..=1024);

        /// Whether one Received field is put in front of each message (RFC 5321 4.4). Without it, the value of a record
        /// is exactly what the client sent.
        trace: bool = "true", Switch;

        /// What happens to a message that contains a CR or an LF outside of CRLF. `reject`: 550 5.6.0. `accept`: it is
        /// data, and the record's header `ce_smtpbarenewlines` warns consumers. In ringpost it never ends a line or a
        /// message, but other software may take it for a line end, which is what SMTP smuggling needs (CVE-2023-51764).
        /// Messages that come by BDAT are not checked.
        bare_newlines: BareNewlinePolicy = "reject",
            Choice(&[("reject", BareNewlinePolicy::Reject), ("accept", BareNewlinePolicy::Accept)]);

        /// The proxies that `server.listen_proxy` trusts; a connection from any other address is closed.
        proxy_networks: Vec<Network> = "127.0.0.0/8,::1/128", NETWORKS, reload;

        /// How long a client has to wait for the greeting. A client that sends something earlier is answered 554 and
        /// closed, because RFC 5321 4.3.1 requires clients to wait; without a delay this is not checked. Waiting
        /// clients are looked at once a second, so a shorter delay can last that long. Clients of `server.listen_tls`
        /// and `server.listen_proxy` do not wait.
        greeting_delay: Duration = "0s", Time(Duration::ZERO..=minutes(1));

        /// The Unix socket at which a process that is started with `--takeover` gets the listening sockets of the running one
        /// (docs/upgrade.md). Empty: an abstract socket that is named after the first address of SMTP whose port is not 0.
        /// `none`: the running process hands nothing over.
        takeover_socket: TakeoverSocket = "",
            Text("nothing, `@name` for an abstract socket, a path that begins with `/`, or `none`; at most 107 bytes", takeover_socket);

        /// How long SIGTERM waits for open transactions before it ends them. It must be longer than
        /// `kafka.delivery_timeout`, so that a message on its way to Kafka gets its reply. Give the service manager a
        /// little more before it kills the process.
        drain_timeout: Duration = "35s", Time(milliseconds(100)..=hours(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_takeover_is_written_as_it_is_read() {
        for text in ["", "none", "@ringpost", "/run/ringpost/takeover.sock"] {
            assert_eq!(takeover_socket(text).unwrap().to_string(), text);
        }
        for text in [
            "@",
            "run/ringpost.sock",
            "yes",
            &format!("/{}", "x".repeat(107)),
        ] {
            assert_eq!(takeover_socket(text), Err(Reason::NotASocket), "{text}");
        }
    }
}

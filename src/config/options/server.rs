//! The table `[server]`: the SMTP side as a whole.

use std::net::SocketAddr;
use std::time::Duration;

use ringpost_proto::smtp::access::Network;
use ringpost_proto::smtp::policy::BareNewlinePolicy;

use crate::config::row::{
    Choice, Count, List, NETWORKS, Switch, Text, Time, hours, milliseconds, minutes, rows,
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

        /// How long SIGTERM waits for open transactions before it ends them. It must be longer than
        /// `kafka.delivery_timeout`, so that a message on its way to Kafka gets its reply. Give the service manager a
        /// little more before it kills the process.
        drain_timeout: Duration = "35s", Time(milliseconds(100)..=hours(1));
    }
}

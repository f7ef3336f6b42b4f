//! The tables `[[routes]]`: which topic mail goes to. One row here is a key of each of them.

use std::net::SocketAddr;

use crate::config::row::{List, Text, rows};
use crate::config::value;

rows! {
    /// Which topic mail goes to. Each route is a table of its own, beginning with a line `[[routes]]`; a file has up to
    /// 1000. They are looked at for each recipient of a mail, in their order, and the first that matches decides; without a
    /// match, the record goes to `kafka.topic` or `kafka.large_topic`. A mail whose recipients go to different topics becomes
    /// one record in each. [routing.md](routing.md) has examples. Routes can be set in the file alone.
    routes: Route {
        /// The domains of the recipients that take this route, with the patterns of `recipients.domains`: `*.example.com`
        /// does not include `example.com` itself. Empty: every recipient, of a route with `listen`.
        recipients: Vec<String> = "",
            List(Text(
                "domain names (`example.com`), names below one (`*.example.com`), or `*` for all",
                value::domain_pattern,
            ));

        /// The addresses that mail has to come in on to take this route, as they are written in `server.listen`,
        /// `server.listen_tls` or `server.listen_proxy`. With `recipients`, both have to match. Empty: every address.
        listen: Vec<SocketAddr> = "",
            List(Text("addresses of this configuration, such as `0.0.0.0:25`", value::address));

        /// The topic that records go to. Each route needs one.
        topic: String = "",
            Text("1 to 249 letters, digits, dots, underscores and hyphens", value::topic_or_nothing);

        /// The topic of records of `kafka.large_size` or more. Empty: they go to the route's `topic` like the others;
        /// `kafka.large_topic` is for mail that no route matches.
        large_topic: Option<String> = "",
            Text("a topic's name, or nothing", value::optional_topic);
    }
}

//! The table `[admin]`: metrics and health.

use std::net::SocketAddr;

use crate::config::row::{Text, rows};
use crate::config::value;

rows! {
    /// Metrics and health, over HTTP.
    admin: Admin {
        /// Where `/metrics`, `/healthz` and `/readyz` are served. Anybody who can reach it can read the metrics, so
        /// keep it off the public network. Port 0 lets the kernel choose.
        listen: SocketAddr = "127.0.0.1:9925",
            Text("an IP address with a port, such as `127.0.0.1:9925`", value::address), flag "--admin";
    }
}

//! The table `[admin]`: status, metrics and health.

use std::net::SocketAddr;

use crate::config::row::{Text, rows};
use crate::config::value;

rows! {
    /// Status, metrics and health, over HTTP.
    admin: Admin {
        /// Where the [status page](status.md) (`/`), `/status.json`, `/config`, `/metrics`, `/healthz` and `/readyz` are served.
        /// Anybody who can reach it can read them, so keep it off the public network. On a loopback address it answers only requests for
        /// an IP address, a name without a dot or `server.hostname`. Port 0 lets the kernel choose.
        listen: SocketAddr = "127.0.0.1:9925",
            Text("an IP address with a port, such as `127.0.0.1:9925`", value::address), flag "--admin";
    }
}

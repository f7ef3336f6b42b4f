//! The table `[access]`: which networks are served.

use ringpost_proto::smtp::access::Network;

use crate::config::row::{NETWORKS, rows};

rows! {
    /// Which networks are served. Of all networks of both lists that hold a client's address, the one with the longest
    /// prefix decides; where both lists have it, the client is refused, as it is where none holds its address.
    access: Access {
        /// Networks that are served. To serve a few alone, name these and no more.
        allow: Vec<Network> = "0.0.0.0/0,::/0", NETWORKS, reload;

        /// Networks that are not: their connections are answered 554 instead of the greeting, and closed.
        deny: Vec<Network> = "", NETWORKS, reload;
    }
}

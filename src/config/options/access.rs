//! The table `[access]`: which networks are served.

use ringpost_proto::smtp::access::Network;

use crate::config::row::{NETWORKS, rows};

rows! {
    /// Which networks are served. Among all networks in both lists that contain a client's address, the one with the
    /// longest prefix decides. A client is refused if that network is in both lists, or if no network contains its
    /// address.
    access: Access {
        /// Networks that are served. To serve only a few, list only those.
        allow: Vec<Network> = "0.0.0.0/0,::/0", NETWORKS, reload;

        /// Networks that are refused: their connections are answered 554 instead of the greeting, and closed.
        deny: Vec<Network> = "", NETWORKS, reload;
    }
}

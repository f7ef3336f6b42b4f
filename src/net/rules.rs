//! What a reload exchanges while the server runs, as a whole.
//!
//! Owns: the list of it. Must not know: where the rules come from, and what they say. They are published through an `ArcSwap`
//! in [`super::shared`]: a reader takes no lock and writes to nothing that another worker reads or writes.
//!
//! Invariant: a holder of rules keeps them whole, also while newer ones are published.

use std::sync::Arc;

use crate::smtp::access::{Access, Networks};
use crate::smtp::policy::Policy;

/// What holds for connections and transactions that begin now.
#[derive(Debug)]
pub struct Rules {
    /// The policy of sessions.
    pub policy: Arc<Policy>,
    /// Which networks are served.
    pub access: Access,
    /// Whose PROXY headers are believed.
    pub proxies: Networks,
    /// Whose connections are traced in the log.
    pub traced: Networks,
}

//! The tests of the whole server once more, on the other engine: `support::engine` asks for it here.

#![allow(
    clippy::duplicate_mod,
    reason = "each file of tests brings its own copy of what they share"
)]

#[path = "end_to_end.rs"]
mod end_to_end;
#[path = "policy.rs"]
mod policy;
#[path = "senders.rs"]
mod senders;
#[path = "tls.rs"]
mod tls;
#[path = "upgrade.rs"]
mod upgrade;
#[path = "workers.rs"]
mod workers;

//! What the tests of the real binary share. Each test binary compiles its own copy and uses the part that it needs.

#![allow(dead_code)]

pub mod engine;
pub mod filter;
pub mod forwarder;
pub mod kafka;
pub mod logged;
pub mod mailboxes;
pub mod mails;
pub mod names;
pub mod postfix;
pub mod receiver;
pub mod ringpost;
pub mod s3;
pub mod server;
pub mod skips;
pub mod tools;
pub mod topic;

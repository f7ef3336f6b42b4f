//! The program against a server whose counts it must share.

mod compare;
mod files;
mod shapes;
mod sink;
#[path = "../support/mod.rs"]
mod support;

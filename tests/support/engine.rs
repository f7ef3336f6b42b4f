//! Which engine the server of a test runs on: the one that it chooses by itself, or, in the tests of `on_epoll`, epoll.

use std::process::Command;

/// Whether these are the tests of `on_epoll`.
pub const IS_EPOLL: bool = {
    let (name, wanted) = (module_path!().as_bytes(), b"on_epoll::");
    let mut same = name.len() > wanted.len();
    let mut at = 0;
    while same && at < wanted.len() {
        same = name[at] == wanted[at];
        at += 1;
    }
    same
};

/// The real binary.
pub fn ringpost() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    if IS_EPOLL {
        command.env("RINGPOST_SERVER_IO", "epoll");
    }
    command
}

/// The engine that the line "ready" names is the one that was asked for.
pub fn assert_named(ready: &str) {
    let named = ready
        .split_whitespace()
        .find_map(|word| word.strip_prefix("io="));
    let named = named.unwrap_or_else(|| panic!("ready names io=: {ready:?}"));
    assert!(["io_uring", "epoll"].contains(&named), "{ready:?}");
    assert!(!IS_EPOLL || named == "epoll", "{ready:?}");
}

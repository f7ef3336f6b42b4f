//! What `ringpost --version` says: what this binary was built from, and what of it works here.
//!
//! Owns: these lines. Must not know: how the kernel is asked, or how a build finds its commit (build.rs).

use crate::config::IoChoice;
use crate::net::engine::choice;

/// The version with what a report of a fault needs. Asks the kernel for io_uring.
pub(super) fn long() -> String {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    format!(
        "ringpost {}\n\
         commit      {}\n\
         built       {}, by {}\n\
         engines     io_uring, epoll; here {}\n\
         librdkafka  {librdkafka}\n\
         OpenSSL     {}",
        env!("CARGO_PKG_VERSION"),
        env!("BUILT_COMMIT"),
        env!("BUILT_TARGET"),
        env!("BUILT_RUSTC"),
        engine(),
        env!("BUILT_OPENSSL"),
    )
}

/// The engine that would serve.
fn engine() -> String {
    match choice::choose(IoChoice::Auto) {
        Ok(chosen) => match chosen.because {
            None => chosen.io.label().to_owned(),
            Some(because) => format!("{}, because {because}", chosen.io.label()),
        },
        Err(error) => format!("neither: {error}"),
    }
}

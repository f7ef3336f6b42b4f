//! What `check` asks about this machine: its kernel, its limit of open files, its addresses.
//!
//! Owns: these lines. Must not know: why an address cannot be listened on, or io_uring not be used; the errors say that.

use super::running::Running;
use crate::config::Config;
use crate::net::engine::choice;
use crate::net::listen::Error;
use crate::server::addresses::Addresses;
use crate::server::open_files::OpenFiles;
use crate::verdict::{Line, Verdict};

/// What the workers would run on.
pub(super) fn io(config: &Config) -> Line {
    let (verdict, text) = match choice::choose(config.server.io) {
        Ok(chosen) => match chosen.warning() {
            Some(warning) => (Verdict::Warning, warning),
            None => (Verdict::Ok, format!("{} works", chosen.io.label())),
        },
        Err(error) => (Verdict::Failed, error.to_string()),
    };
    (verdict, "io", text)
}

/// Whether enough files may be open.
pub(super) fn open_files(config: &Config) -> Line {
    let files = OpenFiles::raise(config);
    match files.shortage() {
        None => (
            Verdict::Ok,
            "open files",
            format!(
                "{} are allowed, {} may be needed",
                files.allowed, files.needed
            ),
        ),
        Some(shortage) => (Verdict::Warning, "open files", shortage.to_string()),
    }
}

/// Whether `serve` could listen on its addresses. The test uses this process's rights; another user, or a systemd unit,
/// may have others. An address that a ringpost of this configuration serves already is as it should be.
pub(super) fn addresses(config: &Config) -> Vec<Line> {
    let tried = Addresses::of(config).try_out();
    let in_use = |result: &Result<(), Error>| result.as_ref().is_err_and(Error::is_in_use);
    let running = match tried.iter().any(|(_, result)| in_use(result)) {
        true => Running::ask(config.admin.listen),
        false => Running::default(),
    };
    tried
        .into_iter()
        .map(|(wanted, result)| {
            let (option, address) = (wanted.option, wanted.address);
            let (verdict, text) = match result {
                Ok(()) if address.port() == 0 => (
                    Verdict::Ok,
                    format!("{option}: {address} can be listened on; the kernel chooses the port"),
                ),
                Ok(()) => (
                    Verdict::Ok,
                    format!("{option}: {address} can be listened on"),
                ),
                Err(error) if error.is_in_use() && running.serves(address) => (
                    Verdict::Ok,
                    format!("{option}: {address} is served by the running ringpost"),
                ),
                Err(error) if error.is_in_use() => (
                    Verdict::Warning,
                    format!("{error}; if it is a running ringpost, that is fine, but admin.listen does not answer that it is"),
                ),
                Err(error) => (Verdict::Failed, error.to_string()),
            };
            (verdict, "addresses", text)
        })
        .collect()
}

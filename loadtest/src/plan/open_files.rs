//! A file descriptor for each connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Wrong;

/// File descriptors besides those of connections: standard streams, rings, the log, Kafka, a margin.
const OTHER_FILES: u64 = 128;

/// Raises the soft limit of open files as far as the hard one allows; each connection needs one.
pub(crate) fn allow_open_files(connections: u64) -> Result<(), Wrong> {
    let needed = connections + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|_| {
        let hard = limit.maximum.unwrap_or(needed);
        let most = hard.saturating_sub(OTHER_FILES);
        Wrong::at("")
            .problem(format_args!(
                "{connections} connections need {needed} open files, but the hard limit is {hard}"
            ))
            .fix(format_args!(
                "ask for at most {most} or raise it (ulimit -Hn)"
            ))
    })
}

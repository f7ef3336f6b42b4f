//! The limit on open files: what a server of this configuration needs, and raising it as far as the machine allows.
//!
//! Owns: the soft limit of this process. Must not know: what the files are.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// Files beside the connections: rings, listeners and queues of each worker, brokers, standard streams, admin clients.
const BESIDE: u64 = 256;

/// Open files that the configuration may need, and how many this process can have: the soft limit is raised to the
/// first, or to the hard limit where that is lower.
pub fn raise(config: &Config) -> (u64, u64) {
    let needed = config.limits.connections as u64 + BESIDE;
    let mut limit = getrlimit(Resource::Nofile);
    let allowed = limit.current.unwrap_or(u64::MAX);
    if allowed >= needed {
        return (needed, allowed);
    }
    let raised = limit.maximum.unwrap_or(u64::MAX).min(needed);
    limit.current = Some(raised);
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => (needed, raised),
        // A sandbox may forbid it; then the old limit holds.
        Err(_) => (needed, allowed),
    }
}

/// What is wrong with a limit that is too low, and what helps.
pub fn shortage(config: &Config, needed: u64, allowed: u64) -> Option<String> {
    (allowed < needed).then(|| {
        format!(
            "{allowed} are allowed and limits.connections = {} needs {needed}: connections beyond that wait unaccepted; \
             raise the hard limit (LimitNOFILE= of systemd, docker run --ulimit nofile={needed}, ulimit -n) or lower \
             limits.connections",
            config.limits.connections
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_a_shortage_is_told() {
        let mut config = Config::default();
        config.limits.connections = 1;
        let (needed, allowed) = raise(&config);
        assert!(needed > 1 && needed <= allowed, "{needed} {allowed}");
        assert_eq!(shortage(&config, needed, allowed), None);
        config.limits.connections = 500;
        let text = shortage(&config, 756, 300).unwrap();
        assert!(
            text.contains("limits.connections = 500 needs 756"),
            "{text}"
        );
    }
}

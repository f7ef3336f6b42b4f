//! The limit on open files: what a server of this configuration needs, and raising it as far as the machine allows.
//!
//! Owns: the soft limit of this process. Must not know: what the files are.

use std::fmt;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// Files beside the connections: rings, listeners and queues of each worker, brokers, standard streams, admin clients.
const BESIDE: u64 = 256;

/// Open files, after the soft limit was raised to what is needed, or to the hard limit where that is lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// What the configuration may need.
    pub needed: u64,
    /// What this process can have.
    pub allowed: u64,
    connections: usize,
}

/// Too few: what is wrong, and what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage(OpenFiles);

impl OpenFiles {
    /// Raises the limit for this configuration.
    pub fn raise(config: &Config) -> Self {
        let connections = config.limits.connections;
        let needed = connections as u64 + BESIDE;
        let mut limit = getrlimit(Resource::Nofile);
        let mut allowed = limit.current.unwrap_or(u64::MAX);
        if allowed < needed {
            let raised = limit.maximum.unwrap_or(u64::MAX).min(needed);
            limit.current = Some(raised);
            // A sandbox may forbid it; then the old limit holds.
            if setrlimit(Resource::Nofile, limit).is_ok() {
                allowed = raised;
            }
        }
        Self {
            needed,
            allowed,
            connections,
        }
    }

    /// Whether they are too few.
    pub fn shortage(self) -> Option<Shortage> {
        (self.allowed < self.needed).then_some(Shortage(self))
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OpenFiles {
            needed,
            allowed,
            connections,
        } = self.0;
        write!(
            f,
            "{allowed} are allowed and limits.connections = {connections} needs {needed}: connections beyond that wait unaccepted; \
             raise the hard limit (LimitNOFILE= of systemd, docker run --ulimit nofile={needed}, ulimit -n) or lower \
             limits.connections"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_a_shortage_is_told() {
        let mut config = Config::default();
        config.limits.connections = 1;
        let files = OpenFiles::raise(&config);
        assert!(
            files.needed > 1 && files.needed <= files.allowed,
            "{files:?}"
        );
        assert_eq!(files.shortage(), None);
        let few = OpenFiles {
            needed: 756,
            allowed: 300,
            connections: 500,
        };
        let text = few.shortage().unwrap().to_string();
        assert!(
            text.starts_with("300 are allowed and limits.connections = 500 needs 756: "),
            "{text}"
        );
    }
}

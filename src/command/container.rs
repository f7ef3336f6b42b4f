//! Whether this process runs in a container, and how its commands are run from outside.
//!
//! Owns: the signs by which a container is known. Must not know: which commands.
//!
//! BUGS: the signs are those of Docker, Podman, Kubernetes and systemd-nspawn; another engine without them is not seen. The
//! name is the container's host name, which is its id unless it was given one.

use std::path::Path;

/// Programs that are process 1 of a container only to start another one.
const INITS: [&str; 5] = ["docker-init", "tini", "dumb-init", "catatonit", "s6-svscan"];

/// A container as it is seen from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    /// `docker exec 3f2a9c`: what precedes a command that is run in it from outside.
    pub exec: String,
    /// Whether it was started for this program alone, so that nobody is inside to paste a line.
    pub ours_alone: bool,
}

/// What is known of where this process runs.
struct Signs {
    dockerenv: bool,
    containerenv: bool,
    kubernetes: bool,
    /// The variable `container`, which Podman and systemd-nspawn set.
    variable: bool,
    cgroup: String,
    host_name: String,
    process: u32,
    parent: u32,
    first_process: String,
}

/// The container that this process runs in.
pub(super) fn detect() -> Option<Container> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    judge(&Signs {
        dockerenv: Path::new("/.dockerenv").exists(),
        containerenv: Path::new("/run/.containerenv").exists(),
        kubernetes: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        variable: std::env::var_os("container").is_some(),
        cgroup: read("/proc/self/cgroup"),
        host_name: read("/proc/sys/kernel/hostname"),
        process: std::process::id(),
        parent: std::os::unix::process::parent_id(),
        first_process: read("/proc/1/comm"),
    })
}

fn judge(signs: &Signs) -> Option<Container> {
    let group = |word: &str| signs.cgroup.contains(word);
    let kubernetes = signs.kubernetes || group("kubepods");
    let docker = signs.dockerenv || group("docker") || group("containerd");
    let podman = signs.containerenv || group("libpod");
    if !(kubernetes || docker || podman || signs.variable || group("/lxc")) {
        return None;
    }
    let name = match signs.host_name.trim() {
        "" => "CONTAINER",
        name => name,
    };
    let exec = match (kubernetes, podman) {
        (true, _) => format!("kubectl exec {name} --"),
        (false, true) => format!("podman exec {name}"),
        (false, false) => format!("docker exec {name}"),
    };
    let started_by_init = signs.parent == 1 && INITS.contains(&signs.first_process.trim());
    Some(Container {
        exec,
        ours_alone: signs.process == 1 || started_by_init,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare() -> Signs {
        Signs {
            dockerenv: false,
            containerenv: false,
            kubernetes: false,
            variable: false,
            cgroup: "0::/user.slice/session-1.scope\n".to_owned(),
            host_name: "3f2a9c\n".to_owned(),
            process: 4711,
            parent: 4000,
            first_process: "systemd\n".to_owned(),
        }
    }

    #[test]
    fn each_engine_is_known_by_its_signs() {
        assert_eq!(judge(&bare()), None);
        let exec = |change: fn(&mut Signs)| {
            let mut signs = bare();
            change(&mut signs);
            judge(&signs).expect("a container").exec
        };
        assert_eq!(exec(|signs| signs.dockerenv = true), "docker exec 3f2a9c");
        assert_eq!(
            exec(|signs| signs.containerenv = true),
            "podman exec 3f2a9c"
        );
        let grouped = exec(|signs| signs.cgroup = "0::/system.slice/docker-3f.scope".to_owned());
        assert_eq!(grouped, "docker exec 3f2a9c");
        let pod = exec(|signs| (signs.dockerenv, signs.kubernetes) = (true, true));
        assert_eq!(pod, "kubectl exec 3f2a9c --");
        let nameless = exec(|signs| (signs.dockerenv, signs.host_name) = (true, String::new()));
        assert_eq!(nameless, "docker exec CONTAINER");
    }

    #[test]
    fn a_container_is_ours_alone_where_it_was_started_for_this_program() {
        let ours = |process, parent, first: &str| {
            let signs = Signs {
                dockerenv: true,
                process,
                parent,
                first_process: first.to_owned(),
                ..bare()
            };
            judge(&signs).expect("a container").ours_alone
        };
        assert!(ours(1, 0, "ringpost\n"));
        assert!(ours(7, 1, "docker-init\n"));
        assert!(ours(7, 1, "tini\n"));
        assert!(!ours(7, 1, "bash\n"));
        assert!(!ours(4711, 4000, "bash\n"));
    }
}

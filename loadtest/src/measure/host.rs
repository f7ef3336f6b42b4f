//! The machine under this program: what a figure has to be read with.
//!
//! Owns how `/proc` is read for it. Must not know what is done with it. What cannot be read is nothing, not an error: a report
//! is worth having without it.
//!
//! # BUGS
//! - ARM names no model in `/proc/cpuinfo`: there the architecture stands for the CPU.

use std::fs;
use std::thread::available_parallelism;

/// The machine that this program runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// The CPU's model, or its architecture.
    pub cpu: String,
    /// CPUs of the machine.
    pub cpus: Option<u32>,
    /// CPUs that this process may use.
    pub cpus_usable: Option<u32>,
    /// The kernel and its release: `Linux 6.18.5`.
    pub kernel: Option<String>,
    /// Memory of the machine, bytes.
    pub memory: Option<u64>,
}

impl Host {
    /// This machine.
    pub(crate) fn read() -> Host {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Host {
            cpu: model(&cpuinfo).unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cpus: cpus(&cpuinfo),
            cpus_usable: available_parallelism()
                .ok()
                .and_then(|count| u32::try_from(count.get()).ok()),
            kernel: release.map(|release| format!("Linux {}", release.trim())),
            memory: memory(&meminfo),
        }
    }
}

/// The value after a name and a colon, in the first line that has the name.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim())
    })
}

/// `model name : AMD EPYC 7763 64-Core Processor`; runs of spaces become one.
fn model(cpuinfo: &str) -> Option<String> {
    let name: Vec<&str> = value(cpuinfo, "model name")?.split_whitespace().collect();
    (!name.is_empty()).then(|| name.join(" "))
}

/// A line `processor : 0` for each.
fn cpus(cpuinfo: &str) -> Option<u32> {
    let names = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let count = names.filter(|(name, _)| name.trim() == "processor").count();
    u32::try_from(count).ok().filter(|count| *count > 0)
}

/// `MemTotal: 16384 kB`, in bytes.
fn memory(meminfo: &str) -> Option<u64> {
    let kibibytes = value(meminfo, "MemTotal")?.strip_suffix("kB")?;
    kibibytes.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_its_files() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD  EPYC 7763\nflags\t: fpu\n\nprocessor\t: 1\nmodel name\t: AMD  EPYC 7763\n";
        assert_eq!(model(cpuinfo).as_deref(), Some("AMD EPYC 7763"));
        assert_eq!(cpus(cpuinfo), Some(2));
        let arm = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n";
        assert_eq!((model(arm), cpus(arm)), (None, Some(1)));
        assert_eq!((model(""), cpus("")), (None, None));
        let meminfo = "MemTotal:       16316412 kB\nMemFree:         1 kB\n";
        assert_eq!(memory(meminfo), Some(16_316_412 * 1024));
        assert_eq!(memory("MemTotal: many kB\n"), None);
    }

    #[test]
    fn this_machine_has_a_name() {
        let host = Host::read();
        assert!(
            !host.cpu.is_empty() && host.cpus_usable.is_some(),
            "{host:?}"
        );
    }
}

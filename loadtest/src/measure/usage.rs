//! CPU time and memory: of this process and its threads by their clocks, of others by `/proc`.
//!
//! Must not know what is done with the numbers.
//!
//! # BUGS
//! - Another process's CPU time comes in clock ticks, usually 10 ms: measure runs of a second or more.
//! - The CPU time of a child that ends without its parent waiting for it is lost.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What processes used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of all threads, of those that ended too, and of children that were waited for.
    pub cpu: Duration,
    /// Resident set, bytes. Pages that processes share count in each.
    pub rss: u64,
    /// Largest resident set so far, bytes; of several processes the sum.
    pub peak_rss: u64,
    /// How many processes.
    pub processes: u32,
}

/// CPU time of this process, all threads, user and system.
pub(crate) fn own_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// CPU time of the calling thread.
pub(crate) fn own_thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Usage of some processes and all their descendants; `None` if none of them runs any more.
pub(crate) fn of_trees(roots: &[u32]) -> Option<Usage> {
    let mut pids: BTreeSet<u32> = roots.iter().copied().collect();
    let mut open: Vec<u32> = roots.to_vec();
    while let Some(pid) = open.pop() {
        for child in children(pid) {
            if pids.insert(child) {
                open.push(child);
            }
        }
    }
    let usages: Vec<Usage> = pids
        .iter()
        .filter_map(|pid| of_process(*pid).ok())
        .collect();
    usages.into_iter().reduce(|sum, usage| Usage {
        cpu: sum.cpu + usage.cpu,
        rss: sum.rss + usage.rss,
        peak_rss: sum.peak_rss + usage.peak_rss,
        processes: sum.processes + usage.processes,
    })
}

/// The children of all threads of a process.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// Usage of a process, from its `stat` and `status` in `/proc`.
pub(crate) fn of_process(pid: u32) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let unreadable = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("/proc/{pid} has an unknown form"),
        )
    };
    let ticks = cpu_ticks(&stat).ok_or_else(unreadable)?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Usage {
        cpu: Duration::from_micros(ticks.saturating_mul(1_000_000) / per_second.max(1)),
        // A process that ended and was not waited for has no memory.
        rss: memory(&status, "VmRSS:").unwrap_or(0),
        peak_rss: memory(&status, "VmHWM:").unwrap_or(0),
        processes: 1,
    })
}

/// utime + stime + cutime + cstime, the fields 14 to 17. Field 2, the name, may hold spaces and brackets: count after its
/// end.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    (0..4).map(|_| fields.next()?.parse::<u64>().ok()).sum()
}

/// A line like `VmHWM:     1234 kB`, in bytes.
fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// How long the CPUs of this machine were busy and idle so far, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    busy: u64,
    idle: u64,
}

impl Machine {
    /// Reads `/proc/stat`.
    pub(crate) fn read() -> Option<Machine> {
        Machine::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// user nice system idle iowait irq softirq steal; waiting for a disk is idle.
    fn parse(stat: &str) -> Option<Machine> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .take(8)
            .filter_map(|word| word.parse().ok())
            .collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some(Machine {
            busy: ticks.iter().sum::<u64>() - idle,
            idle,
        })
    }

    /// The share of the time since `before` in which CPUs were busy.
    pub(crate) fn busy_since(&self, before: &Machine) -> Option<f64> {
        let busy = self.busy.saturating_sub(before.busy) as f64;
        let idle = self.idle.saturating_sub(before.idle) as f64;
        (busy + idle > 0.0).then(|| busy / (busy + idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_confuse_its_fields() {
        let stat = "42 (a ) b 7) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 9 9 20 0 1 0 12345 1000 50";
        assert_eq!(cpu_ticks(stat), Some(60));
        assert_eq!(cpu_ticks("42 (x) S"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(memory(status, "VmHWM:"), Some(1234 * 1024));
        assert_eq!(memory(status, "VmRSS:"), Some(12 * 1024));
        assert_eq!(memory(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_and_its_child_can_be_read() {
        // The shell's own command: no other program is needed. It reads until it is killed.
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "read line"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a child");
        let usage = of_trees(&[std::process::id()]).expect("/proc is there");
        assert!(usage.peak_rss > 0 && usage.rss > 0 && usage.processes >= 2);
        assert!(own_cpu() > Duration::ZERO && own_thread_cpu() > Duration::ZERO);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }

    #[test]
    fn the_machine_is_busy_in_part() {
        let before = Machine::parse("cpu  10 0 10 100 20 0 0 0 0 0\ncpu0 1\n").expect("a line");
        let after = Machine::parse("cpu  40 0 20 120 20 0 10 10 0 0\n").expect("a line");
        let busy = after.busy_since(&before).expect("time passed");
        assert!((busy - 60.0 / 80.0).abs() < 1e-9, "{busy}");
        assert!(Machine::read().is_some());
    }
}

//! CPU time and memory: of this process by its clock, of another one by `/proc`.
//!
//! Must not know what is done with the numbers.
//!
//! # BUGS
//! - Another process's CPU time comes in clock ticks, usually 10 ms: measure runs of a second or more.
//! - Children of the other process are not counted; a server that is many processes (Postfix) is not measured whole.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What a process used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUsage {
    /// User and system time of all its threads, of those that ended too.
    pub cpu: Duration,
    /// Largest resident set so far, octets.
    pub peak_rss: u64,
    /// Resident set, octets.
    pub rss: u64,
}

/// CPU time of this process, all threads, user and system.
pub fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Usage of a process, from its `stat` and `status` in `/proc`.
pub fn of_process(pid: u32) -> io::Result<ProcessUsage> {
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
    Ok(ProcessUsage {
        cpu: Duration::from_micros(ticks.saturating_mul(1_000_000) / per_second.max(1)),
        peak_rss: memory(&status, "VmHWM:").ok_or_else(unreadable)?,
        rss: memory(&status, "VmRSS:").ok_or_else(unreadable)?,
    })
}

/// utime + stime, the fields 14 and 15. Field 2, the name, may hold spaces and brackets: count behind its end.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// A line like `VmHWM:     1234 kB`, in octets.
fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_confuse_its_fields() {
        let stat = "42 (a ) b 7) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 9 9 20 0 1 0 12345 1000 50";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("42 (x) S"), None);
    }

    #[test]
    fn memory_is_in_octets() {
        let status = "Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(memory(status, "VmHWM:"), Some(1234 * 1024));
        assert_eq!(memory(status, "VmRSS:"), Some(12 * 1024));
        assert_eq!(memory(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let usage = of_process(std::process::id()).expect("/proc is there");
        assert!(usage.peak_rss >= usage.rss && usage.rss > 0);
        assert!(own_cpu() > Duration::ZERO);
    }
}

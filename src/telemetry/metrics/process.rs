//! The table of every command: the version, and what the kernel says of this process, under the names that client libraries of
//! Prometheus use.
//!
//! Owns: how that is read. Must not know: who scrapes.
//!
//! Invariant: nothing is read but at a scrape, and a scrape costs the same however many files are open (Linux 6.2 or later).
//!
//! BUGS: without /proc most of these have no series.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::handle::BuildInfo;
use super::read::{ReadCounter, ReadGauge};
use super::rows::{Book, rows};

rows! {
    build_info: BuildInfo, Count, "ringpost_build_info",
        "Always 1; the label is the version";
    cpu: ReadCounter, Seconds, "process_cpu_seconds_total",
        "CPU time of the process, in user and kernel mode together";
    resident: ReadGauge, Bytes, "process_resident_memory_bytes",
        "Memory of the process that is in RAM";
    address_space: ReadGauge, Bytes, "process_virtual_memory_bytes",
        "Address space of the process, most of it without memory behind it";
    open_files: ReadGauge, Count, "process_open_fds",
        "File descriptors that are open: one for each connection, and some for Kafka, rings and files";
    most_files: ReadGauge, Count, "process_max_fds",
        "File descriptors that can be open (the soft limit)";
    start_time: ReadGauge, Seconds, "process_start_time_seconds",
        "When the process started, in seconds since 1970";
    threads: ReadGauge, Count, "process_threads",
        "Threads of the process";
}

/// See the module.
pub struct Process {
    book: Book<Handles>,
    /// When it started, in seconds since 1970; the clock may be set later on.
    began: Option<f64>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            book: Book::default(),
            began: Stat::read().and_then(|stat| began(&stat)),
        }
    }
}

impl Process {
    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let (stat, sums) = (Stat::read(), &self.book.sums);
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let page = rustix::param::page_size() as f64;
        let known = |of: fn(&Stat) -> u64| stat.as_ref().map(|stat| of(stat) as f64);
        sums.cpu
            .set(known(|stat| stat.cpu_ticks).map(|cpu| cpu / ticks));
        sums.resident
            .set(known(|stat| stat.resident_pages).map(|pages| pages * page));
        sums.address_space.set(known(|stat| stat.address_space));
        sums.threads.set(known(|stat| stat.threads));
        sums.open_files.set(open_files());
        let most = getrlimit(Resource::Nofile).current;
        sums.most_files.set(most.map(|most| most as f64));
        sums.start_time.set(self.began);
        self.book.render()
    }
}

/// What is read of /proc/self/stat (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// User and system time.
    cpu_ticks: u64,
    threads: u64,
    /// After the machine's start.
    start_ticks: u64,
    /// In bytes.
    address_space: u64,
    resident_pages: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// The name in brackets can hold anything, so fields are counted from its end: the first of them is number 3.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            address_space: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the process started. /proc/stat, which has the time of the machine's start, is hidden from many services.
fn began(stat: &Stat) -> Option<f64> {
    let up = clock_gettime(ClockId::Boottime);
    let up = up.tv_sec as f64 + up.tv_nsec as f64 / 1e9;
    let ago = up - stat.start_ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.as_secs_f64() - ago)
}

/// How many files are open. From Linux 6.2 on the directory's size is their number.
fn open_files() -> Option<f64> {
    let path = "/proc/self/fd";
    let size = std::fs::metadata(path).ok()?.len();
    if size > 0 {
        return Some(size as f64);
    }
    // The directory itself is open while it is read.
    let count = std::fs::read_dir(path).ok()?.count();
    Some(count.saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::super::tests::value;
    use super::*;

    #[test]
    fn fields_are_counted_from_the_end_of_the_name() {
        let text = "7 (a) b) S 1 2 3 0 -1 4194560 1 2 3 4 250 50 6 7 20 0 9 0 12345 8192 3 18446744073709551615 1 1";
        let stat = Stat {
            cpu_ticks: 300,
            threads: 9,
            start_ticks: 12_345,
            address_space: 8192,
            resident_pages: 3,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        for text in ["", "7 (a) S 1 2 3", &text.replace("12345", "x")] {
            assert_eq!(Stat::parse(text), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_measured() {
        let process = Process::default();
        let shown = |name: &str| value(&process.render(), name);
        // Other tests open and close files at the same time, so only bounds are certain.
        let open = shown("process_open_fds");
        assert!(open >= 3.0 && open < shown("process_max_fds"), "{open}");
        let resident = shown("process_resident_memory_bytes");
        assert!(resident > 1e6 && resident < shown("process_virtual_memory_bytes"));
        assert!(shown("process_threads") >= 1.0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - shown("process_start_time_seconds");
        assert!((-1.0..86_400.0).contains(&age), "{age}");
        let cpu = shown("process_cpu_seconds_total");
        assert!(cpu <= shown("process_cpu_seconds_total"));
        assert_eq!(
            shown(concat!(
                "ringpost_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"}"
            )),
            1.0
        );
    }
}

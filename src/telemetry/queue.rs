//! Log lines on their way to standard error: workers hand them over and never wait for the terminal.
//!
//! Owns: the queue, its bound, and its thread. Must not know: what a line says.
//!
//! Invariants: a full queue costs lines, never time; each line that it costs is counted ([`Queue::lines_dropped`]); what
//! waits is never more than [`LOG_OCTETS_WAITING`].
//!
//! BUGS: lines that standard error refuses (a closed pipe) are lost without being counted.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::limits::LOG_OCTETS_WAITING;

/// Bytes of the buffer in which a burst of lines is gathered before it is written.
pub(super) const BURST_OCTETS: usize = 64 * 1024;

enum Entry {
    Lines(Vec<u8>),
    /// No line follows: what was handed over before is written, then the other end gets a signal.
    Last(Sender<()>),
}

#[derive(Debug, Default)]
struct Counts {
    octets_waiting: AtomicUsize,
    lines_dropped: AtomicU64,
    /// Set once the thread no longer writes.
    finished: AtomicBool,
}

/// The near end of the queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    // Unbounded by entries: its bytes are bounded here.
    entries: Sender<Entry>,
    counts: Arc<Counts>,
}

impl Queue {
    /// A queue whose far end, another thread, writes to `writer`.
    ///
    /// # Errors
    /// If the thread does not start.
    pub(super) fn new(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (entries, waiting) = unbounded();
        let counts = Arc::new(Counts::default());
        let of_thread = Arc::clone(&counts);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&waiting, writer, &of_thread))?;
        Ok(Self { entries, counts })
    }

    /// Takes whole lines, `count` of them, or drops them where too much waits.
    pub(super) fn hand_over(&self, lines: Vec<u8>, count: u64) {
        let octets = lines.len();
        let waiting = &self.counts.octets_waiting;
        let before = waiting.fetch_add(octets, Ordering::Relaxed);
        let fits = before + octets <= LOG_OCTETS_WAITING;
        let finished = self.counts.finished.load(Ordering::Relaxed);
        if !fits || finished || self.entries.send(Entry::Lines(lines)).is_err() {
            waiting.fetch_sub(octets, Ordering::Relaxed);
            self.counts
                .lines_dropped
                .fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Lines that were dropped since the start.
    pub(super) fn lines_dropped(&self) -> u64 {
        self.counts.lines_dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was handed over is written, but not longer than this; ends the thread. Later lines are dropped.
    pub(super) fn finish(&self, longest: Duration) {
        self.counts.finished.store(true, Ordering::Relaxed);
        let (done, wait) = bounded(1);
        if self.entries.send(Entry::Last(done)).is_ok() {
            let _ = wait.recv_timeout(longest);
        }
    }
}

/// The thread. It flushes when nothing waits, so a burst of lines is one write.
fn write_lines(waiting: &Receiver<Entry>, writer: impl Write, counts: &Counts) {
    let mut writer = BufWriter::with_capacity(BURST_OCTETS, writer);
    while let Ok(entry) = waiting.recv() {
        match entry {
            Entry::Lines(lines) => {
                let _ = writer.write_all(&lines);
                counts
                    .octets_waiting
                    .fetch_sub(lines.len(), Ordering::Relaxed);
            }
            Entry::Last(done) => {
                let _ = writer.flush();
                let _ = done.send(());
                return;
            }
        }
        if waiting.is_empty() {
            let _ = writer.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A terminal that accepts nothing until the test releases it.
    struct Stuck(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_terminal_costs_lines_and_not_time_and_memory_has_a_bound() {
        let (release, stuck) = bounded(0);
        let written = Arc::default();
        let queue = Queue::new(Stuck(stuck, Arc::clone(&written))).unwrap();
        let piece = LOG_OCTETS_WAITING / 4;
        for _ in 0..10 {
            queue.hand_over(vec![b'x'; piece], 3);
        }
        // The piece that is being written counts as waiting until it is.
        assert_eq!(queue.lines_dropped(), 6 * 3);
        drop(release);
        queue.finish(Duration::from_secs(60));
        assert_eq!(written.lock().unwrap().len(), 4 * piece);
        queue.hand_over(b"late\n".to_vec(), 1);
        assert_eq!(queue.lines_dropped(), 6 * 3 + 1, "it is no longer written");
    }
}

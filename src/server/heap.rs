//! Memory that the allocator keeps of a peak is given back to the machine.
//!
//! Owns: when. Must not know: what made the peak.
//!
//! glibc's allocator keeps an arena for each thread, and an arena does not get smaller while a few bytes at its end are in use. The
//! threads of librdkafka come and go with their connections, so each outage can leave the memory of its peak in another arena: over an
//! hour of outages the server held three times what it used, and looked like one that leaks.
//!
//! Invariant: at most one call in [`PAUSE`], and only after growth, so that a steady load is not disturbed.

#![allow(unsafe_code, reason = "malloc_trim is C")]

use std::fs;
use std::time::Duration;

use tracing::debug;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(60);
/// Growth since the last time, in bytes, from which on memory is given back.
const GROWTH: u64 = 2 << 20;

/// Looks again and again until it is dropped.
pub(super) async fn watch() {
    let mut relief = Relief::default();
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(before) = resident() else { return };
        if relief.is_due(before) && give_back() {
            let after = resident().unwrap_or(before);
            relief.given_back(after);
            debug!(
                before,
                after, "memory that was free was given back, in bytes"
            );
        }
    }
}

/// When memory is to be given back.
#[derive(Debug, Default)]
struct Relief {
    /// What was resident after the last time, or at the first look; zero before it.
    least: u64,
}

impl Relief {
    /// Whether the process has grown since the last time.
    fn is_due(&mut self, resident: u64) -> bool {
        if self.least == 0 || resident < self.least {
            self.least = resident;
        }
        resident - self.least >= GROWTH
    }

    /// What is resident now is what is used.
    fn given_back(&mut self, resident: u64) {
        self.least = resident;
    }
}

/// Bytes of this process in memory; `None` where /proc does not say.
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Gives free memory of every arena back; whether this allocator can. It holds each arena for the time of a walk over its free parts.
fn give_back() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: malloc_trim(3) may be called at any time and from any thread, touches free memory alone, and keeps none for its start.
        unsafe { libc::malloc_trim(0) };
        true
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_after_growth_alone() {
        let mut relief = Relief::default();
        assert!(!relief.is_due(40 << 20), "the first look");
        assert!(!relief.is_due(41 << 20));
        assert!(relief.is_due(42 << 20));
        relief.given_back(41 << 20);
        assert!(!relief.is_due(42 << 20));
        assert!(!relief.is_due(30 << 20), "it shrank by itself");
        assert!(relief.is_due(32 << 20), "and grew from there");
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn what_a_freed_peak_left_is_given_back() {
        // Each second piece stays, so that the allocator cannot give the rest back by itself.
        let mut pieces: Vec<Option<Vec<u8>>> = (0..8192).map(|_| Some(vec![1; 16 << 10])).collect();
        let kept = pieces.len() / 8;
        for (number, piece) in pieces.iter_mut().enumerate() {
            if number % 8 != 0 {
                *piece = None;
            }
        }
        let before = resident().expect("/proc/self/statm");
        assert!(give_back());
        let after = resident().expect("/proc/self/statm");
        assert!(after + (64 << 20) < before, "{before} {after}");
        assert_eq!(pieces.iter().flatten().count(), kept);
    }
}

//! The directory that is in force, as the server sees it.
//!
//! Owns: what readers of the directory share with the thread that follows the topic. Must not know: the topic, sessions.
//!
//! Invariants: a reader takes no lock; once there is a directory, there always is one.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::kafka::lock::lock;
use crate::smtp::directory::Directory;

/// See the module.
#[derive(Debug)]
pub struct Published {
    directory: Arc<ArcSwapOption<Directory>>,
    waits_for: Mutex<String>,
    known: watch::Sender<bool>,
}

impl Default for Published {
    fn default() -> Self {
        Self {
            directory: Arc::default(),
            waits_for: Mutex::new("it has not been asked for yet".to_owned()),
            known: watch::Sender::new(false),
        }
    }
}

impl Published {
    /// Where workers read it.
    pub fn directory(&self) -> Arc<ArcSwapOption<Directory>> {
        Arc::clone(&self.directory)
    }

    /// Why there is no directory yet, as a sentence for an operator; none once there is one.
    pub fn unknown(&self) -> Option<String> {
        if *self.known.borrow() {
            return None;
        }
        let why = lock(&self.waits_for);
        Some(format!("recipients.topic is not known yet: {why}"))
    }

    /// Waits until there is one.
    pub async fn known(&self) {
        let mut known = self.known.subscribe();
        // The sender is ours, so it is there.
        let _ = known.wait_for(|known| *known).await;
    }

    /// There is none yet, for this reason.
    pub(super) fn wait_for(&self, why: String) {
        *lock(&self.waits_for) = why;
    }

    /// This one is in force from now on.
    pub(super) fn put(&self, directory: Directory) {
        self.directory.store(Some(Arc::new(directory)));
        self.known
            .send_if_modified(|known| !std::mem::replace(known, true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_once_it_was_put_and_says_why_it_is_not() {
        let published = Published::default();
        published.wait_for("no broker answers".to_owned());
        let unknown = published.unknown().expect("not known");
        assert!(unknown.ends_with("no broker answers"), "{unknown}");
        assert!(published.directory().load().is_none());
        published.put(Directory::new(1));
        assert_eq!(published.unknown(), None);
        assert!(published.directory().load().is_some());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(published.known());
    }
}

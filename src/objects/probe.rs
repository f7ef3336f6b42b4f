//! One small object, written, read and deleted: whether a store takes large messages.
//!
//! Owns: the probe, and the line of `ringpost check`. Must not know: what follows from it.
//!
//! BUGS: where writing is allowed and deleting is not, each probe leaves an object of a few bytes.

use std::time::Instant;

use object_store::{ObjectStoreExt, PutPayload};
use tokio::runtime::Builder;

use super::failure::{Failure, Kind};
use super::open::{Opened, Wanted};
use crate::config::{Objects, Scheme};
use crate::verdict::{Line, Verdict};

/// What a probe holds.
const CONTENT: &[u8] = b"ringpost was here\r\n";

/// The name of the question in `ringpost check`.
const NAME: &str = "objects";

/// Writes a small object, reads it back and deletes it.
///
/// # Errors
/// The first of these that fails.
pub(super) async fn probe(opened: &Opened) -> Result<(), Failure> {
    let random = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    let path = opened.path(&format!("ringpost-probe-{random:016x}"));
    let store = &opened.store;
    let put = store.put(&path, PutPayload::from_static(CONTENT));
    opened.within(put).await?;
    let read = async { store.get(&path).await?.bytes().await };
    let read = opened.within(read).await;
    // Also where it could not be read.
    let deleted = opened.within(store.delete(&path)).await;
    if read? != CONTENT {
        let text = format!("{}: what was written is not what is read", opened.place.url);
        return Err(Failure {
            kind: Kind::Other,
            text,
        });
    }
    deleted
}

/// What `ringpost check` says of the store. Blocks.
pub fn examine(objects: &Objects) -> Line {
    let Some(url) = &objects.url else {
        let text = "objects.url is empty: every message is in its record";
        return (Verdict::Skipped, NAME, text.to_owned());
    };
    let wanted = Wanted {
        url,
        options: &objects.options,
        timeout: objects.timeout,
        fsync: objects.fsync,
    };
    let opened = match Opened::new(&wanted) {
        Ok(opened) => opened,
        Err(error) => return (Verdict::Failed, NAME, error.to_string()),
    };
    let began = Instant::now();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return (Verdict::Failed, NAME, error.to_string()),
    };
    match runtime.block_on(probe(&opened)) {
        Err(failure) => (Verdict::Failed, NAME, failure.to_string()),
        Ok(()) if url.scheme == Scheme::File && !objects.fsync => (
            Verdict::Warning,
            NAME,
            format!(
                "{url} works, and objects.fsync is off: a power cut loses objects whose messages got a 250"
            ),
        ),
        Ok(()) => (
            Verdict::Ok,
            NAME,
            format!(
                "{url} works: a small object was written, read and deleted in {} ms",
                began.elapsed().as_millis()
            ),
        ),
    }
}

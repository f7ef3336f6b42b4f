//! The store of large messages, as the configuration has it: started before anything listens.
//!
//! Owns: which messages become objects. Must not know: how an object is stored.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::limits::{HEADER_SECTION_OCTETS, OBJECT_BUFFER_OCTETS, OBJECT_PART_OCTETS};
use crate::objects::open::Wanted;
use crate::objects::{Claims, Lent, OpenError, Uploader};

/// How much later than the store's own time-outs a worker gives up: two requests may pass between two pieces of news.
const GRACE: Duration = Duration::from_secs(1);

/// Starts the store, if there is one; `taken` is the largest message that the topic takes.
///
/// # Errors
/// What is wrong with the configuration or the machine.
pub(super) fn start(config: &Config, taken: u64) -> Result<Option<Claims>, OpenError> {
    let objects = &config.objects;
    let Some(url) = &objects.url else {
        return Ok(None);
    };
    let store = Uploader::start(&Wanted {
        url,
        options: &objects.options,
        timeout: objects.timeout,
        fsync: objects.fsync,
    })?;
    let above = above(config, taken);
    tracing::info!("messages of more than {above} bytes become objects in {url}");
    let header = usize::try_from(taken).unwrap_or(usize::MAX);
    Ok(Some(Claims {
        store: Arc::new(store),
        url: url.clone(),
        above,
        buffer: OBJECT_BUFFER_OCTETS,
        part: OBJECT_PART_OCTETS,
        header: HEADER_SECTION_OCTETS.min(header),
        patience: 2 * objects.timeout + GRACE,
        lent: Lent::new(usize::try_from(config.limits.in_flight_bytes).unwrap_or(usize::MAX)),
    }))
}

/// Bytes above which a message becomes an object.
fn above(config: &Config, taken: u64) -> u64 {
    let largest = taken.min(config.limits.message_size);
    config
        .objects
        .above
        .map_or(largest, |above| above.min(largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_the_topic_does_not_take_is_always_an_object() {
        let mut config = Config::default();
        assert_eq!(above(&config, 1000), 1000);
        assert_eq!(above(&config, u64::MAX), config.limits.message_size);
        config.objects.above = Some(500);
        assert_eq!((above(&config, 1000), above(&config, 400)), (500, 400));
        assert!(
            start(&config, 1000).unwrap().is_none(),
            "without an address there is no store"
        );
    }
}

//! What every admin request needs: its options, a queue for its answer, and the failure of a request as a whole.
//!
//! Owns: the pointers of options and queues. Must not know: which requests there are.
//!
//! The proof, for every block here: options and queues are made by librdkafka and destroyed once, by the drop of their owner;
//! the client outlives them, as it is borrowed.

use std::ffi::c_char;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as ffi;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::{Event, Producer, milliseconds, text};

/// How much less time librdkafka gets than the caller waits, so that its error names what it waited for.
const MARGIN: Duration = Duration::from_millis(100);

/// Why a request has no answer, or was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct Unanswered {
    pub(in crate::sink) code: RDKafkaErrorCode,
    pub(in crate::sink) text: String,
}

impl Unanswered {
    /// There was no answer in time.
    pub(super) fn silent() -> Self {
        Self {
            code: RDKafkaErrorCode::OperationTimedOut,
            text: "no answer in time".to_owned(),
        }
    }

    /// An answer came, and not about the topic that was named.
    pub(super) fn elsewhere() -> Self {
        Self {
            code: RDKafkaErrorCode::Unknown,
            text: "the answer does not name the topic".to_owned(),
        }
    }
}

/// A queue for the answers alone: the main one is polled elsewhere.
pub(super) struct Queue(pub(super) NonNull<ffi::rd_kafka_queue_t>);

impl Queue {
    pub(super) fn new(producer: &Producer) -> Self {
        // SAFETY: the client lives.
        let queue = unsafe { ffi::rd_kafka_queue_new(producer.client.native_ptr()) };
        Self(NonNull::new(queue).expect("a queue can be made"))
    }

    pub(super) fn poll(&self, within: Duration) -> Option<Event> {
        // SAFETY: the queue lives; the event is ours.
        let event = unsafe { ffi::rd_kafka_queue_poll(self.0.as_ptr(), milliseconds(within)) };
        NonNull::new(event).map(Event)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once; a request that is still out holds its own reference.
        unsafe { ffi::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

/// The options of one request.
pub(super) struct Options(pub(super) NonNull<ffi::rd_kafka_AdminOptions_t>);

impl Options {
    pub(super) fn new(
        producer: &Producer,
        request: ffi::rd_kafka_admin_op_t,
        timeout: Duration,
    ) -> Self {
        let mut words = [c_char::default(); 256];
        let timeout = milliseconds(timeout.saturating_sub(MARGIN).max(MARGIN));
        // SAFETY: the client lives; the text's place is ours and of the length that is passed. A timeout that is refused
        // leaves librdkafka's own, and the caller's deadline holds.
        unsafe {
            let options = ffi::rd_kafka_AdminOptions_new(producer.client.native_ptr(), request);
            let options = NonNull::new(options).expect("options of a known request");
            ffi::rd_kafka_AdminOptions_set_request_timeout(
                options.as_ptr(),
                timeout,
                words.as_mut_ptr(),
                words.len(),
            );
            Self(options)
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once; requests copy what they need of it.
        unsafe { ffi::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) };
    }
}

/// Why the request as a whole failed, if it did.
pub(super) fn failure(event: &Event) -> Result<(), Unanswered> {
    let event = event.0.as_ptr();
    // SAFETY: the event lives, and its text as long.
    let (code, words) = unsafe {
        (
            ffi::rd_kafka_event_error(event),
            text(ffi::rd_kafka_event_error_string(event)),
        )
    };
    unanswered(code, words)
}

pub(super) fn unanswered(code: RDKafkaRespErr, text: String) -> Result<(), Unanswered> {
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(Unanswered {
            code: code.into(),
            text,
        }),
    }
}

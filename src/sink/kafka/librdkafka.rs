//! The door to librdkafka: a producer that takes a record without copying its value and gives it back with its report.
//!
//! Owns: every raw pointer, and the only `unsafe` code of ringpost. Must not know: workers, channels, configuration keys.
//!
//! Why not the safe producers: they copy the value on its way in. Here librdkafka reads a message from the very memory
//! that the kernel received it into, which is sound only as long as that memory is kept.
//!
//! The proof, in the life of one record:
//! 1. [`Producer::produce`] boxes the record and its ticket as an [`InFlight`] and turns the box into a raw pointer. No
//!    Rust reference to it is left, and the value's memory neither moves nor is freed while the box is: it is the record's own, or
//!    shared by the records of one mail (`Value::Shared`), of which each keeps it alive, and nobody can write to what is shared.
//! 2. If librdkafka refuses, it has kept neither the pointer nor the value: the box is taken back at once.
//! 3. If it accepts, the pointer travels as the message's opaque. librdkafka reports each accepted message exactly once,
//!    and reads the value no more after it has. [`Producer::poll`] is the only place that sees the report, and turns
//!    the pointer back into the box.
//! 4. A topic's handle is made with the producer and destroyed with it, after the last report.
//! 5. [`Producer`] purges and drains before its client is destroyed, so that no accepted message is left without 3.
//!
//! Invariants: an accepted record comes out of `poll` once, or is freed in `drop`; `Stored` needs no error, the status
//! "persisted", and the offset that a broker gave the record.
//!
//! What a cluster says of a topic is asked for in [`describe`], and a topic is created in [`create`], over the same client.
//!
//! Tokens of OAUTHBEARER come from `kafka::oauth`, on a thread of theirs.
//!
//! BUGS: events other than reports, errors, logs and statistics are dropped, as are all
//! that come after the last `poll`.

#![allow(unsafe_code)]

pub(super) mod admin;
pub(super) mod create;
pub(super) mod describe;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as ffi;
use rdkafka::client::Client;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr, RDKafkaType};

use crate::config::{TopicPlace, Topics};
use crate::kafka::oauth::keeper::Keeper;
use crate::kafka::oauth::settings::{self, Settings};
use crate::mail::record::Record;
use crate::sink::report::{Outcome, Report, Ticket};

/// Reports that are taken from an event per call of librdkafka; its batches are about 200 records of 4 KiB.
const REPORTS_A_CALL: usize = 256;

/// RD_KAFKA_PARTITION_UA, a macro that the bindings lack: the partitioner chooses.
const PARTITION_UNASSIGNED: i32 = -1;

/// Takes what librdkafka has to say beside delivery reports. Called on the thread that polls.
///
/// librdkafka's own lines are debug, whatever level it gives them: it reports the same failure many times, and never
/// what a sender gets. `storage` reports that, once.
pub(crate) trait Events: Send + Sync {
    /// A global error: a broker that cannot be reached, a fatal state.
    fn error(&self, code: RDKafkaErrorCode, text: &str) {
        tracing::debug!(target: "librdkafka", ?code, "{text}");
    }

    /// Why there is no token to log in with, or that there is one.
    fn token(&self, _why: Option<&str>) {}

    /// A log line; `level` is syslog's (3 error, 4 warning, 5 notice, 6 info, 7 debug).
    fn log(&self, _level: i32, facility: &str, text: &str) {
        tracing::debug!(target: "librdkafka", facility, "{text}");
    }

    /// A record that was not stored, and the broker's own words on it where it has some.
    fn undelivered(&self, _topic: TopicPlace, _code: RDKafkaErrorCode, _text: Option<&str>) {}

    /// The statistics, as the JSON text that librdkafka documents, each `statistics.interval.ms`.
    fn stats(&self, json: &str) {
        tracing::trace!(target: "librdkafka", "{json}");
    }
}

/// Writes everything through tracing.
#[derive(Debug, Default)]
pub(super) struct Traced;

impl Events for Traced {}

/// Writes nothing.
struct Unheard;

impl Events for Unheard {
    fn error(&self, _code: RDKafkaErrorCode, _text: &str) {}
    fn log(&self, _level: i32, _facility: &str, _text: &str) {}
    fn stats(&self, _json: &str) {}
}

/// What the client keeps for its callbacks. None is called: events are taken from the queue by [`Producer::poll`].
struct Context;

impl ClientContext for Context {}

/// A record under way, with what finds its owner again.
struct InFlight {
    topic: TopicPlace,
    ticket: Ticket,
    record: Box<Record>,
}

/// A librdkafka producer for some topics.
pub(super) struct Producer {
    /// Uses the client: ended before it is.
    tokens: Option<Keeper>,
    client: Client<Context>,
    /// A handle for each topic, in their order.
    topics: Vec<NonNull<ffi::rd_kafka_topic_t>>,
    queue: NonNull<ffi::rd_kafka_queue_t>,
    events: Arc<dyn Events>,
    /// What becomes of a record whose delivery failed with this code.
    outcome: fn(RDKafkaErrorCode) -> Outcome,
}

// SAFETY: librdkafka's client, topic and queue handles may be used from any thread, several at once (its introduction,
// "Threads and callbacks"). `client` and `events` are Send themselves.
unsafe impl Send for Producer {}
// SAFETY: as above; no method writes a field.
unsafe impl Sync for Producer {}

impl Producer {
    /// Makes a producer; no broker is contacted yet. `outcome` says what becomes of a record whose delivery failed.
    pub(super) fn new(
        config: &ClientConfig,
        topics: &Topics,
        events: Box<dyn Events>,
        outcome: fn(RDKafkaErrorCode) -> Outcome,
    ) -> Result<Self, KafkaError> {
        let (config, tokens) = settings::split(config)
            .map_err(|fault| KafkaError::ClientCreation(format!("{} {fault}", fault.key)))?;
        let native = config.create_native_config()?;
        let mut wanted =
            ffi::RD_KAFKA_EVENT_DR | ffi::RD_KAFKA_EVENT_ERROR | ffi::RD_KAFKA_EVENT_STATS;
        if tokens.is_some() {
            wanted |= ffi::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH;
        }
        // SAFETY: `native` holds a live configuration object, not yet given to a client.
        unsafe { ffi::rd_kafka_conf_set_events(native.ptr(), wanted) };
        let client = Client::new(&config, native, RDKafkaType::RD_KAFKA_PRODUCER, Context)?;
        // SAFETY: the client lives; the reference is given back in `drop`.
        let queue = unsafe { ffi::rd_kafka_queue_get_main(client.native_ptr()) };
        let queue = NonNull::new(queue).expect("a client has a main queue");
        let mut producer = Self {
            tokens: None,
            client,
            topics: Vec::with_capacity(topics.len()),
            queue,
            events: events.into(),
            outcome,
        };
        for (_, name) in topics.iter() {
            // On an error, the drop destroys the handles that there are.
            let topic = producer.topic(name)?;
            producer.topics.push(topic);
        }
        producer.tokens = tokens.map(|tokens| producer.keep(tokens)).transpose()?;
        Ok(producer)
    }

    /// Sees that the client has tokens as long as it lives.
    fn keep(&self, tokens: Settings) -> Result<Keeper, KafkaError> {
        let events = Arc::clone(&self.events);
        let told = move |why: Option<&str>| events.token(why);
        let client = NonNull::new(self.client.native_ptr()).expect("a client is somewhere");
        // SAFETY: the client is destroyed after `drop` below, which ends the keeper first.
        let keeper = unsafe { Keeper::start(client, tokens, told) };
        keeper.map_err(|error| {
            KafkaError::ClientCreation(format!("the thread kafka-token did not start: {error}"))
        })
    }

    /// A handle for a topic, which is destroyed in `drop`.
    fn topic(&self, name: &str) -> Result<NonNull<ffi::rd_kafka_topic_t>, KafkaError> {
        let name = CString::new(name)?;
        let client = self.client.native_ptr();
        // SAFETY: the client lives; `name` is NUL-terminated and copied; no topic configuration means the default one.
        let topic = unsafe { ffi::rd_kafka_topic_new(client, name.as_ptr(), ptr::null_mut()) };
        NonNull::new(topic).ok_or_else(|| {
            // SAFETY: reads this thread's error of the call above.
            let code = unsafe { ffi::rd_kafka_last_error() };
            KafkaError::Global(code.into())
        })
    }

    /// Hands a record over without copying its value; never blocks. On an error the record comes back. Without a partition
    /// librdkafka chooses one.
    pub(super) fn produce(
        &self,
        topic: TopicPlace,
        ticket: Ticket,
        record: Box<Record>,
        partition: Option<i32>,
    ) -> Result<(), (RDKafkaErrorCode, Box<Record>)> {
        let Some(headers) = Headers::new(&record) else {
            return Err((RDKafkaErrorCode::InvalidArgument, record));
        };
        let handle = self.topics[topic.index()];
        let in_flight = InFlight {
            topic,
            ticket,
            record,
        };
        let opaque = Box::into_raw(Box::new(in_flight));
        // SAFETY: `opaque` was made in the line above and no other code has it.
        let arguments = unsafe { arguments(handle, partition, opaque, headers.0) };
        // SAFETY: the client and the topic live, `arguments` is an array of its length whose members are what their
        // tags say. The value lives until its report (module doc, 1 and 3); the key is copied within the call. The flags
        // are left at 0: no F_FREE, so that the memory stays ours, and no F_COPY, no F_BLOCK.
        let error = unsafe {
            ffi::rd_kafka_produceva(
                self.client.native_ptr(),
                arguments.as_ptr(),
                arguments.len(),
            )
        };
        if error.is_null() {
            // Owned by the message now.
            std::mem::forget(headers);
            return Ok(());
        }
        // SAFETY: `error` is a live error object, read once and destroyed once.
        let code = unsafe {
            let code = ffi::rd_kafka_error_code(error);
            ffi::rd_kafka_error_destroy(error);
            code
        };
        // SAFETY: the call failed, so librdkafka kept nothing of the message and no report will name `opaque`; it is
        // the pointer that `Box::into_raw` gave above. The headers stayed ours too and are destroyed by their drop.
        let in_flight = unsafe { Box::from_raw(opaque) };
        Err((code.into(), in_flight.record))
    }

    /// Waits up to `timeout` for one event and serves it: reports are added to `sink`, the rest goes to the
    /// [`Events`]. False if there was none.
    pub(super) fn poll(&self, timeout: Duration, sink: &mut Vec<Report>) -> bool {
        // SAFETY: the queue lives as long as `self`.
        let event = unsafe { ffi::rd_kafka_queue_poll(self.queue.as_ptr(), milliseconds(timeout)) };
        let Some(event) = NonNull::new(event) else {
            return false;
        };
        let event = Event(event);
        match event.kind() {
            ffi::RD_KAFKA_EVENT_DR => self.take_reports(&event, sink),
            ffi::RD_KAFKA_EVENT_ERROR => self.pass_error(&event),
            ffi::RD_KAFKA_EVENT_LOG => self.pass_log(&event),
            ffi::RD_KAFKA_EVENT_STATS => self.pass_stats(&event),
            _ => {}
        }
        true
    }

    /// Waits until nothing is under way, ignoring linger; false if `within` passed first. Another thread must poll.
    pub(super) fn flush(&self, within: Duration) -> bool {
        // SAFETY: the client lives.
        let code = unsafe { ffi::rd_kafka_flush(self.client.native_ptr(), milliseconds(within)) };
        code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Gives up on all that is under way; the reports of it follow through [`Self::poll`].
    pub(super) fn purge(&self) {
        const NO_LINES: c_int = 0;
        // Lines count as outstanding. With `debug` set, each purge makes some, so that nothing would ever be the last.
        // SAFETY: the client lives.
        unsafe { ffi::rd_kafka_set_log_level(self.client.native_ptr(), NO_LINES) };
        let all = ffi::RD_KAFKA_PURGE_F_QUEUE | ffi::RD_KAFKA_PURGE_F_INFLIGHT;
        // SAFETY: the client lives.
        let code = unsafe { ffi::rd_kafka_purge(self.client.native_ptr(), all) };
        assert_eq!(
            code,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
            "only flags that it knows"
        );
    }

    /// Records without a report and events not yet polled.
    pub(super) fn outstanding(&self) -> usize {
        // SAFETY: the client lives.
        let count = unsafe { ffi::rd_kafka_outq_len(self.client.native_ptr()) };
        usize::try_from(count).unwrap_or(0)
    }

    /// Whether librdkafka has given up on it: it takes no record any more.
    pub(super) fn has_ended(&self) -> bool {
        // SAFETY: the client lives; without a place for the text, none is written.
        let code =
            unsafe { ffi::rd_kafka_fatal_error(self.client.native_ptr(), ptr::null_mut(), 0) };
        code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Why librdkafka has given up on it.
    pub(super) fn why_ended(&self) -> String {
        self.client
            .fatal_error()
            .map_or_else(String::new, |(code, text)| format!("{code}: {text}"))
    }

    /// Has librdkafka give up on it.
    #[cfg(test)]
    pub(super) fn end(&self) {
        let code = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: the client lives; the text is NUL-terminated and copied.
        unsafe {
            ffi::rd_kafka_test_fatal_error(self.client.native_ptr(), code, c"a test".as_ptr())
        };
    }

    /// The client, for metadata.
    pub(super) fn metadata(
        &self,
        topic: &str,
        timeout: Duration,
    ) -> Result<rdkafka::metadata::Metadata, KafkaError> {
        self.client.fetch_metadata(Some(topic), timeout)
    }

    /// Whether the leader of a partition answers a question of its own: for its offsets, which only it may tell.
    pub(super) fn leader_answers(&self, topic: &str, partition: i32, timeout: Duration) -> bool {
        self.client
            .fetch_watermarks(topic, partition, timeout)
            .is_ok()
    }

    fn take_reports(&self, event: &Event, sink: &mut Vec<Report>) {
        let mut messages = [ptr::null::<ffi::rd_kafka_message_t>(); REPORTS_A_CALL];
        loop {
            // SAFETY: the event lives and the array has the length that is passed. Each call goes on where the last
            // one ended, so that each message is seen once.
            let count = unsafe {
                ffi::rd_kafka_event_message_array(
                    event.0.as_ptr(),
                    messages.as_mut_ptr(),
                    messages.len(),
                )
            };
            assert!(count <= messages.len(), "librdkafka keeps to the array");
            for &message in &messages[..count] {
                // SAFETY: the first `count` pointers are messages of this event, which lives, and are seen once.
                sink.push(unsafe { self.report(message) });
            }
            if count < messages.len() {
                return;
            }
        }
    }

    /// # Safety
    /// `message` belongs to a live delivery event of this producer and is passed here once.
    unsafe fn report(&self, message: *const ffi::rd_kafka_message_t) -> Report {
        // SAFETY: `message` is live. The code is read as the number it is in C: a newer broker's code that the Rust
        // enumeration lacks must not become a value of it.
        let (code, opaque, offset, status) = unsafe {
            (
                ptr::addr_of!((*message).err).cast::<i32>().read(),
                (*message)._private,
                (*message).offset,
                ffi::rd_kafka_message_status(message),
            )
        };
        assert!(!opaque.is_null(), "every message of ours has its box");
        // SAFETY: every message of this producer was produced by `produce`, with a box's pointer as its opaque; it is
        // reported once, so the pointer is not turned into a box a second time, and librdkafka is done with the value.
        let in_flight = unsafe { Box::from_raw(opaque.cast::<InFlight>()) };
        let outcome = match (code, status) {
            (0, ffi::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED) if offset >= 0 => {
                Outcome::Stored
            }
            // With idempotence on, librdkafka takes a record for stored once a later one of its partition is. That is wrong where
            // the topic was replaced meanwhile; no broker has confirmed the record, so it has no offset.
            (0, _) => (self.outcome)(RDKafkaErrorCode::PurgeInflight),
            (code, _) => {
                let code = error_code(code);
                // SAFETY: as above; the text is null or lives as long as the message.
                let words = unsafe { text(ffi::rd_kafka_message_produce_errstr(message)) };
                let words = Some(words.as_str()).filter(|words| !words.is_empty());
                self.events.undelivered(in_flight.topic, code, words);
                (self.outcome)(code)
            }
        };
        let InFlight {
            topic,
            ticket,
            record,
        } = *in_flight;
        Report {
            topic,
            ticket,
            outcome,
            record,
        }
    }

    fn pass_error(&self, event: &Event) {
        let event = event.0.as_ptr();
        // SAFETY: the event lives and is an error; its text lives as long.
        let (code, text) = unsafe {
            (
                ffi::rd_kafka_event_error(event),
                text(ffi::rd_kafka_event_error_string(event)),
            )
        };
        self.events.error(code.into(), &text);
    }

    fn pass_log(&self, event: &Event) {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event lives and is a log line; the three places are ours.
        let failed = unsafe {
            ffi::rd_kafka_event_log(event.0.as_ptr(), &mut facility, &mut line, &mut level)
        };
        if failed == 0 {
            // SAFETY: both texts live as long as the event.
            let (facility, line) = unsafe { (text(facility), text(line)) };
            self.events.log(level, facility.trim(), line.trim());
        }
    }

    fn pass_stats(&self, event: &Event) {
        // SAFETY: the event lives and holds statistics; its text lives as long.
        let json = unsafe { text(ffi::rd_kafka_event_stats(event.0.as_ptr())) };
        self.events.stats(&json);
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Nothing more is produced, so brokers that are gone are not worth a line: those of the quick start end before this.
        self.tokens = None;
        self.events = Arc::new(Unheard);
        // `&mut self`: no thread produces or polls now. What a purge adds is polled before the next: it may be a line of librdkafka's
        // own log (`debug = "topic"`), which counts as outstanding.
        let mut reports = Vec::new();
        while self.outstanding() > 0 {
            if !self.poll(Duration::from_millis(10), &mut reports) {
                self.purge();
            }
            reports.clear();
        }
        // SAFETY: these handles are ours, used nowhere else, and destroyed once, before the client they belong to
        // (a field, so that it drops after this).
        unsafe {
            for topic in &self.topics {
                ffi::rd_kafka_topic_destroy(topic.as_ptr());
            }
            ffi::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// The arguments of a produce call.
///
/// # Safety
/// `opaque` came from `Box::into_raw` and no reference to it exists.
unsafe fn arguments(
    topic: NonNull<ffi::rd_kafka_topic_t>,
    partition: Option<i32>,
    opaque: *mut InFlight,
    headers: NonNull<ffi::rd_kafka_headers_t>,
) -> [ffi::rd_kafka_vu_t; 6] {
    // SAFETY: `opaque` is a live InFlight that no other code refers to. The borrow ends within this function; the
    // pointers that leave it go to memory of the value and of the key, which are separate allocations.
    let record = unsafe { &(*opaque).record };
    let memory = |data: &[u8]| ffi::rd_kafka_vu_s__bindgen_ty_1 {
        mem: ffi::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
            ptr: data.as_ptr().cast_mut().cast(),
            size: data.len(),
        },
    };
    let key = match record.key() {
        Some(key) => memory(key),
        None => ffi::rd_kafka_vu_s__bindgen_ty_1 {
            mem: ffi::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
                ptr: ptr::null_mut(),
                size: 0,
            },
        },
    };
    let argument = |vtype, u| ffi::rd_kafka_vu_t { vtype, u };
    use ffi::rd_kafka_vtype_t as tag;
    use ffi::rd_kafka_vu_s__bindgen_ty_1 as member;
    [
        argument(
            tag::RD_KAFKA_VTYPE_RKT,
            member {
                rkt: topic.as_ptr(),
            },
        ),
        argument(
            tag::RD_KAFKA_VTYPE_PARTITION,
            member {
                i32_: partition.unwrap_or(PARTITION_UNASSIGNED),
            },
        ),
        argument(tag::RD_KAFKA_VTYPE_VALUE, memory(&record.value)),
        argument(tag::RD_KAFKA_VTYPE_KEY, key),
        argument(
            tag::RD_KAFKA_VTYPE_HEADERS,
            member {
                headers: headers.as_ptr(),
            },
        ),
        argument(
            tag::RD_KAFKA_VTYPE_OPAQUE,
            member {
                ptr: opaque.cast::<c_void>(),
            },
        ),
    ]
}

/// Headers in librdkafka's form, destroyed unless a message has taken them.
struct Headers(NonNull<ffi::rd_kafka_headers_t>);

impl Headers {
    /// Copies a record's headers; `None` if librdkafka does not take one.
    fn new(record: &Record) -> Option<Self> {
        // SAFETY: makes an empty list.
        let list = unsafe { ffi::rd_kafka_headers_new(record.headers().len()) };
        let list = Self(NonNull::new(list)?);
        for (name, value) in record.headers() {
            // SAFETY: the list lives and is ours; name and value are memory of the lengths given, copied by the call.
            // No Rust slice is longer than isize::MAX.
            let code = unsafe {
                ffi::rd_kafka_header_add(
                    list.0.as_ptr(),
                    name.as_ptr().cast(),
                    name.len() as isize,
                    value.as_ptr().cast(),
                    value.len() as isize,
                )
            };
            if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
        }
        Some(list)
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: the list is ours: `produce` forgets it where a message has taken it.
        unsafe { ffi::rd_kafka_headers_destroy(self.0.as_ptr()) };
    }
}

/// An event, destroyed after its use.
struct Event(NonNull<ffi::rd_kafka_event_t>);

impl Event {
    fn kind(&self) -> c_int {
        // SAFETY: the event lives.
        unsafe { ffi::rd_kafka_event_type(self.0.as_ptr()) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is ours and destroyed once.
        unsafe { ffi::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// The name of an error's number; `Unknown` for one that is newer than the bindings.
fn error_code(number: i32) -> RDKafkaErrorCode {
    RDKafkaRespErr::try_from(number).map_or(RDKafkaErrorCode::Unknown, Into::into)
}

fn milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}

/// # Safety
/// `text` is null, or NUL-terminated and alive for the call.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, so the caller's promise holds.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

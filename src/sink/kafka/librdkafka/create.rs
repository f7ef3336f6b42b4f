//! The request that creates a topic, or asks whether it could be.
//!
//! Owns: the pointers of this request. Must not know: which topic is wanted, and what is said of a refusal.
//!
//! The proof, for every block here: options and queues are `admin`'s; the new topic is made by librdkafka and destroyed once;
//! what an answer's functions return lives as long as its event, and is copied before that is destroyed.

use std::ffi::{CString, c_char, c_int};
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::bindings as ffi;
use rdkafka::types::RDKafkaErrorCode;

use super::admin::{Options, Queue, Unanswered, failure, unanswered};
use super::{Event, Producer, text};

/// A topic that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewTopic {
    /// Its name.
    pub(crate) name: String,
    /// Its partitions.
    pub(crate) partitions: usize,
    /// Replicas of each.
    pub(crate) replicas: usize,
    /// Its configuration.
    pub(crate) entries: Vec<(&'static str, String)>,
}

impl fmt::Display for NewTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partitions, replicas) = (self.partitions, self.replicas);
        write!(f, "{partitions} partitions, {replicas} of each")?;
        let mut entries = self.entries.iter();
        entries.try_for_each(|(name, value)| write!(f, ", {name} = {value}"))
    }
}

impl Producer {
    /// Creates a topic. Blocks up to `timeout`.
    ///
    /// # Errors
    /// Why it is not there afterwards, as far as is known; that it exists already is one.
    pub(in crate::sink) fn create(
        &self,
        topic: &NewTopic,
        timeout: Duration,
    ) -> Result<(), Unanswered> {
        let queue = Queue::new(self);
        self.ask_to_create(topic, timeout, &queue)?;
        let deadline = Instant::now() + timeout;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let Some(event) = queue.poll(left) else {
                continue;
            };
            if event.kind() == ffi::RD_KAFKA_EVENT_CREATETOPICS_RESULT {
                return result(&event);
            }
        }
        Err(Unanswered::silent())
    }

    fn ask_to_create(
        &self,
        topic: &NewTopic,
        timeout: Duration,
        queue: &Queue,
    ) -> Result<(), Unanswered> {
        let operation = ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS;
        let options = Options::new(self, operation, timeout);
        let text_of = |text: &str| CString::new(text).map_err(|_| Unanswered::elsewhere());
        let name = text_of(&topic.name)?;
        let count =
            |number: usize| c_int::try_from(number).expect("partitions and replicas are few");
        let (partitions, replicas) = (count(topic.partitions), count(topic.replicas));
        let mut words = [c_char::default(); 256];
        // SAFETY: the name is NUL-terminated and copied; the text's place is ours and of the length that is passed.
        let mut new = unsafe {
            ffi::rd_kafka_NewTopic_new(
                name.as_ptr(),
                partitions,
                replicas,
                words.as_mut_ptr(),
                words.len(),
            )
        };
        if new.is_null() {
            // SAFETY: librdkafka has written a NUL-terminated text to the place, which began as one.
            let text = unsafe { text(words.as_ptr()) };
            let code = RDKafkaErrorCode::InvalidArgument;
            return Err(Unanswered { code, text });
        }
        for (name, value) in &topic.entries {
            let pair = text_of(name).and_then(|name| Ok((name, text_of(value)?)));
            let (name, value) = pair.expect("an entry of ours has no NUL");
            // SAFETY: the new topic is ours; both texts are NUL-terminated and copied. Whether the entry exists is for the
            // broker to say.
            unsafe { ffi::rd_kafka_NewTopic_set_config(new, name.as_ptr(), value.as_ptr()) };
        }
        // SAFETY: the array of one lives for the call, which copies it; the new topic is ours before and after, and destroyed
        // once.
        unsafe {
            ffi::rd_kafka_CreateTopics(
                self.client.native_ptr(),
                &mut new,
                1,
                options.0.as_ptr(),
                queue.0.as_ptr(),
            );
            ffi::rd_kafka_NewTopic_destroy(new);
        }
        Ok(())
    }
}

fn result(event: &Event) -> Result<(), Unanswered> {
    failure(event)?;
    let mut count = 0;
    // SAFETY: the event lives and is of this kind; a result lives as long, and so does its text. Only the first of `count` is
    // read.
    unsafe {
        let result = ffi::rd_kafka_event_CreateTopics_result(event.0.as_ptr());
        let topics = ffi::rd_kafka_CreateTopics_result_topics(result, &mut count);
        if count == 0 || topics.is_null() {
            return Err(Unanswered::elsewhere());
        }
        let topic = *topics;
        unanswered(
            ffi::rd_kafka_topic_result_error(topic),
            text(ffi::rd_kafka_topic_result_error_string(topic)),
        )
    }
}

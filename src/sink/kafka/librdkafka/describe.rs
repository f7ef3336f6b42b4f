//! What a cluster says of a topic: its configuration, and what this client may do with it. Neither request creates one.
//!
//! Owns: the pointers of the two admin requests. Must not know: what an answer means for mail.
//!
//! The proof, for every block here: options and queues are `admin`'s; resources and collections are made by librdkafka and
//! destroyed once; what an answer's functions return lives as long as its event, and is copied before that
//! is destroyed. The client outlives them all, as it is borrowed.
//!
//! BUGS: a cluster older than Kafka 2.3 does not say which rights a client has, one older than 0.11 says neither.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::ptr;
use std::time::{Duration, Instant};

use rdkafka::bindings as ffi;

use super::admin::{Options, Queue, Unanswered, failure, unanswered};
use super::{Event, Producer, text};

/// Longest wait for an event before `stop` is asked again.
const POLL: Duration = Duration::from_millis(50);

/// What a client may do with a topic: a set of Kafka's operations, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) struct Rights(u32);

impl Rights {
    /// Whether records may be written.
    pub(in crate::sink) fn write(self) -> bool {
        self.0 & (1 << ffi::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE as u32) != 0
    }
}

/// The two answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct Description {
    /// Each entry of the topic's configuration that has a value.
    pub(in crate::sink) settings: Result<BTreeMap<String, String>, Unanswered>,
    /// `None` where the cluster does not say.
    pub(in crate::sink) rights: Result<Option<Rights>, Unanswered>,
}

impl Producer {
    /// Asks for a topic's configuration and for what may be done with it. Blocks up to `timeout`, or until `stop` says so.
    pub(in crate::sink) fn describe(
        &self,
        topic: &str,
        timeout: Duration,
        stop: impl Fn() -> bool,
    ) -> Description {
        let mut description = Description {
            settings: Err(Unanswered::silent()),
            rights: Err(Unanswered::silent()),
        };
        let Ok(name) = CString::new(topic) else {
            return description;
        };
        let queue = Queue::new(self);
        self.ask_settings(&name, timeout, &queue);
        self.ask_rights(&name, timeout, &queue);
        let (mut left, deadline) = (2, Instant::now() + timeout);
        while left > 0 && Instant::now() < deadline && !stop() {
            let Some(event) = queue.poll(POLL) else {
                continue;
            };
            match event.kind() {
                ffi::RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT => {
                    description.settings = settings(&event)
                }
                ffi::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT => description.rights = rights(&event),
                _ => continue,
            }
            left -= 1;
        }
        description
    }

    fn ask_settings(&self, topic: &CString, timeout: Duration, queue: &Queue) {
        let options = Options::new(
            self,
            ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            timeout,
        );
        let kind = ffi::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        // SAFETY: the name is NUL-terminated and copied. The array of one lives for the call, which copies it; the resource
        // is ours before and after, and destroyed once.
        unsafe {
            let mut resource = ffi::rd_kafka_ConfigResource_new(kind, topic.as_ptr());
            assert!(!resource.is_null(), "a topic is a resource");
            ffi::rd_kafka_DescribeConfigs(
                self.client.native_ptr(),
                &mut resource,
                1,
                options.0.as_ptr(),
                queue.0.as_ptr(),
            );
            ffi::rd_kafka_ConfigResource_destroy(resource);
        }
    }

    fn ask_rights(&self, topic: &CString, timeout: Duration, queue: &Queue) {
        let options = Options::new(
            self,
            ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            timeout,
        );
        // SAFETY: the options live and are made for this request, so that the call has no error to give back. The array of
        // one lives for the call that copies it; the collection is ours, and destroyed once.
        unsafe {
            let error =
                ffi::rd_kafka_AdminOptions_set_include_authorized_operations(options.0.as_ptr(), 1);
            if !error.is_null() {
                ffi::rd_kafka_error_destroy(error);
            }
            let mut names = [topic.as_ptr()];
            let topics = ffi::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
            ffi::rd_kafka_DescribeTopics(
                self.client.native_ptr(),
                topics,
                options.0.as_ptr(),
                queue.0.as_ptr(),
            );
            ffi::rd_kafka_TopicCollection_destroy(topics);
        }
    }
}

fn settings(event: &Event) -> Result<BTreeMap<String, String>, Unanswered> {
    failure(event)?;
    let mut count = 0;
    // SAFETY: the event lives and is of this kind; a resource lives as long, and so does each of its entries. Only the first
    // `count` of an array are read.
    unsafe {
        let result = ffi::rd_kafka_event_DescribeConfigs_result(event.0.as_ptr());
        let resources = ffi::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
        if count == 0 || resources.is_null() {
            return Err(Unanswered::elsewhere());
        }
        let resource = *resources;
        unanswered(
            ffi::rd_kafka_ConfigResource_error(resource),
            text(ffi::rd_kafka_ConfigResource_error_string(resource)),
        )?;
        let entries = ffi::rd_kafka_ConfigResource_configs(resource, &mut count);
        let mut settings = BTreeMap::new();
        for index in 0..count {
            let entry = *entries.add(index);
            let value = ffi::rd_kafka_ConfigEntry_value(entry);
            if !value.is_null() {
                settings.insert(text(ffi::rd_kafka_ConfigEntry_name(entry)), text(value));
            }
        }
        Ok(settings)
    }
}

fn rights(event: &Event) -> Result<Option<Rights>, Unanswered> {
    failure(event)?;
    let mut count = 0;
    // SAFETY: the event lives and is of this kind; a description lives as long, and so do its error and its operations. The
    // operations are read as the numbers that they are in C, the first `count` of them: a newer cluster's must not become
    // a value of a Rust enumeration that lacks it.
    unsafe {
        let result = ffi::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        let topics = ffi::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if count == 0 || topics.is_null() {
            return Err(Unanswered::elsewhere());
        }
        let topic = *topics;
        let error = ffi::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            unanswered(
                ffi::rd_kafka_error_code(error),
                text(ffi::rd_kafka_error_string(error)),
            )?;
        }
        let operations = ffi::rd_kafka_TopicDescription_authorized_operations(topic, &mut count);
        if ptr::eq(operations, ptr::null()) {
            return Ok(None);
        }
        let operations = operations.cast::<u32>();
        let numbers = (0..count).map(|index| operations.add(index).read());
        Ok(Some(Rights(numbers.fold(0, |set, number| {
            set | 1_u32.checked_shl(number).unwrap_or(0)
        }))))
    }
}

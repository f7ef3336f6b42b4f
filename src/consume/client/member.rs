//! From a plan to a client, and out of the group again.
//!
//! Owns: the client's settings, and the last words between a member and its group. Must not know: what is read in between.
//!
//! Invariant: nothing is committed unless the reader says so, and asking for a topic never creates it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::answer::give_up_whatever;
use super::reports::{Change, Reports};
use crate::consume::failure::{NO_GROUP, ReadError};
use crate::consume::plan::{Plan, SESSION_TIMEOUT_MS};
use crate::kafka::oauth::keeper::Kept;
use crate::kafka::properties::{Refused, tokens, usable};

/// Pause before a partition is fetched again whose queue was full.
const QUEUE_PAUSE_MS: &str = "10";
/// How long a client that leaves listens for the group's last words.
const LEAVE_WAIT: Duration = Duration::from_millis(20);
/// The longest time of that, should it never fall silent.
const LEAVE_LONGEST: Duration = Duration::from_secs(5);

/// Leaves the group, and answers what it says meanwhile. The client that is dropped then has nothing left to answer:
/// while it is being closed, librdkafka (2.12) can drop an answer, and the thread that gave it waits forever.
pub fn leave(consumer: &BaseConsumer<Reports>, in_group: bool) {
    let reports = consumer.context();
    if in_group {
        consumer.unsubscribe();
        let (mut quiet, deadline) = (0, Instant::now() + LEAVE_LONGEST);
        while quiet < 3 && Instant::now() < deadline {
            quiet += 1;
            while let Some(change) = reports.take_change() {
                quiet = 0;
                match change {
                    Change::Given(partitions) => give_up_whatever(consumer, true, &partitions),
                    Change::Taken(partitions) => give_up_whatever(consumer, false, &partitions),
                }
            }
            // A record that was fetched already is dropped: it is not committed.
            if consumer.poll(LEAVE_WAIT).is_some() {
                quiet = 0;
            }
        }
    }
    reports.close();
}

/// A consumer as the plan has it; nothing is asked of the brokers yet.
///
/// # Errors
/// Where librdkafka does not take the properties.
pub fn create(plan: &Plan) -> Result<Kept<BaseConsumer<Reports>>, ReadError> {
    let mut config = ClientConfig::new();
    // librdkafka looks away for a whole second where its queue is full; the operator may say otherwise.
    config.set("fetch.queue.backoff.ms", QUEUE_PAUSE_MS);
    if plan.has_session_timeout() {
        config.set("session.timeout.ms", SESSION_TIMEOUT_MS);
    }
    for (name, value) in &plan.properties.0 {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", &plan.brokers)
        // The client needs a name to assign partitions by hand; no group of that name is joined or written to.
        .set("group.id", plan.group.as_deref().unwrap_or(NO_GROUP))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // Brokers may create a topic that is asked for; a misspelt name has to be an error instead.
        .set("allow.auto.create.topics", "false")
        // Where reading begins is always said; this is for a partition that was cut while it was read: none is skipped.
        .set("auto.offset.reset", "earliest")
        .set_log_level(RDKafkaLogLevel::Error);
    usable(|name| plan.properties.get(name)).map_err(ReadError::Properties)?;
    let (config, settings) = tokens(&config).map_err(ReadError::Properties)?;
    let consumer: BaseConsumer<Reports> = config
        .create_with_context(Reports::new(plan.say))
        .map_err(|error| ReadError::Properties(Refused::new(error, plan.properties.pairs())))?;
    let reports = Arc::clone(consumer.context());
    let told = move |why: Option<&str>| reports.said().note_token(why);
    Kept::new(consumer, settings, told).map_err(ReadError::Thread)
}

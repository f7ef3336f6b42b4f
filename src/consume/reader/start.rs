//! Where reading of a partition begins that no group has an offset of.
//!
//! Owns: what the plan's start means in one partition. Must not know: groups, nor what is read.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::consume::client::ask::{first_since, watermarks};
use crate::consume::client::reports::Reports;
use crate::consume::failure::{Halt, ReadError};
use crate::consume::plan::{Plan, Start};

/// How the id of an in-process cluster of librdkafka's begins. It finds no offset of a time.
const IN_PROCESS: &str = "mockCluster";
/// How long the cluster's id is waited for; it has come with the topic's partitions.
const CLUSTER_ID_WAIT: Duration = Duration::from_secs(1);

/// What an operator should know of how reading begins here.
pub(super) fn caveat(asking: &BaseConsumer<Reports>, plan: &Plan) -> Option<&'static str> {
    let is_vain = matches!(plan.start, Start::Since(_)) && is_in_process(asking);
    is_vain.then_some(
        "the in-process broker of the quick start does not look for times: reading begins at the oldest record in place of \
         --since; --filter 'time >= 1h' takes mails by their time",
    )
}

fn is_in_process(asking: &BaseConsumer<Reports>) -> bool {
    let id = asking.client().fetch_cluster_id(CLUSTER_ID_WAIT);
    id.is_some_and(|id| id.starts_with(IN_PROCESS))
}

/// The partitions to read, of those that the topic has.
///
/// # Errors
/// The plan names one that is not there.
pub(super) fn partitions(plan: &Plan, mut there: Vec<i32>) -> Result<Vec<i32>, ReadError> {
    there.sort_unstable();
    if plan.partitions.is_empty() {
        return Ok(there);
    }
    let mut wanted = plan.partitions.clone();
    wanted.sort_unstable();
    wanted.dedup();
    match wanted.iter().find(|partition| !there.contains(partition)) {
        None => Ok(wanted),
        Some(&partition) => Err(ReadError::NoPartition {
            topic: plan.topic.clone(),
            partition,
            there,
        }),
    }
}

/// The offset at which one begins.
///
/// # Errors
/// It has no such offset, the brokers do not answer, or reading is to stop.
pub(super) fn of_partition(
    asking: &BaseConsumer<Reports>,
    plan: &Plan,
    partition: i32,
) -> Result<i64, Halt> {
    let (low, high) = watermarks(asking, plan, partition)?;
    within(asking, plan, partition, (low, high))
}

/// The same, where its watermarks are known.
///
/// # Errors
/// As of [`of_partition`].
pub(super) fn within(
    asking: &BaseConsumer<Reports>,
    plan: &Plan,
    partition: i32,
    (low, high): (i64, i64),
) -> Result<i64, Halt> {
    match plan.start {
        Start::Beginning => Ok(low),
        Start::End => Ok(high),
        Start::Since(time) => {
            let first = first_since(asking, plan, partition, time)?;
            Ok(match first {
                // Retention may have moved the beginning meanwhile.
                Some(first) => first.max(low),
                None if is_in_process(asking) => low,
                None => high,
            })
        }
        Start::Offset(offset) if (low..=high).contains(&offset) => Ok(offset),
        Start::Offset(offset) => Err(Halt::Failed(ReadError::NoOffset {
            topic: plan.topic.clone(),
            partition,
            offset,
            low,
            high,
        })),
    }
}

//! The answers to what a group says: partitions are taken over or given up.
//!
//! Owns: which call of librdkafka answers in which protocol of the group. Must not know: when to answer.

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

/// Answers that partitions were given: they are read from the offsets that come with them.
///
/// # Errors
/// librdkafka's.
pub fn take_over<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(partitions),
    }
}

/// Answers that partitions were taken.
///
/// # Errors
/// librdkafka's.
pub fn give_up<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

/// The same while the group is left, whether they were taken or are given this moment.
pub fn give_up_whatever<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    given: bool,
    partitions: &TopicPartitionList,
) {
    // Nobody is left to report an error to. A cooperative client is given partitions before they can be taken.
    let _ = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative if given => consumer.incremental_assign(partitions),
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    };
}

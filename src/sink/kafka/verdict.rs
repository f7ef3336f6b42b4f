//! What a failure to take a record, or to deliver it, means for the sender.
//!
//! Knows librdkafka's errors and the refusals, nothing of producers or sessions.
//!
//! Invariant: no error means that a record is stored.

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::sink::report::Outcome;
use crate::smtp::refusal::Refusal;

/// The refusal that the sender gets.
pub(super) fn refusal(code: Code) -> Refusal {
    match code {
        Code::QueueFull => Refusal::StorageQueueFull,
        // Sessions accept nothing above SIZE, so the topic takes less than at the start, or its limit was unknown then. That
        // can be fixed: the sender keeps the mail.
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
            Refusal::StorageTooBig
        }
        Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut => {
            Refusal::StorageTimedOut
        }
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::BrokerTransportFailure
        | Code::NetworkException
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::BrokerNotAvailable
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::ReplicaNotAvailable
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::ISRInsufficient
        | Code::KafkaStorageError
        | Code::PurgeQueue
        | Code::PurgeInflight => Refusal::StorageUnavailable,
        _ => Refusal::StorageRefused,
    }
}

/// The outcome of a record whose delivery failed.
pub(super) fn delivery_outcome(code: Code) -> Outcome {
    Outcome::Refused(refusal(code))
}

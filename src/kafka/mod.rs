//! What every client of a Kafka cluster needs, whether it writes or reads: properties, names of errors, why no broker answers,
//! what the cluster says of a topic.
//!
//! `properties` is what librdkafka refuses and why, `name` is Kafka's names of errors, `reach` says why no broker answers, in
//! an operator's words. Must not know: records, sinks, groups. Producers are `sink::kafka`'s, consumers are
//! `command::consume`'s.

pub mod lock;
pub mod name;
pub mod properties;
pub mod reach;

//! The sink that stores: records go to one topic of a Kafka cluster, over librdkafka, without a copy.
//!
//! | file | what |
//! |---|---|
//! | `start` | the cluster is asked, SIZE is lowered to what the topic takes, the sink starts |
//! | `examine` | what `ringpost check` asks of a cluster |
//! | `settings` | librdkafka's settings |
//! | `sink` | the sink: its threads, and the way of a record and of its report |
//! | `lanes` | the producers, one for large records; `closing` closes their batches early; `spread` spreads them |
//! | `librdkafka` | every raw pointer |
//! | `topic` | what is asked of a cluster about the topic; `finding` is what is wrong with it |
//! | `watch` | asks while mail flows; `watched` is what it knows of one topic, `gate` what workers see of that |
//! | `patience` | when senders are refused before they send |
//! | `storage` | says when it is away and back, `size` what is too large |
//! | `verdict` | what an error means for the sender |
//! | `statistics` | what librdkafka counts of itself |
//!
//! Must not know: sessions, sockets, metrics. What a client that reads needs as well is in `crate::kafka`.

mod closing;
mod error;
pub(super) mod examine;
mod finding;
mod gate;
mod lanes;
mod librdkafka;
mod patience;
pub(super) mod settings;
pub(super) mod sink;
mod size;
pub(super) mod spread;
pub(super) mod start;
mod statistics;
mod storage;
mod topic;
mod verdict;
mod watch;
mod watched;

//! The sink that stores: records go to one topic of a Kafka cluster, over librdkafka, without a copy.
//!
//! | file | what |
//! |---|---|
//! | `start` | the cluster is asked, SIZE is lowered to what the topic takes, the sink starts |
//! | `destinations` | which sizes of mail go to which topic, and the SIZE that follows from the limits of all |
//! | `examine` | what `ringpost check` asks of a cluster |
//! | `settings` | librdkafka's settings |
//! | `sink` | the sink: its threads, and the way of a record and of its report |
//! | `lanes` | the producers, one for large records; `closing` closes their batches early; `spread` spreads them |
//! | `librdkafka` | every raw pointer |
//! | `topic` | what is asked of a cluster about the topic; `question` names it, `topic_settings` reads its configuration, `inquiry` asks before there is a sink |
//! | `finding` | what keeps the topic from taking mail; `weakness` is what makes a 250 worth less, `reassignment` gives more replicas |
//! | `subject` | the topic and its cluster, as texts and commands name them |
//! | `watch` | asks while mail flows; `watched` is what it knows of one topic, `gate` what workers see of that |
//! | `patience` | when senders are refused before they send; `leaders` are looked at for it |
//! | `storage` | when it is away and back, `reason` why, `lines` what the log says of it; `size` what is too large |
//! | `verdict` | what an error means for the sender |
//! | `statistics` | what librdkafka counts of itself |
//!
//! Must not know: sessions, sockets, metrics. What a client that reads needs as well is in `crate::kafka`.

mod closing;
pub(super) mod destinations;
mod error;
pub(super) mod examine;
mod finding;
mod gate;
mod inquiry;
mod lanes;
mod leaders;
mod librdkafka;
mod lines;
mod patience;
mod question;
mod reason;
mod reassignment;
pub(super) mod settings;
pub(super) mod sink;
mod size;
pub(super) mod spread;
pub(super) mod start;
mod statistics;
mod storage;
mod subject;
mod topic;
mod topic_settings;
mod verdict;
mod watch;
mod watched;
mod weakness;

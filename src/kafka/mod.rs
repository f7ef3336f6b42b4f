//! What every client of a Kafka cluster needs, whether it writes or reads: properties, names of errors, why no broker answers,
//! what the cluster says of a topic.
//!
//! `properties` is what librdkafka refuses and why, `name` is Kafka's names of errors, `topic` what the answer to a question for a
//! topic means, `reach` why no broker answers, and `search` asks until one does; `oauth` fetches the tokens of OAUTHBEARER. librdkafka's prose is read in `words` alone;
//! `probe` looks where it says nothing or
//! too little, `handshake` at TLS, in the `way` that is configured. Must not know: records, sinks, groups. Producers are `sink::kafka`'s, consumers are
//! `consume`'s.

mod handshake;
pub mod lock;
pub mod name;
pub mod oauth;
mod probe;
pub mod properties;
pub mod reach;
pub mod search;
pub mod topic;
pub mod way;
pub mod words;

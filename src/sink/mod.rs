//! Where messages go, and what is known of those under way.
//!
//! `seam` is what a server sees of a sink: the trait [`Sink`], and [`Configured`], a sink before it runs. `report` is what is
//! said of a record, `routes` is how that reaches its worker, `routing` says which topic mail goes to, `ledger` is the only place that knows what is in flight;
//! `statistics` is what a sink counts of itself, `condition` how it is now. None of them knows a sink.
//!
//! The sinks: `kafka` stores, `embedded` is Kafka in this process, for a first try, `discard` keeps nothing, for measuring.
//! A new one is a folder beside them, and the row in [`configured`] that the compiler asks for once `kafka.brokers` has its
//! value.

pub mod condition;
mod discard;
pub mod embedded;
pub mod kafka;
pub mod ledger;
pub mod report;
mod routes;
pub mod routing;
pub mod seam;
pub mod statistics;
#[cfg(test)]
mod tests;

use crate::config::{Brokers, Config};
use crate::failure::Failure;

pub use condition::Condition;
pub use report::{Outcome, Report, Submission, Ticket};
pub use routes::Reports;
pub use seam::{Configured, Description, Keeps, Setup, Sink, Started, Unready};
pub use statistics::{Statistics, TopicSeen};

/// The sink that the configuration names. It does not run yet.
pub fn configured(config: &Config) -> Box<dyn Configured> {
    let topics = config.topics();
    let (message_size, _) = config.largest_in_a_record();
    match &config.kafka.brokers {
        Brokers::List(list) => Box::new(kafka::start::Kafka {
            cluster: kafka::settings::Cluster {
                brokers: list.clone(),
                kafka: config.kafka.clone(),
                topics,
            },
            destinations: kafka::destinations::of(config),
            message_size,
        }),
        Brokers::Embedded => Box::new(embedded::Embedded {
            kafka: config.kafka.clone(),
            topics,
            message_size,
            recipients: config.recipients.topic.clone(),
        }),
        Brokers::Discard => Box::new(discard::Discard {
            topics,
            message_size,
        }),
    }
}

/// Starts the sink that the configuration names: all that a server needs of it, as one value. Blocks up to some seconds while
/// a cluster does not answer, so it is called before anything listens.
///
/// # Errors
/// What keeps it from starting, and whose that is. A storage that is away does not: mail gets 451 until it is back.
pub fn start(config: &Config, setup: Setup) -> Result<Started, Failure> {
    let workers = setup.wakers.len();
    let started = configured(config).start(setup)?;
    assert_eq!(
        started.reports.len(),
        workers,
        "each worker has its reports"
    );
    let most = started.sink.describe().message_size;
    assert!(most <= config.limits.message_size, "SIZE is only lowered");
    Ok(started)
}

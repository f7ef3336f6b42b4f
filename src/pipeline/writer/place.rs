//! What is written, and where.
//!
//! Must not know: how.

use crate::consume::plan::Properties;

/// A record to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Its time stamp in milliseconds since the epoch; without one it is the time of writing.
    pub timestamp: Option<i64>,
    /// Its headers in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Where records are written to.
#[derive(Debug, Clone)]
pub struct Place {
    /// The `bootstrap.servers` of the cluster.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// By which flag it was named.
    pub flag: &'static str,
    /// More librdkafka properties.
    pub properties: Properties,
}

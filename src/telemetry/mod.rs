//! What an operator sees: metrics, health, logs. The connection layer counts through `metrics` and names nothing else here.

pub mod admin;
pub mod log;
pub mod metrics;

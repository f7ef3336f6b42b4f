//! What an operator sees: metrics, health, logs. The connection layer counts through `metrics`, logs
//! messages through `message_log`, and names nothing else here.

pub mod admin;
mod flood;
mod line;
pub mod log;
pub mod message_log;
pub mod metrics;
mod queue;

//! What an operator sees: metrics, health, status pages, logs. The connection layer counts through `metrics`, logs
//! messages through `message_log`, and names nothing else here.

pub mod admin;
mod flood;
mod layer;
pub mod line;
pub mod lines;
pub mod log;
pub mod message_log;
pub mod metrics;
mod queue;
pub mod recent;
pub mod status;
pub mod trace_log;
pub mod vocabulary;

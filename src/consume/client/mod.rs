//! librdkafka's consumer, as ringpost sets it up: `answer` to what a group gives and takes, `reports` what comes beside records,
//! `member` from a plan to a client and out of the group again, `ask` the requests of a reader.
//!
//! Must not know: how far reading is, nor what becomes of records.

pub mod answer;
pub mod ask;
pub mod member;
pub mod reports;

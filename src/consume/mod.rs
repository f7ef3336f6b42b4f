//! Records read back: from the partitions of a topic to the outputs of `ringpost consume`.
//!
//! From the bottom up: `line` is what an operator reads, `moment` a point in time as an operator writes it, `stop` what ends
//! reading early, `received` one record, `filter` which records are taken, `mark` how far reading of a partition is, `object` the
//! whole message of a record that names one, `plan` what is read, `failure` why that does not work, `format` the forms of a
//! record, `output` where they go, `client` librdkafka's consumer, `reader` yields records and commits what its caller names, and
//! `copy` is the loop of `ringpost consume`, from a reader into an output.
//!
//! Must not know: flags, the configuration beyond where objects are, which command reads.

pub mod client;
pub mod copy;
pub mod failure;
pub mod filter;
pub mod format;
pub mod line;
pub mod mark;
pub mod moment;
pub mod object;
pub mod output;
pub mod plan;
pub mod reader;
pub mod received;
pub mod stop;

//! How far reading is: what was read of which partitions, and under which name that is known.
//!
//! Owns: the three types, which the reader, the outputs and their journals share. Must not know: how any of them is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Who reads from where: each has its own offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The cluster's id; empty where it has none.
    pub cluster: String,
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
}

/// What was read of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The group's offset before the commit of this one; none where it had none.
    pub committed: Option<i64>,
    /// The offset after the last record that was read.
    pub next: i64,
    /// That record's id, by which it is known again.
    pub id: Option<String>,
    /// That record's time stamp.
    pub timestamp: Option<i64>,
}

/// The same of several partitions.
pub type Marks = BTreeMap<i32, Mark>;

//! The table of every command that works through a topic: records read, held, passed over.
//!
//! Must not know: who counts, what becomes of a record.

use metrics::{Counter, Gauge};

use super::rows::rows;

rows! {
    records_held: Gauge, Count, "ringpost_pipeline_records_held",
        "Records that were read and are not settled: under way, or waiting to be tried again";
    held_bytes: Gauge, Bytes, "ringpost_pipeline_held_bytes",
        "Bytes of those records and of the objects that they name";
    records_settled: Counter, Count, "ringpost_pipeline_records_settled_total",
        "Records that were settled by this process";
    records_passed_over: Counter, Count, "ringpost_pipeline_records_passed_over_total",
        "Records that were settled at once: not wanted by --filter, tombstones, not written by ringpost";
    partitions: Gauge, Count, "ringpost_pipeline_partitions",
        "Partitions that the group has given to this process";
    windows_full: Gauge, Count, "ringpost_pipeline_partitions_waiting",
        "Partitions of which no more is read, as too many records follow one that is not settled";
    lag: Gauge, Count, "ringpost_pipeline_lag_records",
        "Offsets between what may be committed and the ends of this process's partitions, all together";
    away: Gauge, Count, "ringpost_pipeline_brokers_away",
        "1 while records cannot be read or their offsets cannot be committed; else 0";
}

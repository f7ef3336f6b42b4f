//! The table of `ringpost serve`: a row makes the name, the unit, the label, the help, and the handle to count through.
//!
//! Must not know: who counts.
//!
//! A metric is added by its row here, and counted where it happens by `metrics.FIELD.increment(1)`, or by
//! `tally.FIELD.increment(…)` where the row's handle is a tallied one (`handle` has the list).

use metrics::{Counter, Gauge};

use super::handle::{CounterBy, GaugeBy, GaugePerWorker, Tallied, TalliedGauge};
use super::histogram::{Sizes, TalliedHistogram, Times};
use super::label::{
    AcceptError, Code, Io, MessageOutcome, ReloadResult, SessionEnd, TicketRefused, TlsFailure,
    TlsFiles, TlsVersion,
};
use super::per_topic::{GaugePerTopic, Latest, LatestPerTopic, TalliedPerTopic};
use super::read::GaugePerFile;
use super::rows::rows;
use crate::objects::Kind as ObjectFailure;
use crate::smtp::command::Verb;
use crate::smtp::refusal::Refusal;

rows! {
    io_info: GaugeBy<Io>, Count, "ringpost_io_info",
        "1 for what the workers run on, 0 for what they do not";
    workers: Gauge, Count, "ringpost_workers",
        "Worker threads, each with its own ring or epoll";
    worker_connections: GaugePerWorker, Count, "ringpost_worker_connections",
        "Connections that a worker serves, refused ones included";
    connections_handed_on: Tallied, Count, "ringpost_connections_handed_on_total",
        "Connections that the worker which accepted them had too many for and handed on to the one with the fewest";
    connections_open: Gauge, Count, "ringpost_connections_open",
        "SMTP connections that are open";
    connections_accepted: Counter, Count, "ringpost_connections_accepted_total",
        "SMTP connections that were accepted";
    connections_refused: CounterBy<Refusal>, Count, "ringpost_connections_refused_total",
        "SMTP connections refused before the banner, by reason";
    accept_errors: CounterBy<AcceptError>, Count, "ringpost_accept_errors_total",
        "Connections that could not be accepted or handed on, by what the kernel said";
    sessions: CounterBy<SessionEnd>, Count, "ringpost_sessions_total",
        "Sessions that ended, by how they ended";
    commands: Tallied<Verb>, Count, "ringpost_commands_total",
        "Commands received, by verb";
    replies: Tallied<Code>, Count, "ringpost_replies_total",
        "Replies sent, by code";
    refusals: CounterBy<Refusal>, Count, "ringpost_refusals_total",
        "Refusals sent, by reason";
    tls_handshakes: CounterBy<TlsVersion>, Count, "ringpost_tls_handshakes_total",
        "TLS handshakes that were completed, by version";
    tls_handshakes_resumed: CounterBy<TlsVersion>, Count, "ringpost_tls_handshakes_resumed_total",
        "Those of them that resumed a session by its ticket, by version";
    tls_handshake_failures: CounterBy<TlsFailure>, Count, "ringpost_tls_handshake_failures_total",
        "TLS handshakes that failed, by reason";
    tickets_refused: CounterBy<TicketRefused>, Count, "ringpost_tls_tickets_refused_total",
        "Session tickets of clients that were not resumed, by cause; a full handshake follows";
    certificate_expiry: GaugePerFile, Seconds, "ringpost_tls_certificate_expiry_timestamp_seconds",
        "When the certificate that is served from a file expires, in seconds since 1970; its issuers' certificates do not count";
    tls_files_unusable: GaugeBy<TlsFiles>, Count, "ringpost_tls_files_unusable",
        "1 while the files on disk cannot be loaded, so that those from before stay in use; else 0";
    messages: Tallied<MessageOutcome>, Count, "ringpost_messages_total",
        "Messages by the reply to DATA or to the end of the data: 250, 4xx, 5xx";
    message_bytes: Tallied, Bytes, "ringpost_message_bytes_total",
        "Bytes of accepted messages, as received";
    message_size: TalliedHistogram<Sizes>, Bytes, "ringpost_message_size_bytes",
        "Size of an accepted message, as received";
    receive_to_reply: TalliedHistogram<Times>, Seconds, "ringpost_receive_to_reply_seconds",
        "From the last byte of the data to the 250";
    topic_records: TalliedPerTopic, Count, "ringpost_topic_records_total",
        "Records stored, by topic: a mail whose recipients do not share a record has several";
    produce_to_report: TalliedHistogram<Times>, Seconds, "ringpost_produce_to_report_seconds",
        "From handing a record to librdkafka to its delivery report";
    in_flight_messages: TalliedGauge, Count, "ringpost_in_flight_messages",
        "Messages between the reply to DATA and the end of their delivery report";
    in_flight_bytes: TalliedGauge, Bytes, "ringpost_in_flight_bytes",
        "Bytes that those messages hold of limits.in_flight_bytes";
    late_reports: Counter, Count, "ringpost_late_reports_total",
        "Delivery reports that came after their session had stopped waiting for them";
    objects_stored: Counter, Count, "ringpost_objects_stored_total",
        "Large messages whose object is complete";
    objects_bytes: Counter, Bytes, "ringpost_objects_stored_bytes_total",
        "Bytes of those messages, as received";
    object_failures: CounterBy<ObjectFailure>, Count, "ringpost_object_failures_total",
        "Uploads of large messages that failed, by what the store said";
    object_store_time: TalliedHistogram<Times>, Seconds, "ringpost_object_store_seconds",
        "From the last byte of a large message to the completion of its object";
    object_uploads: Gauge, Count, "ringpost_object_uploads",
        "Uploads of large messages that are under way";
    kafka_queued_messages: Gauge, Count, "ringpost_kafka_queued_messages",
        "Records in librdkafka's queues (msg_cnt)";
    kafka_queued_bytes: Gauge, Bytes, "ringpost_kafka_queued_bytes",
        "Bytes in librdkafka's queues (msg_size)";
    kafka_transmitted_requests: Gauge, Count, "ringpost_kafka_transmitted_requests",
        "Requests sent to brokers since the start (tx)";
    kafka_transmitted_messages: Gauge, Count, "ringpost_kafka_transmitted_messages",
        "Records sent to brokers since the start (txmsgs)";
    kafka_transmitted_bytes: Gauge, Bytes, "ringpost_kafka_transmitted_bytes",
        "Bytes of those records, framing included (txmsg_bytes)";
    kafka_broker_rtt_average: Gauge, Seconds, "ringpost_kafka_broker_rtt_average_seconds",
        "Average round trip to the slowest broker in the last window of statistics";
    kafka_broker_rtt_p99: Gauge, Seconds, "ringpost_kafka_broker_rtt_p99_seconds",
        "99th percentile of the round trip to the slowest broker in the last window of statistics";
    last_stored: Latest, Seconds, "ringpost_last_stored_timestamp_seconds",
        "When a record was last stored, in seconds since 1970; 0 before the first";
    topic_last_stored: LatestPerTopic, Seconds, "ringpost_topic_last_stored_timestamp_seconds",
        "The same, by topic";
    topic_replicas: GaugePerTopic, Count, "ringpost_topic_replicas",
        "The fewest replicas that a partition of the topic has, when it was last seen; 0 before that";
    topic_in_sync: GaugePerTopic, Count, "ringpost_topic_in_sync_replicas",
        "The fewest replicas in sync that a partition of the topic has, when it was last seen; 0 before that";
    topic_min_in_sync: GaugePerTopic, Count, "ringpost_topic_min_insync_replicas",
        "min.insync.replicas of the topic, when it was last seen; 0 before that, and where ringpost may not read it";
    required_in_sync: Gauge, Count, "ringpost_required_min_insync_replicas",
        "kafka.require_in_sync: topics with less get no mail";
    storage_away: Gauge, Count, "ringpost_storage_away",
        "1 while no mail can be stored, as /readyz says; else 0";
    storage_fails_fast: Gauge, Count, "ringpost_storage_fails_fast",
        "1 while senders are refused before their mail (kafka.fail_fast_after); else 0";
    storage_probes: Counter, Count, "ringpost_storage_probes_total",
        "Questions to brokers about a topic, by which ringpost finds out whether mail can be stored";
    recipients_topic_entries: Gauge, Count, "ringpost_recipients_topic_entries",
        "Addresses and domains that recipients.topic names now";
    recipients_topic_changes: Counter, Count, "ringpost_recipients_topic_changes_total",
        "Names that came or went since recipients.topic was read at the start";
    recipients_topic_invalid_keys: Counter, Count, "ringpost_recipients_topic_invalid_keys_total",
        "Records of recipients.topic that were passed over because their key is no address and no domain";
    recipients_topic_foreign_keys: Counter, Count, "ringpost_recipients_topic_foreign_keys_total",
        "Records of recipients.topic that name recipients of a domain which is not in recipients.domains";
    recipients_topic_behind: Gauge, Seconds, "ringpost_recipients_topic_behind_seconds",
        "Time since all records of recipients.topic were last known to be in force; 0 while they are, and without such a topic";
    recipients_topic_last_record: Gauge, Seconds, "ringpost_recipients_topic_last_record_timestamp_seconds",
        "Time stamp of the record of recipients.topic that was read last, in seconds since 1970; 0 before the first";
    reloads: CounterBy<ReloadResult>, Count, "ringpost_reloads_total",
        "Reloads on SIGHUP, by whether they were applied";
    reload_successful: Gauge, Count, "ringpost_reload_last_successful",
        "1 if the last reload was applied, or there was none; 0 if it failed, so that a restart would fail too";
    reload_success_time: Gauge, Seconds, "ringpost_reload_last_success_timestamp_seconds",
        "When the configuration that is in force was read, at the start or by a reload, in seconds since 1970";
    log_lines_dropped: Counter, Count, "ringpost_log_lines_dropped_total",
        "Log lines dropped because standard error was slow";
}

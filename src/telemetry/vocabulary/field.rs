//! The fields of log lines, a row each: name, kind, an example, and what it says.
//!
//! Owns: the names. Must not know: which line has which field.

use super::kind::{Field, Kind, List, Milliseconds, Number, Row, Text, Word};

/// Fields that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// What they are about: a heading of the page.
    pub title: &'static str,
    /// The fields.
    pub rows: &'static [Row],
}

macro_rules! fields {
    ($($title:literal { $($(#[doc = $what:literal])+ $constant:ident: $kind:ident = $name:literal, $example:literal;)* })*) => {
        $($( $(#[doc = $what])+ pub const $constant: Field<$kind> =
            Field::new($name, concat!(" ", $name, "="), concat!(",\"", $name, "\":")); )*)*

        /// Every field, in the order of the page.
        pub const ALL: &[Group] = &[$( Group {
            title: $title,
            rows: &[$( Row {
                name: $name,
                kind: <$kind as Kind>::NAME,
                unit: <$kind as Kind>::UNIT,
                what: concat!($($what),+),
                example: $example,
            } ),*],
        } ),*];
    };
}

fields! {
    "Who" {
        /// address and port of the client; behind a proxy, those in the PROXY header
        CLIENT: Text = "client", "192.0.2.1:4711";
        /// address and port of the proxy that the connection came from
        PROXY: Text = "proxy", "10.0.0.5:33100";
        /// the network of several clients
        NETWORK: Text = "network", "203.0.113.0/24";
        /// the listening address that the connection came in on, with what is spoken there
        LISTENER: Text = "listener", "0.0.0.0:25 clear+STARTTLS";
        /// the name that the client gave itself in HELO or EHLO
        HELO: Text = "helo", "mail.example.org";
        /// TLS version and cipher suite, or `none`
        TLS: Text = "tls", "TLSv1.3 TLS13_AES_128_GCM_SHA256";
        /// whether the handshake resumed an earlier TLS session: `yes` or `no`
        RESUMED: Word = "resumed", "no";
    }
    "What" {
        /// the queue id, as in the 250 and in the record's `ce_id`
        ID: Word = "id", "01KB5S1V5TQ3M4Y7Z8N9P0R2S3";
        /// the sender (reverse-path); empty for the null sender `<>`
        FROM: Text = "from", "sender@example.org";
        /// recipients: the first five of the message, or the one that was refused
        TO: List = "to", "[\"a@example.com\", \"b@example.com\"]";
        /// how many recipients there are
        RECIPIENTS: Number = "recipients", "2";
        /// bytes of the message: as received, or those that have arrived so far
        SIZE: Number = "size", "4096";
        /// a command line. Of a line that is no SMTP command the first 64 bytes; of AUTH and the like the name alone
        COMMAND: Text = "command", "RCPT TO:<nobody@example.com>";
        /// a reply: code, enhanced code, text
        REPLY: Text = "reply", "550 5.1.1 No such recipient here";
        /// `stored`; `discarded` if `kafka.brokers` is `discard`; else the reason of the refusal
        OUTCOME: Text = "outcome", "stored";
        /// why: of refusals the reason in [protocol.md](protocol.md#refusals), which is also the label of
        /// `ringpost_refusals_total` and `ringpost_connections_refused_total`, or `tls_handshake_failed`; of sessions how they
        /// ended, the label of `ringpost_sessions_total`; of a process what ended it
        REASON: Text = "reason", "unknown_recipient";
        /// what went wrong, in words
        ERROR: Text = "error", "Connection reset by peer (os error 104)";
        /// what is not shown, and why
        LEFT_OUT: Text = "left_out", "message content";
        /// how many there are of what the line is about
        COUNT: Number = "count", "4711";
        /// over how many seconds
        SECONDS: Number = "seconds", "10";
    }
    "How long" {
        /// the TLS handshake of the connection
        TLS_MILLISECONDS: Milliseconds = "tls_milliseconds", "3.207";
        /// from MAIL to DATA or the first BDAT
        ENVELOPE_MILLISECONDS: Milliseconds = "envelope_milliseconds", "41.880";
        /// waiting for room in the in-flight budget (`limits.in_flight_bytes` and `limits.in_flight_messages`)
        ROOM_MILLISECONDS: Milliseconds = "room_milliseconds", "812.004";
        /// waiting for the client's data: from the reply to DATA, or the first BDAT, to the last byte
        DATA_MILLISECONDS: Milliseconds = "data_milliseconds", "38.112";
        /// writing the rest of the message to the store of objects, after the last byte
        OBJECT_MILLISECONDS: Milliseconds = "object_milliseconds", "95.300";
        /// waiting for Kafka: from the record's handover to its outcome
        KAFKA_MILLISECONDS: Milliseconds = "kafka_milliseconds", "7.290";
        /// how long it took: of a message, from the last byte of its data to its outcome; of a mail that is forwarded, from
        /// its record to the last answer
        MILLISECONDS: Milliseconds = "milliseconds", "7.311";
        /// all of a message: from MAIL to its outcome
        TOTAL_MILLISECONDS: Milliseconds = "total_milliseconds", "87.303";
        /// the pause before the mail is tried again
        PAUSE_MILLISECONDS: Milliseconds = "pause_milliseconds", "1722.000";
        /// since the connection was opened
        OPEN_MILLISECONDS: Milliseconds = "open_milliseconds", "90.114";
    }
    "The process" {
        /// ringpost's version
        VERSION: Text = "version", "0.1.0";
        /// `server.hostname`
        HOSTNAME: Text = "hostname", "mx.example.com";
        /// the first ten of `recipients.domains`, and how many more there are
        DOMAINS: Text = "domains", "example.com, *.example.com";
        /// `kafka.brokers`; once it is ready, the address of the quick start's broker
        BROKERS: Text = "brokers", "kafka-1:9092,kafka-2:9092";
        /// a topic: the one that records go to, or that is read
        TOPIC: Text = "topic", "mail";
        /// each address of SMTP with what is spoken there: `clear`, `clear+STARTTLS`, `TLS` (from the first byte), `PROXY+…`
        /// (after a PROXY header)
        SMTP: Text = "smtp", "0.0.0.0:25 clear+STARTTLS, 0.0.0.0:465 TLS";
        /// address of the admin listener; `none` without one
        ADMIN: Text = "admin", "127.0.0.1:9925";
        /// worker threads
        WORKERS: Number = "workers", "2";
        /// a worker, counted from 0
        WORKER: Number = "worker", "1";
        /// the engine that the workers run on: `io_uring` or `epoll`
        IO: Text = "io", "io_uring";
        /// `limits.message_size`, in bytes
        LIMIT_MESSAGE_SIZE: Number = "limit_message_size", "26214400";
        /// `limits.recipients`
        LIMIT_RECIPIENTS: Number = "limit_recipients", "100";
        /// `limits.connections`
        LIMIT_CONNECTIONS: Number = "limit_connections", "50000";
        /// `limits.connections_per_ip`; 0: no limit
        LIMIT_CONNECTIONS_PER_IP: Number = "limit_connections_per_ip", "0";
        /// `limits.in_flight_bytes`, in bytes
        LIMIT_IN_FLIGHT_BYTES: Number = "limit_in_flight_bytes", "268435456";
        /// id of another process, which has taken over
        PROCESS: Number = "process", "4711";
        /// exit code of the process
        EXIT_CODE: Number = "exit_code", "0";
        /// seconds since the process started
        UPTIME_SECONDS: Number = "uptime_seconds", "86400";
        /// how long the drain took
        DRAIN_MILLISECONDS: Milliseconds = "drain_milliseconds", "51.020";
        /// connections that were accepted
        CONNECTIONS: Number = "connections", "120311";
        /// messages that got 250
        MESSAGES_ACCEPTED: Number = "messages_accepted", "2400117";
        /// messages that got 4xx or 5xx after their data or in place of it
        MESSAGES_REFUSED: Number = "messages_refused", "312";
        /// connections that the end of a drain cut off
        CONNECTIONS_CUT_OFF: Number = "connections_cut_off", "0";
        /// records that Kafka had not confirmed by the end of a drain: their senders got no 250
        RECORDS_CUT_OFF: Number = "records_cut_off", "0";
    }
    "Commands that read the topic" {
        /// the consumer group
        GROUP: Text = "group", "mailboxes";
        /// where mail is forwarded to, without a password
        RECEIVER: Text = "receiver", "lmtp:///run/dovecot/lmtp";
        /// the topic that `authenticate` writes
        TO_TOPIC: Text = "to_topic", "mail.checked";
        /// partition of the record
        PARTITION: Number = "partition", "3";
        /// offset of the record
        OFFSET: Number = "offset", "90817";
        /// recipients that the receiver has accepted
        RECIPIENTS_ACCEPTED: Number = "recipients_accepted", "2";
        /// recipients that are in the dead-letter topic
        RECIPIENTS_REFUSED: Number = "recipients_refused", "0";
        /// how often the mail was given to the receiver
        ATTEMPTS: Number = "attempts", "1";
        /// mails that were done with
        MAILS: Number = "mails", "40213";
        /// records that were passed over: no mail, or left out by `--filter`
        PASSED_OVER: Number = "passed_over", "0";
    }
    "Rarer lines" {
        /// options that a reload applied, each with what it was and is; `nothing` where none differs
        CHANGED: Text = "changed", "log.level from info to debug";
        /// recipients that a topic or lists name
        ADDRESSES: Number = "addresses", "120000";
        /// domains that a topic names as a whole, or that mail is taken for
        DOMAIN_COUNT: Number = "domain_count", "7";
        /// records that were read
        RECORDS: Number = "records", "120019";
        /// records among them that could not be used
        INVALID: Number = "invalid", "0";
        /// the key of a record
        KEY: Text = "key", "user@example.com";
        /// the offset that was reached
        REACHED: Number = "reached", "90816";
        /// lists of recipients
        LISTS: Number = "lists", "2";
        /// networks in `access.allow`
        NETWORKS_ALLOWED: Number = "networks_allowed", "2";
        /// networks in `access.deny`
        NETWORKS_DENIED: Number = "networks_denied", "0";
        /// networks in `log.trace_networks`
        NETWORKS_TRACED: Number = "networks_traced", "1";
        /// certificates that are served
        CERTIFICATES: Number = "certificates", "1";
        /// keys of session tickets
        TICKET_KEYS: Number = "ticket_keys", "3";
        /// the first characters of the name of the ticket key that encrypts
        FIRST_KEY: Text = "first_key", "5f2a";
        /// a worker's share of `limits.in_flight_bytes`, in bytes
        SHARE_BYTES: Number = "share_bytes", "536870912";
        /// what one message of `limits.message_size` needs of it, in bytes
        LEAST_BYTES: Number = "least_bytes", "52559872";
        /// `log.level`
        LOG_LEVEL: Text = "log_level", "info";
    }
}

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ALL.iter().flat_map(|group| group.rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_is_there_once_and_its_unit_ends_it() {
        let mut names = BTreeSet::new();
        for row in rows() {
            assert!(names.insert(row.name), "{} is there twice", row.name);
            let plain = |octet: u8| octet.is_ascii_lowercase() || octet == b'_';
            assert!(row.name.bytes().all(plain), "{}", row.name);
            assert_eq!(
                row.unit == Milliseconds::UNIT,
                row.name.ends_with("milliseconds"),
                "{}",
                row.name
            );
        }
    }
}

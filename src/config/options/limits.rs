//! The table `[limits]`: what clients may use up.

use std::time::Duration;

use crate::config::row::{Count, GIB, KIB, Size, Time, hours, milliseconds, rows};

rows! {
    /// What clients may use. These limits bound the memory, whatever clients do.
    limits: Limits {
        /// The largest message that is accepted, advertised as SIZE (RFC 1870). The topic's `max.message.bytes` has to
        /// be at least 64 KiB larger, for the record's headers.
        message_size: u64 = "25MiB", Size(KIB..=GIB);

        /// Recipients of one message; further ones are answered 452, and the sender tries them in another message. RFC
        /// 5321 4.5.3.1.8 asks for 100 at least.
        recipients: usize = "100", Count(1..=10_000);

        /// Open connections, of all workers together; further ones are answered 421. Each needs an open file, so
        /// `ulimit -n` has to be higher.
        connections: usize = "50000", Count(1..=1_000_000);

        /// Open connections from one address; further ones are answered 421. 0: no limit.
        connections_per_ip: usize = "0", Count(0..=1_000_000);

        /// Open connections from one network, whose size the two options below set; further ones are answered 421. 0:
        /// no limit.
        connections_per_network: usize = "0", Count(0..=1_000_000);

        /// Bits of an IPv4 address that make a network.
        network_prefix_ipv4: usize = "24", Count(1..=32);

        /// Bits of an IPv6 address that make a network: one host usually has all addresses of a /64.
        network_prefix_ipv6: usize = "64", Count(1..=128);

        /// Messages that one address may begin in a minute, all at once or spread, over all of its connections; beyond
        /// that, MAIL is answered 451. An IPv6 network counts as one address. 0: no limit.
        messages_per_minute_per_ip: usize = "0", Count(0..=1_000_000);

        /// Messages that may be in flight at once, from their first byte to their reply. Beyond that clients wait, and
        /// after a while are answered 451. A message that becomes several records is one.
        in_flight_messages: usize = "10000", Count(1..=10_000_000);

        /// Memory that the messages in flight may hold together; at least `limits.message_size`. A message that becomes several
        /// records is held once; the keys and headers of these records are added to it.
        in_flight_bytes: u64 = "1GiB", Size(KIB..=1024 * GIB);

        /// How long a client may take to send its next command before it is answered 421. RFC 5321 4.5.3.2.7 asks for
        /// five minutes.
        command_timeout: Duration = "5min", Time(milliseconds(10)..=hours(1));

        /// How long a client may take to send the next part of a message before it is answered 421. RFC 5321 4.5.3.2.5
        /// has three minutes.
        data_timeout: Duration = "3min", Time(milliseconds(10)..=hours(1));

        /// How long a message may take from the reply to DATA, or from its first BDAT, to its end, before the client is
        /// answered 421. Bytes that drip do not extend it.
        message_timeout: Duration = "30min", Time(milliseconds(10)..=hours(24));

        /// The age at which a session is answered 421 as soon as it is outside of a transaction.
        session_timeout: Duration = "24h", Time(milliseconds(10)..=hours(7 * 24));

        /// Messages of one session; the next MAIL is answered 421. Advertised as MAILMAX (RFC 9422). 0: no limit.
        session_messages: usize = "0", Count(0..=1_000_000_000);

        /// Bytes of all messages of one session; once they are reached, the next MAIL is answered 421. 0: no limit.
        session_bytes: u64 = "0", Size(0..=1024 * GIB);

        /// Commands in a row that bring no message forward, such as NOOP, before a session is answered 421 and closed.
        /// An accepted recipient, a chunk and a message restart the count.
        idle_commands: usize = "1000", Count(1..=1_000_000);

        /// Erroneous commands of a session before it is answered 421 and closed. A stored message resets the count;
        /// refused recipients are counted by `limits.unknown_recipients`.
        errors: usize = "20", Count(1..=10_000);

        /// Refused recipients (550) of a session before it is answered 421 and closed, so that a client cannot try out
        /// names without end. A stored message resets the count.
        unknown_recipients: usize = "100", Count(1..=1_000_000);
    }
}

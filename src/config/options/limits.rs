//! The table `[limits]`: what clients may use up.

use std::time::Duration;

use crate::config::row::{Count, GIB, KIB, Size, Time, hours, milliseconds, rows};

rows! {
    /// What clients may use up. Memory is bounded by these, whatever clients do.
    limits: Limits {
        /// The largest message that is taken, advertised as SIZE (RFC 1870). The topic's `max.message.bytes` has to
        /// allow it with 64 KiB to spare for the record's headers.
        message_size: u64 = "25MiB", Size(KIB..=GIB);

        /// Recipients of one message; further ones are answered 452, and the sender tries them in another message. RFC
        /// 5321 4.5.3.1.8 asks for 100 at least.
        recipients: usize = "100", Count(1..=10_000);

        /// Open connections, of all workers together; further ones are answered 421. Each needs an open file: `ulimit
        /// -n` has to be higher.
        connections: usize = "50000", Count(1..=1_000_000);

        /// Open connections from one address; further ones are answered 421. 0: no limit.
        connections_per_ip: usize = "0", Count(0..=1_000_000);

        /// Open connections from one network, which is as large as the two options below say; further ones are answered
        /// 421. 0: no limit.
        connections_per_network: usize = "0", Count(0..=1_000_000);

        /// Bits of an IPv4 address that make a network.
        network_prefix_ipv4: usize = "24", Count(1..=32);

        /// Bits of an IPv6 address that make a network: one host usually has all addresses of a /64.
        network_prefix_ipv6: usize = "64", Count(1..=128);

        /// Messages that one address may begin in a minute, all at once or spread, over all of its connections; at a
        /// further one MAIL is answered 451. An IPv6 network counts as one address. 0: no limit.
        messages_per_minute_per_ip: usize = "0", Count(0..=1_000_000);

        /// Messages that may be under way at once, from their first octet to their reply. Beyond it clients wait, and
        /// after a while are answered 451.
        in_flight_messages: usize = "10000", Count(1..=10_000_000);

        /// Memory that those messages may hold together; no less than `limits.message_size`.
        in_flight_bytes: u64 = "1GiB", Size(KIB..=1024 * GIB);

        /// How long a client may wait with its next command before it is answered 421. RFC 5321 4.5.3.2.7 asks for five
        /// minutes.
        command_timeout: Duration = "5min", Time(milliseconds(10)..=hours(1));

        /// How long a client may wait with the next part of a message before it is answered 421. RFC 5321 4.5.3.2.5 has
        /// three minutes.
        data_timeout: Duration = "3min", Time(milliseconds(10)..=hours(1));

        /// How long a message may take from the reply to DATA, or from its first BDAT, to its end, however its octets
        /// drip, before the client is answered 421.
        message_timeout: Duration = "30min", Time(milliseconds(10)..=hours(24));

        /// The age at which a session is answered 421 as soon as it is outside of a transaction.
        session_timeout: Duration = "24h", Time(milliseconds(10)..=hours(7 * 24));

        /// Messages of one session; the next MAIL is answered 421. Advertised as MAILMAX (RFC 9422). 0: no limit.
        session_messages: usize = "0", Count(0..=1_000_000_000);

        /// Octets of all messages of one session; once they are reached, the next MAIL is answered 421. 0: no limit.
        session_bytes: u64 = "0", Size(0..=1024 * GIB);

        /// Commands in a row that bring no message forward, such as NOOP, before a session is answered 421 and closed.
        /// An accepted recipient, a chunk and a message start the count anew.
        idle_commands: usize = "1000", Count(1..=1_000_000);

        /// Erroneous commands of a session before it is answered 421 and closed. A message that is stored takes them
        /// back; recipients that are not taken are counted by `limits.unknown_recipients`.
        errors: usize = "20", Count(1..=10_000);

        /// Recipients of a session that are not taken (550) before it is answered 421 and closed, so that nobody can
        /// try out names without end. A message that is stored takes them back.
        unknown_recipients: usize = "100", Count(1..=1_000_000);
    }
}

//! Every bound of ringpost that is not a configuration key: its unit in the name, the sentence that derives it, and the
//! relations between them as `const` assertions. The protocol's own bounds are those of `ringpost-proto`.
//!
//! Bounds that an operator sets (message size, recipients, connections, time-outs) live in [`crate::config`], whose one
//! table holds their ranges.

pub use ringpost_proto::limits::*;

/// Room of a worker's buffer that commands are read into: it takes the pipelined group of a common transaction whole, and
/// a small message that comes by BDAT with its commands.
pub const COMMAND_BUFFER_OCTETS: usize = 8 * COMMAND_LINE_OCTETS;

/// Room of a new body when nothing is known of the message to come: many mails are smaller.
pub const BODY_INITIAL_OCTETS: usize = 16 * 1024;

/// The most that is set aside at once for a body because of its announced size (SIZE=, or the size of the last message).
/// An announcement costs the sender nothing, so it gets no more than this before the bytes arrive, where memory is short.
pub const BODY_TRUSTED_OCTETS: usize = 256 * 1024;

/// While the in-flight budget is mostly free, an announced size is trusted up to this fraction of the rest, if that is more: a
/// large message then has its whole buffer at once, and is not copied as it grows. Each such message leaves less to the next.
pub const BODY_TRUSTED_SHARE: usize = 256;

/// Room beside the expected bytes of a message: its Received field, and a terminator that is read with it.
pub const BODY_MARGIN_OCTETS: usize = 1024;

/// A body's buffer grows to at most this many times its size at once, so an announced or expected size is fully trusted
/// once an eighth of it has arrived.
pub const BODY_GROWTH_MOST: usize = 8;

/// Bytes of bodies' buffers that a worker keeps when it has nothing to do. After a burst it has more, within the in-flight
/// budget, and frees half of the rest at each look at the deadlines.
pub const BUFFERS_KEPT_OCTETS: usize = 32 * 1024 * 1024;

/// Empty records that a worker keeps for their memory, under a kilobyte each: more than are in flight at once on a busy
/// worker.
pub const RECORDS_KEPT: usize = 1024;

/// Buffers of replies that a worker keeps, a few hundred bytes each: a session has one while it has something to say.
pub const OUTPUTS_KEPT: usize = 1024;

/// The largest of those buffers that is kept: the replies to a common group of commands, or to EHLO, many times over.
pub const OUTPUT_KEPT_OCTETS: usize = 4 * 1024;

/// A body's buffer grows when less than this is left, so that a read of the kernel is never tiny.
pub const BODY_MINIMUM_READ_OCTETS: usize = 4 * 1024;

/// The most that one read of a body takes: bounds the work per wake-up, so that one fast sender cannot keep a worker
/// from the others, and is little enough to be in the core's cache still when it is looked at.
pub const BODY_READ_OCTETS: usize = 256 * 1024;

/// The most plaintext bytes of one TLS record (RFC 8446 5.1).
pub const TLS_RECORD_PLAIN_OCTETS: usize = 16 * 1024;

/// The least that one read of ciphertext takes: a handshake's flight or a group of commands.
pub const TLS_READ_OCTETS: usize = 4 * 1024;

/// The most that one read of ciphertext takes: a few records, so that a large body costs few reads and a connection no
/// more than this beside its body.
pub const TLS_INCOMING_OCTETS: usize = 64 * 1024;

/// Bytes of a key of `tls.ticket_keys`: as many as SHA-256 puts out, which derives from it, and as AES-256 takes.
pub const TICKET_KEY_OCTETS: usize = 32;

/// The most keys in `tls.ticket_keys`. A rotation needs three; the rest is for operators that rotate often.
pub const TICKET_KEYS_MOST: usize = 16;

/// The most bytes of the file of `tls.ticket_keys`: its keys, with a long comment for each.
pub const TICKET_KEYS_FILE_OCTETS: u64 = 16 * 1024;

/// The most bytes of the file of `kafka.properties_file`: its properties, keys and certificates in PEM among them.
pub const KAFKA_PROPERTIES_FILE_OCTETS: u64 = 64 * 1024;

/// How long a TLS session can be resumed, in seconds: 12 hours, so that a sender that comes back the same day saves the
/// handshake, and what a stolen key reveals of TLS 1.2 does not reach back much farther than the rotation of keys does. RFC
/// 8446 4.6.1 allows seven days.
pub const TICKET_LIFETIME_SECONDS: u32 = 12 * 60 * 60;

/// How far in the future a ticket may have been issued, in seconds: the clocks of instances that share keys may differ by this.
pub const TICKET_SKEW_SECONDS: u64 = 5 * 60;

/// How long the keys that no file names encrypt, in milliseconds: they are kept for a ticket's lifetime after that.
pub const TICKET_KEY_MILLISECONDS: u64 = 6 * 60 * 60 * 1000;

/// The most bytes of a ticket. A session is its name of at most 255 bytes, a secret of at most 48 and some 30 more.
pub const TICKET_OCTETS: usize = 512;

/// Connections that a worker on io_uring accepts after one wait, per listener; then the others have their turn.
pub const ACCEPTS_AT_ONCE: u32 = 64;

/// A worker hands connections on once it has more than its share of them and this fraction of that: 1/8. Of few connections the
/// fraction is none, and no worker has more than its share, rounded up.
pub const SHARE_TOLERANCE: usize = 8;

/// Connections that one worker hands on in a minute at the most. Long-lived ones come less often, and where short ones come faster
/// than that, handing on costs more than it gains.
pub const HANDED_ON_A_MINUTE: usize = 600;

/// Connections on their way to one worker; further ones stay where they were accepted.
pub const HANDED_ON_MOST: usize = 256;

/// Parts of the table of clients, each with its own lock: workers that accept at the same time seldom meet.
pub const ADMISSION_SHARDS: usize = 16;

/// Message rates that one of these parts remembers before it forgets those that are not in use: 65,536 in all, of some
/// 150 bytes each.
pub const RATES_PER_SHARD: usize = 4096;

/// Length of the queue of connections that the kernel completed and no worker has accepted yet; the kernel cuts it to
/// net.core.somaxconn.
pub const LISTEN_BACKLOG: i32 = 4096;

/// How long an accept loop rests after an error such as a full table of open files, in milliseconds.
pub const ACCEPT_RETREAT_MILLISECONDS: u64 = 100;

/// Smallest number of entries of a worker's submission queue. tokio-uring flushes a full queue by itself; a large one
/// saves it from doing so in the middle of a wake-up.
pub const SUBMISSION_ENTRIES: u32 = 1024;

/// Largest completion queue that the kernel grants (IORING_MAX_CQ_ENTRIES is twice this many submissions).
pub const COMPLETION_ENTRIES_MAXIMUM: u32 = 65_536;

/// What a record of a mail that became several takes beside the body, its key and the values of its headers, which are there twice: the
/// names, the lists that hold them here and in librdkafka, and what librdkafka keeps of a message.
pub const PART_OVERHEAD_OCTETS: usize = 2048;

/// The same with a key and values that are as long as SMTP allows, the recipients not counted: two paths, the names of client and
/// server, and what is short.
pub const PART_OCTETS_MOST: usize =
    PART_OVERHEAD_OCTETS + 2 * (2 * PATH_OCTETS + COMMAND_LINE_OCTETS + DOMAIN_OCTETS + 512);

/// Routes of a configuration; 16 bits name one of their topics.
pub const ROUTES_MOST: usize = 1000;

/// Topics of a configuration: two of its own, and two of each route.
pub const TOPICS_MOST: usize = 2 + 2 * ROUTES_MOST;

const _: () = assert!(TOPICS_MOST <= u16::MAX as usize);

/// Delivery reports that may wait between the librdkafka thread and a worker, in batches. One batch is whatever one
/// event brought, and records in flight are bounded by the budget, so the channel cannot be the first to fill.
pub const REPORT_BATCHES: usize = 65_536;

/// Bytes that a record's key, headers and framing add to the message: 64 KiB covers the envelope of several hundred
/// recipients; a larger envelope is counted by its real size when the record is built.
pub const RECORD_OVERHEAD_OCTETS: usize = 64 * 1024;

/// The least that a topic has to hold of a message before mail is taken for it, where `limits.message_size` is not lower:
/// RFC 5321 4.5.3.1.7 has every server take 64 KiB, and with a lower SIZE ordinary mail would bounce.
pub const MESSAGE_FLOOR_OCTETS: usize = 64 * 1024;

/// Bytes that the in-process broker keeps of one partition (librdkafka's mock cluster, `rd_kafka_mock_partition_init`);
/// beyond them it drops the oldest batch.
pub const EMBEDDED_PARTITION_OCTETS: usize = 5 * 1024 * 1024;

/// Partitions of the in-process broker: together they keep some 320 MiB.
pub const EMBEDDED_PARTITIONS: usize = 64;

/// The largest message that the in-process broker is given, and so the SIZE of the quick start. A batch that makes a partition
/// drop all older ones is itself lost to readers (the mock cluster then sets the partition's start to its end), so any
/// two neighbours have to fit: half of what a partition keeps, less what a record has beside its message.
pub const EMBEDDED_MESSAGE_OCTETS: usize = EMBEDDED_PARTITION_OCTETS / 2 - RECORD_OVERHEAD_OCTETS;

/// Pause between two looks at what the in-process broker has dropped, in milliseconds. The look asks it for 64 offsets, and is
/// only taken after mail has come.
pub const EMBEDDED_WATCH_MILLISECONDS: u64 = 1_000;

/// A record of at least this many bytes takes the producer for large ones. Writing 1 MiB to loopback or a 10 Gbit/s
/// network takes about a millisecond, less than the linger that a small record waits anyway; so a small record is
/// delayed by no more than its usual linger. It is above `batch.size`, so that no large record waits for others.
pub const LARGE_RECORD_OCTETS: usize = 1024 * 1024;

/// The buffer of a message that goes to the store of large messages while it arrives: one is filled while the store takes the
/// one before. Stores want parts of 5 MiB or more.
pub const OBJECT_BUFFER_OCTETS: usize = 8 * 1024 * 1024;

/// The size of every part of an object but its last: some stores want all of them equal. The rest of the buffer is what a read may
/// bring beyond a part.
pub const OBJECT_PART_OCTETS: usize = OBJECT_BUFFER_OCTETS - BODY_READ_OCTETS;

/// The most of a header section that a record has as its value if the message is an object. Larger ones are rare, and all of it is
/// in the object.
pub const HEADER_SECTION_OCTETS: usize = 256 * 1024;

/// Memory that one message holds at the most while it goes to the store: two buffers, and its header section.
pub const OBJECT_MEMORY_OCTETS: usize = 2 * OBJECT_BUFFER_OCTETS + HEADER_SECTION_OCTETS;

/// `batch.size`: bytes at which a batch of records is sent without waiting for more.
pub const BATCH_OCTETS: usize = 1_000_000;

/// A session's own deadline for the delivery report is this much longer than Kafka's, in milliseconds: librdkafka's
/// verdict is more precise, so it gets time to arrive.
pub const REPORT_GRACE_MILLISECONDS: u64 = 1_000;

/// Time for which a message may wait for room in the in-flight budget before the client gets 451, in milliseconds.
pub const BUDGET_WAIT_MILLISECONDS: u64 = 20_000;

/// How long a PROXY header may take, in milliseconds: a load balancer sends it with the first packet.
pub const PROXY_HEADER_MILLISECONDS: u64 = 5_000;

/// How long a connection that ends with a refusal goes on reading what the client still sends, in milliseconds: a socket that
/// is closed with unread bytes is reset, and a reset may take the reply with it before the client has read it.
pub const LINGER_MILLISECONDS: u64 = 5_000;

/// The largest file of a webhook's secrets, header fields or certificates: a bundle of all public authorities has a quarter of it.
pub const WEBHOOK_FILE_OCTETS: u64 = 1024 * 1024;

/// Secrets that sign one POST: the current one and the next, and room for those of several receivers.
pub const WEBHOOK_SECRETS_MOST: usize = 8;

/// The shortest secret that the Standard Webhooks specification allows.
pub const WEBHOOK_SECRET_OCTETS_LEAST: usize = 24;

/// The longest one.
pub const WEBHOOK_SECRET_OCTETS_MOST: usize = 64;

/// Header fields of one POST, in bytes. Servers take 8 KiB (nginx, Apache; for one field) to 64 KiB (Python), and few take more; a
/// hundred recipients need some 5 KiB.
pub const WEBHOOK_HEADER_OCTETS: usize = 64 * 1024;

/// Bytes of an answer that are read so that its connection can be used again; after that, a new one costs less.
pub const WEBHOOK_ANSWER_OCTETS: usize = 64 * 1024;

/// Bytes of an answer that its words are taken from.
pub const WEBHOOK_WORDS_OCTETS: usize = 4 * 1024;

/// Bytes of an answer's words that are kept, as one line: a header of a dead letter, and a line of the log.
pub const WEBHOOK_WORDS: usize = 400;

/// The longest time that an application's Retry-After holds a mail back, in seconds: a mistake there is not to stop mail for days.
pub const WEBHOOK_RETRY_AFTER_SECONDS: u64 = 3_600;

/// How long the end of a TLS session may take to be written, in milliseconds: nothing depends on it.
pub const FAREWELL_MILLISECONDS: u64 = 1_000;

/// Shortest and longest pause between two looks at the deadlines of a worker's sessions, in milliseconds: SMTP's
/// deadlines are minutes, tests use some of 50 ms.
pub const SWEEP_MINIMUM_MILLISECONDS: u64 = 20;

/// See [`SWEEP_MINIMUM_MILLISECONDS`].
pub const SWEEP_MAXIMUM_MILLISECONDS: u64 = 1_000;

/// How long a client has to be silent outside of a transaction, while the server stops, until it gets 421, in milliseconds: more
/// than a round trip to anywhere, so that one that is about to speak does so.
pub const DRAIN_SILENCE_MILLISECONDS: u64 = 2_000;

/// How long a server that stops lets clients speak outside of a transaction, in milliseconds: to begin one takes a few round trips.
pub const DRAIN_TALK_MILLISECONDS: u64 = 10_000;

/// How long each step of a takeover may take, in seconds: the last one is the start of the workers, which takes milliseconds.
pub const TAKEOVER_STEP_SECONDS: u64 = 10;

/// How long a server that is to take over waits until it is ready itself, in seconds, before it gives up.
pub const TAKEOVER_READY_SECONDS: u64 = 60;

/// A sender waits ten minutes for the reply to its data (RFC 5321 4.5.3.2.6).
pub const SENDER_PATIENCE_MILLISECONDS: u64 = 600_000;

/// Bytes of log lines that may wait for a slow terminal before further lines are dropped and counted: some 60,000 lines.
pub const LOG_OCTETS_WAITING: usize = 16 * 1024 * 1024;

/// Lines of the log that the status page shows: what said that something is wrong, the newest.
pub const LOG_LINES_KEPT: usize = 20;

/// Bytes of each of these lines: an error with its fix fits.
pub const LOG_LINE_KEPT_OCTETS: usize = 600;

/// Pause between two samples of the metrics, from which the status page has its rates, in milliseconds: a scrape takes well under a
/// millisecond of work.
pub const STATUS_SAMPLE_MILLISECONDS: u64 = 2_000;

/// Samples that are kept: those of five minutes and the one before, some 100 numbers each.
pub const STATUS_SAMPLES_KEPT: usize = 5 * 60 * 1000 / STATUS_SAMPLE_MILLISECONDS as usize + 1;

/// Rows of a list on the status page; JSON has all of them.
pub const STATUS_ROWS_SHOWN: usize = 100;

/// Bytes of the messages' log lines that a worker gathers before it hands them over: some sixty lines.
pub const LOG_GATHERED_OCTETS: usize = 16 * 1024;

/// Longest time that a message's log line waits for others before it is handed over, in milliseconds: a person who reads
/// along does not notice it.
pub const LOG_GATHER_MILLISECONDS: u64 = 50;

/// Time within which refusals of the same kind, for the same reason, of clients of the same network are one flood, in
/// milliseconds: a person who reads along waits that long for a count without wondering.
pub const FLOOD_MILLISECONDS: u64 = 10_000;

/// Lines of a flood that are written as they come; the others are counted. As many as the errors after which a session
/// ends by default: one client's session is written whole.
pub const FLOOD_LINES: u32 = 20;

/// The same for messages that the storage did not take: an outage refuses those of all clients, and its own lines say why.
pub const OUTAGE_LINES: u32 = 1;

/// Floods that a worker tells apart, some 60 bytes each; those beyond share one.
pub const FLOODS_TOLD_APART: usize = 256;

/// Bits of an address that make the network of a flood: what one operator of clients usually has.
pub const FLOOD_PREFIX_IPV4: u8 = 24;

/// See [`FLOOD_PREFIX_IPV4`].
pub const FLOOD_PREFIX_IPV6: u8 = 64;

/// Lines of traced connections that a worker writes in a second; the others are counted. Some seventy mails' whole dialogues: at
/// most about 1 MB, as a line is little longer than the longest path.
pub const TRACE_LINES: u32 = 1000;

/// The most `Received` fields of a mail that is forwarded: more of them say that it goes in a circle. RFC 5321 6.3 asks for at least
/// 100, which nothing but a circle reaches.
pub const FORWARD_HOPS_MOST: usize = 100;

const _: () = assert!(COMMAND_BUFFER_OCTETS >= 2 * COMMAND_LINE_OCTETS);
const _: () = assert!(PROXY_HEADER_OCTETS <= COMMAND_BUFFER_OCTETS);
const _: () = assert!(BODY_INITIAL_OCTETS >= 2 * BODY_MINIMUM_READ_OCTETS);
const _: () = assert!(BODY_TRUSTED_OCTETS >= BODY_INITIAL_OCTETS);
const _: () = assert!(BODY_INITIAL_OCTETS >= TLS_RECORD_PLAIN_OCTETS);
const _: () = assert!(TLS_INCOMING_OCTETS > TLS_RECORD_PLAIN_OCTETS);
const _: () = assert!(BODY_READ_OCTETS >= BODY_TRUSTED_OCTETS);
const _: () = assert!(ENVELOPE_OCTETS + 8 * 1024 <= RECORD_OVERHEAD_OCTETS);
const _: () = assert!(LARGE_RECORD_OCTETS >= BATCH_OCTETS);
const _: () = assert!(OBJECT_BUFFER_OCTETS.is_power_of_two());
const _: () = assert!(OBJECT_PART_OCTETS >= 5 * 1024 * 1024);
// The documentation names this number, in KiB.
const _: () = assert!(OBJECT_PART_OCTETS == 7936 * 1024);
const _: () = assert!(HEADER_SECTION_OCTETS < OBJECT_PART_OCTETS);
// A ticket is in a handshake message that the client has to take in one record.
const _: () = assert!(TICKET_OCTETS < TLS_RECORD_PLAIN_OCTETS);
const _: () = assert!(TICKET_SKEW_SECONDS < TICKET_LIFETIME_SECONDS as u64);
const _: () = assert!(TICKET_LIFETIME_SECONDS <= 7 * 24 * 60 * 60);
// A file with all its keys and a line of comment of this length for each is not too large.
const _: () = assert!(TICKET_KEYS_FILE_OCTETS as usize >= TICKET_KEYS_MOST * (45 + 900));
// The documentation names this number.
const _: () = assert!(EMBEDDED_MESSAGE_OCTETS == 2_555_904);
const _: () = assert!(
    2 * (EMBEDDED_MESSAGE_OCTETS + RECORD_OVERHEAD_OCTETS) <= EMBEDDED_PARTITION_OCTETS
        && 2 * BATCH_OCTETS <= EMBEDDED_PARTITION_OCTETS
);
const _: () = assert!(WEBHOOK_WORDS < WEBHOOK_WORDS_OCTETS);
const _: () = assert!(WEBHOOK_WORDS_OCTETS < WEBHOOK_ANSWER_OCTETS);
const _: () = assert!(LOG_GATHERED_OCTETS < LOG_OCTETS_WAITING);
const _: () = assert!(SWEEP_MAXIMUM_MILLISECONDS < FLOOD_MILLISECONDS);
const _: () = assert!(SWEEP_MINIMUM_MILLISECONDS < SWEEP_MAXIMUM_MILLISECONDS);
const _: () = assert!(DRAIN_SILENCE_MILLISECONDS < DRAIN_TALK_MILLISECONDS);
const _: () =
    assert!(BUDGET_WAIT_MILLISECONDS + REPORT_GRACE_MILLISECONDS < SENDER_PATIENCE_MILLISECONDS);

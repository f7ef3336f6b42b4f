//! The floor of the Kafka side: a loop around `rd_kafka_produceva` that produces records with the headers of record
//! version 1 and reports the CPU time a record, and the time from produce to report.
//!
//! Two shapes: closed (`--in-flight N`: a record follows as soon as one is reported) and paced (`--rate R`: this many a
//! second, whatever the reports do). One thread produces and takes the reports; the value is one block of memory for all
//! records, so that nothing but librdkafka's work is left. Settings are ringpost's own defaults; `--set` changes them.
//!
//! It prints one line of `name=value` and ends with 1 if a record was not stored.
//!
//! With `--close-early` a batch need not wait for its linger: see [`Closing`].
//!
//! BUGS: paced, records leave in steps of a millisecond, the resolution of `rd_kafka_queue_poll`.

#![allow(unsafe_code)]

use std::ffi::{CString, c_void};
use std::process::ExitCode;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Parser;
use rdkafka::ClientContext;
use rdkafka::bindings as ffi;
use rdkafka::client::Client;
use rdkafka::config::ClientConfig;
use rdkafka::types::{RDKafkaRespErr, RDKafkaType};
use rustix::time::{ClockId, clock_gettime};

/// Produces records with the headers of ringpost's and measures librdkafka alone.
#[derive(Debug, Parser)]
#[command(name = "floor-produce")]
struct Options {
    /// Kafka brokers
    #[arg(long, value_name = "LIST")]
    brokers: String,
    /// An existing topic
    #[arg(long, value_name = "NAME")]
    topic: String,
    /// Bytes of a record's value
    #[arg(long, value_name = "OCTETS", default_value_t = 4096)]
    size: usize,
    /// Records that are measured
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    records: u64,
    /// Records before the measured ones
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    warm_up: u64,
    /// Most records under way
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    in_flight: u64,
    /// Records a second; 0: as fast as --in-flight allows
    #[arg(long, value_name = "R", default_value_t = 0)]
    rate: u64,
    /// Experiment: close the batches as soon as every record that is usually under way waits in one, and none is out
    #[arg(long)]
    close_early: bool,
    /// A property of librdkafka, over ringpost's defaults
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

/// What ringpost sets unless its configuration says otherwise.
const DEFAULTS: [(&str, &str); 11] = [
    ("acks", "all"),
    ("linger.ms", "5"),
    ("batch.size", "1000000"),
    ("compression.type", "none"),
    ("message.max.bytes", "26279936"),
    ("delivery.timeout.ms", "30000"),
    ("request.timeout.ms", "20000"),
    ("reconnect.backoff.max.ms", "1000"),
    ("queue.buffering.max.messages", "1000000"),
    ("queue.buffering.max.kbytes", "2147483647"),
    ("statistics.interval.ms", "5000"),
];

/// Headers of record version 1 beside `ce_id`, with values of usual length.
const HEADERS: [(&str, &str); 11] = [
    ("content-type", "message/rfc822"),
    ("ce_specversion", "1.0"),
    ("ce_source", "//mx.example.net"),
    ("ce_type", "io.ringpost.mail.received.v1"),
    ("ce_time", "2026-01-01T12:00:00.000Z"),
    ("ce_smtpfrom", "sender@example.com"),
    ("ce_smtpto", "[\"recipient@example.net\"]"),
    ("ce_smtphelo", "client.example.com"),
    ("ce_smtpclient", "192.0.2.1:54321"),
    ("ce_smtpprotocol", "ESMTP"),
    ("ce_smtpsize", "4096"),
];

/// Reports that are taken from an event per call.
const REPORTS_A_CALL: usize = 256;

struct Context;

impl ClientContext for Context {}

struct Loop {
    /// Before the client, so that its thread ends first.
    closing: Option<Closing>,
    client: Arc<Client<Context>>,
    topic: NonNull<ffi::rd_kafka_topic_t>,
    queue: NonNull<ffi::rd_kafka_queue_t>,
    value: Vec<u8>,
    start: Instant,
    produced: u64,
    reported: u64,
    failed: u64,
    /// Time from produce to report, in microseconds.
    took: Vec<u32>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match Loop::new(&options) {
        Ok(mut produce) => produce.measure(&options),
        Err(reason) => {
            eprintln!("floor-produce: {reason}");
            ExitCode::from(2)
        }
    }
}

impl Loop {
    fn new(options: &Options) -> Result<Self, String> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &options.brokers);
        for (name, value) in DEFAULTS {
            config.set(name, value);
        }
        for setting in &options.set {
            let (name, value) = setting
                .split_once('=')
                .ok_or_else(|| format!("--set {setting}: give NAME=VALUE"))?;
            config.set(name, value);
        }
        let native = config
            .create_native_config()
            .map_err(|error| error.to_string())?;
        // SAFETY: `native` holds a live configuration object that no client has yet.
        unsafe { ffi::rd_kafka_conf_set_events(native.ptr(), ffi::RD_KAFKA_EVENT_DR) };
        let client = Client::new(&config, native, RDKafkaType::RD_KAFKA_PRODUCER, Context)
            .map_err(|error| error.to_string())?;
        let client = Arc::new(client);
        let name = CString::new(options.topic.as_str()).map_err(|error| error.to_string())?;
        // SAFETY: the client lives; `name` ends with NUL and is copied; null means the default configuration.
        let topic =
            unsafe { ffi::rd_kafka_topic_new(client.native_ptr(), name.as_ptr(), ptr::null_mut()) };
        // SAFETY: the client lives.
        let queue = unsafe { ffi::rd_kafka_queue_get_main(client.native_ptr()) };
        Ok(Self {
            topic: NonNull::new(topic).ok_or("the topic's name is refused")?,
            queue: NonNull::new(queue).ok_or("the client has no queue")?,
            closing: options
                .close_early
                .then(|| Closing::start(Arc::clone(&client))),
            client,
            value: message(options.size),
            start: Instant::now(),
            produced: 0,
            reported: 0,
            failed: 0,
            took: Vec::new(),
        })
    }

    fn measure(&mut self, options: &Options) -> ExitCode {
        self.run(options, options.warm_up);
        (self.produced, self.reported, self.start) = (0, 0, Instant::now());
        self.took = Vec::with_capacity(options.records as usize);
        let (cpu, wall) = (cpu_time(), Instant::now());
        self.run(options, options.records);
        let (cpu, wall) = (cpu_time() - cpu, wall.elapsed());
        assert_eq!(self.took.len() as u64, options.records);
        self.took.sort_unstable();
        let records = options.records as f64;
        let at = |share: f64| f64::from(self.took[(share * (records - 1.0)) as usize]) / 1e3;
        println!(
            "records={} failed={} rate={:.0} cpu_us={:.2} p50_ms={:.2} p99_ms={:.2} max_ms={:.2}",
            options.records,
            self.failed,
            records / wall.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / records,
            at(0.5),
            at(0.99),
            at(1.0),
        );
        ExitCode::from(u8::from(self.failed > 0))
    }

    /// Produces `records` and waits for all their reports.
    fn run(&mut self, options: &Options, records: u64) {
        self.start = Instant::now();
        (self.produced, self.reported) = (0, 0);
        self.took.clear();
        if let Some(closing) = &mut self.closing {
            closing.forget();
        }
        while self.reported < records {
            let due = match options.rate {
                0 => self.reported + options.in_flight,
                rate => (self.start.elapsed().as_secs_f64() * rate as f64) as u64 + 1,
            };
            while self.produced < due.min(records) {
                self.produce();
            }
            if let Some(closing) = &mut self.closing {
                closing.consider(self.produced, self.reported, self.start.elapsed());
            }
            // A closed loop has nothing to do before a report; a paced one has until the next step.
            let mut wait = if options.rate == 0 { 1000 } else { 1 };
            while self.take_reports(wait) {
                wait = 0;
            }
        }
    }

    fn produce(&mut self) {
        use ffi::rd_kafka_vtype_t as tag;
        type Member = ffi::rd_kafka_vu_s__bindgen_ty_1;
        let stamp = self.start.elapsed().as_micros() as usize;
        let headers = self.headers();
        let argument = |vtype, u| ffi::rd_kafka_vu_t { vtype, u };
        let memory = |ptr: *mut c_void, size| Member {
            mem: ffi::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size },
        };
        let value = memory(self.value.as_ptr().cast_mut().cast(), self.value.len());
        let arguments = [
            argument(
                tag::RD_KAFKA_VTYPE_RKT,
                Member {
                    rkt: self.topic.as_ptr(),
                },
            ),
            argument(tag::RD_KAFKA_VTYPE_VALUE, value),
            argument(tag::RD_KAFKA_VTYPE_HEADERS, Member { headers }),
            argument(
                tag::RD_KAFKA_VTYPE_OPAQUE,
                Member {
                    ptr: ptr::without_provenance_mut(stamp),
                },
            ),
        ];
        // SAFETY: client and topic live; the members are what their tags say. The value is neither copied nor freed by
        // librdkafka (no flags), and lives, unchanged, until `self` is dropped, which is after every report. The opaque
        // is a number that is never dereferenced. On success the message owns the headers.
        let error = unsafe {
            ffi::rd_kafka_produceva(
                self.client.native_ptr(),
                arguments.as_ptr(),
                arguments.len(),
            )
        };
        assert!(
            error.is_null(),
            "librdkafka's queue is larger than any --in-flight"
        );
        self.produced += 1;
    }

    fn headers(&self) -> *mut ffi::rd_kafka_headers_t {
        let id = format!("{:026}", self.produced);
        // SAFETY: makes our own list.
        let list = unsafe { ffi::rd_kafka_headers_new(HEADERS.len() + 2) };
        let headers = HEADERS
            .iter()
            .copied()
            .chain([("ce_id", id.as_str()), ("ce_smtpbody", "7BIT")]);
        for (name, value) in headers {
            // SAFETY: the list lives; name and value are memory of the lengths given, copied by the call.
            let code = unsafe {
                ffi::rd_kafka_header_add(
                    list,
                    name.as_ptr().cast(),
                    name.len() as isize,
                    value.as_ptr().cast(),
                    value.len() as isize,
                )
            };
            assert_eq!(code, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
        }
        list
    }

    /// Serves one event, waiting this many milliseconds for it; whether there was one.
    fn take_reports(&mut self, wait: i32) -> bool {
        // SAFETY: the queue lives.
        let event = unsafe { ffi::rd_kafka_queue_poll(self.queue.as_ptr(), wait) };
        if event.is_null() {
            return false;
        }
        let now = self.start.elapsed().as_micros() as usize;
        let mut messages = [ptr::null::<ffi::rd_kafka_message_t>(); REPORTS_A_CALL];
        loop {
            // SAFETY: the event lives, and the array has the length that is passed.
            let count = unsafe {
                ffi::rd_kafka_event_message_array(event, messages.as_mut_ptr(), messages.len())
            };
            for &message in &messages[..count] {
                // SAFETY: a message of an event that lives. The code is read as the number it is in C.
                let (code, stamp) = unsafe {
                    (
                        ptr::addr_of!((*message).err).cast::<i32>().read(),
                        (*message)._private.addr(),
                    )
                };
                self.failed += u64::from(code != 0);
                self.reported += 1;
                self.took.push((now - stamp) as u32);
            }
            if count < messages.len() {
                break;
            }
        }
        // SAFETY: the event is ours and is destroyed once; none of its messages is used any more.
        unsafe { ffi::rd_kafka_event_destroy(event) };
        true
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // SAFETY: both are ours, destroyed once, before the client (a field, so it is dropped after this).
        unsafe {
            ffi::rd_kafka_topic_destroy(self.topic.as_ptr());
            ffi::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// Closes batches early. The rule: as many records are under way as the recent maximum, so a sender with another
/// one waits for a report; and all that were sent have been reported, so no report is about to let one go on.
///
/// librdkafka has one way to end a linger: it is taken as over while a flush is going on. A flush blocks, so a thread does
/// it; it goes on for a millisecond at least, unless everything is reported before.
struct Closing {
    signal: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Records that the last flush, or one before, has sent.
    sent: u64,
    /// The most that were under way in this window and in the one before.
    most: [u64; 2],
    window: Duration,
}

/// How long the most that were under way is remembered, at least.
const WINDOW: Duration = Duration::from_millis(200);

impl Closing {
    fn start(client: Arc<Client<Context>>) -> Self {
        let (signal, signals) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            while signals.recv().is_ok() {
                // SAFETY: the client lives. Reports are events, which this leaves to the other thread.
                unsafe { ffi::rd_kafka_flush(client.native_ptr(), 1) };
            }
        });
        Self {
            signal: Some(signal),
            thread: Some(thread),
            sent: 0,
            most: [0; 2],
            window: Duration::ZERO,
        }
    }

    fn forget(&mut self) {
        (self.sent, self.most, self.window) = (0, [0; 2], Duration::ZERO);
    }

    fn consider(&mut self, produced: u64, reported: u64, now: Duration) {
        let under_way = produced - reported;
        if now - self.window > WINDOW {
            (self.most, self.window) = ([under_way, self.most[0]], now);
        }
        self.most[0] = self.most[0].max(under_way);
        let all_wait = under_way > 0 && under_way >= self.most[1].max(self.most[0]);
        if all_wait && reported >= self.sent {
            self.sent = produced;
            if let Some(signal) = &self.signal {
                // A full channel means that a flush is about to begin.
                let _ = signal.try_send(());
            }
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.signal = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A message of exactly `octets`, in lines.
fn message(octets: usize) -> Vec<u8> {
    let line = b"Subject: the quick brown fox jumps over the lazy dog, again and again.\r\n";
    line.iter().copied().cycle().take(octets).collect()
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

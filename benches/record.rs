//! From a transaction to a record, and the ledger that knows it while it is in flight.

use bytes::BytesMut;
use divan::{AllocProfiler, Bencher, black_box};
use ringpost::sink::ledger::Ledger;
use ringpost_proto::mail::date::Dates;
use ringpost_proto::mail::envelope::{Client, Envelope};
use ringpost_proto::mail::id::Generator;
use ringpost_proto::mail::record::RecordKey;
use ringpost_proto::mail::record::{Record, Stamp};
use ringpost_proto::mail::trace;
use ringpost_proto::smtp::address::{self, Mailbox};
use ringpost_proto::smtp::parameter::Body;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// What an envelope is a view of.
struct Parts {
    recipients: Vec<Mailbox>,
    client: Client,
}

impl Parts {
    fn new(recipients: usize) -> Self {
        let recipient = address::mailbox(b"recipient@example.net").expect("a mailbox");
        Self {
            recipients: vec![recipient; recipients],
            client: Client::new("192.0.2.1:54321".parse().expect("an address")),
        }
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            reverse_path: "sender@example.com",
            recipients: &self.recipients,
            helo: "client.example.com",
            client: &self.client,
            protocol: "ESMTP",
            tls: None,
            body: Body::EightBitMime,
            smtputf8: false,
        }
    }
}

#[divan::bench(args = [1, 10, 100])]
fn record(bencher: Bencher, recipients: usize) {
    let parts = Parts::new(recipients);
    let mut ids = Generator::new(7);
    let mut record = Record::default();
    bencher.bench_local(move || {
        let stamp = Stamp {
            id: ids.next(1_767_225_600_000),
            hostname: "mx.example.net",
            time: b"2026-01-01T00:00:00.000Z",
            size: 4096,
            bare_newlines: false,
            key: RecordKey::None,
            part: None,
        };
        record.fill(black_box(&parts.envelope()), stamp, BytesMut::new());
        let to = record.headers().find(|(name, _)| *name == "ce_smtpto");
        let (_, to) = to.expect("the recipients");
        assert_eq!(
            to.len(),
            recipients * r#""recipient@example.net","#.len() + 1
        );
        record.clear()
    });
}

#[divan::bench]
fn received_field(bencher: Bencher) {
    let parts = Parts::new(1);
    let id = Generator::new(7).next(1_767_225_600_000);
    let mut body = BytesMut::with_capacity(1024);
    bencher.bench_local(move || {
        let date = "Thu, 01 Jan 2026 00:00:00 +0000";
        body.clear();
        let envelope = parts.envelope();
        trace::write(&mut body, black_box(&envelope), "mx.example.net", id, date);
        assert!(body.starts_with(b"Received: from client.example.com") && body.ends_with(b"\r\n"));
    });
}

/// Both dates of a message, the one of its Received field and the one of its record, within a second.
#[divan::bench]
fn dates(bencher: Bencher) {
    let time = jiff::Timestamp::from_second(1_767_225_600).expect("a time");
    let mut dates = Dates::default();
    bencher.bench_local(move || {
        let time = black_box(time);
        let record = dates.rfc3339(time);
        assert_eq!(record.last(), Some(&b'Z'));
        assert_eq!(dates.rfc5322(time).len(), 31);
        record
    });
}

/// A ticket in and out, beside this many that stay.
#[divan::bench(args = [0, 50, 10_000])]
fn ledger(bencher: Bencher, in_flight: usize) {
    let mut ledger = Ledger::new(0);
    let staying: Vec<_> = (0..in_flight).map(|waiter| ledger.open(waiter)).collect();
    bencher.bench_local(|| {
        let ticket = ledger.open(black_box(4711));
        assert_eq!(ledger.close(ticket), 4711);
    });
    assert_eq!(ledger.len(), staying.len());
}

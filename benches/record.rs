//! From a transaction to a record, and the ledger that knows it while it is in flight.

use bytes::BytesMut;
use divan::{AllocProfiler, Bencher, black_box};
use ringpost::config::RecordKey;
use ringpost::mail::envelope::Envelope;
use ringpost::mail::id::Generator;
use ringpost::mail::record::{Record, Stamp};
use ringpost::mail::trace;
use ringpost::sink::ledger::Ledger;
use ringpost::smtp::parameter::Body;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn envelope(recipients: usize) -> Envelope {
    Envelope {
        reverse_path: "sender@example.com".into(),
        recipients: vec!["recipient@example.net".into(); recipients],
        helo: "client.example.com".into(),
        client: "192.0.2.1:54321".parse().expect("an address"),
        protocol: "ESMTP",
        tls: None,
        bare_newlines: false,
        body: Body::EightBitMime,
        smtputf8: false,
    }
}

#[divan::bench(args = [1, 10, 100])]
fn record(bencher: Bencher, recipients: usize) {
    let envelope = envelope(recipients);
    let mut ids = Generator::new(7);
    bencher.bench_local(|| {
        let stamp = Stamp {
            id: ids.next(1_767_225_600_000),
            hostname: "mx.example.net",
            time: "2026-01-01T00:00:00.000Z",
            size: 4096,
            key: RecordKey::None,
        };
        let record = Record::new(black_box(&envelope), stamp, BytesMut::new());
        assert_eq!(
            record
                .headers
                .iter()
                .filter(|(name, _)| *name == "smtp_to")
                .count(),
            recipients
        );
        record
    });
}

#[divan::bench]
fn received_field(bencher: Bencher) {
    let envelope = envelope(1);
    let id = Generator::new(7).next(1_767_225_600_000);
    bencher.bench(|| {
        let date = "Thu, 01 Jan 2026 00:00:00 +0000";
        let field = trace::received(black_box(&envelope), "mx.example.net", id, date);
        assert!(field.starts_with("Received: from client.example.com") && field.ends_with("\r\n"));
        field
    });
}

/// Both dates of a message: the one of its Received field and the one of its record.
#[divan::bench]
fn dates(bencher: Bencher) {
    let time = jiff::Timestamp::from_second(1_767_225_600).expect("a time");
    bencher.bench(|| {
        let time = black_box(time);
        let field = time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let record = time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        assert!(field.len() == 31 && record.len() == 24);
        (field, record)
    });
}

/// A ticket in and out, beside so many that stay.
#[divan::bench(args = [0, 50, 10_000])]
fn ledger(bencher: Bencher, in_flight: usize) {
    let mut ledger = Ledger::new(0);
    let staying: Vec<_> = (0..in_flight).map(|waiter| ledger.open(waiter)).collect();
    bencher.bench_local(|| {
        let ticket = ledger.open(black_box(4711));
        assert_eq!(ledger.close(ticket), Some(4711));
    });
    assert_eq!(ledger.len(), staying.len());
}

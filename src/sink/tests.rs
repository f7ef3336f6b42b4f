//! What every sink holds to, tried with each that needs nothing but this process. A new sink has its value in `sinks`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::Notify;

use super::*;
use crate::config::TopicPlace;
use crate::mail::record::Record;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);
const WORKERS: u32 = 2;
const RECORDS: u32 = 200;

/// The values of `kafka.brokers` whose sinks need nothing but this machine, and what each keeps. One that names a folder names
/// a temporary one.
fn sinks() -> Vec<(Brokers, Keeps)> {
    let tried = [Brokers::Embedded, Brokers::Discard];
    let kept = |brokers| keeps(&brokers).map(|keeps| (brokers, keeps));
    let kept = tried.map(|brokers| kept(brokers).expect("it needs no cluster"));
    kept.into()
}

/// What a sink keeps; none where it cannot be tried here. The compiler asks for each value: add it to `tried` as well.
fn keeps(brokers: &Brokers) -> Option<Keeps> {
    match brokers {
        Brokers::Embedded => Some(Keeps::Memory),
        Brokers::Discard => Some(Keeps::Nothing),
        // It needs a cluster.
        Brokers::List(_) => None,
    }
}

fn started(brokers: &Brokers) -> (Config, Started) {
    let mut config = Config::default();
    config.kafka.brokers = brokers.clone();
    let wakers = (0..WORKERS).map(|_| Arc::new(Notify::new())).collect();
    let observe = Box::new(|_: &Statistics| {});
    let started = start(&config, Setup { wakers, observe }).expect("a sink");
    (config, started)
}

fn ticket(number: u32) -> Ticket {
    Ticket {
        worker: number % WORKERS,
        slot: number,
        turn: 1,
    }
}

fn submit(sink: &dyn Sink, number: u32) -> Submission {
    let mut record = Record::default();
    record.value = BytesMut::from(&number.to_be_bytes()[..]).into();
    sink.submit(TopicPlace::FIRST, ticket(number), Box::new(record))
}

/// The number in a record that came back, which is the one that was handed over.
fn number(record: &Record) -> u32 {
    let value = record.value[..].try_into();
    u32::from_be_bytes(value.expect("four bytes"))
}

#[test]
fn every_record_is_decided_once_and_stored_while_all_is_well() {
    for (brokers, _) in sinks() {
        let (_, started) = started(&brokers);
        let mut decided = HashSet::new();
        for of in 0..RECORDS {
            if let Submission::Done(outcome, record) = submit(&*started.sink, of) {
                assert_eq!((outcome, number(&record)), (Outcome::Stored, of));
                assert!(decided.insert(of), "{brokers}: {of} twice");
            }
        }
        let end = Instant::now() + PATIENCE;
        while decided.len() < RECORDS as usize {
            assert!(Instant::now() < end, "{brokers}: {} decided", decided.len());
            for (worker, reports) in started.reports.iter().enumerate() {
                let batch = reports.recv_timeout(Duration::from_millis(10));
                for report in batch.unwrap_or_default() {
                    let of = number(&report.record);
                    assert_eq!(report.ticket, ticket(of), "{brokers}");
                    assert_eq!(report.ticket.worker as usize, worker, "{brokers}");
                    assert_eq!(report.outcome, Outcome::Stored, "{brokers}");
                    assert!(decided.insert(of), "{brokers}: {of} twice");
                }
            }
        }
        started.sink.drain(PATIENCE);
        assert!(started.reports.iter().all(|reports| reports.is_empty()));
    }
}

#[test]
fn a_drain_decides_what_is_pending_and_whatever_comes_after_it() {
    for (brokers, _) in sinks() {
        let (_, started) = started(&brokers);
        let pending = (0..RECORDS).filter(|&of| {
            let submission = submit(&*started.sink, of);
            matches!(submission, Submission::Pending)
        });
        let pending = pending.count();
        started.sink.drain(Duration::ZERO);
        let reports = started
            .reports
            .iter()
            .flat_map(|reports| reports.try_iter());
        assert_eq!(reports.map(|batch| batch.len()).sum::<usize>(), pending);
        let late = submit(&*started.sink, RECORDS);
        assert!(matches!(late, Submission::Done(..)), "{brokers}: {late:?}");
    }
}

#[test]
fn a_sink_describes_itself_as_it_is_configured() {
    for (brokers, keeps) in sinks() {
        let (config, started) = started(&brokers);
        let described = started.sink.describe();
        assert_eq!(described.topics, config.topics(), "{brokers}");
        assert!(described.message_size <= config.limits.message_size);
        assert_eq!(described.keeps, keeps, "{brokers}");
        let before = configured(&config);
        assert_eq!(before.keeps(), keeps, "{brokers}");
        assert!(before.check().is_ok(), "{brokers}");
        assert!(!before.examine(&|_| {}).is_empty(), "{brokers}");
    }
}

//! What follows from what was found, without a cluster.

use super::super::reason::Reason;
use super::*;
use crate::smtp::refusal::Refusal;

/// A watcher of topics that are not asked about, and what workers see of it.
struct Scene {
    watch: Watch,
    watcher: Watcher,
    now: Instant,
}

fn watching(topics: usize) -> Scene {
    let subjects = (0..topics).map(|_| Subject::of_a_test().advertised());
    let terms = Terms {
        delivery: Duration::from_secs(30),
        fail_fast: Some(Duration::from_secs(5)),
    };
    let observe: Arc<Observe> = Arc::new(Box::new(|_| {}));
    let watcher = Watcher::new(subjects.collect(), terms, observe, &First::Trusted);
    Scene {
        watch: Watch::new(topics),
        watcher,
        now: Instant::now(),
    }
}

impl Scene {
    /// A round three seconds after the last one.
    fn round(&mut self, looked: Looked) {
        self.now += Duration::from_secs(3);
        let records = (false, None);
        let times = (self.now, self.now);
        self.watcher.conclude(&self.watch, looked, times, records);
    }

    fn found(&mut self, findings: &[Vec<Finding>]) {
        let found = findings.iter().cloned().enumerate().collect();
        self.round(Looked::At(found));
    }
}

#[test]
fn a_refusal_for_a_missing_right_has_the_command_though_the_cluster_does_not_tell_rights() {
    let mut scene = watching(1);
    scene.watch.failed(0, Code::TopicAuthorizationFailed, None);
    scene.found(&[vec![]]);
    let reason = scene.watch.ready().unwrap_err().to_string();
    assert!(reason.contains("kafka-acls.sh"), "{reason}");
    assert!(reason.contains("--operation Write"), "{reason}");
}

#[test]
fn a_record_that_is_too_large_leaves_the_server_ready() {
    let mut scene = watching(1);
    scene.watch.failed(0, Code::MessageSizeTooLarge, None);
    scene.found(&[vec![]]);
    assert!(scene.watcher.topics[0].is_too_small() && scene.watcher.storage.reason().is_none());
    assert_eq!(scene.watch.ready(), Ok(()));
}

#[test]
fn a_topic_below_the_floor_closes_the_gate() {
    let mut scene = watching(1);
    scene.found(&[vec![Finding::BelowFloor(1_000)]]);
    assert_eq!(scene.watch.closed(0), Some(Refusal::StorageRefused));
    assert!(scene.watch.ready().is_err());
    scene.found(&[vec![]]);
    assert_eq!(scene.watch.closed(0), None);
}

#[test]
fn senders_are_refused_only_where_no_topic_takes_mail() {
    let mut scene = watching(2);
    let missing = || vec![Finding::Missing(1)];
    for _ in 0..3 {
        scene.found(&[missing(), vec![]]);
    }
    assert_eq!(scene.watch.intake(), Intake::Open);
    assert_eq!(scene.watch.closed(0), Some(Refusal::StorageUnavailable));
    assert_eq!((scene.watch.closed(1), scene.watch.ready()), (None, Ok(())));
    assert!(scene.watcher.topics[0].story.reason().is_some());
    for _ in 0..3 {
        scene.found(&[missing(), missing()]);
    }
    assert_eq!(scene.watch.intake(), Intake::Closed);
    assert!(scene.watch.ready().is_err());
    scene.found(&[missing(), vec![]]);
    assert_eq!(
        (scene.watch.intake(), scene.watch.ready()),
        (Intake::Open, Ok(()))
    );
}

#[test]
fn the_look_that_decides_over_senders_is_short_and_those_after_it_are_patient() {
    let mut scene = watching(1);
    assert_eq!(scene.watcher.wait(Intake::Open, scene.now), LOOK_WAIT);
    scene.found(&[vec![Finding::Missing(1)]]);
    let late = scene.now + Duration::from_secs(9);
    for (intake, wait) in [
        (Intake::Open, LOOK_WAIT / 2),
        (Intake::Closed, LOOK_WAIT_AWAY),
    ] {
        assert_eq!(scene.watcher.wait(intake, late), wait);
    }
}

#[test]
fn a_cluster_that_refuses_mail_leaves_the_banner() {
    let mut scene = watching(1);
    for _ in 0..2 {
        scene.found(&[vec![Finding::BelowFloor(1_000)]]);
    }
    assert_eq!(scene.watch.intake(), Intake::NoMail);
}

#[test]
fn one_leader_is_enough() {
    let mut scene = watching(1);
    for _ in 0..3 {
        scene.found(&[vec![Finding::Leaderless(3, 4)]]);
    }
    assert_eq!(scene.watch.intake(), Intake::Open);
    assert!(scene.watch.ready().is_err());
}

#[test]
fn a_silence_beside_what_is_stored_is_no_trouble() {
    let mut scene = watching(1);
    let silent = || Looked::Silent(Finding::Unreachable("refused".to_owned()));
    for _ in 0..5 {
        scene.watch.stored(0);
        scene.now = Instant::now();
        let times = (scene.now, scene.now);
        scene
            .watcher
            .conclude(&scene.watch, silent(), times, (false, None));
        assert!(scene.watcher.storage.reason().is_none());
    }
    for _ in 0..2 {
        scene.round(silent());
    }
    assert!(scene.watcher.storage.reason().is_some());
}

#[test]
fn a_record_that_was_refused_is_no_reason_to_call_brokers_silent_that_store_others() {
    let mut scene = watching(1);
    scene.watch.stored(0);
    scene.watch.failed(0, Code::QueueFull, None);
    scene.now = Instant::now();
    let silent = Looked::Silent(Finding::Unreachable("refused".to_owned()));
    let times = (scene.now, scene.now);
    scene
        .watcher
        .conclude(&scene.watch, silent, times, (false, None));
    let reason = scene.watcher.storage.reason();
    assert!(matches!(reason, Some(Reason::Failure(_))), "{reason:?}");
}

#[test]
fn brokers_that_confirm_nothing_are_named_where_none_answers_a_question() {
    let mut scene = watching(1);
    scene.watcher.leaders.holding = vec!["k2:9092".to_owned()];
    scene.watcher.leaders.silent = vec!["k1:9092".to_owned()];
    for _ in 0..3 {
        scene.now += Duration::from_secs(3);
        let silent = Looked::Silent(Finding::Unreachable("refused".to_owned()));
        let times = (scene.now, scene.now);
        scene
            .watcher
            .conclude(&scene.watch, silent, times, (true, None));
    }
    let reason = scene.watch.ready().unwrap_err().to_string();
    let words = "no answer from k1:9092; no record is confirmed by k2:9092";
    assert!(reason.ends_with(words), "{reason}");
    assert_eq!(scene.watch.intake(), Intake::Closed);
}

#[test]
fn what_was_found_a_moment_ago_decides_when_the_time_is_over() {
    let mut scene = watching(1);
    let silent = Looked::Silent(Finding::Unreachable("refused".to_owned()));
    scene.found(&[vec![]]);
    scene.round(silent);
    let due = scene.watcher.patience.due().unwrap();
    assert!(
        !scene.watcher.decides_now(&scene.watch, scene.now),
        "it is not due"
    );
    for (late, decides) in [(Duration::ZERO, true), (FRESH * 2, false)] {
        scene.watcher.looked = Some(due - FRESH / 2);
        let now = due + late;
        assert_eq!(scene.watcher.decides_now(&scene.watch, now), decides);
        assert!(!scene.watcher.decides_now(&scene.watch, now), "once");
    }
}

#[test]
fn a_silence_concerns_all_topics_and_is_one_story() {
    let mut scene = watching(3);
    for _ in 0..3 {
        let silent = Looked::Silent(Finding::Unreachable("refused".to_owned()));
        scene.round(silent);
    }
    assert_eq!(scene.watch.intake(), Intake::Closed);
    assert!(scene.watcher.storage.reason().is_some());
    assert!(
        scene
            .watcher
            .topics
            .iter()
            .all(|topic| topic.story.reason().is_none())
    );
    scene.found(&[vec![], vec![], vec![]]);
    assert_eq!(scene.watch.ready(), Ok(()));
}

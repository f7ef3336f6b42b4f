//! The thread of a server that reads the topic, then follows it.
//!
//! Owns: the order of looks, reads and publications. Must not know: sessions, workers; what the log says is `story`'s.
//!
//! Invariants: nothing is published before the whole topic was read; what is published stays in force while the topic is away;
//! nobody waits for this thread but who ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::book::Book;
use super::notes::Notes;
use super::place::Place;
use super::policy;
use super::published::Published;
use super::reader::{Reader, Record};
use super::story::Story;
use super::trouble::{Failed, Trouble};
use crate::smtp::name::{Name, Scope};
use crate::telemetry::metrics::Metrics;

/// Pause between two looks at the topic, and the longest time of one.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// The same before the topic was seen.
const FIRST_LOOK_PAUSE: Duration = Duration::from_millis(250);
const LOOK_WAIT: Duration = Duration::from_secs(1);
/// Longest wait for a record.
const POLL: Duration = Duration::from_millis(100);
/// Records that are applied at once.
const BATCH: usize = 16 * 1024;
/// A reader that is behind for longer has a trouble, although the brokers answer.
const LONG_BEHIND: Duration = Duration::from_secs(10);

/// Whether mail is taken for a domain, or for some domain of a pattern `*.`, by the configuration as it is now.
pub(super) type Takes = Box<dyn Fn(&str) -> bool + Send>;

/// What the thread is given.
pub struct Setup {
    /// The topic.
    pub place: Place,
    /// Where the directory is published.
    pub published: Arc<Published>,
    /// Which domains are ours.
    pub takes: Takes,
    /// What is counted.
    pub metrics: Metrics,
    /// A number that senders do not know.
    pub seed: u64,
}

/// A thread that follows the topic until this is dropped.
pub struct Following {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// A property that librdkafka refuses, or a thread that does not start.
pub fn start(setup: Setup) -> Result<Following, Failed> {
    let reader = Reader::new(&setup.place)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let follower = Follower::new(setup, reader);
    let thread = std::thread::Builder::new()
        .name("recipients".to_owned())
        .spawn(move || follower.run(&stopped))
        .map_err(Failed::Thread)?;
    Ok(Following {
        stop,
        thread: Some(thread),
    })
}

/// The thread's own memory.
struct Follower {
    setup: Setup,
    reader: Reader,
    book: Book,
    notes: Notes,
    story: Story,
    loaded: bool,
    /// The last look, and when it was.
    seen: Result<(), Trouble>,
    looked: Option<Instant>,
    asked_policy: bool,
}

impl Follower {
    fn new(setup: Setup, reader: Reader) -> Self {
        Self {
            reader,
            book: Book::new(setup.seed),
            notes: Notes::default(),
            story: Story::new(),
            loaded: false,
            seen: Err(Trouble::Reading(0)),
            looked: None,
            asked_policy: false,
            setup,
        }
    }

    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let pause = match self.seen {
                Ok(()) => LOOK_PAUSE,
                Err(_) if self.loaded => LOOK_PAUSE,
                Err(_) => FIRST_LOOK_PAUSE,
            };
            if self.looked.is_none_or(|looked| looked.elapsed() >= pause) {
                self.look();
            }
            if self.read() > 0 {
                self.apply();
            }
            if !self.loaded && self.reader.is_loaded() {
                self.load();
            }
            self.show();
        }
    }

    fn look(&mut self) {
        self.seen = self.reader.look(LOOK_WAIT);
        self.looked = Some(Instant::now());
        if self.seen.is_ok() && !std::mem::replace(&mut self.asked_policy, true) {
            policy::warn(&self.setup.place);
        }
        let late = self.loaded && self.story.behind() > LONG_BEHIND;
        let reading = Trouble::Reading(self.book.records);
        match &self.seen {
            Err(trouble) if self.loaded => self.story.troubled(trouble, &self.setup.place),
            Ok(()) if late => self.story.troubled(&reading, &self.setup.place),
            Ok(()) | Err(_) => {}
        }
    }

    fn read(&mut self) -> usize {
        let Self {
            setup,
            reader,
            book,
            notes,
            ..
        } = self;
        reader.read(POLL, BATCH, &mut |record| take(setup, book, notes, record))
    }

    fn apply(&mut self) {
        if self.loaded {
            self.book.keep_marks_for_a_while();
        }
        let applied = self.book.apply();
        let metrics = &self.setup.metrics;
        if self.loaded {
            let changes = applied.added + applied.removed;
            metrics.recipients_topic_changes.increment(changes as u64);
            self.publish();
        }
    }

    fn publish(&self) {
        let directory = self.book.directory();
        let entries = directory.counts().all() as f64;
        self.setup.metrics.recipients_topic_entries.set(entries);
        self.setup.published.put(directory.clone());
    }

    fn load(&mut self) {
        self.loaded = true;
        self.book.loaded();
        self.publish();
        let counts = self.book.directory().counts();
        let Book {
            records, invalid, ..
        } = self.book;
        self.story
            .loaded(&self.setup.place, counts, records, invalid);
    }

    /// What the log, the metrics and /readyz say.
    fn show(&mut self) {
        let place = &self.setup.place;
        let metrics = &self.setup.metrics;
        if !self.loaded {
            let reading = Trouble::Reading(self.book.records);
            let trouble = self.seen.as_ref().err().unwrap_or(&reading);
            self.setup.published.wait_for(place.text(trouble));
            self.story.waits(trouble, place);
        } else if self.seen.is_ok() && self.reader.is_in_step() {
            self.story.in_step(place);
            metrics.recipients_topic_behind.set(0.0);
            return;
        }
        let behind = self.story.behind().as_secs_f64();
        metrics.recipients_topic_behind.set(behind);
    }
}

fn take(setup: &Setup, book: &mut Book, notes: &mut Notes, record: &Record<'_>) {
    let metrics = &setup.metrics;
    let time = record.time as f64 / 1000.0;
    metrics.recipients_topic_last_record.set(time);
    match book.take(record) {
        Err(why) => {
            metrics.recipients_topic_invalid_keys.increment(1);
            notes.invalid(record, why);
        }
        Ok(name) if record.named && !is_ours(setup, &name) => {
            metrics.recipients_topic_foreign_keys.increment(1);
            notes.foreign(record, &name);
        }
        Ok(_) => {}
    }
}

fn is_ours(setup: &Setup, name: &Name) -> bool {
    match name.scope() {
        Scope::Address | Scope::Whole => (setup.takes)(name.domain()),
        Scope::Below => (setup.takes)(&name.to_string()),
    }
}

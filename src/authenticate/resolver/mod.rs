//! Answers from the DNS: over the network, once as long as they are valid, and again while the resolver does not answer.
//!
//! From the bottom up: `cache` keeps answers, `health` knows whether the resolver answers at all, `query` asks it. Must not know: what a
//! question is for.
//!
//! A question that gets no answer is asked again. What ends that depends on whose fault it is:
//! - The resolver answers nothing: the question waits as long as it takes, and the mail with it. A mail is never dropped or
//!   given a verdict because of it.
//! - The resolver answers others, and not this: the name servers of that name are broken. After the patience the answer is
//!   [`Answer::Trouble`], for all who ask in the next minute.
//!
//! Invariants: questions on the network and answers in memory are bounded; one question is on the network once.

mod cache;
mod health;
mod query;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use hickory_resolver::net::NetError;
use tokio::sync::Mutex;

use super::dns::{Answer, Question};
use crate::consume::line::Say;
use crate::kafka::lock::lock;
use crate::pipeline::backoff::{Backoff, random};
use crate::telemetry::metrics::authenticate::Counts;
use cache::Cache;
use health::Health;
pub use query::{Network, NoResolver};

/// How long a name counts as broken once the patience with it is used up (RFC 2308 7.1 allows five minutes).
const BROKEN: Duration = Duration::from_secs(60);
/// Pauses before a question is asked again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a question is without an answer before it is looked whether the resolver answers at all.
const LATE: Duration = Duration::from_secs(2);

/// What is asked where, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Resolvers; the system's where there are none.
    pub servers: Vec<SocketAddr>,
    /// How long a name is asked for that gets no answer while others do.
    pub patience: Duration,
    /// How long an answer of the resolver is waited for.
    pub timeout: Duration,
    /// Says that the resolver answers nothing, to who asks whether mails wait.
    pub down: Arc<AtomicBool>,
    /// Takes what the operator should know.
    pub say: Say,
}

/// See the module.
pub struct Resolver {
    network: Network,
    cache: std::sync::Mutex<Cache>,
    health: Health,
    /// Questions that are being asked.
    turns: std::sync::Mutex<HashMap<Question, Rc<Mutex<()>>>>,
    patience: Duration,
    counts: Arc<Counts>,
}

impl Resolver {
    /// A resolver; asks nothing yet.
    ///
    /// # Errors
    /// The system names no resolver.
    pub fn new(settings: &Settings, counts: Arc<Counts>) -> Result<Self, NoResolver> {
        Ok(Self {
            network: Network::new(&settings.servers, settings.timeout)?,
            cache: std::sync::Mutex::default(),
            health: Health::new(
                settings.say,
                Arc::clone(&settings.down),
                Arc::clone(&counts),
            ),
            turns: std::sync::Mutex::default(),
            patience: settings.patience,
            counts,
        })
    }

    /// The answer to a question, however long it takes.
    pub async fn ask(&self, question: &Question) -> Arc<Answer> {
        if let Some(answer) = self.known(question) {
            return answer;
        }
        let turn = Rc::clone(lock(&self.turns).entry(question.clone()).or_default());
        let held = turn.lock().await;
        let answer = match self.known(question) {
            Some(answer) => answer,
            None => {
                let (answer, until) = self.insist(question).await;
                let answer = Arc::new(answer);
                lock(&self.cache).insert(
                    question.clone(),
                    Arc::clone(&answer),
                    until,
                    Instant::now(),
                );
                answer
            }
        };
        drop(held);
        // The last one of those who asked: the table and this.
        let mut turns = lock(&self.turns);
        if Rc::strong_count(&turn) == 2 {
            turns.remove(question);
        }
        answer
    }

    fn known(&self, question: &Question) -> Option<Arc<Answer>> {
        let known = lock(&self.cache).get(question, Instant::now());
        if known.is_some() {
            self.counts.handles.dns_cached.increment(1);
        }
        known
    }

    /// Asks once. A resolver that answers nobody is found out meanwhile: hickory gives a question up only after all of its attempts.
    async fn query(&self, question: &Question) -> Result<(Answer, Instant), NetError> {
        let mut query = pin!(self.network.query(question));
        loop {
            let since = Instant::now();
            if let Ok(found) = tokio::time::timeout(LATE, &mut query).await {
                return found;
            }
            if self.health.is_down() {
                return query.await;
            }
            let late = format!("no answer within {LATE:?}");
            let probe = || self.network.probe();
            let mut looking = pin!(self.health.answers_since(since, &late, probe));
            tokio::select! {
                biased;
                found = &mut query => {
                    // What has begun is not broken off: others wait for what it finds.
                    if found.is_err() {
                        looking.await;
                    }
                    return found;
                }
                _ = &mut looking => {}
            }
        }
    }

    /// Asks until there is an answer, or the name is known to be broken; with the end of its validity.
    async fn insist(&self, question: &Question) -> (Answer, Instant) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut waited = Duration::ZERO;
        loop {
            let began = Instant::now();
            self.counts.handles.dns_queries.increment(1);
            match self.query(question).await {
                Ok(found) => {
                    self.health.answered();
                    return found;
                }
                Err(error) => {
                    self.counts.handles.dns_failures.increment(1);
                    let answers = self
                        .health
                        .answers_since(began, &error, || self.network.probe())
                        .await;
                    if answers && waited + began.elapsed() >= self.patience {
                        self.counts.handles.dns_broken.increment(1);
                        return (Answer::Trouble, Instant::now() + BROKEN);
                    }
                    tokio::time::sleep(backoff.pause(random())).await;
                    // Time in which the resolver was away does not count against the name.
                    if answers {
                        waited += began.elapsed();
                    }
                }
            }
        }
    }
}

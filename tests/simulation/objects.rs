//! A store of objects that is slow, fails, is away, or loses its answers.
//!
//! Owns: the objects, which outlive every crash of the server, and the uploads under way. Must not know: sessions, records.
//!
//! Invariant: an object is complete in the store before its upload says so.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use ringpost::objects::{Assignment, Failure, Kind, News, Order, Store};
use tokio::sync::mpsc::error::TryRecvError;

use crate::random::Random;

/// How the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Answers within milliseconds.
    Healthy,
    /// Answers within seconds, or when no session waits any longer.
    Slow,
    /// Fails in the middle of uploads.
    Failing(Kind),
    /// Is known to be away.
    Away,
    /// Stores, and does not say so.
    Losing,
}

/// What an upload does next.
#[derive(Debug)]
enum Stage {
    /// It waits for its worker.
    Waiting,
    /// It has a piece until then; whether that is the last.
    Sending(u64, Bytes, bool),
    /// The object is complete, which is said then; never, if that is lost.
    Answering(u64),
    /// Its worker knows how it ended, and may still discard it.
    Ended,
}

#[derive(Debug)]
struct Making {
    assignment: Assignment,
    octets: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
struct State {
    random: Random,
    mode: Mode,
    now: u64,
    making: Vec<Making>,
    complete: HashMap<String, Vec<u8>>,
}

/// See the module.
#[derive(Debug)]
pub struct Objects(Mutex<State>);

impl Objects {
    /// Healthy and empty.
    pub fn new(random: Random) -> Self {
        Self(Mutex::new(State {
            random,
            mode: Mode::Healthy,
            now: 0,
            making: Vec::new(),
            complete: HashMap::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It becomes another; what was slow goes on soon.
    pub fn become_(&self, mode: Mode) {
        let mut state = self.state();
        let state = &mut *state;
        state.mode = mode;
        if mode == Mode::Healthy {
            let soon = state.now + state.random.between(100, 200_000) as u64;
            for making in &mut state.making {
                match &mut making.stage {
                    Stage::Sending(due, ..) => *due = (*due).min(soon),
                    // What is lost stays lost.
                    Stage::Answering(due) if *due < u64::MAX => *due = (*due).min(soon),
                    Stage::Answering(_) | Stage::Waiting | Stage::Ended => {}
                }
            }
        }
    }

    /// Time passes: what is due happens, and what the workers said is taken.
    pub fn advance_to(&self, now: u64) {
        let mut state = self.state();
        state.now = now;
        let mut making = std::mem::take(&mut state.making);
        making.retain_mut(|one| state.goes_on(one));
        assert!(state.making.is_empty(), "nothing begins meanwhile");
        state.making = making;
    }

    /// When the next thing is due.
    pub fn next_due(&self) -> Option<u64> {
        let state = self.state();
        let dues = state.making.iter().filter_map(|making| match making.stage {
            Stage::Sending(due, ..) | Stage::Answering(due) => Some(due),
            Stage::Waiting | Stage::Ended => None,
        });
        dues.min().filter(|&due| due < u64::MAX)
    }

    /// The process that uploads is gone, and with it every upload.
    pub fn forget_uploads(&self) {
        self.state().making.clear();
    }

    /// Uploads under way.
    pub fn uploads(&self) -> usize {
        self.state().making.len()
    }

    /// The object at this address, if it is complete.
    pub fn get(&self, url: &str) -> Option<Vec<u8>> {
        let path = url.strip_prefix("s3://bucket/mail/")?;
        self.state().complete.get(path).cloned()
    }
}

impl State {
    /// Whether there is more to come of this upload.
    fn goes_on(&mut self, making: &mut Making) -> bool {
        loop {
            match &making.stage {
                Stage::Sending(due, ..) | Stage::Answering(due) if *due > self.now => {
                    return self.is_wanted(making);
                }
                Stage::Sending(_, _, is_last) => {
                    let is_last = *is_last;
                    self.sent(making, is_last);
                }
                Stage::Answering(_) => {
                    let sha256 = digest(&SHA256, &making.octets);
                    let sha256 = sha256.as_ref().try_into().expect("32 bytes");
                    let _ = making.assignment.news.send(News::Complete(sha256));
                    making.stage = Stage::Ended;
                }
                Stage::Waiting | Stage::Ended => match making.assignment.orders.try_recv() {
                    Ok(Order::Part(octets)) => making.stage = self.sending(octets, false),
                    Ok(Order::Last(octets)) => making.stage = self.sending(octets, true),
                    Ok(Order::Discard) => {
                        self.complete.remove(&making.assignment.path);
                        return false;
                    }
                    Err(TryRecvError::Empty) => return true,
                    Err(TryRecvError::Disconnected) => return false,
                },
            }
        }
    }

    /// Whether an answer is still waited for; one that is lost is never given, so its end is looked for here.
    fn is_wanted(&mut self, making: &mut Making) -> bool {
        if !matches!(making.stage, Stage::Answering(u64::MAX)) {
            return true;
        }
        match making.assignment.orders.try_recv() {
            Ok(Order::Discard) => {
                self.complete.remove(&making.assignment.path);
                false
            }
            Ok(Order::Part(_) | Order::Last(_)) => panic!("nothing follows the last part"),
            Err(TryRecvError::Empty) => true,
            Err(TryRecvError::Disconnected) => false,
        }
    }

    fn sending(&mut self, octets: Bytes, is_last: bool) -> Stage {
        let delay = self.delay();
        Stage::Sending(self.now + delay, octets, is_last)
    }

    fn delay(&mut self) -> u64 {
        let delay = match self.mode {
            Mode::Slow => self.random.between(1_000, 9_000_000),
            Mode::Healthy | Mode::Failing(_) | Mode::Away | Mode::Losing => {
                self.random.between(50, 20_000)
            }
        };
        delay as u64
    }

    /// A piece is in the store, or the upload has failed with it.
    fn sent(&mut self, making: &mut Making, is_last: bool) {
        if let Mode::Failing(kind) = self.mode
            && self.random.once_in(2)
        {
            making.stage = Stage::Ended;
            let failure = Failure {
                kind,
                text: "it fails".to_owned(),
            };
            let _ = making.assignment.news.send(News::Failed(failure));
            return;
        }
        let sent = std::mem::replace(&mut making.stage, Stage::Waiting);
        let Stage::Sending(_, octets, _) = sent else {
            unreachable!("a piece was sent")
        };
        making.octets.extend_from_slice(&octets);
        if !is_last {
            return;
        }
        let path = making.assignment.path.clone();
        let before = self.complete.insert(path, making.octets.clone());
        assert!(before.is_none(), "an object has its own name");
        let is_lost = self.mode == Mode::Losing && self.random.once_in(2);
        let due = if is_lost {
            u64::MAX
        } else {
            self.now + self.delay()
        };
        making.stage = Stage::Answering(due);
    }
}

impl Store for Objects {
    fn begin(&self, assignment: Assignment) {
        self.state().making.push(Making {
            assignment,
            octets: Vec::new(),
            stage: Stage::Waiting,
        });
    }

    fn takes(&self) -> Result<(), Kind> {
        match self.state().mode {
            Mode::Away => Err(Kind::Unavailable),
            Mode::Healthy | Mode::Slow | Mode::Failing(_) | Mode::Losing => Ok(()),
        }
    }

    fn away(&self) -> Option<String> {
        self.takes().err().map(|kind| kind.label().to_owned())
    }

    /// Nothing is carried by threads here: the world lets time pass.
    fn drain(&self, _within: Duration) {}
}

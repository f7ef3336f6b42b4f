//! The run: threads, connections, who sends which message, and when it ends.
//!
//! Owns the closed loop. Each thread has one io_uring runtime and a share of the connections; each connection is a task
//! that claims a message number, sends that message, and claims the next one when the reply is read (with PIPELINING:
//! one ahead, since the next envelope goes out with the message's end).
//!
//! Invariants: a number is sent at most once as data. A message of which no data was sent yet stays with its connection
//! and goes out on the next one; one whose data was begun and that got no reply counts as unanswered and is not repeated,
//! because the server may have it. So accepted + refused + unanswered + unsent = `--messages`.
//!
//! # BUGS
//! - Giving up waits for the replies that are outstanding, each up to `--timeout`.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Answer, CLOSING, Connection, Delivered};
use crate::deadline::{Slot, watchdog};
use crate::message::{OwnPart, Tail};
use crate::options::Plan;
use crate::tally::{ErrorKind, Live, Tally, record};
use crate::usage::{self, ProcessUsage};

/// How often the log is flushed.
const FLUSH: Duration = Duration::from_millis(50);
/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(1);
/// The first wait after an error; it doubles with each further one ...
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// ... up to this.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// What came of a run.
pub struct Outcome {
    /// All threads' counts.
    pub tally: Tally,
    /// From the start to the last message's result.
    pub elapsed: Duration,
    /// This process's CPU time for the run.
    pub own_cpu: Duration,
    /// The server's use of the machine after the run, with `--pid`; `None` when it is gone.
    pub server_after: Option<ProcessUsage>,
    /// The run ended early because of `--max-errors`.
    pub gave_up: bool,
    /// The first error of writing the log.
    pub log_error: Option<String>,
}

/// Runs the plan to its end. The error is a text for the operator.
pub fn run(plan: &Arc<Plan>) -> Result<Outcome, String> {
    let live = Arc::new(Live::default());
    let cpu_before = usage::own_cpu();
    let started = Instant::now();
    let (sender, results) = channel();
    let threads = plan.options.threads.min(plan.options.connections);
    let mut handles = Vec::new();
    for index in 0..threads {
        let (plan, live, sender) = (Arc::clone(plan), Arc::clone(&live), sender.clone());
        let connections = share(plan.options.connections, threads, index);
        let body = move || {
            // The receiver outlives all threads.
            let _ = sender.send(run_thread(&plan, &live, connections));
        };
        let named = thread::Builder::new().name(format!("load-{index}"));
        handles.push(
            named
                .spawn(body)
                .map_err(|error| format!("--threads {threads}: {error}"))?,
        );
    }
    drop(sender);
    let tally = collect(plan, &live, &results, started)?;
    for handle in handles {
        handle
            .join()
            .map_err(|_| "a thread panicked; its message is above".to_owned())?;
    }
    let finished = tally.last_result.unwrap_or_else(Instant::now);
    Ok(Outcome {
        elapsed: finished.duration_since(started),
        own_cpu: usage::own_cpu().saturating_sub(cpu_before),
        server_after: plan.options.pid.and_then(|pid| usage::of_process(pid).ok()),
        gave_up: live.gave_up(),
        log_error: plan.log.as_ref().and_then(|log| log.finish()),
        tally,
    })
}

/// The connections of thread `index`: an even share, the first threads take one more each of the rest.
fn share(connections: u32, threads: u32, index: u32) -> u32 {
    connections / threads + u32::from(index < connections % threads)
}

/// Merges the threads' results as they end; meanwhile flushes the log and shows progress.
fn collect(
    plan: &Plan,
    live: &Live,
    results: &Receiver<Result<Tally, String>>,
    started: Instant,
) -> Result<Tally, String> {
    let mut total = Tally::new();
    let mut shown = (started, 0);
    loop {
        match results.recv_timeout(FLUSH) {
            Ok(tally) => total.merge(&tally?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(total),
        }
        if let Some(log) = &plan.log {
            log.flush();
        }
        let now = Instant::now();
        if !plan.options.quiet && now.duration_since(shown.0) >= PROGRESS {
            let [accepted, refused, errors] = live.counts();
            let rate = (accepted - shown.1) as f64 / now.duration_since(shown.0).as_secs_f64();
            let elapsed = now.duration_since(started).as_secs_f64();
            eprintln!(
                "{elapsed:.1} s  accepted {accepted}  refused {refused}  errors {errors}  {rate:.0} messages/s"
            );
            shown = (now, accepted);
        }
    }
}

/// One thread: its runtime with its share of the connections.
fn run_thread(plan: &Arc<Plan>, live: &Arc<Live>, connections: u32) -> Result<Tally, String> {
    let runtime = runtime(connections).map_err(|error| {
        format!(
            "io_uring: {error}; it needs Linux 6.0, kernel.io_uring_disabled = 0, and a container whose seccomp profile \
             allows io_uring"
        )
    })?;
    let tally = Rc::new(RefCell::new(Tally::new()));
    let slots: Vec<Rc<Slot>> = (0..connections).map(|_| Rc::default()).collect();
    runtime
        .block_on(async {
            let senders: Vec<_> = slots
                .iter()
                .map(|slot| Sender {
                    plan: Arc::clone(plan),
                    live: Arc::clone(live),
                    tally: Rc::clone(&tally),
                    slot: Rc::clone(slot),
                    part: plan.template.own_part(),
                    waits: 0,
                })
                .map(|sender| tokio_uring::spawn(sender.run()))
                .collect();
            tokio_uring::spawn(watchdog(slots, plan.timeout));
            for sender in senders {
                sender
                    .await
                    .map_err(|error| format!("a connection's task failed: {error}"))?;
            }
            Ok(())
        })
        .map(|()| tally.replace(Tally::new()))
}

/// A ring with room for a read, a write and a close of every connection.
fn runtime(connections: u32) -> io::Result<tokio_uring::Runtime> {
    let entries = (connections * 2).next_power_of_two().clamp(64, 4096);
    let completions = (connections * 4).next_power_of_two().clamp(1024, 65_536);
    // Without the first two flags a completion interrupts the thread: it costs up to twice the CPU time.
    let mut ring = tokio_uring::uring_builder();
    ring.setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_single_issuer()
        .setup_cqsize(completions);
    tokio_uring::Runtime::new(tokio_uring::builder().entries(entries).uring_builder(&ring))
}

/// One connection after the other, always one at a time.
struct Sender {
    plan: Arc<Plan>,
    live: Arc<Live>,
    tally: Rc<RefCell<Tally>>,
    slot: Rc<Slot>,
    part: OwnPart,
    /// Errors since the last accepted message, for the back-off.
    waits: u32,
}

/// How a connection ended: the message that was claimed and is still to be sent, and the error.
type Ended = (Option<u64>, Result<(), ErrorKind>);

/// What to do after a message. `held` is a message that was claimed and is still to be sent.
enum After {
    /// The next message, on this connection; the time when its envelope was sent, if it was.
    Next(u64, Option<Instant>),
    /// The end of the connection; the QUIT may have been sent with the message.
    Quit { held: Option<u64>, sent: bool },
    /// The connection is of no more use.
    Failed { held: Option<u64>, kind: ErrorKind },
}

impl Sender {
    async fn run(mut self) {
        let mut next = self.claim();
        while let Some(number) = next.take() {
            let (held, result) = self.connection(number).await;
            if let Err(kind) = result {
                self.tally.borrow_mut().errors[kind as usize] += 1;
                self.live.count_error(self.plan.options.max_errors);
                if self.live.gave_up() {
                    return;
                }
                let wait = FIRST_WAIT
                    .saturating_mul(1 << self.waits.min(10))
                    .min(LONGEST_WAIT);
                self.waits += 1;
                tokio::time::sleep(wait).await;
            }
            next = if self.live.gave_up() { None } else { held };
        }
    }

    fn claim(&self) -> Option<u64> {
        self.live.claim(self.plan.options.messages)
    }

    /// Opens a connection and sends message `number` and more over it.
    async fn connection(&mut self, number: u64) -> Ended {
        let plan = Arc::clone(&self.plan);
        let opened = Connection::open(
            plan.address,
            &plan.options.helo,
            plan.timeout,
            Rc::clone(&self.slot),
            Rc::clone(&self.tally),
        );
        let (mut connection, banner_time) = match opened.await {
            Ok(opened) => opened,
            Err(kind) => return (Some(number), Err(kind)),
        };
        {
            let mut tally = self.tally.borrow_mut();
            tally.connections += 1;
            record(&mut tally.banner_time, banner_time);
        }
        let pipelining = plan.pipelining() && connection.offers_pipelining();
        let mut current = (number, None);
        for sent in 1.. {
            let stay = plan.options.per_connection == 0 || sent < plan.options.per_connection;
            match self
                .message(&mut connection, current, pipelining, stay)
                .await
            {
                After::Next(number, envelope_sent) => current = (number, envelope_sent),
                After::Quit { held, sent } => {
                    connection.quit(sent).await;
                    return (held, Ok(()));
                }
                After::Failed { held, kind } => return (held, Err(kind)),
            }
        }
        unreachable!("a connection ends before its messages have no number")
    }

    /// One message, of which the envelope may have been sent already.
    async fn message(
        &mut self,
        connection: &mut Connection,
        (number, envelope_sent): (u64, Option<Instant>),
        pipelining: bool,
        stay: bool,
    ) -> After {
        let plan = Arc::clone(&self.plan);
        let begun = envelope_sent.unwrap_or_else(Instant::now);
        let answer = if pipelining {
            if envelope_sent.is_none() {
                connection.send_envelope(&plan.envelope).await;
            }
            connection.envelope_replies(&plan.envelope).await
        } else {
            connection.envelope_step_by_step(&plan.envelope).await
        };
        match answer {
            Err(kind) => After::Failed {
                held: Some(number),
                kind,
            },
            Ok(Answer::Go { recipients_refused }) => {
                self.tally.borrow_mut().recipients_refused += recipients_refused;
                self.data(connection, number, begun, pipelining, stay).await
            }
            Ok(Answer::Void(code)) => {
                self.count_refused(code);
                match connection.deliver_nothing().await {
                    Ok(CLOSING) => After::Failed {
                        held: self.claim(),
                        kind: ErrorKind::Shutdown,
                    },
                    Ok(_) => self.proceed(stay),
                    Err(kind) => After::Failed {
                        held: self.claim(),
                        kind,
                    },
                }
            }
            Ok(Answer::Refused(code)) => {
                self.count_refused(code);
                let reset = if code == CLOSING {
                    Err(ErrorKind::Shutdown)
                } else {
                    connection.reset().await
                };
                match reset {
                    Ok(()) => self.proceed(stay),
                    Err(kind) => After::Failed {
                        held: self.claim(),
                        kind,
                    },
                }
            }
        }
    }

    /// After a message whose reply was awaited with nothing sent behind it.
    fn proceed(&self, stay: bool) -> After {
        match self.claim() {
            Some(number) if stay => After::Next(number, None),
            held => After::Quit { held, sent: false },
        }
    }

    /// The message itself, with what follows it.
    async fn data(
        &mut self,
        connection: &mut Connection,
        number: u64,
        begun: Instant,
        pipelining: bool,
        stay: bool,
    ) -> After {
        let plan = Arc::clone(&self.plan);
        // Claimed ahead only where the next envelope goes out with this message.
        let ahead = if pipelining { self.claim() } else { None };
        let tail = match ahead {
            _ if !pipelining => Tail::Nothing,
            Some(_) if stay => Tail::Envelope,
            _ => Tail::Quit,
        };
        let delivered = match connection
            .deliver(&plan.template, &mut self.part, number, tail)
            .await
        {
            Ok(delivered) => delivered,
            Err(kind) => {
                self.count_unanswered();
                return After::Failed {
                    held: ahead.or_else(|| self.claim()),
                    kind,
                };
            }
        };
        self.count_delivered(connection, begun, &delivered);
        match (delivered.code, tail, ahead) {
            (CLOSING, ..) => After::Failed {
                held: ahead.or_else(|| self.claim()),
                kind: ErrorKind::Shutdown,
            },
            (300..400, ..) => After::Failed {
                held: ahead.or_else(|| self.claim()),
                kind: ErrorKind::Protocol,
            },
            (_, Tail::Envelope, Some(next)) => After::Next(next, Some(delivered.last_octet)),
            (_, Tail::Quit, held) => After::Quit { held, sent: true },
            _ => self.proceed(stay),
        }
    }

    /// Counts a final reply by what it says.
    fn count_delivered(&mut self, connection: &Connection, begun: Instant, delivered: &Delivered) {
        match delivered.code {
            200..300 => {
                if let Some(log) = &self.plan.log {
                    log.append(
                        self.plan.template.message_id(&self.part),
                        connection.reply_text(),
                    );
                }
                self.waits = 0;
                self.live.count_accepted();
                self.tally.borrow_mut().accepted += 1;
            }
            400..600 => self.count_refused(delivered.code),
            _ => return self.count_unanswered(),
        }
        let mut tally = self.tally.borrow_mut();
        record(
            &mut tally.reply_time,
            delivered.answered - delivered.last_octet,
        );
        record(&mut tally.transaction_time, delivered.answered - begun);
        tally.last_result = Some(delivered.answered);
    }

    fn count_refused(&self, code: u16) {
        self.live.count_refused();
        let mut tally = self.tally.borrow_mut();
        tally.refused += 1;
        tally.refused_by[usize::from(code)] += 1;
        tally.last_result = Some(Instant::now());
    }

    fn count_unanswered(&self) {
        let mut tally = self.tally.borrow_mut();
        tally.unanswered += 1;
        tally.last_result = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_evenly_and_completely() {
        for (connections, threads) in [(1, 1), (10, 3), (10, 10), (100_000, 7)] {
            let shares: Vec<u32> = (0..threads)
                .map(|index| share(connections, threads, index))
                .collect();
            assert_eq!(shares.iter().sum::<u32>(), connections);
            let spread = shares
                .iter()
                .max()
                .zip(shares.iter().min())
                .map(|(most, least)| most - least);
            assert!(spread <= Some(1), "{shares:?}");
        }
    }
}

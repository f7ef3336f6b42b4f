//! Idle sessions: opened before the run, some at a time, and kept until its end.
//!
//! Owns how many failures end the opening, and the line that says why. Must not know what the run does meanwhile.
//!
//! Invariants: a signal ends the opening at once, whatever is outstanding; failures that this side caused are not counted.
//!
//! # BUGS
//! - A server that has reached its limit and a server that answers slowly look the same: both are silent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::context::Context;
use super::error::NotBegun;
use crate::client::Connection;
use crate::client::deadline::Slot;
use crate::fault::{ErrorKind, Fault, Reason, Trouble};
use crate::signals;
use crate::units::grouped;

/// The number of idle sessions that a thread opens at the same time.
const OPENERS: usize = 64;
/// This many failures in a row, without a session opened in between, end the opening.
const MOST_FAILURES: u64 = 20;
/// Between two looks whether a signal came.
const LOOK: Duration = Duration::from_millis(50);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);
/// ... and where there is no progress.
const STANDSTILL: Duration = Duration::from_secs(3);

/// A session that is open, and the task that keeps it.
pub(super) type Session = (Rc<Slot>, tokio::task::JoinHandle<()>);

/// What openers of a thread share.
struct Opening {
    context: Rc<Context>,
    sessions: RefCell<Vec<Session>>,
    left: Cell<u32>,
    /// The failure that ended it early.
    last: RefCell<Option<Fault>>,
}

/// Opens a thread's share; with `says`, prints progress. Returns what is open, and if the server accepts no more, why.
pub(super) async fn open(
    context: &Rc<Context>,
    count: u32,
    says: bool,
) -> (Vec<Session>, Option<NotBegun>) {
    let opening = Rc::new(Opening {
        context: Rc::clone(context),
        sessions: RefCell::new(Vec::with_capacity(count as usize)),
        left: Cell::new(count),
        last: RefCell::default(),
    });
    if count == 0 {
        return (Vec::new(), None);
    }
    let guard = tokio::task::spawn_local(watch(Rc::clone(context), says));
    let openers: Vec<_> = (0..OPENERS.min(count as usize))
        .map(|_| tokio::task::spawn_local(open_some(Rc::clone(&opening))))
        .collect();
    for opener in openers {
        // If a task fails, its sessions are missing.
        let _ = opener.await;
    }
    guard.abort();
    // Only now, because what was outstanding then may have been opened since.
    let last = opening.last.take();
    let why = last
        .filter(|_| context.plan.options.needs_first())
        .map(|fault| NotBegun::Unusable {
            line: line(context, &fault),
            fault,
        });
    (opening.sessions.take(), why)
}

async fn open_some(opening: Rc<Opening>) {
    let context = &opening.context;
    while opening.left.get() > 0 && !is_over(context) && !context.live.is_idle_full() {
        opening.left.set(opening.left.get() - 1);
        let number = context.next_session();
        let profile = context.plan.profile(number);
        let connection = match context.take_first(profile) {
            Some(connection) => Ok(connection),
            None => {
                let mut dial = context.dial(profile, number);
                dial.timeout = context.plan.options.first_time();
                let slot = context.slots.add();
                Connection::open(&dial, slot, Rc::clone(&context.tally)).await
            }
        };
        match connection {
            Ok(connection) => opening.keep(connection),
            // This side ended it.
            Err(_) if is_over(context) => return,
            Err(fault) => {
                opening.count(&fault);
                // The failures of the same moment are counted before the next try.
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

fn is_over(context: &Context) -> bool {
    signals::stopped() || context.live.is_over()
}

impl Opening {
    fn keep(&self, connection: Connection) {
        self.context.live.count_idle();
        self.context.tally.borrow_mut().idle_opened += 1;
        let slot = connection.slot();
        let task = stay(Rc::clone(&self.context), Rc::clone(&slot), connection);
        self.sessions
            .borrow_mut()
            .push((slot, tokio::task::spawn_local(task)));
    }

    fn count(&self, fault: &Fault) {
        let (live, options) = (&self.context.live, &self.context.plan.options);
        self.context.note_error(fault);
        let most = options.max_errors.filter(|most| *most > 0);
        live.count_idle_failure(most.unwrap_or(MOST_FAILURES));
        if live.is_idle_full() {
            self.last.replace(Some(fault.clone()));
        }
    }
}

/// Keeps an idle session open until its slot is shut down.
async fn stay(context: Rc<Context>, slot: Rc<Slot>, mut connection: Connection) {
    connection.idle().await;
    if !context.live.is_idle_over() {
        context.tally.borrow_mut().idle_closed += 1;
    }
    drop(connection);
    drop(slot);
}

/// Why the opening ended, and what to do.
fn line(context: &Context, fault: &Fault) -> String {
    let options = &context.plan.options;
    let opened = context.live.idle_opened();
    let reason = Reason::new(&Trouble::of_fault(fault), options.addresses());
    let full = matches!(
        fault.kind,
        ErrorKind::Timeout | ErrorKind::Reply421 | ErrorKind::Greeting | ErrorKind::Closed
    );
    let hint = match &reason.hint {
        _ if full && opened > 0 => format!(
            "the server is full: --idle and --connections together can be at most {} here, or raise its limit of connections",
            grouped(opened)
        ),
        Some(hint) => hint.clone(),
        None => "fewer with --idle".to_owned(),
    };
    format!(
        "--idle {}: {} took {} session{} and no more, the last error: {}; {hint} (--max-errors 0 begins in any case)",
        grouped(options.idle.into()),
        context.plan.address,
        grouped(opened),
        if opened == 1 { "" } else { "s" },
        reason.line(),
    )
}

/// Ends what is outstanding once the opening is over, and shows progress.
async fn watch(context: Rc<Context>, says: bool) {
    let options = &context.plan.options;
    let (mut said, mut shown) = (Instant::now(), 0);
    loop {
        tokio::time::sleep(LOOK).await;
        if is_over(&context) {
            context.live.end_idle();
            context.live.stop();
            context.slots.shut_down();
        }
        let opened = context.live.idle_opened();
        let pause = if opened == shown {
            STANDSTILL
        } else {
            PROGRESS
        };
        if says && !options.quiet && said.elapsed() >= pause {
            let asked = grouped(options.idle.into());
            eprintln!("opening idle sessions: {} of {asked}", grouped(opened));
            (said, shown) = (Instant::now(), opened);
        }
    }
}

//! A pipeline from its first record to its last commit.
//!
//! Owns: the thread that reads beside the tasks, and what the end came to. Must not know: what a step does.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::failure::PipelineError;
use super::held::Held;
use super::job::Job;
use super::progress::Progress;
use super::reading::{self, Desk};
use super::step::Step;
use super::tasks::Tasks;
use super::watch::Watch;
use crate::failure::Failure;

/// Works through the topic until it is asked to stop, or until the end where the job has one. Steps are polled on the calling
/// thread, whose runtime has timers and sockets.
///
/// # Errors
/// Why it ended early: records cannot be read, or a step failed.
pub async fn run<S: Step>(job: Job, step: Rc<S>, watch: Arc<Watch>) -> Result<(), Failure> {
    let (orders, received) = mpsc::unbounded_channel();
    let (answers, answered) = crossbeam_channel::unbounded();
    let (ended, end) = oneshot::channel();
    let job = job.with_statistics();
    let order = job.order;
    let seen = Arc::clone(&watch);
    let body = move || {
        let desk = Desk {
            job: &job,
            orders,
            answers: answered,
            watch: &seen,
            progress: Progress::default(),
            held: Held::default(),
            failed: None,
        };
        // The other side is there as long as it follows orders.
        let _ = ended.send(reading::read(desk));
    };
    let thread = std::thread::Builder::new().name("kafka-read".to_owned());
    let thread = thread.spawn(body).map_err(PipelineError::Thread)?;
    let local = LocalSet::new();
    let mut tasks = Tasks::new(step, order, answers, &watch);
    local.run_until(tasks.run(received)).await;
    match end.await {
        Ok(ended) => {
            assert!(tasks.is_idle(), "reading ends after everything came back");
            ended
        }
        Err(_) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the thread says how it ended before it does"),
        },
    }
}

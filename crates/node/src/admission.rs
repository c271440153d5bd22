//! Who runs and who waits. Jobs start in the order of their calls, as soon as enough threads are free.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_base::Error;

use crate::pool::{self, Lent};

/// How a job's waiting ended.
pub enum Turn {
    /// It runs, on these threads.
    Run(Lent),
    /// It was cancelled, or no threads could be had.
    Refused(Error),
}

struct Waiting {
    threads: usize,
    cancel: Arc<AtomicBool>,
    /// Called once. Gives the pool back when it ran.
    work: Box<dyn FnOnce(Turn) -> Option<Lent> + Send>,
}

struct State {
    /// Threads in use by running jobs.
    busy: usize,
    waiting: VecDeque<Waiting>,
}

static STATE: Mutex<State> = Mutex::new(State { busy: 0, waiting: VecDeque::new() });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The code with which a job is refused that was cancelled before it ran: there is no partial result.
pub const CANCELLED_WHILE_WAITING: &str = "cancelled-while-waiting";

/// Queues a job that uses `threads` threads, at most `limit`: the configured number for all jobs together.
pub fn submit(
    threads: usize,
    limit: usize,
    cancel: Arc<AtomicBool>,
    work: impl FnOnce(Turn) -> Option<Lent> + Send + 'static,
) {
    let threads = threads.clamp(1, limit);
    state().waiting.push_back(Waiting { threads, cancel, work: Box::new(work) });
    start_what_fits(limit);
}

/// Takes cancelled jobs out of the queue at once, so that their promises settle and their inputs are freed.
pub fn refuse_cancelled() {
    let mut cancelled = Vec::new();
    {
        let mut state = state();
        let all = std::mem::take(&mut state.waiting);
        for job in all {
            if job.cancel.load(Ordering::Relaxed) {
                cancelled.push(job);
            } else {
                state.waiting.push_back(job);
            }
        }
    }
    if cancelled.is_empty() {
        return;
    }
    for job in cancelled {
        refuse(job, Error::new(CANCELLED_WHILE_WAITING, "the call was cancelled before its turn came"));
    }
    if let Ok(limit) = pool::size() {
        start_what_fits(limit);
    }
}

fn start_what_fits(limit: usize) {
    loop {
        let job = {
            let mut state = state();
            match state.waiting.front() {
                Some(first) if state.busy + first.threads <= limit => {}
                _ => return,
            }
            let Some(job) = state.waiting.pop_front() else { return };
            state.busy += job.threads;
            job
        };
        match pool::borrow(job.threads) {
            Ok(lent) => start(job, lent, limit),
            Err(error) => {
                state().busy -= job.threads;
                refuse(job, error);
            }
        }
    }
}

fn start(job: Waiting, lent: Lent, limit: usize) {
    // The closure needs the pool, and the pool must outlive its own `spawn`: hand it over through a channel.
    let (sender, receiver) = std::sync::mpsc::channel::<Lent>();
    let threads = job.threads;
    let work = job.work;
    lent.pool.spawn(move || {
        let Ok(lent) = receiver.recv() else { return };
        if let Some(lent) = work(Turn::Run(lent)) {
            pool::give_back(lent);
        }
        state().busy -= threads;
        start_what_fits(limit);
    });
    // The receiver lives until it has received, so this cannot fail.
    let _ = sender.send(lent);
}

fn refuse(job: Waiting, error: Error) {
    let none = (job.work)(Turn::Refused(error));
    debug_assert!(none.is_none());
}

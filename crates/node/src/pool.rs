//! Threads: how many there are, and pools that are lent to one job at a time.
//!
//! Each running job has a pool of its own, of as many threads as it may use. One common pool would be simpler, but
//! a thread that waits for its helpers there picks up any other job meanwhile, and could answer an abort only when
//! that one is done. The sum over running jobs never exceeds the configured number (see `admission`).

use std::sync::{Mutex, OnceLock, PoisonError};

use headwater_base::Error;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::panic_message::{self, Slot};

/// Largest number of threads that can be asked for: far above any machine, far below what would exhaust one.
pub const MOST_THREADS: usize = 1024;

static SIZE: OnceLock<Result<usize, Error>> = OnceLock::new();
static IDLE: Mutex<Vec<Lent>> = Mutex::new(Vec::new());

/// The number of threads that all running jobs share. Fixed at the first call: by `configure` if that came first,
/// else by HEADWATER_NUM_THREADS, else by what the machine, or the container, allows.
pub fn size() -> Result<usize, Error> {
    SIZE.get_or_init(|| match std::env::var("HEADWATER_NUM_THREADS") {
        Ok(text) if !text.trim().is_empty() => match text.trim().parse::<usize>() {
            Ok(count) if (1..=MOST_THREADS).contains(&count) => Ok(count),
            _ => Err(Error::new(
                "threads-not-valid",
                format!("HEADWATER_NUM_THREADS must be a whole number from 1 to {MOST_THREADS}, got {text:?}"),
            )
            .with_limit(MOST_THREADS as f64)),
        },
        _ => Ok(std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS))),
    })
    .clone()
}

/// Sets the number of threads. False if another number is already in use.
pub fn set_size(count: usize) -> bool {
    SIZE.get_or_init(|| Ok(count)).as_ref() == Ok(&count)
}

/// A pool and the place where its threads leave the message of a panic.
pub struct Lent {
    /// The threads.
    pub pool: ThreadPool,
    /// Shared by all of them.
    pub panic: Slot,
}

/// A pool of exactly `threads` threads: an idle one if there is one of that size, else a new one.
pub fn borrow(threads: usize) -> Result<Lent, Error> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = idle.iter().position(|lent| lent.pool.current_num_threads() == threads) {
        return Ok(idle.swap_remove(at));
    }
    drop(idle);
    panic_message::install_hook();
    let panic = Slot::default();
    let slot = panic.clone();
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("headwater-{index}"))
        .start_handler(move |_| slot.adopt())
        .build()
        .map_err(|error| Error::new("threads-unavailable", format!("cannot start {threads} threads: {error}")))?;
    Ok(Lent { pool, panic })
}

/// Keeps a pool for the next job. Idle threads never number more than the configured size: older pools go first.
pub fn give_back(lent: Lent) {
    let limit = size().unwrap_or(1);
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    idle.push(lent);
    let mut kept = 0;
    let mut from = idle.len();
    while from > 0 && kept + idle[from - 1].pool.current_num_threads() <= limit {
        kept += idle[from - 1].pool.current_num_threads();
        from -= 1;
    }
    // Dropping a pool tells its threads to end and waits for none of them.
    idle.drain(..from);
}

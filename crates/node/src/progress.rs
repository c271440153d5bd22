//! From an engine's reports to calls of a JavaScript function.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use headwater_base::Progress;
use napi::bindgen_prelude::{FnArgs, Function, Unknown};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;

/// Shortest time between two calls.
const INTERVAL_MS: u64 = 100;

/// done, total, best objective, basins.
pub type Arguments = FnArgs<(f64, f64, Option<f64>, Option<f64>)>;

/// What an engine's `Control` reports to.
pub type Sink = Box<dyn Fn(Progress) + Send + Sync>;

/// A sink that calls `callback` on the JavaScript thread, at most every 100 ms. It never waits: a report that
/// finds the previous one still undelivered is dropped. It does not keep the process alive either; the promise does.
pub fn sink(callback: Function<'_, Arguments, Unknown<'static>>) -> napi::Result<Sink> {
    let function = callback
        .build_threadsafe_function::<Arguments>()
        .weak::<true>()
        .callee_handled::<false>()
        .max_queue_size::<1>()
        .build()?;
    let began = Instant::now();
    let next = AtomicU64::new(0);
    Ok(Box::new(move |report: Progress| {
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = next.load(Ordering::Relaxed);
        let mine =
            now >= due && next.compare_exchange(due, now + INTERVAL_MS, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if mine {
            let arguments =
                (report.done as f64, report.total as f64, report.best, report.basins.map(|count| count as f64));
            // Closing or full: nothing to be done about either.
            let _ = function.call(FnArgs { data: arguments }, ThreadsafeFunctionCallMode::NonBlocking);
        }
    }))
}

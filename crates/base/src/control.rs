//! Cancellation and progress of a long call.

use std::sync::atomic::{AtomicBool, Ordering};

/// How far a long call has come. Fields that do not apply to an engine are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Units of work done (for a factorisation: starts).
    pub done: u64,
    /// Units of work planned; an upper bound where the call may stop early.
    pub total: u64,
    /// Best objective so far.
    pub best: Option<f64>,
    /// Distinct minima found so far.
    pub basins: Option<u64>,
}

/// What the caller of an engine holds on to while it runs: a flag that stops it and a sink for progress.
///
/// Engines poll [`Control::cancelled`] between iterations, and inside the longest ones, and return what they have.
/// They never print, and never learn who listens.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    cancel: Option<&'a AtomicBool>,
    sink: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl<'a> Control<'a> {
    /// Neither cancellable nor observed.
    pub const fn none() -> Self {
        Self { cancel: None, sink: None }
    }

    /// Stops when `cancel` becomes true; hands every report to `sink` (which should return at once).
    pub fn new(cancel: Option<&'a AtomicBool>, sink: Option<&'a (dyn Fn(Progress) + Sync)>) -> Self {
        Self { cancel, sink }
    }

    /// The same flag, and nobody to report to: for a call inside another one that counts its own work.
    #[must_use]
    pub const fn silent(self) -> Self {
        Self { cancel: self.cancel, sink: None }
    }

    /// Whether the caller asked to stop.
    pub fn cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Reports progress. Free when nobody listens.
    pub fn report(&self, progress: Progress) {
        if let Some(sink) = self.sink {
            sink(progress);
        }
    }
}

//! Splitting work over threads so that the result is the same for any number of them.
//!
//! The rule: the caller cuts the work into pieces that do not depend on the thread count, each piece
//! writes to a place of its own, and sums over pieces are taken in order of the pieces
//! ([`pairwise_sum`]). Which thread does which piece is then of no consequence.

use crate::control::{Control, Progress};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Who does a piece of work: at most `threads` threads of the current rayon pool, until `control` says stop.
///
/// What a crew leaves undone when it is stopped is unspecified; its methods say whether they came to the end.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    /// Most threads, the caller's own among them.
    pub threads: usize,
    /// Polled before every piece.
    pub control: Control<'a>,
}

impl<'a> Crew<'a> {
    /// At most `threads` threads under `control`.
    pub fn new(threads: usize, control: Control<'a>) -> Self {
        Self { threads, control }
    }

    /// Whether it was told to stop.
    pub fn stopped(&self) -> bool {
        self.control.cancelled()
    }

    /// [`for_each`]; false if it was stopped before the end.
    pub fn for_each(&self, count: usize, work: impl Fn(usize) + Sync) -> bool {
        let control = self.control;
        for_each(self.threads, count, |index| {
            if !control.cancelled() {
                work(index);
            }
        });
        !self.stopped()
    }

    /// [`map`]; `None` if it was stopped before the end.
    pub fn map<T: Send>(&self, count: usize, work: impl Fn(usize) -> T + Sync) -> Option<Vec<T>> {
        let mut out: Vec<Option<T>> = Vec::new();
        out.resize_with(count, || None);
        let control = self.control;
        for_each_piece(self.threads, &mut out, 1, |index, piece| {
            if !control.cancelled() {
                piece[0] = Some(work(index));
            }
        });
        out.into_iter().collect()
    }
}

/// Calls `work(index)` for every `index < count`, on at most `threads` threads of the current rayon pool
/// (the caller's own thread is one of them). With `threads <= 1` everything runs here, in order.
pub fn for_each(threads: usize, count: usize, work: impl Fn(usize) + Sync) {
    let helpers = threads.min(count);
    if helpers <= 1 {
        for index in 0..count {
            work(index);
        }
        return;
    }
    let next = AtomicUsize::new(0);
    let drain = || loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= count {
            break;
        }
        work(index);
    };
    rayon::scope(|scope| {
        for _ in 1..helpers {
            scope.spawn(|_| drain());
        }
        drain();
    });
}

/// Calls `work(index, piece)` for the consecutive pieces of `data`, each `size` long (the last may be shorter).
pub fn for_each_piece<T: Send>(threads: usize, data: &mut [T], size: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let length = data.len();
    let count = length.div_ceil(size.max(1));
    let base = SendPtr(data.as_mut_ptr());
    for_each(threads, count, |index| {
        let start = index * size;
        let end = (start + size).min(length);
        // SAFETY: pieces are disjoint ranges of `data`, which is borrowed mutably for the whole call,
        // and `for_each` hands out every index once.
        let piece = unsafe { std::slice::from_raw_parts_mut(base.get().add(start), end - start) };
        work(index, piece);
    });
}

/// Computes `work(index)` for every `index < count` and returns the values in order.
pub fn map<T: Send>(threads: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut out: Vec<Option<T>> = Vec::new();
    out.resize_with(count, || None);
    for_each_piece(threads, &mut out, 1, |index, piece| piece[0] = Some(work(index)));
    out.into_iter().map(|value| value.expect("every index is visited once")).collect()
}

/// Does `count` long pieces of work under `control`: what was done before it said stop, in order. A piece is reported once
/// it is certain to be kept, and kept whatever comes after.
pub fn map_reported<T: Send>(
    threads: usize,
    count: usize,
    control: Control,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<Option<T>> {
    let done = AtomicU64::new(0);
    map(threads, count, |index| {
        if control.cancelled() {
            return None;
        }
        let found = work(index);
        // A piece that was stopped half-way is worth nothing.
        if control.cancelled() {
            return None;
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        control.report(Progress { done, total: count as u64, ..Progress::default() });
        Some(found)
    })
}

/// The sum by halves, whose rounding error grows with log2(n) and whose value does not depend on threads.
pub fn pairwise_sum(values: &[f64]) -> f64 {
    if values.len() <= 16 {
        return values.iter().sum();
    }
    let (left, right) = values.split_at(values.len() / 2);
    pairwise_sum(left) + pairwise_sum(right)
}

struct SendPtr<T>(*mut T);
impl<T> SendPtr<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}
// SAFETY: the pointer is only used for disjoint ranges, see `for_each_piece`.
unsafe impl<T: Send> Sync for SendPtr<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_visited_once_for_any_thread_count() {
        for threads in [1, 2, 8] {
            let mut data = vec![0_u32; 1003];
            for_each_piece(threads, &mut data, 17, |index, piece| {
                for value in piece {
                    *value += 1 + index as u32;
                }
            });
            let expected: Vec<u32> = (0..1003).map(|i| 1 + i / 17).collect();
            assert_eq!(data, expected);
            assert_eq!(map(threads, 5, |i| i * i), vec![0, 1, 4, 9, 16]);
        }
    }

    #[test]
    fn what_is_reported_is_kept() {
        use std::sync::atomic::AtomicBool;
        for threads in [1, 2, 5] {
            let (stop, reported) = (AtomicBool::new(false), AtomicU64::new(0));
            let sink = |progress: Progress| {
                reported.fetch_max(progress.done, Ordering::Relaxed);
            };
            let control = Control::new(Some(&stop), Some(&sink));
            let found = map_reported(threads, 50, control, |index| {
                stop.fetch_or(index == 20, Ordering::Relaxed);
                index
            });
            assert!(found.iter().enumerate().all(|(at, found)| found.is_none_or(|found| found == at)));
            let kept = found.iter().flatten().count() as u64;
            assert_eq!(kept, reported.load(Ordering::Relaxed), "{threads} threads");
            assert!(kept <= 24 && found[20].is_none());
        }
    }

    #[test]
    fn pairwise_sum_loses_less_than_a_running_sum() {
        let values = vec![0.1; 1_000_000];
        let running: f64 = values.iter().sum();
        let exact = 100_000.0;
        assert!((pairwise_sum(&values) - exact).abs() < 1e-9);
        assert!((running - exact).abs() > 1e-7);
    }
}

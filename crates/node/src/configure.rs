//! The addon as a whole: its version, its threads, and a way to test its guard against panics.

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::{job, pool};

/// Version of the addon: that of the package it was built from.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Sets the number of threads that all running calls share. False if it is already fixed at another number, which
/// the first call does. The range is checked in TypeScript; a number outside is refused here too.
#[napi]
pub fn configure(threads: f64) -> bool {
    threads.fract() == 0.0 && (1.0..=pool::MOST_THREADS as f64).contains(&threads) && pool::set_size(threads as usize)
}

/// The number of threads that all running calls share; fixes it. Absent where HEADWATER_NUM_THREADS is not valid.
#[napi]
pub fn threads() -> Option<u32> {
    pool::size().ok().and_then(|size| u32::try_from(size).ok())
}

/// Test hook: a job that panics, in its own thread or, with `inHelper`, in one that it started. Not used by the
/// TypeScript API. It shows in a test that a panic becomes an outcome with code `internal`.
#[napi(ts_return_type = "Promise<NativeOutcome<never>>", catch_unwind)]
pub fn panic_for_test<'env>(env: &'env Env, token: &CancelToken, in_helper: bool) -> napi::Result<Object<'env>> {
    job::spawn(env, token, None, 2, move |_| {
        if in_helper {
            rayon::scope(|scope| scope.spawn(|_| panic!("this is a test of panics in helper threads")));
        }
        panic!("this is a test of panics")
    })
}

//! The Node addon: takes arguments from JavaScript, runs an engine as a job off the JavaScript thread, gives the
//! result back. The only crate that knows Node-API, and one without numerics.
//!
//! A call goes through these files in order: an entry point (`pmf`, `solve`, and for errors those that begin in
//! `estimate`) copies its arguments (`settings`), `job` makes the promise, `admission` lets it wait for threads (`pool`),
//! the engine runs under a `Control` made of a cancel flag (`cancel`, `environment`) and a progress sink (`progress`),
//! and the `outcome` is turned into JavaScript values on the JavaScript thread (`values`).

mod admission;
mod agreement;
mod analysis;
mod arrays;
mod bootstrap;
mod bootstrap_displacement;
mod cancel;
mod configure;
mod device;
mod dictionary;
mod displacement;
mod environment;
mod estimate;
mod incoherence;
mod job;
mod lane;
mod manifold;
mod minimizers;
mod objective;
mod optim;
mod outcome;
mod panic_message;
mod pmf;
mod pool;
mod posterior;
mod progress;
mod settings;
mod solve;
mod standard_errors;
mod stream;
mod values;

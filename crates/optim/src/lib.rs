//! Optimisers whose every step is a transaction.
//!
//! A step has two phases. [`Rule::propose`] computes all that may fail and touches nothing that is visible; once every
//! tensor has been proposed, [`Rule::commit`] cannot fail. A step that is given up leaves parameters, moments,
//! preconditioners and random numbers as they were, to the bit.

pub mod kron;
pub mod number;
pub mod rule;

pub use kron::KronPsgd;
pub use num_complex::{Complex32, Complex64};
pub use number::{Number, Real};
pub use rule::{Fault, Probe, Proposal, Rule, State, Step, Survey, What};

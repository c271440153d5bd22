//! Optimisers whose every step is a transaction.
//!
//! A step has two phases. [`Rule::propose`] computes all that may fail and touches nothing that is visible; once every
//! tensor has been proposed, [`Rule::commit`] cannot fail. A step that is given up leaves parameters, moments,
//! preconditioners and random numbers as they were, to the bit.

pub mod adafactor;
pub mod adamw;
pub mod constrained;
mod descent;
pub mod dialogue;
pub mod elementwise;
pub mod estimates;
pub mod file;
mod fit;
pub mod guard;
pub mod kron;
pub mod lbfgs;
pub mod least_squares;
pub mod line_search;
pub mod lion;
pub mod memory;
pub mod method;
pub mod muon;
pub mod number;
pub mod rule;
pub mod settings;
pub mod sgd;
pub mod slot;
pub mod stepper;
pub mod survey;
mod trust_region;
mod vector;

pub use adafactor::Adafactor;
pub use adamw::{AdamW, SecondMoment};
pub use constrained::Constraint;
pub use dialogue::{Dialogue, Exchange, Halt, Request};
pub use elementwise::Elementwise;
pub use estimates::Estimates;
pub use guard::{Action, Cause, Guard, GuardSettings, Phase};
pub use kron::KronPsgd;
pub use lbfgs::{LbfgsOutcome, LbfgsReason, LbfgsSettings, Searched, lbfgs};
pub use least_squares::{Derivative, LeastSquaresOutcome, LeastSquaresReason, LeastSquaresSettings, least_squares};
pub use lion::Lion;
pub use method::Method;
pub use muon::Muon;
pub use num_complex::{Complex32, Complex64};
pub use number::{Number, Parts, PartsMut, Real};
pub use rule::{Change, Fault, Probe, Proposal, Rule, State, Step, Survey, What};
pub use sgd::Sgd;
pub use slot::ProbeParts;
pub use stepper::{Rates, Report, Stepper, StepperSettings, Tensor, Told};

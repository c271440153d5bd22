//! Sparse dictionaries whose atoms are points, lines, circles, tori and patches.
//!
//! A row is f_n = Σ_k a_nk m_k(t_nk), m_k(t) = B_kᵀΦ_k(t), over the atoms active in it: amounts a (by a gate: amplitudes, or a
//! softmax), coordinates t, decoders B. Amounts and coordinates are the row's *locals*; all unknowns together are θ
//! ([`Layout`]). With points and nothing negative it is weighted non-negative factorisation.
//!
//! | question | answer |
//! | --- | --- |
//! | what is minimised for given hyperparameters | [`Objective`] of a [`Problem`] and [`Strengths`], at a [`State`] |
//! | its gradient, exact Hessian A, surrogate B | [`Assembly`]; factors: [`Arrow`] |
//! | the minimum, with its proof | [`minimise`] |
//! | A x = b, or why not | [`solve_stationarity`] |
//! | which hyperparameters | [`criterion`](fn@criterion) and its gradient; [`choose`] |
//! | decoders that overlap | [`DecoderIncoherence`], usable alone |
//! | how good it is | [`metrics`] |
//! | many more atoms than columns, rows by batches | [`lane`] |
//! | all of it, from outside | [`Point`] |
//!
//! The supports are given: who is active where is decided elsewhere. Sums do not depend on the number of threads.

mod ard;
pub mod arrow;
pub mod assembly;
pub mod basis;
mod border;
pub mod co_activation;
pub mod coding;
pub mod criterion;
pub mod curvature;
mod entropy;
pub mod fit;
pub mod freedom;
pub mod gauge;
pub mod incoherence;
pub mod inner;
pub mod lane;
pub mod layout;
mod local;
pub mod metrics;
pub mod objective;
pub mod outer;
mod phase;
pub mod point;
mod priors;
pub mod problem;
mod row;
pub mod seed;
mod spread;
pub mod state;
pub mod stationarity;
mod step;
pub mod strengths;

pub use arrow::{Arrow, Frame, Refusal};
pub use assembly::{Assembly, Kind};
pub use basis::{Basis, Factors, Family, Topology};
pub use co_activation::{CoActivation, co_activations, co_activations_of};
pub use criterion::{Criterion, Failure, Gradient, criterion};
pub use curvature::negative_curvature;
pub use freedom::Freedom;
pub use gauge::gauges;
pub use incoherence::{DecoderIncoherence, Overlap, Pair, Schedule};
pub use inner::{Evidence, Inner, InnerSettings, minimise};
pub use layout::Layout;
pub use objective::Objective;
pub use outer::{Outer, OuterSettings, choose};
pub use phase::phase_charge;
pub use point::{Evaluated, Point};
pub use problem::{AmplitudePrior, Atom, Gate, Input, Problem, RowWeights};
pub use state::State;
pub use stationarity::{SolveStatus, Stationarity, solve_stationarity};
pub use strengths::{Parameter, Strengths};

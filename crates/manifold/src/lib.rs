//! Sparse dictionaries whose atoms are points, lines, circles, tori and patches.
//!
//! A row is f_n = Σ_k a_nk m_k(t_nk), m_k(t) = B_kᵀΦ_k(t): amounts a (the gate), coordinates t (the locals) and decoders B.
//! [`Objective`] is the penalised least-squares function of all of them for fixed hyperparameters ([`Strengths`]);
//! [`Assembly`] has its gradient, its exact Hessian A and the surrogate B at a [`State`].

mod ard;
pub mod arrow;
pub mod assembly;
pub mod basis;
pub mod criterion;
mod entropy;
pub mod freedom;
pub mod gauge;
pub mod incoherence;
pub mod inner;
pub mod layout;
mod local;
pub mod objective;
pub mod outer;
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

pub use arrow::{Arrow, Frame, Refusal, negative_curvature};
pub use assembly::{Assembly, Kind};
pub use basis::{Basis, Topology};
pub use criterion::{Criterion, Failure, Gradient, criterion};
pub use freedom::Freedom;
pub use gauge::gauges;
pub use incoherence::{DecoderIncoherence, Overlap, Pair, Schedule, co_activations};
pub use inner::{Evidence, Inner, InnerSettings, minimise};
pub use layout::Layout;
pub use objective::Objective;
pub use outer::{Outer, OuterSettings, choose};
pub use point::{Evaluated, Point};
pub use problem::{AmplitudePrior, Atom, Gate, Input, Problem, RowWeights};
pub use state::State;
pub use stationarity::{SolveStatus, Stationarity, solve_stationarity};
pub use strengths::{Parameter, Strengths};

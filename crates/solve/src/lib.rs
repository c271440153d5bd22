//! Krylov solvers that say what their answer is worth.
//!
//! [`solve`] runs a [`Method`] on an [`Operator`] and returns an [`Outcome`]: x, the [`Reason`] why it ended (a closed
//! list, converged and not converged told apart), the true residual and its gap to the recurrence, products, estimates of
//! the spectrum and of the energy error. A numerical outcome is never an error; misuse always is. Nothing is added to a
//! denominator: breakdowns, negative curvature, skew operators and non-finite numbers are detected and named.
//!
//! | method | A | products an iteration | vectors besides b |
//! | --- | --- | --- | --- |
//! | [`cg`] | Hermitian positive definite | 1 | 4 (5 with M) |
//! | [`minres`] | Hermitian | 1 | 9 (10) |
//! | [`cr`] | Hermitian positive definite | 1 | 5 (7) |
//! | [`shifted_hermitian`] | σI + iaH, H Hermitian | 1 | 4, and one copy of the best x |
//! | [`cocg`] | complex symmetric | 1 | 4, and one |
//! | [`cgw`] | I + S, S skew-Hermitian | 1 | 4, and one |
//! | [`cgnr`] | any of full column rank | 1 and 1 adjoint | 5 |
//! | [`lsqr`] | any, least squares | 1 and 1 adjoint | 6 |
//! | [`direct`] | dense, small | – | n |
//!
//! All share: τ = max(rtol‖b‖, atol); when the recurrence reaches it the true residual b − Ax decides (one product, one
//! vector). A near miss goes on to a lower target, a clear one restarts from the true residual, at most three times
//! (`accuracyLimit`). Systems scaled by anything that f64 can hold are brought into range by powers of two, exactly.
//! Hot loops allocate nothing, except the history if asked for and what an operator or preconditioner needs for itself
//! ([`ExactHessian`], [`Arrow`] and [`KroneckerSum`] take a work vector a product).
//!
//! Each method is one `async fn`, a coroutine over its products: [`solve`] answers them natively, [`Session`] hands them
//! to the caller, [`solve_many`] runs many right-hand sides in lockstep over one product.

// A comparison with NaN must fall on the side that refuses.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

pub mod arrow;
pub mod batch;
pub mod block_jacobi;
mod blocks;
pub mod cayley;
pub mod cg;
pub mod cgnr;
pub mod cgw;
pub mod cocg;
pub mod cr;
pub mod csr;
pub mod deflation;
pub mod dense;
mod diagonals;
pub mod direct;
pub mod exact_hessian;
mod finish;
pub mod gradient;
pub mod graph;
pub mod incomplete_cholesky;
pub mod jacobi;
pub mod kronecker;
pub mod lanczos;
pub mod least_squares;
mod lifted;
pub mod lsqr;
pub mod minres;
pub mod neumann;
pub mod null_space;
pub mod operator;
pub mod oracle;
pub mod outcome;
mod probe;
mod rows;
pub mod scalar;
pub mod session;
pub mod settings;
pub mod shifted_hermitian;
mod small;
mod sorted;
mod spectrum;
mod system;
pub mod vector;
mod watch;

pub use arrow::Arrow;
pub use batch::solve_many;
pub use block_jacobi::BlockJacobi;
pub use cayley::{Cayley, CayleySettings, Hamiltonian, Report, Solver};
pub use csr::Csr;
pub use deflation::Deflation;
pub use dense::Dense;
pub use direct::Direct;
pub use exact_hessian::{ExactHessian, exact_hessian};
pub use gradient::{GradientSettings, Structure, Vjp, direct_jvp, direct_vjp, jvp, vjp};
pub use graph::{EdgeGradient, Graph};
pub use incomplete_cholesky::{IncompleteCholesky, Pattern};
pub use jacobi::Jacobi;
pub use kronecker::KroneckerSum;
pub use lanczos::{Bounds, gershgorin, lanczos};
pub use least_squares::{LeastSquaresVjp, least_squares_jvp, least_squares_vjp};
pub use lifted::Lifted;
pub use neumann::neumann;
pub use null_space::NullSpace;
pub use operator::{Operator, Preconditioner};
pub use oracle::{Parts, RequestKind, Supply};
pub use outcome::{Location, Outcome, Reason};
pub use scalar::{Complex64, Scalar};
pub use session::{Session, solve};
pub use settings::{Method, Norm, Replacement, Settings};

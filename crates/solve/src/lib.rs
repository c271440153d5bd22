//! Krylov solvers that say what their answer is worth.

pub mod cg;
pub mod cgnr;
pub mod cgw;
pub mod cocg;
pub mod cr;
pub mod csr;
pub mod deflation;
pub mod dense;
pub mod lsqr;
pub mod minres;
pub mod null_space;
pub mod operator;
pub mod oracle;
pub mod outcome;
mod probe;
pub mod scalar;
pub mod session;
pub mod settings;
pub mod shifted_hermitian;
mod small;
mod spectrum;
mod system;
pub mod vector;

pub use csr::Csr;
pub use deflation::Deflation;
pub use dense::Dense;
pub use null_space::NullSpace;
pub use operator::{Operator, Preconditioner};
pub use oracle::{Parts, RequestKind, Supply};
pub use outcome::{Location, Outcome, Reason};
pub use scalar::{Complex64, Scalar};
pub use session::{Session, solve};
pub use settings::{Method, Norm, Replacement, Settings};

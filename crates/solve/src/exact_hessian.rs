//! Newton systems with an exact Hessian A = B + δC, where B is positive definite and factored (a Gauss–Newton or
//! block-diagonal model) and C is the rest, known by its products.
//!
//! Conjugate gradients with M = B: the spectrum of B⁻¹A is 1 + δμ, μ that of B⁻¹C. A solution is returned only if A was
//! positive definite along the way (δμ > −1); otherwise `indefiniteOperator` with the direction p and its curvature
//! pᴴAp/pᴴp < 0 — or, with `radius` or `truncated`, what those options say. The Neumann iteration
//! x ← B⁻¹(b − δCx) needs max|δμ| < 1 instead, and does not notice an indefinite A.
//! Cost an iteration: one product with B, one with C, one solve with B; otherwise as [`crate::cg`].

use headwater_base::{Control, Error};

use crate::operator::{Operator, Preconditioner};
use crate::outcome::Outcome;
use crate::scalar::Scalar;
use crate::session::solve;
use crate::settings::{Method, Settings};

/// B + δC.
pub struct ExactHessian<B, C> {
    /// B.
    pub base: B,
    /// C.
    pub correction: C,
    /// δ.
    pub delta: f64,
}

impl<T: Scalar, B: Operator<T>, C: Operator<T>> Operator<T> for ExactHessian<B, C> {
    fn rows(&self) -> usize {
        self.base.rows()
    }
    fn cols(&self) -> usize {
        self.base.cols()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        let mut image = vec![T::default(); y.len()];
        self.base.apply(x, y);
        self.correction.apply(x, &mut image);
        crate::vector::axpy(self.delta, T::reals(&image), T::reals_mut(y));
    }
    fn hermitian(&self) -> Option<bool> {
        (self.base.hermitian() == Some(true) && self.correction.hermitian() == Some(true)).then_some(true)
    }
}

/// Solves (B + δC)x = b with `factor` = B⁻¹.
///
/// Errors: `option-not-valid` for misuse, as [`solve`].
pub fn exact_hessian<T: Scalar>(
    base: &dyn Operator<T>,
    factor: &dyn Preconditioner<T>,
    correction: &dyn Operator<T>,
    delta: f64,
    b: &[T],
    settings: &Settings<T>,
    control: Control<'_>,
) -> Result<Outcome<T>, Error> {
    if (base.rows(), base.cols()) != (correction.rows(), correction.cols()) || !delta.is_finite() {
        return Err(Error::new("option-not-valid", "B and C must have the same size and delta must be finite"));
    }
    let operator = ExactHessian { base, correction, delta };
    solve(Method::Cg, &operator, Some(factor), b, settings, control)
}

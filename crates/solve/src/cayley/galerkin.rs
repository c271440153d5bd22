//! The solve of one Cayley step, (I + iaH)y = b from y = 0, at the smallest cost.
//!
//! The recurrence is that of [`crate::shifted_hermitian`], which says why truncation keeps the norm and the energy. Here
//! it runs in a workspace that is kept from step to step, without the general driver's watch, which for n = 256 costs
//! half as much as the arithmetic. Where anything is not finite, or H·a too large for plain sums of squares, the caller
//! goes to the general driver, which scales and names it.

use headwater_base::Control;

use super::Hamiltonian;
use crate::operator::Operator;
use crate::outcome::Reason;
use crate::scalar::{Complex64, Scalar};
use crate::{shifted_hermitian, vector};

/// Times the target is lowered before `accuracyLimit`.
const ATTEMPTS: usize = 3;

/// How one solve ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solved {
    pub reason: Reason,
    pub matvecs: usize,
    /// True ‖b − Ay‖/‖b‖; NaN where unknown.
    pub residual: f64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Workspace {
    r: Vec<Complex64>,
    p: Vec<Complex64>,
    q: Vec<Complex64>,
}

impl Workspace {
    /// y ← (I + iaH)⁻¹b. `None` if this is a case for the general driver.
    pub fn solve(
        &mut self,
        h: &Hamiltonian,
        a: f64,
        b: &[Complex64],
        rtol: f64,
        max_iterations: usize,
        control: Control<'_>,
        y: &mut [Complex64],
    ) -> Option<Solved> {
        let n = b.len();
        let square = vector::dot(Complex64::reals(b), Complex64::reals(b));
        if !(1e-100..1e100).contains(&square) {
            return None;
        }
        let tolerance = rtol * square.sqrt();
        self.r.clear();
        self.r.extend_from_slice(b);
        self.p.clear();
        self.p.extend_from_slice(b);
        self.q.resize(n, Complex64::default());
        y.fill(Complex64::default());
        let (mut gamma, mut target, mut attempts, mut matvecs) = (square, tolerance, 0, 0);
        let mut reason = Reason::MaxIterations;
        for _ in 0..max_iterations {
            let delta = shifted_hermitian::apply_dot(h, 1.0, a, &self.p, &self.r, &mut self.q);
            matvecs += 1;
            // Re δ = ‖r‖² in exact arithmetic, as Krylov residuals are orthogonal.
            if !delta.is_finite() || delta.norm_sqr() <= 1e-200 {
                return None;
            }
            let alpha = gamma / delta;
            let next = vector::reduce_complex(
                alpha.re,
                alpha.im,
                Complex64::reals(&self.q),
                Complex64::reals_mut(&mut self.r),
            );
            if !next.is_finite() {
                return None;
            }
            let norm = next.sqrt();
            // The step y += αp waits for the pass that makes the next direction, unless y is looked at.
            let mut owed = alpha;
            if norm <= target {
                Complex64::axpy(std::mem::take(&mut owed), &self.p, y);
                let residual = residual(h, a, b, y, &mut self.q);
                matvecs += 1;
                if residual <= tolerance {
                    return Some(Solved { reason: Reason::Rtol, matvecs, residual: residual / square.sqrt() });
                }
                attempts += 1;
                if attempts == ATTEMPTS || !residual.is_finite() {
                    reason = Reason::AccuracyLimit;
                    break;
                }
                target = 0.25 * norm.min(tolerance);
            }
            let beta = (alpha / alpha.conj()) * (-next / gamma);
            let (z, p) = (Complex64::reals(&self.r), Complex64::reals_mut(&mut self.p));
            vector::advance_complex([owed.re, owed.im], z, [beta.re, beta.im], p, Complex64::reals_mut(y));
            gamma = next;
            if control.cancelled() {
                reason = Reason::Aborted;
                break;
            }
        }
        let residual = residual(h, a, b, y, &mut self.q);
        residual.is_finite().then(|| Solved { reason, matvecs: matvecs + 1, residual: residual / square.sqrt() })
    }
}

/// ‖b − (I + iaH)y‖.
pub(super) fn residual(h: &Hamiltonian, a: f64, b: &[Complex64], y: &[Complex64], work: &mut [Complex64]) -> f64 {
    h.apply(y, work);
    vector::shift_complex(1.0, a, Complex64::reals(y), Complex64::reals_mut(work));
    vector::axpby(1.0, Complex64::reals(b), -1.0, Complex64::reals_mut(work));
    vector::norm(Complex64::reals(work))
}

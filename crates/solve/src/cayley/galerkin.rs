//! The solve of one Cayley step, (I + iaH)y = b from y = 0, at the smallest cost.
//!
//! The recurrence is that of [`crate::shifted_hermitian`], which says why truncation keeps the norm and the energy. Here
//! it runs in a workspace that is kept from step to step, without the general driver's watch, which for n = 256 costs
//! half as much as the arithmetic. Where anything is not finite, or H·a too large for plain sums of squares, the caller
//! goes to the general driver, which scales and names it.

use headwater_base::Control;
use headwater_linalg::simd;

use super::Hamiltonian;
use crate::operator::Operator;
use crate::outcome::Reason;
use crate::scalar::{Complex64, Scalar};
use crate::vector;

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
            h.apply(&self.p, &mut self.q);
            matvecs += 1;
            shift(a, Complex64::reals(&self.p), Complex64::reals_mut(&mut self.q));
            let delta = Complex64::dot(&self.r, &self.q);
            // Re δ = ‖r‖² in exact arithmetic, as Krylov residuals are orthogonal.
            if !delta.is_finite() || delta.norm_sqr() <= 1e-200 {
                return None;
            }
            let alpha = gamma / delta;
            Complex64::axpy(alpha, &self.p, y);
            Complex64::axpy(-alpha, &self.q, &mut self.r);
            let next = vector::dot(Complex64::reals(&self.r), Complex64::reals(&self.r));
            if !next.is_finite() {
                return None;
            }
            let norm = next.sqrt();
            if norm <= target {
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
            if control.cancelled() {
                reason = Reason::Aborted;
                break;
            }
            let beta = (alpha / alpha.conj()) * (-next / gamma);
            Complex64::xpby(&self.r, beta, &mut self.p);
            gamma = next;
        }
        let residual = residual(h, a, b, y, &mut self.q);
        residual.is_finite().then(|| Solved { reason, matvecs: matvecs + 1, residual: residual / square.sqrt() })
    }
}

/// ‖b − (I + iaH)y‖.
pub(super) fn residual(h: &Hamiltonian, a: f64, b: &[Complex64], y: &[Complex64], work: &mut [Complex64]) -> f64 {
    h.apply(y, work);
    shift(a, Complex64::reals(y), Complex64::reals_mut(work));
    vector::axpby(1.0, Complex64::reals(b), -1.0, Complex64::reals_mut(work));
    vector::norm(Complex64::reals(work))
}

simd! {
/// q ← p + ia q.
fn shift(a: f64, p: &[f64], q: &mut [f64]) {
    for (p, q) in p.as_chunks::<2>().0.iter().zip(q.as_chunks_mut::<2>().0) {
        *q = [(-a).mul_add(q[1], p[0]), a.mul_add(q[0], p[1])];
    }
}
}

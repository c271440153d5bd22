//! The solve of one Cayley step, (I + iaH)y = b from y = 0, at the smallest cost.
//!
//! The recurrence is that of [`crate::shifted_hermitian`], which says why truncation keeps the norm and the energy. Here
//! are its passes fused (three an iteration besides the product), in a workspace that is kept from step to step: for
//! n = 256 the general driver costs as much as the arithmetic. Where numbers are too large or too small for plain
//! sums of squares, or anything is not finite, the caller goes to the general driver, which scales and names it.

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
            let [re, im] =
                shift(a, Complex64::reals(&self.p), Complex64::reals_mut(&mut self.q), Complex64::reals(&self.r));
            let delta = Complex64::new(re, im);
            // Re δ = ‖r‖² in exact arithmetic, as Krylov residuals are orthogonal.
            if !(delta.norm_sqr() > 1e-200) {
                return None;
            }
            let alpha = gamma / delta;
            let next = update(
                [alpha.re, alpha.im],
                Complex64::reals(&self.p),
                Complex64::reals(&self.q),
                Complex64::reals_mut(y),
                Complex64::reals_mut(&mut self.r),
            );
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
                // The product is lost; the direction stands, and the next one is made from it below.
                target = 0.25 * norm.min(tolerance);
            }
            if control.cancelled() {
                reason = Reason::Aborted;
                break;
            }
            let beta = (alpha / alpha.conj()) * (-next / gamma);
            vector::xpby_complex(Complex64::reals(&self.r), beta.re, beta.im, Complex64::reals_mut(&mut self.p));
            gamma = next;
        }
        let residual = residual(h, a, b, y, &mut self.q);
        residual.is_finite().then(|| Solved { reason, matvecs: matvecs + 1, residual: residual / square.sqrt() })
    }
}

/// ‖b − (I + iaH)y‖.
pub(super) fn residual(h: &Hamiltonian, a: f64, b: &[Complex64], y: &[Complex64], work: &mut [Complex64]) -> f64 {
    h.apply(y, work);
    defect(a, Complex64::reals(b), Complex64::reals(y), Complex64::reals(work)).sqrt()
}

const WIDTH: usize = 16;

/// z[e] + c·x as interleaved complex numbers, component e.
#[inline(always)]
fn times(c: [f64; 2], x: &[f64], e: usize, z: f64) -> f64 {
    let cross = if e % 2 == 0 { -c[1] } else { c[1] };
    cross.mul_add(x[e ^ 1], c[0].mul_add(x[e], z))
}

simd! {
/// q ← p + ia q, and ⟨r, q⟩ of the new q.
fn shift(a: f64, p: &[f64], q: &mut [f64], r: &[f64]) -> [f64; 2] {
    let (mut same, mut cross) = ([0.0; WIDTH], [0.0; WIDTH]);
    let ((ps, p_tail), (qs, q_tail)) = (p.as_chunks::<WIDTH>(), q.as_chunks_mut::<WIDTH>());
    let (rs, r_tail) = r.as_chunks::<WIDTH>();
    for ((p, q), r) in ps.iter().zip(qs).zip(rs) {
        let mut new = [0.0; WIDTH];
        for e in 0..WIDTH {
            new[e] = (if e % 2 == 0 { -a } else { a }).mul_add(q[e ^ 1], p[e]);
        }
        for e in 0..WIDTH {
            same[e] = r[e].mul_add(new[e], same[e]);
            cross[e] = r[e].mul_add(new[e ^ 1], cross[e]);
        }
        *q = new;
    }
    let mut new = [0.0; WIDTH];
    for e in 0..p_tail.len() {
        new[e] = (if e % 2 == 0 { -a } else { a }).mul_add(q_tail[e ^ 1], p_tail[e]);
    }
    for e in 0..p_tail.len() {
        same[e] = r_tail[e].mul_add(new[e], same[e]);
        cross[e] = r_tail[e].mul_add(new[e ^ 1], cross[e]);
        q_tail[e] = new[e];
    }
    let mut sums = [0.0; 2];
    for e in 0..WIDTH / 2 {
        sums[0] += same[2 * e] + same[2 * e + 1];
        sums[1] += cross[2 * e] - cross[2 * e + 1];
    }
    sums
}

/// x += αp, r −= αq; returns ‖r‖².
fn update(alpha: [f64; 2], p: &[f64], q: &[f64], x: &mut [f64], r: &mut [f64]) -> f64 {
    let minus = [-alpha[0], -alpha[1]];
    let mut sums = [0.0; WIDTH];
    let ((ps, p_tail), (qs, q_tail)) = (p.as_chunks::<WIDTH>(), q.as_chunks::<WIDTH>());
    let ((xs, x_tail), (rs, r_tail)) = (x.as_chunks_mut::<WIDTH>(), r.as_chunks_mut::<WIDTH>());
    for (((p, q), x), r) in ps.iter().zip(qs).zip(xs).zip(rs) {
        for e in 0..WIDTH {
            x[e] = times(alpha, p, e, x[e]);
            let new = times(minus, q, e, r[e]);
            r[e] = new;
            sums[e] = new.mul_add(new, sums[e]);
        }
    }
    for e in 0..p_tail.len() {
        x_tail[e] = times(alpha, p_tail, e, x_tail[e]);
        let new = times(minus, q_tail, e, r_tail[e]);
        r_tail[e] = new;
        sums[e] = new.mul_add(new, sums[e]);
    }
    let mut total = 0.0;
    for e in 0..WIDTH / 2 {
        total += sums[e] + sums[e + WIDTH / 2];
    }
    total
}

/// ‖b − y − ia·w‖², w = Hy.
fn defect(a: f64, b: &[f64], y: &[f64], w: &[f64]) -> f64 {
    let mut sums = [0.0; WIDTH];
    let ((bs, b_tail), (ys, y_tail)) = (b.as_chunks::<WIDTH>(), y.as_chunks::<WIDTH>());
    let (ws, w_tail) = w.as_chunks::<WIDTH>();
    for ((b, y), w) in bs.iter().zip(ys).zip(ws) {
        for e in 0..WIDTH {
            let d = times([0.0, -a], w, e, b[e] - y[e]);
            sums[e] = d.mul_add(d, sums[e]);
        }
    }
    for e in 0..b_tail.len() {
        let d = times([0.0, -a], w_tail, e, b_tail[e] - y_tail[e]);
        sums[e] = d.mul_add(d, sums[e]);
    }
    let mut total = 0.0;
    for e in 0..WIDTH / 2 {
        total += sums[e] + sums[e + WIDTH / 2];
    }
    total
}
}

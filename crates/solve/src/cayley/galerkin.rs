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
                target = 0.25 * norm.min(tolerance);
            }
            if control.cancelled() {
                reason = Reason::Aborted;
                break;
            }
            let beta = (alpha / alpha.conj()) * (-next / gamma);
            direction([beta.re, beta.im], Complex64::reals(&self.r), Complex64::reals_mut(&mut self.p));
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
type Lanes = [f64; WIDTH];

/// (−v, v, −v, v, …): what multiplies the swapped parts in a product with a complex number of imaginary part v.
#[inline(always)]
fn alternating(v: f64) -> Lanes {
    let mut lanes = [v; WIDTH];
    for e in 0..WIDTH / 2 {
        lanes[2 * e] = -v;
    }
    lanes
}

/// z + (re + i·im)·x for interleaved complex numbers, `im` alternating.
#[inline(always)]
fn multiply_add(re: f64, im: &Lanes, x: &Lanes, z: &Lanes) -> Lanes {
    let mut out = *z;
    for e in 0..WIDTH {
        out[e] = re.mul_add(x[e], out[e]);
    }
    for e in 0..WIDTH {
        out[e] = im[e].mul_add(x[e ^ 1], out[e]);
    }
    out
}

/// Chunk k, the last one filled with zeros.
#[inline(always)]
fn load(x: &[f64], k: usize) -> Lanes {
    let mut lanes = [0.0; WIDTH];
    let rest = &x[k * WIDTH..];
    if rest.len() >= WIDTH {
        lanes.copy_from_slice(&rest[..WIDTH]);
    } else {
        lanes[..rest.len()].copy_from_slice(rest);
    }
    lanes
}

#[inline(always)]
fn store(x: &mut [f64], k: usize, lanes: &Lanes) {
    let rest = &mut x[k * WIDTH..];
    if rest.len() >= WIDTH {
        rest[..WIDTH].copy_from_slice(lanes);
    } else {
        let length = rest.len();
        rest.copy_from_slice(&lanes[..length]);
    }
}

#[inline(always)]
fn squares(x: &Lanes, sums: &mut Lanes) {
    for e in 0..WIDTH {
        sums[e] = x[e].mul_add(x[e], sums[e]);
    }
}

#[inline(always)]
fn total(sums: &Lanes) -> f64 {
    let mut total = 0.0;
    for e in 0..WIDTH / 2 {
        total += sums[e] + sums[e + WIDTH / 2];
    }
    total
}

simd! {
/// q ← p + ia q, and ⟨r, q⟩ of the new q.
fn shift(a: f64, p: &[f64], q: &mut [f64], r: &[f64]) -> [f64; 2] {
    let im = alternating(a);
    let (mut same, mut cross) = ([0.0; WIDTH], [0.0; WIDTH]);
    for k in 0..p.len().div_ceil(WIDTH) {
        let (r, old) = (load(r, k), load(q, k));
        let mut new = load(p, k);
        for e in 0..WIDTH {
            new[e] = im[e].mul_add(old[e ^ 1], new[e]);
        }
        for e in 0..WIDTH {
            same[e] = r[e].mul_add(new[e], same[e]);
        }
        for e in 0..WIDTH {
            cross[e] = r[e].mul_add(new[e ^ 1], cross[e]);
        }
        store(q, k, &new);
    }
    let mut difference = 0.0;
    for e in 0..WIDTH / 2 {
        difference += cross[2 * e] - cross[2 * e + 1];
    }
    [total(&same), difference]
}

/// x += αp, r −= αq; returns ‖r‖².
fn update(alpha: [f64; 2], p: &[f64], q: &[f64], x: &mut [f64], r: &mut [f64]) -> f64 {
    let (plus, minus) = (alternating(alpha[1]), alternating(-alpha[1]));
    let mut sums = [0.0; WIDTH];
    for k in 0..p.len().div_ceil(WIDTH) {
        let moved = multiply_add(alpha[0], &plus, &load(p, k), &load(x, k));
        store(x, k, &moved);
        let new = multiply_add(-alpha[0], &minus, &load(q, k), &load(r, k));
        store(r, k, &new);
        squares(&new, &mut sums);
    }
    total(&sums)
}

/// p = r + βp.
fn direction(beta: [f64; 2], r: &[f64], p: &mut [f64]) {
    let im = alternating(beta[1]);
    for k in 0..r.len().div_ceil(WIDTH) {
        let new = multiply_add(beta[0], &im, &load(p, k), &load(r, k));
        store(p, k, &new);
    }
}

/// ‖b − y − ia·w‖², w = Hy.
fn defect(a: f64, b: &[f64], y: &[f64], w: &[f64]) -> f64 {
    let im = alternating(-a);
    let mut sums = [0.0; WIDTH];
    for k in 0..b.len().div_ceil(WIDTH) {
        let (b, y, w) = (load(b, k), load(y, k), load(w, k));
        let mut d = [0.0; WIDTH];
        for e in 0..WIDTH {
            d[e] = b[e] - y[e];
        }
        for e in 0..WIDTH {
            d[e] = im[e].mul_add(w[e ^ 1], d[e]);
        }
        squares(&d, &mut sums);
    }
    total(&sums)
}
}

//! One piece of the subproblem without forming S: 2g·s + sᵀSs over the bounds, by projected conjugate gradients.
//!
//! In y = D^½s, with the slice's penalty: f(y) = 2b·y + yᵀAy, A = S̃ + Σ_k c_kc_kᵀ, b = D^-½g + Σ_k c_k (c_k·D^½δ),
//! over y >= l. With G = Ay + b, φ its part on the elements off their bounds and β = min(G, 0) on the others:
//! - where ‖β‖ <= ‖φ‖, a conjugate-gradient step from p = φ in the face; one that would leave the bounds ends at
//!   the first of them and is followed by the projected step [y − tφ]₊, t = ‖φ‖²/φᵀAφ (halved until f falls);
//! - otherwise the exact step along −β, which lets elements go.
//!
//! pᵀAp <= 0 anywhere means that S is not positive definite there: the caller shifts it.
//! What is left to gain is at most ‖φ + β‖²/θ while A >= θ; θ is half the smallest Ritz value of the runs so far.
//! It is added to the promise, so that λ²_J is an upper bound.
//!
//! Cost: one product with S an iteration (two where bounds are met); memory: ten vectors.
//! Source: Z. Dostál (1997), "Box constrained quadratic programming with proportioning and projections", SIAM J.
//! Optim. 7:871. Deviation: the length of the projected step is that of the steepest descent, with a search.

use crate::newton::Piece;
use crate::reduced::Reduced;
use headwater_linalg::eigen;

/// Most products a piece may take.
const PRODUCTS: usize = 2000;
/// Share of a piece's promise that may be left: an inexact Newton method loses little by it.
const LEFT: f64 = 1e-3;
/// Iterations of a run that its Ritz values are taken from.
const RITZ: usize = 120;

impl Reduced<'_, '_> {
    /// As the dense piece; ends when less than `goal` (in units of Q), or 1e-3 of the promise, is left to gain.
    pub fn projected_piece(
        &self,
        gradient: &[f64],
        delta: &[f64],
        shift: f64,
        goal: f64,
        at_bound: &mut [bool],
    ) -> Option<Piece> {
        let model = self.model;
        let (h, bounded) = (&model.short.rows, model.short.bounded);
        let all: Vec<usize> = (0..gradient.len()).filter(|&a| model.d[a] > 0.0).collect();
        let root: Vec<f64> = all.iter().map(|&a| model.d[a].sqrt()).collect();
        let gauges = self.gauges(&all);
        let moved: Vec<f64> = all.iter().zip(&root).map(|(&a, r)| delta[a] * r).collect();
        let mut b: Vec<f64> = all.iter().zip(&root).map(|(&a, r)| gradient[a] / r).collect();
        penalise(&gauges, &moved, &mut b);
        let lower: Vec<f64> = all
            .iter()
            .zip(&root)
            .map(|(&a, r)| if bounded { -(h[a] + delta[a]).max(0.0) * r } else { f64::NEG_INFINITY })
            .collect();
        let apply = |y: &[f64]| {
            let mut out = self.product(&all, y);
            penalise(&gauges, y, &mut out);
            out.iter_mut().zip(y).for_each(|(o, y)| *o += shift * y);
            out
        };
        let outcome = minimise(&apply, &b, &lower, goal, &|| model.crew.stopped())?;
        let mut change = vec![0.0; gradient.len()];
        for (r, &a) in all.iter().enumerate() {
            change[a] = outcome.y[r] / root[r];
            at_bound[a] = outcome.y[r] <= lower[r];
        }
        Some(Piece {
            change,
            promise: outcome.decrease + outcome.left,
            residual: outcome.residual,
            solved: outcome.solved,
        })
    }
}

/// out += Σ_k c_k (c_k·y).
fn penalise(gauges: &[f64], y: &[f64], out: &mut [f64]) {
    for c in gauges.chunks_exact(y.len().max(1)) {
        let overlap = dot(c, y);
        out.iter_mut().zip(c).for_each(|(o, c)| *o += overlap * c);
    }
}

struct Outcome {
    y: Vec<f64>,
    /// −f(y).
    decrease: f64,
    /// Bound on what is left to gain.
    left: f64,
    /// ‖φ + β‖².
    residual: f64,
    solved: bool,
}

/// Minimises 2b·y + yᵀAy over y >= lower (lower <= 0) from y = 0; `None` if A is not positive definite.
fn minimise(
    apply: &dyn Fn(&[f64]) -> Vec<f64>,
    b: &[f64],
    lower: &[f64],
    goal: f64,
    stopped: &dyn Fn() -> bool,
) -> Option<Outcome> {
    let size = b.len();
    let mut y = vec![0.0; size];
    let mut g = b.to_vec();
    let mut run = Run::default();
    let mut p: Vec<f64> = Vec::new();
    let mut theta = f64::INFINITY;
    let value = |y: &[f64], g: &[f64]| dot(y, b) + dot(y, g);
    let mut products = 0;
    while products < PRODUCTS && !stopped() {
        // φ and β: disjoint parts of the gradient.
        let free: Vec<f64> = (0..size).map(|r| if y[r] > lower[r] { g[r] } else { 0.0 }).collect();
        let pulled: Vec<f64> = (0..size).map(|r| if y[r] > lower[r] { 0.0 } else { g[r].min(0.0) }).collect();
        let (free2, pulled2) = (dot(&free, &free), dot(&pulled, &pulled));
        let decrease = -value(&y, &g);
        let allowed = goal.max(LEFT * decrease);
        // Ritz values cost little beside a product, but are only needed where the end is in sight.
        let least = theta.min(run.quotient);
        let residual = free2 + pulled2;
        if residual == 0.0 {
            return Some(Outcome { y, decrease, left: 0.0, residual, solved: true });
        }
        if least.is_finite() && residual / (0.5 * least) <= allowed {
            let left = residual / (0.5 * theta.min(run.smallest()));
            if left <= allowed {
                return Some(Outcome { y, decrease, left, residual, solved: true });
            }
        }
        if pulled2 > free2 {
            let image = apply(&pulled);
            products += 1;
            let bend = dot(&pulled, &image);
            if bend <= 0.0 {
                return None;
            }
            // −β points inwards, so no bound limits the step.
            let t = pulled2 / bend;
            theta = theta.min(bend / pulled2).min(run.smallest());
            step(&mut y, &mut g, -t, &pulled, &image);
            (run, p) = (Run::default(), Vec::new());
            continue;
        }
        if p.is_empty() {
            p.clone_from(&free);
        }
        let image = apply(&p);
        products += 1;
        let bend = dot(&p, &image);
        if bend <= 0.0 {
            return None;
        }
        let t = dot(&g, &p) / bend;
        let far = (0..size).filter(|&r| p[r] > 0.0).map(|r| (y[r] - lower[r]) / p[r]).fold(f64::INFINITY, f64::min);
        if t <= far {
            step(&mut y, &mut g, -t, &p, &image);
            let beta = (0..size).filter(|&r| y[r] > lower[r]).map(|r| g[r] * image[r]).sum::<f64>() / bend;
            run.push(t, beta, bend / dot(&p, &p));
            for r in 0..size {
                p[r] = if y[r] > lower[r] { beta.mul_add(-p[r], g[r]) } else { 0.0 };
            }
            continue;
        }
        // To the first bound, then along the projected path.
        theta = theta.min(bend / dot(&p, &p)).min(run.smallest());
        step(&mut y, &mut g, -far, &p, &image);
        for r in 0..size {
            if p[r] > 0.0 && y[r] <= lower[r] + 1e-14 * (far * p[r]).abs() {
                y[r] = lower[r];
            }
        }
        (run, p) = (Run::default(), Vec::new());
        let free: Vec<f64> = (0..size).map(|r| if y[r] > lower[r] { g[r] } else { 0.0 }).collect();
        let before = value(&y, &g);
        let mut t = t;
        for _ in 0..8 {
            let trial: Vec<f64> = (0..size).map(|r| (y[r] - t * free[r]).max(lower[r])).collect();
            let mut there = apply(&trial);
            products += 1;
            there.iter_mut().zip(b).for_each(|(g, b)| *g += b);
            if value(&trial, &there) < before {
                (y, g) = (trial, there);
                break;
            }
            t *= 0.25;
        }
    }
    let decrease = -value(&y, &g);
    Some(Outcome { y, decrease, left: 0.0, residual: f64::INFINITY, solved: false })
}

/// y += t p, g += t Ap.
fn step(y: &mut [f64], g: &mut [f64], t: f64, p: &[f64], image: &[f64]) {
    for r in 0..y.len() {
        y[r] = t.mul_add(p[r], y[r]);
        g[r] = t.mul_add(image[r], g[r]);
    }
}

/// Coefficients of a run of conjugate gradients in one face, for its Ritz values.
struct Run {
    lengths: Vec<f64>,
    betas: Vec<f64>,
    /// Smallest Rayleigh quotient of its directions.
    quotient: f64,
}

impl Default for Run {
    fn default() -> Self {
        Self { lengths: Vec::new(), betas: Vec::new(), quotient: f64::INFINITY }
    }
}

impl Run {
    fn push(&mut self, length: f64, beta: f64, quotient: f64) {
        self.lengths.push(length);
        self.betas.push(-beta);
        self.quotient = self.quotient.min(quotient);
    }

    /// Smallest eigenvalue of T: T_jj = 1/α_j + β_{j−1}/α_{j−1}, T_{j,j+1} = √β_j/α_j.
    fn smallest(&self) -> f64 {
        let n = self.lengths.len().min(RITZ);
        let mut t = vec![0.0; n * n];
        for j in 0..n {
            t[j * n + j] = 1.0 / self.lengths[j];
            if j > 0 {
                t[j * n + j] += self.betas[j - 1].max(0.0) / self.lengths[j - 1];
                let off = self.betas[j - 1].max(0.0).sqrt() / self.lengths[j - 1];
                t[j * n + j - 1] = off;
                t[(j - 1) * n + j] = off;
            }
        }
        let ritz = eigen::symmetric(n, &t).and_then(|(values, _)| values.first().copied());
        ritz.filter(|value| *value > 0.0).unwrap_or(f64::INFINITY).min(self.quotient)
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

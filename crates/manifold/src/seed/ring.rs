//! Rows as sums of points on rings, coded and refitted in turns.
//!
//! x̂ = mean + Σ_{k in S} (cos 2πt_k · a_k1 + sin 2πt_k · a_k2), |S| the same for every row. Coding: the best of all pairs
//! where two rings are active (greedy routing misses 2 % of them), greedy with exchanges where more are; phases by
//! backfitting, which ends in the least residual where planes are far from parallel, and may not where they are not.
//! Refitting: all axes and the mean by least squares on the codes. A turn that does not lower the residual is the last.

use crate::seed::cumulant::Planes;
use headwater_base::parallel;
use headwater_linalg::cholesky;
use headwater_linalg::dense::inner;

/// Rounds of backfitting among the active rings by which supports are compared, and at most for the one that is taken.
const ROUNDS: usize = 4;
const LAST_ROUNDS: usize = 60;
/// Turns of coding and refitting at most.
const TURNS: usize = 30;

/// Rings (ellipses, once they were refitted) in p dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Rings {
    /// p numbers.
    pub mean: Vec<f64>,
    /// Two axes each, 2 × p.
    pub axes: Vec<Vec<f64>>,
}

/// What rows consist of.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    /// Rings of every row, the same number for each.
    pub active: usize,
    /// N × active: the rings, ascending within a row.
    pub support: Vec<u32>,
    /// N × active: phases in [0, 1).
    pub phase: Vec<f64>,
    /// Σ‖x − x̂‖².
    pub residual: f64,
}

/// AᵀA of one ring's axes, and AᵀB of two.
type Gram = [f64; 4];

/// Codes of rows (N × p) by `active` rings each.
pub fn encode(rings: &Rings, rows: &[f64], active: usize, threads: usize) -> Codes {
    let p = rings.mean.len();
    let count = rings.axes.len();
    let active = active.min(count);
    let grams: Vec<Gram> =
        (0..count * count).map(|at| gram(&rings.axes[at / count], &rings.axes[at % count])).collect();
    let chunk = 128 * p;
    let parts = parallel::map(threads, rows.len().div_ceil(chunk), |at| {
        let (tried, best) = (Coded::default(), Coded::default());
        let mut coder = Coder { rings, grams: &grams, active, b: vec![[0.0; 2]; count], tried, best };
        let (mut support, mut phase, mut residual) = (Vec::new(), Vec::new(), Vec::new());
        for x in rows[at * chunk..rows.len().min((at + 1) * chunk)].chunks_exact(p) {
            let left = coder.row(x);
            let mut found: Vec<(usize, f64)> =
                coder.best.support.iter().copied().zip(coder.best.points.iter().map(turn)).collect();
            found.sort_by_key(|(k, _)| *k);
            support.extend(found.iter().map(|(k, _)| *k as u32));
            phase.extend(found.iter().map(|(_, t)| *t));
            residual.push(left);
        }
        (support, phase, residual)
    });
    let mut codes = Codes { active, support: Vec::new(), phase: Vec::new(), residual: 0.0 };
    let mut sums = Vec::new();
    for (support, phase, residual) in parts {
        codes.support.extend(support);
        codes.phase.extend(phase);
        sums.extend(residual);
    }
    codes.residual = parallel::pairwise_sum(&sums);
    codes
}

/// Codes and rings in turns from `planes`, until the residual stands.
pub fn refine(planes: &Planes, rows: &[f64], active: usize, threads: usize) -> (Rings, Codes) {
    let mut rings = Rings { mean: planes.mean.clone(), axes: planes.axes.clone() };
    let mut codes = encode(&rings, rows, active, threads);
    for _ in 0..TURNS {
        let Some(next) = refit(&rings, &codes, rows) else { break };
        let coded = encode(&next, rows, active, threads);
        let gain = codes.residual - coded.residual;
        if gain <= 0.0 {
            break;
        }
        let small = gain <= 1e-7 * codes.residual;
        (rings, codes) = (next, coded);
        if small {
            break;
        }
    }
    (rings, codes)
}

fn gram(a: &[f64], b: &[f64]) -> Gram {
    let p = a.len() / 2;
    let axis = |of: &[f64], e: usize| of[e * p..(e + 1) * p].to_vec();
    std::array::from_fn(|at| inner(&axis(a, at / 2), &axis(b, at % 2)))
}

/// Phase in turns of a point on the unit circle.
fn turn([c, s]: &[f64; 2]) -> f64 {
    let t = s.atan2(*c) / std::f64::consts::TAU;
    if t < 0.0 { (t + 1.0).min(1.0 - f64::EPSILON) } else { t }
}

/// A support with its points on the unit circle, and by how much they lower ‖x‖².
#[derive(Clone, Default)]
struct Coded {
    support: Vec<usize>,
    points: Vec<[f64; 2]>,
    gain: f64,
}

impl Coded {
    fn take(&mut self, from: &Self) {
        self.support.clone_from(&from.support);
        self.points.clone_from(&from.points);
        self.gain = from.gain;
    }
}

struct Coder<'a> {
    rings: &'a Rings,
    grams: &'a [Gram],
    active: usize,
    /// Aᵀ(x − mean) of every ring.
    b: Vec<[f64; 2]>,
    /// The support that is tried, and the best one.
    tried: Coded,
    best: Coded,
}

impl Coder<'_> {
    /// Codes a row, left in `best`; returns ‖x − x̂‖².
    fn row(&mut self, x: &[f64]) -> f64 {
        let p = x.len();
        let count = self.rings.axes.len();
        let centred: Vec<f64> = x.iter().zip(&self.rings.mean).map(|(x, m)| x - m).collect();
        for (b, axes) in self.b.iter_mut().zip(&self.rings.axes) {
            *b = [inner(&axes[..p], &centred), inner(&axes[p..], &centred)];
        }
        self.best.take(&Coded::default());
        match self.active {
            1 => (0..count).for_each(|k| self.attempt(&[k])),
            2 => (0..count).for_each(|k| (0..k).for_each(|l| self.attempt(&[l, k]))),
            _ => self.greedy(),
        }
        self.tried.support.clone_from(&self.best.support);
        self.place(LAST_ROUNDS);
        self.best.take(&self.tried);
        (inner(&centred, &centred) - self.best.gain).max(0.0)
    }

    /// One ring after the other, each with the best of the rest, then every one of them exchanged if that is better.
    fn greedy(&mut self) {
        let count = self.rings.axes.len();
        for size in 0..self.active {
            let mut with = self.best.support.clone();
            with.push(0);
            for k in (0..count).filter(|k| !with[..size].contains(k)).collect::<Vec<_>>() {
                with[size] = k;
                // A further ring is taken even where it does not help: the number of rings is the same for every row.
                if self.best.support.len() == size {
                    self.best.gain = f64::NEG_INFINITY;
                }
                self.attempt(&with);
            }
        }
        for at in 0..self.active {
            let mut with = self.best.support.clone();
            for k in (0..count).filter(|k| !with.contains(k)).collect::<Vec<_>>() {
                with[at] = k;
                self.attempt(&with);
            }
        }
    }

    /// Tries a support.
    fn attempt(&mut self, support: &[usize]) {
        self.tried.support.clear();
        self.tried.support.extend_from_slice(support);
        self.place(ROUNDS);
        if self.best.support.is_empty() || self.tried.gain > self.best.gain {
            self.best.take(&self.tried);
        }
    }

    /// Points of the support that is tried, by backfitting, and its gain.
    fn place(&mut self, most: usize) {
        let count = self.rings.axes.len();
        let Coded { support, points, gain } = &mut self.tried;
        points.clear();
        points.resize(support.len(), [0.0; 2]);
        for _ in 0..if support.len() == 1 { 1 } else { most } {
            let mut moved = 0.0_f64;
            for at in 0..support.len() {
                let k = support[at];
                // Aᵀ of what the others leave.
                let mut b = self.b[k];
                for (&l, y) in support.iter().zip(points.iter()).filter(|(l, _)| **l != k) {
                    let g = self.grams[k * count + l];
                    b[0] -= g[0] * y[0] + g[1] * y[1];
                    b[1] -= g[2] * y[0] + g[3] * y[1];
                }
                let next = nearest(self.grams[k * count + k], b, points[at]);
                moved = moved.max((next[0] - points[at][0]).abs()).max((next[1] - points[at][1]).abs());
                points[at] = next;
            }
            if moved < 1e-10 {
                break;
            }
        }
        *gain = 0.0;
        for (at, (&k, y)) in support.iter().zip(points.iter()).enumerate() {
            *gain += 2.0 * (self.b[k][0] * y[0] + self.b[k][1] * y[1]) - form(self.grams[k * count + k], y, y);
            for (&l, other) in support.iter().zip(points.iter()).take(at) {
                *gain -= 2.0 * form(self.grams[k * count + l], y, other);
            }
        }
    }
}

fn form(g: Gram, x: &[f64; 2], y: &[f64; 2]) -> f64 {
    x[0] * (g[0] * y[0] + g[1] * y[1]) + x[1] * (g[2] * y[0] + g[3] * y[1])
}

/// The point y of the unit circle with the least yᵀGy − 2b·y, by Newton's method on its phase from the direction of G⁻¹b, which the
/// last point replaces if it is better.
fn nearest(g: Gram, b: [f64; 2], last: [f64; 2]) -> [f64; 2] {
    let determinant = g[0] * g[3] - g[1] * g[2];
    let start = if determinant > 0.0 { [g[3] * b[0] - g[1] * b[1], g[0] * b[1] - g[2] * b[0]] } else { b };
    let value = |y: &[f64; 2]| form(g, y, y) - 2.0 * (b[0] * y[0] + b[1] * y[1]);
    let size = start[0].hypot(start[1]);
    let mut y = if size > 0.0 { [start[0] / size, start[1] / size] } else { [1.0, 0.0] };
    if last != [0.0; 2] && value(&last) < value(&y) {
        y = last;
    }
    let mut least = value(&y);
    for _ in 0..8 {
        // Along y(t) = y cos t + y⊥ sin t.
        let across = [-y[1], y[0]];
        let slope = 2.0 * (form(g, &across, &y) - (b[0] * across[0] + b[1] * across[1]));
        let bend = 2.0 * (form(g, &across, &across) - form(g, &y, &y) + b[0] * y[0] + b[1] * y[1]);
        let mut step = if bend > 0.0 { -slope / bend } else { -slope.signum() * 0.1 };
        step = step.clamp(-0.5, 0.5);
        let (s, c) = step.sin_cos();
        let next = [c * y[0] + s * across[0], c * y[1] + s * across[1]];
        let there = value(&next);
        if there >= least {
            break;
        }
        let done = least - there <= 1e-14 * least.abs();
        (y, least) = (next, there);
        if done {
            break;
        }
    }
    y
}

/// Mean and axes by least squares on the codes; `None` where these do not determine them.
fn refit(rings: &Rings, codes: &Codes, rows: &[f64]) -> Option<Rings> {
    let p = rings.mean.len();
    let size = 2 * rings.axes.len() + 1;
    let mut normal = vec![0.0; size * size];
    let mut right = vec![0.0; size * p];
    for (n, x) in rows.chunks_exact(p).enumerate() {
        let mut features = vec![(size - 1, 1.0)];
        for at in n * codes.active..(n + 1) * codes.active {
            let (s, c) = (std::f64::consts::TAU * codes.phase[at]).sin_cos();
            let k = codes.support[at] as usize;
            features.extend([(2 * k, c), (2 * k + 1, s)]);
        }
        for &(r, a) in &features {
            for &(c, b) in &features {
                normal[r * size + c] += a * b;
            }
            right[r * p..(r + 1) * p].iter_mut().zip(x).for_each(|(s, x)| *s += a * x);
        }
    }
    if !cholesky::factor(size, &mut normal) {
        return None;
    }
    let mut solved = vec![0.0; size * p];
    for o in 0..p {
        let mut column: Vec<f64> = (0..size).map(|r| right[r * p + o]).collect();
        cholesky::solve(size, &normal, &mut column);
        (0..size).for_each(|r| solved[r * p + o] = column[r]);
    }
    let axes = (0..rings.axes.len()).map(|k| solved[2 * k * p..2 * (k + 1) * p].to_vec()).collect();
    Some(Rings { mean: solved[(size - 1) * p..].to_vec(), axes })
}

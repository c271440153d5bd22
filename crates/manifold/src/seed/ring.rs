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
        let mut coder = Coder { rings, grams: &grams, active, b: vec![[0.0; 2]; count] };
        let (mut support, mut phase, mut residual) = (Vec::new(), Vec::new(), Vec::new());
        for x in rows[at * chunk..rows.len().min((at + 1) * chunk)].chunks_exact(p) {
            let (mut found, left) = coder.row(x);
            found.sort_by_key(|(k, _)| *k);
            support.extend(found.iter().map(|(k, _)| *k as u32));
            phase.extend(found.iter().map(|(_, point)| turn(point)));
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

struct Coder<'a> {
    rings: &'a Rings,
    grams: &'a [Gram],
    active: usize,
    /// Aᵀ(x − mean) of every ring.
    b: Vec<[f64; 2]>,
}

impl Coder<'_> {
    /// The rings of a row with their points on the unit circle, and ‖x − x̂‖².
    fn row(&mut self, x: &[f64]) -> (Vec<(usize, [f64; 2])>, f64) {
        let p = x.len();
        let centred: Vec<f64> = x.iter().zip(&self.rings.mean).map(|(x, m)| x - m).collect();
        for (b, axes) in self.b.iter_mut().zip(&self.rings.axes) {
            *b = [inner(&axes[..p], &centred), inner(&axes[p..], &centred)];
        }
        let (found, _) = match self.active {
            0 => (Vec::new(), 0.0),
            1 => self.best_of((0..self.rings.axes.len()).map(|k| vec![k])),
            2 => {
                let count = self.rings.axes.len();
                self.best_of((0..count).flat_map(|k| (0..k).map(move |l| vec![l, k])))
            }
            _ => self.greedy(),
        };
        let support: Vec<usize> = found.iter().map(|(k, _)| *k).collect();
        let (found, gain) = self.points(&support, LAST_ROUNDS);
        (found, (inner(&centred, &centred) - gain).max(0.0))
    }

    fn best_of(&self, supports: impl Iterator<Item = Vec<usize>>) -> (Vec<(usize, [f64; 2])>, f64) {
        let tried = supports.map(|support| self.points(&support, ROUNDS));
        tried.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap_or((Vec::new(), 0.0))
    }

    /// One ring after the other, each with the best of the rest, then every one of them exchanged if that is better.
    fn greedy(&self) -> (Vec<(usize, [f64; 2])>, f64) {
        let count = self.rings.axes.len();
        let mut support: Vec<usize> = Vec::new();
        let mut best = (Vec::new(), 0.0);
        for _ in 0..self.active {
            let with = |k: usize| support.iter().copied().chain([k]).collect::<Vec<_>>();
            best = self.best_of((0..count).filter(|k| !support.contains(k)).map(with));
            support = best.0.iter().map(|(k, _)| *k).collect();
        }
        for at in 0..self.active {
            let with = |k: usize| {
                let mut other = support.clone();
                other[at] = k;
                other
            };
            let next = self.best_of((0..count).filter(|k| !support.contains(k)).map(with));
            if next.1 > best.1 {
                support = next.0.iter().map(|(k, _)| *k).collect();
                best = next;
            }
        }
        best
    }

    /// Points of a support by backfitting, and by how much they lower ‖x‖².
    fn points(&self, support: &[usize], most: usize) -> (Vec<(usize, [f64; 2])>, f64) {
        let count = self.rings.axes.len();
        let mut points = vec![[0.0; 2]; support.len()];
        let rounds = if support.len() == 1 { 1 } else { most };
        for _ in 0..rounds {
            let before = points.clone();
            for (at, &k) in support.iter().enumerate() {
                // Aᵀ of what the others leave.
                let mut b = self.b[k];
                for (&l, y) in support.iter().zip(&points).filter(|(l, _)| **l != k) {
                    let g = self.grams[k * count + l];
                    b[0] -= g[0] * y[0] + g[1] * y[1];
                    b[1] -= g[2] * y[0] + g[3] * y[1];
                }
                points[at] = nearest(self.grams[k * count + k], b, points[at]);
            }
            let moved = points.iter().flatten().zip(before.iter().flatten()).map(|(a, b)| (a - b).abs());
            if moved.fold(0.0, f64::max) < 1e-10 {
                break;
            }
        }
        let mut gain = 0.0;
        for (at, (&k, y)) in support.iter().zip(&points).enumerate() {
            gain += 2.0 * (self.b[k][0] * y[0] + self.b[k][1] * y[1]) - form(self.grams[k * count + k], y, y);
            for (&l, other) in support.iter().zip(&points).take(at) {
                gain -= 2.0 * form(self.grams[k * count + l], y, other);
            }
        }
        (support.iter().copied().zip(points).collect(), gain)
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

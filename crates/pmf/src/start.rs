//! First guesses: random, non-negative double SVD, given, and perturbations of a solution.
//!
//! Everything is drawn in scaled units from a stream keyed by (seed, purpose, number of the run).

use crate::block::Factor;
use crate::problem::{Problem, Side};
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::LANES;

/// Which sides keep the bound, in the engine's orientation.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub long: bool,
    pub short: bool,
}

/// Long factor uniform in (0, 1) times the size of each member's data (normal where it has no bound); the short one
/// is left to the first exact solution.
pub fn random(problem: &Problem, p: usize, bounds: Bounds, seed: u64, start: u32) -> (Factor, Factor) {
    let mut stream = Stream::new(seed, Purpose::Start, start);
    let (m, n) = (problem.long.count, problem.short.count);
    let mut long = Vec::with_capacity(m * p);
    for i in 0..m {
        let size = size_of(&problem.long, i);
        for _ in 0..p {
            long.push(size * if bounds.long { stream.uniform() } else { stream.normal() });
        }
    }
    // Multiplicative updates need a strictly positive short factor too.
    let short = (0..n * p)
        .map(|at| size_of(&problem.short, at / p) * if bounds.short { stream.uniform() } else { stream.normal() })
        .collect();
    (Factor::new(m, p, bounds.long, long), Factor::new(n, p, bounds.short, short))
}

/// Replaces one or two factors (two with probability ½, if there are two) of a solution by random data members:
/// the short factor's column becomes the data of a random long member.
pub fn perturbed(problem: &Problem, short: &Factor, long: &Factor, seed: u64, trial: u32) -> (Factor, Factor) {
    let mut stream = Stream::new(seed, Purpose::Perturbation, trial);
    let p = short.p;
    let mut short = short.clone();
    let count = if p > 1 && stream.uniform() < 0.5 { 2 } else { 1 };
    let first = stream.below(p);
    let second = (first + 1 + stream.below(p.max(2) - 1)) % p;
    for k in [first, second].into_iter().take(count) {
        let member = loop {
            let i = stream.below(problem.long.count);
            if problem.long.present[i] {
                break i;
            }
        };
        for j in 0..short.count {
            let at = member / LANES * problem.long.block_len() + j * LANES + member % LANES;
            let value = problem.long.value[at];
            let noise = 0.1 * size_of(&problem.short, j) * stream.uniform();
            short.rows[j * p + k] = if short.bounded { value.max(0.0) + noise } else { value + noise };
        }
    }
    short.guess_passive();
    (long.clone(), short)
}

/// Non-negative double SVD of the data in units of their uncertainties (missing cells 0): each singular pair is
/// split into its positive and negative parts and the heavier one kept. Runs after the first multiply every
/// element by a random number in (½, 3/2).
///
/// Source: C. Boutsidis, E. Gallopoulos (2008), "SVD based initialization: a head start for nonnegative matrix
/// factorization", Pattern Recognition 41:1350. The singular vectors come from 40 rounds of orthogonal iteration.
pub fn nndsvd(problem: &Problem, p: usize, bounds: Bounds, seed: u64, start: u32) -> (Factor, Factor) {
    let (m, n) = (problem.long.count, problem.short.count);
    let mut stream = Stream::new(seed, Purpose::Start, start);
    let side = &problem.long;
    let cell = |i: usize, j: usize| i / LANES * side.block_len() + j * LANES + i % LANES;
    let data = |i: usize, j: usize| side.omega[cell(i, j)].sqrt() * side.value[cell(i, j)];
    let mut right: Vec<f64> = (0..p * n).map(|_| stream.normal()).collect();
    let mut left = vec![0.0; p * m];
    for _ in 0..40 {
        for k in 0..p {
            for i in 0..m {
                left[k * m + i] = (0..n).map(|j| data(i, j) * right[k * n + j]).sum();
            }
        }
        orthonormalise(&mut left, m);
        for k in 0..p {
            for j in 0..n {
                right[k * n + j] = (0..m).map(|i| data(i, j) * left[k * m + i]).sum();
            }
        }
        orthonormalise(&mut right, n);
    }
    let mut long = vec![0.0; m * p];
    let mut short = vec![0.0; n * p];
    for k in 0..p {
        let (x, y) = (&left[k * m..(k + 1) * m], &right[k * n..(k + 1) * n]);
        let norm = |v: &[f64], sign: f64| v.iter().map(|v| (sign * v).max(0.0).powi(2)).sum::<f64>().sqrt();
        let sign = if norm(x, 1.0) * norm(y, 1.0) >= norm(x, -1.0) * norm(y, -1.0) { 1.0 } else { -1.0 };
        let jitter = |stream: &mut Stream| if start == 0 { 1.0 } else { 0.5 + stream.uniform() };
        let floor = |v: f64, size: usize| (sign * v).max(1e-3 / (size as f64).sqrt());
        for i in 0..m {
            long[i * p + k] = jitter(&mut stream) * if bounds.long { floor(x[i], m) } else { sign * x[i] };
        }
        for j in 0..n {
            short[j * p + k] = jitter(&mut stream) * if bounds.short { floor(y[j], n) } else { sign * y[j] };
        }
    }
    (Factor::new(m, p, bounds.long, long), Factor::new(n, p, bounds.short, short))
}

/// Root mean square of a member's values, 1 where it has none.
fn size_of(side: &Side, member: usize) -> f64 {
    let base = member / LANES * side.block_len() + member % LANES;
    let (mut sum, mut count) = (0.0, 0.0);
    for t in 0..side.inner {
        let at = base + t * LANES;
        if side.omega[at] > 0.0 {
            sum += side.value[at] * side.value[at];
            count += 1.0;
        }
    }
    if sum > 0.0 { (sum / count).sqrt() } else { 1.0 }
}

/// Gram–Schmidt on consecutive rows of length `size`; a dependent row becomes zero.
fn orthonormalise(rows: &mut [f64], size: usize) {
    for k in 0..rows.len() / size {
        let (done, rest) = rows.split_at_mut(k * size);
        let row = &mut rest[..size];
        for q in done.chunks_exact(size) {
            let overlap: f64 = q.iter().zip(row.iter()).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(q).for_each(|(r, q)| *r -= overlap * q);
        }
        let norm = row.iter().map(|r| r * r).sum::<f64>().sqrt();
        row.iter_mut().for_each(|r| *r = if norm > 1e-150 { *r / norm } else { 0.0 });
    }
}

//! Factors that have died: a contribution or profile that is entirely zero.
//!
//! Such a point meets the optimality conditions of each block and is still no minimum unless Ω∘(V − WH) <= 0
//! everywhere: adding t·e_i e_jᵀ at a positive cell lowers Q. The factor is seeded anew with a rank-one fit to
//! the residuals, found by alternating exact updates from the best single column.

use crate::block::Factor;
use crate::loss::Assessment;
use crate::problem::{Problem, Side};
use headwater_linalg::LANES;

/// Indices of dead factors.
pub fn find(long: &Factor, short: &Factor) -> Vec<usize> {
    let p = long.p;
    let zero = |factor: &Factor, k: usize| factor.rows.iter().skip(k).step_by(p).all(|x| *x == 0.0);
    (0..p).filter(|&k| zero(long, k) || zero(short, k)).collect()
}

/// Indices of factors whose product weighs less than `threshold` in units of Q: Σ Ω (w_ik h_jk)² <= threshold.
pub fn negligible(problem: &Problem, long: &Factor, short: &Factor, threshold: f64) -> Vec<usize> {
    let weight = weights(problem, long, short);
    (0..long.p).filter(|&k| weight[k] <= threshold).collect()
}

/// Σ Ω (w_ik h_jk)² of every factor.
pub fn weights(problem: &Problem, long: &Factor, short: &Factor) -> Vec<f64> {
    let p = long.p;
    let side = &problem.long;
    let mut weight = vec![0.0; p];
    for i in 0..long.count {
        let base = i / LANES * side.block_len() + i % LANES;
        for (j, h) in short.rows.chunks_exact(p).enumerate() {
            let omega = side.omega[base + j * LANES];
            for k in 0..p {
                weight[k] += omega * (long.rows[i * p + k] * h[k]).powi(2);
            }
        }
    }
    weight
}

/// What seeding the given factors anew would gain at most, each alone; the pair itself is left as it is.
pub fn gain(problem: &Problem, long: &Factor, short: &Factor, dead: &[usize]) -> f64 {
    let one = |&k: &usize| reseed(problem, &mut long.clone(), &mut short.clone(), k);
    dead.iter().map(one).fold(0.0, f64::max)
}

/// Majorising weights without factor k, laid out like the side's; `residual` becomes what they act on, so that a
/// decrease by them is a decrease of Q.
fn majorant(side: &Side, long: &Factor, short: &Factor, k: usize, residual: &mut [f64]) -> Vec<f64> {
    let (p, n) = (long.p, short.count);
    let mut out = vec![0.0; side.omega.len()];
    let mut cells = Assessment::new(side);
    let mut w = vec![0.0; p * LANES];
    for (block, out) in out.chunks_exact_mut(side.block_len()).enumerate() {
        long.lanes(block, &mut w);
        w[k * LANES..(k + 1) * LANES].fill(0.0);
        cells.at(side, block, p, &w, &short.rows);
        out.copy_from_slice(&cells.majorant);
        for e in 0..LANES.min(long.count - block * LANES) {
            for j in 0..n {
                let at = j * LANES + e;
                let weight = cells.majorant[at];
                residual[(block * LANES + e) * n + j] = if weight > 0.0 { -cells.u[at] / weight } else { 0.0 };
            }
        }
    }
    out
}

/// Replaces factor `k` (whose product is zero) by the rank-one fit to the residuals; returns the decrease of Q
/// (0 if no cell could gain; the factor is then set to zero on both sides).
pub fn reseed(problem: &Problem, long: &mut Factor, short: &mut Factor, k: usize) -> f64 {
    let (p, m, n) = (long.p, long.count, short.count);
    let side = &problem.long;
    // Residuals V − WH without factor k, member-major over the long side.
    let cell = |i: usize, j: usize| i / LANES * side.block_len() + j * LANES + i % LANES;
    let mut residual = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            let product: f64 = (0..p).filter(|&l| l != k).map(|l| long.rows[i * p + l] * short.rows[j * p + l]).sum();
            residual[i * n + j] = side.value[cell(i, j)] - product;
        }
    }
    let reweighted = (!side.squares()).then(|| majorant(side, long, short, k, &mut residual));
    let weight = |i: usize, j: usize| reweighted.as_ref().map_or(&side.omega, |w| w)[cell(i, j)];
    let clip = |x: f64, bounded: bool| if bounded { x.max(0.0) } else { x };
    let usable = |r: f64| if long.bounded && short.bounded { r.max(0.0) } else { r };
    let column = (0..n)
        .map(|j| (0..m).map(|i| weight(i, j) * usable(residual[i * n + j]).powi(2)).sum::<f64>())
        .enumerate()
        .fold((0, 0.0), |best, (j, gain)| if gain > best.1 { (j, gain) } else { best })
        .0;
    let mut y = vec![0.0; n];
    let mut x = vec![0.0; m];
    y[column] = 1.0;
    let mut gain = 0.0;
    for _ in 0..20 {
        for i in 0..m {
            let (mut top, mut bottom) = (0.0, 0.0);
            for j in 0..n {
                top += weight(i, j) * residual[i * n + j] * y[j];
                bottom += weight(i, j) * y[j] * y[j];
            }
            x[i] = if bottom > 0.0 { clip(top / bottom, long.bounded) } else { 0.0 };
        }
        gain = 0.0;
        for j in 0..n {
            let (mut top, mut bottom) = (0.0, 0.0);
            for i in 0..m {
                top += weight(i, j) * residual[i * n + j] * x[i];
                bottom += weight(i, j) * x[i] * x[i];
            }
            y[j] = if bottom > 0.0 { clip(top / bottom, short.bounded) } else { 0.0 };
            gain += (2.0 * top - bottom * y[j]) * y[j];
        }
        if gain <= 0.0 {
            x.fill(0.0);
            y.fill(0.0);
            break;
        }
    }
    for i in 0..m {
        long.rows[i * p + k] = x[i];
    }
    for j in 0..n {
        short.rows[j * p + k] = y[j];
    }
    long.guess_passive();
    short.guess_passive();
    gain.max(0.0)
}

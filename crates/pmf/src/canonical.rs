//! From the engine's judged factors to what the caller reads: canonical gauge, original units, warnings.

use crate::block::Factor;
use crate::judge::Judgement;
use crate::loss::Loss;
use crate::problem::Problem;
use crate::solution::{Certificate, Solution};
use headwater_base::parallel::Crew;
use headwater_base::{Control, Status, Warning, parallel};

/// α of the reported Q_robust, unless the loss has its own.
const ALPHA: f64 = 4.0;

/// The judged pair as a [`Solution`].
pub fn solution(
    problem: &Problem,
    long: &Factor,
    short: &Factor,
    judgement: &Judgement,
    iterations: u32,
    threads: usize,
) -> Solution {
    let p = long.p;
    let (rows, cols) = (problem.rows(), problem.cols());
    let (mut contributions, mut profiles) = problem.unscale_factors(p, &long.rows, &short.rows);
    let (samples, species) = problem.sides();
    let (bounded_w, bounded_h) =
        if problem.transposed { (short.bounded, long.bounded) } else { (long.bounded, short.bounded) };

    let Sums { scaled_q, q_true, q_robust, outliers, near } = residual_sums(problem, long, short, threads);
    let present = samples.present.iter().filter(|p| **p).count() as f64;
    let mut order = Vec::with_capacity(p);
    for k in 0..p {
        let column = (0..rows).filter(|&i| samples.present[i]).map(|i| contributions[i * p + k]);
        let mut scale = if bounded_w {
            column.sum::<f64>() / present
        } else {
            let largest = column.clone().fold(0.0, |a: f64, b| a.max(b.abs()));
            if largest > 0.0 {
                largest * (column.map(|w| (w / largest).powi(2)).sum::<f64>() / present).sqrt()
            } else {
                0.0
            }
        };
        if !bounded_w && !bounded_h && profiles[k * cols..(k + 1) * cols].iter().sum::<f64>() < 0.0 {
            scale = -scale;
        }
        if scale != 0.0 && scale.is_finite() {
            for i in 0..rows {
                contributions[i * p + k] /= scale;
            }
            for j in 0..cols {
                profiles[k * cols + j] *= scale;
            }
        }
        let total: f64 = (0..rows).filter(|&i| samples.present[i]).map(|i| contributions[i * p + k].abs()).sum();
        let mass: f64 = profiles[k * cols..(k + 1) * cols].iter().map(|h| h.abs()).sum::<f64>() * total;
        order.push((k, mass));
    }
    by_mass(&mut order, &profiles, cols);
    let mut w = vec![0.0; rows * p];
    let mut h = vec![0.0; p * cols];
    for (to, (from, _)) in order.iter().enumerate() {
        for i in 0..rows {
            w[i * p + to] = if samples.present[i] { contributions[i * p + from] } else { f64::NAN };
        }
        for j in 0..cols {
            h[to * cols + j] = if species.present[j] { profiles[from * cols + j] } else { f64::NAN };
        }
    }

    let q = problem.unscale_q(scaled_q);
    let (with_rows, with_cols) = problem.present();
    Solution {
        status: judgement.status,
        q,
        q_true,
        q_robust,
        outliers,
        near_threshold: near,
        q_expected: problem.cells as f64 - (p * (with_rows + with_cols)) as f64,
        degrees_of_freedom: judgement.degrees_of_freedom,
        iterations,
        certificate: certificate(problem, judgement),
        warnings: warnings(problem, judgement, &order),
        contributions: w,
        profiles: h,
    }
}

/// Sorts (factor, mass) by mass, decreasing, and equal masses by their profiles (factors × cols).
pub(crate) fn by_mass(order: &mut [(usize, f64)], profiles: &[f64], cols: usize) {
    let profile = |k: usize| &profiles[k * cols..(k + 1) * cols];
    order.sort_by(|(a, x), (b, y)| {
        y.total_cmp(x).then_with(|| {
            let differing = profile(*a).iter().zip(profile(*b)).find(|(a, b)| a != b);
            differing.map_or(std::cmp::Ordering::Equal, |(a, b)| b.total_cmp(a))
        })
    });
}

pub(crate) fn certificate(problem: &Problem, judgement: &Judgement) -> Certificate {
    let up = |q: f64| problem.unscale_q(q);
    let (contributions, profiles) =
        if problem.transposed { (&judgement.short, &judgement.long) } else { (&judgement.long, &judgement.short) };
    let curvature = judgement.curvature.as_ref();
    let flat = curvature.map_or(0, |c| c.flat.len());
    let weak = |m: &[f64]| m.iter().filter(|m| **m < judgement.unit).count();
    Certificate {
        unit: up(judgement.unit),
        coordinate_gap: up(judgement.long.coordinate_gap + judgement.short.coordinate_gap),
        block_gap_contributions: up(contributions.block_gap),
        block_gap_profiles: up(profiles.block_gap),
        newton_decrement: judgement.decrement.map(up),
        newton_decrement_gauss_newton: judgement.decrement_gauss_newton.map(up),
        last_step_ratio: judgement.taken.map(|t| t.ratio),
        min_curvature: curvature.and_then(|c| c.smallest),
        curvature_bound: curvature.and_then(|c| c.bound),
        free_elements: judgement.long.free + judgement.short.free,
        null_directions: judgement.null_directions,
        weakly_active_zeros: weak(&judgement.long.multipliers) + weak(&judgement.short.multipliers),
        dead_factors: judgement.dead.len(),
        flat_directions: flat,
    }
}

fn warnings(problem: &Problem, judgement: &Judgement, order: &[(usize, f64)]) -> Vec<Warning> {
    let mut out = problem.warnings().to_vec();
    let (samples, species) = if problem.transposed {
        (&judgement.short.dependent, &judgement.long.dependent)
    } else {
        (&judgement.long.dependent, &judgement.short.dependent)
    };
    out.extend(identification(judgement, samples, species, order));
    out.sort();
    out.dedup();
    out
}

/// What the data do not determine: elements of the given samples and species, factors, mixtures.
pub(crate) fn identification(
    judgement: &Judgement,
    samples: &[usize],
    species: &[usize],
    order: &[(usize, f64)],
) -> Vec<Warning> {
    let mut out = Vec::new();
    let flat = judgement.curvature.as_ref().map_or(0, |c| c.flat.len());
    for (code, noun, list) in [("row-not-identified", "sample", samples), ("column-not-identified", "species", species)]
    {
        for &index in list {
            let message = format!("the data of {noun} {index} do not determine all of its factor elements");
            out.push(Warning { code, index: Some(index), message });
        }
    }
    for dead in &judgement.dead {
        let index = order.iter().position(|(k, _)| k == dead);
        let message = "this factor contributes nothing: fewer factors fit the data as well".to_string();
        out.push(Warning { code: "dead-factor", index, message });
    }
    if flat > 0 || !judgement.dead.is_empty() {
        let message = format!(
            "Q does not change along {} direction(s) beyond the scales of the factors: profiles are not determined",
            flat.max(judgement.dead.len())
        );
        out.push(Warning { code: "not-unique", index: None, message });
    }
    if judgement.status != Status::Converged && judgement.curvature.is_none() {
        let message = "the call was stopped before the second-order test".to_string();
        out.push(Warning { code: "curvature-unknown", index: None, message });
    }
    out
}

/// What the residuals of a pair of factors add up to; all but `scaled_q` in the caller's units.
pub(crate) struct Sums {
    /// The objective.
    scaled_q: f64,
    /// Σ t².
    q_true: f64,
    /// Σ min(t², αt).
    pub q_robust: f64,
    /// Cells with t > α.
    pub outliers: usize,
    /// Cells whose t is within 1e-9 of α.
    near: usize,
}

/// By residuals of the engine's factors. α is that of the Huber loss, or 4.
pub(crate) fn residual_sums(problem: &Problem, long: &Factor, short: &Factor, threads: usize) -> Sums {
    let q = crate::block::objective(&problem.long, long, &short.rows, Crew::new(threads, Control::none()));
    let (correction, pinned) = problem.pinned_q(long, short);
    let alpha = match problem.loss() {
        Loss::Huber { alpha } => alpha,
        _ => ALPHA,
    };
    let side = &problem.long;
    let p = long.p;
    let (mut squares, mut robust) = (Vec::with_capacity(long.count), Vec::with_capacity(long.count));
    let (mut outliers, mut near) = (0, 0);
    for i in 0..long.count {
        let (mut square, mut capped) = (0.0, 0.0);
        for j in 0..side.inner {
            let at = side.cell(i, j);
            if side.omega[at] > 0.0 && !problem.pins.iter().any(|pin| (pin.long, pin.short) == (i, j)) {
                let fit: f64 = (0..p).map(|k| long.rows[i * p + k] * short.rows[j * p + k]).sum();
                let below = side.censored.get(at).is_some_and(|censored| *censored != 0.0) && fit <= side.value[at];
                let t2 = if below { 0.0 } else { problem.unscale_q(side.omega[at] * (side.value[at] - fit).powi(2)) };
                let t = t2.sqrt();
                square += t2;
                capped += t2.min(alpha * t);
                outliers += usize::from(t > alpha);
                near += usize::from((t - alpha).abs() <= 1e-9);
            }
        }
        squares.push(square);
        robust.push(capped);
    }
    for own in pinned {
        let t = problem.unscale_q(own).sqrt();
        robust.push((t * t).min(alpha * t));
    }
    let scaled_q = q + correction;
    // The same sum, to the last bit, where the objective is that of squares.
    let squares_alone = problem.loss() == Loss::Squares;
    let q_true = if squares_alone { problem.unscale_q(scaled_q) } else { parallel::pairwise_sum(&squares) };
    Sums { scaled_q, q_true, q_robust: parallel::pairwise_sum(&robust), outliers, near }
}

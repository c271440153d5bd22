//! Contributions of samples to given profiles.

use crate::block::{self, Factor, Normal};
use crate::problem::{MAX_FACTORS, Problem};
use headwater_base::parallel::Crew;
use headwater_base::{Control, Error};

/// argmin_{W >= 0} of the problem's objective for `profiles` (factors × species, in the data's units; NaN counts as 0): samples ×
/// factors, row-major, NaN rows where a sample has no data. Each sample is solved for by itself and exactly.
///
/// Cost: one half of a sweep.
///
/// # Errors
/// `start-shape-mismatch`, `start-not-valid`, `too-many-factors`.
pub fn contributions(
    problem: &Problem,
    profiles: &[f64],
    factors: usize,
    threads: usize,
    control: Control,
) -> Result<Vec<f64>, Error> {
    let (rows, cols, p) = (problem.rows(), problem.cols(), factors);
    if p == 0 || p > MAX_FACTORS {
        return Err(Error::new(
            "too-many-factors",
            format!("between 1 and {MAX_FACTORS} factors are supported, got {p}"),
        )
        .with_limit(MAX_FACTORS as f64));
    }
    if profiles.len() != p * cols {
        let message = format!("profiles must hold {p} × {cols} numbers, got {}", profiles.len());
        return Err(Error::new("start-shape-mismatch", message));
    }
    if let Some(at) = profiles.iter().position(|h| h.is_infinite() || *h < 0.0) {
        let message = format!("the profile of factor {} has {} at species {}", at / cols, profiles[at], at % cols);
        return Err(Error::new("start-not-valid", message).at(at / cols, at % cols));
    }
    let known: Vec<f64> = profiles.iter().map(|h| if h.is_nan() { 0.0 } else { *h }).collect();
    let (samples, _) = problem.sides();
    let (long, short) = problem.scale_factors(p, &vec![0.0; rows * p], &known);
    let design = if problem.transposed { &long } else { &short };
    let mut factor = Factor::new(rows, p, true, vec![1.0; rows * p]);
    let mut normal = Normal::new(samples.blocks(), p);
    block::solve(samples, design, &mut factor, &mut normal, Crew::new(threads, control));
    let found = factor.rows;
    let (mut out, _) = if problem.transposed {
        problem.unscale_factors(p, design, &found)
    } else {
        problem.unscale_factors(p, &found, design)
    };
    for i in (0..rows).filter(|&i| !samples.present[i]) {
        out[i * p..(i + 1) * p].fill(f64::NAN);
    }
    Ok(out)
}

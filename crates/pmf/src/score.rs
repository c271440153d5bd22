//! What given profiles contribute to samples.

use crate::block::{self, Factor, Normal};
use crate::problem::{MAX_FACTORS, Problem};
use headwater_base::parallel::Crew;
use headwater_base::{Control, Error};

/// Samples seen through given profiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// samples × factors, row-major; NaN rows where a sample has no data.
    pub contributions: Vec<f64>,
    /// The objective there.
    pub q: f64,
}

/// argmin of the problem's objective over W (W >= 0 if `bounded`) for `profiles` (factors × species, in the data's units; NaN counts as 0). Each
/// sample is solved for by itself and exactly.
///
/// Cost: half a sweep.
///
/// # Errors
/// `start-shape-mismatch`, `start-not-valid`, `too-many-factors`.
pub fn score(
    problem: &Problem,
    profiles: &[f64],
    factors: usize,
    bounded: bool,
    threads: usize,
    control: Control,
) -> Result<Score, Error> {
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
    if let Some(at) = profiles.iter().position(|h| h.is_infinite()) {
        let message = format!("the profile of factor {} has {} at species {}", at / cols, profiles[at], at % cols);
        return Err(Error::new("start-not-valid", message).at(at / cols, at % cols));
    }
    let known: Vec<f64> = profiles.iter().map(|h| if h.is_nan() { 0.0 } else { *h }).collect();
    let (samples, _) = problem.sides();
    let (long, short) = problem.scale_factors(p, &vec![0.0; rows * p], &known);
    let design = if problem.transposed { &long } else { &short };
    let mut factor = Factor::new(rows, p, bounded, vec![1.0; rows * p]);
    let mut normal = Normal::new(samples.blocks(), p);
    let crew = Crew::new(threads, control);
    block::solve(samples, design, &mut factor, &mut normal, crew);
    let q = problem.unscale_q(block::objective(samples, &factor, design, crew));
    let found = factor.rows;
    let (mut out, _) = if problem.transposed {
        problem.unscale_factors(p, design, &found)
    } else {
        problem.unscale_factors(p, &found, design)
    };
    for i in (0..rows).filter(|&i| !samples.present[i]) {
        out[i * p..(i + 1) * p].fill(f64::NAN);
    }
    Ok(Score { contributions: out, q })
}

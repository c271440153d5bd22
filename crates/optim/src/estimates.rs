//! What the linearised model at a minimum says of the parameters: covariance, rank, condition.
//!
//! With J = UΣVᵀ (columns scaled to length 1, D) over the parameters that no bound holds, cov = s² D⁻¹ V Σ⁻² Vᵀ D⁻¹ and
//! s² = ‖r‖²/(m − rank). A parameter that a direction without influence on the residuals (σ = 0) involves is not
//! identified: its row and column are NaN, those of the others are what every generalised inverse gives
//! (C. R. Rao 1962, "A note on a generalized inverse of a matrix").

use headwater_linalg::singular::{norm, singular};

/// What belongs to a fit beside its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimates {
    /// n × n, row-major; NaN for parameters that are held or not identified.
    pub covariance: Vec<f64>,
    /// √ of its diagonal.
    pub standard_errors: Vec<f64>,
    /// Covariances over both standard errors.
    pub correlation: Vec<f64>,
    /// Parameters that the residuals do not determine.
    pub unidentified: Vec<usize>,
    /// Rank of the Jacobian of the parameters that are not held.
    pub rank: usize,
    /// Largest over smallest singular value, columns scaled to length 1; ∞ where the smallest is 0.
    pub condition: f64,
    /// m − rank.
    pub degrees_of_freedom: f64,
    /// s², or ‖r‖²/(m − rank) beside known uncertainties; NaN without degrees of freedom.
    pub reduced: f64,
}

/// A parameter is part of a direction if its share of it is larger than this, in scaled variables.
const PART: f64 = 1e-5;

/// Of the triangle `a` (column by column, scaled by 1/d), a sum of squares, and the number of residuals.
pub(crate) fn estimates(
    a: &[f64],
    d: &[f64],
    held: &[bool],
    share: f64,
    squares: f64,
    residuals: usize,
    absolute: bool,
) -> Estimates {
    let n = d.len();
    let k = a.len() / n;
    let free: Vec<usize> = (0..n).filter(|&j| !held[j]).collect();
    let lengths: Vec<f64> = free.iter().map(|&j| norm(&a[j * k..(j + 1) * k])).collect();
    let unit = |length: f64| if length > 0.0 { length } else { 1.0 };
    let columns =
        free.iter().zip(&lengths).flat_map(|(&j, &length)| a[j * k..(j + 1) * k].iter().map(move |a| a / unit(length)));
    let factors = singular(columns.collect(), k, free.len());
    let rank = factors.rank(share);
    let degrees = residuals as f64 - rank as f64;
    let reduced = if degrees > 0.0 { squares / degrees } else { f64::NAN };
    let variance = if absolute { 1.0 } else { reduced };
    // (JᵀJ)⁻¹ to begin with.
    let mut correlation = vec![f64::NAN; n * n];
    let lost = |at: usize| (rank..free.len()).map(|j| factors.direction(j)[at].powi(2)).sum::<f64>() > PART * PART;
    let known: Vec<usize> = (0..free.len()).filter(|&at| !lost(at)).collect();
    for &p in &known {
        for &q in &known {
            let sum: f64 = (0..rank)
                .map(|j| {
                    let (v, sigma) = (factors.direction(j), factors.values[j]);
                    (v[p] / sigma) * (v[q] / sigma)
                })
                .sum();
            let scale = (d[free[p]] * unit(lengths[p])) * (d[free[q]] * unit(lengths[q]));
            correlation[free[p] * n + free[q]] = sum / scale;
        }
    }
    let covariance: Vec<f64> = correlation.iter().map(|value| variance * value).collect();
    let sizes: Vec<f64> = (0..n).map(|j| correlation[j * n + j].sqrt()).collect();
    for (at, value) in correlation.iter_mut().enumerate() {
        let (i, j) = (at / n, at % n);
        *value = if i == j && !value.is_nan() { 1.0 } else { *value / sizes[i] / sizes[j] };
    }
    let standard_errors = sizes.iter().map(|size| variance.sqrt() * size).collect();
    let (first, last) = (factors.values.first(), factors.values.last());
    Estimates {
        covariance,
        standard_errors,
        correlation,
        unidentified: (0..free.len()).filter(|&at| lost(at)).map(|at| free[at]).collect(),
        rank,
        condition: first.zip(last).map_or(1.0, |(first, last)| if *first > 0.0 { first / last } else { f64::INFINITY }),
        degrees_of_freedom: degrees,
        reduced,
    }
}

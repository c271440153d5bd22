//! Measured mass against the factors' contributions.
//!
//! # Problem
//! y_i ≈ b_0 + Σ_k b_k w_ik by ordinary least squares over the samples i where the mass y_i and all contributions are
//! known. Contributions have mean 1, so b_k is the mean mass that factor k brings, and b_0 what no factor brings. A
//! negative b_k, or a large b_0, says that the factors are not what the mass consists of.
//!
//! # Method
//! Contributions and mass are centred, columns scaled to unit length, the normal equations solved by Cholesky's method.
//! Where contributions are so nearly dependent that these have a pivot below 1e-10 nothing is returned.
//!
//! # Source
//! N. R. Draper, H. Smith (1998), "Applied regression analysis", 3rd edition, chapter 5.

use headwater_linalg::cholesky;

/// The line y = intercept + Σ slopes · contributions.
#[derive(Clone, Debug, PartialEq)]
pub struct MassRegression {
    /// Samples used.
    pub samples: usize,
    /// b_0, in the unit of the mass.
    pub intercept: f64,
    /// Its standard error.
    pub intercept_standard_error: f64,
    /// b_k, one per factor, in the unit of the mass.
    pub slopes: Vec<f64>,
    /// Their standard errors.
    pub slope_standard_errors: Vec<f64>,
    /// Share of the variance of y that the line explains.
    pub r_squared: f64,
    /// s = √(SSE / (samples − p − 1)).
    pub residual_standard_error: f64,
}

/// Smallest pivot of the scaled normal equations that is trusted.
const PIVOT: f64 = 1e-10;

/// Fits the line to pairs (mass, contributions of the sample). `None` with fewer than p + 2 samples, a mass that does
/// not vary, or contributions that depend on each other.
pub fn regress(samples: &[(f64, &[f64])], p: usize) -> Option<MassRegression> {
    let m = samples.len();
    if m < p + 2 {
        return None;
    }
    let y_mean = samples.iter().map(|s| s.0).sum::<f64>() / m as f64;
    let means: Vec<f64> = (0..p).map(|k| samples.iter().map(|s| s.1[k]).sum::<f64>() / m as f64).collect();
    let norms: Vec<f64> =
        (0..p).map(|k| samples.iter().map(|s| (s.1[k] - means[k]).powi(2)).sum::<f64>().sqrt()).collect();
    let total: f64 = samples.iter().map(|s| (s.0 - y_mean).powi(2)).sum();
    if total == 0.0 || norms.contains(&0.0) {
        return None;
    }
    let x = |s: &(f64, &[f64]), k: usize| (s.1[k] - means[k]) / norms[k];
    let mut gram = vec![0.0; p * p];
    let mut right = vec![0.0; p];
    for s in samples {
        for k in 0..p {
            right[k] += x(s, k) * (s.0 - y_mean);
            for l in 0..=k {
                gram[k * p + l] += x(s, k) * x(s, l);
            }
        }
    }
    let mut shifted = gram.clone();
    (0..p).for_each(|k| shifted[k * p + k] -= PIVOT);
    if !cholesky::factor(p, &mut shifted) || !cholesky::factor(p, &mut gram) {
        return None;
    }
    cholesky::solve(p, &gram, &mut right);
    let slopes: Vec<f64> = (0..p).map(|k| right[k] / norms[k]).collect();
    let sse: f64 =
        samples.iter().map(|s| (s.0 - y_mean - (0..p).map(|k| right[k] * x(s, k)).sum::<f64>()).powi(2)).sum();
    let variance = sse / (m - p - 1) as f64;
    // Column k of the inverse, and what the means of the contributions add to the intercept's variance.
    let column = |of: &[f64]| {
        let mut out = of.to_vec();
        cholesky::solve(p, &gram, &mut out);
        out
    };
    let slope_standard_errors = (0..p)
        .map(|k| {
            let mut unit = vec![0.0; p];
            unit[k] = 1.0;
            (variance * column(&unit)[k]).sqrt() / norms[k]
        })
        .collect();
    let centre: Vec<f64> = (0..p).map(|k| means[k] / norms[k]).collect();
    let spread: f64 = column(&centre).iter().zip(&centre).map(|(a, b)| a * b).sum();
    Some(MassRegression {
        samples: m,
        intercept: y_mean - (0..p).map(|k| slopes[k] * means[k]).sum::<f64>(),
        intercept_standard_error: (variance * (1.0 / m as f64 + spread)).sqrt(),
        slopes,
        slope_standard_errors,
        r_squared: 1.0 - sse / total,
        residual_standard_error: variance.sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-10 * (1.0 + b.abs()), "{a} is not {b}");
    }

    #[test]
    fn one_factor_gives_the_line_of_the_textbook() {
        // x = 1, 2, 3, 4 and y = 2, 3, 5, 6: slope 1.4, intercept 0.5, SSE 0.2, S_xx 5, S_yy 10.
        let x = [[1.0], [2.0], [3.0], [4.0]];
        let pairs: Vec<(f64, &[f64])> = [2.0, 3.0, 5.0, 6.0].into_iter().zip(x.iter().map(|x| &x[..])).collect();
        let line = regress(&pairs, 1).expect("a line");
        close(line.slopes[0], 1.4);
        close(line.intercept, 0.5);
        close(line.residual_standard_error, 0.1_f64.sqrt());
        close(line.slope_standard_errors[0], (0.1_f64 / 5.0).sqrt());
        close(line.intercept_standard_error, (0.1_f64 * (0.25 + 6.25 / 5.0)).sqrt());
        close(line.r_squared, 0.98);
    }

    #[test]
    fn mass_that_is_a_sum_of_contributions_is_taken_apart_exactly() {
        let w = [[1.0, 0.5], [0.2, 2.0], [3.0, 1.0], [0.7, 0.1], [1.1, 1.4]];
        let pairs: Vec<(f64, &[f64])> = w.iter().map(|w| (0.25 + 2.0 * w[0] + 5.0 * w[1], &w[..])).collect();
        let line = regress(&pairs, 2).expect("a line");
        close(line.intercept, 0.25);
        close(line.slopes[0], 2.0);
        close(line.slopes[1], 5.0);
        close(line.r_squared, 1.0);
    }

    #[test]
    fn too_few_samples_and_dependent_contributions_give_nothing() {
        let w = [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [5.0, 10.0]];
        let pairs: Vec<(f64, &[f64])> = w.iter().map(|w| (w[0] * w[0], &w[..])).collect();
        assert_eq!(regress(&pairs, 2), None);
        assert_eq!(regress(&pairs[..2], 1), None);
        let flat: Vec<(f64, &[f64])> = w.iter().map(|w| (1.0, &w[..1])).collect();
        assert_eq!(regress(&flat, 1), None);
    }
}

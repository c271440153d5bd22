//! Which factor of one solution is which of another: the one-to-one assignment with the largest sum of correlations
//! of contributions.

use headwater_linalg::assignment;

/// Pearson's correlation of two columns (p apart) over rows with the given weights; 0 where one of them is constant.
pub fn correlation(a: &[f64], b: &[f64], p: usize, ka: usize, kb: usize, weights: &[f64]) -> f64 {
    let column = |x: &[f64], k: usize| -> Vec<f64> { x.iter().skip(k).step_by(p).copied().collect() };
    let (x, y) = (column(a, ka), column(b, kb));
    let total: f64 = weights.iter().sum();
    let mean = |x: &[f64]| x.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() / total;
    let (mx, my) = (mean(&x), mean(&y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for ((x, y), w) in x.iter().zip(&y).zip(weights) {
        let (dx, dy) = (x - mx, y - my);
        xx += w * dx * dx;
        yy += w * dy * dy;
        xy += w * dx * dy;
    }
    let r = xy / (xx * yy).sqrt();
    if r.is_finite() { r } else { 0.0 }
}

/// Correlations of every factor of `a` (row) with every factor of `b` (column), both member × p.
pub fn correlations(a: &[f64], b: &[f64], p: usize, weights: &[f64]) -> Vec<f64> {
    (0..p * p).map(|at| correlation(a, b, p, at / p, at % p, weights)).collect()
}

/// For every row of `score` (p × p) the column assigned to it, the sum of scores being largest. Ties go to the lower
/// column.
pub fn assign(p: usize, score: &[f64]) -> Vec<usize> {
    assignment::assign(p, p, score)
}

/// For each factor of `before` the one of `after` that it is: contributions m × p, rows where either is not a number
/// left out.
pub fn same_factors(p: usize, before: &[f64], after: &[f64]) -> Vec<usize> {
    let known = |row: &[f64]| row.iter().all(|x| x.is_finite());
    let pairs = before.chunks_exact(p.max(1)).zip(after.chunks_exact(p.max(1)));
    let (a, b): (Vec<&[f64]>, Vec<&[f64]>) = pairs.filter(|(a, b)| known(a) && known(b)).unzip();
    assign(p, &correlations(&a.concat(), &b.concat(), p, &vec![1.0; a.len()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_found_again_whatever_their_order_and_rows_that_are_not_known_left_out() {
        let before = [1.0, 1.0, 2.0, 2.0, 3.0, 1.0, 4.0, 4.0, f64::NAN, 0.0];
        let after = [1.0, 1.0, 2.0, 2.0, 1.0, 3.1, 4.0, 4.0, 9.0, 9.0];
        assert_eq!(same_factors(2, &before, &after), [1, 0]);
        assert_eq!(same_factors(2, &before[..8], &before[..8]), [0, 1]);
        assert_eq!(same_factors(0, &[], &[]), [] as [usize; 0]);
    }

    #[test]
    fn correlation_is_pearsons_and_weights_are_repetitions() {
        let a = [1.0, 2.0, 3.0, 4.0];
        let b = [2.0, 1.0, 4.0, 3.0];
        assert!((correlation(&a, &b, 1, 0, 0, &[1.0; 4]) - 0.6).abs() < 1e-15);
        let twice = correlation(&[1.0, 1.0, 2.0, 3.0], &[2.0, 2.0, 1.0, 4.0], 1, 0, 0, &[1.0; 4]);
        assert!((correlation(&a, &b, 1, 0, 0, &[2.0, 1.0, 1.0, 0.0]) - twice).abs() < 1e-15);
        assert_eq!(correlation(&[1.0; 4], &b, 1, 0, 0, &[1.0; 4]), 0.0);
    }
}

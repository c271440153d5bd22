//! Which factor of one solution is which of another: the one-to-one assignment with the largest sum of correlations
//! of contributions.
//!
//! Source: H. W. Kuhn (1955), "The Hungarian method for the assignment problem", Naval Research Logistics 2:83, in the
//! form with shortest augmenting paths, p³ operations.

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
    // Rows and columns from 1; potentials u, v; `row_of[column]`, 0 = none.
    let cost = |r: usize, c: usize| -score[(r - 1) * p + c - 1];
    let (mut u, mut v) = (vec![0.0; p + 1], vec![0.0; p + 1]);
    let (mut row_of, mut way) = (vec![0; p + 1], vec![0; p + 1]);
    for row in 1..=p {
        row_of[0] = row;
        let mut column = 0;
        let mut least = vec![f64::INFINITY; p + 1];
        let mut used = vec![false; p + 1];
        loop {
            used[column] = true;
            let (r, mut delta, mut next) = (row_of[column], f64::INFINITY, 0);
            for c in (1..=p).filter(|&c| !used[c]) {
                let reduced = cost(r, c) - u[r] - v[c];
                if reduced < least[c] {
                    (least[c], way[c]) = (reduced, column);
                }
                if least[c] < delta {
                    (delta, next) = (least[c], c);
                }
            }
            for c in 0..=p {
                if used[c] {
                    u[row_of[c]] += delta;
                    v[c] -= delta;
                } else {
                    least[c] -= delta;
                }
            }
            column = next;
            if row_of[column] == 0 {
                break;
            }
        }
        while column != 0 {
            row_of[column] = row_of[way[column]];
            column = way[column];
        }
    }
    let mut out = vec![0; p];
    for c in 1..=p {
        out[row_of[c] - 1] = c - 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    #[test]
    fn no_permutation_scores_higher() {
        for seed in 0..200 {
            let mut random = Stream::new(5, Purpose::Probe, seed);
            let p = 1 + random.below(6);
            let score: Vec<f64> = (0..p * p).map(|_| random.normal()).collect();
            let total = |of: &[usize]| of.iter().enumerate().map(|(r, c)| score[r * p + c]).sum::<f64>();
            let found = assign(p, &score);
            let mut sorted = found.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..p).collect::<Vec<_>>(), "seed {seed}: not a permutation");
            // Every permutation, by Heap's algorithm.
            let (mut of, mut count) = ((0..p).collect::<Vec<_>>(), vec![0; p]);
            let (mut best, mut i) = (total(&of), 0);
            while i < p {
                if count[i] < i {
                    of.swap(if i % 2 == 0 { 0 } else { count[i] }, i);
                    best = best.max(total(&of));
                    count[i] += 1;
                    i = 0;
                } else {
                    count[i] = 0;
                    i += 1;
                }
            }
            assert!((total(&found) - best).abs() < 1e-12, "seed {seed}: {} below {best}", total(&found));
        }
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

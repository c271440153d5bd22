//! Whether residuals look like noise: the test of Kolmogorov and Smirnov against the standard normal distribution.
//!
//! # Source
//! M. A. Stephens, *Use of the Kolmogorov–Smirnov … statistics without extensive tables*, 1970 (p-value).

/// Whether scaled residuals look like draws of the normal distribution with mean 0 and variance 1, which they should be if the
/// uncertainties are right. (Slightly narrower even then, since the fit follows the noise.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normality {
    /// Mean of r.
    pub mean: f64,
    /// Standard deviation of r (divisor n − 1); `None` for one cell.
    pub standard_deviation: Option<f64>,
    /// Kolmogorov–Smirnov statistic: largest distance of the empirical from the normal distribution function.
    pub statistic: f64,
    /// Probability of at least this distance if r is normal; asymptotic with Stephens' correction for n.
    pub p_value: f64,
}

/// Of the residuals; `None` without any.
pub fn normality(mut scaled: Vec<f64>) -> Option<Normality> {
    if scaled.is_empty() {
        return None;
    }
    scaled.sort_unstable_by(f64::total_cmp);
    let n = scaled.len() as f64;
    let mean = scaled.iter().sum::<f64>() / n;
    let spread: f64 = scaled.iter().map(|r| (r - mean).powi(2)).sum();
    let statistic = scaled.iter().enumerate().fold(0.0_f64, |largest, (i, &r)| {
        let f = normal_distribution(r);
        largest.max((i + 1) as f64 / n - f).max(f - i as f64 / n)
    });
    Some(Normality {
        mean,
        standard_deviation: (scaled.len() > 1).then(|| (spread / (n - 1.0)).sqrt()),
        statistic,
        p_value: kolmogorov_tail((n.sqrt() + 0.12 + 0.11 / n.sqrt()) * statistic),
    })
}

/// P(K > x) of Kolmogorov's limiting distribution. Two series, each where it converges within a few terms.
fn kolmogorov_tail(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x < 0.2 {
        return 1.0; // to within 1e-26
    }
    if x < 1.0 {
        let sum: f64 = (1..=20).map(|k| (-((2 * k - 1) as f64 * PI / x).powi(2) / 8.0).exp()).sum();
        return 1.0 - (2.0 * PI).sqrt() / x * sum;
    }
    let sum: f64 =
        (1..=20).map(|k: i32| if k % 2 == 1 { 1.0 } else { -1.0 } * (-2.0 * (f64::from(k) * x).powi(2)).exp()).sum();
    2.0 * sum
}

/// Distribution function of the standard normal distribution, to about 1e-15.
fn normal_distribution(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let a = z.abs();
    if a < 3.0 {
        // Φ(z) = 1/2 + φ(z) Σ z^(2k+1) / (1·3·5…(2k+1)): all terms of one sign, nothing cancels.
        let (mut term, mut sum, mut odd) = (a, a, 1.0);
        while term > 1e-17 * sum {
            odd += 2.0;
            term *= a * a / odd;
            sum += term;
        }
        return if z < 0.0 { 0.5 - density * sum } else { 0.5 + density * sum };
    }
    // Upper tail φ(a) / (a + 1/(a + 2/(a + 3/(a + …)))), from the inside out.
    let fraction = (1..=60).rev().fold(a, |inner, k| a + f64::from(k) / inner);
    let tail = density / fraction;
    if z < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{a} is not {b}");
    }

    #[test]
    fn the_normal_distribution_has_its_tabulated_values() {
        for (z, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (1.959_963_984_540_054, 0.975),
            (2.999_999, 0.998_650_097_536_515_1),
            (3.0, 0.998_650_101_968_369_9),
        ] {
            close(normal_distribution(z), expected);
            close(normal_distribution(-z), 1.0 - expected);
        }
        let tail = normal_distribution(-5.0);
        assert!((tail / 2.866_515_718_791_939e-7 - 1.0).abs() < 1e-12, "{tail}");
        assert!(normal_distribution(-40.0) >= 0.0 && normal_distribution(40.0) == 1.0);
    }

    #[test]
    fn the_tail_of_kolmogorov_has_its_critical_values_and_its_two_series_agree() {
        for (x, expected) in
            [(1.223_847_870_217_082_5, 0.1), (1.358_098_639_684_823_8, 0.05), (1.627_623_611_518_957, 0.01)]
        {
            assert!((kolmogorov_tail(x) - expected).abs() < 1e-9, "{x}: {}", kolmogorov_tail(x));
        }
        close(kolmogorov_tail(1.0 - 1e-14), kolmogorov_tail(1.0));
        assert_eq!(kolmogorov_tail(0.1), 1.0);
        assert!(kolmogorov_tail(0.2) > 1.0 - 1e-10);
    }

    #[test]
    fn quantiles_of_the_normal_distribution_pass_and_wide_or_shifted_residuals_fail() {
        // z such that Φ(z) = (i − 1/2)/n: the statistic is 1/(2n).
        let n = 100;
        let quantiles: Vec<f64> = (0..n)
            .map(|i| {
                let target = (f64::from(i) + 0.5) / f64::from(n);
                let (mut low, mut high) = (-9.0, 9.0);
                for _ in 0..200 {
                    let middle = 0.5 * (low + high);
                    if normal_distribution(middle) < target { low = middle } else { high = middle }
                }
                low
            })
            .collect();
        let fine = normality(quantiles.clone()).unwrap();
        close(fine.statistic, 0.5 / f64::from(n));
        close(fine.mean, 0.0);
        assert!(fine.p_value > 0.999);
        for bad in [quantiles.iter().map(|z| 3.0 * z).collect::<Vec<_>>(), quantiles.iter().map(|z| z + 1.0).collect()]
        {
            assert!(normality(bad).unwrap().p_value < 1e-3);
        }
    }

    #[test]
    fn the_statistic_of_one_residual_is_its_distance_from_either_end() {
        let one = normality(vec![1.0]).unwrap();
        close(one.statistic, normal_distribution(1.0));
    }
}

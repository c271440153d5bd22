//! What draws of several Markov chains are worth.
//!
//! Every chain is cut in half. With W the mean of the halves' variances, n their length and B/n the variance of their means,
//! V̂ = (n−1)/n·W + B/n and R̂ = √(V̂/W). Autocorrelations of all halves together are ρ_t = 1 − (W − mean autocovariance)/V̂;
//! the effective number of draws is total/(2Σρ_t − 1), Σ over pairs ρ_2k + ρ_2k+1 as long as they are positive, and none above
//! the last. R̂ is the larger one of that of the draws' normal scores and of those of their distances from the median; bulk
//! numbers are those of normal scores. A mean has the Monte Carlo error sd/√n_eff, a quantile that of the order statistics one
//! standard error of its probability away, with the effective number of the draws' being below it.
//!
//! Sources: A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner (2021), "Rank-normalization, folding, and
//! localization: an improved R̂ for assessing convergence of MCMC", Bayesian Analysis 16:667; C. J. Geyer (1992), "Practical
//! Markov chain Monte Carlo", Stat. Sci. 7:473; P. J. Acklam's rational approximation of the normal quantile.

use crate::bootstrap::quantiles;

/// R̂ up to which chains agree.
pub const AGREED: f64 = 1.01;

/// What is said of one quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Mean of all draws.
    pub mean: f64,
    /// Its Monte Carlo standard error.
    pub mean_error: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Its Monte Carlo standard error.
    pub deviation_error: f64,
    /// Quantiles, linear between order statistics.
    pub quantiles: Vec<f64>,
    /// Their Monte Carlo standard errors.
    pub quantile_errors: Vec<f64>,
    /// Effective number of draws (bulk).
    pub effective: f64,
    /// R̂; 1 for chains that agree.
    pub r_hat: f64,
}

impl Summary {
    /// Of a quantity that is not known.
    pub fn unknown(probabilities: usize) -> Self {
        let nan = f64::NAN;
        let many = vec![nan; probabilities];
        Self {
            mean: nan,
            mean_error: nan,
            deviation: nan,
            deviation_error: nan,
            quantiles: many.clone(),
            quantile_errors: many,
            effective: nan,
            r_hat: nan,
        }
    }

    /// Of draws, chain by chain, all of one length of at least 4.
    pub fn of(chains: &[Vec<f64>], probabilities: &[f64]) -> Self {
        let mut sorted = chains.concat();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let square = |x: &f64| (x - mean) * (x - mean);
        let deviation = (sorted.iter().map(square).sum::<f64>() / (count - 1.0)).sqrt();
        let quantiles = quantiles(sorted.clone(), probabilities);
        let quantile_errors = probabilities
            .iter()
            .zip(&quantiles)
            .map(|(p, quantile)| {
                let below = mapped(chains, |x| f64::from(u8::from(x <= *quantile)));
                let error = (p * (1.0 - p) / Split::new(&below).effective()).sqrt();
                let ends = crate::bootstrap::quantiles(sorted.clone(), &[(p - error).max(0.0), (p + error).min(1.0)]);
                0.5 * (ends[1] - ends[0])
            })
            .collect();
        // The squares' own error, by the delta method.
        let squares = mapped(chains, |x| square(&x));
        let spread = squares.concat().iter().map(|s| (s - deviation * deviation).powi(2)).sum::<f64>() / count;
        let deviation_error = 0.5 * (spread / Split::new(&squares).effective()).sqrt() / deviation;
        let (effective, r_hat) = agreement(chains);
        let mean_error = deviation / Split::new(chains).effective().sqrt();
        Self { mean, mean_error, deviation, deviation_error, quantiles, quantile_errors, effective, r_hat }
    }
}

/// Bulk number of effective draws and R̂.
pub fn agreement(chains: &[Vec<f64>]) -> (f64, f64) {
    let bulk = scores(chains);
    let mut sorted = chains.concat();
    sorted.sort_by(f64::total_cmp);
    let median = quantiles(sorted, &[0.5])[0];
    let folded = scores(&mapped(chains, |x| (x - median).abs()));
    let bulk = Split::new(&bulk);
    (bulk.effective(), bulk.r_hat().max(Split::new(&folded).r_hat()))
}

fn mapped(chains: &[Vec<f64>], by: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    chains.iter().map(|chain| chain.iter().map(|x| by(*x)).collect()).collect()
}

/// Normal scores Φ⁻¹((rank − 3/8)/(total + 1/4)); equal draws have their mean rank.
fn scores(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let all = chains.concat();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*a].total_cmp(&all[*b]));
    let mut out = vec![0.0; all.len()];
    let mut smaller = 0;
    for group in order.chunk_by(|a, b| all[*a] == all[*b]) {
        let rank = smaller as f64 + 0.5 * (group.len() + 1) as f64;
        let score = normal_quantile((rank - 0.375) / (all.len() as f64 + 0.25));
        group.iter().for_each(|at| out[*at] = score);
        smaller += group.len();
    }
    let mut rest = out.into_iter();
    chains.iter().map(|chain| rest.by_ref().take(chain.len()).collect()).collect()
}

/// Halves of chains, and what they say together.
struct Split<'a> {
    halves: Vec<&'a [f64]>,
    means: Vec<f64>,
    length: f64,
    within: f64,
    total: f64,
}

impl<'a> Split<'a> {
    fn new(chains: &'a [Vec<f64>]) -> Self {
        let n = chains.first().map_or(0, Vec::len) / 2;
        let halves: Vec<&[f64]> = chains.iter().flat_map(|chain| [&chain[..n], &chain[chain.len() - n..]]).collect();
        let (count, length) = (halves.len() as f64, n as f64);
        let means: Vec<f64> = halves.iter().map(|half| half.iter().sum::<f64>() / length).collect();
        let grand = means.iter().sum::<f64>() / count;
        let between = means.iter().map(|mean| (mean - grand).powi(2)).sum::<f64>() / (count - 1.0);
        let mut out = Self { halves, means, length, within: 0.0, total: 0.0 };
        out.within = out.covariance(0);
        out.total = (length - 1.0) / length * out.within + between;
        out
    }

    /// Mean over the halves of the autocovariance, divisor n − 1.
    fn covariance(&self, lag: usize) -> f64 {
        let of = |half: &[f64], mean: f64| -> f64 {
            half.iter().zip(&half[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / (self.length - 1.0)
        };
        self.halves.iter().zip(&self.means).map(|(half, mean)| of(half, *mean)).sum::<f64>() / self.halves.len() as f64
    }

    fn r_hat(&self) -> f64 {
        match (self.within > 0.0, self.total > 0.0) {
            (true, _) => (self.total / self.within).sqrt(),
            (false, true) => f64::INFINITY,
            (false, false) => 1.0,
        }
    }

    /// 0 if nothing moved.
    fn effective(&self) -> f64 {
        if self.within <= 0.0 {
            return 0.0;
        }
        let correlation = |lag: usize| 1.0 - (self.within - self.covariance(lag)) / self.total;
        let (mut sum, mut last) = (0.0, f64::INFINITY);
        for lag in (0..self.halves[0].len().saturating_sub(1)).step_by(2) {
            let pair = (correlation(lag) + correlation(lag + 1)).min(last);
            if pair <= 0.0 {
                break;
            }
            sum += pair;
            last = pair;
        }
        let count = self.halves.len() as f64 * self.length;
        (count / (2.0 * sum - 1.0).max(1.0 / count)).min(count)
    }
}

/// Φ⁻¹ to 1.2e-9 relative: ranks need no more.
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] =
        [-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
    let by = |of: &[f64], x: f64| of.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        by(&C, q) / (by(&D, q) * q + 1.0)
    };
    if p < 0.02425 {
        tail(p)
    } else if p > 1.0 - 0.02425 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        q * by(&A, q * q) / (by(&B, q * q) * q * q + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    /// x ← ax + √(1 − a²) ξ: the autocorrelation time is (1 + a)/(1 − a).
    fn walk(seed: u64, chain: u32, a: f64, n: usize, offset: f64) -> Vec<f64> {
        let mut random = Stream::new(seed, Purpose::Synthetic, chain);
        let mut x = random.normal();
        (0..n)
            .map(|_| {
                x = a * x + (1.0 - a * a).sqrt() * random.normal();
                x + offset
            })
            .collect()
    }

    #[test]
    fn the_worth_of_correlated_draws_is_the_known_one() {
        for a in [0.0, 0.5, 0.9] {
            let chains: Vec<Vec<f64>> = (0..4).map(|chain| walk(3, chain, a, 10_000, 0.0)).collect();
            let (effective, r_hat) = agreement(&chains);
            let expected = 40_000.0 * (1.0 - a) / (1.0 + a);
            assert!((effective / expected - 1.0).abs() < 0.15, "{a}: {effective} of {expected}");
            assert!(r_hat < 1.01, "{a}: {r_hat}");
        }
    }

    #[test]
    fn monte_carlo_errors_are_what_repetitions_show() {
        let probabilities = [0.025, 0.5];
        let runs: Vec<Summary> = (0..200)
            .map(|run| Summary::of(&(0..4).map(|c| walk(run, c, 0.6, 500, 1.0)).collect::<Vec<_>>(), &probabilities))
            .collect();
        let check = |name: &str, value: &dyn Fn(&Summary) -> f64, error: &dyn Fn(&Summary) -> f64, right: f64| {
            let count = runs.len() as f64;
            let off = (runs.iter().map(|run| (value(run) - right).powi(2)).sum::<f64>() / count).sqrt();
            let said = runs.iter().map(error).sum::<f64>() / count;
            assert!((said / off - 1.0).abs() < 0.2, "{name}: said {said}, is {off}");
        };
        check("mean", &|s| s.mean, &|s| s.mean_error, 1.0);
        check("deviation", &|s| s.deviation, &|s| s.deviation_error, 1.0);
        check("2.5 %", &|s| s.quantiles[0], &|s| s.quantile_errors[0], 1.0 - 1.959964);
        check("median", &|s| s.quantiles[1], &|s| s.quantile_errors[1], 1.0);
    }

    #[test]
    fn chains_that_disagree_are_found_out() {
        let apart: Vec<Vec<f64>> = (0..4).map(|chain| walk(5, chain, 0.3, 1000, f64::from(chain))).collect();
        assert!(agreement(&apart).1 > 1.3);
        // The same centre, another width: only the folded draws show it.
        let wide: Vec<Vec<f64>> =
            (0..4).map(|c| walk(6, c, 0.3, 1000, 0.0).iter().map(|x| x * f64::from(1 + c)).collect()).collect();
        assert!(agreement(&wide).1 > 1.1);
        let drifting: Vec<f64> = (0..1000).map(f64::from).collect();
        assert!(agreement(&[drifting]).1 > 1.3);
        assert_eq!(agreement(&[vec![1.0; 10]]), (0.0, 1.0));
    }

    #[test]
    fn normal_scores_are_quantiles_of_the_normal_law() {
        for (p, z) in [(0.5, 0.0), (0.8413447460685429, 1.0), (0.0013498980316301, -3.0), (0.99, 2.3263478740408408)] {
            assert!((normal_quantile(p) - z).abs() < 1e-8, "{p}");
        }
        let tied = scores(&[vec![2.0, 1.0], vec![1.0, 3.0]]).concat();
        assert_eq!(tied[1], tied[2]);
        assert!(tied[1] < tied[0] && tied[0] < tied[3]);
    }
}

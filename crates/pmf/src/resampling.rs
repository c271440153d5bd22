//! Resamples of blocks of consecutive samples: their length, the draw, and the data with the draws as weights.
//!
//! Source: D. N. Politis, H. White (2004), "Automatic block-length selection for the dependent bootstrap",
//! Econometric Reviews 23:53, with the correction of A. Patton, D. N. Politis, H. White (2009), ibid. 28:372.

use crate::problem::{Problem, Side};
use headwater_base::parallel;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::LANES;

/// How often each sample is drawn: blocks of consecutive samples with data, circular, the last one cut short.
pub fn draw(present: &[bool], block: usize, seed: u64, run: u32) -> Vec<u32> {
    let samples: Vec<usize> = (0..present.len()).filter(|&i| present[i]).collect();
    let mut counts = vec![0; present.len()];
    let mut random = Stream::new(seed, Purpose::Resample, run);
    let mut left = samples.len();
    while left > 0 {
        let start = random.below(samples.len());
        for t in 0..block.min(left) {
            counts[samples[(start + t) % samples.len()]] += 1;
        }
        left -= block.min(left);
    }
    counts
}

/// Politis and White's length for the circular block bootstrap, the mean over the species, rounded, at least 1.
pub fn block_length(problem: &Problem) -> usize {
    let (samples, species) = problem.sides();
    let rows: Vec<usize> = (0..samples.count).filter(|&i| samples.present[i]).collect();
    let lengths: Vec<f64> = (0..species.count)
        .filter(|&j| species.present[j])
        .map(|j| {
            // A missing value takes part as the mean.
            let cell = |i: usize| {
                (samples.omega[samples.cell(i, j)] > 0.0)
                    .then(|| samples.value[samples.cell(i, j)] * problem.sample_scale(i))
            };
            let known: Vec<f64> = rows.iter().filter_map(|&i| cell(i)).collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            politis_white(&rows.iter().map(|&i| cell(i).unwrap_or(mean) - mean).collect::<Vec<_>>())
        })
        .collect();
    let mean = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
    (mean.round() as usize).clamp(1, rows.len())
}

/// The rule for one centred series x_t: with m the first lag after which ρ_k stays below 2√(log₁₀ n / n) for K lags,
/// M = 2m and the flat-top window λ, b = (2g²/D)^⅓ n^⅓, g = Σ λ(k/M)|k| R_k, D = 4/3 (Σ λ(k/M) R_k)².
fn politis_white(x: &[f64]) -> f64 {
    let n = x.len();
    let covariance = |lag: usize| x.iter().zip(&x[lag.min(n)..]).map(|(a, b)| a * b).sum::<f64>() / n as f64;
    let variance = covariance(0);
    if n < 10 || variance <= 0.0 {
        return 1.0;
    }
    let size = n as f64;
    let quiet = 5.max(size.log10().sqrt().ceil() as usize);
    let most = (size.sqrt().ceil() as usize + quiet).min(n - 1);
    let limit = 2.0 * (size.log10() / size).sqrt();
    let rho: Vec<f64> = (0..=most).map(|lag| covariance(lag) / variance).collect();
    let below = |m: usize| (1..=quiet).all(|k| rho.get(m + k).is_none_or(|rho| rho.abs() < limit));
    let m = (0..=most).find(|&m| below(m)).unwrap_or(most).max(1);
    let window = 2 * m;
    let flat_top = |k: usize| {
        let t = k as f64 / window as f64;
        if t <= 0.5 { 1.0 } else { 2.0 * (1.0 - t).max(0.0) }
    };
    let (mut g, mut spectrum) = (0.0, variance);
    for k in 1..=window.min(n - 1) {
        let term = 2.0 * flat_top(k) * covariance(k);
        g += term * k as f64;
        spectrum += term;
    }
    let d = 4.0 / 3.0 * spectrum * spectrum;
    let b = (2.0 * g * g / d).cbrt() * size.cbrt();
    let cap = (3.0 * size.sqrt()).min(size / 3.0).ceil();
    if b.is_finite() { b.clamp(1.0, cap) } else { 1.0 }
}

impl Problem {
    /// The samples that were drawn, their weights multiplied by how often; the others are left out.
    pub(crate) fn resampled(&self, counts: &[u32]) -> Problem {
        let unpinned = (!self.pins.is_empty()).then(|| self.without_pins());
        let from = unpinned.as_ref().unwrap_or(self);
        let drawn: Vec<usize> = (0..from.rows).filter(|&i| counts[i] > 0).collect();
        let times: Vec<f64> = drawn.iter().map(|&i| f64::from(counts[i])).collect();
        let (samples, species) = from.sides();
        let (samples, species) = (samples.members(&drawn, &times), species.cells(&drawn, &times));
        let cells = |i: usize| (0..samples.inner).filter(|&j| samples.omega[samples.cell(i, j)] > 0.0).count();
        let cells = (0..drawn.len()).map(|i| cells(i) * counts[drawn[i]] as usize).sum();
        let (long, short) = if from.transposed { (species, samples) } else { (samples, species) };
        let squares: Vec<f64> = long.omega.iter().zip(&long.value).map(|(w, v)| w * v * v).collect();
        Problem {
            rows: drawn.len(),
            cells,
            total: parallel::pairwise_sum(&squares),
            warnings: Vec::new(),
            pins: Vec::new(),
            drawn: drawn.iter().map(|&i| counts[i]).collect(),
            long,
            short,
            ..*from
        }
    }
}

impl Side {
    /// Some of the members, all of their weights multiplied.
    fn members(&self, members: &[usize], times: &[f64]) -> Side {
        let exponent = members.iter().map(|&member| self.exponent[member]).collect();
        self.part(members.len(), self.inner, exponent, |member, t| (self.cell(members[member], t), times[member]))
    }

    /// Some of every member's cells, their weights multiplied.
    fn cells(&self, cells: &[usize], times: &[f64]) -> Side {
        let exponent = self.exponent.clone();
        self.part(self.count, cells.len(), exponent, |member, t| (self.cell(member, cells[t]), times[t]))
    }

    /// `count` members of `inner` cells; `from` says where one of them lies here, and by what its weight is multiplied.
    fn part(
        &self,
        count: usize,
        inner: usize,
        exponent: Vec<i32>,
        from: impl Fn(usize, usize) -> (usize, f64),
    ) -> Side {
        let size = count.div_ceil(LANES) * inner * LANES;
        let mut out = Side {
            count,
            inner,
            omega: vec![0.0; size],
            value: vec![0.0; size],
            present: vec![false; count],
            exponent,
            penalty: self.penalty,
            censored: vec![0.0; if self.censored.is_empty() { 0 } else { size }],
        };
        for member in 0..count {
            for t in 0..inner {
                let (to, (at, times)) = (out.cell(member, t), from(member, t));
                (out.omega[to], out.value[to]) = (self.omega[at] * times, self.value[at]);
                out.present[member] |= out.omega[to] > 0.0;
                if !self.censored.is_empty() {
                    out.censored[to] = self.censored[at];
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{self, Factor};
    use headwater_base::{Control, parallel::Crew};

    #[test]
    fn every_sample_is_drawn_equally_often() {
        // χ² of the counts of 20 samples in blocks of 3: each start is uniform, so each sample is.
        let present = vec![true; 20];
        let mut sums = vec![0.0; 20];
        let runs = 100_000 / 20;
        for run in 0..runs {
            let counts = draw(&present, 3, 7, run);
            assert_eq!(counts.iter().sum::<u32>(), 20);
            counts.iter().zip(&mut sums).for_each(|(c, s)| *s += f64::from(*c));
        }
        // Draws of a block move together: the variance of a sum is about three times that of single draws.
        let expected = f64::from(runs);
        let chi2: f64 = sums.iter().map(|s| (s - expected).powi(2) / (3.0 * expected)).sum();
        assert!(chi2 < 43.8, "χ² = {chi2} of 19 degrees, 0.1 %");
    }

    #[test]
    fn block_starts_are_uniform() {
        let present: Vec<bool> = (0..25).map(|i| i % 5 != 4).collect();
        let mut sums = vec![0.0; 25];
        let draws = 100_000;
        for run in 0..draws / 20 {
            let counts = draw(&present, 1, 3, run);
            counts.iter().zip(&mut sums).for_each(|(c, s)| *s += f64::from(*c));
        }
        assert!((0..25).all(|i| present[i] || sums[i] == 0.0));
        let expected = f64::from(draws) / 20.0;
        let chi2: f64 = sums.iter().filter(|s| **s > 0.0).map(|s| (s - expected).powi(2) / expected).sum();
        assert!(chi2 < 43.8, "χ² = {chi2} of 19 degrees, 0.1 %");
    }

    #[test]
    fn q_of_a_resample_is_the_sum_over_the_samples_that_were_drawn() {
        for (seed, (rows, cols)) in [(21, 5), (5, 21), (9, 9)].into_iter().enumerate() {
            let mut random = Stream::new(11, Purpose::Synthetic, seed as u32);
            let p = 3;
            let mut fill = |size: usize| -> Vec<f64> { (0..size).map(|_| random.uniform()).collect() };
            let (w, h, values, mut spread, limits) =
                (fill(rows * p), fill(p * cols), fill(rows * cols), fill(rows * cols), fill(rows * cols));
            spread.iter_mut().for_each(|u| *u = if *u < 0.1 { f64::NAN } else { *u });
            let censored: Vec<bool> = limits.iter().map(|x| *x < 0.3).collect();
            let problem = Problem::new(rows, cols, values.clone(), spread.clone()).expect("good data");
            let problem = problem.with_censored(&censored).expect("good flags");
            let counts: Vec<u32> = (0..rows).map(|i| [2, 0, 1, 0, 3][i % 5]).collect();
            let resample = problem.resampled(&counts);
            let drawn: Vec<usize> = (0..rows).filter(|&i| counts[i] > 0).collect();
            assert_eq!(resample.rows(), drawn.len(), "seed {seed}");
            let own: Vec<f64> = drawn.iter().flat_map(|&i| &w[i * p..(i + 1) * p]).copied().collect();
            let (long, short) = resample.scale_factors(p, &own, &h);
            let long = Factor::new(resample.long.count, p, true, long);
            let short = Factor::new(resample.short.count, p, true, short);
            let mut expected = 0.0;
            for at in (0..rows * cols).filter(|&at| !spread[at].is_nan()) {
                let fit: f64 = (0..p).map(|k| w[at / cols * p + k] * h[k * cols + at % cols]).sum();
                if !censored[at] || fit > values[at] {
                    expected += f64::from(counts[at / cols]) * ((values[at] - fit) / spread[at]).powi(2);
                }
            }
            let crew = Crew::new(1, Control::none());
            let from_both = [
                block::objective(&resample.long, &long, &short.rows, crew),
                block::objective(&resample.short, &short, &long.rows, crew),
            ];
            for q in from_both.map(|q| resample.unscale_q(q)) {
                assert!((q / expected - 1.0).abs() < 1e-12, "seed {seed}: {q} instead of {expected}");
            }
            let known = |i: usize| (0..cols).filter(|j| !spread[i * cols + j].is_nan()).count();
            let cells: usize = (0..rows).map(|i| known(i) * counts[i] as usize).sum();
            let draws = counts.iter().sum::<u32>();
            assert_eq!((resample.cells, resample.draws().iter().sum()), (cells, f64::from(draws)), "seed {seed}");
        }
    }

    #[test]
    fn blocks_grow_with_the_memory_of_the_series() {
        let series = |memory: f64| {
            let mut random = Stream::new(1, Purpose::Probe, 0);
            let mut x = 0.0;
            (0..2000)
                .map(|_| {
                    x = memory * x + random.normal();
                    x
                })
                .collect::<Vec<f64>>()
        };
        let lengths: Vec<f64> = [0.0, 0.5, 0.9].map(|memory| politis_white(&series(memory))).to_vec();
        // White noise: about 1. AR(1), ρ = 0.5: theory (2ρ/(1−ρ²))^⅔ (3n/2)^⅓ = 17.5; ρ = 0.9: 64.6.
        assert!(lengths[0] < 6.0, "{lengths:?}");
        assert!((lengths[1] / 17.5 - 1.0).abs() < 0.35, "{lengths:?}");
        assert!((lengths[2] / 64.6 - 1.0).abs() < 0.35, "{lengths:?}");
    }
}

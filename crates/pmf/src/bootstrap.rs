//! Bootstrap (BS): how much profiles change when other samples might have been measured.
//!
//! Samples are drawn in circular blocks (every block of consecutive samples equally likely, its length by Politis and
//! White's rule unless given) and enter as integer weights of the rows, so that a sample drawn three times is fitted
//! once. Each resample is fitted from the base solution, and from random starts that may find another minimum; the
//! lowest certified point counts. Its factors are assigned to the base's one to one, by the largest sum of
//! correlations of contributions over the drawn samples; pairs below a threshold are unmapped and kept out of the
//! statistics. Beside it stands the table that EPA PMF 5 prints, in which every resample factor goes to the base factor
//! with which it correlates best, so that several may go to one.
//!
//! Cost: a warm fit a run and a whole one for each cold start.
//! Source: P. Paatero, S. Eberly, S. G. Brown, G. A. Norris (2014), Atmos. Meas. Tech. 7:781.

use crate::assignment;
use crate::base_point::{self, Bounded};
use crate::block::Factor;
use crate::pins;
use crate::problem::Problem;
use crate::resampling;
use crate::run::{self, Options};
use crate::settings::{Method, Stop};
use crate::start::{self, Bounds};
use headwater_base::parallel::{self, Crew};
use headwater_base::{Control, Error, Status};

/// What a caller chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapSettings {
    /// Resamples; PMF programs make 100.
    pub runs: u32,
    /// Samples in a block; `None`: by Politis and White's rule, the mean over the species.
    pub block: Option<usize>,
    /// Random starts of each resample beside the warm one.
    pub cold_starts: u32,
    /// Correlation below which a factor is unmapped; PMF programs take 0.6.
    pub threshold: f64,
    /// Key of all random numbers.
    pub seed: u64,
    /// Contributions bounded below by 0.
    pub nonnegative_contributions: bool,
    /// Profiles bounded below by 0.
    pub nonnegative_profiles: bool,
    /// Largest number of threads.
    pub threads: usize,
}

impl Default for BootstrapSettings {
    fn default() -> Self {
        Self {
            runs: 100,
            block: None,
            cold_starts: 1,
            threshold: 0.6,
            seed: 0,
            nonnegative_contributions: true,
            nonnegative_profiles: true,
            threads: 1,
        }
    }
}

/// One resample's fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Resample {
    /// Its number.
    pub run: u32,
    /// How often each sample was drawn.
    pub counts: Vec<u32>,
    /// How its fit ended.
    pub status: Status,
    /// Its objective.
    pub q: f64,
    /// Whether a cold start ended lower than the warm one.
    pub cold: bool,
    /// For each base factor the resample's factor, `None` where the correlation is below the threshold.
    pub factors: Vec<Option<usize>>,
    /// For each of the resample's factors the base factor with which it correlates best, if above the threshold.
    pub nearest: Vec<Option<usize>>,
    /// Profiles in the order of the resample's own factors, in the gauge of mean contribution 1 over the drawn samples.
    pub profiles: Vec<f64>,
}

/// Statistics of one profile element over the resamples whose factor is mapped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ElementStatistics {
    /// Resamples that count.
    pub count: u32,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// 2.5, 5, 25, 50, 75, 95 and 97.5 % (linear between order statistics).
    pub quantiles: [f64; 7],
}

/// The quantiles of [`ElementStatistics`].
pub const QUANTILES: [f64; 7] = [0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975];

/// The result of [`bootstrap`].
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// Samples in a block.
    pub block: usize,
    /// The resamples that were fitted, by number.
    pub resamples: Vec<Resample>,
    /// Per base factor: how many resamples map one of their factors to it one to one, and how many do not.
    pub mapped: Vec<(u32, u32)>,
    /// PMF5's table: [base factor][resample factor], and last the unmapped of each resample factor.
    pub nearest: Vec<Vec<u32>>,
    /// Resamples in which two of their factors have the same nearest base factor, or none.
    pub swaps: u32,
    /// Per element, factors × species.
    pub elements: Vec<ElementStatistics>,
    /// Minimum, quartiles and maximum of the resamples' objective.
    pub q: [f64; 5],
    /// `converged` unless the call was stopped before all runs were done.
    pub status: Status,
}

/// Resamples a base solution.
///
/// # Errors
/// `start-shape-mismatch`, `start-not-valid`, `option-out-of-range` (runs, block, threshold).
pub fn bootstrap(
    problem: &Problem,
    factors: usize,
    contributions: &[f64],
    profiles: &[f64],
    settings: &BootstrapSettings,
    control: Control,
) -> Result<Bootstrap, Error> {
    let (runs, study, cols) =
        (settings.runs, Study::new(problem, factors, contributions, profiles, settings, control)?, problem.cols());
    let found = each(&study, |study, run| study.run(run).0);
    Ok(summarise(factors, cols, runs, study.block, found))
}

impl<'a> Study<'a> {
    /// Checks what a caller gives.
    pub fn new(
        problem: &'a Problem,
        factors: usize,
        contributions: &[f64],
        profiles: &[f64],
        settings: &'a BootstrapSettings,
        control: Control<'a>,
    ) -> Result<Self, Error> {
        let (rows, p) = (problem.rows(), factors);
        let bounded =
            Bounded { contributions: settings.nonnegative_contributions, profiles: settings.nonnegative_profiles };
        let (contributions, profiles) = base_point::known(problem, p, contributions, profiles, bounded)?;
        let refuse = |message: &str| Err(Error::new("option-out-of-range", message));
        if settings.runs == 0 {
            return refuse("runs must be at least 1");
        }
        if settings.block.is_some_and(|block| block == 0 || block > rows) {
            return refuse("the block length must lie between 1 and the number of samples");
        }
        if !(0.0..=1.0).contains(&settings.threshold) {
            return refuse("the threshold must lie between 0 and 1");
        }
        let block = settings.block.unwrap_or_else(|| resampling::block_length(problem));
        Ok(Self { problem, settings, control, p, block, contributions, profiles })
    }
}

/// The runs that are done before the call is stopped, by number.
pub(crate) fn each<T: Send>(study: &Study, work: impl Fn(&Study, u32) -> T + Sync) -> Vec<T> {
    let runs = study.settings.runs as usize;
    let found = parallel::map_reported(study.settings.threads, runs, study.control, |run| work(study, run as u32));
    found.into_iter().flatten().collect()
}

/// A base solution and how it is resampled.
pub(crate) struct Study<'a> {
    problem: &'a Problem,
    settings: &'a BootstrapSettings,
    control: Control<'a>,
    p: usize,
    pub block: usize,
    contributions: Vec<f64>,
    profiles: Vec<f64>,
}

/// The samples of a resample that were drawn, and its factors in the caller's units.
pub(crate) struct Fitted {
    pub problem: Problem,
    pub contributions: Vec<f64>,
    pub profiles: Vec<f64>,
}

impl Study<'_> {
    pub fn run(&self, number: u32) -> (Resample, Fitted) {
        let (settings, p) = (self.settings, self.p);
        let present = &self.problem.sides().0.present;
        let counts = resampling::draw(present, self.block, settings.seed, number);
        let problem = self.problem.resampled(&counts);
        let crew = Crew::new(1, self.control);
        let (bounded_w, bounded_h) = (settings.nonnegative_contributions, settings.nonnegative_profiles);
        let bounds = if problem.transposed {
            Bounds { long: bounded_h, short: bounded_w }
        } else {
            Bounds { long: bounded_w, short: bounded_h }
        };
        let options = |first_sweeps: u32| Options {
            method: Method::Anls,
            max_iterations: 20_000,
            stop: Stop::Certificate,
            crew,
            first_sweeps,
            full: false,
        };
        let rows: Vec<usize> = (0..counts.len()).filter(|&i| counts[i] > 0).collect();
        let base = drawn(&self.contributions, p, &rows);
        let (long, short) = problem.scale_factors(p, &base, &self.profiles);
        let long = Factor::new(problem.long.count, p, bounds.long, long);
        let short = Factor::new(problem.short.count, p, bounds.short, short);
        let mut best = pins::run(&problem, &options(WARM_SWEEPS), long, short);
        let mut cold = false;
        for start in 0..settings.cold_starts {
            // Starts of their own for every run.
            let key = number.wrapping_mul(settings.cold_starts).wrapping_add(start);
            let (mut long, mut short) = start::random(self.problem, p, bounds, settings.seed ^ COLD, key);
            let samples = if problem.transposed { &mut short } else { &mut long };
            *samples = Factor::new(rows.len(), p, samples.bounded, drawn(&samples.rows, p, &rows));
            let found = pins::run(&problem, &options(run::FIRST_SWEEPS), long, short);
            let certified = |run: &run::Run| run.judgement.status == Status::Converged;
            let lower = found.q < best.q * (1.0 - 1e-9);
            if certified(&found) && (lower || !certified(&best)) {
                (best, cold) = (found, true);
            }
        }
        let (mut contributions, mut profiles) = problem.unscale_factors(p, &best.long.rows, &best.short.rows);
        let weights = problem.draws();
        let total: f64 = weights.iter().sum();
        let cols = problem.cols();
        for k in 0..p {
            let mean = weights.iter().enumerate().map(|(i, w)| w * contributions[i * p + k]).sum::<f64>() / total;
            profiles[k * cols..(k + 1) * cols].iter_mut().for_each(|h| *h *= mean);
            if mean > 0.0 {
                (0..problem.rows()).for_each(|i| contributions[i * p + k] /= mean);
            }
        }
        let score = assignment::correlations(&base, &contributions, p, &weights);
        let (factors, nearest) = map(p, &score, settings.threshold);
        let resample = Resample {
            run: number,
            counts,
            status: best.judgement.status,
            q: problem.unscale_q(best.q),
            cold,
            factors,
            nearest,
            profiles: profiles.clone(),
        };
        (resample, Fitted { problem, contributions, profiles })
    }
}

/// Those of the `rows` of a factor.
fn drawn(factor: &[f64], p: usize, rows: &[usize]) -> Vec<f64> {
    rows.iter().flat_map(|&i| &factor[i * p..(i + 1) * p]).copied().collect()
}

/// Sweeps from the base before second-order steps; 20 to 50 take least time on the EPA sets.
const WARM_SWEEPS: u32 = 30;
/// Sets the cold starts apart from those of the base.
const COLD: u64 = 0x5EED_0000_0000_0001;

/// The one-to-one assignment and the nearest base factors, from correlations base × resample.
fn map(p: usize, score: &[f64], threshold: f64) -> (Vec<Option<usize>>, Vec<Option<usize>>) {
    let to = assignment::assign(p, score);
    let factors = (0..p).map(|k| Some(to[k]).filter(|l| score[k * p + l] >= threshold)).collect();
    let nearest = (0..p)
        .map(|l| {
            let best = (0..p).fold(0, |best, k| if score[k * p + l] > score[best * p + l] { k } else { best });
            Some(best).filter(|k| score[k * p + l] >= threshold)
        })
        .collect();
    (factors, nearest)
}

pub(crate) fn summarise(p: usize, cols: usize, runs: u32, block: usize, resamples: Vec<Resample>) -> Bootstrap {
    let mut mapped = vec![(0, 0); p];
    let mut nearest = vec![vec![0; p]; p + 1];
    let mut swaps = 0;
    for resample in &resamples {
        for (k, to) in resample.factors.iter().enumerate() {
            if to.is_some() { mapped[k].0 += 1 } else { mapped[k].1 += 1 }
        }
        for (l, to) in resample.nearest.iter().enumerate() {
            nearest[to.unwrap_or(p)][l] += 1;
        }
        let mut seen = vec![false; p];
        let once = resample.nearest.iter().all(|to| to.is_some_and(|k| !std::mem::replace(&mut seen[k], true)));
        swaps += u32::from(!once);
    }
    let elements = (0..p * cols)
        .map(|at| {
            let (k, j) = (at / cols, at % cols);
            let value = |r: &Resample| r.factors[k].map(|l| r.profiles[l * cols + j]);
            statistics(resamples.iter().filter_map(value).collect())
        })
        .collect();
    let q = quantiles(resamples.iter().map(|r| r.q).collect(), &[0.0, 0.25, 0.5, 0.75, 1.0]);
    let status = if resamples.len() == runs as usize { Status::Converged } else { Status::Aborted };
    Bootstrap { block, resamples, mapped, nearest, swaps, elements, q: q.try_into().expect("five"), status }
}

fn statistics(values: Vec<f64>) -> ElementStatistics {
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let deviation = (square / (count as f64 - 1.0)).sqrt();
    let quantiles = quantiles(values, &QUANTILES).try_into().expect("seven");
    ElementStatistics { count: count as u32, mean, deviation, quantiles }
}

/// Linear between order statistics (definition 7 of Hyndman and Fan); NaN without values.
pub(crate) fn quantiles(mut values: Vec<f64>, at: &[f64]) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    at.iter()
        .map(|share| {
            let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
            let place = share * last as f64;
            let below = place.floor() as usize;
            let (share, low, high) = (place - below as f64, values[below], values[(below + 1).min(last)]);
            // Infinite values too: ends of intervals can be.
            if share == 0.0 || low == high || low == f64::NEG_INFINITY { low } else { low + share * (high - low) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_exchanges_are_undone_by_the_assignment_and_seen_in_the_table() {
        // Resample factors 0 and 1 are the base's 1 and 0; factor 2 is nothing like any.
        let score = [0.1, 0.95, 0.2, 0.9, 0.3, 0.1, 0.0, 0.2, 0.4];
        let (factors, nearest) = map(3, &score, 0.6);
        assert_eq!(factors, [Some(1), Some(0), None]);
        assert_eq!(nearest, [Some(1), Some(0), None]);
        // Two factors that look like one: PMF5's table takes both there, the assignment only one.
        let score = [0.95, 0.9, 0.1, 0.7];
        let (factors, nearest) = map(2, &score, 0.6);
        assert_eq!((factors, nearest), (vec![Some(0), Some(1)], vec![Some(0), Some(0)]));
    }

    #[test]
    fn quantiles_are_linear_between_order_statistics() {
        assert_eq!(quantiles(vec![4.0, 1.0, 2.0, 3.0], &[0.0, 0.5, 0.75, 1.0]), [1.0, 2.5, 3.25, 4.0]);
        assert!(quantiles(Vec::new(), &[0.5])[0].is_nan());
        let far = f64::INFINITY;
        let ends = || vec![far, 3.0, -far, 2.0, far];
        assert_eq!(quantiles(ends(), &[0.0, 0.1, 0.25, 0.5, 0.6, 0.9, 1.0]), [-far, -far, 2.0, 3.0, far, far, far]);
    }
}

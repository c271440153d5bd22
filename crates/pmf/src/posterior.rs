//! Draws of the profiles from their posterior around a minimum: a check of what standard errors and displacement say.
//!
//! The density is the profile likelihood e^{−φ/(2T)} of the profiles, φ(H) = min_W Q, flat before the data were seen
//! ([`crate::profile_density`]): its quadratic approximation is what standard errors rest on, its profiles are those of
//! displacement, and it differs from both by the whole shape of φ: bounds, kinks where contributions meet theirs, curvature.
//! The joint density of profiles and contributions, e^{−Q/2}, would answer another question: with as many nuisance parameters
//! as samples times factors its marginals need not even lie around the fit (J. Neyman, E. L. Scott (1948), Econometrica 16:1).
//!
//! How: several chains of Langevin trajectories ([`crate::langevin`]) from points drawn apart. In rounds of warming up the
//! chains together choose the length of a step and, from Hessians at places of theirs, the stand-in and its metric
//! ([`crate::reflected`]); then these are fixed, and draws count. They end when every element has R̂ <= 1.01 and as many
//! effective draws as asked ([`crate::chains`]), or with the budget.
//!
//! Cost: a solution of all rows and a pass of residuals a step; a draw is about ten steps, and for 418 × 13 with 6 factors two to
//! four draws are worth one that is independent. Memory: the draws of all elements.

use crate::assignment;
use crate::base_point::{BasePoint, Bounded};
use crate::block::Factor;
use crate::chains::{self, AGREED, Summary};
use crate::langevin::{Chain, Pace, Place, Potential, Tuning};
use crate::laplace::{self, ErrorSettings};
use crate::loss::Loss;
use crate::problem::Problem;
use crate::profile_density::{self, ProfileDensity};
use crate::reflected::Reflected;
use headwater_base::parallel::{self, Crew};
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Error, Progress, Status, Warning};
use std::sync::atomic::{AtomicU64, Ordering};

/// Probabilities of the quantiles that are reported.
pub const POSTERIOR_QUANTILES: [f64; 5] = [0.025, 0.16, 0.5, 0.84, 0.975];
/// Unknowns (species × factors) up to which there is a sampler: a few matrices of that size.
const MOST: usize = 1500;
/// Draws of each chain in the rounds of warming up.
const ROUNDS: [usize; 5] = [20, 30, 50, 80, 80];
/// Draws of each chain between two looks at how well they have mixed.
const LOOK: usize = 250;
/// Hessians whose mean is the stand-in's, about.
const HESSIANS: usize = 48;
/// Time for which chains move away from the base before they begin, at most.
const APART: f64 = 1.5;
/// Length of the first steps.
const FIRST: f64 = 0.1;

/// What a caller chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorSettings {
    /// Chains, at least 2. 4.
    pub chains: usize,
    /// Draws that are kept of each chain, at most. 4000.
    pub max_draws: usize,
    /// Effective draws that every element needs, all chains together. 400.
    pub minimum_effective: f64,
    /// T: the density is e^{−Q/(2T)}. 1.
    pub temperature: f64,
    /// Key of all random numbers.
    pub seed: u64,
    /// Contributions bounded below by 0.
    pub nonnegative_contributions: bool,
    /// Profiles bounded below by 0.
    pub nonnegative_profiles: bool,
    /// Largest number of threads.
    pub threads: usize,
}

impl Default for PosteriorSettings {
    fn default() -> Self {
        Self {
            chains: 4,
            max_draws: 4000,
            minimum_effective: 400.0,
            temperature: 1.0,
            seed: 0,
            nonnegative_contributions: true,
            nonnegative_profiles: true,
            threads: 1,
        }
    }
}

/// What one chain did after warming up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainReport {
    /// Mean probability with which trajectories were accepted.
    pub acceptance: f64,
    /// Evaluations of Q, those of warming up included.
    pub steps: u64,
    /// Draws whose factors are not the base's, by the best one-to-one assignment of contributions.
    pub swapped: u64,
}

/// The result of [`posterior`].
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// `converged`: every element that the data determine has R̂ <= 1.01 and as many effective draws as asked; `budget`: not
    /// so; `stalled`: there is no peak to sample around, or the data determine no element; `aborted`.
    pub status: Status,
    /// Of every profile element, factors × species, in the caller's units; NaN where the data do not determine it.
    pub elements: Vec<Summary>,
    /// Standard errors of the base, factors × species, for T = 1.
    pub standard_errors: Vec<f64>,
    /// Draws, chain by chain: chains · draws of each × (factors × species).
    pub draws: Vec<f64>,
    /// Draws of each chain.
    pub draws_of_each: usize,
    /// One for each chain.
    pub chains: Vec<ChainReport>,
    /// Length of a step in the metric's units.
    pub step: f64,
    /// Steps of a trajectory.
    pub steps_of_a_draw: usize,
    /// `not-unique`, `standard-errors-not-positive`, `standard-errors-too-large`, `posterior-too-large`.
    pub warnings: Vec<Warning>,
}

/// Samples the posterior of the profiles of a base solution.
///
/// # Errors
/// `start-shape-mismatch`, `start-not-valid`, `option-out-of-range`; `posterior-not-defined` with Student's loss.
pub fn posterior(
    problem: &Problem,
    factors: usize,
    contributions: &[f64],
    profiles: &[f64],
    settings: &PosteriorSettings,
    control: Control,
) -> Result<Posterior, Error> {
    validate(problem, settings)?;
    let p = factors;
    let crew = Crew::new(settings.threads, control);
    let bounded =
        Bounded { contributions: settings.nonnegative_contributions, profiles: settings.nonnegative_profiles };
    let asked = ErrorSettings {
        nonnegative_contributions: bounded.contributions,
        nonnegative_profiles: bounded.profiles,
        threads: settings.threads,
        ..ErrorSettings::default()
    };
    let errors = laplace::standard_errors(problem, p, contributions, profiles, &asked, control.silent())?;
    let mut out = Posterior {
        status: Status::Stalled,
        elements: vec![Summary::unknown(POSTERIOR_QUANTILES.len()); p * problem.cols()],
        standard_errors: errors.profiles,
        draws: Vec::new(),
        draws_of_each: 0,
        chains: Vec::new(),
        step: f64::NAN,
        steps_of_a_draw: 0,
        warnings: errors.warnings,
    };
    let BasePoint { problem, mut long, mut short } =
        BasePoint::new(problem, p, contributions, profiles, bounded, crew)?;
    let problem = problem.as_ref();
    if short.rows.len() > MOST {
        let message = format!("the posterior is sampled up to {MOST} unknowns (species × factors)");
        out.warnings.push(Warning { code: "posterior-too-large", index: None, message });
    }
    let fatal = ["standard-errors-not-positive", "standard-errors-too-large", "posterior-too-large"];
    if out.warnings.iter().any(|warning| fatal.contains(&warning.code)) {
        return Ok(out);
    }
    let weights = problem.mean_weights();
    // The gauge: mean contribution 1.
    for k in 0..p {
        let mean = profile_density::mean(&long, &weights, k);
        if mean > 0.0 {
            long.rows.chunks_exact_mut(p).for_each(|w| w[k] /= mean);
            short.rows.chunks_exact_mut(p).for_each(|h| h[k] *= mean);
        }
    }
    let density = ProfileDensity::new(problem, &weights, &long, &short, settings.temperature, crew);
    let unique = out.warnings.iter().all(|warning| warning.code != "not-unique");
    let mut known = vec![false; p * problem.cols()];
    for &a in density.elements() {
        let at = a % p * problem.cols() + a / p;
        known[at] = out.standard_errors[at].is_finite() || (unique && short.bounded && short.rows[a] == 0.0);
    }
    if !known.contains(&true) {
        return Ok(out);
    }
    let study = Study { density: &density, settings, crew, weights: problem.draws(), long: &long };
    match study.run(&known) {
        Some(found) => found.into_posterior(&study, &known, &mut out),
        None => out.status = if crew.stopped() { Status::Aborted } else { Status::Stalled },
    }
    Ok(out)
}

fn validate(problem: &Problem, settings: &PosteriorSettings) -> Result<(), Error> {
    let refuse = |message: &str| Err(Error::new("option-out-of-range", message));
    if settings.chains < 2 || settings.max_draws < 4 {
        return refuse("chains must be at least 2 and maxDraws at least 4");
    }
    let positive = |x: f64| x > 0.0 && x.is_finite();
    if !positive(settings.minimum_effective) || !positive(settings.temperature) {
        return refuse("minimumEss and temperature must be positive finite numbers");
    }
    if let Loss::Student { .. } = problem.loss() {
        let message = "with Student's loss the best contributions for given profiles are not unique, so that the profiles \
                       have no density to sample from; fit with Huber's loss or squares";
        return Err(Error::new("posterior-not-defined", message));
    }
    Ok(())
}

struct Study<'a> {
    density: &'a ProfileDensity<'a>,
    settings: &'a PosteriorSettings,
    crew: Crew<'a>,
    /// How often each sample counts.
    weights: Vec<f64>,
    long: &'a Factor,
}

/// A chain with its draws.
struct Sampled {
    chain: Chain<Factor>,
    /// Reported elements, draw by draw.
    draws: Vec<Vec<f64>>,
    swapped: u64,
}

struct Found {
    chains: Vec<Sampled>,
    pace: Pace,
    /// Whether all elements have converged.
    enough: bool,
}

impl Study<'_> {
    /// Of one thread: chains are what threads share.
    fn alone(&self) -> Crew<'_> {
        Crew::new(1, self.crew.control)
    }

    /// `None` where it was stopped before a draw was kept, or there is no finite base.
    fn run(&self, known: &[bool]) -> Option<Found> {
        let settings = self.settings;
        let done = AtomicU64::new(0);
        let most = ROUNDS.iter().sum::<usize>() + settings.max_draws;
        let report = || {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let total = (settings.chains * most) as u64;
            self.crew.control.report(Progress { done, total, ..Progress::default() });
        };
        let (mut chains, mut flow) = self.begin()?;
        let mut step = FIRST;
        for (round, &length) in ROUNDS.iter().enumerate() {
            let count = Pace::of(step).count;
            let warmed = parallel::map(settings.threads, chains.len(), |at| {
                let mut chain = chains[at].clone();
                let mut tuning = Tuning::new(step);
                let mut seen = Vec::with_capacity(length);
                for _ in 0..length {
                    if self.crew.stopped() {
                        break;
                    }
                    let pace = Pace { step: tuning.step(), count };
                    tuning.learn(chain.advance(self.density, &flow, pace, self.alone()));
                    seen.push((chain.at.u.clone(), chain.at.memory.clone()));
                    report();
                }
                (chain, tuning.result(), seen)
            });
            if self.crew.stopped() {
                return None;
            }
            step = (warmed.iter().map(|(_, step, _)| step).sum::<f64>() / warmed.len() as f64).exp();
            if round + 1 < ROUNDS.len() {
                // The last part of a round; how widely draws spread is not asked before they have left where they began.
                let late = |share: usize| warmed.iter().map(move |(_, _, seen)| &seen[seen.len() / share..]);
                let every = (2 * length / 3 * settings.chains).div_ceil(HESSIANS).max(1);
                let places: Vec<&(Vec<f64>, Factor)> = late(3).flat_map(|seen| seen.iter().step_by(every)).collect();
                let spread: Vec<&[f64]> = match round {
                    0 => Vec::new(),
                    _ => late(4).flatten().map(|(u, _)| u.as_slice()).collect(),
                };
                flow = self.learn(&places, &spread)?;
            }
            chains = warmed.into_iter().map(|(chain, ..)| chain).collect();
        }
        self.draw(chains, &flow, Pace::of(step), known, &report)
    }

    /// Chains at places apart from each other, and what a first stand-in says of these.
    fn begin(&self) -> Option<(Vec<Chain<Factor>>, Reflected)> {
        let (density, settings) = (self.density, self.settings);
        let base = density.base(self.crew)?;
        let bounded = density.bounded();
        let hessian = density.hessian(&base, self.crew);
        let near = Reflected::new(bounded, base.u.clone(), base.gradient.clone(), hessian, &density.gauges, &[]);
        // As many places as chains, and more for the mean of the Hessians.
        let count = settings.chains.max(HESSIANS / 2);
        let places = parallel::map(settings.threads, count, |at| {
            let mut random = Stream::new(settings.seed, Purpose::Chain, (settings.chains + at) as u32);
            let push: Vec<f64> = (0..density.len()).map(|_| random.normal()).collect();
            let mut time = APART;
            // A typical place of the law has U higher by half as much.
            while time > 1e-3 && !self.crew.stopped() {
                let (mut u, mut z) = (base.u.clone(), push.clone());
                let parts = 25;
                if (0..parts).all(|_| near.flow(&mut u, &mut z, time / f64::from(parts)))
                    && let Some(place) = density.place(u, &base.memory, self.alone())
                    && place.value - base.value < density.len() as f64
                {
                    return place;
                }
                time *= 0.5;
            }
            base.clone()
        });
        let seen: Vec<(Vec<f64>, Factor)> =
            places.iter().map(|place| (place.u.clone(), place.memory.clone())).collect();
        let flow = self.learn(&seen.iter().collect::<Vec<_>>(), &[])?;
        let chains = places.into_iter().take(settings.chains).enumerate();
        Some((chains.map(|(at, place)| Chain::new(place, settings.seed, at as u32)).collect(), flow))
    }

    /// The stand-in by the mean of gradients and Hessians at `places`, the metric also by `spread`. `None` if stopped.
    fn learn(&self, places: &[&(Vec<f64>, Factor)], spread: &[&[f64]]) -> Option<Reflected> {
        let density = self.density;
        let size = density.len();
        let found = self.crew.map(places.len(), |at| {
            let (u, memory) = places[at];
            let place = density.place(u.clone(), memory, self.alone())?;
            let hessian = density.hessian(&place, self.alone());
            Some((place, hessian))
        })?;
        let found: Vec<(Place<Factor>, Vec<f64>)> = found.into_iter().collect::<Option<_>>()?;
        if self.crew.stopped() {
            return None;
        }
        let part = 1.0 / found.len() as f64;
        let (mut origin, mut slope, mut curvature) = (vec![0.0; size], vec![0.0; size], vec![0.0; size * size]);
        for (place, hessian) in &found {
            origin.iter_mut().zip(&place.u).for_each(|(sum, u)| *sum += part * u);
            slope.iter_mut().zip(&place.gradient).for_each(|(sum, g)| *sum += part * g);
            curvature.iter_mut().zip(hessian).for_each(|(sum, h)| *sum += part * h);
        }
        Some(Reflected::new(density.bounded(), origin, slope, curvature, &density.gauges, spread))
    }

    /// Draws until it is enough; `None` if it was stopped before a fourth one of every chain.
    fn draw(
        &self,
        chains: Vec<Chain<Factor>>,
        flow: &Reflected,
        pace: Pace,
        known: &[bool],
        report: &(dyn Fn() + Sync),
    ) -> Option<Found> {
        let settings = self.settings;
        let mut chains: Vec<Sampled> = chains
            .into_iter()
            .map(|chain| Sampled { chain: Chain { accepted: 0.0, tried: 0.0, ..chain }, draws: Vec::new(), swapped: 0 })
            .collect();
        let mut enough = false;
        while !enough && chains[0].draws.len() < settings.max_draws && !self.crew.stopped() {
            let count = LOOK.min(settings.max_draws - chains[0].draws.len());
            let next = parallel::map(settings.threads, chains.len(), |at| {
                let (mut chain, mut swapped) = (chains[at].chain.clone(), chains[at].swapped);
                let mut draws = Vec::with_capacity(count);
                for _ in 0..count {
                    chain.advance(self.density, flow, pace, self.alone());
                    if self.crew.stopped() {
                        break;
                    }
                    swapped += u64::from(self.swapped(&chain.at.memory));
                    draws.push(self.density.report(&chain.at, &mut chain.random));
                    report();
                }
                Sampled { chain, draws, swapped }
            });
            for (sampled, next) in chains.iter_mut().zip(next) {
                sampled.draws.extend(next.draws);
                (sampled.chain, sampled.swapped) = (next.chain, next.swapped);
            }
            enough = !self.crew.stopped() && self.enough(&chains, known);
        }
        // A chain that was stopped later than the others has more.
        let least = chains.iter().map(|chain| chain.draws.len()).min()?;
        chains.iter_mut().for_each(|chain| chain.draws.truncate(least));
        (least >= 4).then_some(Found { chains, pace, enough })
    }

    /// Whether the factors are others than the base's.
    fn swapped(&self, long: &Factor) -> bool {
        let p = long.p;
        let scores = assignment::correlations(&self.long.rows, &long.rows, p, &self.weights);
        assignment::assign(p, &scores).iter().enumerate().any(|(k, to)| k != *to)
    }

    fn enough(&self, chains: &[Sampled], known: &[bool]) -> bool {
        if chains[0].draws.len() < 4 {
            return false;
        }
        let elements: Vec<usize> = (0..known.len()).filter(|at| known[*at]).collect();
        let found = parallel::map(self.settings.threads, elements.len(), |at| {
            let (effective, r_hat) = chains::agreement(&element(chains, elements[at]));
            effective >= self.settings.minimum_effective && r_hat <= AGREED
        });
        found.into_iter().all(|enough| enough)
    }
}

/// An element's draws, chain by chain.
fn element(chains: &[Sampled], at: usize) -> Vec<Vec<f64>> {
    chains.iter().map(|chain| chain.draws.iter().map(|draw| draw[at]).collect()).collect()
}

impl Found {
    fn into_posterior(self, study: &Study, known: &[bool], out: &mut Posterior) {
        let Self { chains, pace, enough } = self;
        out.status = match enough {
            true => Status::Converged,
            false if study.crew.stopped() => Status::Aborted,
            false => Status::Budget,
        };
        out.elements = parallel::map(study.settings.threads, known.len(), |at| match known[at] {
            true => Summary::of(&element(&chains, at), &POSTERIOR_QUANTILES),
            false => Summary::unknown(POSTERIOR_QUANTILES.len()),
        });
        out.draws_of_each = chains[0].draws.len();
        out.chains = chains
            .iter()
            .map(|Sampled { chain, swapped, .. }| ChainReport {
                acceptance: chain.accepted / chain.tried,
                steps: chain.steps,
                swapped: *swapped,
            })
            .collect();
        out.draws = chains.into_iter().flat_map(|chain| chain.draws).flatten().collect();
        (out.step, out.steps_of_a_draw) = (pace.step, pace.count);
    }
}

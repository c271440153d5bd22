//! Many starts, the minima they end in, and the one that is returned.
//!
//! With `Starts::Auto`, `FIRST` random starts are followed by rounds of perturbation chains: chain c begins at the
//! best of the starts s ≡ c modulo `CHAINS`; a round makes `TRIALS` trials a chain, each replacing one or two
//! factors of the chain's best solution by random data, and keeps the lowest. The search ends when all chains have
//! stood at one Q for `PATIENCE` rounds without improvement anywhere (four times as many if one chain stands
//! elsewhere), or at the cap. Decisions are taken at the ends of batches only, which do
//! not depend on the thread count.

use crate::basins::{self, Ended};
use crate::batched::{self, Uploaded};
use crate::block::Factor;
use crate::canonical;
use crate::judge;
use crate::pins;
use crate::problem::{MAX_FACTORS, Problem};
use crate::run::{self, Options, Run};
use crate::settings::{Initialization, Settings, Starts, Stop};
use crate::solution::{Factorization, Origin, Solution, StartReport, Verdict};
use crate::start::{self, Bounds};
use headwater_base::parallel::Crew;
use headwater_base::{Control, Error, Progress, Status, Warning, parallel};
use headwater_linalg::device::{Device, Failure};
use std::sync::Mutex;

/// Random starts before the chains.
const FIRST: u32 = 12;
/// Independent chains.
const CHAINS: u32 = 3;
/// Trials a chain makes in one round.
const TRIALS: u32 = 4;
/// Rounds without improvement, all chains at one Q, that end the search.
const PATIENCE: u32 = 2;
/// Cells times factors from which threads work inside a start instead of on several starts.
pub(crate) const INSIDE: usize = 4_000_000;

/// Minimises Q = Σ Ω∘(V − WH)² from many starts and certifies what it returns.
///
/// Cost: see [`crate::Settings`]; memory: the data, and per start at work the factors, their normal equations and,
/// for the second-order finish, the residuals and (species·factors)² · (1 + ¾) numbers.
///
/// # Errors
/// Those of [`Settings::validate`]; `options-conflict` for a method that cannot minimise the problem's objective.
/// Numerical outcomes are statuses.
pub fn factorize(problem: &Problem, settings: &Settings, control: Control) -> Result<Factorization, Error> {
    check(problem, settings)?;
    search(problem, settings, None, control).go().map_err(|failure| failure.into_error("cpu"))
}

/// Refuses settings that the problem does not allow.
pub(crate) fn check(problem: &Problem, settings: &Settings) -> Result<(), Error> {
    settings.validate(problem.rows(), problem.cols())?;
    if matches!(settings.method, crate::Method::Mu | crate::Method::Hals) && !problem.long.squares() {
        let message =
            "the methods mu and hals minimise a plain sum of squares: robust losses and censored cells need anls";
        return Err(Error::new("options-conflict", message));
    }
    if settings.factors > MAX_FACTORS {
        return Err(Error::new("too-many-factors", format!("at most {MAX_FACTORS} factors are supported"))
            .with_limit(MAX_FACTORS as f64));
    }
    Ok(())
}

/// A search that has not begun, on the device first where there is one.
pub(crate) fn search<'a>(
    problem: &'a Problem,
    settings: &'a Settings,
    device: Option<&'a dyn Device>,
    control: Control<'a>,
) -> Search<'a> {
    let inside = problem.cells * settings.factors >= INSIDE;
    Search {
        problem,
        settings,
        control,
        device,
        outer: if inside { 1 } else { settings.threads },
        options: Options {
            method: settings.method,
            max_iterations: settings.max_iterations,
            stop: settings.stop,
            crew: Crew::new(if inside { settings.threads } else { 1 }, control),
            first_sweeps: run::FIRST_SWEEPS,
            full: inside,
        },
        bounds: bounds(problem, settings),
        tally: Mutex::new(Tally::default()),
    }
}

/// Judges factors from anywhere, and finds the local minimum below them.
///
/// The judged point is the one given (in canonical gauge); the minimum is reached by a descent along which Q never
/// rises, so `excess` is what the other program left on the table.
///
/// # Errors
/// Those of [`Settings::validate`], with `start-shape-mismatch` and `start-not-valid` for the factors.
pub fn certify(
    problem: &Problem,
    contributions: &[f64],
    profiles: &[f64],
    settings: &Settings,
    control: Control,
) -> Result<Verdict, Error> {
    settings.validate(problem.rows(), problem.cols())?;
    crate::settings::check_factors(
        problem.rows(),
        problem.cols(),
        settings.factors,
        contributions,
        profiles,
        settings.nonnegative_contributions,
        settings.nonnegative_profiles,
    )?;
    let p = settings.factors;
    let bounds = bounds(problem, settings);
    let (long, short) = problem.scale_factors(p, contributions, profiles);
    let long = Factor::new(problem.long.count, p, bounds.long, long);
    let short = Factor::new(problem.short.count, p, bounds.short, short);
    let crew = Crew::new(settings.threads, control);
    let options = Options {
        method: crate::Method::Anls,
        max_iterations: settings.max_iterations,
        stop: Stop::Certificate,
        crew,
        first_sweeps: 0,
        full: false,
    };
    let run = pins::run(problem, &options, long.clone(), short.clone());
    let local_minimum = finished(problem, &run, crew);
    let missed = problem.misses_pins(&long, &short, judge::NEGLIGIBLE * run.judgement.unit);
    let pinned = (!problem.pins.is_empty())
        .then(|| if missed { problem.without_pins() } else { problem.with_shifts(&run.shifts) });
    let problem = pinned.as_ref().unwrap_or(problem);
    let mut judgement = judge::point(problem, &long, &short, crew);
    if missed && judgement.status == Status::Converged {
        judgement.status = Status::Stalled;
    }
    let mut solution = canonical::solution(problem, &long, &short, &judgement, 0, crew.threads);
    let excess = solution.q - local_minimum.q;
    // Second order cannot tell where a flat valley leads; the descent has been there.
    if solution.status == Status::Converged && excess > judge::GAP * solution.certificate.unit {
        solution.status = Status::Saddle;
    }
    Ok(Verdict { solution, local_minimum, excess })
}

fn bounds(problem: &Problem, settings: &Settings) -> Bounds {
    let (samples, species) = (settings.nonnegative_contributions, settings.nonnegative_profiles);
    if problem.transposed { Bounds { long: species, short: samples } } else { Bounds { long: samples, short: species } }
}

/// The run's end point with every number of the report.
fn finished(problem: &Problem, run: &Run, crew: Crew) -> Solution {
    let shifted = (!run.shifts.is_empty()).then(|| problem.with_shifts(&run.shifts));
    let problem = shifted.as_ref().unwrap_or(problem);
    if run.full {
        return canonical::solution(problem, &run.long, &run.short, &run.judgement, run.iterations, crew.threads);
    }
    let (mut long, mut short) = (run.long.clone(), run.short.clone());
    if run.judgement.status == Status::Converged {
        judge::polish(problem, &mut long, &mut short, crew);
    }
    let mut judgement = judge::point(problem, &long, &short, crew);
    if judgement.status != Status::Converged && crew.stopped() {
        judgement.status = Status::Aborted;
    }
    canonical::solution(problem, &long, &short, &judgement, run.iterations, crew.threads)
}

#[derive(Default)]
struct Tally {
    done: u64,
    best: Option<f64>,
    seen: Vec<f64>,
}

/// Where a run begins.
struct Begin {
    number: u32,
    origin: Origin,
    long: Factor,
    short: Factor,
}

/// A run that has ended, and how it began.
struct Entry {
    report: StartReport,
    run: Option<Run>,
    short: Vec<f64>,
    scaled_q: f64,
    unique: bool,
    exact: bool,
}

pub(crate) struct Search<'a> {
    problem: &'a Problem,
    settings: &'a Settings,
    control: Control<'a>,
    device: Option<&'a dyn Device>,
    outer: usize,
    options: Options<'a>,
    bounds: Bounds,
    tally: Mutex<Tally>,
}

impl Search<'_> {
    /// Makes the starts and picks the result; only a device can fail.
    pub(crate) fn go(&self) -> Result<Factorization, Failure> {
        let uploaded = self.device.map(|device| Uploaded::new(self.problem, device)).transpose()?;
        let uploaded = uploaded.as_ref();
        let mut entries = Vec::new();
        let first = self.settings.first_start;
        let mut chains = (0, 0);
        let auto = matches!(self.settings.stop, Stop::Certificate) && self.settings.initial.is_none();
        match self.settings.starts {
            Starts::Count(count) if self.settings.initial.is_none() => {
                self.batch(&mut entries, first, count, count, uploaded)?
            }
            Starts::Auto { cap } if auto => chains = self.automatic(&mut entries, first, cap, uploaded)?,
            Starts::Auto { cap } if self.settings.initial.is_none() => {
                self.batch(&mut entries, first, cap.min(FIRST), cap.min(FIRST), uploaded)?;
            }
            _ => self.batch(&mut entries, first, 1, 1, uploaded)?,
        }
        Ok(self.result(entries, chains))
    }

    /// Runs `count` starts from number `first` on; after an abort the ones not begun are left out.
    fn batch(
        &self,
        entries: &mut Vec<Entry>,
        first: u32,
        count: u32,
        total: u32,
        uploaded: Option<&Uploaded>,
    ) -> Result<(), Failure> {
        // Pieces bound the memory: of a piece only the best and the chosen run are kept.
        let piece = 64;
        for from in (first..first + count).step_by(piece) {
            let size = (first + count - from).min(piece as u32) as usize;
            entries.extend(self.some(size, total, uploaded, |i| {
                let number = from + i as u32;
                (number == first || !self.control.cancelled()).then(|| {
                    let (long, short, origin) = self.first_guess(number);
                    Begin { number, origin, long, short }
                })
            })?);
            self.drop_runs(entries, &[]);
        }
        Ok(())
    }

    /// Runs the starts that `begin` gives, on the device first where there is one.
    fn some(
        &self,
        count: usize,
        total: u32,
        uploaded: Option<&Uploaded>,
        begin: impl Fn(usize) -> Option<Begin> + Sync,
    ) -> Result<Vec<Entry>, Failure> {
        let Some(uploaded) = uploaded else {
            let made = parallel::map(self.outer, count, |i| begin(i).map(|begin| self.one(begin, 0, total)));
            return Ok(made.into_iter().flatten().collect());
        };
        let mut entries = Vec::new();
        let size = batched::at_once(self.problem, self.settings.factors);
        let sweeps = run::FIRST_SWEEPS.min(self.settings.max_iterations);
        for from in (0..count).step_by(size) {
            let made = parallel::map(self.outer, size.min(count - from), |i| begin(from + i));
            let begins: Vec<Begin> = made.into_iter().flatten().collect();
            let labels: Vec<(u32, Origin)> = begins.iter().map(|begin| (begin.number, begin.origin)).collect();
            let pairs: Vec<(Factor, Factor)> = begins.into_iter().map(|begin| (begin.long, begin.short)).collect();
            let (pairs, done) = uploaded.descend(&pairs, sweeps, self.control)?;
            entries.extend(parallel::map(self.outer, pairs.len(), |i| {
                let ((number, origin), (long, short)) = (labels[i], pairs[i].clone());
                self.one(Begin { number, origin, long, short }, done, total)
            }));
        }
        Ok(entries)
    }

    fn first_guess(&self, number: u32) -> (Factor, Factor, Origin) {
        let (problem, p, seed) = (self.problem, self.settings.factors, self.settings.seed);
        if let Some(initial) = &self.settings.initial {
            let (long, short) = problem.scale_factors(p, &initial.contributions, &initial.profiles);
            let long = Factor::new(problem.long.count, p, self.bounds.long, long);
            let short = Factor::new(problem.short.count, p, self.bounds.short, short);
            return (long, short, Origin::Given);
        }
        match self.settings.initialization {
            Initialization::Random => {
                let (long, short) = start::random(problem, p, self.bounds, seed, number);
                (long, short, Origin::Random)
            }
            Initialization::Nndsvd => {
                let (long, short) = start::nndsvd(problem, p, self.bounds, seed, number);
                (long, short, Origin::Nndsvd)
            }
        }
    }

    /// One start, after as many `sweeps` on a device.
    fn one(&self, Begin { number, origin, long, short }: Begin, sweeps: u32, total: u32) -> Entry {
        let mut options = self.options;
        if sweeps > 0 {
            options.first_sweeps = 0;
            options.max_iterations -= sweeps;
        }
        let mut run = pins::run(self.problem, &options, long, short);
        run.iterations += sweeps;
        let judgement = &run.judgement;
        let q = self.problem.unscale_q(run.q);
        let up = |q: f64| self.problem.unscale_q(q);
        let report = StartReport {
            start: number,
            origin,
            status: judgement.status,
            q,
            iterations: run.iterations,
            basin: None,
            coordinate_gap: up(judgement.long.coordinate_gap + judgement.short.coordinate_gap),
            block_gap: up(judgement.long.block_gap.max(judgement.short.block_gap)),
            newton_decrement: judgement.decrement.map(up),
        };
        let unique = judgement.curvature.as_ref().is_some_and(|c| c.flat.is_empty()) && judgement.dead.is_empty();
        let mut tally = self.tally.lock().expect("no run panics while it holds the tally");
        tally.done += 1;
        if judgement.status == Status::Converged {
            tally.best = Some(tally.best.map_or(q, |best| best.min(q)));
            if !tally.seen.iter().any(|&seen| basins::same_q(seen, q)) {
                tally.seen.push(q);
            }
        }
        self.control.report(Progress {
            done: tally.done,
            total: u64::from(total),
            best: tally.best,
            basins: Some(tally.seen.len() as u64),
        });
        drop(tally);
        // Zero to rounding is zero: chains and basins then compare equal.
        let exact = judgement.exact();
        let scaled_q = if exact { 0.0 } else { run.q };
        Entry { report, short: run.short.rows.clone(), scaled_q, unique, exact, run: Some(run) }
    }

    /// Forgets the factors of all runs but the best, the chosen one and those listed.
    fn drop_runs(&self, entries: &mut [Entry], keep: &[usize]) {
        let best = best_of(entries);
        for (at, entry) in entries.iter_mut().enumerate() {
            if at != best && Some(entry.report.start) != self.settings.choose && !keep.contains(&at) {
                entry.run = None;
            }
        }
    }

    /// Random starts, then chains; returns (chains, chains that ended at the best Q).
    fn automatic(
        &self,
        entries: &mut Vec<Entry>,
        first: u32,
        cap: u32,
        uploaded: Option<&Uploaded>,
    ) -> Result<(u32, u32), Failure> {
        let random = FIRST.min(cap);
        entries.extend(self.some(random as usize, cap, uploaded, |i| {
            let number = first + i as u32;
            (i == 0 || !self.control.cancelled()).then(|| {
                let (long, short, origin) = self.first_guess(number);
                Begin { number, origin, long, short }
            })
        })?);
        // One factor has one minimum up to scale in practice; the random starts tell.
        let chains = CHAINS.min(entries.len() as u32);
        let mut heads: Vec<usize> = (0..chains as usize)
            .map(|chain| {
                let own: Vec<usize> = (chain..entries.len()).step_by(chains as usize).collect();
                own.into_iter().fold(chain, |best, at| if better(&entries[at], &entries[best]) { at } else { best })
            })
            .collect();
        let mut quiet = 0;
        while quiet < 4 * PATIENCE && entries.len() as u32 + chains * TRIALS <= cap && !self.control.cancelled() {
            self.drop_runs(entries, &heads);
            let next = first + entries.len() as u32;
            let made = self.some((chains * TRIALS) as usize, cap, uploaded, |i| {
                let head = entries[heads[i / TRIALS as usize]].run.as_ref().expect("heads are kept");
                let number = next + i as u32;
                let (long, short) = start::perturbed(self.problem, &head.short, &head.long, self.settings.seed, number);
                let origin = Origin::Perturbed { chain: i as u32 / TRIALS };
                Some(self.fitted_to_short(Begin { number, origin, long, short }))
            })?;
            let base = entries.len();
            entries.extend(made);
            let mut improved = false;
            for chain in 0..chains as usize {
                for trial in 0..TRIALS as usize {
                    let at = base + chain * TRIALS as usize + trial;
                    if better(&entries[at], &entries[heads[chain]]) {
                        improved |= !basins::same_q(entries[at].scaled_q, entries[heads[chain]].scaled_q);
                        heads[chain] = at;
                    }
                }
            }
            let lowest = heads.iter().map(|&h| entries[h].scaled_q).fold(f64::INFINITY, f64::min);
            let there = heads
                .iter()
                .filter(|&&h| {
                    let entry = &entries[h];
                    entry.report.status == Status::Converged && basins::same_q(entry.scaled_q, lowest)
                })
                .count();
            // In quarters of a quiet round: one straggler makes the search wait four times as long.
            let step = match heads.len() - there {
                0 => 4,
                1 if there >= 2 => 1,
                _ => 0,
            };
            quiet = if step > 0 && !improved { quiet + step } else { 0 };
        }
        let lowest = heads.iter().map(|&h| entries[h].scaled_q).fold(f64::INFINITY, f64::min);
        let there = heads.iter().filter(|&&h| basins::same_q(entries[h].scaled_q, lowest)).count() as u32;
        Ok((chains, there))
    }

    /// The beginning of a run whose short factor is the guess: the long one is solved for.
    fn fitted_to_short(&self, mut begin: Begin) -> Begin {
        let Begin { long, short, .. } = &mut begin;
        let mut normal = crate::block::Normal::new(self.problem.long.blocks(), long.p);
        crate::block::solve(&self.problem.long, &short.rows, long, &mut normal, self.options.crew);
        begin
    }

    fn result(&self, mut entries: Vec<Entry>, chains: (u32, u32)) -> Factorization {
        let converged: Vec<usize> =
            (0..entries.len()).filter(|&at| entries[at].report.status == Status::Converged).collect();
        let ended: Vec<Ended> = converged
            .iter()
            .map(|&at| Ended {
                start: entries[at].report.start,
                q: entries[at].report.q,
                short: std::mem::take(&mut entries[at].short),
                unique: entries[at].unique,
                exact: entries[at].exact,
            })
            .collect();
        let (basins, member_of) = basins::group(self.settings.factors, &ended);
        for (&at, &basin) in converged.iter().zip(&member_of) {
            entries[at].report.basin = Some(basin);
        }
        // Good and Turing: only independent starts count.
        let independent = |at: &usize| !matches!(entries[*at].report.origin, Origin::Perturbed { .. });
        let mut hits = vec![0_u32; basins.len()];
        let mut trials = 0;
        for (at, &basin) in converged.iter().zip(&member_of) {
            if independent(at) {
                hits[basin] += 1;
                trials += 1;
            }
        }
        let once = hits.iter().filter(|h| **h == 1).count();
        let unseen_basin_probability = (trials > 0).then(|| once as f64 / f64::from(trials));

        let best = best_of(&entries);
        let chosen = self
            .settings
            .choose
            .and_then(|start| entries.iter().position(|entry| entry.report.start == start))
            .unwrap_or(best);
        let lower = (0..entries.len())
            .filter(|&at| {
                entries[at].report.status != Status::Converged
                    && entries[at].scaled_q < entries[best].scaled_q
                    && !basins::same_q(entries[at].scaled_q, entries[best].scaled_q)
            })
            .min_by(|&a, &b| entries[a].scaled_q.total_cmp(&entries[b].scaled_q));
        let run = entries[chosen].run.take().expect("the best and the chosen run are kept");
        let mut solution = finished(self.problem, &run, Crew::new(self.settings.threads, self.control));
        if let Some(at) = lower {
            let report = &entries[at].report;
            let message = format!(
                "start {} reached a lower Q ({:.9e}) but is not certified ({})",
                report.start, report.q, report.status
            );
            let index = Some(report.start as usize);
            solution.warnings.push(Warning { code: "lower-unconverged-start", index, message });
            solution.warnings.sort();
        }
        Factorization {
            chosen,
            solution,
            starts: entries.into_iter().map(|entry| entry.report).collect(),
            basins,
            unseen_basin_probability,
            chains,
        }
    }
}

/// Certified before uncertified, then by Q; equal Q (relative 1e-9): the earlier run.
fn better(a: &Entry, b: &Entry) -> bool {
    let certified = |entry: &Entry| entry.report.status == Status::Converged;
    if certified(a) != certified(b) {
        return certified(a);
    }
    a.scaled_q < b.scaled_q * (1.0 - 1e-9)
}

fn best_of(entries: &[Entry]) -> usize {
    (1..entries.len()).fold(0, |best, at| if better(&entries[at], &entries[best]) { at } else { best })
}

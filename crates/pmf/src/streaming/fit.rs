//! From pass to pass: trials, steps and the certificate.

use crate::block::Factor;
use crate::canonical;
use crate::first_order;
use crate::judge::{self, GAP, Judgement, NEGLIGIBLE, RESOLUTION, Taken};
use crate::model::Model;
use crate::newton::Step;
use crate::problem::Problem;
use crate::reduced::Reduced;
use crate::scaling::{Scaling, scale};
use crate::settings::Settings;
use crate::streaming::learn::{Learner, Learnt};
use crate::streaming::proof::Proof;
use crate::streaming::totals::Totals;
use crate::streaming::{
    FIRST_SHIFT, MOST_SHIFT, MOST_UNKNOWNS, Next, PassReport, Sample, StreamSettings, Streamed, batch_of, check_shape,
    chunks, piece,
};
use headwater_base::parallel::Crew;
use headwater_base::{Control, Error, Status, Warning};

/// Trials in a row that may fail to lower Q.
const REJECTED: u32 = 12;
/// A factorisation in progress.
pub struct Stream {
    p: usize,
    n: usize,
    threads: usize,
    max_passes: u32,
    scaling: Scaling,
    /// The sample in that scaling, samples long.
    frame: Problem,
    learner: Learner,
    /// Lowest point so far.
    here: Option<Point>,
    /// Where the pass in progress is made.
    trial: Factor,
    pass: Pass,
    promise: Option<f64>,
    shift: f64,
    last: Option<Taken>,
    rejected: u32,
    budget: bool,
    passes: Vec<PassReport>,
    result: Option<Streamed>,
}

/// Profiles with their sums.
struct Point {
    short: Factor,
    totals: Totals,
}

/// A pass in progress.
struct Pass {
    totals: Totals,
    /// In the last one.
    proof: Option<Proof>,
}

impl Stream {
    /// Fits the sample and stands where that ends. Cost: [`crate::factorize`] of the sample.
    ///
    /// # Errors
    /// Those of [`Problem::new`] and [`crate::factorize`] for the sample; `weights-too-uneven` with its row there;
    /// `too-many-unknowns`.
    pub fn begin(sample: &Sample, settings: &StreamSettings, control: Control) -> Result<Self, Error> {
        let problem = sample.problem()?;
        let (n, p) = (problem.cols(), settings.factors);
        if n * p > MOST_UNKNOWNS {
            let message = format!(
                "{n} species × {p} factors are {} unknowns; a fit by passes sums their Hessian, which is limited to \
                 {MOST_UNKNOWNS}",
                n * p
            );
            return Err(Error::new("too-many-unknowns", message).with_limit(MOST_UNKNOWNS as f64));
        }
        let fit =
            Settings { starts: settings.starts, seed: settings.seed, threads: settings.threads, ..Settings::new(p) };
        let fitted = crate::factorize(&problem, &fit, control)?;
        let scaling = problem.scaling();
        let (values, uncertainties) = sample.data();
        let frame = batch_of(n, values, uncertainties, 0, &scaling)?;
        let profiles = &fitted.solution.profiles;
        let element = |at: usize| {
            let (j, k) = (at / p, at % p);
            let h = profiles[k * n + j];
            if h.is_nan() { 0.0 } else { scale(h, scaling.columns[j]) }
        };
        let short = Factor::new(n, p, true, (0..n * p).map(element).collect());
        Ok(Self {
            p,
            n,
            threads: settings.threads,
            max_passes: settings.max_passes.max(2),
            learner: Learner::new(short.clone()),
            scaling,
            frame,
            here: None,
            trial: short,
            pass: Pass { totals: Totals::new(n, p, true), proof: None },
            promise: None,
            shift: 0.0,
            last: None,
            rejected: 0,
            budget: false,
            passes: Vec::new(),
            result: None,
        })
    }

    /// Learns from rows that may not come again, see `learn.rs`. Not after the first [`Self::add`].
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn learn(&mut self, values: &[f64], uncertainties: &[f64], control: Control) -> Result<Learnt, Error> {
        check_shape(self.n, values, uncertainties)?;
        let crew = Crew::new(self.threads, control);
        let mut learnt = Learnt::default();
        for batch in chunks(self.n, values, uncertainties, &self.scaling) {
            let batch = batch?;
            self.learner.step(&self.frame, &batch, crew, &mut learnt);
        }
        self.trial = self.learner.short.clone();
        Ok(learnt)
    }

    /// Adds rows to the pass in progress (row-major). A stopped `control` leaves the pass unfinished.
    ///
    /// # Errors
    /// Those of [`Problem::new`] with the row in this batch; `weights-too-uneven`.
    pub fn add(&mut self, values: &[f64], uncertainties: &[f64], control: Control) -> Result<(), Error> {
        check_shape(self.n, values, uncertainties)?;
        let crew = Crew::new(self.threads, control);
        let unit = self.unit();
        for batch in chunks(self.n, values, uncertainties, &self.scaling) {
            let batch = batch?;
            let Pass { totals, proof } = &mut self.pass;
            let row = totals.rows[0];
            if let (Some((long, _)), Some(proof)) = (totals.add(&batch, &self.trial, crew), proof) {
                proof.add(&batch, &long, &self.trial, row, unit, self.threads);
            }
            if crew.stopped() {
                break;
            }
        }
        Ok(())
    }

    /// Ends a pass over all rows, and says what the next one is for.
    ///
    /// # Errors
    /// `no-data` (no cell has weight), `source-changed` (other rows than in the pass before).
    pub fn end_pass(&mut self, control: Control) -> Result<Next, Error> {
        let crew = Crew::new(self.threads, control);
        let next = Pass { totals: Totals::new(self.n, self.p, true), proof: None };
        let Pass { totals, proof } = std::mem::replace(&mut self.pass, next);
        self.check(&totals)?;
        if let Some(proof) = proof {
            self.conclude(&totals, &proof, crew);
            return Ok(Next::Done);
        }
        self.judge_trial(totals);
        self.budget = self.passes.len() as u32 + 1 >= self.max_passes;
        if self.budget || self.rejected > REJECTED || !self.plan(crew) {
            self.trial = self.here.as_ref().expect("the first trial is accepted").short.clone();
            self.pass = Pass { totals: Totals::new(self.n, self.p, false), proof: Some(Proof::new(self.p)) };
        }
        Ok(Next::Pass)
    }

    /// The result; before the last pass, where the fit stands, with status `budget` (`aborted` if so told) and profiles
    /// whose mean contributions are those of the rows learnt from.
    pub fn result(&mut self, aborted: bool) -> Streamed {
        if let Some(result) = &self.result {
            return result.clone();
        }
        self.learner.begin(&self.frame, Crew::new(self.threads, Control::none()));
        let status = if aborted { Status::Aborted } else { Status::Budget };
        let (short, totals) = match &self.here {
            Some(here) => (&here.short, &here.totals),
            None => (&self.learner.short, &self.learner.totals),
        };
        let profiles = self.canonical(short, &self.learner.masses(), totals);
        let q = self.here.as_ref().map(|here| self.frame.unscale_q(here.totals.q()));
        Streamed {
            status,
            rows: totals.rows[0],
            cells: totals.cells,
            q,
            q_robust: None,
            outliers: None,
            q_expected: self.q_expected(totals),
            degrees_of_freedom: None,
            certificate: None,
            warnings: self.warnings(totals),
            profiles: profiles.0,
            passes: self.passes.clone(),
        }
    }

    /// The lowest Q so far, infinite before the first pass.
    pub fn lowest(&self) -> f64 {
        self.here.as_ref().map_or(f64::INFINITY, |here| self.frame.unscale_q(here.totals.q()))
    }

    /// q̂ as far as it is known before the last pass.
    fn unit(&self) -> f64 {
        let Some(here) = &self.here else { return self.frame.scale_q(1.0) };
        let free = here.totals.free + here.short.passive.iter().filter(|f| **f == 1.0).count();
        judge::unit(&here.totals.extent(&self.frame), here.totals.q(), free, self.p).0
    }

    /// The same rows as in the first pass?
    fn check(&self, totals: &Totals) -> Result<(), Error> {
        if totals.cells == 0 {
            return Err(Error::new("no-data", "every cell of the stream is missing: no value has an uncertainty"));
        }
        let Some(here) = &self.here else { return Ok(()) };
        let (then, now) = (here.totals.extent(&self.frame), totals.extent(&self.frame));
        if here.totals.rows != totals.rows
            || then.cells != now.cells
            || (then.total - now.total).abs() > 1e-9 * then.total
        {
            let message = format!(
                "the source gave {} rows with {} cells in this pass and {} rows with {} cells before, or other values: it \
                 must give the same rows each time",
                totals.rows[0], now.cells, here.totals.rows[0], then.cells
            );
            return Err(Error::new("source-changed", message));
        }
        Ok(())
    }

    /// Accepts or rejects the trial of the pass that has just ended.
    fn judge_trial(&mut self, totals: Totals) {
        let q = totals.q();
        let promised = self.promise.take();
        let accepted = match (&self.here, promised) {
            (Some(here), Some(decrement)) => {
                let before = here.totals.q();
                let taken = Taken { decrement, ratio: (before - q) / decrement, q: before };
                let visible = decrement > RESOLUTION * before;
                let descends = if visible { taken.ratio > 0.1 } else { q <= before * (1.0 + RESOLUTION) };
                if descends {
                    self.last = Some(taken).filter(|_| self.shift == 0.0);
                    self.shift =
                        if taken.ratio > 0.5 && self.shift < 0.1 * FIRST_SHIFT { 0.0 } else { self.shift / 30.0 };
                }
                descends
            }
            _ => true,
        };
        let report = |q: f64| self.frame.unscale_q(q);
        self.passes.push(PassReport { proof: false, q: report(q), accepted, promised: promised.map(report) });
        if accepted {
            self.learner.release();
            self.here = Some(Point { short: self.trial.clone(), totals });
            self.rejected = 0;
        } else {
            self.rejected += 1;
            self.shift = if self.shift < FIRST_SHIFT { FIRST_SHIFT } else { self.shift * 10.0 };
        }
    }

    /// Sets the next trial; false where there is nothing to be gained.
    fn plan(&mut self, crew: Crew) -> bool {
        let unit = self.unit();
        let here = self.here.as_mut().expect("a pass was made");
        let totals = &mut here.totals;
        let model = Model::summed(&self.frame, &here.short, totals.gradient(), totals.matrices(), crew);
        let reduced = Reduced::of(&model, totals.schur.take().expect("a step's pass sums the Hessian"));
        let mut found = None;
        while self.shift <= MOST_SHIFT {
            found = piece(&reduced, self.shift);
            if found.is_some() || crew.stopped() {
                break;
            }
            self.shift = if self.shift == 0.0 { 1e-6 } else { self.shift * 10.0 };
        }
        totals.schur = reduced.into_schur();
        let Some(step) = found.filter(|step| step.promise > NEGLIGIBLE * unit) else { return false };
        let mut trial = here.short.clone();
        judge::moved(&mut trial, &step.change, 1.0);
        self.trial = trial;
        self.promise = Some(step.promise);
        true
    }

    /// The certificate, from the last pass.
    fn conclude(&mut self, totals: &Totals, proof: &Proof, crew: Crew) {
        let frame = &self.frame;
        let q = totals.q();
        self.passes.push(PassReport { proof: true, q: frame.unscale_q(q), accepted: true, promised: None });
        let schur =
            self.here.as_mut().and_then(|here| here.totals.schur.take()).expect("a step's pass sums the Hessian");
        let short = &self.trial;
        let (gradient, matrices) = (totals.gradient(), totals.matrices());
        let (long, of_short) = (proof.measures(), first_order::of_sums(short, &matrices, &gradient));
        let extent = totals.extent(frame);
        let (unit, nu) = judge::unit(&extent, q, long.free + of_short.free, self.p);
        let judgement = Judgement {
            status: Status::Stalled,
            q,
            extent,
            unit,
            degrees_of_freedom: nu,
            band: 1e-9_f64.max(100.0 * f64::EPSILON * long.inflation),
            long,
            short: of_short,
            decrement: None,
            decrement_gauss_newton: None,
            taken: None,
            curvature: None,
            null_directions: self.p,
            dead: proof.negligible(GAP * unit),
            dead_gain: 0.0,
        };
        let band = judgement.band;
        let model = Model::summed(frame, short, gradient, matrices, crew);
        let reduced = Reduced::of(&model, schur);
        let settled = piece(&reduced, 0.0).or_else(|| piece(&reduced, 2.0 * band));
        let step = settled.map(|piece| Step {
            decrement: piece.promise,
            delta: piece.change,
            solved: piece.solved,
            shift: 0.0,
            residual: 0.0,
            multiplier: 0.0,
        });
        let mut judgement = judge::verdict(judgement, &reduced, step.as_ref(), None, self.last, true);
        // Whether seeding a dead factor anew would gain anything cannot be told from sums.
        if judgement.status == Status::Converged && !judgement.dead.is_empty() && !judgement.exact() {
            judgement.status = Status::Stalled;
        }
        if judgement.status == Status::Stalled && self.budget {
            judgement.status = Status::Budget;
        }
        let mut certificate = canonical::certificate(frame, &judgement);
        certificate.weakly_active_zeros += proof.weak;
        let (profiles, order) = self.canonical(short, &proof.masses(), totals);
        let mut warnings = self.warnings(totals);
        warnings.extend(canonical::identification(&judgement, &proof.dependent, &judgement.short.dependent, &order));
        if proof.dependents > proof.dependent.len() {
            let more = proof.dependents - proof.dependent.len();
            let message = format!("the data of {more} further samples do not determine all of their factor elements");
            warnings.push(Warning { code: "row-not-identified", index: None, message });
        }
        warnings.sort();
        self.result = Some(Streamed {
            status: judgement.status,
            rows: totals.rows[0],
            cells: totals.cells,
            q: Some(frame.unscale_q(q)),
            q_robust: Some(proof.q_robust()),
            outliers: Some(proof.outliers),
            q_expected: self.q_expected(totals),
            degrees_of_freedom: Some(judgement.degrees_of_freedom),
            certificate: Some(certificate),
            warnings,
            profiles,
            passes: self.passes.clone(),
        });
    }

    fn q_expected(&self, totals: &Totals) -> f64 {
        let present = totals.present.iter().filter(|present| **present).count();
        totals.cells as f64 - (self.p * (totals.rows[1] + present)) as f64
    }

    /// What stands out in the data.
    fn warnings(&self, totals: &Totals) -> Vec<Warning> {
        let mut out = Vec::new();
        for index in (0..self.n).filter(|&j| !totals.present[j]) {
            let message = format!("species {index} has no cell with weight; its factor elements are NaN");
            out.push(Warning { code: "column-without-data", index: Some(index), message });
        }
        let empty = totals.rows[0] - totals.rows[1];
        if empty > 0 {
            let message = format!("{empty} of {} samples have no cell with weight", totals.rows[0]);
            out.push(Warning { code: "row-without-data", index: None, message });
        }
        out
    }

    /// Profiles in the caller's units and gauge from sums of contributions, and the order of the factors by mass.
    fn canonical(&self, short: &Factor, masses: &[f64], totals: &Totals) -> (Vec<f64>, Vec<(usize, f64)>) {
        let (n, p) = (self.n, self.p);
        let rows = totals.rows[1].max(1) as f64;
        let mean = |k: usize| if masses[k] > 0.0 { masses[k] / rows } else { 1.0 };
        let profiles: Vec<f64> = (0..p * n)
            .map(|at| scale(short.rows[at % n * p + at / n], -self.scaling.columns[at % n]) * mean(at / n))
            .collect();
        let mut order: Vec<(usize, f64)> = (0..p)
            .map(|k| (k, if masses[k] > 0.0 { profiles[k * n..(k + 1) * n].iter().sum() } else { 0.0 }))
            .collect();
        canonical::by_mass(&mut order, &profiles, n);
        let element = |at: usize| {
            if totals.present[at % n] { profiles[order[at / n].0 * n + at % n] } else { f64::NAN }
        };
        ((0..p * n).map(element).collect(), order)
    }
}

//! One start, from a first guess to a judged point.
//!
//! Route: sweeps; re-seeding of dead factors; the second-order finish; where it finds a saddle, a descent along
//! its negative curvature, where it finds a flat valley, a walk to its ends; where it makes no headway, more
//! sweeps and another try. Q never rises from one stage to the next.

use crate::anls::Sweeper;
use crate::block::{self, Factor, Normal};
use crate::dead;
use crate::escape;
use crate::judge::{self, GAP, Judgement, NEGLIGIBLE, RESOLUTION, Taken};
use crate::model::Model;
use crate::newton::{Request, Step};
use crate::problem::Problem;
use crate::reduced::Reduced;
use crate::settings::{Method, Stop};
use crate::simple;
use headwater_base::Status;
use headwater_base::parallel::Crew;

/// What a run needs to know of the settings.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub method: Method,
    pub max_iterations: u32,
    pub stop: Stop,
    pub crew: Crew<'a>,
    /// Extrapolated sweeps before the first second-order step.
    pub first_sweeps: u32,
    /// Whether the run's own certificate holds all numbers of a report (large problems: S is formed once less).
    pub full: bool,
}

/// Where a run ended.
pub struct Run {
    pub long: Factor,
    pub short: Factor,
    pub iterations: u32,
    pub judgement: Judgement,
    /// Q in scaled units.
    pub q: f64,
    /// Shifts of the pinned cells, see [`crate::pins`].
    pub shifts: Vec<f64>,
    /// Whether the judgement holds all numbers of a report.
    pub full: bool,
}

/// Share of the decrease so far below which a far subproblem counts as solved.
const FORCING: f64 = 0.05;

/// Sweeps before the first second-order step.
pub const FIRST_SWEEPS: u32 = 80;

/// Runs one start.
pub fn run(problem: &Problem, options: &Options, long: Factor, short: Factor) -> Run {
    let mut runner = Runner { problem, options, crew: options.crew, iterations: 0 };
    let (long, short) = match options.method {
        Method::Mu | Method::Hals => runner.simple(long, short),
        _ => (long, short),
    };
    if let Stop::Decrease { .. } = options.stop
        && matches!(options.method, Method::Mu | Method::Hals)
    {
        return runner.end(long, short, None);
    }
    let mut sweeper = Sweeper::new(problem, long, short, options.crew);
    if let Stop::Decrease { decrease, over } = options.stop {
        runner.sweep_until_decrease(&mut sweeper, problem.scale_q(decrease), over);
        return runner.end(sweeper.long, sweeper.short, None);
    }
    runner.sweeps(&mut sweeper, options.first_sweeps);
    let mut more = FIRST_SWEEPS;
    for _ in 0..12 {
        runner.revive(&mut sweeper);
        match runner.second_order(&mut sweeper) {
            Finish::Judged(judgement) => return runner.end(sweeper.long, sweeper.short, Some(*judgement)),
            Finish::Moved => runner.sweeps(&mut sweeper, 10),
            Finish::NoHeadway => {
                runner.sweeps(&mut sweeper, more);
                more = (2 * more).min(2000);
            }
        }
        if runner.stopped().is_some() {
            break;
        }
    }
    runner.end(sweeper.long, sweeper.short, None)
}

enum Finish {
    Judged(Box<Judgement>),
    Moved,
    NoHeadway,
}

struct Runner<'a> {
    problem: &'a Problem,
    options: &'a Options<'a>,
    crew: Crew<'a>,
    iterations: u32,
}

impl Runner<'_> {
    /// The status of a run that may not go on.
    fn stopped(&self) -> Option<Status> {
        if self.crew.stopped() {
            Some(Status::Aborted)
        } else if self.iterations >= self.options.max_iterations {
            Some(Status::Budget)
        } else {
            None
        }
    }

    /// Judges the end point; a run that was stopped before its certificate says so.
    fn end(&self, long: Factor, short: Factor, judged: Option<Judgement>) -> Run {
        // A judgement made here holds every number.
        let full = self.options.full || judged.is_none();
        let judgement = judged.unwrap_or_else(|| {
            let mut judgement = judge::point(self.problem, &long, &short, self.crew);
            // Proof wins over a budget spent at the same step.
            if judgement.status != Status::Converged && self.options.stop == Stop::Certificate {
                judgement.status = self.stopped().unwrap_or(judgement.status);
            }
            if self.crew.stopped() {
                judgement.status = Status::Aborted;
            }
            judgement
        });
        Run { long, short, iterations: self.iterations, full, q: judgement.q, shifts: Vec::new(), judgement }
    }

    fn sweeps(&mut self, sweeper: &mut Sweeper, count: u32) {
        for _ in 0..count {
            if self.stopped().is_some() {
                break;
            }
            let before = sweeper.q;
            sweeper.sweep();
            self.iterations += 1;
            if sweeper.q <= 1e-28 * self.problem.total || before == sweeper.q {
                break;
            }
        }
        sweeper.settle();
    }

    fn sweep_until_decrease(&mut self, sweeper: &mut Sweeper, decrease: f64, over: u32) {
        let mut history = vec![sweeper.q];
        while self.stopped().is_none() {
            sweeper.sweep();
            self.iterations += 1;
            history.push(sweeper.q);
            let last = history.len() - 1;
            if last >= over as usize && history[last - over as usize] - history[last] < decrease {
                break;
            }
        }
        sweeper.settle();
    }

    /// Multiplicative updates or coordinate descent: by the older programs' rule, or until the second-order
    /// finish takes over.
    fn simple(&mut self, mut long: Factor, mut short: Factor) -> (Factor, Factor) {
        let (problem, crew) = (self.problem, self.crew);
        let (decrease, over) = match self.options.stop {
            Stop::Decrease { decrease, over } => (problem.scale_q(decrease), over as usize),
            // Hand over when 20 sweeps gain less than 1e-4 of Q.
            Stop::Certificate => (f64::NAN, 20),
        };
        let multiplicative = self.options.method == Method::Mu;
        let mut q = block::objective(&problem.long, &long, &short.rows, crew);
        let mut history = vec![q];
        while self.stopped().is_none() {
            if multiplicative {
                simple::multiply(&problem.short, &long.rows, &mut short, crew);
                simple::multiply(&problem.long, &short.rows, &mut long, crew);
            } else {
                simple::coordinates(&problem.short, &long.rows, &mut short, crew);
                simple::coordinates(&problem.long, &short.rows, &mut long, crew);
            }
            self.iterations += 1;
            q = block::objective(&problem.long, &long, &short.rows, crew);
            history.push(q);
            let last = history.len() - 1;
            let least = if decrease.is_nan() { 1e-4 * q } else { decrease };
            if last >= over && history[last - over] - q < least {
                break;
            }
        }
        (long, short)
    }

    /// Seeds dead factors anew as long as that lowers Q by more than the threshold.
    fn revive(&mut self, sweeper: &mut Sweeper) {
        for _ in 0..3 * sweeper.long.p {
            let dead = dead::find(&sweeper.long, &sweeper.short);
            let Some(&k) = dead.first() else { return };
            if self.stopped().is_some() {
                return;
            }
            let (unit, _) = judge::unit(&self.problem.extent(), sweeper.q, 0, 0);
            let mut gained = false;
            for k in std::iter::once(k).chain(dead.into_iter().skip(1)) {
                gained |= dead::reseed(self.problem, &mut sweeper.long, &mut sweeper.short, k) > GAP * unit;
            }
            sweeper.settle();
            if !gained {
                return;
            }
            self.sweeps(sweeper, 30);
        }
    }

    /// Newton steps until the certificate is met or they make no headway.
    fn second_order(&mut self, sweeper: &mut Sweeper) -> Finish {
        let mut shift = 0.0;
        let mut last: Option<Taken> = None;
        let mut slow = 0;
        for _ in 0..60 {
            if self.stopped().is_some() {
                return Finish::NoHeadway;
            }
            self.iterations += 1;
            let unit = unit_of(self.problem, sweeper);
            match self.attempt(sweeper, unit, &mut shift, last) {
                Attempt::Step(next) => {
                    let gain = sweeper.q - next.q;
                    slow = if gain < 1e-2 * unit && shift > 0.0 { slow + 1 } else { 0 };
                    last = Some(next.taken).filter(|_| next.shift == 0.0);
                    if next.taken.ratio > 0.5 {
                        shift = if shift < 2e-6 { 0.0 } else { shift / 30.0 };
                    }
                    sweeper.q = next.q;
                    (sweeper.short, sweeper.long, sweeper.normal) = (next.short, next.long, next.normal);
                    if !dead::find(&sweeper.long, &sweeper.short).is_empty() {
                        sweeper.settle();
                        return Finish::Moved;
                    }
                    if slow > 15 {
                        break;
                    }
                }
                Attempt::Ended(judgement) => return Finish::Judged(judgement),
                Attempt::Lower(long, short) => {
                    (sweeper.long, sweeper.short) = (long, short);
                    sweeper.settle();
                    return Finish::Moved;
                }
                Attempt::Failed => break,
            }
        }
        sweeper.settle();
        Finish::NoHeadway
    }

    /// One outer step from the sweeper's pair, raising the shift until the subproblem is convex and delivers.
    fn attempt(&self, sweeper: &Sweeper, unit: f64, shift: &mut f64, last: Option<Taken>) -> Attempt {
        let (problem, crew) = (self.problem, self.crew);
        let model = Model::new(problem, &sweeper.long, &sweeper.short, &sweeper.normal, crew);
        let mut reduced = Reduced::new(&model);
        let tolerance = 1e-3 * NEGLIGIBLE * unit;
        if model.q <= GAP * unit {
            return self.conclude(sweeper, reduced, None, last);
        }
        // Far from the minimum a rough solution of the subproblem will do.
        let relative = last.map_or(FORCING, |t| (FORCING * (t.decrement / unit).sqrt()).clamp(1e-4, FORCING));
        let mut rejected = 0;
        loop {
            let request = Request { shift: *shift, most: 1e6, tolerance, relative, exact: true };
            let Some(step) = reduced.minimise(&request) else { return Attempt::Failed };
            if crew.stopped() {
                return Attempt::Failed;
            }
            *shift = step.shift;
            let tiny = step.solved && step.decrement <= NEGLIGIBLE * unit;
            if tiny && *shift == 0.0 {
                return self.conclude(sweeper, reduced, Some(&step), last);
            }
            if tiny {
                // Stationary, but not positive definite: a saddle or a flat valley.
                let band = judge::first(problem, &sweeper.long, &sweeper.short, crew).band;
                let step = judge::settled(&mut reduced, band, tolerance);
                if step.as_ref().is_some_and(|step| step.solved && step.decrement > NEGLIGIBLE * unit) {
                    // Only the shift made it tiny.
                    return Attempt::Failed;
                }
                return self.conclude(sweeper, reduced, step.as_ref(), None);
            }
            let mut short = sweeper.short.clone();
            judge::moved(&mut short, &step.delta, 1.0);
            let mut long = sweeper.long.clone();
            let mut normal = sweeper.normal.clone();
            block::solve(&problem.long, &short.rows, &mut long, &mut normal, crew);
            let q = block::objective(&problem.long, &long, &short.rows, crew);
            let taken = Taken { decrement: step.decrement, ratio: (model.q - q) / step.decrement, q: model.q };
            let visible = step.decrement > RESOLUTION * model.q;
            let descends = if visible { taken.ratio > 0.1 } else { q <= model.q * (1.0 + RESOLUTION) };
            if descends && step.decrement > 0.0 {
                return Attempt::Step(Box::new(Next { short, long, normal, q, taken, shift: step.shift }));
            }
            rejected += 1;
            *shift = if *shift == 0.0 { 1e-5 } else { *shift * 10.0 };
            if rejected > 12 || crew.stopped() {
                let weak = last.is_some_and(|t| t.kept_its_promise() && step.decrement <= t.decrement / 10.0);
                if step.decrement <= GAP * unit && weak {
                    let step = reduced.minimise(&Request::close(tolerance));
                    return self.conclude(sweeper, reduced, step.as_ref(), last);
                }
                return Attempt::Failed;
            }
        }
    }

    /// The certificate where the subproblem has nothing left to promise; from saddles and flat valleys onwards.
    fn conclude(&self, sweeper: &Sweeper, mut reduced: Reduced, step: Option<&Step>, last: Option<Taken>) -> Attempt {
        let (problem, crew) = (self.problem, self.crew);
        let judgement = judge::first(problem, &sweeper.long, &sweeper.short, crew);
        let judgement = judge::conclude(judgement, &mut reduced, step, None, last, self.options.full);
        if let Some(curvature) = judgement.curvature.as_ref().filter(|_| !judgement.exact()) {
            let least = GAP * judgement.unit;
            let negative = curvature.negative.iter().take(3).map(|(value, v)| (*value, v));
            let flat = escape::valley(&curvature.flat);
            for (value, direction) in negative.chain(flat.iter().map(|v| (0.0, v))) {
                for sign in [1.0, -1.0] {
                    if self.stopped().is_none()
                        && let Some((long, short)) =
                            escape::descend(problem, sweeper, direction, sign, value, least, crew)
                    {
                        return Attempt::Lower(long, short);
                    }
                }
            }
        }
        Attempt::Ended(Box::new(judgement))
    }
}

enum Attempt {
    Step(Box<Next>),
    Ended(Box<Judgement>),
    Lower(Factor, Factor),
    Failed,
}

/// A pair that a second-order step leads to.
struct Next {
    short: Factor,
    long: Factor,
    normal: Normal,
    q: f64,
    taken: Taken,
    shift: f64,
}

/// q̂ of the sweeper's pair.
fn unit_of(problem: &Problem, sweeper: &Sweeper) -> f64 {
    let free = |factor: &Factor| factor.passive.iter().filter(|f| **f == 1.0).count();
    let gauges = judge::gauge_count(&sweeper.long, &sweeper.short);
    judge::unit(&problem.extent(), sweeper.q, free(&sweeper.long) + free(&sweeper.short), gauges).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::Control;
    use headwater_base::rng::{Purpose, Stream};

    /// A noisy problem with missing cells, and a random start for it.
    fn made(seed: u32) -> (Problem, Factor, Factor) {
        let mut random = Stream::new(3, Purpose::Synthetic, seed);
        let (m, n, p) = (12 + random.below(30), 5 + random.below(8), 2 + random.below(3));
        let mut draw = |size: usize| -> Vec<f64> { (0..size).map(|_| -(1.0 - random.uniform()).ln()).collect() };
        let (w, h, noise, missing) = (draw(m * p), draw(p * n), draw(m * n), draw(m * n));
        let (mut values, mut uncertainties) = (Vec::new(), Vec::new());
        for at in 0..m * n {
            let fit: f64 = (0..p).map(|k| w[at / n * p + k] * h[k * n + at % n]).sum();
            uncertainties.push(if missing[at] > 3.0 { f64::NAN } else { 0.1 + 0.3 * fit });
            values.push(fit + (noise[at] - 1.0) * (0.1 + 0.3 * fit));
        }
        let problem = Problem::new(m, n, values, uncertainties).expect("good data");
        let (long, short) = (problem.long.count, problem.short.count);
        (problem, Factor::new(long, p, true, draw(long * p)), Factor::new(short, p, true, draw(short * p)))
    }

    #[test]
    fn q_never_rises_along_a_run() {
        let alone = Crew::new(1, Control::none());
        let mut steps = [0; 3];
        for seed in 0..40 {
            let (problem, long, short) = made(seed);
            let falls = |what: &str, before: f64, after: f64| {
                assert!(after <= before * (1.0 + RESOLUTION), "seed {seed}, {what}: Q from {before} to {after}");
            };
            for multiplicative in [true, false] {
                let (mut long, mut short) = (long.clone(), short.clone());
                let mut q = f64::INFINITY;
                for _ in 0..20 {
                    let update = if multiplicative { simple::multiply } else { simple::coordinates };
                    update(&problem.short, &long.rows, &mut short, alone);
                    falls("a half sweep", q, block::objective(&problem.long, &long, &short.rows, alone));
                    update(&problem.long, &short.rows, &mut long, alone);
                    q = block::objective(&problem.long, &long, &short.rows, alone);
                    steps[0] += 1;
                }
            }
            let mut sweeper = Sweeper::new(&problem, long, short, alone);
            for _ in 0..20 {
                let before = sweeper.q;
                sweeper.sweep();
                falls("an extrapolated sweep", before, sweeper.q);
                steps[1] += 1;
            }
            let before = sweeper.q;
            sweeper.settle();
            falls("settling", before, sweeper.q);
            let options = Options {
                method: Method::Anls,
                max_iterations: 1000,
                stop: Stop::Certificate,
                crew: alone,
                first_sweeps: 0,
                full: false,
            };
            let runner = Runner { problem: &problem, options: &options, crew: options.crew, iterations: 0 };
            let (mut shift, mut last) = (0.0, None);
            while let Attempt::Step(next) = runner.attempt(&sweeper, unit_of(&problem, &sweeper), &mut shift, last) {
                falls("a second-order step", sweeper.q, next.q);
                last = Some(next.taken).filter(|_| next.shift == 0.0);
                shift = if next.taken.ratio > 0.5 && next.shift < 2e-6 { 0.0 } else { next.shift / 30.0 };
                sweeper.q = next.q;
                (sweeper.short, sweeper.long, sweeper.normal) = (next.short, next.long, next.normal);
                steps[2] += 1;
                if steps[2] % 100 == 99 {
                    break;
                }
            }
        }
        assert!(steps[0] == 1600 && steps[1] == 800 && steps[2] > 100, "{steps:?}");
    }
}

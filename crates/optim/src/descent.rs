//! The iterations of L-BFGS.

use std::collections::VecDeque;

use headwater_base::Error;
use headwater_linalg::dense::{add_scaled, inner};
use headwater_linalg::singular::norm;

use crate::dialogue::{Caller, Halt, Request};
use crate::lbfgs::{LbfgsOutcome, LbfgsReason, LbfgsSettings, Searched};
use crate::line_search::{LineSearch, Verdict};
use crate::stepper::Tensor;

/// Evaluations of one line search.
const TRIALS: u64 = 40;

/// A difference of two points and of their gradients.
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
    /// 1/sᵀy.
    rho: f64,
}

/// A point that was evaluated.
#[derive(Clone, Default)]
struct Point {
    x: Vec<f64>,
    g: Vec<f64>,
    loss: f64,
}

/// A running minimisation.
pub(crate) struct Descent {
    caller: Caller,
    tensors: Vec<Tensor>,
    settings: LbfgsSettings,
    here: Point,
    trial: Point,
    pairs: VecDeque<Pair>,
    accuracy: f64,
    evaluations: u64,
    non_finite: u64,
    search: Searched,
}

/// How a line search ended.
enum Found {
    /// The trial is the next point.
    Step,
    /// The trial is lower, and that is all.
    Lower,
    Nothing,
}

impl Descent {
    pub async fn begin(
        caller: Caller,
        tensors: Vec<Tensor>,
        start: Vec<f64>,
        settings: LbfgsSettings,
    ) -> Result<LbfgsOutcome, Error> {
        let single = !tensors.iter().any(|tensor| tensor.double);
        let accuracy = settings.loss_accuracy.unwrap_or(if single { 1e-7 } else { 1e-14 });
        let relative = settings.relative_tolerance.unwrap_or(if single { 1e-4 } else { 1e-8 });
        let n = start.len();
        let here = Point { x: start, g: vec![0.0; n], loss: f64::NAN };
        let trial = Point { x: vec![0.0; n], g: vec![0.0; n], loss: f64::NAN };
        let (pairs, search) = (VecDeque::new(), Searched::default());
        let mut descent =
            Self { caller, tensors, settings, here, trial, pairs, accuracy, evaluations: 0, non_finite: 0, search };
        descent.finite("params", &descent.here.x)?;
        let mut reason = None;
        match descent.caller.ask(Request::Values, &descent.here.x, &mut descent.here.g).await {
            Ok(loss) => {
                descent.evaluations = 1;
                descent.here.loss = loss;
                if !loss.is_finite() {
                    return Err(Error::new("start-not-finite", format!("the loss at the start is {loss}")));
                }
                descent.finite("grads", &descent.here.g)?;
            }
            Err(halt) => reason = Some(halt.into()),
        }
        let tolerance = settings.tolerance.max(relative * norm(&descent.here.g));
        let mut iterations = 0;
        let reason = match reason {
            Some(reason) => reason,
            None => descent.descend(tolerance, &mut iterations).await,
        };
        Ok(LbfgsOutcome {
            reason,
            gradient_norm: if descent.evaluations > 0 { norm(&descent.here.g) } else { f64::NAN },
            point: descent.here.x,
            loss: descent.here.loss,
            tolerance,
            iterations,
            evaluations: descent.evaluations,
            non_finite: descent.non_finite,
            search: descent.search,
        })
    }

    fn finite(&self, what: &str, values: &[f64]) -> Result<(), Error> {
        let mut from = 0;
        for tensor in &self.tensors {
            let to = from + tensor.parts();
            if let Some(at) = values[from..to].iter().position(|value| !value.is_finite()) {
                let message = format!("{what}.{} at {at} is {} at the start", tensor.name, values[from + at]);
                return Err(Error::new("start-not-finite", message));
            }
            from = to;
        }
        Ok(())
    }

    async fn descend(&mut self, tolerance: f64, iterations: &mut u64) -> LbfgsReason {
        let n = self.here.x.len();
        let mut direction = vec![0.0; n];
        let mut failures = 0;
        // ‖x₊ − x‖ of a first trial along the steepest descent.
        let mut length = self.settings.initial_step;
        loop {
            if norm(&self.here.g) <= tolerance {
                return LbfgsReason::Gradient;
            }
            if *iterations >= self.settings.max_iterations {
                return LbfgsReason::MaxIterations;
            }
            self.direct(&mut direction);
            let mut slope = inner(&self.here.g, &direction);
            if !(slope < 0.0 && slope.is_finite()) {
                self.pairs.clear();
                self.direct(&mut direction);
                slope = inner(&self.here.g, &direction);
            }
            let steepest = self.pairs.is_empty();
            let first = if steepest { self.first(length) } else { 1.0 };
            let found = match self.search(&direction, slope, first).await {
                Ok(Some(found)) => found,
                Ok(None) => return LbfgsReason::MaxEvaluations,
                Err(halt) => return halt.into(),
            };
            if matches!(found, Found::Nothing) {
                if steepest {
                    return LbfgsReason::LineSearch;
                }
                self.pairs.clear();
                continue;
            }
            length = Some(self.advance());
            *iterations += 1;
            failures = if matches!(found, Found::Step) { 0 } else { failures + 1 };
            if failures > 0 {
                // Lower, but without a curvature that could be relied on.
                self.pairs.clear();
            }
            if failures > 1 && norm(&self.here.g) > tolerance {
                return LbfgsReason::LineSearch;
            }
            if self.settings.observe {
                let progress = [*iterations as f64, self.here.loss, norm(&self.here.g), self.evaluations as f64];
                if let Err(halt) = self.caller.tell(progress).await {
                    return halt.into();
                }
            }
        }
    }

    /// −Hg.
    fn direct(&self, direction: &mut [f64]) {
        direction.iter_mut().zip(&self.here.g).for_each(|(d, g)| *d = -g);
        let mut shares = vec![0.0; self.pairs.len()];
        for (pair, share) in self.pairs.iter().zip(&mut shares).rev() {
            *share = pair.rho * inner(&pair.s, direction);
            add_scaled(-*share, &pair.y, direction);
        }
        if let Some(newest) = self.pairs.back() {
            let scale = 1.0 / (newest.rho * inner(&newest.y, &newest.y));
            direction.iter_mut().for_each(|d| *d *= scale);
        }
        for (pair, share) in self.pairs.iter().zip(&shares) {
            let other = pair.rho * inner(&pair.y, direction);
            add_scaled(share - other, &pair.s, direction);
        }
    }

    /// First step along −g: of a given length, or one that does not depend on the units of loss and parameters
    /// (Hager and Zhang 2005, I0 to I2).
    fn first(&self, length: Option<f64>) -> f64 {
        let Point { x, g, loss } = &self.here;
        let size = norm(g);
        if let Some(length) = length {
            return length / size;
        }
        let peak = |x: &[f64]| x.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        if peak(x) > 0.0 {
            0.01 * peak(x) / peak(g)
        } else if *loss != 0.0 {
            0.01 * loss.abs() / size / size
        } else {
            1.0 / size
        }
    }

    /// Looks along the direction; leaves what was found in `trial`. `None`: no evaluations are left.
    async fn search(&mut self, direction: &[f64], slope: f64, first: f64) -> Result<Option<Found>, Halt> {
        let length = norm(direction);
        self.search =
            Searched { slope: slope / length, shortest: f64::INFINITY, change: f64::NAN, ..Searched::default() };
        let rounding = self.accuracy * self.here.loss.abs();
        let wolfe = [self.settings.c1, self.settings.c2];
        let mut search = LineSearch::new(self.here.loss, slope, first, wolfe, rounding);
        let mut lowest: Option<Point> = None;
        let mut step = first;
        let (found, out) = loop {
            if self.evaluations >= self.settings.max_evaluations {
                break (Found::Nothing, true);
            }
            let verdict = match self.look(direction, step).await {
                Ok(None) => Verdict::Fail,
                Ok(Some(false)) => search.refuse(),
                Ok(Some(true)) => {
                    let loss = self.trial.loss;
                    let change = loss - self.here.loss;
                    self.search.change = self.search.change.min(change);
                    let verdict = search.tell(loss, inner(&self.trial.g, direction));
                    let least = lowest.as_ref().map_or(self.here.loss, |lowest| lowest.loss);
                    if verdict != Verdict::Accept && loss < least {
                        lowest = Some(self.trial.clone());
                    }
                    verdict
                }
                Err(halt) => {
                    self.keep(lowest);
                    return Err(halt);
                }
            };
            match verdict {
                Verdict::Accept => break (Found::Step, false),
                Verdict::Try(next) if self.search.trials < TRIALS => step = next,
                _ => break (Found::Nothing, false),
            }
        };
        if out {
            self.keep(lowest);
            return Ok(None);
        }
        if let (Found::Nothing, Some(lowest)) = (&found, lowest) {
            self.trial = lowest;
            return Ok(Some(Found::Lower));
        }
        Ok(Some(found))
    }

    /// Takes the lowest point of a search that was cut short.
    fn keep(&mut self, lowest: Option<Point>) {
        if let Some(lowest) = lowest {
            self.here = lowest;
        }
    }

    /// Evaluates at a step: whether all is finite; `None` if it is no other point.
    async fn look(&mut self, direction: &[f64], step: f64) -> Result<Option<bool>, Halt> {
        let (mut from, mut moved) = (0, false);
        for tensor in &self.tensors {
            for at in from..from + tensor.parts() {
                let exact = step.mul_add(direction[at], self.here.x[at]);
                let value = if tensor.double { exact } else { f64::from(exact as f32) };
                moved |= value != self.here.x[at];
                self.trial.x[at] = value;
            }
            from += tensor.parts();
        }
        if !moved {
            return Ok(None);
        }
        let distance = step * norm(direction);
        self.search.shortest = self.search.shortest.min(distance);
        let mut finite = self.trial.x.iter().all(|x| x.is_finite());
        if finite {
            self.trial.loss = self.caller.ask(Request::Values, &self.trial.x, &mut self.trial.g).await?;
            self.evaluations += 1;
            finite = self.trial.loss.is_finite() && self.trial.g.iter().all(|g| g.is_finite());
        }
        self.search.trials += 1;
        if !finite {
            self.search.non_finite += 1;
            self.non_finite += 1;
        }
        Ok(Some(finite))
    }

    /// Moves to the trial and learns from it; the length of the step.
    fn advance(&mut self) -> f64 {
        std::mem::swap(&mut self.here, &mut self.trial);
        let n = self.here.x.len();
        let full = self.pairs.len() >= self.settings.history;
        let recycled = if full { self.pairs.pop_front() } else { None };
        let mut pair = recycled.unwrap_or_else(|| Pair { s: vec![0.0; n], y: vec![0.0; n], rho: 0.0 });
        for at in 0..n {
            pair.s[at] = self.here.x[at] - self.trial.x[at];
            pair.y[at] = self.here.g[at] - self.trial.g[at];
        }
        let length = norm(&pair.s);
        let curvature = inner(&pair.s, &pair.y);
        // The Wolfe conditions make it positive but for rounding.
        if curvature > f64::EPSILON * length * norm(&pair.y) {
            pair.rho = 1.0 / curvature;
            self.pairs.push_back(pair);
        }
        length
    }
}

//! L-BFGS: quasi-Newton steps from the last pairs of differences, with a line search for the strong Wolfe conditions.
//!
//! d = −Hg, with H from the pairs s = x₊ − x, y = g₊ − g by the two-loop recursion, H₀ = (sᵀy/yᵀy) I of the newest. A step
//! costs an evaluation, seldom two, and 4·history·n multiply-adds. Nothing depends on the units: loss and parameters
//! scaled by powers of two give the same digits. Sources: J. Nocedal (1980), "Updating quasi-Newton matrices with limited
//! storage"; J. Nocedal, S. J. Wright (2006), "Numerical optimization", algorithm 7.4.

use std::collections::VecDeque;

use headwater_base::Error;
use headwater_linalg::dense::{add_scaled, inner};
use headwater_linalg::singular::norm;

use crate::dialogue::{Caller, Dialogue, Halt, Request};
use crate::line_search::{LineSearch, Verdict};
use crate::stepper::Tensor;

/// Settings of [`lbfgs`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LbfgsSettings {
    /// Pairs that are kept.
    pub history: usize,
    /// Largest number of iterations.
    pub max_iterations: u64,
    /// Largest number of evaluations.
    pub max_evaluations: u64,
    /// Done at ‖g‖ ≤ max(tolerance, relative_tolerance·‖g‖ at the start).
    pub tolerance: f64,
    /// See `tolerance`. `None`: 1e-8, or 1e-4 where all tensors are of single precision.
    pub relative_tolerance: Option<f64>,
    /// Sufficient decrease, in (0, c2).
    pub c1: f64,
    /// Curvature, in (c1, 1).
    pub c2: f64,
    /// ‖x₊ − x‖ of the first trial. `None`: max|x|/100 along the largest element of the gradient.
    pub initial_step: Option<f64>,
    /// Share of |loss| below which a difference is rounding. `None`: 1e-14, or 1e-7 where all tensors are of single precision.
    pub loss_accuracy: Option<f64>,
    /// Says when an iteration has ended.
    pub observe: bool,
}

impl Default for LbfgsSettings {
    fn default() -> Self {
        Self {
            history: 10,
            max_iterations: 1000,
            max_evaluations: u64::MAX,
            tolerance: 0.0,
            relative_tolerance: None,
            c1: 1e-4,
            c2: 0.9,
            initial_step: None,
            loss_accuracy: None,
            observe: false,
        }
    }
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LbfgsReason {
    /// ‖g‖ is within the tolerance.
    Gradient,
    /// No lower loss was found along the steepest descent.
    LineSearch,
    /// The largest number of iterations.
    MaxIterations,
    /// The largest number of evaluations.
    MaxEvaluations,
    /// The caller has stopped it.
    Stopped,
    /// The caller has aborted it.
    Aborted,
}

impl From<Halt> for LbfgsReason {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Stopped => Self::Stopped,
            Halt::Aborted => Self::Aborted,
        }
    }
}

/// What the last line search has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Searched {
    /// Evaluations.
    pub trials: u64,
    /// Those among them that were not finite.
    pub non_finite: u64,
    /// gᵀd/‖d‖ where it began.
    pub slope: f64,
    /// Shortest ‖x₊ − x‖ that was tried.
    pub shortest: f64,
    /// Least loss of a finite trial, less the loss where it began; NaN without one.
    pub change: f64,
}

/// How a minimisation ended, at its best point.
#[derive(Clone, Debug, PartialEq)]
pub struct LbfgsOutcome {
    /// Why.
    pub reason: LbfgsReason,
    /// Parameters, tensor by tensor.
    pub point: Vec<f64>,
    /// Loss there.
    pub loss: f64,
    /// Norm of the gradient there.
    pub gradient_norm: f64,
    /// What it was held against.
    pub tolerance: f64,
    /// Steps.
    pub iterations: u64,
    /// Evaluations.
    pub evaluations: u64,
    /// Trials that were stepped back from since they were not finite.
    pub non_finite: u64,
    /// The last search.
    pub search: Searched,
}

/// A minimisation from `start`, the parameters tensor by tensor. Values are asked for at points that are representable in
/// each tensor's precision; the answer is the gradient, beside the loss. Progress: iterations, loss, ‖g‖, evaluations.
///
/// Errors: `option-out-of-range`; as its outcome `start-not-finite`, naming tensor and position.
pub fn lbfgs(
    tensors: Vec<Tensor>,
    start: Vec<f64>,
    settings: LbfgsSettings,
) -> Result<Dialogue<Result<LbfgsOutcome, Error>>, Error> {
    let s = settings;
    let positive = |value: Option<f64>| value.is_none_or(|value| value > 0.0 && value.is_finite());
    let tolerances = [Some(s.tolerance), s.relative_tolerance, s.loss_accuracy];
    let right = s.history > 0
        && 0.0 < s.c1
        && s.c1 < s.c2
        && s.c2 < 1.0
        && positive(s.initial_step)
        && tolerances.into_iter().flatten().all(|value| value >= 0.0 && value.is_finite());
    if !right {
        let message = "history must be positive, 0 < c1 < c2 < 1, the first step positive, tolerances from 0";
        return Err(Error::new("option-out-of-range", message));
    }
    if start.len() != tensors.iter().map(Tensor::parts).sum::<usize>() {
        return Err(Error::new("shape-mismatch", "the parameters do not fit their shapes"));
    }
    Ok(Dialogue::new(move |caller| async move { Descent::begin(caller, tensors, start, settings).await }))
}

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

struct Descent {
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
    async fn begin(
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

/// Evaluations of one line search.
const TRIALS: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Exchange;

    fn vector(name: &str, n: usize, double: bool) -> Tensor {
        Tensor { name: name.to_owned(), shape: vec![n], double, complex: false }
    }

    fn rosenbrock(x: &[f64], g: &mut [f64]) -> f64 {
        g.fill(0.0);
        (0..x.len() - 1)
            .map(|i| {
                let (gap, rest) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
                g[i] += -400.0 * gap * x[i] - 2.0 * rest;
                g[i + 1] += 200.0 * gap;
                100.0 * gap * gap + rest * rest
            })
            .sum()
    }

    fn run(
        start: &[f64],
        settings: LbfgsSettings,
        double: bool,
        f: impl Fn(&[f64], &mut [f64]) -> f64,
    ) -> Result<LbfgsOutcome, Error> {
        let dialogue = lbfgs(vec![vector("x", start.len(), double)], start.to_vec(), settings)?;
        dialogue.run(|_, exchange: &mut Exchange| exchange.loss = f(&exchange.point, &mut exchange.answer))
    }

    #[test]
    fn rosenbrock_ends_at_ones_and_every_digit_is_the_same_in_other_units() {
        for n in [2, 100] {
            let start: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
            let found = run(&start, LbfgsSettings::default(), true, rosenbrock).expect("finite");
            assert_eq!(found.reason, LbfgsReason::Gradient, "{found:?}");
            assert!(found.point.iter().all(|x| (x - 1.0).abs() < 1e-6), "{:?}", found.point);
            let (unit, scale) = (2_f64.powi(70), 2_f64.powi(-90));
            let far: Vec<f64> = start.iter().map(|x| x * unit).collect();
            let scaled = run(&far, LbfgsSettings::default(), true, |x, g| {
                let x: Vec<f64> = x.iter().map(|x| x / unit).collect();
                let loss = rosenbrock(&x, g);
                g.iter_mut().for_each(|g| *g *= scale / unit);
                loss * scale
            })
            .expect("finite");
            assert_eq!((scaled.iterations, scaled.evaluations), (found.iterations, found.evaluations));
            assert_eq!(scaled.point.iter().map(|x| x / unit).collect::<Vec<_>>(), found.point);
        }
    }

    #[test]
    fn single_precision_asks_only_for_points_it_can_hold() {
        let found = run(&[f64::from(-1.2_f32), 1.0], LbfgsSettings::default(), false, |x, g| {
            assert!(x.iter().all(|&x| f64::from(x as f32) == x));
            let loss = rosenbrock(x, g);
            g.iter_mut().for_each(|g| *g = f64::from(*g as f32));
            loss
        })
        .expect("finite");
        assert_eq!(found.reason, LbfgsReason::Gradient, "{found:?}");
        assert!(found.point.iter().all(|x| (x - 1.0).abs() < 1e-3));
    }

    #[test]
    fn a_start_that_is_not_finite_is_named_and_a_kink_is_stalled_with_what_was_seen() {
        let refused = run(&[1.0, f64::NAN], LbfgsSettings::default(), true, rosenbrock).expect_err("refused");
        assert_eq!((refused.code, refused.message.as_str()), ("start-not-finite", "params.x at 1 is NaN at the start"));
        // |x| with a slope of the wrong sign at the left: there is no way down.
        let found = run(&[0.0], LbfgsSettings::default(), true, |x, g| {
            g[0] = if x[0] == 0.0 { 1.0 } else { x[0].signum() };
            x[0].abs()
        })
        .expect("finite");
        assert_eq!((found.reason, found.point[0], found.iterations), (LbfgsReason::LineSearch, 0.0, 0));
        assert!(found.search.trials > 5 && found.search.change > 0.0 && found.search.slope == -1.0);
    }
}

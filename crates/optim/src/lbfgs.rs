//! L-BFGS: quasi-Newton steps from the last pairs of differences, with a line search for the strong Wolfe conditions.
//!
//! d = −Hg, with H from the pairs s = x₊ − x, y = g₊ − g by the two-loop recursion, H₀ = (sᵀy/yᵀy) I of the newest. A step
//! costs an evaluation, seldom two, and 4·history·n multiply-adds. Nothing depends on the units: loss and parameters
//! scaled by powers of two give the same digits. Sources: J. Nocedal (1980), "Updating quasi-Newton matrices with limited
//! storage"; J. Nocedal, S. J. Wright (2006), "Numerical optimization", algorithm 7.4.

use headwater_base::Error;

use crate::descent::Descent;
use crate::dialogue::{Dialogue, Halt};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Exchange;

    fn vector(name: &str, n: usize, double: bool) -> Tensor {
        Tensor { name: name.to_owned(), shape: vec![n], double, complex: false, constraint: None }
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

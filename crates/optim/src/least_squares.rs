//! Nonlinear least squares: min ½‖r(x)‖² over lower ≤ x ≤ upper, by Levenberg and Marquardt's method in Moré's form.
//!
//! The trust region ‖Dδ‖ ≤ Δ has D from the largest norm of each column of J so far, so that units do not matter; Δ
//! follows the gain, the decrease over that of the linear model. An iteration costs a Jacobian (n or 2n evaluations where
//! it is made of differences), 2mn² operations for its QR factors and about 18n³ for the triangle's singular values.
//! Sources: J. J. Moré (1978), "The Levenberg-Marquardt algorithm: implementation and theory"; for the test of
//! convergence D. M. Bates, D. G. Watts (1981), "A relative offset orthogonality convergence criterion for nonlinear
//! least squares".

use headwater_base::Error;

use crate::dialogue::{Dialogue, Halt};
use crate::estimates::Estimates;
use crate::fit::Fit;

/// Where the Jacobian comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivative {
    /// The caller.
    Given,
    /// (r(x + h) − r(x − h))/2h; at a bound one-sided of the same order. 2n evaluations.
    Central,
    /// (r(x + h) − r(x))/h. n evaluations.
    Forward,
}

impl Derivative {
    /// Relative error of a column, about.
    pub(crate) fn accuracy(self, rows: usize, cols: usize) -> f64 {
        match self {
            Self::Given => 4.0 * rows.max(cols) as f64 * f64::EPSILON,
            Self::Central => 1e-9,
            Self::Forward => 1e-7,
        }
    }
}

/// Settings of [`least_squares`].
#[derive(Clone, Debug, PartialEq)]
pub struct LeastSquaresSettings {
    /// Smallest values; empty for none.
    pub lower: Vec<f64>,
    /// Largest values; empty for none.
    pub upper: Vec<f64>,
    /// Uncertainties of the residuals: one, one for each, or none.
    pub sigma: Vec<f64>,
    /// They are known, and are not to be scaled by the residuals.
    pub absolute_sigma: bool,
    /// Where the Jacobian comes from.
    pub derivative: Derivative,
    /// Sizes that steps of differences follow where a parameter is smaller; empty: |start|, or 1 where that is 0.
    pub typical: Vec<f64>,
    /// Done where residuals and tangent plane are orthogonal to this. `None`: 1e-8, with forward differences 1e-6.
    pub tolerance: Option<f64>,
    /// Done where the whole Gauss-Newton step is at most this share of x, both in the norm of D.
    pub step_tolerance: f64,
    /// Done at this cost.
    pub target: f64,
    /// Δ of the first step, in units of ‖Dx‖.
    pub initial_radius: f64,
    /// Largest number of iterations.
    pub max_iterations: u64,
    /// Largest number of evaluations, those for differences included.
    pub max_evaluations: u64,
    /// Says when an iteration has ended.
    pub observe: bool,
}

impl Default for LeastSquaresSettings {
    fn default() -> Self {
        Self {
            lower: Vec::new(),
            upper: Vec::new(),
            sigma: Vec::new(),
            absolute_sigma: false,
            derivative: Derivative::Central,
            typical: Vec::new(),
            tolerance: None,
            step_tolerance: 1e-12,
            target: 0.0,
            initial_radius: 100.0,
            max_iterations: 1000,
            max_evaluations: u64::MAX,
            observe: false,
        }
    }
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeastSquaresReason {
    /// The residuals are orthogonal to the tangent plane, within the tolerance.
    Offset,
    /// The whole Gauss-Newton step is negligible.
    Step,
    /// What the linear model promises is within the rounding of the residuals.
    Rounding,
    /// The cost is at the target.
    Target,
    /// No step was found that lowers the cost, though the model promises one.
    NoDecrease,
    /// The Jacobian has a number that is not finite.
    JacobianNotFinite,
    /// The largest number of iterations.
    MaxIterations,
    /// The largest number of evaluations.
    MaxEvaluations,
    /// The caller has stopped it.
    Stopped,
    /// The caller has aborted it.
    Aborted,
}

impl From<Halt> for LeastSquaresReason {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Stopped => Self::Stopped,
            Halt::Aborted => Self::Aborted,
        }
    }
}

/// How it ended, at the best point.
#[derive(Clone, Debug, PartialEq)]
pub struct LeastSquaresOutcome {
    /// Why.
    pub reason: LeastSquaresReason,
    /// x.
    pub point: Vec<f64>,
    /// ½‖r‖², of weighted residuals.
    pub cost: f64,
    /// r as the caller gave it.
    pub residuals: Vec<f64>,
    /// Jᵀr, weighted; NaN where no Jacobian was formed.
    pub gradient: Vec<f64>,
    /// Its norm over the variables that are not held.
    pub gradient_norm: f64,
    /// Cosine of the angle between r and the tangent plane of the variables that are not held; NaN where it is unknown.
    pub offset: f64,
    /// ‖Dδ‖/‖Dx‖ of the whole Gauss-Newton step; NaN where it is unknown.
    pub step: f64,
    /// Variables held at a bound: −1 lower, 1 upper, 0 free.
    pub held: Vec<i8>,
    /// Covariance and what belongs to it; `None` where no Jacobian was formed at the point.
    pub estimates: Option<Estimates>,
    /// Steps.
    pub iterations: u64,
    /// Evaluations of the residuals.
    pub evaluations: u64,
    /// Jacobians.
    pub jacobians: u64,
    /// Trials that were stepped back from since they were not finite.
    pub non_finite: u64,
}

/// A minimisation from `start`, where the residuals are `residuals`. Answers: residuals, or the row-major Jacobian.
/// Progress: iterations, cost, offset, evaluations.
///
/// Errors: `option-out-of-range`, `shape-mismatch`, `start-not-feasible`, `start-not-finite`.
pub fn least_squares(
    start: Vec<f64>,
    residuals: Vec<f64>,
    settings: LeastSquaresSettings,
) -> Result<Dialogue<LeastSquaresOutcome>, Error> {
    let (m, n) = (residuals.len(), start.len());
    if m == 0 || n == 0 {
        return Err(Error::new("shape-mismatch", "there must be at least one residual and one parameter"));
    }
    let wrong = |what: &str, values: &[f64]| match values.iter().position(|value| !value.is_finite()) {
        Some(at) => {
            let message = format!("{what} {at} is {} at the start", values[at]);
            Err(Error::new("start-not-finite", message).at(at, 0))
        }
        None => Ok(()),
    };
    wrong("parameter", &start)?;
    wrong("residual", &residuals)?;
    let settings = complete(settings, &start, m)?;
    Ok(Dialogue::new(move |caller| async move { Fit::new(caller, start, residuals, settings).run().await }))
}

/// Settings with an entry for each variable and residual.
fn complete(mut settings: LeastSquaresSettings, start: &[f64], m: usize) -> Result<LeastSquaresSettings, Error> {
    let n = start.len();
    let fill = |values: &mut Vec<f64>, name: &str, count: usize, base: f64| {
        if values.is_empty() || values.len() == 1 {
            *values = vec![values.first().copied().unwrap_or(base); count];
        }
        if values.len() == count {
            return Ok(());
        }
        let message = format!("{name} has {} numbers, and there are {count} of what it belongs to", values.len());
        Err(Error::new("shape-mismatch", message))
    };
    fill(&mut settings.lower, "lower", n, f64::NEG_INFINITY)?;
    fill(&mut settings.upper, "upper", n, f64::INFINITY)?;
    fill(&mut settings.sigma, "sigma", m, 1.0)?;
    let default: Vec<f64> = start.iter().map(|x| if *x == 0.0 { 1.0 } else { x.abs() }).collect();
    if settings.typical.is_empty() {
        settings.typical = default;
    }
    fill(&mut settings.typical, "typical", n, 1.0)?;
    let out = |message: String, at: usize| Err(Error::new("option-out-of-range", message).at(at, 0));
    let positive = |x: f64| x > 0.0 && x.is_finite();
    if let Some(at) = settings.sigma.iter().position(|&sigma| !positive(sigma)) {
        return out(format!("sigma {at} is {}; it must be positive and finite", settings.sigma[at]), at);
    }
    if let Some(at) = settings.typical.iter().position(|&size| !positive(size)) {
        return out(format!("typical {at} is {}; it must be positive and finite", settings.typical[at]), at);
    }
    for at in 0..n {
        let (low, high) = (settings.lower[at], settings.upper[at]);
        if !(low <= high && low < f64::INFINITY && high > f64::NEG_INFINITY) {
            return out(format!("the bounds of parameter {at} are {low} and {high}: nothing lies between"), at);
        }
        if start[at] < low || start[at] > high {
            let message = format!("parameter {at} is {} at the start, outside its bounds {low} and {high}", start[at]);
            return Err(Error::new("start-not-feasible", message).at(at, 0));
        }
    }
    let tolerances = [settings.tolerance.unwrap_or(0.0), settings.step_tolerance, settings.target];
    if !(tolerances.iter().all(|&value| value >= 0.0 && value.is_finite()) && positive(settings.initial_radius)) {
        return out("tolerances and target must be from 0, initialRadius positive".to_owned(), 0);
    }
    Ok(settings)
}

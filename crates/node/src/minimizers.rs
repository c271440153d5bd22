//! Minimisers of functions in JavaScript, by reverse communication: `resume` reads the answer to the last request and
//! writes the point of the next one. No JavaScript is called from here.

use headwater_base::Error;
use headwater_optim::{
    Derivative, Dialogue, Halt, LbfgsOutcome, LbfgsReason, LbfgsSettings, LeastSquaresOutcome, LeastSquaresReason,
    LeastSquaresSettings, Parts, PartsMut, Request, Tensor, lbfgs, least_squares,
};
use napi::Env;
use napi::bindgen_prelude::{External, Float64ArraySlice, Object};
use napi_derive::napi;

use crate::optim::{Array, NativeTensor, apart, exclusive, shared};
use crate::settings::integer;
use crate::solve::tagged;

/// What `resume` returns; src-ts/optim/dialogue.ts knows the numbers.
const DONE: u32 = 0;
const VALUES: u32 = 1;
const JACOBIAN: u32 = 2;
const ITERATION: u32 = 3;
/// An array is shorter than it was: its memory has been transferred elsewhere.
const DETACHED: u32 = 4;

fn number(request: Option<Request>) -> u32 {
    match request {
        None => DONE,
        Some(Request::Values) => VALUES,
        Some(Request::Jacobian) => JACOBIAN,
        Some(Request::Iteration) => ITERATION,
    }
}

fn count(name: &str, value: Option<f64>, base: u64) -> Result<u64, Error> {
    value.map_or(Ok(base), |value| integer(name, value, 9_007_199_254_740_991.0))
}

/// Settings of L-BFGS. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeLbfgsSettings {
    /// Pairs that are kept.
    pub history: Option<f64>,
    /// Largest number of iterations.
    pub max_iterations: Option<f64>,
    /// Largest number of evaluations.
    pub max_evaluations: Option<f64>,
    /// Norm of the gradient.
    pub tolerance: Option<f64>,
    /// Relative to the norm at the start.
    pub relative_tolerance: Option<f64>,
    /// Sufficient decrease.
    pub c1: Option<f64>,
    /// Curvature.
    pub c2: Option<f64>,
    /// Length of the first trial.
    pub initial_step: Option<f64>,
    /// Share of the loss that is rounding.
    pub loss_accuracy: Option<f64>,
    /// Tell of iterations.
    pub observe: bool,
}

impl NativeLbfgsSettings {
    fn settings(&self) -> Result<LbfgsSettings, Error> {
        let base = LbfgsSettings::default();
        Ok(LbfgsSettings {
            history: count("history", self.history, base.history as u64)? as usize,
            max_iterations: count("maxIterations", self.max_iterations, base.max_iterations)?,
            max_evaluations: count("maxEvaluations", self.max_evaluations, base.max_evaluations)?,
            tolerance: self.tolerance.unwrap_or(base.tolerance),
            relative_tolerance: self.relative_tolerance,
            c1: self.c1.unwrap_or(base.c1),
            c2: self.c2.unwrap_or(base.c2),
            initial_step: self.initial_step,
            loss_accuracy: self.loss_accuracy,
            observe: self.observe,
        })
    }
}

/// A running minimisation by L-BFGS. An external value with functions, as a solve's session is.
pub struct NativeDescent {
    dialogue: Option<Dialogue<Result<LbfgsOutcome, Error>>>,
    tensors: Vec<Tensor>,
}

/// Opens a minimisation from these parameters.
#[napi(
    ts_args_type = "tensors: NativeTensor[], parameters: (Float32Array | Float64Array)[], settings: NativeLbfgsSettings",
    ts_return_type = "NativeOutcome<{ value: ExternalObject<NativeDescent> }>",
    catch_unwind
)]
pub fn open_lbfgs<'env>(
    env: &'env Env,
    tensors: Vec<NativeTensor>,
    parameters: Vec<Array<'env>>,
    settings: NativeLbfgsSettings,
) -> napi::Result<Object<'env>> {
    let opened = (|| {
        let tensors: Vec<Tensor> = tensors.into_iter().map(NativeTensor::tensor).collect::<Result<_, _>>()?;
        apart(&parameters, &[])?;
        let mut start = Vec::new();
        gather(&parameters, &tensors, |parts| start.extend(parts))?;
        let dialogue = lbfgs(tensors.clone(), start, settings.settings()?)?;
        Ok(External::new(NativeDescent { dialogue: Some(dialogue), tensors }))
    })();
    tagged(env, opened)
}

fn gather(arrays: &[Array<'_>], tensors: &[Tensor], mut with: impl FnMut(Vec<f64>)) -> Result<(), Error> {
    for (array, tensor) in arrays.iter().zip(tensors) {
        let parts: Vec<f64> = match shared(array) {
            Parts::F32(parts) if !tensor.double => parts.iter().map(|&x| f64::from(x)).collect(),
            Parts::F64(parts) if tensor.double => parts.to_vec(),
            _ => {
                let message = format!("the type of an array of '{}' is not that of the parameter", tensor.name);
                return Err(Error::new("dtype-mismatch", message));
            }
        };
        if parts.len() != tensor.parts() {
            let message = format!("'{}' has {} numbers, got {}", tensor.name, tensor.parts(), parts.len());
            return Err(Error::new("shape-mismatch", message));
        }
        with(parts);
    }
    Ok(())
}

/// Whether all of it could be written.
fn scatter(point: &[f64], arrays: &mut [Array<'_>]) -> bool {
    let lengths = arrays.iter().map(|array| match shared(array) {
        Parts::F32(parts) => parts.len(),
        Parts::F64(parts) => parts.len(),
    });
    if lengths.sum::<usize>() != point.len() {
        return false;
    }
    let mut from = 0;
    for array in arrays {
        match exclusive(array) {
            PartsMut::F32(parts) => {
                // Exact: the engine has rounded to the type.
                parts.iter_mut().zip(&point[from..]).for_each(|(to, x)| *to = *x as f32);
                from += parts.len();
            }
            PartsMut::F64(parts) => {
                parts.copy_from_slice(&point[from..from + parts.len()]);
                from += parts.len();
            }
        }
    }
    true
}

/// Takes loss and gradients of the last point, and writes the next one into the parameters.
#[napi(
    ts_args_type = "descent: ExternalObject<NativeDescent>, parameters: (Float32Array | Float64Array)[], gradients: (Float32Array | Float64Array)[] | null, loss: number",
    ts_return_type = "NativeOutcome<{ value: number }>",
    catch_unwind
)]
pub fn resume_lbfgs<'env>(
    env: &'env Env,
    descent: &mut External<NativeDescent>,
    mut parameters: Vec<Array<'env>>,
    gradients: Option<Vec<Array<'env>>>,
    loss: f64,
) -> napi::Result<Object<'env>> {
    let NativeDescent { dialogue, tensors } = &mut **descent;
    let Some(dialogue) = dialogue else { return tagged(env, Ok(DONE)) };
    if let Some(gradients) = gradients {
        let mut from = 0;
        let taken = dialogue.exchange(|exchange| {
            exchange.loss = loss;
            gather(&gradients, tensors, |parts| {
                exchange.answer[from..from + parts.len()].copy_from_slice(&parts);
                from += parts.len();
            })
        });
        if let Err(error) = taken {
            return tagged::<u32>(env, Err(error));
        }
    }
    let request = dialogue.resume();
    let written =
        request != Some(Request::Values) || dialogue.exchange(|exchange| scatter(&exchange.point, &mut parameters));
    tagged(env, Ok(if written { number(request) } else { DETACHED }))
}

/// Ends it at the next `resume`.
#[napi]
pub fn halt_lbfgs(descent: &mut External<NativeDescent>, aborted: bool) {
    if let Some(dialogue) = descent.dialogue.as_mut() {
        dialogue.halt(if aborted { Halt::Aborted } else { Halt::Stopped });
    }
}

/// Iterations, loss, norm of the gradient and evaluations.
#[napi(ts_return_type = "[number, number, number, number]", catch_unwind)]
pub fn lbfgs_progress(descent: &mut External<NativeDescent>) -> Vec<f64> {
    let progress = descent.dialogue.as_mut().map(|dialogue| dialogue.exchange(|exchange| exchange.progress));
    progress.unwrap_or_default().to_vec()
}

/// Writes the best point into the parameters. Numbers in the order that src-ts/optim/lbfgs.ts knows.
#[napi(
    ts_args_type = "descent: ExternalObject<NativeDescent>, parameters: (Float32Array | Float64Array)[]",
    ts_return_type = "NativeOutcome<{ value: Float64Array<ArrayBuffer> }>",
    catch_unwind
)]
pub fn finish_lbfgs<'env>(
    env: &'env Env,
    descent: &mut External<NativeDescent>,
    mut parameters: Vec<Array<'env>>,
) -> napi::Result<Object<'env>> {
    let missing =
        || Error::new(crate::outcome::INTERNAL, "the minimisation has no result yet, or has given it already");
    let outcome = descent.dialogue.take().and_then(Dialogue::into_outcome).ok_or_else(missing).flatten();
    match outcome {
        Err(error) => tagged::<u32>(env, Err(error)),
        Ok(outcome) => {
            let written = scatter(&outcome.point, &mut parameters);
            let reason = match outcome.reason {
                LbfgsReason::Gradient => 0.0,
                LbfgsReason::LineSearch => 1.0,
                LbfgsReason::MaxIterations => 2.0,
                LbfgsReason::MaxEvaluations => 3.0,
                LbfgsReason::Stopped => 4.0,
                LbfgsReason::Aborted => 5.0,
            };
            let search = outcome.search;
            let numbers = [
                reason,
                outcome.loss,
                outcome.gradient_norm,
                outcome.tolerance,
                outcome.iterations as f64,
                outcome.evaluations as f64,
                outcome.non_finite as f64,
                search.trials as f64,
                search.non_finite as f64,
                search.slope,
                search.shortest,
                search.change,
                f64::from(u8::from(written)),
            ];
            tagged(env, Ok(Float64ArraySlice::copy_from(env, numbers)?))
        }
    }
}

/// Settings of least squares. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeLeastSquaresSettings<'a> {
    /// Bounds.
    pub lower: Option<Float64ArraySlice<'a>>,
    /// Bounds.
    pub upper: Option<Float64ArraySlice<'a>>,
    /// Uncertainties of the residuals.
    pub sigma: Option<Float64ArraySlice<'a>>,
    /// They are known.
    pub absolute_sigma: Option<bool>,
    /// `given`, `central` or `forward`.
    pub derivative: String,
    /// Sizes of parameters for differences.
    pub typical: Option<Float64ArraySlice<'a>>,
    /// Cosine of residuals and tangent plane.
    pub tolerance: Option<f64>,
    /// Relative size of a Gauss-Newton step.
    pub step_tolerance: Option<f64>,
    /// Cost.
    pub target: Option<f64>,
    /// Relative radius of the first step.
    pub initial_radius: Option<f64>,
    /// Largest number of iterations.
    pub max_iterations: Option<f64>,
    /// Largest number of evaluations.
    pub max_evaluations: Option<f64>,
    /// Tell of iterations.
    pub observe: bool,
}

impl NativeLeastSquaresSettings<'_> {
    fn settings(&self) -> Result<LeastSquaresSettings, Error> {
        let base = LeastSquaresSettings::default();
        let list =
            |values: &Option<Float64ArraySlice<'_>>| values.as_ref().map_or(Vec::new(), |values| values.to_vec());
        Ok(LeastSquaresSettings {
            lower: list(&self.lower),
            upper: list(&self.upper),
            sigma: list(&self.sigma),
            absolute_sigma: self.absolute_sigma.unwrap_or(base.absolute_sigma),
            derivative: match self.derivative.as_str() {
                "given" => Derivative::Given,
                "central" => Derivative::Central,
                "forward" => Derivative::Forward,
                other => {
                    return Err(Error::new("option-not-valid", format!("derivative: {other:?} is not known")));
                }
            },
            typical: list(&self.typical),
            tolerance: self.tolerance,
            step_tolerance: self.step_tolerance.unwrap_or(base.step_tolerance),
            target: self.target.unwrap_or(base.target),
            initial_radius: self.initial_radius.unwrap_or(base.initial_radius),
            max_iterations: count("maxIterations", self.max_iterations, base.max_iterations)?,
            max_evaluations: count("maxEvaluations", self.max_evaluations, base.max_evaluations)?,
            observe: self.observe,
        })
    }
}

/// A running least-squares fit.
pub struct NativeLeastSquares {
    dialogue: Option<Dialogue<LeastSquaresOutcome>>,
}

/// Opens a fit from this point, with the residuals there.
#[napi(ts_return_type = "NativeOutcome<{ value: ExternalObject<NativeLeastSquares> }>", catch_unwind)]
pub fn open_least_squares<'env>(
    env: &'env Env,
    start: &[f64],
    residuals: &[f64],
    settings: NativeLeastSquaresSettings<'env>,
) -> napi::Result<Object<'env>> {
    let opened = settings
        .settings()
        .and_then(|settings| least_squares(start.to_vec(), residuals.to_vec(), settings))
        .map(|dialogue| External::new(NativeLeastSquares { dialogue: Some(dialogue) }));
    tagged(env, opened)
}

/// Takes what was asked for and writes the next point.
#[napi(catch_unwind)]
pub fn resume_least_squares(
    fit: &mut External<NativeLeastSquares>,
    mut point: Float64ArraySlice<'_>,
    answer: &[f64],
) -> u32 {
    let Some(dialogue) = fit.dialogue.as_mut() else { return DONE };
    let taken = dialogue.exchange(|exchange| {
        // Nothing was asked for at the first call, and after an iteration.
        let place = &mut exchange.answer;
        answer.get(..place.len()).map(|answer| place.copy_from_slice(answer)).is_some()
    });
    if !taken {
        return DETACHED;
    }
    let request = dialogue.resume();
    if !matches!(request, Some(Request::Values | Request::Jacobian)) {
        return number(request);
    }
    // SAFETY: nothing else runs on this thread meanwhile; least-squares.ts owns both arrays and they are different ones.
    let to = unsafe { point.as_mut() };
    dialogue.exchange(|exchange| {
        let fits = to.len() == exchange.point.len();
        if fits {
            to.copy_from_slice(&exchange.point);
        }
        if fits { number(request) } else { DETACHED }
    })
}

/// Ends it at the next `resume`.
#[napi]
pub fn halt_least_squares(fit: &mut External<NativeLeastSquares>, aborted: bool) {
    if let Some(dialogue) = fit.dialogue.as_mut() {
        dialogue.halt(if aborted { Halt::Aborted } else { Halt::Stopped });
    }
}

/// Iterations, cost, offset and evaluations.
#[napi(ts_return_type = "[number, number, number, number]", catch_unwind)]
pub fn least_squares_progress(fit: &mut External<NativeLeastSquares>) -> Vec<f64> {
    let progress = fit.dialogue.as_mut().map(|dialogue| dialogue.exchange(|exchange| exchange.progress));
    progress.unwrap_or_default().to_vec()
}

/// The result, once, after `resumeLeastSquares` has said that it is done.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeLeastSquaresResult }>", catch_unwind)]
pub fn finish_least_squares<'env>(
    env: &'env Env,
    fit: &mut External<NativeLeastSquares>,
) -> napi::Result<Object<'env>> {
    match fit.dialogue.take().and_then(Dialogue::into_outcome) {
        Some(outcome) => tagged(env, Ok(fitted(env, &outcome)?)),
        None => {
            let message = "the fit has no result yet, or has given it already";
            tagged::<u32>(env, Err(Error::new(crate::outcome::INTERNAL, message)))
        }
    }
}

fn fitted<'env>(env: &'env Env, from: &LeastSquaresOutcome) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set(
        "reason",
        match from.reason {
            LeastSquaresReason::Offset => "offset",
            LeastSquaresReason::Step => "step",
            LeastSquaresReason::Rounding => "rounding",
            LeastSquaresReason::Target => "target",
            LeastSquaresReason::NoDecrease => "noDecrease",
            LeastSquaresReason::JacobianNotFinite => "jacobianNotFinite",
            LeastSquaresReason::MaxIterations => "maxIterations",
            LeastSquaresReason::MaxEvaluations => "maxEvaluations",
            LeastSquaresReason::Stopped => "stopped",
            LeastSquaresReason::Aborted => "aborted",
        },
    )?;
    for (name, values) in [("parameters", &from.point), ("residuals", &from.residuals), ("gradient", &from.gradient)] {
        to.set(name, Float64ArraySlice::copy_from(env, values)?)?;
    }
    to.set("cost", from.cost)?;
    to.set("gradientNorm", from.gradient_norm)?;
    to.set("offset", from.offset)?;
    to.set("relativeStep", from.step)?;
    to.set("held", from.held.iter().map(|&side| i32::from(side)).collect::<Vec<i32>>())?;
    to.set("iterations", from.iterations as f64)?;
    to.set("evaluations", from.evaluations as f64)?;
    to.set("jacobians", from.jacobians as f64)?;
    to.set("nonFinite", from.non_finite as f64)?;
    if let Some(estimates) = &from.estimates {
        let mut inner = Object::new(env)?;
        let arrays = [
            ("covariance", &estimates.covariance),
            ("standardErrors", &estimates.standard_errors),
            ("correlation", &estimates.correlation),
        ];
        for (name, values) in arrays {
            inner.set(name, Float64ArraySlice::copy_from(env, values)?)?;
        }
        inner.set("unidentified", estimates.unidentified.iter().map(|&at| at as u32).collect::<Vec<u32>>())?;
        inner.set("rank", estimates.rank as f64)?;
        inner.set("condition", estimates.condition)?;
        inner.set("degreesOfFreedom", estimates.degrees_of_freedom)?;
        inner.set("reduced", estimates.reduced)?;
        to.set("estimates", inner)?;
    }
    Ok(to)
}

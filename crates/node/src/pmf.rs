//! Entry points of the factorisation engine. Inputs are copied at the call: the caller may reuse its arrays at once.

use headwater_base::{Control, Error};
use headwater_pmf::{Problem, Settings};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::device::factorize_at;
use crate::job::{self, Callback};
use crate::objective::{NativeObjective, Objective};
use crate::outcome::Outcome;
use crate::settings::{NativeSettings, integer};

/// The data of a call, copied.
pub struct Input {
    rows: f64,
    cols: f64,
    values: Vec<f64>,
    uncertainties: Vec<f64>,
    objective: Result<Objective, Error>,
}

impl Input {
    /// Copies the arrays.
    pub fn new(values: &[f64], uncertainties: &[f64], rows: f64, cols: f64, objective: NativeObjective) -> Self {
        let objective = objective.into_objective();
        Self { rows, cols, values: values.to_vec(), uncertainties: uncertainties.to_vec(), objective }
    }

    /// The engine's problem.
    pub fn into_problem(self) -> Result<Problem, Error> {
        let rows = integer("rows", self.rows, f64::from(u32::MAX))? as usize;
        let cols = integer("cols", self.cols, f64::from(u32::MAX))? as usize;
        // The engine relies on the lengths; arrays from JavaScript must not be trusted to have them.
        for (name, values) in [("values", &self.values), ("uncertainties", &self.uncertainties)] {
            if rows.checked_mul(cols) != Some(values.len()) {
                let message = format!("{name} must hold {rows} × {cols} numbers, got {}", values.len());
                return Err(Error::new("shape-mismatch", message));
            }
        }
        self.objective?.apply(Problem::new(rows, cols, self.values, self.uncertainties)?)
    }
}

fn spawn<'env>(
    env: &'env Env,
    token: &CancelToken,
    progress: Callback<'_>,
    settings: NativeSettings,
    input: Input,
    work: impl FnOnce(&Problem, &Settings, Control<'_>) -> Result<Outcome, Error> + Send + 'static,
) -> napi::Result<Object<'env>> {
    let settings = settings.into_settings();
    let threads = settings.as_ref().map_or(1, |settings| settings.threads);
    job::spawn(env, token, progress, threads, move |control| {
        let settings = settings?;
        work(&input.into_problem()?, &settings, control)
    })
}

/// Factorises `values` (rows × cols, row-major) with the given uncertainties on `cpu`, `cuda:N`, or what `auto` stands for.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeFactorization>>", catch_unwind)]
pub fn factorize<'env>(
    env: &'env Env,
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    objective: NativeObjective,
    settings: NativeSettings,
    device: String,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let input = Input::new(values, uncertainties, rows, cols, objective);
    spawn(env, token, progress, settings, input, move |problem, settings, control| {
        factorize_at(&device, problem, settings, control).map(|result| Outcome::Factorization(Box::new(result)))
    })
}

/// Judges the point (contributions, profiles), whichever program it comes from.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeVerdict>>", catch_unwind)]
pub fn certify<'env>(
    env: &'env Env,
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    contributions: &[f64],
    profiles: &[f64],
    objective: NativeObjective,
    settings: NativeSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let input = Input::new(values, uncertainties, rows, cols, objective);
    let (contributions, profiles) = (contributions.to_vec(), profiles.to_vec());
    spawn(env, token, progress, settings, input, move |problem, settings, control| {
        headwater_pmf::certify(problem, &contributions, &profiles, settings, control)
            .map(|verdict| Outcome::Verdict(Box::new(verdict)))
    })
}

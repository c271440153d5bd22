//! What standard errors, bootstrap, displacement and their combination share: the base solution that they start from,
//! and how their jobs begin.

use headwater_base::{Control, Error};
use headwater_pmf::Problem;
use napi::Env;
use napi::bindgen_prelude::{Float64Array, Object};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::objective::NativeObjective;
use crate::outcome::Outcome;
use crate::pmf::Input;
use crate::settings::{integer, threads};

/// A base solution with its data.
#[napi(object, object_to_js = false)]
pub struct NativeBase {
    /// rows × cols, row-major.
    pub values: Float64Array,
    /// rows × cols.
    pub uncertainties: Float64Array,
    /// Number of samples.
    pub rows: f64,
    /// Number of species.
    pub cols: f64,
    /// Number of factors.
    pub factors: f64,
    /// rows × factors.
    pub contributions: Float64Array,
    /// factors × cols.
    pub profiles: Float64Array,
    /// What the fit minimised.
    pub objective: NativeObjective,
    /// Bound of the contributions.
    pub nonnegative_contributions: Option<bool>,
    /// Bound of the profiles.
    pub nonnegative_profiles: Option<bool>,
    /// Largest number of threads of the call.
    pub threads: Option<f64>,
}

/// The same as the engine takes it.
pub struct Base {
    /// The data.
    pub problem: Problem,
    /// Number of factors.
    pub factors: usize,
    /// rows × factors.
    pub contributions: Vec<f64>,
    /// factors × cols.
    pub profiles: Vec<f64>,
    /// Bound of the contributions.
    pub nonnegative_contributions: bool,
    /// Bound of the profiles.
    pub nonnegative_profiles: bool,
    /// Largest number of threads.
    pub threads: usize,
}

/// Copies the base and runs `work` on it as a job. `settings` has been read on the JavaScript thread already.
pub fn spawn<'env, S: Send + 'static>(
    env: &'env Env,
    token: &CancelToken,
    progress: Callback<'_>,
    base: NativeBase,
    settings: Result<S, Error>,
    work: impl FnOnce(&Base, S, Control<'_>) -> Result<Outcome, Error> + Send + 'static,
) -> napi::Result<Object<'env>> {
    let input = Input::new(&base.values, &base.uncertainties, base.rows, base.cols, base.objective);
    let (contributions, profiles) = (base.contributions.to_vec(), base.profiles.to_vec());
    let (bounded_w, bounded_h) = (base.nonnegative_contributions, base.nonnegative_profiles);
    let (factors, threads) = (base.factors, threads(base.threads));
    job::spawn(env, token, progress, threads.as_ref().map_or(1, |threads| *threads), move |control| {
        let settings = settings?;
        let base = Base {
            factors: integer("factors", factors, f64::from(u32::MAX))? as usize,
            problem: input.into_problem()?,
            contributions,
            profiles,
            nonnegative_contributions: bounded_w.unwrap_or(true),
            nonnegative_profiles: bounded_h.unwrap_or(true),
            threads: threads?,
        };
        work(&base, settings, control)
    })
}

//! `bootstrap`: a base solution in, its resamples and their statistics out.

use headwater_pmf::{Bootstrap, BootstrapSettings, QUANTILES, Resample};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::objective::NativeObjective;
use crate::outcome::Outcome;
use crate::pmf::Input;
use crate::pool;
use crate::settings::integer;
use crate::values::{Done, list};

/// What a caller chooses. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeBootstrapSettings {
    /// Number of factors.
    pub factors: f64,
    /// Resamples.
    pub runs: Option<f64>,
    /// Samples in a block.
    pub block: Option<f64>,
    /// Random starts of each resample beside the warm one.
    pub cold_starts: Option<f64>,
    /// Correlation below which a factor is unmapped.
    pub threshold: Option<f64>,
    /// Key of the random numbers.
    pub seed: Option<f64>,
    /// Bound of the contributions.
    pub nonnegative_contributions: Option<bool>,
    /// Bound of the profiles.
    pub nonnegative_profiles: Option<bool>,
    /// Largest number of threads.
    pub threads: Option<f64>,
}

impl NativeBootstrapSettings {
    fn into_settings(self) -> Result<(usize, BootstrapSettings), headwater_base::Error> {
        let most = f64::from(u32::MAX);
        let size = |name, value| integer(name, value, most).map(|value| value as usize);
        let mut to = BootstrapSettings { threads: pool::size()?, ..BootstrapSettings::default() };
        if let Some(threads) = self.threads {
            to.threads = to.threads.min(integer("threads", threads, pool::MOST_THREADS as f64)?.max(1) as usize);
        }
        if let Some(runs) = self.runs {
            to.runs = integer("runs", runs, most)? as u32;
        }
        to.block = self.block.map(|block| size("block", block)).transpose()?;
        if let Some(starts) = self.cold_starts {
            to.cold_starts = integer("coldStarts", starts, most)? as u32;
        }
        if let Some(seed) = self.seed {
            to.seed = integer("seed", seed, 9_007_199_254_740_991.0)?;
        }
        to.threshold = self.threshold.unwrap_or(to.threshold);
        to.nonnegative_contributions = self.nonnegative_contributions.unwrap_or(to.nonnegative_contributions);
        to.nonnegative_profiles = self.nonnegative_profiles.unwrap_or(to.nonnegative_profiles);
        Ok((size("factors", self.factors)?, to))
    }
}

/// Resamples the base solution (contributions, profiles).
#[napi(ts_return_type = "Promise<NativeOutcome<NativeBootstrap>>", catch_unwind)]
pub fn bootstrap<'env>(
    env: &'env Env,
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    contributions: &[f64],
    profiles: &[f64],
    objective: NativeObjective,
    settings: NativeBootstrapSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let input = Input::new(values, uncertainties, rows, cols, objective);
    let (contributions, profiles) = (contributions.to_vec(), profiles.to_vec());
    let settings = settings.into_settings();
    let threads = settings.as_ref().map_or(1, |(_, settings)| settings.threads);
    job::spawn(env, token, progress, threads, move |control| {
        let (factors, settings) = settings?;
        let problem = input.into_problem()?;
        headwater_pmf::bootstrap(&problem, factors, &contributions, &profiles, &settings, control)
            .map(|found| Outcome::Bootstrap(Box::new(found)))
    })
}

/// Its properties. Tables are flat, row by row; −1 stands for no factor.
pub fn properties(env: &Env, object: &mut Object<'_>, from: &Bootstrap) -> Done {
    let numbers = |values: Vec<f64>| Float64ArraySlice::copy_from(env, values);
    object.set("status", from.status.as_str())?;
    object.set("block", from.block as f64)?;
    object.set("swaps", from.swaps)?;
    object.set("q", numbers(from.q.to_vec())?)?;
    object.set("mapped", numbers(from.mapped.iter().flat_map(|m| [m.0, m.1]).map(f64::from).collect())?)?;
    object.set("nearest", numbers(from.nearest.iter().flatten().map(|n| f64::from(*n)).collect())?)?;
    // count, mean, deviation and the quantiles of every element.
    let elements =
        from.elements.iter().flat_map(|e| [f64::from(e.count), e.mean, e.deviation].into_iter().chain(e.quantiles));
    object.set("elements", numbers(elements.collect())?)?;
    object.set("shares", numbers(QUANTILES.to_vec())?)?;
    object.set("resamples", list(env, &from.resamples, resample)?)
}

fn resample<'env>(env: &'env Env, from: &Resample) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    let numbers = |values: Vec<f64>| Float64ArraySlice::copy_from(env, values);
    let places = |of: &[Option<usize>]| of.iter().map(|at| at.map_or(-1.0, |at| at as f64)).collect();
    to.set("run", from.run)?;
    to.set("status", from.status.as_str())?;
    to.set("q", from.q)?;
    to.set("cold", from.cold)?;
    to.set("counts", numbers(from.counts.iter().map(|count| f64::from(*count)).collect())?)?;
    to.set("factors", numbers(places(&from.factors))?)?;
    to.set("nearest", numbers(places(&from.nearest))?)?;
    to.set("profiles", numbers(from.profiles.clone())?)?;
    Ok(to)
}

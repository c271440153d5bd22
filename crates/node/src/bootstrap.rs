//! `bootstrap`: a base solution in, its resamples and their statistics out.

use headwater_base::Error;
use headwater_pmf::{Bootstrap, BootstrapSettings, QUANTILES, Resample};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::estimate::{self, Base, NativeBase};
use crate::job::Callback;
use crate::outcome::Outcome;
use crate::settings::{integer, key};
use crate::values::{Done, list};

/// What a caller chooses. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeBootstrapSettings {
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
}

impl NativeBootstrapSettings {
    /// The engine's settings; bounds and threads are those of the base.
    pub fn into_settings(self) -> Result<BootstrapSettings, Error> {
        let most = f64::from(u32::MAX);
        let mut to = BootstrapSettings::default();
        if let Some(runs) = self.runs {
            to.runs = integer("runs", runs, most)? as u32;
        }
        to.block = self.block.map(|block| integer("block", block, most)).transpose()?.map(|block| block as usize);
        if let Some(starts) = self.cold_starts {
            to.cold_starts = integer("coldStarts", starts, most)? as u32;
        }
        if let Some(seed) = self.seed {
            to.seed = key(seed)?;
        }
        to.threshold = self.threshold.unwrap_or(to.threshold);
        Ok(to)
    }
}

/// The settings with what the base says.
pub fn of_base(base: &Base, settings: BootstrapSettings) -> BootstrapSettings {
    BootstrapSettings {
        nonnegative_contributions: base.nonnegative_contributions,
        nonnegative_profiles: base.nonnegative_profiles,
        threads: base.threads,
        ..settings
    }
}

/// Resamples a base solution.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeBootstrap>>", catch_unwind)]
pub fn bootstrap<'env>(
    env: &'env Env,
    base: NativeBase,
    settings: NativeBootstrapSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    estimate::spawn(env, token, progress, base, settings.into_settings(), |base, settings, control| {
        let (w, h) = (&base.contributions, &base.profiles);
        headwater_pmf::bootstrap(&base.problem, base.factors, w, h, &of_base(base, settings), control)
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

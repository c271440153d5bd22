//! `posterior`: a minimum in, draws of its profiles and what they say out.

use headwater_base::Error;
use headwater_pmf::{ElementPosterior, POSTERIOR_QUANTILES, Posterior, PosteriorSettings};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::estimate::{self, NativeBase};
use crate::job::Callback;
use crate::outcome::Outcome;
use crate::settings::{integer, key};
use crate::values::{Done, list, warning};

/// What a caller chooses.
#[napi(object, object_to_js = false)]
pub struct NativePosteriorSettings {
    /// Chains.
    pub chains: f64,
    /// Draws of each chain, at most.
    pub max_draws: f64,
    /// Effective draws that every element needs.
    pub minimum_ess: f64,
    /// T of e^{−Q/(2T)}.
    pub temperature: f64,
    /// Key of the random numbers, below 2^53.
    pub seed: f64,
}

impl NativePosteriorSettings {
    /// The engine's settings; bounds and threads are those of the base.
    fn into_settings(self) -> Result<PosteriorSettings, Error> {
        let size = |name, value| integer(name, value, f64::from(u32::MAX)).map(|value| value as usize);
        Ok(PosteriorSettings {
            chains: size("chains", self.chains)?,
            max_draws: size("maxDraws", self.max_draws)?,
            minimum_effective: self.minimum_ess,
            temperature: self.temperature,
            seed: key(self.seed)?,
            ..PosteriorSettings::default()
        })
    }
}

/// Samples the posterior of the profiles of a minimum.
#[napi(ts_return_type = "Promise<NativeOutcome<NativePosterior>>", catch_unwind)]
pub fn posterior<'env>(
    env: &'env Env,
    base: NativeBase,
    settings: NativePosteriorSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    estimate::spawn(env, token, progress, base, settings.into_settings(), |base, settings, control| {
        let settings = PosteriorSettings {
            nonnegative_contributions: base.nonnegative_contributions,
            nonnegative_profiles: base.nonnegative_profiles,
            threads: base.threads,
            ..settings
        };
        let (w, h) = (&base.contributions, &base.profiles);
        headwater_pmf::posterior(&base.problem, base.factors, w, h, &settings, control)
            .map(|found| Outcome::Posterior(Box::new(found)))
    })
}

/// Its properties; of elements, factors × species each.
pub fn properties(env: &Env, object: &mut Object<'_>, from: &Posterior) -> Done {
    let elements = |of: &dyn Fn(&ElementPosterior) -> f64| -> Vec<f64> { from.elements.iter().map(of).collect() };
    let quantiles = |of: &dyn Fn(&ElementPosterior, usize) -> f64| -> Vec<f64> {
        (0..POSTERIOR_QUANTILES.len()).flat_map(|at| elements(&|element| of(element, at))).collect()
    };
    for (name, values) in [
        ("mean", elements(&|element| element.mean)),
        ("meanError", elements(&|element| element.mean_error)),
        ("deviation", elements(&|element| element.deviation)),
        ("deviationError", elements(&|element| element.deviation_error)),
        ("ess", elements(&|element| element.effective)),
        ("rHat", elements(&|element| element.r_hat)),
        ("quantiles", quantiles(&|element, at| element.quantiles[at])),
        ("quantileErrors", quantiles(&|element, at| element.quantile_errors[at])),
        ("acceptance", from.chains.iter().map(|chain| chain.acceptance).collect()),
        ("steps", from.chains.iter().map(|chain| chain.steps as f64).collect()),
        ("swapped", from.chains.iter().map(|chain| chain.swapped as f64).collect()),
    ] {
        object.set(name, Float64ArraySlice::copy_from(env, &values)?)?;
    }
    object.set("standardErrors", Float64ArraySlice::copy_from(env, &from.standard_errors)?)?;
    object.set("draws", Float64ArraySlice::copy_from(env, &from.draws)?)?;
    object.set("drawsOfEach", from.draws_of_each as f64)?;
    object.set("stepsOfADraw", from.steps_of_a_draw as f64)?;
    object.set("status", from.status.as_str())?;
    object.set("warnings", list(env, &from.warnings, warning)?)
}

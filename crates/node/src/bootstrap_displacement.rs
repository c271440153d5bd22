//! `bootstrapDisplacement`: a base solution in, the intervals of its profile elements over resamples out.

use headwater_pmf::{BootstrapDisplacement, DisplacedResample, Summary};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object};
use napi_derive::napi;

use crate::bootstrap::{self, NativeBootstrapSettings, of_base};
use crate::cancel::CancelToken;
use crate::displacement::{self, NativeDisplacementSettings};
use crate::estimate::{self, NativeBase};
use crate::job::Callback;
use crate::outcome::Outcome;
use crate::values::{Done, list};

/// Displaces profile elements of every resample of a base solution.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeBootstrapDisplacement>>", catch_unwind)]
pub fn bootstrap_displacement<'env>(
    env: &'env Env,
    base: NativeBase,
    resampling: NativeBootstrapSettings,
    displacing: NativeDisplacementSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let settings = resampling.into_settings().and_then(|first| Ok((first, displacing.into_settings()?)));
    estimate::spawn(env, token, progress, base, settings, |base, (resampling, displacing), control| {
        let (w, h, resampling) = (&base.contributions, &base.profiles, of_base(base, resampling));
        let (problem, factors) = (&base.problem, base.factors);
        headwater_pmf::bootstrap_displacement(problem, factors, w, h, &resampling, &displacing, control)
            .map(|found| Outcome::BootstrapDisplacement(Box::new(found)))
    })
}

/// Its properties.
pub fn properties(env: &Env, object: &mut Object<'_>, from: &BootstrapDisplacement) -> Done {
    let mut plain = Object::new(env)?;
    bootstrap::properties(env, &mut plain, &from.bootstrap)?;
    object.set("bootstrap", plain)?;
    object.set("status", from.status.as_str())?;
    object.set("largestDecrease", from.largest_decrease)?;
    object.set("resamples", list(env, &from.resamples, resample)?)?;
    object.set("elements", list(env, &from.elements, summary)?)
}

/// Lower end, upper end and count of every level, in turn.
fn summary<'env>(env: &'env Env, from: &Summary) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("factor", from.factor as f64)?;
    to.set("species", from.species as f64)?;
    let levels: Vec<f64> = from.levels.iter().flat_map(|level| [level.0, level.1, f64::from(level.2)]).collect();
    to.set("levels", Float64ArraySlice::copy_from(env, levels)?)?;
    Ok(to)
}

fn resample<'env>(env: &'env Env, from: &DisplacedResample) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("run", from.run)?;
    to.set("accepted", from.accepted)?;
    to.set("drop", from.drop)?;
    to.set("swappedInFit", from.swapped_in_fit)?;
    to.set("swappedInDisplacement", from.swapped_in_displacement)?;
    if let Some(found) = &from.displacement {
        let mut displacement = Object::new(env)?;
        displacement::properties(env, &mut displacement, found)?;
        to.set("displacement", displacement)?;
    }
    Ok(to)
}

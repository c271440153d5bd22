//! `standardErrors`: a minimum in, its standard errors out.

use headwater_base::Error;
use headwater_pmf::{ErrorSettings, Estimated, StandardErrors};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object, Uint8ArraySlice};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::estimate::{self, NativeBase};
use crate::outcome::Outcome;
use crate::settings::integer;
use crate::values::{Done, list, warning};

/// What a caller chooses.
#[napi(object, object_to_js = false)]
pub struct NativeErrorSettings {
    /// Species whose profile elements are the factors' totals; absent: sums over all species.
    pub total: Option<f64>,
    /// Consecutive samples whose scores are summed.
    pub block: Option<f64>,
    /// Multiply by √(Q/ν).
    pub scaled: bool,
}

impl NativeErrorSettings {
    /// Whether to scale, and the engine's settings; bounds and threads are those of the base.
    fn into_settings(self) -> Result<(bool, ErrorSettings), Error> {
        let size = |name, value| integer(name, value, f64::from(u32::MAX)).map(|value| value as usize);
        let mut to = ErrorSettings { total: self.total.map(|at| size("total", at)).transpose()?, ..Default::default() };
        if let Some(block) = self.block {
            to.block = size("block", block)?;
        }
        Ok((self.scaled, to))
    }
}

/// Standard errors of a minimum.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeStandardErrors>>", catch_unwind)]
pub fn standard_errors<'env>(
    env: &'env Env,
    base: NativeBase,
    settings: NativeErrorSettings,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    estimate::spawn(env, token, None, base, settings.into_settings(), |base, (scaled, settings), control| {
        let settings = ErrorSettings {
            nonnegative_contributions: base.nonnegative_contributions,
            nonnegative_profiles: base.nonnegative_profiles,
            threads: base.threads,
            ..settings
        };
        let (w, h) = (&base.contributions, &base.profiles);
        let found = headwater_pmf::standard_errors(&base.problem, base.factors, w, h, &settings, control)?;
        Ok(Outcome::StandardErrors(Box::new(if scaled { found.scaled() } else { found })))
    })
}

/// Their properties.
pub fn properties(env: &Env, object: &mut Object<'_>, from: &StandardErrors) -> Done {
    for (name, values) in [
        ("profiles", &from.profiles),
        ("contributions", &from.contributions),
        ("profilesSandwich", &from.profiles_sandwich),
    ] {
        object.set(name, Float64ArraySlice::copy_from(env, values)?)?;
    }
    for (name, values) in
        [("shareOfSpecies", &from.share_of_species), ("shareOfFactor", &from.share_of_factor), ("totals", &from.totals)]
    {
        object.set(name, estimated(env, values)?)?;
    }
    let weak: Vec<u8> = from.weak_zeros.iter().map(|weak| u8::from(*weak)).collect();
    object.set("weakZeros", Uint8ArraySlice::copy_from(env, &weak)?)?;
    object.set("sandwichRatio", from.sandwich_ratio)?;
    object.set("reducedQ", from.reduced_q)?;
    object.set("warnings", list(env, &from.warnings, warning)?)
}

fn estimated<'env>(env: &'env Env, from: &Estimated) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("value", Float64ArraySlice::copy_from(env, &from.value)?)?;
    to.set("error", Float64ArraySlice::copy_from(env, &from.error)?)?;
    Ok(to)
}

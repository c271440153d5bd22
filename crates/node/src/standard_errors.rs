//! `standardErrors`: a minimum in, its standard errors out.

use headwater_pmf::{ErrorSettings, Estimated, StandardErrors};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object, Uint8ArraySlice};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job;
use crate::objective::NativeObjective;
use crate::outcome::Outcome;
use crate::pmf::Input;
use crate::pool;
use crate::settings::integer;
use crate::values::{Done, list, warning};

/// What a caller chooses.
#[napi(object, object_to_js = false)]
pub struct NativeErrorSettings {
    /// Number of factors.
    pub factors: f64,
    /// Species whose profile elements are the factors' totals; absent: sums over all species.
    pub total: Option<f64>,
    /// Consecutive samples whose scores are summed.
    pub block: Option<f64>,
    /// Multiply by √(Q/ν).
    pub scaled: bool,
    /// Bound of the contributions.
    pub nonnegative_contributions: Option<bool>,
    /// Bound of the profiles.
    pub nonnegative_profiles: Option<bool>,
    /// Largest number of threads.
    pub threads: Option<f64>,
}

impl NativeErrorSettings {
    fn into_settings(self) -> Result<(usize, bool, ErrorSettings), headwater_base::Error> {
        let size = |name, value| integer(name, value, f64::from(u32::MAX)).map(|value| value as usize);
        let mut to = ErrorSettings { threads: pool::size()?, ..ErrorSettings::default() };
        if let Some(threads) = self.threads {
            to.threads = to.threads.min(integer("threads", threads, pool::MOST_THREADS as f64)?.max(1) as usize);
        }
        to.total = self.total.map(|total| size("total", total)).transpose()?;
        if let Some(block) = self.block {
            to.block = size("block", block)?;
        }
        to.nonnegative_contributions = self.nonnegative_contributions.unwrap_or(to.nonnegative_contributions);
        to.nonnegative_profiles = self.nonnegative_profiles.unwrap_or(to.nonnegative_profiles);
        Ok((size("factors", self.factors)?, self.scaled, to))
    }
}

/// Standard errors of the minimum (contributions, profiles).
#[napi(ts_return_type = "Promise<NativeOutcome<NativeStandardErrors>>", catch_unwind)]
pub fn standard_errors<'env>(
    env: &'env Env,
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    contributions: &[f64],
    profiles: &[f64],
    objective: NativeObjective,
    settings: NativeErrorSettings,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    let input = Input::new(values, uncertainties, rows, cols, objective);
    let (contributions, profiles) = (contributions.to_vec(), profiles.to_vec());
    let settings = settings.into_settings();
    let threads = settings.as_ref().map_or(1, |(_, _, settings)| settings.threads);
    job::spawn(env, token, None, threads, move |control| {
        let (factors, scaled, settings) = settings?;
        let problem = input.into_problem()?;
        let found = headwater_pmf::standard_errors(&problem, factors, &contributions, &profiles, &settings, control)?;
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

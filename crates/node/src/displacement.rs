//! `displace`: a minimum in, the intervals of its profile elements out.

use headwater_base::Error;
use headwater_pmf::{Displacement, DisplacementSettings, EndKind};
use napi::Env;
use napi::bindgen_prelude::{Float64Array, Float64ArraySlice, Object, Uint8ArraySlice, Uint32Array};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::objective::NativeObjective;
use crate::outcome::Outcome;
use crate::pmf::Input;
use crate::pool;
use crate::settings::integer;
use crate::values::Done;

/// What a caller chooses.
#[napi(object, object_to_js = false)]
pub struct NativeDisplacementSettings {
    /// Number of factors.
    pub factors: f64,
    /// Levels of ΔQ, ascending.
    pub levels: Float64Array,
    /// Factor and species of each element, in turn.
    pub elements: Uint32Array,
    /// Whether ends are checked for lower branches.
    pub check: bool,
    /// Key of the perturbations, below 2^53.
    pub seed: f64,
    /// Bound of the contributions.
    pub nonnegative_contributions: Option<bool>,
    /// Bound of the profiles.
    pub nonnegative_profiles: Option<bool>,
    /// Largest number of threads.
    pub threads: Option<f64>,
}

impl NativeDisplacementSettings {
    fn into_settings(self) -> Result<(usize, DisplacementSettings), Error> {
        let available = pool::size()?;
        let threads = match self.threads {
            Some(threads) => (integer("threads", threads, pool::MOST_THREADS as f64)?.max(1) as usize).min(available),
            None => available,
        };
        let (pairs, rest) = self.elements.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Error::new("option-out-of-range", "elements must hold a factor and a species each"));
        }
        let settings = DisplacementSettings {
            levels: self.levels.to_vec(),
            elements: pairs.iter().map(|[factor, species]| (*factor as usize, *species as usize)).collect(),
            check: self.check,
            nonnegative_contributions: self.nonnegative_contributions.unwrap_or(true),
            nonnegative_profiles: self.nonnegative_profiles.unwrap_or(true),
            seed: integer("seed", self.seed, 9_007_199_254_740_991.0)?,
            threads,
        };
        Ok((integer("factors", self.factors, f64::from(u32::MAX))? as usize, settings))
    }
}

/// Displaces profile elements of the minimum (contributions, profiles).
#[napi(ts_return_type = "Promise<NativeOutcome<NativeDisplacement>>", catch_unwind)]
pub fn displace<'env>(
    env: &'env Env,
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    contributions: &[f64],
    profiles: &[f64],
    objective: NativeObjective,
    settings: NativeDisplacementSettings,
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
        let found = headwater_pmf::displace(&problem, factors, &contributions, &profiles, &settings, control)?;
        Ok(Outcome::Displacement(Box::new(found)))
    })
}

/// The properties: flat arrays, the ends by element, level and side (lower, upper).
pub fn properties(env: &Env, object: &mut Object<'_>, from: &Displacement) -> Done {
    let ends: Vec<_> = from.elements.iter().flat_map(|element| element.ends.iter().flatten()).collect();
    let numbers: [(&str, Vec<f64>); 6] = [
        ("factors", from.elements.iter().map(|element| element.factor as f64).collect()),
        ("species", from.elements.iter().map(|element| element.species as f64).collect()),
        ("bases", from.elements.iter().map(|element| element.base).collect()),
        ("values", ends.iter().map(|end| end.value).collect()),
        ("deltaQ", ends.iter().map(|end| end.delta_q).collect()),
        ("swaps", from.swaps.iter().flatten().map(|count| f64::from(*count)).collect()),
    ];
    for (name, values) in &numbers {
        object.set(*name, Float64ArraySlice::copy_from(env, values)?)?;
    }
    let kinds: Vec<u8> = ends
        .iter()
        .map(|end| match end.kind {
            EndKind::Reached => 0,
            EndKind::Zero => 1,
            EndKind::Unbounded => 2,
            EndKind::Failed => 3,
        })
        .collect();
    let branches: Vec<u8> = ends.iter().map(|end| u8::from(end.lower_branch)).collect();
    let swapped: Vec<u8> = ends.iter().map(|end| u8::from(end.swapped)).collect();
    for (name, values) in [("kinds", &kinds), ("lowerBranch", &branches), ("swapped", &swapped)] {
        object.set(name, Uint8ArraySlice::copy_from(env, values)?)?;
    }
    object.set("baseQ", from.base_q)?;
    object.set("largestDecrease", from.largest_decrease)?;
    object.set("status", from.status.as_str())?;
    if let Some((contributions, profiles)) = &from.lower {
        object.set("lowerContributions", Float64ArraySlice::copy_from(env, contributions)?)?;
        object.set("lowerProfiles", Float64ArraySlice::copy_from(env, profiles)?)?;
    }
    Ok(())
}

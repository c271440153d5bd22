//! `displace`: a minimum in, the intervals of its profile elements out.

use headwater_base::Error;
use headwater_pmf::{Displacement, DisplacementSettings, EndKind};
use napi::Env;
use napi::bindgen_prelude::{Float64Array, Float64ArraySlice, Object, Uint8ArraySlice, Uint32Array};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::estimate::{self, NativeBase};
use crate::job::Callback;
use crate::outcome::Outcome;
use crate::settings::key;
use crate::values::Done;

/// For each factor of `before` the one of `after` that it is (contributions of the same rows; see `same_factors` of the
/// engine).
#[napi(catch_unwind)]
pub fn same_factors(factors: u32, before: Float64Array, after: Float64Array) -> Uint32Array {
    let order = headwater_pmf::same_factors(factors as usize, &before, &after);
    Uint32Array::new(order.into_iter().map(|k| k as u32).collect())
}

/// What a caller chooses.
#[napi(object, object_to_js = false)]
pub struct NativeDisplacementSettings {
    /// Levels of ΔQ, ascending.
    pub levels: Float64Array,
    /// Factor and species of each element, in turn.
    pub elements: Uint32Array,
    /// Whether ends are checked for lower branches.
    pub check: bool,
    /// Key of the perturbations, below 2^53.
    pub seed: f64,
}

impl NativeDisplacementSettings {
    /// The engine's settings; bounds and threads are those of the base.
    pub fn into_settings(self) -> Result<DisplacementSettings, Error> {
        let (pairs, rest) = self.elements.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Error::new("option-out-of-range", "elements must hold a factor and a species each"));
        }
        Ok(DisplacementSettings {
            levels: self.levels.to_vec(),
            elements: pairs.iter().map(|[factor, species]| (*factor as usize, *species as usize)).collect(),
            check: self.check,
            nonnegative_contributions: true,
            nonnegative_profiles: true,
            seed: key(self.seed)?,
            threads: 1,
        })
    }
}

/// Displaces profile elements of a minimum.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeDisplacement>>", catch_unwind)]
pub fn displace<'env>(
    env: &'env Env,
    base: NativeBase,
    settings: NativeDisplacementSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    estimate::spawn(env, token, progress, base, settings.into_settings(), |base, settings, control| {
        let settings = DisplacementSettings {
            nonnegative_contributions: base.nonnegative_contributions,
            nonnegative_profiles: base.nonnegative_profiles,
            threads: base.threads,
            ..settings
        };
        let (w, h) = (&base.contributions, &base.profiles);
        headwater_pmf::displace(&base.problem, base.factors, w, h, &settings, control)
            .map(|found| Outcome::Displacement(Box::new(found)))
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

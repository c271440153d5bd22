//! Result structs to JavaScript objects. Arrays are copied into memory that the JavaScript engine owns: Electron
//! forbids anything else, and one way for all is easier to trust. Absent numbers are absent properties.

use headwater_base::Warning;
use headwater_pmf::{Basin, Certificate, Factorization, Origin, Solution, StartReport, Verdict};
use napi::Env;
use napi::bindgen_prelude::{Array, Float64ArraySlice, Object, ToNapiValue};

/// What setting properties gives.
pub type Done = napi::Result<()>;

/// Sets a property if there is a value.
pub fn optional<T: ToNapiValue>(object: &mut Object<'_>, name: &str, value: Option<T>) -> Done {
    value.map_or(Ok(()), |value| object.set(name, value))
}

/// The properties of a factorisation.
pub fn factorization(env: &Env, object: &mut Object<'_>, result: &Factorization) -> Done {
    object.set("chosen", result.chosen as f64)?;
    object.set("solution", solution(env, &result.solution)?)?;
    object.set("starts", list(env, &result.starts, start)?)?;
    object.set("basins", list(env, &result.basins, basin)?)?;
    optional(object, "unseenBasinProbability", result.unseen_basin_probability)?;
    object.set("chainsRun", result.chains.0)?;
    object.set("chainsAtBest", result.chains.1)
}

/// The properties of a verdict.
pub fn verdict(env: &Env, object: &mut Object<'_>, result: &Verdict) -> Done {
    object.set("solution", solution(env, &result.solution)?)?;
    object.set("localMinimum", solution(env, &result.local_minimum)?)?;
    object.set("excess", result.excess)
}

fn solution<'env>(env: &'env Env, from: &Solution) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("status", from.status.as_str())?;
    to.set("q", from.q)?;
    to.set("qTrue", from.q_true)?;
    to.set("qRobust", from.q_robust)?;
    to.set("outliers", from.outliers as f64)?;
    to.set("nearThreshold", from.near_threshold as f64)?;
    to.set("qExpected", from.q_expected)?;
    to.set("degreesOfFreedom", from.degrees_of_freedom)?;
    to.set("iterations", from.iterations)?;
    to.set("certificate", certificate(env, &from.certificate)?)?;
    to.set("warnings", list(env, &from.warnings, warning)?)?;
    to.set("contributions", Float64ArraySlice::copy_from(env, &from.contributions)?)?;
    to.set("profiles", Float64ArraySlice::copy_from(env, &from.profiles)?)?;
    Ok(to)
}

/// The numbers of a certificate.
pub fn certificate<'env>(env: &'env Env, from: &Certificate) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("unit", from.unit)?;
    to.set("coordinateGap", from.coordinate_gap)?;
    to.set("blockGap", from.block_gap())?;
    to.set("blockGapContributions", from.block_gap_contributions)?;
    to.set("blockGapProfiles", from.block_gap_profiles)?;
    optional(&mut to, "newtonDecrement", from.newton_decrement)?;
    optional(&mut to, "newtonDecrementGaussNewton", from.newton_decrement_gauss_newton)?;
    optional(&mut to, "lastStepRatio", from.last_step_ratio)?;
    optional(&mut to, "minCurvature", from.min_curvature)?;
    if let Some(from) = from.curvature_bound {
        let mut bound = Object::new(env)?;
        bound.set("bound", from.bound)?;
        bound.set("confidence", from.confidence)?;
        bound.set("products", from.products)?;
        bound.set("smallestSeen", from.smallest_seen)?;
        to.set("minCurvature", bound)?;
    }
    to.set("freeElements", from.free_elements as f64)?;
    to.set("nullDirections", from.null_directions as f64)?;
    to.set("weaklyActiveZeros", from.weakly_active_zeros as f64)?;
    to.set("deadFactors", from.dead_factors as f64)?;
    to.set("flatDirections", from.flat_directions as f64)?;
    Ok(to)
}

/// A warning.
pub fn warning<'env>(env: &'env Env, from: &Warning) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("code", from.code)?;
    optional(&mut to, "index", from.index.map(|index| index as f64))?;
    to.set("message", from.message.as_str())?;
    Ok(to)
}

fn start<'env>(env: &'env Env, from: &StartReport) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("start", from.start)?;
    let (origin, chain) = match from.origin {
        Origin::Random => ("random", None),
        Origin::Nndsvd => ("nndsvd", None),
        Origin::Given => ("given", None),
        Origin::Perturbed { chain } => ("perturbed", Some(chain)),
    };
    to.set("origin", origin)?;
    optional(&mut to, "chain", chain)?;
    to.set("status", from.status.as_str())?;
    to.set("q", from.q)?;
    to.set("iterations", from.iterations)?;
    optional(&mut to, "basin", from.basin.map(|basin| basin as f64))?;
    to.set("coordinateGap", from.coordinate_gap)?;
    to.set("blockGap", from.block_gap)?;
    optional(&mut to, "newtonDecrement", from.newton_decrement)?;
    Ok(to)
}

fn basin<'env>(env: &'env Env, from: &Basin) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("q", from.q)?;
    to.set("hits", from.hits)?;
    to.set("members", &from.members)?;
    Ok(to)
}

/// An array of converted items.
pub fn list<'env, T>(
    env: &'env Env,
    items: &[T],
    convert: impl Fn(&'env Env, &T) -> napi::Result<Object<'env>>,
) -> napi::Result<Array<'env>> {
    let length =
        u32::try_from(items.len()).map_err(|_| napi::Error::from_reason("a result holds more than 2^32 items"))?;
    let mut array = env.create_array(length)?;
    for (index, item) in (0..length).zip(items) {
        array.set(index, convert(env, item)?)?;
    }
    Ok(array)
}

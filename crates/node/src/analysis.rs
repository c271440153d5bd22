//! `analyze`: the arguments in, the analysis out. A job like the others, since large data take a while.

use headwater_base::Error;
use headwater_pmf::{Analysis, AnalysisInput, Fit, LargeResidual, Normality, Regression};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job;
use crate::outcome::Outcome;
use crate::settings::integer;
use crate::values::{Done, list, optional};

/// Says what a solution means for its data: residuals, fit by species and sample, explained variation.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeAnalysis>>", catch_unwind)]
pub fn analyze<'env>(
    env: &'env Env,
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    contributions: &[f64],
    profiles: &[f64],
    factors: f64,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    let (values, uncertainties) = (values.to_vec(), uncertainties.to_vec());
    let (contributions, profiles) = (contributions.to_vec(), profiles.to_vec());
    job::spawn(env, token, None, 1, move |_| {
        let size = |name, value| integer(name, value, f64::from(u32::MAX)).map(|value| value as usize);
        let result = headwater_pmf::analyze(&AnalysisInput {
            rows: size("rows", rows)?,
            cols: size("cols", cols)?,
            factors: size("factors", factors)?,
            values: &values,
            uncertainties: &uncertainties,
            contributions: &contributions,
            profiles: &profiles,
        })?;
        Ok::<_, Error>(Outcome::Analysis(Box::new(result)))
    })
}

/// The properties of an analysis.
pub fn analysis(env: &Env, object: &mut Object<'_>, from: &Analysis) -> Done {
    for (name, values) in [
        ("residuals", &from.residuals),
        ("scaledResiduals", &from.scaled_residuals),
        ("explainedVariation", &from.explained_variation),
        ("unexplainedVariation", &from.unexplained_variation),
        ("percentOfSpecies", &from.percent_of_species),
        ("mass", &from.mass),
    ] {
        object.set(name, Float64ArraySlice::copy_from(env, values)?)?;
    }
    object.set("q", from.q)?;
    object.set("cells", from.cells as f64)?;
    object.set("qExpected", from.q_expected)?;
    let species: Vec<_> = from.species.iter().zip(&from.regressions).zip(&from.normality).collect();
    object.set(
        "species",
        list(env, &species, |env, ((of, line), normal)| {
            let mut to = fit(env, of)?;
            optional(&mut to, "regression", line.as_ref().map(|line| regression(env, line)).transpose()?)?;
            optional(&mut to, "normality", normal.as_ref().map(|normal| normality(env, normal)).transpose()?)?;
            Ok(to)
        })?,
    )?;
    object.set("samples", list(env, &from.samples, fit)?)?;
    object.set("largeResiduals", list(env, &from.large_residuals, large_residual)?)
}

fn fit<'env>(env: &'env Env, from: &Fit) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("cells", from.cells as f64)?;
    to.set("q", from.q)?;
    optional(&mut to, "qOverExpected", from.q_over_expected)?;
    Ok(to)
}

fn regression<'env>(env: &'env Env, from: &Regression) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("cells", from.cells as f64)?;
    optional(&mut to, "rSquared", from.r_squared)?;
    to.set("slope", from.slope)?;
    to.set("slopeStandardError", from.slope_standard_error)?;
    to.set("intercept", from.intercept)?;
    to.set("interceptStandardError", from.intercept_standard_error)?;
    to.set("residualStandardError", from.residual_standard_error)?;
    Ok(to)
}

fn normality<'env>(env: &'env Env, from: &Normality) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("mean", from.mean)?;
    optional(&mut to, "standardDeviation", from.standard_deviation)?;
    to.set("statistic", from.statistic)?;
    to.set("pValue", from.p_value)?;
    Ok(to)
}

fn large_residual<'env>(env: &'env Env, from: &LargeResidual) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("sample", from.sample as f64)?;
    to.set("species", from.species as f64)?;
    to.set("scaled", from.scaled)?;
    Ok(to)
}

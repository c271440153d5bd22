//! `analyze` and `cellWeights`: the arguments in, what a point means out. Jobs like the others, since large data take a
//! while.

use headwater_base::Error;
use headwater_pmf::{
    Analysis, AnalysisInput, CellWeights, Fit, LargeResidual, Loss, MassRegression, Normality, Regression,
};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object, Uint8Array};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job;
use crate::objective::{NativeObjective, Objective};
use crate::outcome::Outcome;
use crate::settings::integer;
use crate::values::{Done, list, optional};

/// What `analyze` and `cellWeights` look at besides the arrays.
#[napi(object, object_to_js = false)]
pub struct NativeView {
    /// Number of factors.
    pub factors: f64,
    /// cols: 1 for weak species.
    pub weak: Option<Uint8Array>,
    /// Species that is the measured mass.
    pub total: Option<f64>,
    /// Most cells that `cellWeights` lists; absent: all.
    pub limit: Option<f64>,
}

/// Data, solution and objective, copied.
struct Point {
    rows: f64,
    cols: f64,
    values: Vec<f64>,
    uncertainties: Vec<f64>,
    contributions: Vec<f64>,
    profiles: Vec<f64>,
    objective: Result<Objective, Error>,
    factors: f64,
    weak: Vec<bool>,
    total: Option<f64>,
}

impl Point {
    /// Calls `work` with the engine's input and the loss.
    fn with<T>(self, work: impl FnOnce(&AnalysisInput<'_>, Loss) -> Result<T, Error>) -> Result<T, Error> {
        let size = |name, value| integer(name, value, f64::from(u32::MAX)).map(|value| value as usize);
        let objective = self.objective?;
        let input = AnalysisInput {
            rows: size("rows", self.rows)?,
            cols: size("cols", self.cols)?,
            factors: size("factors", self.factors)?,
            values: &self.values,
            uncertainties: &self.uncertainties,
            contributions: &self.contributions,
            profiles: &self.profiles,
            censored: &objective.censored,
            weak: &self.weak,
            total: self.total.map(|total| integer("total", total, self.cols - 1.0)).transpose()?.map(|at| at as usize),
        };
        work(&input, objective.loss)
    }
}

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
    objective: NativeObjective,
    view: NativeView,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    let (point, _) = point(values, uncertainties, rows, cols, contributions, profiles, objective, view);
    job::spawn(env, token, None, 1, move |_| {
        point.with(|input, _| headwater_pmf::analyze(input)).map(|found| Outcome::Analysis(Box::new(found)))
    })
}

/// The share of its weight that each cell keeps under the objective's loss.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeCellWeights>>", catch_unwind)]
pub fn cell_weights<'env>(
    env: &'env Env,
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    contributions: &[f64],
    profiles: &[f64],
    objective: NativeObjective,
    view: NativeView,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    let (point, limit) = point(values, uncertainties, rows, cols, contributions, profiles, objective, view);
    job::spawn(env, token, None, 1, move |_| {
        let limit = limit.map(|limit| integer("limit", limit, usize::MAX as f64)).transpose()?;
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        point
            .with(|input, loss| headwater_pmf::cell_weights(input, loss, limit))
            .map(|found| Outcome::CellWeights(Box::new(found)))
    })
}

fn point(
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    contributions: &[f64],
    profiles: &[f64],
    objective: NativeObjective,
    view: NativeView,
) -> (Point, Option<f64>) {
    let point = Point {
        rows,
        cols,
        values: values.to_vec(),
        uncertainties: uncertainties.to_vec(),
        contributions: contributions.to_vec(),
        profiles: profiles.to_vec(),
        objective: objective.into_objective(),
        factors: view.factors,
        weak: view.weak.map_or_else(Vec::new, |flags| flags.iter().map(|flag| *flag != 0).collect()),
        total: view.total,
    };
    (point, view.limit)
}

/// The properties of cell weights.
pub fn weights(env: &Env, object: &mut Object<'_>, from: &CellWeights) -> Done {
    object.set("shares", Float64ArraySlice::copy_from(env, &from.shares)?)?;
    object.set("count", from.count as f64)?;
    object.set(
        "downweighted",
        list(env, &from.downweighted, |env, from| {
            let mut to = Object::new(env)?;
            to.set("sample", from.sample as f64)?;
            to.set("species", from.species as f64)?;
            to.set("share", from.share)?;
            to.set("scaled", from.scaled)?;
            Ok(to)
        })?,
    )
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
    object.set("qExpectedStrong", from.q_expected_strong)?;
    let mass = from.mass_regression.as_ref().map(|mass| mass_regression(env, mass)).transpose()?;
    optional(object, "massRegression", mass)?;
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

fn mass_regression<'env>(env: &'env Env, from: &MassRegression) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("samples", from.samples as f64)?;
    to.set("intercept", from.intercept)?;
    to.set("interceptStandardError", from.intercept_standard_error)?;
    to.set("slopes", Float64ArraySlice::copy_from(env, &from.slopes)?)?;
    to.set("slopeStandardErrors", Float64ArraySlice::copy_from(env, &from.slope_standard_errors)?)?;
    to.set("rSquared", from.r_squared)?;
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

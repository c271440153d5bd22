//! Dictionaries: a state with its problem stays here; every question is a call, long ones are jobs.

use std::sync::Arc;

use headwater_base::Error;
use headwater_base::parallel::Crew;
use headwater_manifold::{
    AmplitudePrior, Evidence, Gate, Inner, InnerSettings, Input, Kind, Layout, Parameter, Point, Problem, RowWeights,
    SolveStatus, State, Strengths, Topology,
};
use napi::Env;
use napi::bindgen_prelude::{Float64Array, Float64ArraySlice, Object, ObjectFinalize, Uint32Array};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::outcome::Outcome;
use crate::settings::{integer, threads};
use crate::solve::tagged;
use crate::values::{Done, optional};

/// A state of a dictionary with its problem and hyperparameters.
#[napi(custom_finalize)]
pub struct NativeDictionary {
    point: Arc<Point>,
    parameters: Vec<Parameter>,
    threads: usize,
    bytes: i64,
}

impl ObjectFinalize for NativeDictionary {
    fn finalize(self, env: Env) -> napi::Result<()> {
        env.adjust_external_memory(-self.bytes)?;
        Ok(())
    }
}

/// Everything that makes a dictionary's state. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeDictionarySettings {
    /// N.
    pub rows: f64,
    /// p.
    pub cols: f64,
    /// rows × cols.
    pub values: Float64Array,
    /// rows × cols.
    pub cell_weights: Option<Float64Array>,
    /// rows.
    pub row_weights: Option<Float64Array>,
    /// Row weights multiply priors too.
    pub sampling: bool,
    /// `constant`, `linear`, `circle`, `torus` or `patch`, one an atom.
    pub topologies: Vec<String>,
    /// Harmonics or dimension, one an atom.
    pub sizes: Vec<f64>,
    /// `normal`, `half-normal`, `exponential` (amplitudes), `unit` or `softmax`.
    pub gate: String,
    /// Of a softmax.
    pub temperature: Option<f64>,
    /// κ of the logits.
    pub logit_ridge: Option<f64>,
    /// Decoders are not negative.
    pub non_negative: bool,
    /// Active atoms, row by row; absent for all.
    pub supports: Option<Uint32Array>,
    /// How many of them each row has.
    pub support_sizes: Option<Uint32Array>,
    /// Gate parameters, row by row.
    pub gates: Float64Array,
    /// Coordinates, row by row.
    pub coordinates: Float64Array,
    /// functions × cols.
    pub decoders: Float64Array,
    /// φ.
    pub noise: f64,
    /// λ of the entropy.
    pub entropy: f64,
    /// One an atom.
    pub amplitude: Option<Float64Array>,
    /// One an atom.
    pub roughness: Option<Float64Array>,
    /// One an atom.
    pub ridge: Option<Float64Array>,
    /// One a coordinate.
    pub ard: Option<Float64Array>,
    /// w.
    pub incoherence: f64,
    /// μ.
    pub repulsion: f64,
    /// Largest number of threads.
    pub threads: Option<f64>,
}

/// Shapes by their names, and harmonics or dimensions.
pub fn topologies(names: &[String], sizes: &[f64]) -> Result<Vec<Topology>, Error> {
    let one = |(name, &size): (&String, &f64)| {
        let size = integer("harmonics or dimension", size, f64::from(u32::MAX))? as usize;
        Ok(match name.as_str() {
            "constant" => Topology::Constant,
            "linear" => Topology::Linear,
            "circle" => Topology::Circle { harmonics: size },
            "torus" => Topology::Torus { harmonics: size },
            "patch" => Topology::Patch { dimension: size },
            other => return Err(Error::new("option-not-valid", format!("there is no topology '{other}'"))),
        })
    };
    names.iter().zip(sizes).map(one).collect()
}

/// A gate by its name: `unit`, `softmax` (with temperature and ridge), or the prior of amplitudes.
pub fn gate(name: &str, temperature: Option<f64>, ridge: Option<f64>) -> Result<Gate, Error> {
    Ok(match name {
        "normal" => Gate::Amplitude(AmplitudePrior::Normal),
        "half-normal" => Gate::Amplitude(AmplitudePrior::HalfNormal),
        "exponential" => Gate::Amplitude(AmplitudePrior::Exponential),
        "unit" => Gate::Unit,
        "softmax" => Gate::Softmax { temperature: temperature.unwrap_or(1.0), ridge: ridge.unwrap_or(0.1) },
        other => return Err(Error::new("option-not-valid", format!("there is no gate '{other}'"))),
    })
}

/// The name of a hyperparameter.
pub fn parameter_name(parameter: &Parameter) -> String {
    match parameter {
        Parameter::Noise => "noise".to_string(),
        Parameter::Entropy => "entropy".to_string(),
        Parameter::Amplitude(k) => format!("amplitude[{k}]"),
        Parameter::Roughness(k) => format!("roughness[{k}]"),
        Parameter::Ridge(k) => format!("ridge[{k}]"),
        Parameter::Ard(j) => format!("ard[{j}]"),
    }
}

impl NativeDictionarySettings {
    fn supports(&self) -> Option<Vec<Vec<usize>>> {
        let (atoms, sizes) = (self.supports.as_ref()?, self.support_sizes.as_ref()?);
        let mut at = 0;
        let rows = sizes.iter().map(|&size| {
            let next = (at + size as usize).min(atoms.len());
            let row = atoms[at..next].iter().map(|&k| k as usize).collect();
            at = next;
            row
        });
        Some(rows.collect())
    }

    fn build(self) -> Result<NativeDictionary, Error> {
        let count = |name, value| integer(name, value, f64::from(u32::MAX)).map(|count| count as usize);
        let supports = self.supports();
        let problem = Problem::new(Input {
            rows: count("rows", self.rows)?,
            columns: count("cols", self.cols)?,
            values: self.values.to_vec(),
            cell_weights: self.cell_weights.as_ref().map(|weights| weights.to_vec()),
            row_weights: self.row_weights.as_ref().map(|weights| weights.to_vec()),
            weighting: if self.sampling { RowWeights::Sampling } else { RowWeights::Precision },
            atoms: topologies(&self.topologies, &self.sizes)?,
            gate: gate(&self.gate, self.temperature, self.logit_ridge)?,
            non_negative: self.non_negative,
        })?;
        problem.check_atoms()?;
        let layout = match supports {
            Some(supports) => Layout::new(&problem, &supports)?,
            None => Layout::dense(&problem),
        };
        let state = State::new(&problem, layout, &self.gates, &self.coordinates, &self.decoders)?;
        let unit = Strengths::unit(&problem, self.noise);
        let list = |given: &Option<Float64Array>, base: Vec<f64>| given.as_ref().map_or(base, |given| given.to_vec());
        let strengths = Strengths {
            noise: self.noise,
            entropy: self.entropy,
            amplitude: list(&self.amplitude, unit.amplitude),
            roughness: list(&self.roughness, unit.roughness),
            ridge: list(&self.ridge, unit.ridge),
            ard: list(&self.ard, unit.ard),
        };
        strengths.check(&problem)?;
        let mut parameters = strengths.learnable(&problem);
        if strengths.entropy > 0.0 {
            parameters.push(Parameter::Entropy);
        }
        let threads = threads(self.threads)?;
        let numbers = problem.rows * problem.columns * if self.cell_weights.is_some() { 2 } else { 1 };
        let bytes = 8 * (numbers + state.theta.len()) as i64;
        let point = Arc::new(Point::new(Arc::new(problem), state, strengths, self.incoherence, self.repulsion)?);
        Ok(NativeDictionary { point, parameters, threads, bytes })
    }
}

fn wrap<'env>(env: &'env Env, made: Result<NativeDictionary, Error>) -> napi::Result<Object<'env>> {
    if let Ok(made) = &made {
        env.adjust_external_memory(made.bytes)?;
    }
    tagged(env, made)
}

/// A dictionary's state.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeDictionary }>", catch_unwind)]
pub fn dictionary<'env>(env: &'env Env, settings: NativeDictionarySettings) -> napi::Result<Object<'env>> {
    wrap(env, settings.build())
}

/// The same dictionary at another θ.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeDictionary }>", catch_unwind)]
pub fn dictionary_at<'env>(env: &'env Env, from: &NativeDictionary, theta: &[f64]) -> napi::Result<Object<'env>> {
    let made = from.point.at(theta).map(|point| NativeDictionary {
        point: Arc::new(point),
        parameters: from.parameters.clone(),
        threads: from.threads,
        bytes: 8 * theta.len() as i64,
    });
    wrap(env, made)
}

/// θ, names and logarithms of the hyperparameters that evidence can choose.
#[napi(ts_return_type = "NativeDictionaryFacts", catch_unwind)]
pub fn dictionary_facts<'env>(env: &'env Env, from: &NativeDictionary) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    set_vector(env, &mut to, "theta", &from.point.state.theta)?;
    to.set("parameters", from.parameters.iter().map(parameter_name).collect::<Vec<_>>())?;
    set_vector(env, &mut to, "rho", &from.point.strengths.logarithms(&from.parameters))?;
    Ok(to)
}

/// L.
#[napi(catch_unwind)]
pub fn dictionary_value(from: &NativeDictionary) -> f64 {
    from.point.value(from.threads)
}

/// ∇L.
#[napi(ts_return_type = "Float64Array<ArrayBuffer>", catch_unwind)]
pub fn dictionary_gradient<'env>(env: &'env Env, from: &NativeDictionary) -> napi::Result<Float64ArraySlice<'env>> {
    Float64ArraySlice::copy_from(env, from.point.gradient(from.threads))
}

/// A v (`exact`), B v (`surrogate`) or (A − B) v (`correction`).
#[napi(ts_return_type = "NativeOutcome<{ value: Float64Array<ArrayBuffer> }>", catch_unwind)]
pub fn dictionary_product<'env>(
    env: &'env Env,
    from: &NativeDictionary,
    #[napi(ts_arg_type = "'exact' | 'surrogate' | 'correction'")] kind: String,
    v: &[f64],
) -> napi::Result<Object<'env>> {
    let kind = match kind.as_str() {
        "exact" => Kind::Exact,
        "surrogate" => Kind::Surrogate,
        _ => Kind::Correction,
    };
    let product = from.point.product(kind, v, from.threads);
    let product = product.map(|product| Float64ArraySlice::copy_from(env, &product));
    match product {
        Ok(array) => tagged(env, Ok(array?)),
        Err(error) => tagged::<f64>(env, Err(error)),
    }
}

/// A x = b.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeStationarity>>", catch_unwind)]
pub fn dictionary_solve<'env>(
    env: &'env Env,
    from: &NativeDictionary,
    b: &[f64],
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (point, threads, b) = (Arc::clone(&from.point), from.threads, b.to_vec());
    job::spawn(env, token, progress, threads, move |control| {
        let found = point.solve_stationarity(&b, Crew::new(threads, control))?;
        Ok(Outcome::Properties(Box::new(move |env, object| {
            set_vector(env, object, "x", &found.x)?;
            object.set("iterations", found.iterations as f64)?;
            object.set("residual", found.residual)?;
            let (status, bent) = match found.status {
                SolveStatus::Converged => ("converged", None),
                SolveStatus::Stagnated => ("stagnated", None),
                SolveStatus::Aborted => ("aborted", None),
                SolveStatus::NegativeCurvature { direction, curvature } => {
                    ("negativeCurvature", Some((direction, curvature)))
                }
            };
            object.set("status", status)?;
            if let Some((direction, curvature)) = bent {
                set_vector(env, object, "direction", &direction)?;
                object.set("curvature", curvature)?;
            }
            Ok(())
        })))
    })
}

/// The minimum from here.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeMinimum>>", catch_unwind)]
pub fn dictionary_minimise<'env>(
    env: &'env Env,
    from: &NativeDictionary,
    max_iterations: Option<f64>,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (point, threads, settings) = (Arc::clone(&from.point), from.threads, inner_settings(max_iterations));
    job::spawn(env, token, progress, threads, move |control| {
        let found = point.minimise(&settings?, Crew::new(threads, control));
        Ok(Outcome::Properties(Box::new(move |env, object| minimum(env, object, &found))))
    })
}

/// V and its gradient at ρ, after a minimisation from here.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeCriterion>>", catch_unwind)]
pub fn dictionary_criterion<'env>(
    env: &'env Env,
    from: &NativeDictionary,
    rho: &[f64],
    max_iterations: Option<f64>,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (point, threads, settings) = (Arc::clone(&from.point), from.threads, inner_settings(max_iterations));
    let (parameters, rho) = (from.parameters.clone(), rho.to_vec());
    job::spawn(env, token, progress, threads, move |control| {
        let found = point.criterion(&parameters, &rho, &settings?, Crew::new(threads, control))?;
        Ok(Outcome::Properties(Box::new(move |env, object| {
            let mut to = Object::new(env)?;
            minimum(env, &mut to, &found.inner)?;
            object.set("minimum", to)?;
            let Some(criterion) = &found.criterion else { return Ok(()) };
            object.set("criterion", criterion.value)?;
            object.set("logDeterminant", criterion.log_determinant)?;
            let Some(gradient) = &criterion.gradient else { return Ok(()) };
            set_vector(env, object, "gradient", &gradient.slopes)?;
            set_vector(env, object, "degrees", &gradient.degrees)?;
            object.set("laplaceGap", gradient.laplace_gap)?;
            object.set("iterations", gradient.iterations as f64)
        })))
    })
}

pub fn inner_settings(max_iterations: Option<f64>) -> Result<InnerSettings, Error> {
    let base = InnerSettings::default();
    let Some(most) = max_iterations else { return Ok(base) };
    Ok(InnerSettings { max_iterations: integer("maxIterations", most, f64::from(u32::MAX))? as usize, ..base })
}

pub fn set_vector(env: &Env, to: &mut Object<'_>, name: &str, x: &[f64]) -> Done {
    to.set(name, Float64ArraySlice::copy_from(env, x)?)
}

fn minimum(env: &Env, object: &mut Object<'_>, inner: &Inner) -> Done {
    object.set("status", inner.status.as_str())?;
    object.set("value", inner.value)?;
    set_vector(env, object, "theta", &inner.state.theta)?;
    if let Some(direction) = &inner.direction {
        set_vector(env, object, "direction", direction)?;
    }
    let mut to = Object::new(env)?;
    evidence(&mut to, &inner.evidence)?;
    object.set("evidence", to)
}

pub fn evidence(to: &mut Object<'_>, from: &Evidence) -> Done {
    to.set("iterations", from.iterations as f64)?;
    to.set("newtonSteps", from.newton_steps as f64)?;
    to.set("dampedSteps", from.damped_steps as f64)?;
    to.set("surrogateSteps", from.surrogate_steps as f64)?;
    to.set("escapes", from.escapes as f64)?;
    optional(to, "decrement", from.decrement)?;
    to.set("gradientNorm", from.gradient)?;
    optional(to, "minCurvature", from.min_curvature)?;
    to.set("flat", from.flat)?;
    to.set("held", from.held as f64)?;
    to.set("gauges", from.gauges as f64)
}

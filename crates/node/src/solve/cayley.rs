//! Propagation: the Cayley transform with what it keeps for many steps, and single long times.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_base::{Control, Error};
use headwater_solve::cayley::{ChebyshevOutcome, Cotangents, ImaginaryReport, chebyshev, imaginary_time};
use headwater_solve::{Cayley, CayleySettings, Complex64, Graph, Hamiltonian, Operator, Report, Scalar, Solver};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object, ObjectFinalize};
use napi_derive::napi;

use super::call::{Packed, either};
use super::graph::NativeGraph;
use super::number::Number;
use super::operator::{Held, NativeOperator, Operand};
use super::{announced, values};
use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::outcome::{Outcome, failure};
use crate::settings::integer;
use crate::values::Done;

/// What a call sets on its result, on the JavaScript thread.
pub type Properties = Box<dyn FnOnce(&Env, &mut Object<'_>) -> Done + Send>;

type Work = Box<dyn FnOnce(Control<'_>) -> Result<Properties, Error> + Send>;

/// Runs on the calling thread.
pub(super) fn here<'env>(
    env: &'env Env,
    work: impl FnOnce(Control<'_>) -> Result<Properties, Error>,
) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    let result = work(Control::none());
    object.set("ok", result.is_ok())?;
    match result {
        Ok(properties) => properties(env, &mut object)?,
        Err(error) => failure(&mut object, error)?,
    }
    Ok(object)
}

/// Runs as a job.
pub(super) fn away<'env>(
    env: &'env Env,
    token: &CancelToken,
    progress: Callback<'_>,
    work: impl FnOnce(Control<'_>) -> Result<Properties, Error> + Send + 'static,
) -> napi::Result<Object<'env>> {
    job::spawn(env, token, progress, 1, move |control| work(control).map(Outcome::Properties))
}

/// A vector as JavaScript has it.
pub(super) fn set_vector<T: Scalar>(env: &Env, to: &mut Object<'_>, name: &str, x: &[T]) -> Done {
    to.set(name, Float64ArraySlice::copy_from(env, T::reals(x))?)
}

/// Settings of a propagator. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeCayleySettings {
    /// Time step.
    pub dt: f64,
    /// `auto`, `direct`, `eigen`, `galerkin`, `cocg`, `cgw` or `cgnr`.
    pub solver: Option<String>,
    /// Tolerance.
    pub rtol: Option<f64>,
    /// Of adjoint solves.
    pub adjoint_rtol: Option<f64>,
    /// Iterations of a step.
    pub max_iterations: Option<f64>,
    /// Go on without convergence.
    pub allow_inexact: Option<bool>,
    /// Compute energies.
    pub energy: Option<bool>,
}

impl NativeCayleySettings {
    fn settings(&self) -> Result<CayleySettings, Error> {
        let base = CayleySettings::default();
        Ok(CayleySettings {
            dt: self.dt,
            solver: match self.solver.as_deref() {
                None | Some("auto") => Solver::Auto,
                Some("direct") => Solver::Direct,
                Some("eigen") => Solver::Eigen,
                Some("galerkin") => Solver::Galerkin,
                Some("cocg") => Solver::Cocg,
                Some("cgw") => Solver::Cgw,
                Some("cgnr") => Solver::Cgnr,
                Some(other) => return Err(Error::new("option-not-valid", format!("there is no solver {other:?}"))),
            },
            rtol: self.rtol.unwrap_or(base.rtol),
            adjoint_rtol: self.adjoint_rtol,
            max_iterations: self
                .max_iterations
                .map(|most| integer("maxIterations", most, f64::from(u32::MAX)))
                .transpose()?
                .map(|most| most as usize),
            allow_inexact: self.allow_inexact.unwrap_or(false),
            energy: self.energy.unwrap_or(true),
        })
    }
}

fn hamiltonian(operator: &NativeOperator) -> Hamiltonian {
    match &operator.operand {
        Operand::Real(held) if held.csr.is_some() => held.csr.as_deref().cloned().map(Hamiltonian::Real),
        Operand::Complex(held) => held.csr.as_deref().cloned().map(Hamiltonian::Complex),
        Operand::Real(_) => None,
    }
    .unwrap_or_else(|| Hamiltonian::Operator(operator.on_complex().operator))
}

/// A propagator. Calls on it run one after the other.
#[napi(custom_finalize)]
pub struct NativeCayley {
    cayley: Arc<Mutex<Cayley>>,
    graph: Option<Arc<Graph>>,
    /// Memory that the garbage collector has been told of.
    bytes: i64,
}

impl ObjectFinalize for NativeCayley {
    fn finalize(self, env: Env) -> napi::Result<()> {
        env.adjust_external_memory(-self.bytes)?;
        Ok(())
    }
}

fn locked(cayley: &Mutex<Cayley>) -> MutexGuard<'_, Cayley> {
    cayley.lock().unwrap_or_else(PoisonError::into_inner)
}

#[napi]
impl NativeCayley {
    /// The solver in use.
    #[napi(getter)]
    pub fn solver(&self) -> &'static str {
        match locked(&self.cayley).solver() {
            Solver::Auto => "auto",
            Solver::Direct => "direct",
            Solver::Eigen => "eigen",
            Solver::Galerkin => "galerkin",
            Solver::Cocg => "cocg",
            Solver::Cgw => "cgw",
            Solver::Cgnr => "cgnr",
        }
    }
}

/// Sets a propagator up for an operator or the Laplacian of a graph.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeCayley }>", catch_unwind)]
pub fn cayley_propagator<'env>(
    env: &'env Env,
    h: Option<&NativeOperator>,
    graph: Option<&NativeGraph>,
    settings: NativeCayleySettings,
) -> napi::Result<Object<'env>> {
    let build = || {
        let h = match (h, graph) {
            (Some(h), _) => hamiltonian(h),
            (None, Some(graph)) => Hamiltonian::from(&*graph.graph),
            (None, None) => return Err(Error::new("operator-not-valid", "H is needed")),
        };
        let rows = h.rows();
        let cayley = Cayley::new(h, settings.settings()?)?;
        // The transform as a dense matrix, by far the largest part, which the first step makes.
        let stored = matches!(cayley.solver(), Solver::Direct | Solver::Eigen);
        let elements = if stored { rows * rows } else { 0 };
        let bytes = (elements * size_of::<Complex64>()) as i64;
        let graph = graph.map(|graph| Arc::clone(&graph.graph));
        Ok(NativeCayley { cayley: Arc::new(Mutex::new(cayley)), graph, bytes })
    };
    announced(env, build(), |made| made.bytes)
}

/// Everything since the propagator was made, as a run of steps.
#[napi(ts_return_type = "Float64Array<ArrayBuffer>", catch_unwind)]
pub fn cayley_statistics<'env>(env: &'env Env, cayley: &NativeCayley) -> napi::Result<Float64ArraySlice<'env>> {
    Float64ArraySlice::copy_from(env, values::run(locked(&cayley.cayley).statistics()))
}

/// What steps start from. `columns` is 0 for one state that is no block; `every` 0 for the last state only; `fourth` for
/// Padé steps.
struct Steps {
    psi: Vec<Complex64>,
    columns: f64,
    steps: f64,
    every: f64,
    fourth: bool,
}

impl Steps {
    /// The states and the reports, one a column.
    fn run(self, cayley: &mut Cayley, control: Control<'_>) -> Result<(Vec<Complex64>, Vec<Report>), Error> {
        let most = 9_007_199_254_740_991.0;
        let (steps, every) =
            (integer("steps", self.steps, most)? as usize, integer("every", self.every, most)? as usize);
        let columns = integer("columns", self.columns, f64::from(u32::MAX))? as usize;
        let mut psi = self.psi;
        if columns > 0 {
            if every > 0 {
                return cayley.evolve_many(&psi, columns, steps, every, control);
            }
            let reports = cayley.step_many(&mut psi, columns, steps, control)?;
            return Ok((psi, reports));
        }
        if every > 0 {
            let (states, report) = cayley.evolve(&psi, steps, every, control)?;
            return Ok((states, vec![report]));
        }
        let report =
            if self.fourth { cayley.pade(&mut psi, steps, control)? } else { cayley.step(&mut psi, steps, control)? };
        Ok((psi, vec![report]))
    }
}

/// Reports one behind the other.
fn packed(reports: &[Report]) -> Vec<f64> {
    reports.iter().flat_map(values::run).collect()
}

/// Steps on the calling thread: the reports (one, or one a column) and, behind them, the states.
#[napi(ts_return_type = "Float64Array<ArrayBuffer> | NativeFailure", catch_unwind)]
pub fn cayley_steps_sync<'env>(
    env: &'env Env,
    cayley: &NativeCayley,
    psi: &[f64],
    columns: f64,
    steps: f64,
    every: f64,
    fourth: bool,
) -> napi::Result<Packed<'env>> {
    let given = Steps { psi: Complex64::from_reals(psi), columns, steps, every, fourth };
    let made = given.run(&mut locked(&cayley.cayley), Control::none()).map(|(states, reports)| {
        let mut numbers = packed(&reports);
        numbers.extend_from_slice(Complex64::reals(&states));
        numbers
    });
    either(env, made)
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeStates>>", catch_unwind)]
pub fn cayley_steps<'env>(
    env: &'env Env,
    cayley: &NativeCayley,
    psi: &[f64],
    columns: f64,
    steps: f64,
    every: f64,
    fourth: bool,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let given = Steps { psi: Complex64::from_reals(psi), columns, steps, every, fourth };
    let cayley = Arc::clone(&cayley.cayley);
    away(env, token, progress, move |control| {
        let (states, reports) = given.run(&mut locked(&cayley), control)?;
        Ok(Box::new(move |env: &Env, to: &mut Object<'_>| {
            set_vector(env, to, "report", &packed(&reports))?;
            set_vector(env, to, "states", &states)
        }))
    })
}

fn gradient(cayley: &NativeCayley, psi: &[f64], cotangent: &[f64], steps: f64, keep: bool) -> Work {
    let (held, graph) = (Arc::clone(&cayley.cayley), cayley.graph.clone());
    let (psi, cotangent) = (Complex64::from_reals(psi), Complex64::from_reals(cotangent));
    Box::new(move |control| {
        let steps = integer("steps", steps, f64::from(u32::MAX))? as usize;
        let mut cayley = locked(&held);
        if cotangent.len() != psi.len() {
            return Err(Error::new("shape-mismatch", "the cotangent has another length than psi"));
        }
        let write = |_: &[Complex64], bar: &mut [Complex64]| bar.copy_from_slice(&cotangent);
        // λ and y of each step, the last one first, where JavaScript computes gradients of its own.
        let mut pairs: Vec<Complex64> = Vec::new();
        let visit = |_: Complex64, lambda: &[Complex64], y: &[Complex64]| {
            if keep {
                pairs.extend_from_slice(lambda);
                pairs.extend_from_slice(y);
            }
        };
        let Cotangents { psi_plus, psi, dt, edges, lambda, forward, adjoint } =
            cayley.vjp(&psi, steps, write, graph.as_deref(), visit, control)?;
        Ok(Box::new(move |env: &Env, to: &mut Object<'_>| {
            set_vector(env, to, "psiPlus", &psi_plus)?;
            set_vector(env, to, "psi", &psi)?;
            to.set("dt", dt)?;
            if let Some(edges) = &edges {
                set_vector(env, to, "weights", &edges.weights)?;
                if let Some(flux) = &edges.flux {
                    set_vector(env, to, "fluxes", flux)?;
                }
            }
            set_vector(env, to, "lambda", &lambda)?;
            if keep {
                set_vector(env, to, "pairs", &pairs)?;
            }
            for (name, report) in [("forward", &forward), ("adjoint", &adjoint)] {
                set_vector(env, to, name, &values::run(report))?;
            }
            Ok(())
        }))
    })
}

/// The gradient of a loss through steps, on the calling thread.
#[napi(ts_return_type = "NativeOutcome<NativeCotangents>", catch_unwind)]
pub fn cayley_vjp_sync<'env>(
    env: &'env Env,
    cayley: &NativeCayley,
    psi: &[f64],
    cotangent: &[f64],
    steps: f64,
    keep: bool,
) -> napi::Result<Object<'env>> {
    here(env, gradient(cayley, psi, cotangent, steps, keep))
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeCotangents>>", catch_unwind)]
pub fn cayley_vjp<'env>(
    env: &'env Env,
    cayley: &NativeCayley,
    psi: &[f64],
    cotangent: &[f64],
    steps: f64,
    keep: bool,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    away(env, token, progress, gradient(cayley, psi, cotangent, steps, keep))
}

fn series(h: &NativeOperator, psi: &[f64], t: f64, tolerance: f64, bounds: Option<&[f64]>) -> Work {
    let (h, psi) = (hamiltonian(h), Complex64::from_reals(psi));
    let bounds = bounds.and_then(|ends| Some((*ends.first()?, *ends.get(1)?)));
    Box::new(move |control| {
        let out = chebyshev(&h, &psi, t, tolerance, bounds, control)?;
        Ok(Box::new(move |env: &Env, to: &mut Object<'_>| {
            let ChebyshevOutcome { psi, reason, terms, truncation, rounding, norm_defect, bounds } = out;
            set_vector(env, to, "psi", &psi)?;
            to.set("converged", reason.converged())?;
            to.set("reason", reason.as_str())?;
            to.set("terms", terms as f64)?;
            to.set("truncation", truncation)?;
            to.set("rounding", rounding)?;
            to.set("normDefect", norm_defect)?;
            to.set("min", bounds.0)?;
            to.set("max", bounds.1)
        }))
    })
}

/// exp(−iHt)ψ by a Chebyshev series, on the calling thread. `bounds` are the two ends of an interval.
#[napi(ts_return_type = "NativeOutcome<NativeSeries>", catch_unwind)]
pub fn chebyshev_sync<'env>(
    env: &'env Env,
    h: &NativeOperator,
    psi: &[f64],
    t: f64,
    tolerance: f64,
    bounds: Option<&[f64]>,
) -> napi::Result<Object<'env>> {
    here(env, series(h, psi, t, tolerance, bounds))
}

/// The same as a job.
#[napi(js_name = "chebyshev", ts_return_type = "Promise<NativeOutcome<NativeSeries>>", catch_unwind)]
pub fn chebyshev_job<'env>(
    env: &'env Env,
    h: &NativeOperator,
    psi: &[f64],
    t: f64,
    tolerance: f64,
    bounds: Option<&[f64]>,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    away(env, token, progress, series(h, psi, t, tolerance, bounds))
}

fn heating(h: &NativeOperator, u: &[f64], step: f64, steps: f64, rtol: f64) -> Work {
    fn of<T: Number>(held: &Held<T>, u: &[f64], step: f64, steps: f64, rtol: f64) -> Work {
        let (operator, mut u) = (Arc::clone(&held.operator), T::from_reals(u));
        Box::new(move |control| {
            let steps = integer("steps", steps, 9_007_199_254_740_991.0)? as usize;
            let ImaginaryReport { steps, reason, residuals, matvecs } =
                imaginary_time(&*operator, &mut u, step, steps, rtol, control)?;
            Ok(Box::new(move |env: &Env, to: &mut Object<'_>| {
                set_vector(env, to, "states", &u)?;
                let report = values::heat(steps, reason, matvecs, &residuals);
                set_vector(env, to, "report", &report)
            }))
        })
    }
    match &h.operand {
        Operand::Real(held) => of(held, u, step, steps, rtol),
        Operand::Complex(held) => of(held, u, step, steps, rtol),
    }
}

/// Steps of (I + aH)u⁺ = u, on the calling thread.
#[napi(ts_return_type = "NativeOutcome<NativeStates>", catch_unwind)]
pub fn heat_sync<'env>(
    env: &'env Env,
    h: &NativeOperator,
    u: &[f64],
    step: f64,
    steps: f64,
    rtol: f64,
) -> napi::Result<Object<'env>> {
    here(env, heating(h, u, step, steps, rtol))
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeStates>>", catch_unwind)]
pub fn heat<'env>(
    env: &'env Env,
    h: &NativeOperator,
    u: &[f64],
    step: f64,
    steps: f64,
    rtol: f64,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    away(env, token, progress, heating(h, u, step, steps, rtol))
}

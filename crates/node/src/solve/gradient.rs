//! Gradients through solves.

use std::sync::Arc;

use headwater_base::{Control, Error};
use headwater_solve::operator::Shifted;
use headwater_solve::{
    Complex64, Csr, Direct, GradientSettings, Method, Operator, Preconditioner, Scalar, Structure, Vjp, direct_jvp,
    direct_vjp, jvp, least_squares_jvp, least_squares_vjp, vjp,
};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use super::call::announce_factors;
use super::cayley::{Properties, away, here, set_vector};
use super::mixed;
use super::number::Number;
use super::operator::{Held, NativeOperator, Operand};
use super::preconditioner::NativePreconditioner;
use super::settings::{Given, Run};
use super::values::{self, Solved};
use crate::cancel::CancelToken;
use crate::values::optional;

/// What a gradient holds besides x and its solves.
struct Parts {
    x: Vec<f64>,
    rhs: Vec<f64>,
    matrix: Option<Vec<f64>>,
    sigma: Option<f64>,
    a: Option<f64>,
    damp: Option<f64>,
    forward: Solved,
    adjoint: Solved,
}

type Work = Box<dyn FnOnce(Control<'_>) -> Result<Properties, Error> + Send>;

fn properties(parts: Parts) -> Properties {
    Box::new(move |env: &Env, to: &mut Object<'_>| {
        set_vector(env, to, "x", &parts.x)?;
        set_vector(env, to, "rhs", &parts.rhs)?;
        if let Some(matrix) = &parts.matrix {
            set_vector(env, to, "matrix", matrix)?;
        }
        optional(to, "sigma", parts.sigma)?;
        optional(to, "a", parts.a)?;
        optional(to, "damp", parts.damp)?;
        set_vector(env, to, "forward", &values::packed(std::slice::from_ref(&parts.forward)))?;
        set_vector(env, to, "adjoint", &values::packed(std::slice::from_ref(&parts.adjoint)))
    })
}

fn flat<T: Scalar>(x: &[T]) -> Vec<f64> {
    T::reals(x).to_vec()
}

/// The pattern of the elements: of a sparse matrix its own, of a dense one all.
fn pattern<T: Number>(held: &Held<T>) -> Option<Arc<Csr<T>>> {
    if let Some(csr) = &held.csr {
        return Some(Arc::clone(csr));
    }
    let dense = held.elements().ok()?;
    let (rows, cols) = (dense.rows(), dense.cols());
    let pointers = (0..=rows).map(|i| (i * cols) as u32).collect();
    let columns = (0..rows).flat_map(|_| 0..cols as u32).collect();
    Csr::from_arrays(rows, cols, pointers, columns, dense.data().to_vec()).ok().map(Arc::new)
}

fn structure(name: &str) -> Result<Structure, Error> {
    Ok(match name {
        "general" => Structure::General,
        "hermitian" => Structure::Hermitian,
        "symmetric" => Structure::Symmetric,
        other => return Err(Error::new("option-not-valid", format!("there is no structure {other:?}"))),
    })
}

fn preconditioner<T: Number>(
    given: Option<&NativePreconditioner>,
) -> Result<Option<Arc<dyn Preconditioner<T>>>, Error> {
    match given.map(|given| T::factor(&given.inverse)) {
        None => Ok(None),
        Some(Some(factor)) => Ok(Some(Arc::clone(&factor.preconditioner))),
        Some(None) => mixed(),
    }
}

/// Everything that a gradient is about, as given.
struct Task<'a> {
    operator: &'a NativeOperator,
    preconditioner: Option<&'a NativePreconditioner>,
    b: &'a [f64],
    settings: &'a Given<'a>,
    adjoint: &'a Given<'a>,
    allow_inexact: bool,
}

/// The factors, or the reason why there is no derivative.
fn factors<T: Number>(held: &Held<T>, control: Control<'_>) -> Result<Arc<Direct<T>>, Error> {
    let aborted = || Error::new("unconverged-gradient", "the factorisation was aborted: there is no derivative");
    held.direct(control)?.ok_or_else(aborted)
}

fn backwards(task: &Task<'_>, cotangent: &[f64], form: &str) -> Result<Work, Error> {
    let form = structure(form)?;
    if let (Run::Krylov(Method::ShiftedHermitian { sigma, a }), Operand::Real(h)) =
        (task.settings.run()?, &task.operator.operand)
    {
        // H is real: its elements change by real numbers.
        let pattern = pattern(h).map(|csr| {
            let values = csr.values().iter().map(|&v| Complex64::new(v, 0.0)).collect();
            Csr::from_arrays(csr.rows(), csr.cols(), csr.pointers().to_vec(), csr.columns().to_vec(), values)
        });
        let method = Method::ShiftedHermitian { sigma, a };
        let held = task.operator.on_complex();
        return shifted(task, &held, cotangent, (method, a), pattern.transpose()?.map(Arc::new), true, form);
    }
    if let (Run::Krylov(Method::ShiftedHermitian { sigma, a }), Operand::Complex(h)) =
        (task.settings.run()?, &task.operator.operand)
    {
        let method = Method::ShiftedHermitian { sigma, a };
        return shifted(task, h, cotangent, (method, a), pattern(h), false, form);
    }
    match &task.operator.operand {
        Operand::Real(held) => general(task, held, cotangent, form),
        Operand::Complex(held) => general(task, held, cotangent, form),
    }
}

fn shifted(
    task: &Task<'_>,
    held: &Held<Complex64>,
    cotangent: &[f64],
    (method, a): (Method, f64),
    pattern: Option<Arc<Csr<Complex64>>>,
    real: bool,
    form: Structure,
) -> Result<Work, Error> {
    let h = Arc::clone(&held.operator);
    let (b, bar) = (Complex64::from_reals(task.b), Complex64::from_reals(cotangent));
    let settings = task.settings.settings::<Complex64>()?;
    let back = GradientSettings { solve: task.adjoint.settings()?, allow_inexact: task.allow_inexact };
    Ok(Box::new(move |control| {
        let forward = headwater_solve::solve(method, &*h, None, &b, &settings, control)?;
        let out = vjp(method, &*h, None, &forward, &bar, &back, control)?;
        // A = σI + iaH: H̄ = −ia Ā, which is Ā of −iaλ.
        let matrix = pattern.map(|pattern| {
            let turn = Complex64::new(0.0, -a);
            let lambda = out.lambda.iter().map(|v| v * turn).collect();
            let turned = Vjp { x: out.x.clone(), lambda, adjoint: out.adjoint.clone() };
            let values = turned.matrix(&pattern, form)?;
            Ok::<_, Error>(if real { values.iter().map(|v| v.re).collect() } else { flat(&values) })
        });
        Ok(properties(Parts {
            x: flat(&out.x),
            rhs: flat(&out.lambda),
            matrix: matrix.transpose()?,
            sigma: Some(out.shift()),
            a: Some(out.step(&*h)?),
            damp: None,
            forward: Complex64::solved(forward),
            adjoint: Complex64::solved(out.adjoint),
        }))
    }))
}

fn general<T: Number>(task: &Task<'_>, held: &Held<T>, cotangent: &[f64], form: Structure) -> Result<Work, Error> {
    let (b, bar) = (T::from_reals(task.b), T::from_reals(cotangent));
    let settings = task.settings.settings::<T>()?;
    let back = GradientSettings { solve: task.adjoint.settings::<T>()?, allow_inexact: task.allow_inexact };
    let inverse = preconditioner::<T>(task.preconditioner)?;
    let run = task.settings.run()?;
    let held = held.clone();
    Ok(Box::new(move |control| {
        let (operator, pattern) = (&*held.operator, pattern(&held));
        let inverse = inverse.as_deref().map(|inverse| inverse as &dyn Preconditioner<T>);
        let method = match run {
            Run::Krylov(method) => method,
            Run::Direct => {
                let direct = factors(&held, control)?;
                let forward = direct.solve(&b, &settings)?;
                let out = direct_vjp(&direct, &forward, &bar, &back)?;
                return finish(out, pattern, form, T::solved(forward));
            }
        };
        let forward = headwater_solve::solve(method, operator, inverse, &b, &settings, control)?;
        if method == Method::Lsqr || operator.rows() != operator.cols() {
            let back = GradientSettings {
                solve: headwater_solve::Settings { damp: settings.damp, ..back.solve },
                allow_inexact: back.allow_inexact,
            };
            let out = least_squares_vjp(operator, &b, &forward, &bar, &back, control)?;
            let matrix = pattern.map(|pattern| out.matrix(&pattern)).transpose()?;
            let [_, adjoint] = out.solves;
            return Ok(properties(Parts {
                x: flat(&out.x),
                rhs: flat(&out.rhs),
                matrix: matrix.as_deref().map(flat),
                sigma: None,
                a: None,
                damp: Some(out.damp),
                forward: T::solved(forward),
                adjoint: T::solved(adjoint),
            }));
        }
        let out = vjp(method, operator, inverse, &forward, &bar, &back, control)?;
        finish(out, pattern, form, T::solved(forward))
    }))
}

fn finish<T: Number>(
    out: Vjp<T>,
    pattern: Option<Arc<Csr<T>>>,
    form: Structure,
    forward: Solved,
) -> Result<Properties, Error> {
    let matrix = pattern.map(|pattern| out.matrix(&pattern, form)).transpose()?;
    Ok(properties(Parts {
        x: flat(&out.x),
        rhs: flat(&out.lambda),
        matrix: matrix.as_deref().map(flat),
        sigma: None,
        a: None,
        damp: None,
        forward,
        adjoint: T::solved(out.adjoint),
    }))
}

/// The gradient through a solve, on the calling thread. `matrix` is by rows, columns ascending.
#[napi(ts_return_type = "NativeOutcome<NativeGradient>", catch_unwind)]
pub fn solve_vjp_sync<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    cotangent: &[f64],
    structure: String,
    settings: &[f64],
    adjoint: &[f64],
    allow_inexact: bool,
) -> napi::Result<Object<'env>> {
    announce_factors(env, operator, settings)?;
    here(env, |control| {
        let (settings, adjoint) = (Given::new(settings)?, Given::new(adjoint)?);
        let task = Task { operator, preconditioner, b, settings: &settings, adjoint: &adjoint, allow_inexact };
        backwards(&task, cotangent, &structure)?(control)
    })
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeGradient>>", catch_unwind)]
pub fn solve_vjp<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    cotangent: &[f64],
    structure: String,
    settings: &[f64],
    adjoint: &[f64],
    allow_inexact: bool,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    announce_factors(env, operator, settings)?;
    let given = Given::new(settings).and_then(|settings| Ok((settings, Given::new(adjoint)?)));
    let work = given.and_then(|(settings, adjoint)| {
        let task = Task { operator, preconditioner, b, settings: &settings, adjoint: &adjoint, allow_inexact };
        backwards(&task, cotangent, &structure)
    });
    away(env, token, None, move |control| work?(control))
}

fn forwards(task: &Task<'_>, tangent: Option<&NativeOperator>, db: Option<&[f64]>) -> Result<Work, Error> {
    let run = task.settings.run()?;
    if let Run::Krylov(Method::ShiftedHermitian { a, .. }) = run {
        let da = tangent.map(|tangent| {
            let factor = Complex64::new(0.0, a);
            let zero = Complex64::new(0.0, 0.0);
            let turned = Shifted { operator: Borrowed(tangent.on_complex().operator), shift: zero, factor };
            Arc::new(turned) as Arc<dyn Operator<Complex64>>
        });
        return along::<Complex64>(task, &task.operator.on_complex(), run, da, db);
    }
    fn same<T: Number>(tangent: Option<&NativeOperator>) -> Result<Option<Arc<dyn Operator<T>>>, Error> {
        match tangent.map(|tangent| T::operator(&tangent.operand)) {
            None => Ok(None),
            Some(Some(held)) => Ok(Some(Arc::clone(&held.operator))),
            Some(None) => mixed(),
        }
    }
    match &task.operator.operand {
        Operand::Real(held) => along(task, held, run, same(tangent)?, db),
        Operand::Complex(held) => along(task, held, run, same(tangent)?, db),
    }
}

/// A shared operator as an operator of its own.
struct Borrowed(Arc<dyn Operator<Complex64>>);

impl Operator<Complex64> for Borrowed {
    fn rows(&self) -> usize {
        self.0.rows()
    }
    fn cols(&self) -> usize {
        self.0.cols()
    }
    fn apply(&self, x: &[Complex64], y: &mut [Complex64]) {
        self.0.apply(x, y);
    }
}

fn along<T: Number>(
    task: &Task<'_>,
    held: &Held<T>,
    run: Run,
    da: Option<Arc<dyn Operator<T>>>,
    db: Option<&[f64]>,
) -> Result<Work, Error> {
    let (b, db) = (T::from_reals(task.b), db.map(T::from_reals));
    let settings = task.settings.settings::<T>()?;
    let tangent = GradientSettings { solve: task.adjoint.settings::<T>()?, allow_inexact: task.allow_inexact };
    let inverse = preconditioner::<T>(task.preconditioner)?;
    let held = held.clone();
    Ok(Box::new(move |control| {
        let (operator, db, da) = (&*held.operator, db.as_deref(), da.as_deref());
        let inverse = inverse.as_deref().map(|inverse| inverse as &dyn Preconditioner<T>);
        let (forward, dx, out) = match run {
            Run::Direct => {
                let direct = factors(&held, control)?;
                let forward = direct.solve(&b, &settings)?;
                let out = direct_jvp(&direct, &forward, db, da, &tangent)?;
                (forward, out.x.clone(), out)
            }
            Run::Krylov(method) => {
                let forward = headwater_solve::solve(method, operator, inverse, &b, &settings, control)?;
                if method == Method::Lsqr || operator.rows() != operator.cols() {
                    let solve = headwater_solve::Settings { damp: settings.damp, ..tangent.solve };
                    let tangent = GradientSettings { solve, ..tangent };
                    let (dx, out) = least_squares_jvp(operator, &b, &forward, db, da, &tangent, control)?;
                    (forward, dx, out)
                } else {
                    let out = jvp(method, operator, inverse, &forward, db, da, &tangent, control)?;
                    (forward, out.x.clone(), out)
                }
            }
        };
        let (x, dx) = (flat(&forward.x), flat(&dx));
        let (forward, out) = (T::solved(forward), T::solved(out));
        Ok(Box::new(move |env: &Env, to: &mut Object<'_>| {
            set_vector(env, to, "x", &x)?;
            set_vector(env, to, "dx", &dx)?;
            set_vector(env, to, "forward", &values::packed(std::slice::from_ref(&forward)))?;
            set_vector(env, to, "tangent", &values::packed(std::slice::from_ref(&out)))
        }))
    }))
}

/// ẋ = A⁻¹(ḃ − Ȧx), on the calling thread.
#[napi(ts_return_type = "NativeOutcome<NativeTangent>", catch_unwind)]
pub fn solve_jvp_sync<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    da: Option<&NativeOperator>,
    db: Option<&[f64]>,
    settings: &[f64],
    tangent: &[f64],
    allow_inexact: bool,
) -> napi::Result<Object<'env>> {
    announce_factors(env, operator, settings)?;
    here(env, |control| {
        let (settings, tangent) = (Given::new(settings)?, Given::new(tangent)?);
        let task = Task { operator, preconditioner, b, settings: &settings, adjoint: &tangent, allow_inexact };
        forwards(&task, da, db)?(control)
    })
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeTangent>>", catch_unwind)]
pub fn solve_jvp<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    da: Option<&NativeOperator>,
    db: Option<&[f64]>,
    settings: &[f64],
    tangent: &[f64],
    allow_inexact: bool,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    announce_factors(env, operator, settings)?;
    let given = Given::new(settings).and_then(|settings| Ok((settings, Given::new(tangent)?)));
    let work = given.and_then(|(settings, tangent)| {
        let task = Task { operator, preconditioner, b, settings: &settings, adjoint: &tangent, allow_inexact };
        forwards(&task, da, db)
    });
    away(env, token, None, move |control| work?(control))
}

//! Solves with native operators, on the calling thread or as a job.

use std::sync::Arc;

use headwater_base::{Control, Error};
use headwater_solve::{Complex64, Csr, Direct, Method, Operator, Preconditioner};
use napi::Env;
use napi::bindgen_prelude::{Either, Float64ArraySlice, Object};
use napi_derive::napi;

use super::number::Number;
use super::operator::{Held, NativeOperator};
use super::preconditioner::NativePreconditioner;
use super::settings::{Given, Run};
use super::values::Solved;
use super::{mixed, values};
use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::outcome::{Outcome, failure};

/// Stored elements below which threads cost more than they bring.
const SMALL: usize = 1 << 18;

/// A solve that is ready to run anywhere.
type Work = Box<dyn FnOnce(Control<'_>) -> Result<Vec<Solved>, Error> + Send>;

struct Prepared {
    threads: usize,
    work: Work,
}

/// Copies what the solve needs. `columns` is the number of right-hand sides, 0 for one that is not a matrix. `here`: on the
/// calling thread, which is not one of a pool.
fn prepare(
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    columns: usize,
    settings: &Given<'_>,
    here: bool,
) -> Result<Prepared, Error> {
    let shifted = matches!(settings.run()?, Run::Krylov(Method::ShiftedHermitian { .. }));
    let complex = operator.is_complex() || shifted;
    if complex {
        prepare_as::<Complex64>(&operator.on_complex(), preconditioner, b, columns, settings, here)
    } else {
        let Some(held) = f64::operator(&operator.operand) else { return mixed() };
        prepare_as::<f64>(held, preconditioner, b, columns, settings, here)
    }
}

fn prepare_as<T: Number>(
    held: &Held<T>,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    columns: usize,
    settings: &Given<'_>,
    here: bool,
) -> Result<Prepared, Error>
where
    Csr<T>: Operator<T>,
{
    let run = settings.run()?;
    let small = held.csr.as_ref().is_none_or(|csr| csr.nnz() < SMALL);
    let threads = if here || (small && !settings.names_threads()) { 1 } else { settings.threads()? };
    let b = T::from_reals(b);
    let chosen = settings.settings::<T>()?;
    let method = match run {
        Run::Krylov(method) => method,
        Run::Direct => {
            let held = held.clone();
            let work = move |control: Control<'_>| {
                let (direct, k) = (held.direct(control)?, columns.max(1));
                let column = |c: usize| b.iter().skip(c).step_by(k).copied().collect::<Vec<T>>();
                (0..if columns == 0 { 1 } else { columns })
                    .map(|c| match &direct {
                        Some(direct) => direct.solve(&column(c), &chosen).map(T::solved),
                        None => Ok(T::solved(Direct::cancelled(&column(c), &chosen))),
                    })
                    .collect()
            };
            return Ok(Prepared { threads: 1, work: Box::new(work) });
        }
    };
    let factor = match preconditioner {
        None => None,
        Some(given) => match T::factor(&given.inverse) {
            Some(factor) => Some(Arc::clone(&factor.preconditioner)),
            None => return mixed(),
        },
    };
    let operator = held.on_threads(threads);
    let work = move |control: Control<'_>| {
        let factor = factor.as_deref().map(|factor| factor as &dyn Preconditioner<T>);
        if columns == 0 {
            let outcome = headwater_solve::solve(method, &*operator, factor, &b, &chosen, control)?;
            return Ok(vec![T::solved(outcome)]);
        }
        let outcomes = headwater_solve::solve_many(method, &*operator, factor, columns, &b, &chosen, control)?;
        Ok(outcomes.into_iter().map(T::solved).collect())
    };
    Ok(Prepared { threads, work: Box::new(work) })
}

/// Solves on the calling thread. `columns` is 0 for one right-hand side, else b is a matrix with so many columns. Gives
/// the outcomes in one array, see `values.rs`.
#[napi(ts_return_type = "Float64Array<ArrayBuffer> | NativeFailure", catch_unwind)]
pub fn solve_sync<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    columns: u32,
    settings: &[f64],
) -> napi::Result<Packed<'env>> {
    announce_factors(env, operator, settings)?;
    let solved = Given::new(settings)
        .and_then(|given| prepare(operator, preconditioner, b, columns as usize, &given, true))
        .and_then(|prepared| (prepared.work)(Control::none()));
    results(env, solved)
}

/// Tells the garbage collector of factors, where the settings are those of a direct solve.
pub(super) fn announce_factors(env: &Env, operator: &NativeOperator, settings: &[f64]) -> napi::Result<()> {
    match Given::new(settings).and_then(|given| given.run()) {
        Ok(Run::Direct) => operator.announce_factors(env),
        _ => Ok(()),
    }
}

/// An array of numbers, or a failure.
pub(super) type Packed<'env> = Either<Float64ArraySlice<'env>, Object<'env>>;

/// The array, or `{ ok: false, … }`.
pub(super) fn either<'env>(env: &'env Env, numbers: Result<Vec<f64>, Error>) -> napi::Result<Packed<'env>> {
    Ok(match numbers {
        Ok(numbers) => Either::A(Float64ArraySlice::copy_from(env, &numbers)?),
        Err(error) => {
            let mut object = Object::new(env)?;
            object.set("ok", false)?;
            failure(&mut object, error)?;
            Either::B(object)
        }
    })
}

pub(super) fn results<'env>(env: &'env Env, solved: Result<Vec<Solved>, Error>) -> napi::Result<Packed<'env>> {
    either(env, solved.map(|solved| values::packed(&solved)))
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<{ results: Float64Array<ArrayBuffer> }>>", catch_unwind)]
pub fn solve<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    columns: u32,
    settings: &[f64],
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    announce_factors(env, operator, settings)?;
    let prepared =
        Given::new(settings).and_then(|given| prepare(operator, preconditioner, b, columns as usize, &given, false));
    let threads = prepared.as_ref().map_or(1, |prepared| prepared.threads);
    job::spawn(env, token, progress, threads, move |control| (prepared?.work)(control).map(Outcome::Solved))
}

fn series(operator: &NativeOperator, b: &[f64], terms: u32, rtol: f64) -> Work {
    fn of<T: Number>(held: &Held<T>, b: &[f64], terms: u32, rtol: f64) -> Work {
        let (operator, b) = (Arc::clone(&held.operator), T::from_reals(b));
        Box::new(move |control| {
            let began = std::time::Instant::now();
            let outcome = headwater_solve::neumann(&*operator, &b, terms as usize, rtol, control)?;
            Ok(vec![Solved { seconds: began.elapsed().as_secs_f64(), ..T::solved(outcome) }])
        })
    }
    match &operator.operand {
        super::operator::Operand::Real(held) => of(held, b, terms, rtol),
        super::operator::Operand::Complex(held) => of(held, b, terms, rtol),
    }
}

/// The truncated Neumann series, on the calling thread.
#[napi(ts_return_type = "Float64Array<ArrayBuffer> | NativeFailure", catch_unwind)]
pub fn neumann_sync<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    b: &[f64],
    terms: u32,
    rtol: f64,
) -> napi::Result<Packed<'env>> {
    results(env, series(operator, b, terms, rtol)(Control::none()))
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<{ results: Float64Array<ArrayBuffer> }>>", catch_unwind)]
pub fn neumann<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    b: &[f64],
    terms: u32,
    rtol: f64,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    let work = series(operator, b, terms, rtol);
    job::spawn(env, token, None, 1, move |control| work(control).map(Outcome::Solved))
}

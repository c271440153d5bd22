//! Solves with native operators, on the calling thread or as a job.

use std::sync::Arc;

use headwater_base::{Control, Error};
use headwater_solve::{Complex64, Csr, Operator, Preconditioner};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use super::number::Number;
use super::operator::{Held, NativeOperator};
use super::preconditioner::NativePreconditioner;
use super::settings::{NativeSolveSettings, Run};
use super::values::Solved;
use super::{mixed, values};
use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::outcome::{Outcome, failure};
use crate::values::list;

/// Stored elements below which threads cost more than they bring.
const SMALL: usize = 1 << 18;

/// A solve that is ready to run anywhere.
type Work = Box<dyn FnOnce(Control<'_>) -> Result<Vec<Solved>, Error> + Send>;

struct Prepared {
    threads: usize,
    work: Work,
}

/// Copies what the solve needs. `columns` is the number of right-hand sides, 0 for one that is not a matrix.
fn prepare(
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    columns: usize,
    settings: &NativeSolveSettings,
) -> Result<Prepared, Error> {
    let complex = operator.is_complex() || settings.method == "shiftedHermitian";
    if complex {
        prepare_as::<Complex64>(&operator.on_complex(), preconditioner, b, columns, settings)
    } else {
        let Some(held) = f64::operator(&operator.operand) else { return mixed() };
        prepare_as::<f64>(held, preconditioner, b, columns, settings)
    }
}

fn prepare_as<T: Number>(
    held: &Held<T>,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    columns: usize,
    settings: &NativeSolveSettings,
) -> Result<Prepared, Error>
where
    Csr<T>: Operator<T>,
{
    let run = settings.run()?;
    let small = held.csr.as_ref().is_none_or(|csr| csr.nnz() < SMALL);
    let threads = if small && settings.threads.is_none() { 1 } else { settings.threads()? };
    let b = T::from_reals(b);
    let chosen = settings.settings::<T>()?;
    let method = match run {
        Run::Krylov(method) => method,
        Run::Direct => {
            let held = held.clone();
            let work = move |_: Control<'_>| {
                let (direct, k) = (held.direct()?, columns.max(1));
                let column = |c: usize| b.iter().skip(c).step_by(k).copied().collect::<Vec<T>>();
                (0..if columns == 0 { 1 } else { columns })
                    .map(|c| direct.solve(&column(c), &chosen).map(T::solved))
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

/// Solves on the calling thread. `columns` is 0 for one right-hand side, else b is a matrix with so many columns.
#[napi(ts_return_type = "NativeOutcome<{ results: NativeSolveResult[] }>", catch_unwind)]
pub fn solve_sync<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    columns: u32,
    mut settings: NativeSolveSettings,
) -> napi::Result<Object<'env>> {
    // The calling thread is not one of a pool.
    settings.threads = Some(1.0);
    let solved = prepare(operator, preconditioner, b, columns as usize, &settings)
        .and_then(|prepared| (prepared.work)(Control::none()));
    results(env, solved)
}

pub(super) fn results<'env>(env: &'env Env, solved: Result<Vec<Solved>, Error>) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    object.set("ok", solved.is_ok())?;
    match solved {
        Ok(solved) => object.set("results", list(env, &solved, values::outcome)?)?,
        Err(error) => failure(&mut object, error)?,
    }
    Ok(object)
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<{ results: NativeSolveResult[] }>>", catch_unwind)]
pub fn solve<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    preconditioner: Option<&NativePreconditioner>,
    b: &[f64],
    columns: u32,
    settings: NativeSolveSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let prepared = prepare(operator, preconditioner, b, columns as usize, &settings);
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
#[napi(ts_return_type = "NativeOutcome<{ results: NativeSolveResult[] }>", catch_unwind)]
pub fn neumann_sync<'env>(
    env: &'env Env,
    operator: &NativeOperator,
    b: &[f64],
    terms: u32,
    rtol: f64,
) -> napi::Result<Object<'env>> {
    results(env, series(operator, b, terms, rtol)(Control::none()))
}

/// The same as a job.
#[napi(ts_return_type = "Promise<NativeOutcome<{ results: NativeSolveResult[] }>>", catch_unwind)]
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

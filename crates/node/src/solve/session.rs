//! Solves with JavaScript functions, by reverse communication: `resume` writes what is asked for into a work array of
//! the caller and reads the answer to the last request from another. No JavaScript is called from here.

use std::sync::Arc;

use headwater_base::{Control, Error};
use headwater_solve::{Complex64, Operator, Parts, Preconditioner, Reason, RequestKind, Session, Supply};
use napi::Env;
use napi::bindgen_prelude::{External, Float64ArraySlice, Object};
use napi_derive::napi;

use super::call::{Packed, results};
use super::mixed;
use super::number::Number;
use super::operator::NativeOperator;
use super::preconditioner::NativePreconditioner;
use super::settings::{Given, Run};
use super::tagged;
use super::values::Solved;

/// What `resume` returns; the numbers are known to src-ts/solve/session.ts.
const DONE: u32 = 0;
const APPLY: u32 = 1;
const APPLY_ADJOINT: u32 = 2;
const PRECONDITION: u32 = 3;
const ITERATION: u32 = 4;
/// A work array is shorter than it was: its memory has been transferred elsewhere.
const DETACHED: u32 = 5;

/// B of B + δC, where the caller answers for C.
type Base<T> = Option<(Arc<dyn Operator<T>>, f64)>;

/// The part that does not depend on the type of number.
trait Drive: Send {
    fn resume(&mut self, input: &mut [f64], output: &[f64]) -> u32;
    fn halt(&mut self, reason: Reason);
    fn progress(&self) -> (usize, f64);
    fn finish(self: Box<Self>) -> Option<Solved>;
}

struct Driven<T: Number> {
    session: Session<'static, T>,
    base: Base<T>,
    image: Vec<T>,
}

impl<T: Number> Drive for Driven<T> {
    fn resume(&mut self, input: &mut [f64], output: &[f64]) -> u32 {
        let kind = self.session.kind();
        let (asked, answer) = self.session.exchange();
        let place = T::reals_mut(answer);
        let Some(given) = output.get(..place.len()) else { return DETACHED };
        place.copy_from_slice(given);
        if let (Some((base, delta)), Some(RequestKind::Apply)) = (&self.base, kind) {
            // B x + δ(C x), of which C x was given.
            self.image.resize(answer.len(), T::default());
            base.apply(asked, &mut self.image);
            headwater_solve::vector::axpy(*delta, T::reals(answer), T::reals_mut(&mut self.image));
            answer.copy_from_slice(&self.image);
        }
        if !self.session.resume() {
            return DONE;
        }
        let kind = match self.session.kind() {
            Some(RequestKind::Apply) => APPLY,
            Some(RequestKind::ApplyAdjoint) => APPLY_ADJOINT,
            Some(RequestKind::Precondition) => PRECONDITION,
            Some(RequestKind::Iteration) => return ITERATION,
            None => return DONE,
        };
        let (asked, _) = self.session.exchange();
        let asked = T::reals(asked);
        let Some(place) = input.get_mut(..asked.len()) else { return DETACHED };
        place.copy_from_slice(asked);
        kind
    }
    fn halt(&mut self, reason: Reason) {
        self.session.halt(reason);
    }
    fn progress(&self) -> (usize, f64) {
        self.session.progress()
    }
    fn finish(self: Box<Self>) -> Option<Solved> {
        self.session.into_outcome().map(T::solved)
    }
}

/// A solve that asks its caller for products. An external value with functions, not a class: unwrapping an instance of a
/// class costs most of a microsecond a call.
pub struct NativeSession {
    drive: Option<Box<dyn Drive>>,
}

/// Who answers for what; an absent operator or, with `asks_preconditioner`, preconditioner is the caller.
struct Roles<'a> {
    operator: Option<&'a NativeOperator>,
    preconditioner: Option<&'a NativePreconditioner>,
    asks_preconditioner: bool,
    base: Option<(&'a NativeOperator, f64)>,
    size: (usize, usize),
    hermitian: Option<bool>,
}

fn open<T: Number>(
    operator: Option<Arc<dyn Operator<T>>>,
    roles: &Roles<'_>,
    b: &[f64],
    settings: &Given<'_>,
) -> Result<External<NativeSession>, Error> {
    let Run::Krylov(method) = settings.run()? else {
        return Err(Error::new("matrix-needed", "a direct solve needs a matrix"));
    };
    let base = match roles.base {
        None => None,
        Some((base, delta)) => match T::operator(&base.operand) {
            Some(held) => Some((Arc::clone(&held.operator), delta)),
            None => return mixed(),
        },
    };
    let preconditioner: Option<Supply<'static, dyn Preconditioner<T>>> = match roles.preconditioner {
        _ if roles.asks_preconditioner => Some(Supply::Caller),
        None => None,
        Some(given) => match T::factor(&given.inverse) {
            Some(factor) => Some(Supply::Shared(Arc::clone(&factor.preconditioner))),
            None => return mixed(),
        },
    };
    let parts: Parts<'static, T> = Parts {
        rows: roles.size.0,
        cols: roles.size.1,
        operator: operator.map_or(Supply::Caller, Supply::Shared),
        preconditioner,
        hermitian: roles.hermitian,
    };
    let session = Session::new(method, parts, &T::from_reals(b), settings.settings()?, Control::none())?;
    Ok(External::new(NativeSession { drive: Some(Box::new(Driven { session, base, image: Vec::new() })) }))
}

/// Opens a session for the operator or, if absent, one of `rows` × `cols` that the caller answers for.
#[napi(ts_return_type = "NativeOutcome<{ value: ExternalObject<NativeSession> }>", catch_unwind)]
pub fn open_session<'env>(
    env: &'env Env,
    operator: Option<&NativeOperator>,
    rows: u32,
    cols: u32,
    complex: bool,
    hermitian: Option<bool>,
    preconditioner: Option<&NativePreconditioner>,
    asks_preconditioner: bool,
    base: Option<&NativeOperator>,
    delta: Option<f64>,
    b: &[f64],
    settings: &[f64],
) -> napi::Result<Object<'env>> {
    let roles = Roles {
        operator,
        preconditioner,
        asks_preconditioner,
        base: base.map(|base| (base, delta.unwrap_or(1.0))),
        size: (rows as usize, cols as usize),
        hermitian,
    };
    let opened = Given::new(settings).and_then(|settings| {
        if complex {
            let operator = roles.operator.map(|operator| operator.on_complex().operator);
            open::<Complex64>(operator, &roles, b, &settings)
        } else {
            match roles.operator.map(|operator| f64::operator(&operator.operand)) {
                None => open::<f64>(None, &roles, b, &settings),
                Some(Some(held)) => open::<f64>(Some(Arc::clone(&held.operator)), &roles, b, &settings),
                Some(None) => mixed(),
            }
        }
    });
    tagged(env, opened)
}

/// Reads the answer to the last request from `output` and writes the next request into `input`; says what it is.
#[napi(catch_unwind)]
pub fn resume_session(session: &mut External<NativeSession>, mut input: Float64ArraySlice<'_>, output: &[f64]) -> u32 {
    // SAFETY: nothing else runs on this thread meanwhile; session.ts owns both arrays and they are different ones.
    let input = unsafe { input.as_mut() };
    session.drive.as_mut().map_or(DONE, |drive| drive.resume(input, output))
}

/// Ends the solve at the next `resume`, with the last x and reason `aborted` or `userStop`.
#[napi]
pub fn halt_session(session: &mut External<NativeSession>, aborted: bool) {
    if let Some(drive) = session.drive.as_mut() {
        drive.halt(if aborted { Reason::Aborted } else { Reason::UserStop });
    }
}

/// Iterations done so far.
#[napi]
pub fn session_iteration(session: &External<NativeSession>) -> f64 {
    session.drive.as_ref().map_or(0.0, |drive| drive.progress().0 as f64)
}

/// The residual norm of the recurrence.
#[napi]
pub fn session_residual(session: &External<NativeSession>) -> f64 {
    session.drive.as_ref().map_or(0.0, |drive| drive.progress().1)
}

/// The result, once, after `resume_session` has said that it is done.
#[napi(ts_return_type = "Float64Array<ArrayBuffer> | NativeFailure", catch_unwind)]
pub fn finish_session<'env>(env: &'env Env, session: &mut External<NativeSession>) -> napi::Result<Packed<'env>> {
    let solved = session.drive.take().and_then(Drive::finish);
    let missing = || Error::new(crate::outcome::INTERNAL, "the session has no result yet, or has given it already");
    results(env, solved.map(|solved| vec![solved]).ok_or_else(missing))
}

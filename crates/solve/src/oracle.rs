//! Where products with A, Aᴴ and M⁻¹ come from: the coroutine's view.
//!
//! A method is an `async fn` that asks its oracle. A native operator answers at once, so the future is ready on its
//! first poll; a request to the caller is laid into the exchange and the future is pending until it is answered.
//!
//! The oracle also keeps the arithmetic in range: if the first product shows that A (or M⁻¹) scales vectors by more
//! than 2^±200, its results are multiplied by a power of two, which is exact, and the outcome is scaled back.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use headwater_base::Control;

use crate::operator::{Operator, Preconditioner};
use crate::outcome::{Location, Reason};
use crate::scalar::{Scalar, power_of_two_inverse};
use crate::vector;

/// Who answers for an operator or a preconditioner.
#[derive(Debug)]
pub enum Supply<'a, O: ?Sized> {
    /// Borrowed for the time of the solve.
    Borrowed(&'a O),
    /// Shared.
    Shared(Arc<O>),
    /// The caller of a session, request by request.
    Caller,
}

impl<O: ?Sized> Supply<'_, O> {
    pub(crate) fn get(&self) -> Option<&O> {
        match self {
            Self::Borrowed(o) => Some(o),
            Self::Shared(o) => Some(o),
            Self::Caller => None,
        }
    }
}

impl<O: ?Sized> Clone for Supply<'_, O> {
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(o) => Self::Borrowed(o),
            Self::Shared(o) => Self::Shared(Arc::clone(o)),
            Self::Caller => Self::Caller,
        }
    }
}

/// A linear system's size and who answers for its parts.
pub struct Parts<'a, T: Scalar> {
    /// Rows of A.
    pub rows: usize,
    /// Columns of A.
    pub cols: usize,
    /// A.
    pub operator: Supply<'a, dyn Operator<T> + 'a>,
    /// M⁻¹, if any.
    pub preconditioner: Option<Supply<'a, dyn Preconditioner<T> + 'a>>,
    /// Whether A is known to be Hermitian (or not to be) where the caller answers; `None` leaves it to the probe.
    pub hermitian: Option<bool>,
}

impl<T: Scalar> Clone for Parts<'_, T> {
    fn clone(&self) -> Self {
        Self {
            rows: self.rows,
            cols: self.cols,
            operator: self.operator.clone(),
            preconditioner: self.preconditioner.clone(),
            hermitian: self.hermitian,
        }
    }
}

/// What a session asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// output = A · input.
    Apply,
    /// output = Aᴴ · input.
    ApplyAdjoint,
    /// output = M⁻¹ · input.
    Precondition,
    /// An iteration has ended (only with `observe`); nothing to compute, a moment to stop.
    Iteration,
}

/// The place where coroutine and driver meet.
#[derive(Debug)]
pub(crate) struct Exchange<T> {
    pub kind: Option<RequestKind>,
    pub input: Vec<T>,
    pub output: Vec<T>,
    pub answered: bool,
    /// How the caller wants to end.
    pub halt: Option<Reason>,
    pub iteration: usize,
    pub norm: f64,
}

impl<T> Exchange<T> {
    pub fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            kind: None,
            input: Vec::new(),
            output: Vec::new(),
            answered: false,
            halt: None,
            iteration: 0,
            norm: 0.0,
        }))
    }
}

pub(crate) fn lock<T>(exchange: &Mutex<Exchange<T>>) -> MutexGuard<'_, Exchange<T>> {
    exchange.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a pass of a method came to its end.
#[derive(Debug)]
pub(crate) enum End<T> {
    /// The recurrence residual is at the tolerance.
    Apparent,
    /// The normal residual is (least squares).
    ApparentNormal,
    /// The recurrence has left the true residual.
    Drifted,
    /// For good.
    Stop(Stop<T>),
}

/// An end for good.
#[derive(Debug)]
pub(crate) struct Stop<T> {
    pub reason: Reason,
    pub location: Option<Location>,
    pub direction: Option<Vec<T>>,
    pub curvature: Option<f64>,
}

impl<T> From<Reason> for End<T> {
    fn from(reason: Reason) -> Self {
        Self::Stop(Stop { reason, location: None, direction: None, curvature: None })
    }
}

impl<T> From<Location> for End<T> {
    fn from(location: Location) -> Self {
        Self::Stop(Stop { reason: Reason::NonFinite, location: Some(location), direction: None, curvature: None })
    }
}

const EXTREME: f64 = 1.6e60;

pub(crate) struct Oracle<'a, T: Scalar> {
    parts: Parts<'a, T>,
    exchange: Arc<Mutex<Exchange<T>>>,
    control: Control<'a>,
    /// Power of two on A's results; `None` until the first product other than zero.
    operator_scale: Option<f64>,
    preconditioner_scale: Option<f64>,
    /// Ratios below this are left alone; 0 where a shift bounds the operator from below.
    pub smallest_ratio: f64,
    pub matvecs: usize,
    pub preconditions: usize,
}

impl<'a, T: Scalar> Oracle<'a, T> {
    pub fn new(parts: Parts<'a, T>, exchange: Arc<Mutex<Exchange<T>>>, control: Control<'a>) -> Self {
        Self {
            parts,
            exchange,
            control,
            operator_scale: None,
            preconditioner_scale: None,
            smallest_ratio: 1.0 / EXTREME,
            matvecs: 0,
            preconditions: 0,
        }
    }

    pub fn rows(&self) -> usize {
        self.parts.rows
    }
    pub fn cols(&self) -> usize {
        self.parts.cols
    }
    pub fn preconditioned(&self) -> bool {
        self.parts.preconditioner.is_some()
    }
    pub fn control(&self) -> &Control<'a> {
        &self.control
    }
    pub fn hermitian(&self) -> Option<bool> {
        self.parts.hermitian.or_else(|| self.parts.operator.get().and_then(Operator::hermitian))
    }
    /// The factor s of the scaled operator sA.
    pub fn scale(&self) -> f64 {
        self.operator_scale.unwrap_or(1.0)
    }
    /// The factor t of the scaled preconditioner t M⁻¹.
    pub fn preconditioner_scale(&self) -> f64 {
        self.preconditioner_scale.unwrap_or(1.0)
    }

    /// y = (s)A x.
    pub async fn apply(&mut self, x: &[T], y: &mut [T]) -> Result<(), End<T>> {
        self.matvecs += 1;
        if let Some(operator) = self.parts.operator.get() {
            operator.apply(x, y);
        } else {
            self.ask(RequestKind::Apply, x, y).await?;
        }
        Self::rescale(&mut self.operator_scale, self.smallest_ratio, x, y).map_err(|()| Location::Operator.into())
    }

    /// Whether A answers at once.
    pub fn native(&self) -> bool {
        self.parts.operator.get().is_some()
    }

    /// Takes a halt back: the caller is asked for the product of the last residual.
    pub fn resume(&self) {
        lock(&self.exchange).halt = None;
    }

    /// The operator for one product, where it answers at once and unscaled.
    pub fn plain(&mut self) -> Option<&dyn Operator<T>> {
        if self.operator_scale != Some(1.0) {
            return None;
        }
        let operator = self.parts.operator.get()?;
        self.matvecs += 1;
        Some(operator)
    }

    /// y = (s)A x and (Re⟨x, y⟩, ‖x‖², ‖y‖²).
    pub async fn apply_dot(&mut self, x: &[T], y: &mut [T]) -> Result<[f64; 3], End<T>> {
        if let Some(operator) = self.parts.operator.get()
            && self.operator_scale == Some(1.0)
        {
            self.matvecs += 1;
            return Ok(operator.apply_dot(x, y));
        }
        self.apply(x, y).await?;
        Ok(vector::dot_and_norms(T::reals(x), T::reals(y)))
    }

    /// z = (t)M⁻¹ r and (Re⟨r, z⟩, ‖r‖², ‖z‖²).
    pub async fn precondition_dot(&mut self, r: &[T], z: &mut [T]) -> Result<[f64; 3], End<T>> {
        if let Some(preconditioner) = self.parts.preconditioner.as_ref().and_then(Supply::get)
            && self.preconditioner_scale == Some(1.0)
        {
            self.preconditions += 1;
            return Ok(preconditioner.apply_dot(r, z));
        }
        self.precondition(r, z).await?;
        Ok(vector::dot_and_norms(T::reals(r), T::reals(z)))
    }

    /// The diagonal of M⁻¹ where that is all there is of it and needs no scale.
    fn diagonal_of(&self) -> Option<&[f64]> {
        let unscaled = self.preconditioner_scale == Some(1.0);
        self.parts.preconditioner.as_ref()?.get()?.diagonal().filter(|_| unscaled)
    }
    /// Whether M⁻¹ is a diagonal that [`Oracle::diagonal`] gives.
    pub fn has_diagonal(&self) -> bool {
        self.diagonal_of().is_some()
    }
    /// The diagonal of M⁻¹ for one application.
    pub fn diagonal(&mut self) -> Option<&[f64]> {
        self.preconditions += usize::from(self.has_diagonal());
        self.diagonal_of()
    }
    /// The diagonal, for another pass of the same application.
    pub fn diagonal_again(&self) -> Option<&[f64]> {
        self.diagonal_of()
    }

    /// y = (s)Aᴴ x.
    pub async fn apply_adjoint(&mut self, x: &[T], y: &mut [T]) -> Result<(), End<T>> {
        self.matvecs += 1;
        if let Some(operator) = self.parts.operator.get() {
            operator.apply_adjoint(x, y);
        } else {
            self.ask(RequestKind::ApplyAdjoint, x, y).await?;
        }
        Self::rescale(&mut self.operator_scale, self.smallest_ratio, x, y).map_err(|()| Location::Operator.into())
    }

    /// z = (t)M⁻¹ r. Call it only if preconditioned.
    pub async fn precondition(&mut self, r: &[T], z: &mut [T]) -> Result<(), End<T>> {
        self.preconditions += 1;
        match &self.parts.preconditioner {
            None => z.copy_from_slice(r),
            Some(supply) => match supply.get() {
                Some(preconditioner) => preconditioner.apply(r, z),
                None => self.ask(RequestKind::Precondition, r, z).await?,
            },
        }
        Self::rescale(&mut self.preconditioner_scale, 1.0 / EXTREME, r, z).map_err(|()| Location::Preconditioner.into())
    }

    /// An iteration has ended: the caller may look and stop.
    pub async fn observe(&mut self, iteration: usize, norm: f64) -> Result<(), End<T>> {
        {
            let mut exchange = lock(&self.exchange);
            exchange.iteration = iteration;
            exchange.norm = norm;
        }
        self.ask(RequestKind::Iteration, &[], &mut []).await
    }

    fn rescale(scale: &mut Option<f64>, smallest: f64, x: &[T], y: &mut [T]) -> Result<(), ()> {
        let factor = match *scale {
            Some(factor) => factor,
            None => {
                let (from, to) = (vector::norm(T::reals(x)), vector::largest(T::reals(y)));
                if !to.is_finite() {
                    return Err(());
                }
                if from == 0.0 || to == 0.0 {
                    return Ok(());
                }
                let ratio = to / from;
                let factor = if (smallest..EXTREME).contains(&ratio) { 1.0 } else { power_of_two_inverse(ratio, true) };
                *scale = Some(factor);
                factor
            }
        };
        if factor != 1.0 {
            vector::scale(factor, T::reals_mut(y));
        }
        Ok(())
    }

    async fn ask(&self, kind: RequestKind, input: &[T], output: &mut [T]) -> Result<(), End<T>> {
        {
            let mut exchange = lock(&self.exchange);
            if let Some(reason) = exchange.halt {
                return Err(reason.into());
            }
            exchange.kind = Some(kind);
            exchange.answered = false;
            exchange.input.clear();
            exchange.input.extend_from_slice(input);
            exchange.output.resize(output.len(), T::default());
        }
        poll_fn(|_| if lock(&self.exchange).answered { Poll::Ready(()) } else { Poll::Pending }).await;
        let mut exchange = lock(&self.exchange);
        exchange.kind = None;
        if let Some(reason) = exchange.halt {
            return Err(reason.into());
        }
        output.copy_from_slice(&exchange.output);
        Ok(())
    }
}

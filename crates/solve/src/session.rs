//! Solving by reverse communication, and one call that does it all.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use headwater_base::{Control, Error};

use crate::operator::{Operator, Preconditioner};
use crate::oracle::{Exchange, Oracle, Parts, RequestKind, Supply, lock};
use crate::outcome::{Outcome, Reason};
use crate::scalar::Scalar;
use crate::settings::{Method, Settings};
use crate::system;

fn check<T: Scalar>(method: Method, parts: &Parts<'_, T>, b: &[T], settings: &Settings<T>) -> Result<(), Error> {
    settings.check(method, parts.rows, parts.cols, b.len())?;
    let refuse = |message: &str| Err(Error::new("option-not-valid", message));
    if let Some(operator) = parts.operator.get() {
        if (operator.rows(), operator.cols()) != (parts.rows, parts.cols) {
            return refuse("the operator's size is not the one given");
        }
        if matches!(method, Method::Lsqr | Method::Cgnr) && !operator.has_adjoint() {
            return refuse("this method needs the adjoint of the operator");
        }
    }
    if parts.preconditioner.is_some() && !matches!(method, Method::Cg | Method::Minres | Method::Cr) {
        return refuse("a preconditioner is an option of cg, minres and cr only");
    }
    Ok(())
}

/// Solves A x = b (or the problem of the method) with native operators.
///
/// Errors: `option-not-valid` for misuse (sizes, options that do not fit the method). Every numerical outcome is an
/// [`Outcome`].
///
/// ```
/// use headwater_base::Control;
/// use headwater_solve::{Csr, Method, Reason, Settings, solve};
/// let a = Csr::from_triplets(2, 2, &[(0, 0, 4.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 3.0)]).unwrap();
/// let out = solve(Method::Cg, &a, None, &[1.0, 2.0], &Settings::default(), Control::none()).unwrap();
/// assert_eq!(out.reason, Reason::Rtol);
/// assert!((out.x[0] - 1.0 / 11.0).abs() < 1e-12 && (out.x[1] - 7.0 / 11.0).abs() < 1e-12);
/// ```
pub fn solve<T: Scalar>(
    method: Method,
    operator: &dyn Operator<T>,
    preconditioner: Option<&dyn Preconditioner<T>>,
    b: &[T],
    settings: &Settings<T>,
    control: Control<'_>,
) -> Result<Outcome<T>, Error> {
    let parts = Parts {
        rows: operator.rows(),
        cols: operator.cols(),
        operator: Supply::Borrowed(operator),
        preconditioner: preconditioner.map(Supply::Borrowed),
        hermitian: None,
    };
    let settings = Settings { observe: false, ..settings.clone() };
    check(method, &parts, b, &settings)?;
    let oracle = Oracle::new(parts, Exchange::new(), control);
    let mut future = std::pin::pin!(system::run(method, oracle, b.to_vec(), settings));
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Ok(outcome),
        Poll::Pending => unreachable!("a native oracle answers at once"),
    }
}

/// A solve that asks its caller for products, one at a time.
///
/// Call [`Session::resume`]: while it returns true, answer [`Session::kind`] by writing into [`Session::exchange`]'s
/// second slice the product with the first, and resume. Then [`Session::into_outcome`].
pub struct Session<'a, T: Scalar> {
    future: Pin<Box<dyn Future<Output = Outcome<T>> + Send + 'a>>,
    exchange: Arc<Mutex<Exchange<T>>>,
    kind: Option<RequestKind>,
    input: Vec<T>,
    output: Vec<T>,
    iteration: usize,
    norm: f64,
    outcome: Option<Outcome<T>>,
}

impl<'a, T: Scalar> Session<'a, T> {
    /// A session for the system of `parts`, of which those supplied by [`Supply::Caller`] are asked for.
    ///
    /// Errors: as [`solve`].
    pub fn new(
        method: Method,
        parts: Parts<'a, T>,
        b: &[T],
        settings: Settings<T>,
        control: Control<'a>,
    ) -> Result<Self, Error> {
        check(method, &parts, b, &settings)?;
        let exchange = Exchange::new();
        let oracle = Oracle::new(parts, Arc::clone(&exchange), control);
        Ok(Self {
            future: Box::pin(system::run(method, oracle, b.to_vec(), settings)),
            exchange,
            kind: None,
            input: Vec::new(),
            output: Vec::new(),
            iteration: 0,
            norm: 0.0,
            outcome: None,
        })
    }

    /// Goes on with the answer in the output; true if there is another request.
    pub fn resume(&mut self) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        {
            let mut exchange = lock(&self.exchange);
            std::mem::swap(&mut exchange.input, &mut self.input);
            std::mem::swap(&mut exchange.output, &mut self.output);
            exchange.answered = true;
        }
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => {
                self.outcome = Some(outcome);
                self.kind = None;
                false
            }
            Poll::Pending => {
                let mut exchange = lock(&self.exchange);
                std::mem::swap(&mut exchange.input, &mut self.input);
                std::mem::swap(&mut exchange.output, &mut self.output);
                self.kind = exchange.kind;
                self.iteration = exchange.iteration;
                self.norm = exchange.norm;
                true
            }
        }
    }

    /// The next [`Session::resume`] ends the solve with this reason (`UserStop`, `Aborted`, …) instead of going on; the
    /// last x is kept. After `UserStop` one more product is asked for, for the true residual; halting again does without it.
    pub fn halt(&mut self, reason: Reason) {
        lock(&self.exchange).halt = Some(reason);
    }

    /// What is asked for.
    pub fn kind(&self) -> Option<RequestKind> {
        self.kind
    }

    /// The vector to multiply and the place for the product.
    pub fn exchange(&mut self) -> (&[T], &mut [T]) {
        (&self.input, &mut self.output)
    }

    /// With `observe`: iterations done and the residual norm.
    pub fn progress(&self) -> (usize, f64) {
        (self.iteration, self.norm)
    }

    /// The result, once [`Session::resume`] has returned false.
    pub fn into_outcome(self) -> Option<Outcome<T>> {
        self.outcome
    }
}

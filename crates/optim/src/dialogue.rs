//! Minimisers that ask for values, one request at a time (reverse communication).
//!
//! A method is an `async fn` that asks its [`Caller`]; nothing waits for an event, `async` is used as a coroutine. The
//! driver answers between two calls of [`Dialogue::resume`], on its own thread and in its own time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Loss and gradient, or residuals, at the point.
    Values,
    /// The Jacobian at the point, row-major.
    Jacobian,
    /// An iteration has ended (only if it is to be observed): nothing to compute, a moment to stop.
    Iteration,
}

/// How a caller ends a minimisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It has seen enough.
    Stopped,
    /// It was told to.
    Aborted,
}

/// What passes between both sides.
#[derive(Debug, Default)]
pub struct Exchange {
    request: Option<Request>,
    /// Where values are asked for.
    pub point: Vec<f64>,
    /// Place for the gradient, the residuals or the Jacobian; of the length that is needed.
    pub answer: Vec<f64>,
    /// Place for the loss.
    pub loss: f64,
    /// Measures of the last iteration, as the method documents them.
    pub progress: [f64; 4],
    answered: bool,
    halt: Option<Halt>,
}

/// The method's side.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Mutex<Exchange>>);

fn lock(exchange: &Mutex<Exchange>) -> MutexGuard<'_, Exchange> {
    exchange.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Caller {
    async fn wait(&self, request: Request) -> Result<(), Halt> {
        {
            let mut exchange = lock(&self.0);
            if let Some(halt) = exchange.halt {
                return Err(halt);
            }
            (exchange.request, exchange.answered) = (Some(request), false);
        }
        poll_fn(|_| if lock(&self.0).answered { Poll::Ready(()) } else { Poll::Pending }).await;
        let mut exchange = lock(&self.0);
        exchange.request = None;
        exchange.halt.map_or(Ok(()), Err)
    }

    /// The loss, and in `answer` the rest of what was asked for at the point.
    pub async fn ask(&self, request: Request, point: &[f64], answer: &mut Vec<f64>) -> Result<f64, Halt> {
        {
            let mut exchange = lock(&self.0);
            exchange.point.clear();
            exchange.point.extend_from_slice(point);
            std::mem::swap(&mut exchange.answer, answer);
        }
        let waited = self.wait(request).await;
        let mut exchange = lock(&self.0);
        std::mem::swap(&mut exchange.answer, answer);
        waited.map(|()| exchange.loss)
    }

    /// Says that an iteration has ended.
    pub async fn tell(&self, progress: [f64; 4]) -> Result<(), Halt> {
        lock(&self.0).progress = progress;
        self.wait(Request::Iteration).await
    }
}

/// The driver's side of a running minimisation.
pub struct Dialogue<O> {
    future: Pin<Box<dyn Future<Output = O> + Send>>,
    exchange: Arc<Mutex<Exchange>>,
    outcome: Option<O>,
}

impl<O> Dialogue<O> {
    pub(crate) fn new<F: Future<Output = O> + Send + 'static>(method: impl FnOnce(Caller) -> F) -> Self {
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let future = Box::pin(method(Caller(Arc::clone(&exchange))));
        Self { future, exchange, outcome: None }
    }

    /// Goes on with the answer that was written into the exchange, and says what is asked for next; nothing at the end.
    pub fn resume(&mut self) -> Option<Request> {
        if self.outcome.is_some() {
            return None;
        }
        lock(&self.exchange).answered = true;
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => {
                self.outcome = Some(outcome);
                None
            }
            Poll::Pending => lock(&self.exchange).request,
        }
    }

    /// Point, and places for the answer.
    pub fn exchange<R>(&mut self, with: impl FnOnce(&mut Exchange) -> R) -> R {
        with(&mut lock(&self.exchange))
    }

    /// The next [`Dialogue::resume`] ends it with the best point so far.
    pub fn halt(&mut self, halt: Halt) {
        lock(&self.exchange).halt = Some(halt);
    }

    /// The outcome, once there is nothing more to ask.
    pub fn into_outcome(self) -> Option<O> {
        self.outcome
    }

    /// All of it, with functions that answer at once.
    pub fn run(mut self, mut answer: impl FnMut(Request, &mut Exchange)) -> O {
        while let Some(request) = self.resume() {
            self.exchange(|exchange| answer(request, exchange));
        }
        self.outcome.expect("nothing is left to ask")
    }
}

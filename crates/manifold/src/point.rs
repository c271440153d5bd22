//! A state with its problem and hyperparameters: what a caller from outside asks for derivatives, solves and evidence.
//!
//! Every question assembles anew; code that asks many at one state takes [`Assembly`] and [`Arrow`] itself.

use std::sync::Arc;

use headwater_base::parallel::Crew;
use headwater_base::{Control, Error, Status};

use crate::arrow::Arrow;
use crate::assembly::{Assembly, Kind};
use crate::criterion::{Criterion, Failure, criterion};
use crate::freedom::Freedom;
use crate::incoherence::DecoderIncoherence;
use crate::inner::{Inner, InnerSettings, minimise};
use crate::objective::Objective;
use crate::problem::Problem;
use crate::state::State;
use crate::stationarity::{SolveStatus, Stationarity, solve_stationarity};
use crate::strengths::{Parameter, Strengths};

/// A state with its problem and hyperparameters. The pair weights of the incoherence are fixed.
#[derive(Clone, Debug)]
pub struct Point {
    /// Data and model.
    pub problem: Arc<Problem>,
    /// Supports and θ.
    pub state: State,
    /// Hyperparameters.
    pub strengths: Strengths,
    /// Incoherence and repulsion.
    pub coupling: DecoderIncoherence,
}

/// What [`Point::criterion`] found.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The minimum at these hyperparameters.
    pub inner: Inner,
    /// V and its gradient; `None` where the minimum was not reached, or A is not positive definite there.
    pub criterion: Option<Criterion>,
}

impl Point {
    /// With incoherence and repulsion of these strengths, their pair weights taken from the state.
    ///
    /// Errors: those of [`Objective::new`] and [`Objective::coupling`].
    pub fn new(
        problem: Arc<Problem>,
        state: State,
        strengths: Strengths,
        incoherence: f64,
        repulsion: f64,
    ) -> Result<Self, Error> {
        let coupling = Objective::coupling(&problem, &state, incoherence, repulsion)?;
        let coupling = Objective::new(&problem, strengths.clone(), Some(coupling))?.coupling;
        Ok(Self { problem, state, strengths, coupling })
    }

    /// The same at another θ.
    ///
    /// Errors: as [`State::new`].
    pub fn at(&self, theta: &[f64]) -> Result<Self, Error> {
        Ok(Self { state: self.state.with_theta(&self.problem, theta)?, ..self.clone() })
    }

    fn objective(&self) -> Objective<'_> {
        Objective::new(&self.problem, self.strengths.clone(), Some(self.coupling.clone()))
            .expect("checked when it was made")
    }

    fn assembled<T>(&self, threads: usize, with: impl FnOnce(&Assembly) -> T) -> T {
        let objective = self.objective();
        let crew = Crew::new(threads, Control::none());
        with(&Assembly::new(&objective, &self.state, crew).expect("nobody stops it"))
    }

    /// L.
    pub fn value(&self, threads: usize) -> f64 {
        let crew = Crew::new(threads, Control::none());
        self.objective().value(&self.state, crew).expect("nobody stops it")
    }

    /// ∇L.
    pub fn gradient(&self, threads: usize) -> Vec<f64> {
        self.assembled(threads, |assembly| assembly.gradient.clone())
    }

    /// A v, B v or (A − B) v.
    ///
    /// Error: `shape-mismatch` for a v of another length.
    pub fn product(&self, kind: Kind, v: &[f64], threads: usize) -> Result<Vec<f64>, Error> {
        self.check(v)?;
        Ok(self.assembled(threads, |assembly| assembly.product(kind, v)))
    }

    fn check(&self, v: &[f64]) -> Result<(), Error> {
        let size = self.state.theta.len();
        if v.len() == size {
            return Ok(());
        }
        Err(Error::new("shape-mismatch", format!("the vector has {} elements, θ has {size}", v.len())))
    }

    /// A x = b over what is free; see [`solve_stationarity`].
    ///
    /// Error: `shape-mismatch` for a b of another length. Where B itself is not positive definite, the solve is `Stagnated`
    /// with x = 0.
    pub fn solve_stationarity(&self, b: &[f64], crew: Crew) -> Result<Stationarity, Error> {
        self.check(b)?;
        let objective = self.objective();
        let unsolved = |status| Stationarity { x: vec![0.0; b.len()], status, iterations: 0, residual: 1.0 };
        let Some(assembly) = Assembly::new(&objective, &self.state, crew) else {
            return Ok(unsolved(SolveStatus::Aborted));
        };
        let freedom = Freedom::new(&assembly, &self.state);
        match Arrow::new(&assembly, Kind::Surrogate, &freedom.frame(0.0), crew) {
            Ok(factor) => solve_stationarity(&assembly, &factor, &freedom, b, crew.control),
            Err(_) if crew.stopped() => Ok(unsolved(SolveStatus::Aborted)),
            Err(_) => Ok(unsolved(SolveStatus::Stagnated)),
        }
    }

    /// The minimum from here.
    pub fn minimise(&self, settings: &InnerSettings, crew: Crew) -> Inner {
        minimise(&self.objective(), &self.state, settings, crew)
    }

    /// V and its gradient at ρ of these hyperparameters, after a minimisation from here.
    ///
    /// Errors: `shape-mismatch` for a ρ of another length; `option-out-of-range` for one that is not finite; those of
    /// [`Objective::new`]; `prior-not-proper`.
    pub fn criterion(
        &self,
        parameters: &[Parameter],
        rho: &[f64],
        settings: &InnerSettings,
        crew: Crew,
    ) -> Result<Evaluated, Error> {
        if rho.len() != parameters.len() {
            let message = format!("there are {} hyperparameters, rho has {} elements", parameters.len(), rho.len());
            return Err(Error::new("shape-mismatch", message));
        }
        if let Some(at) = rho.iter().position(|x| !x.is_finite()) {
            return Err(Error::new("option-out-of-range", format!("rho[{at}] is {}; it must be finite", rho[at])));
        }
        let strengths = self.strengths.with_logarithms(parameters, rho);
        let objective = Objective::new(&self.problem, strengths, Some(self.coupling.clone()))?;
        let mut inner = minimise(&objective, &self.state, settings, crew);
        let mut found = None;
        if inner.status == Status::Converged {
            match criterion(&objective, &inner.state, parameters, true, true, crew) {
                Ok(criterion) => found = Some(criterion),
                Err(Failure::Refused(error)) => return Err(error),
                Err(Failure::Stopped) => inner.status = Status::Aborted,
                Err(Failure::NotMinimum | Failure::NotSolved(_)) => {}
            }
        }
        Ok(Evaluated { inner, criterion: found })
    }
}

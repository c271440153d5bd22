//! What all methods share: scaling, projection, the initial guess, passes and restarts, products.
//!
//! A method is a *pass*: an `async fn` from a true residual r = b − Ax to an [`End`]. It holds only its recurrence.
//! The watch over the iteration is in `watch.rs`, the outcome in `finish.rs`.
//!
//! Inside, the system is (sA) y = βb with powers of two s and β (1 unless numbers are extreme), x = y s/β.

use std::time::Instant;

use crate::deflation::Prepared;
use crate::oracle::{End, Oracle, Stop};
use crate::outcome::{ActiveTerm, Location, Outcome, Reason, Tolerance};
use crate::scalar::{Scalar, power_of_two_inverse};
use crate::settings::{Method, Norm, Settings};
use crate::spectrum::Coefficients;
use crate::watch::Drift;
use crate::{cg, cgnr, cgw, cocg, cr, lsqr, minres, probe, shifted_hermitian, vector};

/// Restarts from the true residual before `accuracyLimit`.
const RESTARTS: usize = 3;

/// A recurrence residual below so many times ‖b‖ is nothing but its own rounding, and so are the signs and angles that the
/// methods would read reasons from: the true residual is asked for there, however small the tolerance.
const FLOOR: f64 = f64::EPSILON * f64::EPSILON;
pub(crate) struct System<'a, T: Scalar> {
    pub oracle: Oracle<'a, T>,
    pub settings: Settings<T>,
    pub method: Method,
    /// βb, projected.
    pub b: Vec<T>,
    pub x: Vec<T>,
    /// β.
    pub rhs_scale: f64,
    /// ‖βb‖ in the norm of the test.
    pub reference: f64,
    pub tolerance: Tolerance,
    pub iterations: usize,
    pub recurrence: f64,
    /// Where the recurrence residual calls for a confirmation.
    pub target: f64,
    pub scratch: Vec<T>,
    /// The x of the smallest residual so far, within a factor of two, and that residual.
    pub kept: Vec<T>,
    pub kept_norm: f64,
    pub true_norm: Option<f64>,
    pub normal_residual: Option<f64>,
    /// Estimate of ‖sA‖, for least squares.
    pub operator_norm: f64,
    pub restarts: usize,
    pub guess_used: bool,
    pub inconsistency: Option<f64>,
    pub history: Option<Vec<f64>>,
    pub best: f64,
    pub best_at: usize,
    pub window: usize,
    pub max_iterations: usize,
    pub drift: Drift,
    pub coefficients: Coefficients,
    pub deflation: Option<Prepared<T>>,
    /// Vectors kept for harvesting, and the harvest.
    pub ritz: Option<Vec<Vec<T>>>,
    pub probes: usize,
    pub start: Instant,
}

/// Runs a method from the beginning to the outcome. The arguments have been checked.
pub(crate) async fn run<T: Scalar>(
    method: Method,
    oracle: Oracle<'_, T>,
    b: Vec<T>,
    settings: Settings<T>,
) -> Outcome<T> {
    let mut s = System::new(method, oracle, b, settings);
    let stop = match s.body().await {
        Ok(stop) | Err(End::Stop(stop)) => stop,
        // Set-up asks for nothing else.
        Err(_) => Stop { reason: Reason::AccuracyLimit, location: None, direction: None, curvature: None },
    };
    s.finish(stop).await
}

impl<'a, T: Scalar> System<'a, T> {
    fn new(method: Method, oracle: Oracle<'a, T>, b: Vec<T>, settings: Settings<T>) -> Self {
        let n = oracle.cols();
        let mut oracle = oracle;
        if matches!(method, Method::ShiftedHermitian { .. }) {
            oracle.smallest_ratio = 0.0;
        }
        let max_iterations = settings.max_iterations.unwrap_or((10 * n).max(1000));
        let window = settings.stagnation_window.unwrap_or(50.max(n.min(1000)).max((n as f64).sqrt() as usize));
        Self {
            x: vec![T::default(); n],
            rhs_scale: 1.0,
            reference: 0.0,
            tolerance: Tolerance { value: settings.atol, term: ActiveTerm::Atol },
            iterations: 0,
            recurrence: 0.0,
            target: 0.0,
            scratch: Vec::new(),
            kept: Vec::new(),
            kept_norm: f64::INFINITY,
            true_norm: None,
            normal_residual: None,
            operator_norm: 0.0,
            restarts: 0,
            guess_used: false,
            inconsistency: None,
            history: settings.history.then(Vec::new),
            best: f64::INFINITY,
            best_at: 0,
            window,
            max_iterations,
            drift: Drift::default(),
            coefficients: Coefficients::new(max_iterations, settings.delay),
            deflation: None,
            ritz: None,
            probes: 0,
            start: Instant::now(),
            oracle,
            settings,
            method,
            b,
        }
    }

    async fn body(&mut self) -> Result<Stop<T>, End<T>> {
        let unknown = if !vector::finite(T::reals(&self.b)) {
            Some(Location::Rhs)
        } else if self.settings.x0.as_ref().is_some_and(|x0| !vector::finite(T::reals(x0))) {
            Some(Location::Guess)
        } else {
            None
        };
        if let Some(location) = unknown {
            (self.recurrence, self.tolerance.value) = (f64::NAN, f64::NAN);
            return Err(location.into());
        }
        let top = vector::largest(T::reals(&self.b));
        if top == 0.0 {
            self.true_norm = Some(0.0);
            return Err(Reason::ZeroRhs.into());
        }
        if !(1e-60..1e60).contains(&top) {
            self.rhs_scale = power_of_two_inverse(top, true);
            vector::scale(self.rhs_scale, T::reals_mut(&mut self.b));
        }
        if let Some(space) = &self.settings.null_space {
            let before = vector::norm(T::reals(&self.b));
            self.inconsistency = Some(space.project(&mut self.b) / self.rhs_scale);
            // What is left of a b inside the null space is rounding.
            if vector::norm(T::reals(&self.b)) <= 8.0 * f64::EPSILON * before {
                self.b.fill(T::default());
                self.true_norm = Some(0.0);
                return Err(Reason::ZeroRhs.into());
            }
        }
        self.reference = vector::norm(T::reals(&self.b));
        self.set_tolerance();
        self.recurrence = self.reference;
        if self.max_iterations == 0 {
            return Err(Reason::MaxIterations.into());
        }
        if self.settings.probe {
            let before = self.oracle.matvecs;
            let verdict = probe::symmetry(self).await;
            self.probes = self.oracle.matvecs - before;
            self.oracle.matvecs = before;
            verdict?;
        }
        let mut r = self.b.clone();
        self.guess(&mut r).await?;
        if self.settings.norm != Norm::Residual {
            let b = std::mem::take(&mut self.b);
            self.reference = self.measure(&b).await?;
            self.b = b;
            self.set_tolerance();
        }
        if let Some(deflation) = self.settings.deflation.clone() {
            self.deflation = Some(Prepared::new(self, &deflation).await?);
        }
        loop {
            let norm = self.measure(&r).await?;
            self.recurrence = norm;
            (self.best, self.best_at) = (norm, self.iterations);
            self.target = self.tolerance.value.max(FLOOR * self.reference);
            if self.history.as_ref().is_some_and(Vec::is_empty) {
                self.history.iter_mut().for_each(|history| history.push(norm / self.rhs_scale));
            }
            let end = match self.method {
                Method::Cg => cg::pass(self, &mut r).await,
                Method::Minres => minres::pass(self, &mut r).await,
                Method::Cr => cr::pass(self, &mut r).await,
                Method::ShiftedHermitian { .. } => shifted_hermitian::pass(self, &mut r).await,
                Method::Cocg => cocg::pass(self, &mut r).await,
                Method::Cgw => cgw::pass(self, &mut r).await,
                Method::Cgnr => cgnr::pass(self, &mut r).await,
                Method::Lsqr => lsqr::pass(self, &mut r).await,
            };
            let Err(end) = end;
            if let End::Stop(stop) = end {
                return Ok(stop);
            }
            if matches!(end, End::Apparent) {
                r.copy_from_slice(&self.scratch);
            } else {
                self.residual(&mut r).await?;
                self.true_norm = Some(vector::norm(T::reals(&r)));
                if self.measure(&r).await? <= self.tolerance.value {
                    return Ok(self.success(false));
                }
            }
            if matches!(end, End::ApparentNormal) && self.normal_small(&r).await? {
                return Ok(self.success(false));
            }
            if self.restarts == RESTARTS {
                return Err(Reason::AccuracyLimit.into());
            }
            self.restarts += 1;
        }
    }

    fn set_tolerance(&mut self) {
        // In the units of the scaled system; `finish` scales back.
        let (relative, absolute) = (self.settings.rtol * self.reference, self.settings.atol * self.rhs_scale);
        self.tolerance = if relative >= absolute {
            Tolerance { value: relative, term: ActiveTerm::Rtol }
        } else {
            Tolerance { value: absolute, term: ActiveTerm::Atol }
        };
    }

    pub fn success(&self, at_guess: bool) -> Stop<T> {
        let reason = match self.tolerance.term {
            _ if at_guess => Reason::ExactGuess,
            ActiveTerm::Rtol => Reason::Rtol,
            ActiveTerm::Atol => Reason::Atol,
        };
        Stop { reason, location: None, direction: None, curvature: None }
    }

    /// Takes the initial guess if it is better than zero; r becomes its residual.
    async fn guess(&mut self, r: &mut [T]) -> Result<(), End<T>> {
        if let Some(mut v) = self.settings.x0.take() {
            let top = vector::largest(T::reals(&v));
            if top == 0.0 {
                return Ok(());
            }
            // A v with v of size 1 first: it settles s, without which x₀ could not be scaled.
            let unit = power_of_two_inverse(top, false);
            vector::scale(unit, T::reals_mut(&mut v));
            let mut image = vec![T::default(); self.oracle.rows()];
            self.raw_apply(&v, &mut image).await?;
            let mut factor = T::real(self.rhs_scale / unit / self.oracle.scale());
            if self.settings.scale_guess {
                let best = T::dot(&v, &self.b) / T::dot(&v, &image);
                if best.finite() {
                    factor = best;
                }
            }
            let mut t = self.b.clone();
            T::axpy(-factor, &image, &mut t);
            let norm = vector::norm(T::reals(&t));
            if norm < vector::norm(T::reals(&self.b)) {
                r.copy_from_slice(&t);
                v.iter_mut().for_each(|v| *v = *v * factor);
                self.x = v;
                self.guess_used = true;
                if self.measure(r).await? <= self.tolerance.value {
                    self.recurrence = norm;
                    self.true_norm = Some(norm);
                    return Err(End::Stop(self.success(true)));
                }
            }
        } else if self.reference <= self.tolerance.value {
            // x = 0 is good enough already.
            self.true_norm = Some(self.reference);
            return Err(End::Stop(self.success(false)));
        }
        Ok(())
    }

    /// q = A p with the null space taken off.
    pub async fn apply(&mut self, p: &[T], q: &mut [T]) -> Result<(), End<T>> {
        self.raw_apply(p, q).await?;
        if let Some(space) = &self.settings.null_space {
            space.project(q);
        }
        Ok(())
    }

    /// q = A p with the null space taken off, and (Re⟨p, q⟩, ‖p‖², ‖q‖²).
    pub async fn apply_dot(&mut self, p: &[T], q: &mut [T]) -> Result<[f64; 3], End<T>> {
        if self.settings.null_space.is_none() && !matches!(self.method, Method::ShiftedHermitian { .. }) {
            return self.oracle.apply_dot(p, q).await;
        }
        self.apply(p, q).await?;
        Ok(vector::dot_and_norms(T::reals(p), T::reals(q)))
    }

    /// q = A p for A = σI + iaH, and ⟨r, q⟩.
    pub async fn apply_shifted_dot(&mut self, p: &[T], r: &[T], q: &mut [T]) -> Result<T, End<T>> {
        if let (Method::ShiftedHermitian { sigma, a }, None) = (self.method, &self.settings.null_space)
            && let Some(h) = self.oracle.plain()
        {
            return Ok(shifted_hermitian::apply_dot(h, sigma, a, p, r, q));
        }
        self.apply(p, q).await?;
        Ok(T::dot(r, q))
    }

    /// z = M⁻¹ r with the null space taken off, and (Re⟨r, z⟩, ‖r‖², ‖z‖²).
    pub async fn precondition_dot(&mut self, r: &[T], z: &mut [T]) -> Result<[f64; 3], End<T>> {
        if self.settings.null_space.is_none() {
            return self.oracle.precondition_dot(r, z).await;
        }
        self.precondition(r, z).await?;
        Ok(vector::dot_and_norms(T::reals(r), T::reals(z)))
    }

    /// q = A p, where A is σI + iaH for that method.
    async fn raw_apply(&mut self, p: &[T], q: &mut [T]) -> Result<(), End<T>> {
        self.oracle.apply(p, q).await?;
        if let Method::ShiftedHermitian { sigma, a } = self.method {
            shifted_hermitian::combine(sigma, a, self.oracle.scale(), p, q);
        }
        Ok(())
    }

    /// z = M⁻¹ r with the null space taken off.
    pub async fn precondition(&mut self, r: &[T], z: &mut [T]) -> Result<(), End<T>> {
        self.oracle.precondition(r, z).await?;
        if let Some(space) = &self.settings.null_space {
            space.project(z);
        }
        Ok(())
    }

    /// r = b − A x, from x.
    pub async fn residual(&mut self, r: &mut [T]) -> Result<(), End<T>> {
        let x = std::mem::take(&mut self.x);
        let done = self.raw_apply(&x, r).await;
        self.x = x;
        done?;
        vector::axpby(1.0, T::reals(&self.b), -1.0, T::reals_mut(r));
        Ok(())
    }

    /// The trust radius in the units of the scaled system: ‖y‖ in the norm of M/t is ‖x‖_M β/(s√t).
    pub fn trust_radius(&self) -> Option<f64> {
        let factor = self.rhs_scale / self.oracle.scale() / self.oracle.preconditioner_scale().sqrt();
        self.settings.radius.map(|radius| radius * factor)
    }

    /// A vector in the norm of the stopping test.
    pub async fn measure(&mut self, r: &[T]) -> Result<f64, End<T>> {
        if self.settings.norm == Norm::Residual {
            return Ok(vector::norm(T::reals(r)));
        }
        let mut z = vec![T::default(); r.len()];
        self.precondition(r, &mut z).await?;
        Ok(match self.settings.norm {
            Norm::Natural => vector::dot(T::reals(r), T::reals(&z)).max(0.0).sqrt(),
            _ => vector::norm(T::reals(&z)),
        })
    }

    async fn normal_small(&mut self, r: &[T]) -> Result<bool, End<T>> {
        let mut g = vec![T::default(); self.oracle.cols()];
        self.oracle.apply_adjoint(r, &mut g).await?;
        let damp = self.settings.damp * self.oracle.scale();
        vector::axpy(-damp * damp, T::reals(&self.x), T::reals_mut(&mut g));
        let norm = vector::norm(T::reals(&g));
        self.normal_residual = Some(norm);
        Ok(norm
            <= self.normal_tolerance()
                * self.operator_norm
                * vector::norm(T::reals(r)).hypot(damp * vector::norm(T::reals(&self.x))))
    }
}

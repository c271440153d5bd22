//! What all methods share: scaling, projection, the initial guess, the watch over the iteration, the confirmation of
//! success by the true residual with restarts, and the outcome.
//!
//! A method is a *pass*: an `async fn` from a true residual r = b − Ax to an [`End`]. It holds only its recurrence.
//! Inside, the system is (sA) y = βb with powers of two s and β (1 unless numbers are extreme), x = y s/β.

use std::time::Instant;

use crate::deflation::Prepared;
use crate::oracle::{End, Oracle, Stop};
use crate::outcome::{ActiveTerm, Condition, Location, Outcome, Reason, Residual, Tolerance};
use crate::scalar::{Scalar, power_of_two_inverse};
use crate::settings::{Method, Norm, Replacement, Settings};
use crate::spectrum::Coefficients;
use crate::{cg, cgnr, cgw, cocg, cr, lsqr, minres, probe, shifted_hermitian, vector};

/// Restarts from the true residual before `accuracyLimit`.
const RESTARTS: usize = 3;
/// A residual counts as reduced if it falls by this part.
const REDUCTION: f64 = 1e-3;

pub(crate) struct System<'a, T: Scalar> {
    pub oracle: Oracle<'a, T>,
    pub settings: Settings<T>,
    pub method: Method,
    /// βb, projected.
    pub b: Vec<T>,
    pub x: Vec<T>,
    /// β.
    rhs_scale: f64,
    /// ‖βb‖ in the norm of the test.
    reference: f64,
    pub tolerance: Tolerance,
    pub iterations: usize,
    recurrence: f64,
    /// Where the recurrence residual calls for a confirmation.
    target: f64,
    scratch: Vec<T>,
    /// The x of the smallest residual so far, within a factor of two, and that residual.
    kept: Vec<T>,
    kept_norm: f64,
    true_norm: Option<f64>,
    pub normal_residual: Option<f64>,
    /// Estimate of ‖sA‖, for least squares.
    pub operator_norm: f64,
    restarts: usize,
    guess_used: bool,
    inconsistency: Option<f64>,
    history: Option<Vec<f64>>,
    best: f64,
    best_at: usize,
    window: usize,
    max_iterations: usize,
    drift: Drift,
    pub coefficients: Coefficients,
    pub deflation: Option<Prepared<T>>,
    /// Vectors kept for harvesting, and the harvest.
    pub ritz: Option<Vec<Vec<T>>>,
    probes: usize,
    start: Instant,
}

/// The estimated deviation of the recurrence residual from the true one.
#[derive(Default)]
struct Drift {
    deviation: f64,
    norm: f64,
    at_replacement: f64,
    operator: f64,
    /// Bound of ‖x‖: the sum of the steps.
    size: f64,
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
        if !vector::finite(T::reals(&self.b)) {
            return Err(Location::Rhs.into());
        }
        if self.settings.x0.as_ref().is_some_and(|x0| !vector::finite(T::reals(x0))) {
            return Err(Location::Guess.into());
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
            self.target = self.tolerance.value;
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

    fn success(&self, at_guess: bool) -> Stop<T> {
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
            let factor = self.rhs_scale / unit / self.oracle.scale();
            let residual = |scale: f64, out: &mut [T]| {
                for i in 0..out.len() {
                    out[i] -= image[i].scale(scale);
                }
            };
            let mut t = self.b.clone();
            residual(factor, &mut t);
            let norm = vector::norm(T::reals(&t));
            if norm < vector::norm(T::reals(&self.b)) {
                r.copy_from_slice(&t);
                vector::scale(factor, T::reals_mut(&mut v));
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
    async fn measure(&mut self, r: &[T]) -> Result<f64, End<T>> {
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

    /// Whether the residual is to be replaced now, after a step of length ‖αp‖ to a residual of this norm. `stretch`
    /// is ‖Ap‖/‖p‖, whose largest value stands for ‖A‖.
    pub fn replacement_due(&mut self, norm: f64, step: f64, stretch: f64) -> bool {
        let drift = &mut self.drift;
        drift.operator = drift.operator.max(stretch);
        drift.size += step;
        let before = (drift.deviation, drift.norm);
        drift.deviation += f64::EPSILON * (norm + drift.operator * drift.size);
        drift.norm = norm;
        match self.settings.replacement {
            Replacement::Never => false,
            Replacement::Every(count) => count > 0 && self.iterations.is_multiple_of(count),
            Replacement::Automatic => {
                let root = f64::EPSILON.sqrt();
                before.0 <= root * before.1
                    && drift.deviation > root * norm
                    && drift.deviation > 1.1 * drift.at_replacement
            }
        }
    }

    /// The largest ‖Ap‖/‖p‖ seen by [`System::replacement_due`].
    pub fn largest_stretch(&self) -> f64 {
        self.drift.operator
    }

    /// r ← b − Ax inside a pass, with `work` as scratch; returns ‖r‖. If the recurrence was off by its own size the
    /// pass ends.
    pub async fn replace(&mut self, r: &mut [T], believed: f64, work: &mut [T]) -> Result<f64, End<T>> {
        self.residual(work).await?;
        let norm = vector::norm(T::reals(work));
        if !((norm - believed).abs() <= 0.5 * believed) {
            return Err(End::Drifted);
        }
        r.copy_from_slice(work);
        self.drift.deviation = f64::EPSILON * (norm + self.drift.operator * self.drift.size);
        self.drift.at_replacement = self.drift.deviation;
        Ok(norm)
    }

    /// Whether a step of length ‖αq‖ in the residual would be one of divergence.
    pub fn explodes(&self, length: f64) -> bool {
        length > self.settings.divergence * self.reference
    }

    /// Keeps a copy of x each time the residual has halved: for methods whose residual is not monotone.
    pub fn keep_best(&mut self) {
        if self.recurrence < 0.5 * self.kept_norm {
            self.kept_norm = self.recurrence;
            self.kept.clone_from(&self.x);
        }
    }

    /// Relative size of the normal residual at which least squares are solved.
    pub fn normal_tolerance(&self) -> f64 {
        self.settings.rtol.max(f64::EPSILON)
    }

    /// Marks progress other than a smaller residual.
    pub fn progress(&mut self) {
        self.best_at = self.iterations;
    }

    /// To be called once an iteration with the recurrence's residual norm: every general reason to stop.
    pub async fn iterate(&mut self, norm: f64) -> Result<(), End<T>> {
        self.iterations += 1;
        if !norm.is_finite() {
            return Err(Location::Recurrence.into());
        }
        self.recurrence = norm;
        if let Some(history) = &mut self.history {
            history.push(norm / self.rhs_scale);
        }
        if norm <= self.target {
            self.confirm(norm).await?;
        }
        if norm > self.settings.divergence * self.reference {
            return Err(Reason::Diverged.into());
        }
        if norm < self.best * (1.0 - REDUCTION) {
            self.best = norm;
            self.best_at = self.iterations;
        }
        if self.iterations >= self.max_iterations {
            return Err(Reason::MaxIterations.into());
        }
        if self.iterations - self.best_at >= self.window {
            return Err(Reason::Stagnation.into());
        }
        let control = self.oracle.control();
        if control.cancelled() {
            return Err(Reason::Aborted.into());
        }
        control.report(headwater_base::Progress {
            done: self.iterations as u64,
            total: self.max_iterations as u64,
            best: Some(norm / self.rhs_scale),
            basins: None,
        });
        if self.settings.time_limit.is_some_and(|limit| self.start.elapsed() >= limit) {
            return Err(Reason::TimeLimit.into());
        }
        if self.settings.observe {
            self.oracle.observe(self.iterations, norm / self.rhs_scale).await?;
        }
        Ok(())
    }

    /// The recurrence is at its target: success if the true residual is at the tolerance. If it misses it by a little,
    /// the recurrence goes on to a target that is lower by as much; otherwise the pass ends, with b − Ax in `scratch`.
    async fn confirm(&mut self, norm: f64) -> Result<(), End<T>> {
        let mut t = std::mem::take(&mut self.scratch);
        t.resize(self.b.len(), T::default());
        self.residual(&mut t).await?;
        self.true_norm = Some(vector::norm(T::reals(&t)));
        let measured = self.measure(&t).await?;
        self.scratch = t;
        if measured <= self.tolerance.value {
            return Err(End::Stop(self.success(false)));
        }
        if !measured.is_finite() {
            return Err(Location::Operator.into());
        }
        self.true_norm = None;
        let gap = measured - norm;
        if gap < 0.25 * self.tolerance.value {
            self.target = (norm * 0.9).min(self.tolerance.value - 2.0 * gap);
            return Ok(());
        }
        Err(End::Apparent)
    }

    /// The end for a scalar of the recurrence that is not finite: which of the vectors brought it in.
    pub fn blame(&self, produced: &[T], location: Location) -> End<T> {
        if vector::finite(T::reals(produced)) { Location::Recurrence.into() } else { location.into() }
    }

    async fn finish(mut self, mut stop: Stop<T>) -> Outcome<T> {
        let (s, beta) = (self.oracle.scale(), self.rhs_scale);
        let known = matches!(stop.reason, Reason::Rtol | Reason::Atol | Reason::ExactGuess | Reason::ZeroRhs);
        let ask = !known && !matches!(stop.reason, Reason::Aborted | Reason::NonFinite);
        if !vector::finite(T::reals(&self.x)) {
            self.x.fill(T::default());
            stop = Stop { location: Some(Location::Recurrence), ..stop };
            stop.reason = Reason::NonFinite;
            self.true_norm = None;
        } else if !stop.reason.converged() && !self.kept.is_empty() && self.recurrence > 2.0 * self.kept_norm {
            std::mem::swap(&mut self.x, &mut self.kept);
            self.recurrence = self.kept_norm;
        }
        if ask && self.reference > 0.0 && stop.reason != Reason::NonFinite {
            let mut r = vec![T::default(); self.oracle.rows()];
            self.true_norm = match self.residual(&mut r).await {
                Ok(()) => Some(vector::norm(T::reals(&r))).filter(|norm| norm.is_finite()),
                Err(_) => None,
            };
        }
        if let Some(space) = &self.settings.null_space {
            space.project(&mut self.x);
        }
        let before = vector::largest(T::reals(&self.x));
        let factor = s / beta;
        if factor != 1.0 {
            if factor.is_normal() {
                vector::scale(factor, T::reals_mut(&mut self.x));
            } else {
                vector::scale(s, T::reals_mut(&mut self.x));
                vector::scale(1.0 / beta, T::reals_mut(&mut self.x));
            }
        }
        let after = vector::largest(T::reals(&self.x));
        if !after.is_finite() {
            self.x.fill(T::default());
            stop = Stop {
                reason: Reason::NonFinite,
                location: Some(Location::Solution),
                direction: None,
                curvature: None,
            };
            self.true_norm = None;
        } else if before > 0.0 && after < f64::MIN_POSITIVE / f64::EPSILON && stop.reason.converged() {
            stop.reason = Reason::AccuracyLimit;
        }
        let norm_b = vector::norm(T::reals(&self.b));
        let scale_norm = match self.settings.norm {
            Norm::Residual => 1.0,
            Norm::Preconditioned => self.oracle.preconditioner_scale(),
            Norm::Natural => self.oracle.preconditioner_scale().sqrt(),
        };
        let gap = self
            .true_norm
            .filter(|_| self.settings.norm == Norm::Residual)
            .map(|norm| (norm - self.recurrence).abs() / beta);
        let condition = if matches!(self.method, Method::Cgnr | Method::Lsqr) {
            // Of AᴴA; its roots are singular values.
            self.coefficients.condition(1.0).map(|c| {
                let (min, max) = (c.min.sqrt() / s, c.max.sqrt() / s);
                Condition { min, max, kappa: max / min }
            })
        } else {
            self.coefficients.condition(1.0 / (s * self.oracle.preconditioner_scale()))
        };
        Outcome {
            reason: stop.reason,
            iterations: self.iterations,
            matvecs: self.oracle.matvecs,
            probes: self.probes,
            preconditions: self.oracle.preconditions,
            residual: Residual {
                true_norm: self.true_norm.map(|norm| norm / beta),
                recurrence: self.recurrence / beta / scale_norm,
                relative: self.true_norm.map(|norm| if norm_b > 0.0 { norm / norm_b } else { 0.0 }),
            },
            gap,
            tolerance: Tolerance { value: self.tolerance.value / beta / scale_norm, ..self.tolerance },
            restarts: self.restarts,
            guess_used: self.guess_used,
            condition,
            energy_error: self.coefficients.energy_error().map(|energy| energy * s.sqrt() / beta),
            history: self.history,
            location: stop.location,
            direction: stop.direction,
            curvature: stop.curvature.map(|curvature| curvature / s),
            inconsistency: self.inconsistency,
            normal_residual: self.normal_residual.map(|norm| norm / beta / s),
            ritz: self.ritz,
            seconds: self.start.elapsed().as_secs_f64(),
            x: self.x,
        }
    }
}

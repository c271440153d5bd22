//! The watch over an iteration: every general reason to stop, the confirmation of success by the true residual, and its
//! replacement inside a pass.

use crate::oracle::End;
use crate::outcome::{Location, Reason};
use crate::scalar::Scalar;
use crate::settings::Replacement;
use crate::system::System;
use crate::vector;

/// A residual counts as reduced if it falls by this part.
const REDUCTION: f64 = 1e-3;

/// The estimated deviation of the recurrence residual from the true one.
#[derive(Default)]
pub(crate) struct Drift {
    deviation: f64,
    norm: f64,
    at_replacement: f64,
    operator: f64,
    /// Bound of ‖x‖: the sum of the steps.
    size: f64,
}

impl<T: Scalar> System<'_, T> {
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

    /// Keeps a copy of x, whose residual norm is this, if it is the best so far: before a step that makes it larger.
    pub fn keep(&mut self, norm: f64) {
        if norm < self.kept_norm {
            self.kept_norm = norm;
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

    /// Whether [`System::iterate`] with this norm would compute the true residual, for which x must be up to date.
    pub fn confirms(&self, norm: f64) -> bool {
        norm <= self.target
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
}

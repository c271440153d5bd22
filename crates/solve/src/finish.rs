//! From the end of a solve to its outcome: the true residual, the scaling undone.

use crate::oracle::Stop;
use crate::outcome::{Condition, Location, Outcome, Reason, Residual, Tolerance};
use crate::scalar::Scalar;
use crate::settings::{Method, Norm};
use crate::system::System;
use crate::vector;

impl<T: Scalar> System<'_, T> {
    pub async fn finish(mut self, mut stop: Stop<T>) -> Outcome<T> {
        let (s, beta) = (self.oracle.scale(), self.rhs_scale);
        let known = matches!(stop.reason, Reason::Rtol | Reason::Atol | Reason::ExactGuess | Reason::ZeroRhs);
        // An abort that a caller who answers for A has asked for must not ask him for another product.
        let asks = stop.reason != Reason::Aborted || self.oracle.native();
        let ask = !known && stop.reason != Reason::NonFinite && asks;
        if stop.reason == Reason::UserStop {
            self.oracle.resume();
        }
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
        let lossy = before > 0.0 && after < f64::MIN_POSITIVE / f64::EPSILON;
        if lossy && self.true_norm.is_some() {
            // Digits of x were lost below the smallest numbers: the residual is that of the x that is returned.
            let returned = self.x.clone();
            for up in [beta, 1.0 / s] {
                vector::scale(up, T::reals_mut(&mut self.x));
            }
            let mut r = vec![T::default(); self.oracle.rows()];
            self.true_norm = match self.residual(&mut r).await {
                Ok(()) => Some(vector::norm(T::reals(&r))).filter(|norm| norm.is_finite()),
                Err(_) => None,
            };
            self.x = returned;
        }
        if !after.is_finite() {
            self.x.fill(T::default());
            stop = Stop {
                reason: Reason::NonFinite,
                location: Some(Location::Solution),
                direction: None,
                curvature: None,
            };
            self.true_norm = None;
        } else if lossy && stop.reason.converged() {
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

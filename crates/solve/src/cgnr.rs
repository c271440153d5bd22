//! Conjugate gradients on the normal equations AᴴAx = Aᴴb, in the form that carries the residual of the original system
//! (CGLS).
//!
//! g = Aᴴr; p = g; loop: q = Ap; α = ‖g‖²/‖q‖²; x += αp; r −= αq; g = Aᴴr; β = ‖g⁺‖²/‖g‖²; p = g⁺ + βp.
//!
//! For any A with as many rows as columns or more. ‖r‖ falls monotonically. Cost an iteration: one product with A and one
//! with Aᴴ, 5 passes; memory x, r, p, q, g. The rate is that of conjugate gradients with κ(A)².
//! Stops at the true ‖r‖ <= τ. A tall A with b outside its range stops at ‖Aᴴr‖ <= rtol‖A‖‖r‖ (confirmed); a square one
//! with ‖Aᴴr‖ <= 4nε‖A‖‖r‖ is singular and inconsistent: `zeroCurvature`.
//! Sources: M. R. Hestenes, E. Stiefel (1952); Å. Björck (1996), "Numerical methods for least squares problems", 7.4.

use std::convert::Infallible;

use crate::oracle::End;
use crate::outcome::{Location, Reason};
use crate::scalar::Scalar;
use crate::system::System;
use crate::vector;

/// From the true residual r of x to an end.
pub(crate) async fn pass<T: Scalar>(s: &mut System<'_, T>, r: &mut [T]) -> Result<Infallible, End<T>> {
    let cols = s.oracle.cols();
    let mut g = vec![T::default(); cols];
    let mut q = vec![T::default(); r.len()];
    s.oracle.apply_adjoint(r, &mut g).await?;
    let mut p = g.clone();
    let mut gamma = vector::norm(T::reals(&g));
    let mut best = gamma;
    // An ill-conditioned square A is not singular because ‖Aᴴr‖ is small: that takes rounding level.
    let tall = s.oracle.rows() > cols;
    let enough = if tall { s.normal_tolerance() } else { 4.0 * cols as f64 * f64::EPSILON };
    let (mut alpha_before, mut beta) = (1.0, 0.0);
    s.coefficients.close();
    if !gamma.is_finite() {
        return Err(s.blame(&g, Location::Operator));
    }
    if gamma == 0.0 {
        return Err(normal(s));
    }
    loop {
        s.apply(&p, &mut q).await?;
        let (pnorm, qnorm) = (vector::norm(T::reals(&p)), vector::norm(T::reals(&q)));
        if !qnorm.is_finite() {
            return Err(s.blame(&q, Location::Operator));
        }
        s.operator_norm = s.operator_norm.max(qnorm / pnorm);
        if qnorm <= f64::EPSILON * s.operator_norm * pnorm {
            return Err(Reason::ZeroCurvature.into());
        }
        let alpha = (gamma / qnorm).powi(2);
        s.coefficients.push(1.0 / alpha + beta / alpha_before, 0.0);
        vector::axpy(alpha, T::reals(&p), T::reals_mut(&mut s.x));
        vector::axpy(-alpha, T::reals(&q), T::reals_mut(r));
        let mut norm = vector::norm(T::reals(r));
        s.iterate(norm).await?;
        if s.replacement_due(norm, alpha * pnorm, qnorm / pnorm) {
            norm = s.replace(r, norm, &mut q).await?;
        }
        s.oracle.apply_adjoint(r, &mut g).await?;
        let next = vector::norm(T::reals(&g));
        if !next.is_finite() {
            return Err(s.blame(&g, Location::Operator));
        }
        if next <= enough * s.operator_norm * norm {
            return Err(normal(s));
        }
        if next < 0.999 * best {
            best = next;
            s.progress();
        }
        beta = (next / gamma).powi(2);
        s.coefficients.couple(beta.sqrt() / alpha);
        vector::xpby(T::reals(&g), beta, T::reals_mut(&mut p));
        (gamma, alpha_before) = (next, alpha);
    }
}

fn normal<T: Scalar>(s: &System<'_, T>) -> End<T> {
    if s.oracle.rows() > s.oracle.cols() { End::ApparentNormal } else { Reason::ZeroCurvature.into() }
}

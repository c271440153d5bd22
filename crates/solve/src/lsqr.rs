//! Least squares: min ‖Ax − b‖² + damp²‖x‖², A rows × cols of any shape.
//!
//! Golub–Kahan bidiagonalisation βu = Av − αu, αv = Aᴴu − βv, and a QR factorisation of the bidiagonal carried along;
//! with ρ̄, φ̄ as in the source: ρ = √(ρ̄² + damp² + β²), x += (φ/ρ)w, w = v − (θ/ρ)w.
//! In exact arithmetic it is [`crate::cgnr`]; it loses less where A is ill-conditioned.
//!
//! Cost an iteration: one product with A and one with Aᴴ, 6 passes; memory x, v, w (cols), r, u (rows).
//! Stops (a) at the true ‖b − Ax‖ <= τ without damping, or (b) at the true ‖Aᴴr − damp²x‖ <= rtol‖A‖_F‖r̄‖ with
//! ‖r̄‖² = ‖r‖² + damp²‖x‖²: a least-squares solution, reason `rtol`, with `normal_residual` reported. For a
//! rank-deficient A, x is the solution of least norm (from x₀ = 0).
//! Source: C. C. Paige, M. A. Saunders (1982), "LSQR: an algorithm for sparse linear equations and sparse least squares".

use std::convert::Infallible;

use crate::oracle::End;
use crate::outcome::{Location, Reason};
use crate::scalar::Scalar;
use crate::system::System;
use crate::vector;

/// From the true residual r of x to an end.
pub(crate) async fn pass<T: Scalar>(s: &mut System<'_, T>, r: &mut [T]) -> Result<Infallible, End<T>> {
    if s.settings.damp > 0.0 && s.iterations > 0 {
        // A restart would need the damping row's residual as well; the first pass is what the method can do.
        return Err(Reason::AccuracyLimit.into());
    }
    let mut u = r.to_vec();
    let mut v = vec![T::default(); s.oracle.cols()];
    let mut beta = normalise(&mut u);
    s.oracle.apply_adjoint(&u, &mut v).await?;
    // Not before: the first product settles the scale.
    let damp = s.settings.damp * s.oracle.scale();
    let mut alpha = normalise(&mut v);
    if !alpha.is_finite() {
        return Err(Location::Operator.into());
    }
    if alpha == 0.0 {
        return Err(End::ApparentNormal);
    }
    let mut w = v.clone();
    let (mut phibar, mut rhobar) = (beta, alpha);
    let mut damped = 0.0_f64;
    let mut best = f64::INFINITY;
    let mut work = vec![T::default(); u.len().max(v.len())];
    s.coefficients.close();
    loop {
        let rows = u.len();
        s.oracle.apply(&v, &mut work[..rows]).await?;
        vector::axpby(1.0, T::reals(&work[..rows]), -alpha, T::reals_mut(&mut u));
        beta = normalise(&mut u);
        if !beta.is_finite() {
            return Err(s.blame(&work[..rows], Location::Operator));
        }
        let before = alpha;
        if beta > 0.0 {
            let cols = v.len();
            s.oracle.apply_adjoint(&u, &mut work[..cols]).await?;
            vector::axpby(1.0, T::reals(&work[..cols]), -beta, T::reals_mut(&mut v));
            alpha = normalise(&mut v);
            if !alpha.is_finite() {
                return Err(s.blame(&work[..cols], Location::Operator));
            }
        } else {
            alpha = 0.0;
        }
        s.coefficients.push(before * before + beta * beta, alpha * beta);
        // A column of the bidiagonal: a lower bound of ‖A‖₂. (The sum of all squares, which is the usual estimate, grows with
        // the iterations once orthogonality is lost, and would pass for solved what is not.)
        s.operator_norm = s.operator_norm.max(before.hypot(beta).hypot(damp));
        let shifted = rhobar.hypot(damp);
        damped = damped.hypot(damp / shifted * phibar);
        phibar *= rhobar / shifted;
        let rho = shifted.hypot(beta);
        let (cosine, sine) = (shifted / rho, beta / rho);
        let theta = sine * alpha;
        rhobar = -cosine * alpha;
        let phi = cosine * phibar;
        phibar *= sine;
        vector::axpy(phi / rho, T::reals(&w), T::reals_mut(&mut s.x));
        vector::xpby(T::reals(&v), -theta / rho, T::reals_mut(&mut w));
        let norm = phibar.abs().hypot(damped);
        // With damping ‖r‖ is no criterion: the norm handed on is kept off the target.
        s.iterate(if damp > 0.0 { norm.max(2.0 * s.tolerance.value) } else { norm }).await?;
        let gradient = (phibar * alpha * cosine).abs();
        if gradient <= s.normal_tolerance() * s.operator_norm * norm {
            return Err(End::ApparentNormal);
        }
        if gradient < 0.999 * best {
            best = gradient;
            s.progress();
        }
    }
}

fn normalise<T: Scalar>(v: &mut [T]) -> f64 {
    let norm = vector::norm(T::reals(v));
    if norm > 0.0 && norm.is_finite() {
        vector::scale(1.0 / norm, T::reals_mut(v));
    }
    norm
}

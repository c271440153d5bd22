//! Preconditioned minimal residuals, for Hermitian A, definite or not.
//!
//! Lanczos in the M inner product (v_k = M⁻¹-vectors, T_k tridiagonal with diagonal α_k and couplings β_k) and a QR
//! factorisation of T_k by Givens reflections (c_k, s_k), carried along:
//! x_k = x_{k−1} + φ_k w_k, w_k = (v_k − ε_k w_{k−2} − δ_k w_{k−1})/γ_k, φ̄_k = s_k φ̄_{k−1}.
//! φ̄_k is ‖r_k‖ in the M⁻¹ norm and falls monotonically. The stopping test is about ‖r_k‖₂, so the residual itself is
//! carried: r_k = s_k² r_{k−1} − φ̄_k c_k M v_{k+1}.
//!
//! Requires A = Aᴴ (probed; on the way |Im ⟨v_k, Av_k⟩| and the local orthogonality ⟨v_{k−1}, v_{k+1}⟩_M) and M Hermitian positive definite. Cost an iteration: one product
//! with A, one with M⁻¹, 11 passes; memory 9 vectors, 10 with a preconditioner. Stops at the true ‖r‖ <= τ. If
//! ‖A r‖ <= ε^⅔‖A‖‖r‖ with ‖r‖ > τ, what is left of r is a null vector up to a condition number of 1/ε^⅔ = 3·10¹⁰: the
//! system is singular and inconsistent, `zeroCurvature`, and x is nearly a least-squares solution. The same reason ends a
//! pass before a step whose rounding alone, ε‖A‖‖φw‖, would exceed the residual: it runs along a null vector.
//!
//! Source: C. C. Paige, M. A. Saunders (1975), "Solution of sparse indefinite systems of linear equations";
//! residual recurrence: S.-C. T. Choi, C. C. Paige, M. A. Saunders (2011), "MINRES-QLP".

use std::convert::Infallible;

use crate::oracle::End;
use crate::outcome::{Location, Reason};
use crate::scalar::Scalar;
use crate::system::System;
use crate::vector;

/// From the true residual r of x to an end.
pub(crate) async fn pass<T: Scalar>(s: &mut System<'_, T>, r: &mut [T]) -> Result<Infallible, End<T>> {
    let n = r.len();
    let eps = f64::EPSILON;
    let flat = eps.powf(2.0 / 3.0).max(n as f64 * eps);
    let preconditioned = s.oracle.preconditioned();
    let zeros = || vec![T::default(); n];
    let (mut v, mut y, mut r1, mut r2) = (zeros(), zeros(), zeros(), r.to_vec());
    let (mut w, mut w1, mut w2) = (zeros(), zeros(), zeros());
    // ‖r2‖_{M⁻¹}; v becomes M⁻¹ r2.
    let mut beta = weighted_norm(s, preconditioned, &r2, &mut v).await?;
    let (mut beta_old, mut dbar, mut epsilon, mut phibar) = (0.0, 0.0, 0.0, beta);
    let (mut cosine, mut sine) = (-1.0, 0.0);
    // ‖T‖_F², and ‖M v‖ to judge a breakdown by.
    let mut size = 0.0_f64;
    let mut noise = 0.0;
    s.coefficients.close();
    loop {
        vector::scale(1.0 / beta, T::reals_mut(&mut v));
        s.apply(&v, &mut y).await?;
        if beta_old > 0.0 {
            vector::axpy(-beta / beta_old, T::reals(&r1), T::reals_mut(&mut y));
        }
        let product = T::dot(&v, &y);
        let alpha = product.re();
        if !product.finite() {
            return Err(s.blame(&y, Location::Operator));
        }
        // The first β is ‖b‖ and no part of T: with it a large b would make everything else look like rounding.
        size += alpha * alpha + if beta_old > 0.0 { 2.0 * beta * beta } else { 0.0 };
        if product.im().abs() > eps.sqrt() * size.sqrt() {
            return Err(Reason::NotHermitian.into());
        }
        vector::axpy(-alpha / beta, T::reals(&r2), T::reals_mut(&mut y));
        // (r1, r2, y) ← (r2, y, free)
        std::mem::swap(&mut r1, &mut r2);
        std::mem::swap(&mut r2, &mut y);
        let scale = vector::norm(T::reals(&r1)) / beta;
        let before = beta_old;
        beta_old = beta;
        // The direction is updated with v before v is overwritten.
        let epsilon_old = epsilon;
        let delta = cosine * dbar + sine * alpha;
        let gbar = sine * dbar - cosine * alpha;
        std::mem::swap(&mut w1, &mut w2);
        std::mem::swap(&mut w2, &mut w);
        w.copy_from_slice(&v);
        vector::axpy(-epsilon_old, T::reals(&w1), T::reals_mut(&mut w));
        vector::axpy(-delta, T::reals(&w2), T::reals_mut(&mut w));

        let length = vector::norm(T::reals(&r2));
        let exhausted = length <= n as f64 * eps * size.sqrt() * scale;
        beta = if exhausted { 0.0 } else { weighted_norm(s, preconditioned, &r2, &mut v).await? };
        s.coefficients.push(alpha, beta);
        // y is the M v of two steps ago: Lanczos vectors of a Hermitian A are locally orthogonal.
        if before > 0.0 && beta > 0.0 {
            let overlap = vector::dot(T::reals(&y), T::reals(&v)).abs() / before;
            // Rounding of this step, and what it makes of that of the steps before.
            let growth = size.sqrt() / beta_old;
            noise = growth * noise + 1e3 * eps * size.sqrt() * (1.0 + growth);
            if overlap > (0.1 * beta).max(noise) {
                return Err(Reason::NotHermitian.into());
            }
        }
        epsilon = sine * beta;
        dbar = -cosine * beta;
        let gamma = gbar.hypot(beta);
        // ‖A r_{k−1}‖ in the norm of M⁻¹.
        let image = phibar * gbar.hypot(dbar);
        if gamma.min(image / phibar) <= flat * size.sqrt() {
            return Err(Reason::ZeroCurvature.into());
        }
        (cosine, sine) = (gbar / gamma, beta / gamma);
        let phi = cosine * phibar;
        phibar *= sine;
        vector::scale(1.0 / gamma, T::reals_mut(&mut w));
        if eps * size.sqrt() * phi.abs() * vector::norm(T::reals(&w)) > vector::norm(T::reals(r)) {
            return Err(Reason::ZeroCurvature.into());
        }
        vector::axpy(phi, T::reals(&w), T::reals_mut(&mut s.x));
        let along = if beta > 0.0 { -phibar * cosine / beta } else { 0.0 };
        vector::axpby(along, T::reals(&r2), sine * sine, T::reals_mut(r));
        let norm = vector::norm(T::reals(r));
        s.iterate(norm).await?;
        if beta == 0.0 {
            return Err(End::Drifted);
        }
    }
}

/// √⟨r, M⁻¹r⟩, with z = M⁻¹r.
async fn weighted_norm<T: Scalar>(
    s: &mut System<'_, T>,
    preconditioned: bool,
    r: &[T],
    z: &mut [T],
) -> Result<f64, End<T>> {
    if preconditioned {
        return Ok(crate::cg::precondition(s, r, z).await?.0.sqrt());
    }
    z.copy_from_slice(r);
    Ok(vector::norm(T::reals(r)))
}

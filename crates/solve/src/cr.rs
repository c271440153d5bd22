//! Conjugate residuals, for Hermitian positive definite A: monotone ‖r‖ where conjugate gradients have a monotone error.
//!
//! q = Ap; α = ⟨z, Az⟩/⟨q, M⁻¹q⟩; x += αp; r −= αq; z −= αM⁻¹q; β = ⟨z⁺, Az⁺⟩/⟨z, Az⟩; p = z + βp; q = Az + βq,
//! z = M⁻¹r. ‖r‖ in the M⁻¹ norm is minimal over the Krylov space.
//!
//! Cost an iteration: one product with A, one with M⁻¹, 8 passes; memory x, r, p, q, Az, and z, M⁻¹q with a
//! preconditioner. Curvature ⟨z, Az⟩ is judged as in [`crate::cg`]; for an indefinite A use [`crate::minres`].
//! Stops at the true ‖r‖ <= τ. Source: E. Stiefel (1955), "Relaxationsmethoden bester Strategie".

use std::convert::Infallible;

use crate::cg::{curved, precondition};
use crate::oracle::End;
use crate::outcome::{Location, Reason};
use crate::scalar::Scalar;
use crate::system::System;
use crate::vector;

/// From the true residual r of x to an end.
pub(crate) async fn pass<T: Scalar>(s: &mut System<'_, T>, r: &mut [T]) -> Result<Infallible, End<T>> {
    let n = r.len();
    let eps = f64::EPSILON;
    let preconditioned = s.oracle.preconditioned();
    let tiny = vector::rounding(n);
    let flat = if preconditioned { tiny } else { 2.0 * eps.sqrt() };
    let zeros = |wanted: bool| if wanted { vec![T::default(); n] } else { Vec::new() };
    let (mut z, mut mq) = (zeros(preconditioned), zeros(preconditioned));
    let (mut p, mut q, mut az) = (zeros(true), zeros(true), zeros(true));
    let mut before = None;
    // The largest ‖Az‖/‖z‖: what rounding leaves of ⟨z, Az⟩ is measured by it.
    let mut stretch = 0.0_f64;
    if preconditioned {
        precondition(s, r, &mut z).await?;
    }
    loop {
        let residual = if preconditioned { &z } else { &*r };
        s.apply(residual, &mut az).await?;
        let [rho, zz, aa] = vector::dot_and_norms(T::reals(residual), T::reals(&az));
        let znorm = vector::norm_from(zz, T::reals(residual));
        let size = znorm * vector::norm_from(aa, T::reals(&az));
        if !(rho.is_finite() && size.is_finite()) {
            return Err(s.blame(&az, Location::Operator));
        }
        stretch = stretch.max(size / (znorm * znorm));
        let skew = T::COMPLEX
            && T::dot(residual, &az).im().abs() > (eps.sqrt() * rho.abs()).max(tiny * stretch * znorm * znorm);
        // No reason is read from a z that its recurrence has lost: far below the rounding of r it is no M⁻¹r.
        if preconditioned && (skew || rho <= flat * size) {
            precondition(s, r, &mut mq).await?;
            let size = vector::norm(T::reals(&mq));
            vector::axpy(-1.0, T::reals(&z), T::reals_mut(&mut mq));
            if vector::norm(T::reals(&mq)) > 0.5 * size {
                return Err(End::Drifted);
            }
        }
        if skew {
            return Err(Reason::NotHermitian.into());
        }
        if rho <= flat * size {
            let negative = rho < 0.0 && rho <= -tiny * stretch * znorm * znorm;
            let reason = if negative { Reason::IndefiniteOperator } else { Reason::ZeroCurvature };
            return Err(curved(reason, residual, znorm, rho / (znorm * znorm)));
        }
        let beta = before.map_or(0.0, |before| rho / before);
        vector::xpby(T::reals(residual), beta, T::reals_mut(&mut p));
        vector::xpby(T::reals(&az), beta, T::reals_mut(&mut q));
        let denominator = if preconditioned {
            precondition(s, &q, &mut mq).await?.0
        } else {
            vector::dot(T::reals(&q), T::reals(&q))
        };
        let alpha = rho / denominator;
        let [square, _] = vector::step(alpha, T::reals(&p), T::reals(&q), T::reals_mut(&mut s.x), T::reals_mut(r));
        if preconditioned {
            vector::axpy(-alpha, T::reals(&mq), T::reals_mut(&mut z));
        }
        before = Some(rho);
        s.iterate(vector::norm_from(square, T::reals(r))).await?;
    }
}

//! Complex Galerkin for (σI + iaH)x = b, H Hermitian, σ ≠ 0 and a real: "conjugate gradients with a phase".
//!
//! A = σI + iaH: q = Ap; α = ⟨r, r⟩/⟨r, q⟩ (complex); x += αp; r −= αq; β = −(‖r⁺‖²/‖r‖²)(α/ᾱ); p = r⁺ + βp.
//! β follows from Aᴴ = 2σI − A: the Galerkin condition on the Lanczos basis of H, factored as LDLᵀ. The pivots of
//! σI + iaT have a real part of σ, so there is no breakdown. The solution is V(σI + iaT)⁻¹Vᴴb: with x₀ = 0 the step
//! ψ⁺ = 2x − ψ of the Cayley transform keeps ‖ψ‖ and ⟨ψ, Hψ⟩ to rounding at any residual, which therefore do not certify
//! x; the true residual does. Never start it from a guess for that purpose.
//!
//! Cost an iteration: one product with H, 4 passes; memory x, r, p, q. Asymptotic factor 1/|z + √(z²−1)|,
//! z = −1 + 2iσ/Λ, Λ = a·λ_max (for λ_min = 0). The residual is not monotone.
//! Stops at the true ‖r‖ <= τ; ⟨r, q⟩ that is not finite, or H with a skew part (probed), is named.
//!
//! Sources: R. W. Freund (1990), "On conjugate gradient type methods and polynomial preconditioners for a class of complex
//! non-Hermitian matrices"; the recurrence above is derived there for T + iσI.

use std::convert::Infallible;

use crate::oracle::End;
use crate::outcome::{Location, Reason};
use crate::scalar::Scalar;
use crate::system::System;
use crate::vector;

/// q = s(σp + ia·Hp) from q = sHp.
pub(crate) fn combine<T: Scalar>(sigma: f64, a: f64, scale: f64, p: &[T], q: &mut [T]) {
    let shift = sigma * scale;
    for (p, q) in T::reals(p).as_chunks::<2>().0.iter().zip(T::reals_mut(q).as_chunks_mut::<2>().0) {
        *q = [shift * p[0] - a * q[1], shift * p[1] + a * q[0]];
    }
}

/// From the true residual r of x to an end.
pub(crate) async fn pass<T: Scalar>(s: &mut System<'_, T>, r: &mut [T]) -> Result<Infallible, End<T>> {
    let mut p = r.to_vec();
    let mut q = vec![T::default(); r.len()];
    let mut gamma = T::dot(r, r).re();
    loop {
        s.apply(&p, &mut q).await?;
        let delta = T::dot(r, &q);
        if !delta.finite() {
            return Err(s.blame(&q, Location::Operator));
        }
        if delta.modulus() <= f64::EPSILON * gamma.sqrt() * vector::norm(T::reals(&q)) {
            return Err(Reason::ZeroCurvature.into());
        }
        let alpha = T::real(gamma) / delta;
        let (x, residual) = (T::reals_mut(&mut s.x), T::reals_mut(r));
        let next = vector::step_complex(alpha.re(), alpha.im(), T::reals(&p), T::reals(&q), x, residual);
        s.iterate(vector::norm_from(next, T::reals(r))).await?;
        s.keep_best();
        let beta = (alpha / alpha.conj()).scale(-next / gamma);
        T::xpby(r, beta, &mut p);
        gamma = next;
    }
}

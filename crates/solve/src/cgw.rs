//! Generalised conjugate gradients for A = I + S, S skew-Hermitian (Sᴴ = −S).
//!
//! q = Ap; α = ‖r‖²/Re⟨r, q⟩; x += αp; r −= αq; β = −‖r⁺‖²/‖r‖² (the sign is the method); p = r⁺ + βp.
//!
//! Cost an iteration: one product with A, 4 passes; memory x, r, p, q. Factor per iteration Λ/(1 + √(1 + Λ²)), Λ = ‖S‖.
//! A + Aᴴ = 2I is probed (`notHermitian` if it fails). The residual is not monotone. Stops at the true ‖r‖ <= τ.
//! Sources: P. Concus, G. H. Golub (1976), "A generalized conjugate gradient method for nonsymmetric systems of linear
//! equations"; O. Widlund (1978), "A Lanczos method for a class of nonsymmetric systems of linear equations".

use std::convert::Infallible;

use crate::oracle::End;
use crate::outcome::{Location, Reason};
use crate::scalar::Scalar;
use crate::system::System;
use crate::vector;

/// From the true residual r of x to an end.
pub(crate) async fn pass<T: Scalar>(s: &mut System<'_, T>, r: &mut [T]) -> Result<Infallible, End<T>> {
    let mut p = r.to_vec();
    let mut q = vec![T::default(); r.len()];
    let mut gamma = vector::dot(T::reals(r), T::reals(r));
    loop {
        s.apply(&p, &mut q).await?;
        let delta = vector::dot(T::reals(r), T::reals(&q));
        if !delta.is_finite() {
            return Err(s.blame(&q, Location::Operator));
        }
        if delta.abs() <= f64::EPSILON * gamma.sqrt() * vector::norm(T::reals(&q)) {
            return Err(Reason::ZeroCurvature.into());
        }
        let alpha = gamma / delta;
        let [next, _] = vector::step(alpha, T::reals(&p), T::reals(&q), T::reals_mut(&mut s.x), T::reals_mut(r));
        s.iterate(vector::norm_from(next, T::reals(r))).await?;
        s.keep_best();
        vector::xpby(T::reals(r), -next / gamma, T::reals_mut(&mut p));
        gamma = next;
    }
}

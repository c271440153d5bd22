//! Conjugate orthogonal conjugate gradients, for complex symmetric A (A = Aᵀ, not Aᴴ).
//!
//! The formulas of conjugate gradients with unconjugated products: q = Ap; α = rᵀr/pᵀq; x += αp; r −= αq;
//! β = r⁺ᵀr⁺/rᵀr; p = r⁺ + βp. For real vectors it is conjugate gradients.
//!
//! Cost an iteration: one product with A, 4 passes; memory x, r, p, q. It can break down: |pᵀq| <= ε_c‖p‖‖q‖ or
//! |rᵀr| <= ε_c‖r‖² (ε_c = 4(n + 4)ε) is `zeroCurvature`. Symmetry is probed (`notHermitian` if it fails). The residual is not monotone.
//! Stops at the true ‖r‖ <= τ.
//! Source: H. A. van der Vorst, J. B. M. Melissen (1990), "A Petrov–Galerkin type method for solving Ax = b, where A is
//! symmetric complex".

use std::convert::Infallible;

use crate::oracle::End;
use crate::outcome::{Location, Reason};
use crate::scalar::{Scalar, power_of_two_inverse};
use crate::system::System;
use crate::vector;

/// From the true residual r of x to an end.
pub(crate) async fn pass<T: Scalar>(s: &mut System<'_, T>, r: &mut [T]) -> Result<Infallible, End<T>> {
    let tiny = vector::rounding(r.len());
    let mut p = r.to_vec();
    let mut q = vec![T::default(); r.len()];
    let mut gamma = T::dot_transposed(r, r);
    loop {
        s.apply(&p, &mut q).await?;
        let delta = T::dot_transposed(&p, &q);
        if !delta.finite() {
            return Err(s.blame(&q, Location::Operator));
        }
        let size = vector::norm(T::reals(&p)) * vector::norm(T::reals(&q));
        if delta.modulus() <= tiny * size {
            return Err(Reason::ZeroCurvature.into());
        }
        let alpha = quotient(gamma, delta);
        T::axpy(alpha, &p, &mut s.x);
        T::axpy(-alpha, &q, r);
        let norm = vector::norm(T::reals(r));
        s.iterate(norm).await?;
        s.keep_best();
        let next = T::dot_transposed(r, r);
        if next.modulus() <= tiny * norm * norm {
            return Err(Reason::ZeroCurvature.into());
        }
        T::xpby(r, quotient(next, gamma), &mut p);
        gamma = next;
    }
}

/// a / b, whose squared modulus alone may overflow or vanish.
fn quotient<T: Scalar>(a: T, b: T) -> T {
    let unit = power_of_two_inverse(b.modulus(), false);
    a.scale(unit) / b.scale(unit)
}

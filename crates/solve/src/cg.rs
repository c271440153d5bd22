//! Preconditioned conjugate gradients.
//!
//! For A Hermitian positive definite, M Hermitian positive definite:
//! q = Ap; δ = ⟨p, q⟩; α = γ/δ; x += αp; r −= αq; z = M⁻¹r; γ⁺ = ⟨r, z⟩; β = γ⁺/γ; p = z + βp.
//! *Flexible* (M may vary): β = ⟨r⁺ − r, z⁺⟩/γ = −α⟨q, z⁺⟩/γ (Polak–Ribière), no vector more.
//!
//! Cost an iteration: one product with A, one with M⁻¹, and reads or writes 11 vectors (13 with M; 10 and the diagonal
//! twice where M is one, which is applied inside the passes over r and p); memory x, r, p, q, and z with a preconditioner. Rate: ‖e_m‖_A <= 2ρᵐ‖e₀‖_A, ρ = (√κ−1)/(√κ+1), κ the condition number of M⁻¹A.
//!
//! Stops at ‖r‖ <= max(rtol‖b‖, atol), confirmed by the true residual. On the way, with ε_c = 4(n + 4)ε, a bound of the
//! rounding of a product and an inner product of length n:
//! * δ <= −ε_c‖A‖‖p‖² is `indefiniteOperator`, with p and its curvature (‖A‖ is the largest ‖Ap‖/‖p‖ seen, so that the
//!   rounding of Ap along a null vector is no negative curvature);
//! * other δ <= ε_c‖p‖‖q‖ are `zeroCurvature`. Without a preconditioner the bound is 2√ε: for a definite A,
//!   cos∠(p, Ap) >= 2√κ/(1+κ) (Wielandt's inequality), so a smaller cosine proves κ >= 1/ε. A step that would blow the
//!   residual up beyond the divergence bound is not taken; it is `zeroCurvature` too if the cosine is below 10/bound
//!   (an inconsistent singular system looks like that), else `diverged`;
//! * γ <= ε_c‖r‖‖z‖ is `indefinitePreconditioner`;
//! * |Im δ| > max(√ε|δ|, ε_c‖A‖‖p‖²) is `notHermitian`, and so is the loss of local orthogonality,
//!   |⟨r⁺, z⟩| > 0.1√(γγ⁺): in exact arithmetic it is 0 for any Hermitian A. Required besides is that it exceeds √ε γ (a
//!   residual that falls by eight digits at once is no false alarm) and the rounding of its own terms,
//!   η = (αβ/α_old) η_old + 10³ε α‖A‖‖p‖(‖z‖ + ‖βp_old‖) (nor is a direction in the null space). It costs nothing: the
//!   sum is taken with the update of r.
//!
//! *Trust radius* Δ (Steihaug, Toint): from x = 0, ‖x‖²_M, ⟨x, p⟩_M and ‖p‖²_M are carried by recurrences; a step that
//! would leave the ball, or a direction with δ <= 0, is followed to ‖x + τp‖_M = Δ.
//! *Truncated* (line search): negative curvature returns the last x, at the first iteration the direction p itself.
//!
//! Sources: M. R. Hestenes, E. Stiefel (1952), "Methods of conjugate gradients for solving linear systems";
//! T. Steihaug (1983), "The conjugate gradient method and trust regions in large scale optimization";
//! Ph. L. Toint (1981); G. H. Golub, Q. Ye (1999), "Inexact preconditioned conjugate gradient method with inner-outer
//! iteration" (flexible form).

use std::convert::Infallible;

use crate::deflation;
use crate::oracle::{End, Stop};
use crate::outcome::{Location, Reason};
use crate::scalar::Scalar;
use crate::settings::{Norm, Replacement};
use crate::system::System;
use crate::vector;

const EPS: f64 = f64::EPSILON;

/// ‖x‖²_M, ⟨x, p⟩_M, ‖p‖²_M of a solve with a radius, and the squared radius in the scaled units.
struct Ball {
    square: f64,
    cross: f64,
    direction: f64,
    radius: f64,
}

impl Ball {
    /// The τ >= 0 at which x + τp meets the boundary.
    fn boundary(&self) -> f64 {
        let room = (self.radius - self.square).max(0.0);
        let root = (self.cross * self.cross + self.direction * room).sqrt();
        // The form without cancellation.
        if self.cross > 0.0 { room / (self.cross + root) } else { (root - self.cross) / self.direction }
    }

    fn advance(&mut self, alpha: f64, beta: f64, gamma: f64) {
        self.square += alpha * (2.0 * self.cross + alpha * self.direction);
        self.cross = beta * (self.cross + alpha * self.direction);
        self.direction = gamma + beta * beta * self.direction;
    }
}

/// ⟨r, M⁻¹r⟩ and ‖M⁻¹r‖ with z = M⁻¹r computed, or the reason why M is refused.
pub(crate) async fn precondition<T: Scalar>(s: &mut System<'_, T>, r: &[T], z: &mut [T]) -> Result<(f64, f64), End<T>> {
    let [gamma, rr, zz] = s.precondition_dot(r, z).await?;
    let (rnorm, znorm) = (vector::norm_from(rr, T::reals(r)), vector::norm_from(zz, T::reals(z)));
    if !gamma.is_finite() || !znorm.is_finite() {
        return Err(s.blame(z, Location::Preconditioner));
    }
    if gamma <= r.len() as f64 * EPS * rnorm * znorm {
        return Err(Reason::IndefinitePreconditioner.into());
    }
    if T::COMPLEX && T::dot(r, z).im().abs() > EPS.sqrt() * gamma {
        return Err(Reason::NotHermitian.into());
    }
    Ok((gamma, znorm))
}

pub(crate) fn curved<T: Scalar>(reason: Reason, p: &[T], norm: f64, curvature: f64) -> End<T> {
    let mut direction = p.to_vec();
    vector::scale(1.0 / norm, T::reals_mut(&mut direction));
    End::Stop(Stop { reason, location: None, direction: Some(direction), curvature: Some(curvature) })
}

/// The last step of a solve in a ball: x += τp to its boundary, and r with it.
fn meet<T: Scalar>(s: &mut System<'_, T>, tau: f64, p: &[T], q: &[T], r: &mut [T]) {
    vector::axpy(tau, T::reals(p), T::reals_mut(&mut s.x));
    vector::axpy(-tau, T::reals(q), T::reals_mut(r));
    s.iterations += 1;
    if s.settings.norm == Norm::Residual {
        s.recurrence = vector::norm(T::reals(r));
        if let Some(history) = &mut s.history {
            history.push(s.recurrence / s.rhs_scale);
        }
    }
}

/// Takes the step that x still lacks.
fn settle<T: Scalar>(owed: &mut f64, p: &[T], x: &mut [T]) {
    if *owed != 0.0 {
        vector::axpy(*owed, T::reals(p), T::reals_mut(x));
        *owed = 0.0;
    }
}

/// From the true residual r of x to an end.
pub(crate) async fn pass<T: Scalar>(s: &mut System<'_, T>, r: &mut [T]) -> Result<Infallible, End<T>> {
    let n = r.len();
    let preconditioned = s.oracle.preconditioned();
    let tiny = vector::rounding(n);
    let flat = if preconditioned { tiny } else { 2.0 * EPS.sqrt() };
    let mut z = if preconditioned { vec![T::default(); n] } else { Vec::new() };
    let (mut p, mut q) = (vec![T::default(); n], vec![T::default(); n]);
    let mut deflation = s.deflation.take();
    if let Some(space) = &mut deflation {
        space.start(&mut s.x, r);
        if vector::norm(T::reals(r)) <= s.tolerance.value {
            s.deflation = deflation;
            return Err(End::Drifted);
        }
    }
    // γ, and ‖z‖ of the step before.
    let (mut gamma, mut before) = if preconditioned {
        precondition(s, r, &mut z).await?
    } else {
        let norm = vector::norm(T::reals(r));
        (norm * norm, norm)
    };
    p.copy_from_slice(if preconditioned { &z } else { r });
    if let Some(space) = &mut deflation {
        space.direction(if preconditioned { &z } else { r }, &mut p);
    }
    let mut ball = s.settings.radius.map(|_| Ball { square: 0.0, cross: 0.0, direction: gamma, radius: 0.0 });
    let kept = if s.settings.harvest > 0 && s.ritz.is_none() { 4 * s.settings.harvest + 40 } else { 0 };
    let mut basis: Vec<Vec<T>> = Vec::with_capacity(kept);
    // A diagonal M is applied inside the two passes over r and p, and z is not stored (after the first time).
    let fused = !T::COMPLEX
        && preconditioned
        && s.settings.norm == Norm::Residual
        && s.settings.replacement == Replacement::Never
        && s.settings.null_space.is_none()
        && !s.settings.flexible
        && s.settings.harvest == 0
        && deflation.is_none()
        && s.oracle.has_diagonal();
    // ‖βp‖ of the direction before, and what rounding may leave of ⟨r⁺, z⟩.
    let (mut along, mut noise) = (0.0, 0.0);
    let (mut alpha_before, mut beta) = (1.0, 0.0);
    s.coefficients.close();

    // The step x += αp waits for the pass that makes the next direction, which reads p as well: this is its α.
    let mut owed = 0.0;
    let end = loop {
        if basis.len() < kept {
            let mut v = if preconditioned { z.clone() } else { r.to_vec() };
            vector::scale(1.0 / gamma.sqrt(), T::reals_mut(&mut v));
            basis.push(v);
        }
        let [delta, pp, qq] = match s.apply_dot(&p, &mut q).await {
            Ok(sums) => sums,
            Err(end) => break end,
        };
        if let (Some(ball), Some(radius)) = (&mut ball, s.trust_radius()) {
            ball.radius = radius * radius;
        }
        let (pnorm, qnorm) = (vector::norm_from(pp, T::reals(&p)), vector::norm_from(qq, T::reals(&q)));
        if !(delta.is_finite() && pnorm.is_finite() && qnorm.is_finite()) {
            break s.blame(&q, Location::Operator);
        }
        let size = pnorm * qnorm;
        // What rounding in Ap leaves of δ.
        let rounding = tiny * s.largest_stretch().max(qnorm / pnorm) * pnorm * pnorm;
        if T::COMPLEX {
            let imaginary = T::dot(&p, &q).im().abs();
            if imaginary > EPS.sqrt() * delta.abs() && imaginary > rounding {
                break Reason::NotHermitian.into();
            }
        }
        if delta <= flat * size {
            let curvature = delta / (pnorm * pnorm);
            let negative = delta < 0.0 && delta <= -rounding;
            if let Some(ball) = &ball {
                meet(s, ball.boundary(), &p, &q, r);
                break curved(Reason::NegativeCurvature, &p, pnorm, curvature);
            }
            if s.settings.truncated {
                if s.iterations == 0 {
                    s.x.copy_from_slice(&p);
                    vector::axpy(-1.0, T::reals(&q), T::reals_mut(r));
                    s.recurrence = vector::norm(T::reals(r));
                }
                break curved(Reason::NegativeCurvature, &p, pnorm, curvature);
            }
            let reason = if negative { Reason::IndefiniteOperator } else { Reason::ZeroCurvature };
            break curved(reason, &p, pnorm, curvature);
        }
        let alpha = gamma / delta;
        if let Some(ball) = &ball
            && ball.square + alpha * (2.0 * ball.cross + alpha * ball.direction) >= ball.radius
        {
            meet(s, ball.boundary(), &p, &q, r);
            break Reason::TrustBoundary.into();
        }
        if s.explodes(alpha * qnorm) {
            let singular = delta <= 10.0 / s.settings.divergence * size;
            if singular {
                break curved(Reason::ZeroCurvature, &p, pnorm, delta / (pnorm * pnorm));
            }
            break Reason::Diverged.into();
        }
        let mut scaled = None;
        let [square, product] = if fused && let Some(d) = s.oracle.diagonal() {
            let [square, product, gamma, znorm] = vector::reduce_scaled(alpha, T::reals(&q), d, T::reals_mut(r));
            scaled = Some((gamma, znorm));
            [square, product]
        } else if preconditioned {
            vector::reduce_against(alpha, T::reals(&q), T::reals(&z), T::reals_mut(r))
        } else {
            vector::reduce(alpha, T::reals(&q), T::reals_mut(r))
        };
        owed = alpha;
        let mut norm = vector::norm_from(square, T::reals(r));
        s.coefficients.push(1.0 / alpha + beta / alpha_before, 0.0);
        if s.coefficients.energy(alpha * gamma) {
            s.progress();
        }
        if s.settings.norm == Norm::Residual {
            if s.confirms(norm) {
                settle(&mut owed, &p, &mut s.x);
            }
            if let Err(end) = s.iterate(norm).await {
                break end;
            }
        }
        // The flexible β needs q, which replacement would use as scratch.
        if s.replacement_due(norm, alpha * pnorm, qnorm / pnorm) && !s.settings.flexible {
            settle(&mut owed, &p, &mut s.x);
            match s.replace(r, norm, &mut q).await {
                Ok(replaced) => norm = replaced,
                Err(end) => break end,
            }
        }
        let (next, znorm) = if let Some((next, zz)) = scaled {
            let znorm = zz.sqrt();
            if !(next.is_finite() && (1e-280..1e300).contains(&zz)) && norm > 0.0 {
                // What is out of range is named, or measured again, by the pass of its own.
                match precondition(s, r, &mut z).await {
                    Ok(pair) => pair,
                    Err(end) => break end,
                }
            } else if next <= n as f64 * EPS * norm * znorm {
                break Reason::IndefinitePreconditioner.into();
            } else {
                (next, znorm)
            }
        } else if preconditioned {
            match precondition(s, r, &mut z).await {
                Ok(pair) => pair,
                Err(end) => break end,
            }
        } else {
            (norm * norm, norm)
        };
        let measured = match s.settings.norm {
            Norm::Residual => None,
            Norm::Natural => Some(next.sqrt()),
            Norm::Preconditioned => Some(znorm),
        };
        if let Some(measured) = measured {
            if s.confirms(measured) {
                settle(&mut owed, &p, &mut s.x);
            }
            if let Err(end) = s.iterate(measured).await {
                break end;
            }
        }
        noise = alpha * beta.abs() / alpha_before * noise
            + 1e3 * EPS * alpha * s.largest_stretch() * pnorm * (before + along);
        if product.abs() > 0.1 * (gamma * next).sqrt() && product.abs() > (EPS.sqrt() * gamma).max(noise) {
            break Reason::NotHermitian.into();
        }
        beta = if s.settings.flexible {
            let z = if preconditioned { &z } else { &*r };
            -alpha * vector::dot(T::reals(&q), T::reals(z)) / gamma
        } else {
            next / gamma
        };
        s.coefficients.couple(beta.max(0.0).sqrt() / alpha);
        if let Some(ball) = &mut ball {
            ball.advance(alpha, beta, next);
        }
        if scaled.is_some()
            && let Some(d) = s.oracle.diagonal_again()
        {
            vector::advance_scaled(owed, d, T::reals(r), beta, T::reals_mut(&mut p), T::reals_mut(&mut s.x));
        } else {
            let z = if preconditioned { &z } else { &*r };
            vector::advance(owed, T::reals(z), beta, T::reals_mut(&mut p), T::reals_mut(&mut s.x));
            if let Some(space) = &mut deflation {
                space.direction(z, &mut p);
            }
        }
        owed = 0.0;
        (gamma, before, along) = (next, znorm, beta.abs() * pnorm);
        alpha_before = alpha;
    };
    settle(&mut owed, &p, &mut s.x);
    s.deflation = deflation;
    if kept > 0 {
        s.ritz = Some(deflation::harvest(s.settings.harvest, &basis, &s.coefficients));
    }
    Err(end)
}

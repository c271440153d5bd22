//! Gradients through least squares: x = argmin ‖Ax − b‖² + d²‖x‖², A of full column rank (or d > 0).
//!
//! With B = [A; dI], r = b − Ax (and −dx below it): x = B⁺[b; 0], dx = B⁺(d[b; 0] − dB x) + (BᴴB)⁻¹ dBᴴ r.
//! Backwards: u = (B⁺)ᴴx̄, μ = B⁺u = (BᴴB)⁻¹x̄; then b̄ = u (its first part), Ā = rμᴴ − uxᴴ, d̄ = −2d Re⟨μ, x⟩.
//! u is the solution of least norm of Bᴴu = x̄: two LSQR solves, one with Bᴴ and one with B, and the condition number of A
//! is never squared. If A has not full column rank, x̄ is not in the range of Bᴴ in general, x is not differentiable, and
//! the first of them does not reach its tolerance: `unconverged-gradient`.
//!
//! Source: G. H. Golub, V. Pereyra (1973), "The differentiation of pseudo-inverses and nonlinear least squares problems
//! whose variables separate".

use headwater_base::{Control, Error};

use crate::csr::Csr;
use crate::gradient::{GradientSettings, require, subtract};
use crate::operator::Operator;
use crate::outcome::{Outcome, Reason};
use crate::scalar::Scalar;
use crate::session::solve;
use crate::settings::{Method, Settings};

/// A gradient through a least-squares solve.
#[derive(Clone, Debug)]
pub struct LeastSquaresVjp<T> {
    /// x of the forward solve.
    pub x: Vec<T>,
    /// b − Ax.
    pub r: Vec<T>,
    /// (BᴴB)⁻¹x̄.
    pub mu: Vec<T>,
    /// b̄.
    pub rhs: Vec<T>,
    /// With respect to the damping d.
    pub damp: f64,
    /// The solves for u and μ.
    pub solves: [Outcome<T>; 2],
}

/// [A; dI], or its adjoint.
struct Stacked<'a, T: Scalar> {
    operator: &'a dyn Operator<T>,
    damp: f64,
    adjoint: bool,
}

impl<T: Scalar> Stacked<'_, T> {
    fn height(&self) -> usize {
        self.operator.rows() + if self.damp == 0.0 { 0 } else { self.operator.cols() }
    }
    fn down(&self, x: &[T], y: &mut [T]) {
        let (top, bottom) = y.split_at_mut(self.operator.rows());
        self.operator.apply(x, top);
        for (y, x) in bottom.iter_mut().zip(x) {
            *y = x.scale(self.damp);
        }
    }
    fn up(&self, x: &[T], y: &mut [T]) {
        let (top, bottom) = x.split_at(self.operator.rows());
        self.operator.apply_adjoint(top, y);
        for (y, x) in y.iter_mut().zip(bottom) {
            *y += x.scale(self.damp);
        }
    }
}

impl<T: Scalar> Operator<T> for Stacked<'_, T> {
    fn rows(&self) -> usize {
        if self.adjoint { self.operator.cols() } else { self.height() }
    }
    fn cols(&self) -> usize {
        if self.adjoint { self.height() } else { self.operator.cols() }
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        if self.adjoint { self.up(x, y) } else { self.down(x, y) }
    }
    fn apply_adjoint(&self, x: &[T], y: &mut [T]) {
        if self.adjoint { self.down(x, y) } else { self.up(x, y) }
    }
    fn has_adjoint(&self) -> bool {
        true
    }
}

/// u = (B⁺)ᴴv and μ = B⁺u.
fn normal_inverse<T: Scalar>(
    operator: &dyn Operator<T>,
    damp: f64,
    v: &[T],
    settings: &GradientSettings<T>,
    control: Control<'_>,
) -> Result<[Outcome<T>; 2], Error> {
    let inner = Settings { damp: 0.0, x0: None, ..settings.solve.clone() };
    let mut u = solve(Method::Lsqr, &Stacked { operator, damp, adjoint: true }, None, v, &inner, control)?;
    // A least-squares solution of Bᴴu = v is not enough: v must be in the range.
    let limit = 10.0 * u.tolerance.value.max(f64::EPSILON.sqrt() * 1e-4 * crate::vector::norm(T::reals(v)));
    if u.converged() && u.residual.true_norm.is_some_and(|norm| norm > limit) {
        u.reason = Reason::ZeroCurvature;
    }
    require("adjoint", &u, settings.allow_inexact)?;
    let mu = solve(Method::Lsqr, &Stacked { operator, damp, adjoint: false }, None, &u.x, &inner, control)?;
    require("second adjoint", &mu, settings.allow_inexact)?;
    Ok([u, mu])
}

fn check<T: Scalar>(operator: &dyn Operator<T>, x: &[T], b: &[T], v: &[T], damp: f64) -> Result<(), Error> {
    if !operator.has_adjoint() {
        return Err(Error::new("option-not-valid", "least squares need the adjoint of the operator"));
    }
    let fits = x.len() == operator.cols() && b.len() == operator.rows() && v.len() == operator.cols();
    if !(fits && damp >= 0.0 && damp.is_finite()) {
        return Err(Error::new(
            "option-not-valid",
            "x, b and the cotangent must fit A, and damp be a finite number from 0",
        ));
    }
    Ok(())
}

/// The gradient through a solve by `lsqr` (or `cgnr` for a tall A), of which `forward` is the outcome. `settings.solve.damp`
/// is the damping of the forward solve.
///
/// Errors: `option-not-valid` for misuse; `unconverged-gradient` as in [`crate::gradient::vjp`].
pub fn least_squares_vjp<T: Scalar>(
    operator: &dyn Operator<T>,
    b: &[T],
    forward: &Outcome<T>,
    cotangent: &[T],
    settings: &GradientSettings<T>,
    control: Control<'_>,
) -> Result<LeastSquaresVjp<T>, Error> {
    let damp = settings.solve.damp;
    check(operator, &forward.x, b, cotangent, damp)?;
    require("forward", forward, settings.allow_inexact)?;
    let mut r = b.to_vec();
    subtract(Some(operator), &forward.x, &mut r)?;
    let solves = normal_inverse(operator, damp, cotangent, settings, control)?;
    let rows = operator.rows();
    let mu = solves[1].x.clone();
    let damp_bar = -2.0 * damp * T::dot(&mu, &forward.x).re();
    Ok(LeastSquaresVjp { x: forward.x.clone(), r, mu, rhs: solves[0].x[..rows].to_vec(), damp: damp_bar, solves })
}

/// ẋ of least squares, for ḃ and Ȧ (which must have an adjoint); `None` is 0. With it the solve of A⁺(ḃ − Ȧx), the part
/// of ẋ that does not come from Ȧᴴr. Errors: as [`least_squares_vjp`].
pub fn least_squares_jvp<T: Scalar>(
    operator: &dyn Operator<T>,
    b: &[T],
    forward: &Outcome<T>,
    db: Option<&[T]>,
    da: Option<&dyn Operator<T>>,
    settings: &GradientSettings<T>,
    control: Control<'_>,
) -> Result<(Vec<T>, Outcome<T>), Error> {
    let damp = settings.solve.damp;
    check(operator, &forward.x, b, &forward.x, damp)?;
    require("forward", forward, settings.allow_inexact)?;
    let mut right = db.map_or_else(|| vec![T::default(); b.len()], <[T]>::to_vec);
    if right.len() != b.len() {
        return Err(Error::new("option-not-valid", "the tangent of b has another length than b"));
    }
    subtract(da, &forward.x, &mut right)?;
    let inner = Settings { x0: None, ..settings.solve.clone() };
    let first = solve(Method::Lsqr, operator, None, &right, &inner, control)?;
    require("tangent", &first, settings.allow_inexact)?;
    let mut out = first.x.clone();
    if let Some(da) = da {
        if !da.has_adjoint() {
            return Err(Error::new("option-not-valid", "the tangent of A needs an adjoint here"));
        }
        let mut r = b.to_vec();
        subtract(Some(operator), &forward.x, &mut r)?;
        let mut v = vec![T::default(); out.len()];
        da.apply_adjoint(&r, &mut v);
        let [_, mu] = normal_inverse(operator, damp, &v, settings, control)?;
        for (x, m) in out.iter_mut().zip(&mu.x) {
            *x += *m;
        }
    }
    Ok((out, first))
}

impl<T: Scalar> LeastSquaresVjp<T> {
    /// Ā = rμᴴ − uxᴴ on the elements of a matrix, in their order. Error: `option-not-valid` for a pattern of another size.
    pub fn matrix(&self, pattern: &Csr<T>) -> Result<Vec<T>, Error> {
        if pattern.rows() != self.r.len() || pattern.cols() != self.x.len() {
            return Err(Error::new("option-not-valid", "the pattern must be of the size of A"));
        }
        let mut out = Vec::with_capacity(pattern.nnz());
        for i in 0..pattern.rows() {
            for &j in pattern.row(i).0 {
                let j = j as usize;
                out.push(self.r[i] * self.mu[j].conj() - self.rhs[i] * self.x[j].conj());
            }
        }
        Ok(out)
    }
}

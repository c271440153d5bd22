//! Gradients through solves: x = A(θ)⁻¹b, in the convention dL = Re⟨x̄, dx⟩ (x̄ = ∂L/∂Re x + i ∂L/∂Im x).
//!
//! Backwards: Aᴴλ = x̄; b̄ = λ; Ā = −λxᴴ, restricted to the elements of A ([`Vjp::matrix`]); for a parameter,
//! θ̄ = −Re⟨λ, (∂A/∂θ)x⟩ + Re⟨λ, ∂b/∂θ⟩ ([`Vjp::parameter`]). Forwards: ẋ = A⁻¹(ḃ − Ȧx).
//!
//! The adjoint system is solved by the method of the forward one: with A itself where A = Aᴴ (`cg`, `minres`, `cr`),
//! a → −a (`shifted_hermitian`), Aᴴv = conj(A conj v) (`cocg`), Aᴴ = 2I − A (`cgw`), Aᴴ by its own product (`cgnr`), and
//! with Mᴴ for M. Cost: one solve; λ of the last call is a good x₀ for the next one. x and λ are all that is kept.
//!
//! Singular A with a null space in the settings: x and λ are those of the pseudo-inverse, and the formulas hold for
//! changes of A that keep the null space (edge weights of a connected graph do).
//!
//! The error of an inexact gradient is at most ‖∂A‖(‖δλ‖‖x‖ + ‖λ‖‖δx‖), ‖δx‖ and ‖δλ‖ at most ‖A⁻¹‖ times the residual
//! norms: forward and adjoint tolerances are separate, and a solve that has not converged is an error unless the caller
//! allows it. Least squares: [`crate::least_squares`].
//!
//! Source: M. B. Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
//! differentiation".

use headwater_base::{Control, Error};

use crate::csr::Csr;
use crate::direct::Direct;
use crate::operator::{Operator, Preconditioner};
use crate::outcome::{Outcome, Reason};
use crate::scalar::{Complex64, Scalar};
use crate::session::solve;
use crate::settings::{Method, Settings};

/// How matrix elements depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Not at all: Ā = −λxᴴ.
    General,
    /// A stays Hermitian: ½(Ā + Āᴴ).
    Hermitian,
    /// A stays symmetric (A = Aᵀ, also for complex A): ½(Ā + Āᵀ).
    Symmetric,
}

/// Settings of a gradient.
#[derive(Clone, Debug, Default)]
pub struct GradientSettings<T> {
    /// Of the adjoint (or tangent) solve: tolerances, guess of λ, null space.
    pub solve: Settings<T>,
    /// Return a gradient although a solve has not converged. Both outcomes say so.
    pub allow_inexact: bool,
}

/// A gradient through one solve.
#[derive(Clone, Debug)]
pub struct Vjp<T> {
    /// x of the forward solve.
    pub x: Vec<T>,
    /// λ, which is b̄.
    pub lambda: Vec<T>,
    /// The adjoint solve.
    pub adjoint: Outcome<T>,
}

/// Refuses what is not a solution of the system.
pub(crate) fn require<T>(which: &str, outcome: &Outcome<T>, allow_inexact: bool) -> Result<(), Error> {
    let solution = outcome.converged() && !matches!(outcome.reason, Reason::TrustBoundary | Reason::NegativeCurvature);
    if solution || (allow_inexact && !matches!(outcome.reason, Reason::NonFinite)) {
        return Ok(());
    }
    Err(Error::new(
        "unconverged-gradient",
        format!(
            "the {which} solve ended with {} at a relative residual of {:.1e}: there is no gradient to trust; \
             allowInexact returns it all the same",
            outcome.reason,
            outcome.residual.relative.unwrap_or(f64::NAN)
        ),
    ))
}

fn sizes<T: Scalar>(operator: &dyn Operator<T>, x: &[T], right: &[T]) -> Result<(), Error> {
    let (rows, cols) = (operator.rows(), operator.cols());
    if rows != cols {
        return Err(Error::new(
            "option-not-valid",
            format!("A is {rows} × {cols}; for least squares use least_squares_vjp"),
        ));
    }
    if x.len() != rows || right.len() != rows {
        return Err(Error::new(
            "option-not-valid",
            format!("x has {} and the cotangent or tangent {} elements, A {rows} rows", x.len(), right.len()),
        ));
    }
    Ok(())
}

fn no_least_squares(method: Method, damp: f64) -> Result<(), Error> {
    if method == Method::Lsqr || damp != 0.0 {
        return Err(Error::new(
            "option-not-valid",
            "lsqr solves least squares, which have another gradient: use least_squares_vjp or least_squares_jvp",
        ));
    }
    Ok(())
}

/// Aᴴ as the structure of the method gives it.
struct Adjoint<'a, T: Scalar> {
    operator: &'a dyn Operator<T>,
    method: Method,
}

impl<T: Scalar> Operator<T> for Adjoint<'_, T> {
    fn rows(&self) -> usize {
        self.operator.cols()
    }
    fn cols(&self) -> usize {
        self.operator.rows()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        match self.method {
            Method::Cocg => {
                let conjugate: Vec<T> = x.iter().map(|v| v.conj()).collect();
                self.operator.apply(&conjugate, y);
                y.iter_mut().for_each(|v| *v = v.conj());
            }
            Method::Cgw => {
                self.operator.apply(x, y);
                for (y, x) in y.iter_mut().zip(x) {
                    *y = x.scale(2.0) - *y;
                }
            }
            Method::Cgnr | Method::Lsqr => self.operator.apply_adjoint(x, y),
            // A = Aᴴ, or the operator is H.
            _ => self.operator.apply(x, y),
        }
    }
    fn apply_adjoint(&self, x: &[T], y: &mut [T]) {
        self.operator.apply(x, y);
    }
    fn has_adjoint(&self) -> bool {
        true
    }
    fn hermitian(&self) -> Option<bool> {
        self.operator.hermitian()
    }
}

struct AdjointPreconditioner<'a, T: Scalar>(&'a dyn Preconditioner<T>);

impl<T: Scalar> Preconditioner<T> for AdjointPreconditioner<'_, T> {
    fn apply(&self, r: &[T], z: &mut [T]) {
        self.0.apply_adjoint(r, z);
    }
    fn apply_adjoint(&self, r: &[T], z: &mut [T]) {
        self.0.apply(r, z);
    }
}

/// The gradient through x = A⁻¹b, of which `forward` is the outcome and `cotangent` x̄. `operator` and `preconditioner` are
/// those of the forward solve, as is `method`.
///
/// Errors: `option-not-valid` for misuse, for an A that is not square and for `lsqr` ([`crate::least_squares`] is for those);
/// `unconverged-gradient` if the forward or the adjoint solve did not converge (a step to a trust boundary or along
/// negative curvature is no solution either), unless `allow_inexact`.
pub fn vjp<T: Scalar>(
    method: Method,
    operator: &dyn Operator<T>,
    preconditioner: Option<&dyn Preconditioner<T>>,
    forward: &Outcome<T>,
    cotangent: &[T],
    settings: &GradientSettings<T>,
    control: Control<'_>,
) -> Result<Vjp<T>, Error> {
    no_least_squares(method, settings.solve.damp)?;
    sizes(operator, &forward.x, cotangent)?;
    require("forward", forward, settings.allow_inexact)?;
    let transposed = match method {
        Method::ShiftedHermitian { sigma, a } => Method::ShiftedHermitian { sigma, a: -a },
        other => other,
    };
    if method == Method::Cgnr && !operator.has_adjoint() {
        return Err(Error::new("option-not-valid", "this method needs the adjoint of the operator"));
    }
    let system = Adjoint { operator, method };
    let adapted = preconditioner.map(AdjointPreconditioner);
    let preconditioner = adapted.as_ref().map(|m| m as &dyn Preconditioner<T>);
    let adjoint = solve(transposed, &system, preconditioner, cotangent, &settings.solve, control)?;
    require("adjoint", &adjoint, settings.allow_inexact)?;
    Ok(Vjp { x: forward.x.clone(), lambda: adjoint.x.clone(), adjoint })
}

/// The same with a factored matrix: λ = A⁻ᴴx̄ from the factors of A. Errors: as [`vjp`].
pub fn direct_vjp<T: Scalar>(
    direct: &Direct<T>,
    forward: &Outcome<T>,
    cotangent: &[T],
    settings: &GradientSettings<T>,
) -> Result<Vjp<T>, Error> {
    sizes(direct.matrix(), &forward.x, cotangent)?;
    require("forward", forward, settings.allow_inexact)?;
    let adjoint = direct.solve_adjoint(cotangent, &settings.solve)?;
    require("adjoint", &adjoint, settings.allow_inexact)?;
    Ok(Vjp { x: forward.x.clone(), lambda: adjoint.x.clone(), adjoint })
}

/// ẋ = A⁻¹(ḃ − Ȧx) with a factored matrix: the outcome holds ẋ. What is `None` is 0. Errors: as [`vjp`].
pub fn direct_jvp<T: Scalar>(
    direct: &Direct<T>,
    forward: &Outcome<T>,
    db: Option<&[T]>,
    da: Option<&dyn Operator<T>>,
    settings: &GradientSettings<T>,
) -> Result<Outcome<T>, Error> {
    let mut right = db.map_or_else(|| vec![T::default(); forward.x.len()], <[T]>::to_vec);
    sizes(direct.matrix(), &forward.x, &right)?;
    require("forward", forward, settings.allow_inexact)?;
    subtract(da, &forward.x, &mut right)?;
    let tangent = direct.solve(&right, &settings.solve)?;
    require("tangent", &tangent, settings.allow_inexact)?;
    Ok(tangent)
}

/// ẋ = A⁻¹(ḃ − Ȧx): the outcome holds ẋ. `db` is ḃ, `da` the operator Ȧ; what is `None` is 0.
///
/// Errors: as [`vjp`].
pub fn jvp<T: Scalar>(
    method: Method,
    operator: &dyn Operator<T>,
    preconditioner: Option<&dyn Preconditioner<T>>,
    forward: &Outcome<T>,
    db: Option<&[T]>,
    da: Option<&dyn Operator<T>>,
    settings: &GradientSettings<T>,
    control: Control<'_>,
) -> Result<Outcome<T>, Error> {
    no_least_squares(method, settings.solve.damp)?;
    let mut right = db.map_or_else(|| vec![T::default(); operator.rows()], <[T]>::to_vec);
    sizes(operator, &forward.x, &right)?;
    require("forward", forward, settings.allow_inexact)?;
    subtract(da, &forward.x, &mut right)?;
    let tangent = solve(method, operator, preconditioner, &right, &settings.solve, control)?;
    require("tangent", &tangent, settings.allow_inexact)?;
    Ok(tangent)
}

/// right −= Ȧx.
pub(crate) fn subtract<T: Scalar>(da: Option<&dyn Operator<T>>, x: &[T], right: &mut [T]) -> Result<(), Error> {
    if let Some(da) = da {
        if da.rows() != right.len() || da.cols() != x.len() {
            return Err(Error::new("option-not-valid", format!("the tangent of A is {} × {}", da.rows(), da.cols())));
        }
        let mut image = right.to_vec();
        da.apply(x, &mut image);
        for (r, v) in right.iter_mut().zip(&image) {
            *r -= *v;
        }
    }
    Ok(())
}

impl<T: Scalar> Vjp<T> {
    /// b̄.
    pub fn rhs(&self) -> &[T] {
        &self.lambda
    }

    /// Ā on the elements of a matrix, in their order. Cost: one pass over the pattern.
    ///
    /// Error: `option-not-valid` for a pattern of another size.
    pub fn matrix(&self, pattern: &Csr<T>, structure: Structure) -> Result<Vec<T>, Error> {
        let n = self.x.len();
        if pattern.rows() != n || pattern.cols() != n {
            return Err(Error::new("option-not-valid", format!("the pattern must be {n} × {n}")));
        }
        let bar = |i: usize, j: usize| -(self.lambda[i] * self.x[j].conj());
        let mut out = Vec::with_capacity(pattern.nnz());
        for i in 0..n {
            for &j in pattern.row(i).0 {
                let j = j as usize;
                out.push(match structure {
                    Structure::General => bar(i, j),
                    Structure::Hermitian => (bar(i, j) + bar(j, i).conj()).scale(0.5),
                    Structure::Symmetric => (bar(i, j) + bar(j, i)).scale(0.5),
                });
            }
        }
        Ok(out)
    }

    /// θ̄ = −Re⟨λ, (∂A/∂θ)x⟩, given ∂A/∂θ as an operator. Error: `option-not-valid` for another size.
    pub fn parameter(&self, derivative: &dyn Operator<T>) -> Result<f64, Error> {
        let mut image = vec![T::default(); self.lambda.len()];
        subtract(Some(derivative), &self.x, &mut image)?;
        Ok(T::dot(&self.lambda, &image).re())
    }

    /// For A = σI + …: σ̄ = −Re⟨λ, x⟩.
    pub fn shift(&self) -> f64 {
        -T::dot(&self.lambda, &self.x).re()
    }
}

impl Vjp<Complex64> {
    /// For A = σI + iaH: ā = −Re⟨λ, iHx⟩. Error: `option-not-valid` for an H of another size.
    pub fn step(&self, h: &dyn Operator<Complex64>) -> Result<f64, Error> {
        let mut image = vec![Complex64::default(); self.lambda.len()];
        subtract(Some(h), &self.x, &mut image)?;
        // image = −Hx; Re⟨λ, i(−Hx)⟩ = Im⟨λ, Hx⟩.
        Ok(-Complex64::dot(&self.lambda, &image).im)
    }
}

//! Imaginary time (diffusion, cooling): u' = −Hu by implicit Euler, (I + aH)u⁺ = u with a the step.
//!
//! For a Hermitian H with I + aH positive definite (any positive semidefinite H) this is a system for plain conjugate
//! gradients, κ <= 1 + aλ_max. It damps every mode by 1/(1 + aλ): stable for every a, of order 1, and it keeps the sum of
//! u for a graph Laplacian. The last step is the guess of the next one, which here costs nothing in exactness.
//! Where I + aH is not positive definite, the reason is `indefiniteOperator`.
//!
//! Source: M. R. Hestenes, E. Stiefel (1952) for the solve.

use headwater_base::{Control, Error};

use crate::operator::Operator;
use crate::outcome::Reason;
use crate::scalar::Scalar;
use crate::session::solve;
use crate::settings::{Method, Settings};

/// What a run in imaginary time was worth.
#[derive(Clone, Debug, PartialEq)]
pub struct ImaginaryReport {
    /// Steps made; a step that fails ends the run, with u as before it.
    pub steps: usize,
    /// `rtol` if all steps met the tolerance, else why the failing one did not.
    pub reason: Reason,
    /// True relative residual of every solve.
    pub residuals: Vec<f64>,
    /// Products with H.
    pub matvecs: usize,
}

/// I + aH.
struct Damped<'a, T: Scalar> {
    h: &'a dyn Operator<T>,
    a: f64,
}

impl<T: Scalar> Operator<T> for Damped<'_, T> {
    fn rows(&self) -> usize {
        self.h.rows()
    }
    fn cols(&self) -> usize {
        self.h.cols()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.h.apply(x, y);
        crate::vector::axpby(1.0, T::reals(x), self.a, T::reals_mut(y));
    }
    fn hermitian(&self) -> Option<bool> {
        self.h.hermitian()
    }
}

/// Makes `steps` steps of length `a` in place.
///
/// Errors: `option-not-valid` for lengths that do not fit, a step that is not finite or a tolerance out of range.
pub fn imaginary_time<T: Scalar>(
    h: &dyn Operator<T>,
    u: &mut [T],
    a: f64,
    steps: usize,
    rtol: f64,
    control: Control<'_>,
) -> Result<ImaginaryReport, Error> {
    if !a.is_finite() {
        return Err(Error::new("option-not-valid", format!("the step is {a}; allowed are finite numbers")));
    }
    let system = Damped { h, a };
    let mut report = ImaginaryReport { steps: 0, reason: Reason::Rtol, residuals: Vec::new(), matvecs: 0 };
    for step in 0..steps.max(1) {
        let settings = Settings { rtol, x0: Some(u.to_vec()), probe: step == 0, ..Settings::default() };
        // With no steps the arguments are checked all the same.
        let settings = if steps == 0 { Settings { max_iterations: Some(0), ..settings } } else { settings };
        // Its own iterations are not what the caller counts.
        let inner = control.silent();
        let out = solve(Method::Cg, &system, None, u, &settings, inner)?;
        if steps == 0 {
            break;
        }
        report.matvecs += out.matvecs;
        report.residuals.push(out.residual.relative.unwrap_or(if out.converged() { 0.0 } else { f64::NAN }));
        if !out.converged() {
            report.reason = out.reason;
            break;
        }
        u.copy_from_slice(&out.x);
        report.steps += 1;
        super::tell(control, report.steps, steps);
    }
    Ok(report)
}

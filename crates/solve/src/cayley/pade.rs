//! Steps of order 4: the diagonal Padé approximant of e^{−iHdt}, unitary like the Cayley transform (which is the one of
//! order 2).
//!
//! e^z ≈ (1 + z/2 + z²/12)/(1 − z/2 + z²/12) = 1 + c/(z − p) + c̄/(z − p̄), p = 3 + i√3, c = 12p/(p − p̄). With z = −iHdt,
//! 1/(z − p) = −1/(3 + i·dt(H + √3/dt)): two solves of the complex Galerkin kind with H shifted by ±√3/dt.
//! ψ⁺ = ψ − c y₁ − c̄ y₂. Phase error of a step (λdt)⁵/720. Cost: the products of two solves, whose residuals are
//! reported; unlike a Cayley step a truncated one does not conserve exactly, so that here norm and energy do say something.
//!
//! Source: E. Hairer, G. Wanner (1996), "Solving ordinary differential equations II", IV.3.

use headwater_base::{Control, Error};

use super::{Cayley, Report};
use crate::operator::{Operator, Shifted};
use crate::outcome::Reason;
use crate::scalar::{Complex64, Scalar};
use crate::session::solve;
use crate::settings::{Method, Settings};

impl Cayley {
    /// Makes `steps` steps of order 4 in place, with the dt and tolerance of the propagator, by Galerkin solves whatever
    /// its solver. The report has two residuals a step, each bounding the relative error of ψ⁺ by 12/√3·|p|/3 = 8 times
    /// itself.
    ///
    /// Error: `option-not-valid` for a ψ of another length.
    pub fn pade(&mut self, psi: &mut [Complex64], steps: usize, control: Control<'_>) -> Result<Report, Error> {
        self.check(psi)?;
        let mut report = self.begin(psi);
        let dt = self.settings.dt;
        if dt == 0.0 || report.norm[0] == 0.0 {
            report.steps = steps;
            return Ok(report);
        }
        let root = 3.0_f64.sqrt();
        let p = Complex64::new(3.0, root);
        let c = p.scale(12.0) / Complex64::new(0.0, 2.0 * root);
        // H is known to be Hermitian, and so is H plus a real number.
        let settings = Settings {
            rtol: self.settings.rtol,
            max_iterations: Some(self.max_iterations),
            probe: false,
            ..Settings::default()
        };
        let one = Complex64::new(1.0, 0.0);
        while report.steps < steps {
            let mut plus = psi.to_vec();
            let mut fine = false;
            for (shift, factor) in [(root / dt, c), (-root / dt, c.conj())] {
                let shifted = Shifted { operator: &self.h, shift: Complex64::new(shift, 0.0), factor: one };
                let method = Method::ShiftedHermitian { sigma: 3.0, a: dt };
                let out = solve(method, &Known(shifted), None, psi, &settings, control.silent())?;
                let residual = out.residual.relative.unwrap_or(if out.converged() { 0.0 } else { f64::NAN });
                let solved = super::galerkin::Solved { reason: out.reason, matvecs: out.matvecs, residual };
                fine = report.enter(solved, self.settings.allow_inexact);
                if !fine {
                    break;
                }
                Complex64::axpy(-factor, &out.x, &mut plus);
            }
            if !fine {
                break;
            }
            psi.copy_from_slice(&plus);
            report.steps += 1;
            super::tell(control, report.steps, steps);
            if control.cancelled() && report.steps < steps {
                report.reason = Reason::Aborted;
                break;
            }
        }
        self.end(psi, &mut report);
        Ok(report)
    }
}

/// A Hermitian operator that says so.
struct Known<O>(O);

impl<O: Operator<Complex64>> Operator<Complex64> for Known<O> {
    fn rows(&self) -> usize {
        self.0.rows()
    }
    fn cols(&self) -> usize {
        self.0.cols()
    }
    fn apply(&self, x: &[Complex64], y: &mut [Complex64]) {
        self.0.apply(x, y);
    }
    fn hermitian(&self) -> Option<bool> {
        Some(true)
    }
}

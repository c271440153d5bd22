//! Strang splitting: a phase that the caller computes from ψ, about the linear step.
//!
//! ψ_j ← e^{iθ_j}ψ_j, Cayley(dt), ψ_j ← e^{iθ_j}ψ_j, with θ computed from the ψ of the moment, for half a step. Every factor
//! is unitary. For iψ̇ = Hψ + g|ψ|²ψ, θ_j = −g|ψ_j|²dt/2. If θ depends on the moduli |ψ_j| only, the scheme is of order 2
//! and reversible, and the energy ⟨ψ, Hψ⟩ + (g/2)Σ|ψ_j|⁴ oscillates by O(dt²) without drift; otherwise it is of order 1.
//!
//! Source: G. Strang (1968), "On the construction and comparison of difference schemes".

use headwater_base::{Control, Error};

use super::{Cayley, Report};
use crate::outcome::{Location, Reason};
use crate::scalar::Complex64;

impl Cayley {
    /// Makes `steps` split steps in place. `phase(ψ, θ)` writes the angles, in radians, of half a step; it is called twice
    /// a step. An angle that is not finite ends the run with the reason `nonFinite`, ψ as before that step.
    ///
    /// The report is that of the linear solves; energy is ⟨ψ, Hψ⟩, which the phase does not conserve.
    /// Error: `option-not-valid` for a ψ of another length.
    pub fn strang(
        &mut self,
        psi: &mut [Complex64],
        steps: usize,
        mut phase: impl FnMut(&[Complex64], &mut [f64]),
        control: Control<'_>,
    ) -> Result<(Report, Option<Location>), Error> {
        self.check(psi)?;
        let mut report = self.begin(psi);
        let mut theta = vec![0.0; psi.len()];
        let (mut now, mut y, mut plus) = (psi.to_vec(), psi.to_vec(), psi.to_vec());
        let mut location = None;
        let mut turn = |v: &mut [Complex64]| {
            phase(v, &mut theta);
            for (v, &theta) in v.iter_mut().zip(&theta) {
                let (sin, cos) = theta.sin_cos();
                *v *= Complex64::new(cos, sin);
            }
            crate::vector::finite(&theta)
        };
        if steps > 0 && !self.prepare(control)? {
            report.reason = Reason::Aborted;
        }
        while report.steps < steps && report.reason != Reason::Aborted {
            now.copy_from_slice(psi);
            let mut finite = turn(&mut now);
            if finite {
                let solved = self.advance(false, self.settings.rtol, &now, &mut y, &mut plus, control)?;
                if !report.enter(solved, self.settings.allow_inexact) {
                    break;
                }
                finite = turn(&mut plus);
            }
            if !finite {
                (report.reason, location) = (Reason::NonFinite, Some(Location::Operator));
                break;
            }
            psi.copy_from_slice(&plus);
            report.steps += 1;
            if control.cancelled() && report.steps < steps {
                report.reason = Reason::Aborted;
                break;
            }
        }
        self.end(psi, &mut report);
        Ok((report, location))
    }
}

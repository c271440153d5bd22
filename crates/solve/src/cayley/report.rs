//! What a run of steps was worth.

use super::galerkin;
use crate::outcome::Reason;

/// What a run of steps was worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Steps made. A step that fails ends the run, with ψ as before it, unless `allow_inexact`.
    pub steps: usize,
    /// Why the (first) worst solve ended: `rtol` if all steps met the tolerance.
    pub reason: Reason,
    /// The true relative residual of every solve, in order.
    pub residuals: Vec<f64>,
    /// Products of H with one complex vector, those of residuals included.
    pub matvecs: usize,
    /// ‖ψ‖ before and after.
    pub norm: [f64; 2],
    /// ⟨ψ, Hψ⟩ before and after, if asked for.
    pub energy: Option<[f64; 2]>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self { steps: 0, reason: Reason::Rtol, residuals: Vec::new(), matvecs: 0, norm: [0.0; 2], energy: None }
    }

    /// Whether every solve met the tolerance.
    pub fn converged(&self) -> bool {
        self.reason.converged()
    }
    /// The largest residual (NaN counts as largest); 0 without steps.
    pub fn worst_residual(&self) -> f64 {
        self.residuals.iter().fold(0.0, |worst, &r| if r <= worst { worst } else { r })
    }
    /// ‖ψ‖ after / before − 1; 0 for ψ = 0.
    pub fn norm_defect(&self) -> f64 {
        if self.norm[0] == 0.0 { 0.0 } else { self.norm[1] / self.norm[0] - 1.0 }
    }
    /// ⟨ψ, Hψ⟩ after minus before.
    pub fn energy_defect(&self) -> Option<f64> {
        self.energy.map(|[before, after]| after - before)
    }

    /// Takes a solve down; whether the run may go on.
    pub(super) fn enter(&mut self, solved: galerkin::Solved, allow_inexact: bool) -> bool {
        self.matvecs += solved.matvecs;
        self.residuals.push(solved.residual);
        if !solved.reason.converged() && self.reason.converged() {
            self.reason = solved.reason;
        }
        solved.reason.converged() || (allow_inexact && solved.residual.is_finite())
    }
}

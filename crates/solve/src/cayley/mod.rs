//! Unitary propagation iψ̇ = Hψ by the Cayley transform (Crank–Nicolson): ψ⁺ = (I + iaH)⁻¹(I − iaH)ψ, a = dt/2.
//!
//! Computed as ψ⁺ = 2y − ψ with (I + iaH)y = ψ, always from y = 0: a guess would cost the exact conservation that a
//! truncated Galerkin solve has. The eigenphase of a step is −2arctan(aλ) = −λdt + λ³dt³/12 + …, so that after a time T
//! ‖ψ − e^{−iHT}ψ₀‖ ≈ (dt²T/12)‖H³ψ₀‖: stable for every dt, accurate only for λ_max·dt below about 1.
//!
//! Norm and energy ⟨ψ, Hψ⟩ are conserved for every dt, by `Galerkin` even with a y that is far off: they certify nothing.
//! The true residual ‖ψ − (I + iaH)y‖/‖ψ‖ of every step does (it bounds the relative error of y, as ‖(I + iaH)⁻¹‖ <= 1).
//!
//! | solver     | one step, n nodes, m elements of H                                | memory          |
//! |------------|-------------------------------------------------------------------|-----------------|
//! | `direct`   | 2n² (real H) or 4n² multiply-adds with the stored transform       | 8n² or 16n² B   |
//! | `eigen`    | the same; the transform comes from the eigendecomposition of H    | the same        |
//! | `galerkin` | about ln(2/rtol)·√(1 + Λ)-fold products with H, Λ = a·λ_max       | 4 vectors       |
//! | `cocg`     | the same for real H (or any other symmetric one)                  | 8 vectors       |
//! | `cgw`      | more: factor Λ/(1 + √(1 + Λ²)) an iteration                       | 8 vectors       |
//! | `cgnr`     | two products an iteration, that factor squared                    | 9 vectors       |
//!
//! Sources: J. Crank, P. Nicolson (1947), "A practical method for numerical evaluation of solutions of partial
//! differential equations of the heat-conduction type"; A. Cayley (1846) for the transform.

mod chebyshev;
mod galerkin;
mod gradient;
mod hamiltonian;
mod imaginary;
mod many;
mod pade;
mod report;
mod settings;
mod strang;
mod transform;
mod unitary;

use headwater_base::{Control, Error, Progress};

pub use chebyshev::{ChebyshevOutcome, chebyshev};
pub use gradient::{Cotangents, Tangent};
pub use hamiltonian::Hamiltonian;
pub use imaginary::{ImaginaryReport, imaginary_time};
pub use report::Report;
pub use settings::{CayleySettings, Solver};

use crate::operator::{Operator, Shifted};
use crate::outcome::Reason;
use crate::scalar::{Complex64, Scalar, power_of_two_inverse};
use crate::session::solve;
use crate::settings::{Method, Settings};
use crate::vector;

/// `Auto` takes the direct solver up to this size.
pub const DIRECT_LIMIT: usize = 512;

/// Reports steps made of steps asked for.
fn tell(control: Control<'_>, done: usize, total: usize) {
    control.report(Progress { done: done as u64, total: total as u64, best: None, basins: None });
}

/// A propagator: H, dt and what is kept for many steps.
#[derive(Clone, Debug)]
pub struct Cayley {
    h: Hamiltonian,
    settings: CayleySettings,
    direct: Option<unitary::Unitary>,
    solver: Solver,
    max_iterations: usize,
    work: galerkin::Workspace,
    scratch: Vec<Complex64>,
    total: Report,
}

impl Cayley {
    /// Checks. The direct solvers are set up by the first step, which polls meanwhile.
    ///
    /// Errors: `matrix-not-valid` for an H that is not square, `not-hermitian`, `operator-not-finite` for H,
    /// `option-not-valid` for a setting out of range, and for `Cocg` with an H that has complex entries.
    pub fn new(h: impl Into<Hamiltonian>, settings: CayleySettings) -> Result<Self, Error> {
        let h = h.into();
        h.check()?;
        let n = h.rows();
        if !settings.dt.is_finite() {
            return Err(Error::new("option-not-valid", format!("dt is {}; allowed are finite numbers", settings.dt)));
        }
        for (name, value) in [("rtol", Some(settings.rtol)), ("adjointRtol", settings.adjoint_rtol)] {
            if value.is_some_and(|v| !(v > 0.0 && v < 1.0)) {
                return Err(Error::new("option-not-valid", format!("{name} must lie between 0 and 1")));
            }
        }
        let solver = match settings.solver {
            Solver::Auto if n <= DIRECT_LIMIT => Solver::Direct,
            Solver::Auto => Solver::Galerkin,
            Solver::Cocg if matches!(h, Hamiltonian::Complex(_)) => {
                return Err(Error::new("option-not-valid", "cocg needs a symmetric H; this one has complex entries"));
            }
            given => given,
        };
        let max_iterations = settings.max_iterations.unwrap_or((10 * n).max(1000));
        Ok(Self {
            scratch: vec![Complex64::default(); n],
            work: galerkin::Workspace::default(),
            total: Report::new(),
            h,
            settings,
            direct: None,
            solver,
            max_iterations,
        })
    }

    /// H.
    pub fn hamiltonian(&self) -> &Hamiltonian {
        &self.h
    }
    /// The settings.
    pub fn settings(&self) -> &CayleySettings {
        &self.settings
    }
    /// The solver in use (never `Auto`).
    pub fn solver(&self) -> Solver {
        self.solver
    }
    /// Everything since the propagator was made: steps, products, worst reason; residuals hold the worst only, and norm
    /// and energy nothing.
    pub fn statistics(&self) -> &Report {
        &self.total
    }

    fn check(&self, psi: &[Complex64]) -> Result<(), Error> {
        if psi.len() == self.h.rows() {
            return Ok(());
        }
        Err(Error::new("option-not-valid", format!("psi has {} elements, H {} rows", psi.len(), self.h.rows())))
    }

    /// Makes `steps` steps in place. Error: `option-not-valid` for a ψ of another length; a solve that fails is a reason.
    pub fn step(&mut self, psi: &mut [Complex64], steps: usize, control: Control<'_>) -> Result<Report, Error> {
        self.check(psi)?;
        self.run(psi, steps, control, |_, _, _, _| {})
    }

    /// The states after 0, every, 2·every, … steps, one after the other, and the state at the end if it is not among them.
    ///
    /// Errors: as [`Cayley::step`], and `option-not-valid` for `every` = 0.
    pub fn evolve(
        &mut self,
        psi: &[Complex64],
        steps: usize,
        every: usize,
        control: Control<'_>,
    ) -> Result<(Vec<Complex64>, Report), Error> {
        self.check(psi)?;
        if every == 0 {
            return Err(Error::new("option-not-valid", "every is 0; allowed are integers from 1"));
        }
        let mut states = psi.to_vec();
        let mut psi = psi.to_vec();
        let report = self.run(&mut psi, steps, control, |done, _, _, after| {
            if done % every == 0 || done == steps {
                states.extend_from_slice(after);
            }
        })?;
        Ok((states, report))
    }

    /// Sets a direct solver up, once; false if that was cancelled.
    fn prepare(&mut self, control: Control<'_>) -> Result<bool, Error> {
        let route = match self.solver {
            Solver::Direct => transform::Route::Factor,
            Solver::Eigen => transform::Route::Eigen,
            _ => return Ok(true),
        };
        if self.direct.is_none() {
            self.direct = unitary::Unitary::new(&self.h, 0.5 * self.settings.dt, route, control)?;
        }
        Ok(self.direct.is_some())
    }

    /// `visit(steps done, before, y, after)` is called after each step.
    fn run(
        &mut self,
        psi: &mut [Complex64],
        steps: usize,
        control: Control<'_>,
        mut visit: impl FnMut(usize, &[Complex64], &[Complex64], &[Complex64]),
    ) -> Result<Report, Error> {
        let mut report = self.begin(psi);
        let (mut y, mut plus) = (psi.to_vec(), psi.to_vec());
        if steps > 0 && report.norm[0] > 0.0 && !self.prepare(control)? {
            report.reason = Reason::Aborted;
            self.end(psi, &mut report);
            return Ok(report);
        }
        while report.steps < steps {
            let solved = self.advance(false, self.settings.rtol, psi, &mut y, &mut plus, control)?;
            if !report.enter(solved, self.settings.allow_inexact) {
                break;
            }
            report.steps += 1;
            visit(report.steps, psi, &y, &plus);
            psi.copy_from_slice(&plus);
            tell(control, report.steps, steps);
            if control.cancelled() && report.steps < steps {
                report.reason = Reason::Aborted;
                break;
            }
        }
        self.end(psi, &mut report);
        Ok(report)
    }

    fn begin(&mut self, psi: &[Complex64]) -> Report {
        let mut report = Report::new();
        report.norm = [vector::norm(Complex64::reals(psi)); 2];
        if self.settings.energy {
            report.energy = Some([self.h.energy(psi, &mut self.scratch); 2]);
            report.matvecs = 1;
        }
        report
    }

    fn end(&mut self, psi: &[Complex64], report: &mut Report) {
        report.norm[1] = vector::norm(Complex64::reals(psi));
        if let Some(energy) = &mut report.energy {
            energy[1] = self.h.energy(psi, &mut self.scratch);
            report.matvecs += 1;
        }
        self.sum_up(report);
    }

    /// Enters a run into the statistics.
    fn sum_up(&mut self, report: &Report) {
        self.total.steps += report.steps;
        self.total.matvecs += report.matvecs;
        let worst = report.worst_residual().max(self.total.worst_residual());
        self.total.residuals = vec![worst];
        if self.total.reason.converged() {
            self.total.reason = report.reason;
        }
    }

    /// y = (I ± iaH)⁻¹b and plus = 2y − b, with the minus for the adjoint.
    fn advance(
        &mut self,
        adjoint: bool,
        rtol: f64,
        b: &[Complex64],
        y: &mut [Complex64],
        plus: &mut [Complex64],
        control: Control<'_>,
    ) -> Result<galerkin::Solved, Error> {
        let a = if adjoint { -0.5 * self.settings.dt } else { 0.5 * self.settings.dt };
        let norm = vector::norm(Complex64::reals(b));
        if norm == 0.0 {
            y.fill(Complex64::default());
            plus.fill(Complex64::default());
            return Ok(galerkin::Solved { reason: Reason::ZeroRhs, matvecs: 0, residual: 0.0 });
        }
        if !self.prepare(control)? {
            return Ok(galerkin::Solved { reason: Reason::Aborted, matvecs: 0, residual: f64::NAN });
        }
        if norm.is_finite() && !(1e-100..1e100).contains(&norm) {
            // Sums of squares would leave the range; a power of two is exact.
            let factor = power_of_two_inverse(norm, false);
            let scaled: Vec<Complex64> = b.iter().map(|v| v.scale(factor)).collect();
            let solved = self.advance(adjoint, rtol, &scaled, y, plus, control)?;
            for v in y.iter_mut().chain(plus.iter_mut()) {
                *v = v.scale(1.0 / factor);
            }
            return Ok(solved);
        }
        if let (Some(direct), true) = (&mut self.direct, norm.is_finite()) {
            direct.apply(adjoint, b, plus);
            for i in 0..b.len() {
                y[i] = (plus[i] + b[i]).scale(0.5);
            }
            let residual = galerkin::residual(&self.h, a, b, y, &mut self.scratch) / norm;
            let reason = if residual <= rtol { Reason::Rtol } else { Reason::AccuracyLimit };
            return Ok(galerkin::Solved { reason, matvecs: 1, residual });
        }
        let solved = if matches!(self.solver, Solver::Galerkin | Solver::Direct | Solver::Eigen) {
            self.work.solve(&self.h, a, b, rtol, self.max_iterations, control, y)
        } else {
            None
        };
        let solved = match solved {
            Some(solved) => solved,
            None => self.general(a, rtol, b, y, control)?,
        };
        for i in 0..b.len() {
            plus[i] = y[i].scale(2.0) - b[i];
        }
        Ok(solved)
    }

    /// The method of the general driver, and whether it has to look for symmetry: H was checked before the first step, so
    /// that the structure of I + iaH is known, but for the symmetry of complex entries.
    fn method(&self, a: f64) -> (Method, bool) {
        match self.solver {
            Solver::Cocg => (Method::Cocg, !self.h.is_real()),
            Solver::Cgw => (Method::Cgw, false),
            Solver::Cgnr => (Method::Cgnr, true),
            _ => (Method::ShiftedHermitian { sigma: 1.0, a }, false),
        }
    }

    /// By the general driver.
    fn general(
        &self,
        a: f64,
        rtol: f64,
        b: &[Complex64],
        y: &mut [Complex64],
        control: Control<'_>,
    ) -> Result<galerkin::Solved, Error> {
        // Its iterations are not what the caller counts.
        let control = control.silent();
        let settings = Settings { rtol, max_iterations: Some(self.max_iterations), ..Settings::default() };
        let shifted = Shifted { operator: &self.h, shift: Complex64::new(1.0, 0.0), factor: Complex64::new(0.0, a) };
        let (method, probe) = self.method(a);
        let settings = Settings { probe, ..settings };
        let out = match method {
            Method::ShiftedHermitian { .. } => solve(method, &self.h, None, b, &settings, control)?,
            _ => solve(method, &shifted, None, b, &settings, control)?,
        };
        y.copy_from_slice(&out.x);
        let residual = out.residual.relative.unwrap_or(f64::NAN);
        Ok(galerkin::Solved { reason: out.reason, matvecs: out.matvecs, residual })
    }
}

//! Many states at once: n × k complex numbers, row-major, one column a state.
//!
//! All columns share one pass over H an iteration (or one dense product with the stored transform), and each has its own
//! scalars, stopping test, reason and report: a column whose solve fails stays as it was before that step, the others go
//! on. Up to the order of summation inside the products a column is what [`Cayley::step`] makes of it.
//!
//! Memory: that of the solver k times, and four n × k blocks.

use headwater_base::{Control, Error};

use super::galerkin::Solved;
use super::{Cayley, Report};
use crate::batch::solve_many;
use crate::operator::{Operator, Shifted};
use crate::outcome::Reason;
use crate::scalar::{Complex64, Scalar};
use crate::settings::{Method, Settings};
use crate::vector;

impl Cayley {
    /// Makes `steps` steps of k states in place; one report a state.
    ///
    /// Errors: `option-not-valid` for a ψ that is not n × k, or k = 0.
    pub fn step_many(
        &mut self,
        psi: &mut [Complex64],
        k: usize,
        steps: usize,
        control: Control<'_>,
    ) -> Result<Vec<Report>, Error> {
        self.run_many(psi, k, steps, control, |_, _| {})
    }

    /// The blocks of states after 0, every, 2·every, … steps, one after the other, and the one at the end. A state that
    /// has stopped is repeated.
    ///
    /// Errors: as [`Cayley::step_many`], and `option-not-valid` for `every` = 0.
    pub fn evolve_many(
        &mut self,
        psi: &[Complex64],
        k: usize,
        steps: usize,
        every: usize,
        control: Control<'_>,
    ) -> Result<(Vec<Complex64>, Vec<Report>), Error> {
        if every == 0 {
            return Err(Error::new("option-not-valid", "every is 0; allowed are integers from 1"));
        }
        let mut states = psi.to_vec();
        let mut psi = psi.to_vec();
        let reports = self.run_many(&mut psi, k, steps, control, |done, after| {
            if done.is_multiple_of(every) || done == steps {
                states.extend_from_slice(after);
            }
        })?;
        Ok((states, reports))
    }

    fn run_many(
        &mut self,
        psi: &mut [Complex64],
        k: usize,
        steps: usize,
        control: Control<'_>,
        mut visit: impl FnMut(usize, &[Complex64]),
    ) -> Result<Vec<Report>, Error> {
        let n = self.h.rows();
        if k == 0 || psi.len() != n * k {
            return Err(Error::new("option-not-valid", format!("psi has {} elements, not {n} × {k}", psi.len())));
        }
        let mut reports = vec![Report::new(); k];
        self.look(psi, &mut reports, 0);
        let mut active: Vec<usize> = (0..k).collect();
        if steps > 0 && !self.prepare(control)? {
            reports.iter_mut().for_each(|report| report.reason = Reason::Aborted);
            active.clear();
        }
        let mut done = 0;
        while done < steps && !active.is_empty() {
            let m = active.len();
            let mut b = vec![Complex64::default(); n * m];
            for i in 0..n {
                for (at, &c) in active.iter().enumerate() {
                    b[i * m + at] = psi[i * k + c];
                }
            }
            let (plus, solved) = self.advance_many(m, &b, control)?;
            let columns = std::mem::take(&mut active);
            for (at, c) in columns.into_iter().enumerate() {
                if !reports[c].enter(solved[at], self.settings.allow_inexact) {
                    continue;
                }
                reports[c].steps += 1;
                for i in 0..n {
                    psi[i * k + c] = plus[i * m + at];
                }
                active.push(c);
            }
            if active.is_empty() {
                break;
            }
            done += 1;
            visit(done, psi);
            super::tell(control, done, steps);
            if control.cancelled() && done < steps {
                for &c in &active {
                    reports[c].reason = Reason::Aborted;
                }
                break;
            }
        }
        self.look(psi, &mut reports, 1);
        for report in &reports {
            self.sum_up(report);
        }
        Ok(reports)
    }

    /// Norms and, if asked for, energies of all states, before (0) or after (1) the run.
    fn look(&self, psi: &[Complex64], reports: &mut [Report], when: usize) {
        let k = reports.len();
        let image = self.settings.energy.then(|| {
            let mut image = psi.to_vec();
            self.h.apply_many(k, psi, &mut image);
            image
        });
        for (c, report) in reports.iter_mut().enumerate() {
            let column = column(psi, k, c);
            let norm = vector::norm(Complex64::reals(&column));
            let energy = image.as_ref().map(|image| Complex64::dot(&column, &self::column(image, k, c)).re);
            report.matvecs += usize::from(energy.is_some());
            if when == 0 {
                (report.norm, report.energy) = ([norm; 2], energy.map(|energy| [energy; 2]));
            } else {
                report.norm[1] = norm;
                if let (Some(both), Some(energy)) = (&mut report.energy, energy) {
                    both[1] = energy;
                }
            }
        }
    }

    /// ψ⁺ = 2y − b of m columns, and how each solve ended.
    fn advance_many(
        &mut self,
        m: usize,
        b: &[Complex64],
        control: Control<'_>,
    ) -> Result<(Vec<Complex64>, Vec<Solved>), Error> {
        let n = self.h.rows();
        let (a, rtol) = (0.5 * self.settings.dt, self.settings.rtol);
        let mut plus = vec![Complex64::default(); n * m];
        if let Some(direct) = &mut self.direct {
            direct.apply_many(m, b, &mut plus);
            let y: Vec<Complex64> = plus.iter().zip(b).map(|(plus, b)| (plus + b).scale(0.5)).collect();
            let mut rest = y.clone();
            self.h.apply_many(m, &y, &mut rest);
            for ((rest, y), b) in rest.iter_mut().zip(&y).zip(b) {
                *rest = b - y - Complex64::new(0.0, a) * *rest;
            }
            let solved = (0..m).map(|c| {
                let norm = vector::norm(Complex64::reals(&column(b, m, c)));
                if norm == 0.0 {
                    return Solved { reason: Reason::ZeroRhs, matvecs: 0, residual: 0.0 };
                }
                let residual = vector::norm(Complex64::reals(&column(&rest, m, c))) / norm;
                let reason = if !residual.is_finite() {
                    Reason::NonFinite
                } else if residual <= rtol {
                    Reason::Rtol
                } else {
                    Reason::AccuracyLimit
                };
                Solved { reason, matvecs: 1, residual }
            });
            let solved = solved.collect();
            return Ok((plus, solved));
        }
        let (method, probe) = self.method(a);
        let settings = Settings { rtol, max_iterations: Some(self.max_iterations), probe, ..Settings::default() };
        let control = control.silent();
        let outcomes = match method {
            Method::ShiftedHermitian { .. } => solve_many(method, &self.h, None, m, b, &settings, control)?,
            _ => {
                let shift = Complex64::new(1.0, 0.0);
                let shifted = Shifted { operator: &self.h, shift, factor: Complex64::new(0.0, a) };
                solve_many(method, &shifted, None, m, b, &settings, control)?
            }
        };
        let mut solved = Vec::with_capacity(m);
        for (c, out) in outcomes.iter().enumerate() {
            for i in 0..n {
                plus[i * m + c] = out.x[i].scale(2.0) - b[i * m + c];
            }
            let residual = out.residual.relative.unwrap_or(if out.converged() { 0.0 } else { f64::NAN });
            solved.push(Solved { reason: out.reason, matvecs: out.matvecs, residual });
        }
        Ok((plus, solved))
    }
}

fn column(block: &[Complex64], k: usize, c: usize) -> Vec<Complex64> {
    block.iter().skip(c).step_by(k).copied().collect()
}

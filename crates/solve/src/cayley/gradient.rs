//! Gradients through Cayley steps, in the convention dL = Re⟨x̄, dx⟩ (x̄ = ∂L/∂Re x + i ∂L/∂Im x).
//!
//! Only the solve carries parameters. For a step ψ⁺ = 2y − ψ, (I + iaH)y = ψ, with the cotangent ψ̄⁺:
//! (I − iaH)λ = 2ψ̄⁺; ψ̄ = λ − ψ̄⁺; d̄t = −½Re⟨λ, iHy⟩; and for what H depends on, θ̄ = −Re⟨λ, ia(∂H/∂θ)y⟩.
//! The adjoint step is a Cayley step with −dt: as unitary, by the same solver, from zero. Forwards:
//! (I + iaH)ẏ = ψ̇ − iaḢy − iȧHy; ψ̇⁺ = 2ẏ − ψ̇.
//!
//! Cost: a vjp of N steps is 2N solves and N products, and keeps N vectors y; a long run is best cut into pieces.
//! Inexact solves: |δθ̄| <= ‖∂A‖(‖δλ‖‖y‖ + ‖λ‖‖δy‖), ‖δy‖ and ‖δλ‖ at most the residual norms.

use headwater_base::{Control, Error};

use super::{Cayley, Report};
use crate::graph::{EdgeGradient, Graph};
use crate::operator::Operator;
use crate::outcome::Reason;
use crate::scalar::{Complex64, Scalar};
use crate::vector;

/// What [`Cayley::vjp`] returns.
#[derive(Clone, Debug)]
pub struct Cotangents {
    /// ψ after the steps.
    pub psi_plus: Vec<Complex64>,
    /// With respect to the initial ψ.
    pub psi: Vec<Complex64>,
    /// With respect to dt.
    pub dt: f64,
    /// With respect to the numbers on the edges of the graph, if one was given.
    pub edges: Option<EdgeGradient>,
    /// λ of the first step.
    pub lambda: Vec<Complex64>,
    /// The forward solves.
    pub forward: Report,
    /// The adjoint solves, last step first.
    pub adjoint: Report,
}

/// A direction of [`Cayley::jvp`].
#[derive(Clone, Copy, Default)]
pub struct Tangent<'a> {
    /// Of ψ; `None` is 0.
    pub psi: Option<&'a [Complex64]>,
    /// Of dt.
    pub dt: f64,
    /// Of H: Ḣ as an operator; `None` is 0. For edge weights it is the Laplacian of their tangents.
    pub h: Option<&'a dyn Operator<Complex64>>,
}

fn unconverged(which: &str, report: &Report) -> Error {
    Error::new(
        "unconverged-gradient",
        format!(
            "a {which} solve ended with {} at a relative residual of {:.1e}: there is no gradient to trust; \
             allowInexact returns it all the same",
            report.reason,
            report.worst_residual()
        ),
    )
}

impl Cayley {
    /// The gradient of a loss through `steps` steps from ψ. `cotangent` gets ψ after the steps and writes x̄ there.
    /// `graph` must be the one whose Laplacian is H, for the gradient with respect to its edges; for other parameters
    /// `visit(ia, λ, y)` is called for each step, last one first, to add up −Re⟨λ, ia(∂H/∂θ)y⟩.
    ///
    /// Errors: `option-not-valid` for lengths that do not fit; `unconverged-gradient` if a solve did not converge, unless
    /// `allow_inexact`.
    pub fn vjp(
        &mut self,
        psi: &[Complex64],
        steps: usize,
        cotangent: impl FnOnce(&[Complex64], &mut [Complex64]),
        graph: Option<&Graph>,
        mut visit: impl FnMut(Complex64, &[Complex64], &[Complex64]),
        control: Control<'_>,
    ) -> Result<Cotangents, Error> {
        self.check(psi)?;
        if graph.is_some_and(|graph| graph.nodes() != psi.len()) {
            return Err(Error::new("option-not-valid", "the graph has another number of nodes than psi elements"));
        }
        let n = psi.len();
        let mut solutions = Vec::with_capacity(n * steps);
        let mut psi_plus = psi.to_vec();
        let forward = self.run(&mut psi_plus, steps, control, |_, _, y, _| solutions.extend_from_slice(y))?;
        if forward.steps < steps || !(forward.converged() || self.settings.allow_inexact) {
            return Err(unconverged("forward", &forward));
        }
        let mut bar = vec![Complex64::default(); n];
        cotangent(&psi_plus, &mut bar);
        if !vector::finite(Complex64::reals(&bar)) {
            return Err(Error::new("option-not-valid", "the cotangent holds a number that is not finite"));
        }
        let a = 0.5 * self.settings.dt;
        let rtol = self.settings.adjoint_rtol.unwrap_or(self.settings.rtol);
        let mut adjoint = Report::new();
        adjoint.norm = [vector::norm(Complex64::reals(&bar)); 2];
        let mut dt = 0.0;
        let mut edges: Option<EdgeGradient> = None;
        let (mut lambda, mut before, mut image) = (bar.clone(), bar.clone(), bar.clone());
        for y in solutions.chunks(n).rev() {
            // With b = ψ̄⁺ the solve gives λ/2, and 2·(λ/2) − b = ψ̄.
            let solved = self.advance(true, rtol, &bar, &mut lambda, &mut before, control)?;
            if !adjoint.enter(solved, self.settings.allow_inexact) {
                return Err(unconverged("adjoint", &adjoint));
            }
            adjoint.steps += 1;
            vector::scale(2.0, Complex64::reals_mut(&mut lambda));
            self.h.apply(y, &mut image);
            adjoint.matvecs += 1;
            // −½Re⟨λ, iHy⟩ = ½Im⟨λ, Hy⟩.
            dt += 0.5 * Complex64::dot(&lambda, &image).im;
            let c = Complex64::new(0.0, a);
            if let Some(graph) = graph {
                let part = graph.gradient(c, &lambda, y)?;
                match &mut edges {
                    None => edges = Some(part),
                    Some(sum) => sum.add(&part),
                }
            }
            visit(c, &lambda, y);
            std::mem::swap(&mut bar, &mut before);
        }
        if let (None, Some(graph)) = (&edges, graph) {
            edges = Some(EdgeGradient::zero(graph));
        }
        adjoint.norm[1] = vector::norm(Complex64::reals(&bar));
        Ok(Cotangents { psi_plus, psi: bar, dt, edges, lambda, forward, adjoint })
    }

    /// ψ after the steps, its derivative along the tangent, and the report of all solves (two a step).
    ///
    /// Errors: as [`Cayley::vjp`].
    pub fn jvp(
        &mut self,
        psi: &[Complex64],
        steps: usize,
        tangent: Tangent<'_>,
        control: Control<'_>,
    ) -> Result<(Vec<Complex64>, Vec<Complex64>, Report), Error> {
        self.check(psi)?;
        let n = psi.len();
        let sizes =
            tangent.psi.is_none_or(|t| t.len() == n) && tangent.h.is_none_or(|h| h.rows() == n && h.cols() == n);
        if !sizes || !tangent.dt.is_finite() {
            return Err(Error::new("option-not-valid", format!("the tangents need {n} elements and a finite dt")));
        }
        let a = 0.5 * self.settings.dt;
        if !self.prepare(control)? {
            return Err(unconverged("forward", &Report { reason: crate::outcome::Reason::Aborted, ..Report::new() }));
        }
        let mut now = psi.to_vec();
        let mut dot = tangent.psi.map_or_else(|| vec![Complex64::default(); n], <[Complex64]>::to_vec);
        let (mut y, mut plus, mut image) = (now.clone(), now.clone(), now.clone());
        let mut report = self.begin(psi);
        for _ in 0..steps {
            let solved = self.advance(false, self.settings.rtol, &now, &mut y, &mut plus, control)?;
            let _ = report.enter(solved, true);
            now.copy_from_slice(&plus);
            // (I + iaH)ẏ = ψ̇ − w, w = iaḢy + i(ḋt/2)Hy; then ψ̇⁺ = 2ẏ − ψ̇ = (2ẏ − (ψ̇ − w)) − w.
            let mut w = vec![Complex64::default(); n];
            if let Some(h) = tangent.h {
                h.apply(&y, &mut image);
                Complex64::axpy(Complex64::new(0.0, a), &image, &mut w);
            }
            if tangent.dt != 0.0 {
                self.h.apply(&y, &mut image);
                report.matvecs += 1;
                Complex64::axpy(Complex64::new(0.0, 0.5 * tangent.dt), &image, &mut w);
            }
            for i in 0..n {
                dot[i] -= w[i];
            }
            let solved = self.advance(false, self.settings.rtol, &dot, &mut y, &mut plus, control)?;
            let _ = report.enter(solved, true);
            for i in 0..n {
                dot[i] = plus[i] - w[i];
            }
            let usable = report.residuals.iter().all(|r| r.is_finite()) && report.reason != Reason::Aborted;
            if !(report.converged() || (self.settings.allow_inexact && usable)) {
                return Err(unconverged("forward or tangent", &report));
            }
            report.steps += 1;
        }
        self.end(&now, &mut report);
        Ok((now, dot, report))
    }
}

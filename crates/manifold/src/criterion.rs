//! The criterion by which hyperparameters ρ = ln(strength) are chosen, and its gradient: one function for both.
//!
//! At the minimum θ(ρ) of L, over the elements that are not held at a bound,
//! V(ρ) = L + ½ ln|B| + Σ c − ½p Σ_k ln|λ₁S_k + λ₂I| + normalisers of amplitudes and coordinates + ½N ln φ,
//! c the charge of each phase with a prior ([`phase_charge`]), N the number of cells with weight; constants are left out. It is Laplace's approximation of the evidence with the
//! surrogate B, which is always positive definite. Priors that a bound cuts off are normalised as if it did not hold the
//! element, and a gauge counts as one direction of B.
//!
//! dV/dρ_i = explicit + ½tr(B⁻¹∂_iB) − ½⟨A⁻¹Γ, ∂_i∇L⟩, Γ = ∇_θ (ln|B| + 2Σc): one solve with the exact Hessian A serves all ρ. With
//! B⁻¹ in the place of A⁻¹ it is a wrong gradient. A point where A is not positive definite has none.

use headwater_base::Error;
use headwater_base::parallel::Crew;
use headwater_linalg::cholesky;
use headwater_linalg::dense::inner;

use crate::arrow::{Arrow, Refusal};
use crate::assembly::{Assembly, Kind};
use crate::freedom::Freedom;
use crate::objective::Objective;
use crate::phase::phase_charge;
use crate::priors::{self, Response};
use crate::row::Row;
use crate::spread::{Spread, spread};
use crate::state::State;
use crate::stationarity::{SolveStatus, solve_stationarity};
use crate::strengths::Parameter;

/// V and what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Criterion {
    /// V.
    pub value: f64,
    /// L.
    pub objective: f64,
    /// ln|B| over the free elements.
    pub log_determinant: f64,
    /// With the gradient.
    pub gradient: Option<Gradient>,
}

/// The gradient of V and its by-products.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// dV/dρ, one number a parameter.
    pub slopes: Vec<f64>,
    /// Γ = ∇_θ (ln|B| + 2Σc).
    pub spread: Vec<f64>,
    /// Effective degrees of freedom of each function, mean over the columns: 0 where the prior decides, 1 where the data do.
    pub degrees: Vec<f64>,
    /// ½(ln|A| − ln|B|) off the gauges: how far the surrogate is from the exact Laplace approximation.
    pub laplace_gap: f64,
    /// Iterations of the solve with A.
    pub iterations: usize,
}

/// Why there is no criterion, or no gradient.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// A (or B) is not positive definite: not a minimum, or flat.
    NotMinimum,
    /// The solve with A did not converge.
    NotSolved(SolveStatus),
    /// The crew was stopped.
    Stopped,
    /// Misuse.
    Refused(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        if refusal == Refusal::Stopped { Self::Stopped } else { Self::NotMinimum }
    }
}

/// Elements of a connected part of the decoders up to which there is a log-determinant.
const FORMED: usize = 8000;

fn too_large() -> Error {
    let message =
        "the decoders of atoms that are active together have more than 8000 elements: no log-determinant is computed";
    Error::new("border-too-large", message).with_limit(FORMED as f64)
}

/// V at a minimum, and its gradient by `parameters` if `wanted`.
///
/// `exact` false puts B in the place of A in the gradient's solve, which is wrong: for tests of the tests.
///
/// Errors: [`Failure`]; `prior-not-proper` (refused) if a decoder has no proper prior, `border-too-large` (refused) if the
/// decoders of a connected set of atoms have more than 8000 elements.
pub fn criterion(
    objective: &Objective,
    state: &State,
    parameters: &[Parameter],
    wanted: bool,
    exact: bool,
    crew: Crew,
) -> Result<Criterion, Failure> {
    let problem = objective.problem;
    let assembly = Assembly::new(objective, state, crew).ok_or(Failure::Stopped)?;
    let freedom = Freedom::new(&assembly, state);
    // B is positive definite along the gauges too: the priors of the decoders hold it.
    let undamped = crate::arrow::Frame { pins: &[], ..freedom.frame(0.0) };
    let factor = Arrow::within(&assembly, Kind::Surrogate, &undamped, FORMED, crew)?;
    let log_determinant = factor.log_determinant.ok_or_else(too_large)?;
    let mut value = assembly.value + 0.5 * log_determinant + normalisers(objective, state)?;
    value += phase_charge(&assembly, &freedom.free);
    value += 0.5 * problem.observed as f64 * objective.strengths.noise.ln();
    let mut out = Criterion { value, objective: assembly.value, log_determinant, gradient: None };
    if !wanted {
        return Ok(out);
    }
    let spread = spread(&assembly, state, &factor, &freedom.free, crew).ok_or(Failure::Stopped)?;
    let (x, iterations) = if exact {
        let solved = solve_stationarity(&assembly, &factor, &freedom, &spread.slope, crew.control)?;
        match solved.status {
            SolveStatus::Converged => (solved.x, solved.iterations),
            SolveStatus::Aborted => return Err(Failure::Stopped),
            other => return Err(Failure::NotSolved(other)),
        }
    } else {
        (factor.solve(&spread.slope)?, 0)
    };
    let slopes = slopes(&assembly, state, &freedom.free, &spread, &x, parameters);
    let laplace_gap = laplace_gap(&assembly, &factor, &freedom, crew)?;
    let degrees = degrees(objective, &spread);
    out.gradient = Some(Gradient { slopes, spread: spread.slope, degrees, laplace_gap, iterations });
    Ok(out)
}

/// −½p Σ ln|λ₁S + λ₂I| and the normalisers of the rows' priors.
fn normalisers(objective: &Objective, state: &State) -> Result<f64, Error> {
    let (problem, strengths) = (objective.problem, &objective.strengths);
    let mut sum = 0.0;
    for (k, atom) in problem.atoms.iter().enumerate() {
        let Some(l) = atom.penalty_factor(strengths.roughness[k], strengths.ridge[k]) else {
            let message =
                format!("the decoder of atom {k} has no proper prior (ridge above 0), so there is no evidence");
            return Err(Error::new("prior-not-proper", message).at(k, 0));
        };
        let m = atom.functions;
        sum -= problem.columns as f64 * (0..m).map(|i| l[i * m + i].ln()).sum::<f64>();
    }
    let mut row = Row::new(problem);
    for n in 0..problem.rows {
        row.load(state, n);
        sum += priors::normaliser(problem, strengths, &row);
    }
    Ok(sum)
}

fn slopes(
    assembly: &Assembly,
    state: &State,
    free: &[bool],
    spread: &Spread,
    x: &[f64],
    parameters: &[Parameter],
) -> Vec<f64> {
    let objective = assembly.objective;
    let (problem, strengths, layout) = (objective.problem, &objective.strengths, &assembly.layout);
    let (p, beta) = (problem.columns, layout.beta());
    let mut out = vec![0.0; parameters.len()];
    let mut add = |parameter: Parameter, response: Response| {
        let total = response.value + response.trace - 0.5 * response.slope;
        let places = parameters.iter().zip(&mut out).filter(|(asked, _)| **asked == parameter);
        places.for_each(|(_, slope)| *slope += total);
    };
    let mut row = Row::new(problem);
    let mut noise = Response {
        value: 0.5 * problem.observed as f64 - assembly.data_value,
        trace: -0.5 * spread.data_trace,
        slope: 0.0,
    };
    for n in 0..problem.rows {
        row.load(state, n);
        let locals = layout.locals(n);
        let (own, inverse) = (&x[locals.clone()], &spread.inverse[locals.clone()]);
        let weight = problem.prior_weight(n);
        priors::responses(problem, strengths, &row, weight, &free[locals], &|a| inverse[a], own, &mut add);
        // The data's gradient times x.
        let view = assembly.view(n);
        for &(first, all, m) in view.blocks {
            for i in 0..m {
                let from = (all + i) * p;
                noise.slope -= view.loads[first + i] * inner(view.force, &x[beta + from..beta + from + p]);
                let image = inner(view.force, &assembly.decoders[from..from + p]);
                for (a, x) in own.iter().enumerate() {
                    noise.slope -= x * view.load_slopes[a * view.loads.len() + first + i] * image;
                }
            }
        }
    }
    add(Parameter::Noise, noise);
    for (k, atom) in problem.atoms.iter().enumerate() {
        let m = atom.functions;
        let l = atom.penalty_factor(strengths.roughness[k], strengths.ridge[k]).expect("checked with the value");
        let identity: Vec<f64> = (0..m * m).map(|at| if at % (m + 1) == 0 { 1.0 } else { 0.0 }).collect();
        let block = |v: &[f64], i: usize| {
            let from = (atom.channel + i) * p;
            v[from..from + p].to_vec()
        };
        for (parameter, shape) in [(Parameter::Roughness(k), &atom.roughness), (Parameter::Ridge(k), &identity)] {
            let strength = strengths.get(parameter);
            if strength == 0.0 {
                continue;
            }
            let mut response = Response::default();
            for j in 0..m {
                let mut column: Vec<f64> = (0..m).map(|i| shape[i * m + j]).collect();
                for i in (0..m).filter(|&i| shape[i * m + j] != 0.0) {
                    let factor = strength * shape[i * m + j];
                    let b = block(&assembly.decoders, j);
                    response.value += 0.5 * factor * inner(&block(&assembly.decoders, i), &b);
                    response.slope += factor * inner(&block(&x[beta..], i), &b);
                    response.trace += 0.5 * factor * spread.traces[k][i * m + j];
                }
                cholesky::solve(m, &l, &mut column);
                response.value -= 0.5 * p as f64 * strength * column[j];
            }
            add(parameter, response);
        }
    }
    out
}

/// 1 − [P_ββ(λ₁S + λ₂I)]_ii, mean over the columns.
fn degrees(objective: &Objective, spread: &Spread) -> Vec<f64> {
    let mut out = Vec::new();
    for (k, atom) in objective.problem.atoms.iter().enumerate() {
        let (m, penalty) = (atom.functions, objective.penalty(k));
        for i in 0..m {
            let held: f64 = (0..m).map(|j| penalty[i * m + j] * spread.traces[k][i * m + j]).sum();
            out.push(1.0 - held / objective.problem.columns as f64);
        }
    }
    out
}

/// ln det of the matrix of all ⟨x_i, y_j⟩.
fn log_gram(x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<f64> {
    let g = x.len();
    let mut gram: Vec<f64> = (0..g * g).map(|at| inner(&x[at / g], &y[at % g])).collect();
    cholesky::factor(g, &mut gram).then(|| 2.0 * (0..g).map(|i| gram[i * g + i].ln()).sum::<f64>())
}

/// With gauges Ξ: |A + σQQᵀ| = |A|₊ σᵍ |ΞᵀQ|²/|ΞᵀΞ|, where Q spans the decoders' part of Ξ, and |B| over what is orthogonal
/// to Ξ is |B| |ΞᵀB⁻¹Ξ|/|ΞᵀΞ|.
fn laplace_gap(assembly: &Assembly, factor: &Arrow, freedom: &Freedom, crew: Crew) -> Result<f64, Failure> {
    let exact = Arrow::within(assembly, Kind::Exact, &freedom.frame(0.0), FORMED, crew)?;
    let pinned = exact.pinned;
    let (exact, surrogate) =
        (exact.log_determinant.ok_or_else(too_large)?, factor.log_determinant.ok_or_else(too_large)?);
    let gauges = &freedom.gauges;
    if gauges.is_empty() {
        return Ok(0.5 * (exact - surrogate));
    }
    let beta = assembly.layout.beta();
    let decoders: Vec<Vec<f64>> = gauges.iter().map(|gauge| gauge[beta..].to_vec()).collect();
    let solved = gauges.iter().map(|gauge| factor.solve(gauge)).collect::<Result<Vec<_>, _>>()?;
    let all = log_gram(gauges, gauges).ok_or(Failure::NotMinimum)?;
    let part = log_gram(&decoders, &decoders).ok_or(Failure::NotMinimum)?;
    let through = log_gram(gauges, &solved).ok_or(Failure::NotMinimum)?;
    let exact = exact - gauges.len() as f64 * pinned.ln() - part + all;
    let surrogate = surrogate + through - all;
    Ok(0.5 * (exact - surrogate))
}

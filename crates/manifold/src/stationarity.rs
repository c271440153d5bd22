//! A x = b with the exact Hessian, by conjugate gradients with the factors of B as preconditioner.

use headwater_base::{Control, Error};
use headwater_linalg::dense::{add_scaled, inner};
use headwater_solve::operator::{FnOperator, FnPreconditioner};
use headwater_solve::{NullSpace, Reason, Settings, exact_hessian};

use crate::arrow::Arrow;
use crate::assembly::{Assembly, Kind};
use crate::freedom::Freedom;

/// How a solve ended.
#[derive(Clone, Debug, PartialEq)]
pub enum SolveStatus {
    /// x solves the system.
    Converged,
    /// A is not positive definite: vᵀAv = `curvature` < 0 (or 0 to rounding) for this direction, ‖v‖ = 1. x is not a solution.
    NegativeCurvature {
        /// v.
        direction: Vec<f64>,
        /// vᵀAv.
        curvature: f64,
    },
    /// The tolerance was not met. x is not a solution.
    Stagnated,
    /// The caller asked to stop.
    Aborted,
}

/// The outcome of [`solve_stationarity`].
#[derive(Clone, Debug, PartialEq)]
pub struct Stationarity {
    /// The last iterate.
    pub x: Vec<f64>,
    /// What it is worth.
    pub status: SolveStatus,
    /// Iterations.
    pub iterations: usize,
    /// ‖b − Ax‖/‖b‖ over the free elements, computed from x.
    pub residual: f64,
}

/// Most iterations.
const ITERATIONS: usize = 500;

/// Solves A x = b over the free elements of θ, x = 0 at the others; ‖b − Ax‖ <= 10⁻¹⁰‖b‖ where converged.
///
/// `factor` holds B⁻¹, undamped, with what is free. Along the gauges, in which A vanishes at a minimum, b is taken off
/// and x is zero.
///
/// Error: `option-not-valid` for a b of another length.
pub fn solve_stationarity(
    assembly: &Assembly,
    factor: &Arrow,
    freedom: &Freedom,
    b: &[f64],
    control: Control,
) -> Result<Stationarity, Error> {
    let (size, free, gauges) = (assembly.len(), &freedom.free, &freedom.gauges);
    if b.len() != size {
        return Err(Error::new("option-not-valid", format!("b has {} elements, θ {size}", b.len())));
    }
    let masked = move |mut x: Vec<f64>| {
        x.iter_mut().zip(free).filter(|(_, free)| !**free).for_each(|(x, _)| *x = 0.0);
        x
    };
    // Outside of the free elements both matrices are the identity.
    let apply = |kind: Kind| {
        move |x: &[f64], y: &mut [f64]| {
            y.copy_from_slice(&masked(assembly.product(kind, &masked(x.to_vec()))));
            if kind != Kind::Correction {
                (0..size).filter(|&i| !free[i]).for_each(|i| y[i] = x[i]);
            }
        }
    };
    let b = masked(b.to_vec());
    let null_space = if gauges.is_empty() { None } else { Some(std::sync::Arc::new(NullSpace::new(gauges)?)) };
    let settings = Settings {
        rtol: 1e-10,
        max_iterations: Some(ITERATIONS),
        null_space: null_space.clone(),
        probe: false,
        ..Settings::default()
    };
    let base = FnOperator { size, apply: apply(Kind::Surrogate) };
    let correction = FnOperator { size, apply: apply(Kind::Correction) };
    let inverse = FnPreconditioner(|r: &[f64], z: &mut [f64]| match factor.solve(r) {
        Ok(solved) => z.copy_from_slice(&solved),
        // Told by the solver: not a number that it could go on with.
        Err(_) => z.fill(f64::NAN),
    });
    let out = exact_hessian(&base, &inverse, &correction, 1.0, &b, &settings, control)?;
    let mut rest = b;
    if let Some(space) = &null_space {
        space.project(&mut rest);
    }
    let norm = inner(&rest, &rest).sqrt();
    add_scaled(-1.0, &masked(assembly.product(Kind::Exact, &out.x)), &mut rest);
    if let Some(space) = &null_space {
        space.project(&mut rest);
    }
    let residual = if norm > 0.0 { inner(&rest, &rest).sqrt() / norm } else { 0.0 };
    let status = match (out.reason, out.direction) {
        (reason, _) if reason.converged() => SolveStatus::Converged,
        (Reason::Aborted, _) => SolveStatus::Aborted,
        (Reason::IndefiniteOperator | Reason::ZeroCurvature, Some(direction)) => {
            SolveStatus::NegativeCurvature { direction, curvature: out.curvature.unwrap_or(0.0) }
        }
        _ => SolveStatus::Stagnated,
    };
    Ok(Stationarity { x: out.x, status, iterations: out.iterations, residual })
}

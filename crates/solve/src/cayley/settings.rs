//! What a propagator is asked for.

/// How the system of a step is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Solver {
    /// `Direct` up to n = [`super::DIRECT_LIMIT`], else `Galerkin`. For few steps, or an H that changes, ask for `Galerkin`: the
    /// set-up of the direct solver costs some hundred to thousand steps.
    Auto,
    /// The transform as a dense matrix, set up once by factoring I + a²H² (by `Eigen` for Λ above 16).
    Direct,
    /// The same, from the eigendecomposition of H: a longer set-up that is as exact for any dt.
    Eigen,
    /// [`crate::shifted_hermitian`], specialised.
    Galerkin,
    /// [`crate::cocg`]; H must be real or otherwise symmetric.
    Cocg,
    /// [`crate::cgw`].
    Cgw,
    /// [`crate::cgnr`].
    Cgnr,
}

/// Settings of a propagator.
#[derive(Clone, Debug)]
pub struct CayleySettings {
    /// Time step, of either sign; −dt undoes dt.
    pub dt: f64,
    /// Solver.
    pub solver: Solver,
    /// Tolerance of a step's true residual relative to ‖ψ‖.
    pub rtol: f64,
    /// The same for the adjoint solves of gradients; `None` is `rtol`.
    pub adjoint_rtol: Option<f64>,
    /// Iterations of a step; `None` is max(10n, 1000).
    pub max_iterations: Option<usize>,
    /// Go on, and return gradients, although a solve has not converged. The report says so all the same.
    pub allow_inexact: bool,
    /// Compute ⟨ψ, Hψ⟩ before and after a run (two products).
    pub energy: bool,
}

impl Default for CayleySettings {
    fn default() -> Self {
        Self {
            dt: 0.1,
            solver: Solver::Auto,
            rtol: 1e-12,
            adjoint_rtol: None,
            max_iterations: None,
            allow_inexact: false,
            energy: true,
        }
    }
}

//! What a caller chooses.

use std::sync::Arc;
use std::time::Duration;

use headwater_base::Error;

use crate::deflation::Deflation;
use crate::null_space::NullSpace;
use crate::scalar::Scalar;

/// The method. Requirements, recurrence and cost are in the module of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// [`crate::cg`]: A Hermitian positive definite.
    Cg,
    /// [`crate::minres`]: A Hermitian, definite or not.
    Minres,
    /// [`crate::cr`]: A Hermitian positive definite, monotone residual.
    Cr,
    /// [`crate::shifted_hermitian`]: (σI + iaH)x = b, the operator given is H.
    ShiftedHermitian {
        /// Real part of the shift, not 0.
        sigma: f64,
        /// Factor of iH; its sign gives the adjoint.
        a: f64,
    },
    /// [`crate::cocg`]: A complex symmetric.
    Cocg,
    /// [`crate::cgw`]: A = I + S, S skew-Hermitian.
    Cgw,
    /// [`crate::cgnr`]: any square (or tall) A of full column rank, by AᴴA.
    Cgnr,
    /// [`crate::lsqr`]: min ‖Ax − b‖² + damp²‖x‖².
    Lsqr,
}

/// The norm of the stopping test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// ‖r‖₂ against ‖b‖₂.
    Residual,
    /// ‖M⁻¹r‖₂ against ‖M⁻¹b‖₂ (`cg` only).
    Preconditioned,
    /// √(rᴴM⁻¹r) against √(bᴴM⁻¹b) (`cg` only).
    Natural,
}

/// When the recurrence residual is replaced by the true one, inside a pass and without a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Only at the confirmation.
    Never,
    /// When the estimated deviation d_k = Σ ε(‖r‖ + ‖A‖‖x‖) passes √ε‖r_k‖: late enough to matter, early enough not to
    /// disturb the convergence. Usually once in a solve. Source: H. A. van der Vorst, Q. Ye (2000), "Residual replacement
    /// strategies for Krylov subspace iterative methods for the convergence of true residuals".
    Automatic,
    /// Every so many iterations. Near the accuracy floor this slows the convergence down.
    Every(usize),
}

/// Settings of a solve. `Settings::default()` is the recommended set.
#[derive(Clone, Debug)]
pub struct Settings<T> {
    /// Relative tolerance, to ‖b‖ (not to the initial residual, so a good guess does not make the test harder).
    pub rtol: f64,
    /// Absolute tolerance: stops at ‖r‖ <= max(rtol·‖b‖, atol).
    pub atol: f64,
    /// `None` is max(10n, 1000).
    pub max_iterations: Option<usize>,
    /// Norm of the stopping test.
    pub norm: Norm,
    /// Initial guess; it is used only if ‖b − Ax₀‖ < ‖b‖.
    pub x0: Option<Vec<T>>,
    /// `cg`, `minres`, `cr`: take ⟨x₀, b⟩/⟨x₀, Ax₀⟩ · x₀ for the guess, of all multiples of x₀ the one of least energy
    /// error (A definite). No product more.
    pub scale_guess: bool,
    /// `cg`: Polak–Ribière β, for a preconditioner that varies.
    pub flexible: bool,
    /// `cg`: Steihaug–Toint trust radius in the M norm. Excludes a guess.
    pub radius: Option<f64>,
    /// `cg`: on negative curvature return the last x with reason `negativeCurvature` (at the first iteration the
    /// preconditioned gradient direction), for a line search.
    pub truncated: bool,
    /// Damping of `lsqr`.
    pub damp: f64,
    /// Known null space of A.
    pub null_space: Option<Arc<NullSpace<T>>>,
    /// Space to deflate (`cg`).
    pub deflation: Option<Arc<Deflation<T>>>,
    /// `cg`: harvest this many Ritz vectors of the smallest Ritz values; 0 is none. Stores up to 4 times as many vectors
    /// plus 40 while running.
    pub harvest: usize,
    /// Keep the residual norms.
    pub history: bool,
    /// When the recurrence residual is replaced by the true one (`cg`, `cgnr`).
    pub replacement: Replacement,
    /// ‖r‖ > divergence·‖b‖ ends the solve.
    pub divergence: f64,
    /// Iterations without progress that end it. `None` is max(50, √n, min(n, 1000)): a Krylov method may rightly stand
    /// still for up to n iterations, so the window is not shorter than that for small n.
    pub stagnation_window: Option<usize>,
    /// Probe the symmetry where it is not known from the operator's entries: three applications before the start.
    pub probe: bool,
    /// Key of the probes' random vectors.
    pub seed: u64,
    /// Wall-clock limit.
    pub time_limit: Option<Duration>,
    /// Delay of the energy-error estimate, in iterations.
    pub delay: usize,
    /// A session hands out a request of kind `Iteration` after each iteration.
    pub observe: bool,
}

impl<T> Default for Settings<T> {
    fn default() -> Self {
        Self {
            rtol: 1e-8,
            atol: 0.0,
            max_iterations: None,
            norm: Norm::Residual,
            x0: None,
            scale_guess: false,
            flexible: false,
            radius: None,
            truncated: false,
            damp: 0.0,
            null_space: None,
            deflation: None,
            harvest: 0,
            history: false,
            replacement: Replacement::Never,
            divergence: 1e5,
            stagnation_window: None,
            probe: true,
            seed: 0,
            time_limit: None,
            delay: 5,
            observe: false,
        }
    }
}

fn refuse(message: String) -> Result<(), Error> {
    Err(Error::new("option-not-valid", message))
}

impl<T: Scalar> Settings<T> {
    /// Refuses what is misuse, for a rows × cols operator and a right-hand side of `length`.
    pub(crate) fn check(&self, method: Method, rows: usize, cols: usize, length: usize) -> Result<(), Error> {
        if rows != cols && !matches!(method, Method::Lsqr | Method::Cgnr) {
            refuse(format!("the operator is {rows} × {cols}; this method needs a square one (lsqr does not)"))?;
        }
        if length != rows {
            refuse(format!("b has {length} elements, the operator {rows} rows"))?;
        }
        for (name, value) in [("rtol", self.rtol), ("atol", self.atol), ("damp", self.damp)] {
            if !(value >= 0.0 && value.is_finite()) {
                refuse(format!("{name} is {value}; allowed are finite numbers from 0"))?;
            }
        }
        // Infinity is "no bound".
        if self.divergence.is_nan() || self.divergence <= 1.0 {
            refuse(format!("divergence is {}; allowed are numbers above 1", self.divergence))?;
        }
        if let Some(x0) = &self.x0 {
            if x0.len() != cols {
                refuse(format!("x0 has {} elements, the operator {cols} columns", x0.len()))?;
            }
            if self.radius.is_some() {
                refuse("a trust radius is about steps from zero: give no x0 with it".into())?;
            }
        }
        if let Some(radius) = self.radius
            && !(radius > 0.0 && radius.is_finite())
        {
            refuse(format!("radius is {radius}; allowed are finite numbers above 0"))?;
        }
        if self.scale_guess && !matches!(method, Method::Cg | Method::Minres | Method::Cr) {
            refuse("scaleGuess is an option of cg, minres and cr only".into())?;
        }
        if method != Method::Cg {
            let only = [
                ("radius", self.radius.is_some()),
                ("truncated", self.truncated),
                ("flexible", self.flexible),
                ("deflation", self.deflation.is_some()),
                ("harvest", self.harvest > 0),
                ("norm", self.norm != Norm::Residual),
            ];
            for (name, given) in only {
                if given {
                    refuse(format!("{name} is an option of cg only"))?;
                }
            }
        }
        if let Some(space) = &self.null_space
            && (rows != cols || space.rows() != rows)
        {
            refuse(format!("the null space has {} rows, the operator is {rows} × {cols}", space.rows()))?;
        }
        if let Some(space) = &self.deflation
            && space.rows() != rows
        {
            refuse(format!("the deflation space has {} rows, the operator {rows}", space.rows()))?;
        }
        if let Method::ShiftedHermitian { sigma, a } = method {
            if !(sigma.is_finite() && sigma != 0.0 && a.is_finite()) {
                refuse(format!("sigma is {sigma} and a is {a}; allowed are finite numbers, sigma not 0"))?;
            }
            if !T::COMPLEX {
                refuse("(sigma I + i a H) x = b needs complex vectors".into())?;
            }
        }
        Ok(())
    }
}

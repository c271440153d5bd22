//! What every solver returns.

use std::fmt;

/// Why a solve ended: a closed list. Converged reasons are those of [`Reason::converged`]; a numerical outcome is never
/// an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The true residual is at most rtol times the norm of the right-hand side.
    Rtol,
    /// The true residual is at most atol (the larger of the two bounds).
    Atol,
    /// b = 0, so x = 0.
    ZeroRhs,
    /// The initial guess met the tolerance.
    ExactGuess,
    /// The step met the trust radius: ‖x‖_M is the radius (converged; only with a radius).
    TrustBoundary,
    /// A direction of negative curvature ended a truncated solve (converged; only with radius or truncation).
    NegativeCurvature,
    /// The caller's own stopping rule.
    UserStop,
    /// Cancelled by the caller.
    Aborted,
    /// The clock.
    TimeLimit,
    /// The number of iterations.
    MaxIterations,
    /// ‖r‖ exceeded the divergence bound times ‖b‖.
    Diverged,
    /// A direction with pᴴAp < 0 was met: A is not positive definite.
    IndefiniteOperator,
    /// Breakdown: pᴴAp = 0 to rounding with a residual left. A is (numerically) singular, or the system inconsistent.
    ZeroCurvature,
    /// rᴴM⁻¹r < 0, or 0 with r ≠ 0: M is not positive definite.
    IndefinitePreconditioner,
    /// The operator has not the symmetry that the method rests on (Hermitian; complex symmetric for `cocg`, identity
    /// plus skew for `cgw`).
    NotHermitian,
    /// NaN or infinity; [`Outcome::location`] says where it came in.
    NonFinite,
    /// No further progress over the stagnation window.
    Stagnation,
    /// The recurrence says converged, the true residual does not, and restarts from it do not help.
    AccuracyLimit,
}

impl Reason {
    /// Whether x is what was asked for.
    pub const fn converged(self) -> bool {
        matches!(
            self,
            Self::Rtol | Self::Atol | Self::ZeroRhs | Self::ExactGuess | Self::TrustBoundary | Self::NegativeCurvature
        )
    }

    /// The word used in JSON and in the TypeScript API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtol => "rtol",
            Self::Atol => "atol",
            Self::ZeroRhs => "zeroRhs",
            Self::ExactGuess => "exactGuess",
            Self::TrustBoundary => "trustBoundary",
            Self::NegativeCurvature => "negativeCurvature",
            Self::UserStop => "userStop",
            Self::Aborted => "aborted",
            Self::TimeLimit => "timeLimit",
            Self::MaxIterations => "maxIterations",
            Self::Diverged => "diverged",
            Self::IndefiniteOperator => "indefiniteOperator",
            Self::ZeroCurvature => "zeroCurvature",
            Self::IndefinitePreconditioner => "indefinitePreconditioner",
            Self::NotHermitian => "notHermitian",
            Self::NonFinite => "nonFinite",
            Self::Stagnation => "stagnation",
            Self::AccuracyLimit => "accuracyLimit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a NaN or an infinity came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// The right-hand side.
    Rhs,
    /// The initial guess.
    Guess,
    /// What the operator (or its adjoint) returned for a finite vector.
    Operator,
    /// What the preconditioner returned for a finite vector.
    Preconditioner,
    /// The method's own scalars or vectors (overflow).
    Recurrence,
    /// The solution itself is not representable.
    Solution,
}

impl Location {
    /// The word used in JSON and in the TypeScript API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rhs => "b",
            Self::Guess => "x0",
            Self::Operator => "operator",
            Self::Preconditioner => "preconditioner",
            Self::Recurrence => "recurrence",
            Self::Solution => "solution",
        }
    }
}

/// Residual norms at the returned x, in the units of b.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Residual {
    /// ‖b − Ax‖₂ computed from x. `None` where it could not be computed (the operator
    /// is not finite, or its caller has aborted).
    pub true_norm: Option<f64>,
    /// What the recurrence believed it to be, in the norm of the stopping test.
    pub recurrence: f64,
    /// `true_norm` / ‖b‖₂.
    pub relative: Option<f64>,
}

/// Which bound of τ = max(rtol·‖b‖, atol) was the active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveTerm {
    /// rtol·‖b‖.
    Rtol,
    /// atol.
    Atol,
}

/// The tolerance that was applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// τ, in the norm of the stopping test.
    pub value: f64,
    /// Which term it is.
    pub term: ActiveTerm,
}

/// Extreme Ritz values of M⁻¹A from the coefficients of the method; estimates from inside the spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// Smallest Ritz value (for least-squares methods: smallest singular value).
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Their ratio, a lower bound of the condition number.
    pub kappa: f64,
}

/// The result of a solve.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// The solution, or the last iterate with finite numbers. Never holds NaN or infinity.
    pub x: Vec<T>,
    /// Why the solve ended.
    pub reason: Reason,
    /// Completed iterations.
    pub iterations: usize,
    /// Applications of A and of Aᴴ, including residual confirmations, without the probes.
    pub matvecs: usize,
    /// Applications spent on probing the symmetry before the start.
    pub probes: usize,
    /// Applications of the preconditioner.
    pub preconditions: usize,
    /// Residual norms.
    pub residual: Residual,
    /// |true − recurrence| residual, where both are known in the same norm.
    pub gap: Option<f64>,
    /// τ and its active term.
    pub tolerance: Tolerance,
    /// Restarts from the true residual.
    pub restarts: usize,
    /// Whether the initial guess was used (it is not if its residual exceeds ‖b‖).
    pub guess_used: bool,
    /// Spectrum estimate.
    pub condition: Option<Condition>,
    /// Estimate of the energy norm ‖x* − x_k‖_A of the error `delay` iterations before the end, a lower bound
    /// (Hestenes and Stiefel 1952; Strakoš and Tichý 2002).
    pub energy_error: Option<f64>,
    /// Residual norms by iteration, the first before any, if asked for.
    pub history: Option<Vec<f64>>,
    /// Where a non-finite number came in.
    pub location: Option<Location>,
    /// A direction p of negative (or zero) curvature, scaled to norm 1.
    pub direction: Option<Vec<T>>,
    /// pᴴAp / pᴴp of that direction.
    pub curvature: Option<f64>,
    /// ‖Zᴴb‖₂: the part of b that lies in the given null space and was taken off.
    pub inconsistency: Option<f64>,
    /// ‖Aᴴr − damp²x‖₂, for least squares.
    pub normal_residual: Option<f64>,
    /// Harvested approximate eigenvectors of M⁻¹A for its smallest eigenvalues, by columns.
    pub ritz: Option<Vec<Vec<T>>>,
    /// Wall time, seconds.
    pub seconds: f64,
}

impl<T> Outcome<T> {
    /// Whether x is what was asked for.
    pub fn converged(&self) -> bool {
        self.reason.converged()
    }
}

impl<T: crate::Scalar> Outcome<T> {
    /// x = 0 for a method without an iteration of its own: reason `zeroRhs`, `nonFinite`, or, for now, `maxIterations`.
    pub(crate) fn at_zero(cols: usize, b: &[T], rtol: f64, atol: f64) -> Self {
        let norm = crate::vector::norm(T::reals(b));
        let finite = crate::vector::finite(T::reals(b));
        let term = if rtol * norm >= atol { ActiveTerm::Rtol } else { ActiveTerm::Atol };
        Self {
            x: vec![T::default(); cols],
            reason: match (finite, norm == 0.0) {
                (false, _) => Reason::NonFinite,
                (true, true) => Reason::ZeroRhs,
                (true, false) => Reason::MaxIterations,
            },
            iterations: 0,
            matvecs: 0,
            probes: 0,
            preconditions: 0,
            residual: Residual { true_norm: finite.then_some(norm), recurrence: norm, relative: None },
            gap: None,
            tolerance: Tolerance { value: (rtol * norm).max(atol), term },
            restarts: 0,
            guess_used: false,
            condition: None,
            energy_error: None,
            history: None,
            location: (!finite).then_some(Location::Rhs),
            direction: None,
            curvature: None,
            inconsistency: None,
            normal_residual: None,
            ritz: None,
            seconds: 0.0,
        }
    }

    /// Enters the true residual, and success if it is at the tolerance.
    pub(crate) fn judge(&mut self, norm: f64, reference: f64) {
        if !norm.is_finite() {
            self.residual.true_norm = None;
            return;
        }
        self.residual.true_norm = Some(norm);
        self.residual.relative = Some(norm / reference);
        self.gap = Some((norm - self.residual.recurrence).abs());
        if norm <= self.tolerance.value {
            self.reason = if self.tolerance.term == ActiveTerm::Rtol { Reason::Rtol } else { Reason::Atol };
        }
    }
}

//! Outcomes as arrays of numbers: at the positions of [`NAMES`] the scalars (NaN: not known), behind them the vectors.
//! One array costs JavaScript half a microsecond, an object with twenty properties ten; src-ts/solve/packing.ts makes the
//! object.

use headwater_solve::outcome::ActiveTerm;
use headwater_solve::{Outcome, Reason, Report, Scalar};

use super::number::Number;

/// An outcome whose vectors are as JavaScript has them: complex ones interleaved.
pub type Solved = Outcome<f64>;

/// What stands where in the array of an outcome. The vectors behind it have these lengths: x, the history, the direction
/// and `ritz` vectors of the length of x.
pub const NAMES: [&str; 27] = [
    "reason",
    "iterations",
    "matvecs",
    "probes",
    "preconditions",
    "true",
    "recurrence",
    "relative",
    "gap",
    "tolerance",
    "byAtol",
    "restarts",
    "guessUsed",
    "hasCondition",
    "min",
    "max",
    "kappa",
    "energyError",
    "location",
    "curvature",
    "inconsistency",
    "normalResidual",
    "seconds",
    "x",
    "history",
    "direction",
    "ritz",
];

/// What stands where in the array of a run of steps; behind it the residuals.
pub const RUN_NAMES: [&str; 7] =
    ["steps", "reason", "worstResidual", "normDefect", "energyDefect", "matvecs", "residuals"];

/// Reasons by number.
pub const REASONS: [Reason; 18] = [
    Reason::Rtol,
    Reason::Atol,
    Reason::ZeroRhs,
    Reason::ExactGuess,
    Reason::TrustBoundary,
    Reason::NegativeCurvature,
    Reason::UserStop,
    Reason::Aborted,
    Reason::TimeLimit,
    Reason::MaxIterations,
    Reason::Diverged,
    Reason::IndefiniteOperator,
    Reason::ZeroCurvature,
    Reason::IndefinitePreconditioner,
    Reason::NotHermitian,
    Reason::NonFinite,
    Reason::Stagnation,
    Reason::AccuracyLimit,
];

/// Places of a non-finite number by number.
pub const LOCATIONS: [&str; 6] = ["b", "x0", "operator", "preconditioner", "recurrence", "solution"];

fn place<V: PartialEq>(list: &[V], value: &V) -> f64 {
    list.iter().position(|known| known == value).map_or(f64::NAN, |at| at as f64)
}

/// The outcome with its vectors interleaved.
pub fn plain<T: Number>(from: Outcome<T>) -> Solved {
    Outcome {
        x: T::into_reals(from.x),
        reason: from.reason,
        iterations: from.iterations,
        matvecs: from.matvecs,
        probes: from.probes,
        preconditions: from.preconditions,
        residual: from.residual,
        gap: from.gap,
        tolerance: from.tolerance,
        restarts: from.restarts,
        guess_used: from.guess_used,
        condition: from.condition,
        energy_error: from.energy_error,
        history: from.history,
        location: from.location,
        direction: from.direction.map(T::into_reals),
        curvature: from.curvature,
        inconsistency: from.inconsistency,
        normal_residual: from.normal_residual,
        ritz: from.ritz.map(|ritz| ritz.into_iter().map(T::into_reals).collect()),
        seconds: from.seconds,
    }
}

/// Appends an outcome.
fn push(from: &Solved, to: &mut Vec<f64>) {
    let known = |value: Option<f64>| value.filter(|value| value.is_finite()).unwrap_or(f64::NAN);
    let length = |list: Option<usize>| list.map_or(f64::NAN, |length| length as f64);
    let condition = from.condition;
    let scalars: [f64; NAMES.len()] = [
        place(&REASONS, &from.reason),
        from.iterations as f64,
        from.matvecs as f64,
        from.probes as f64,
        from.preconditions as f64,
        known(from.residual.true_norm),
        known(Some(from.residual.recurrence)),
        known(from.residual.relative),
        known(from.gap),
        known(Some(from.tolerance.value)),
        f64::from(u8::from(from.tolerance.term == ActiveTerm::Atol)),
        from.restarts as f64,
        f64::from(u8::from(from.guess_used)),
        f64::from(u8::from(condition.is_some())),
        known(condition.map(|condition| condition.min)),
        known(condition.map(|condition| condition.max)),
        known(condition.map(|condition| condition.kappa)),
        known(from.energy_error),
        from.location.map_or(f64::NAN, |location| place(&LOCATIONS, &location.as_str())),
        known(from.curvature),
        known(from.inconsistency),
        known(from.normal_residual),
        from.seconds,
        from.x.len() as f64,
        length(from.history.as_ref().map(Vec::len)),
        length(from.direction.as_ref().map(Vec::len)),
        length(from.ritz.as_ref().map(Vec::len)),
    ];
    to.extend_from_slice(&scalars);
    to.extend_from_slice(f64::reals(&from.x));
    for vector in from.history.iter().chain(&from.direction).chain(from.ritz.iter().flatten()) {
        to.extend_from_slice(vector);
    }
}

/// Outcomes one behind the other.
pub fn packed(solved: &[Solved]) -> Vec<f64> {
    let mut to = Vec::with_capacity(solved.iter().map(|solved| NAMES.len() + solved.x.len()).sum());
    for solved in solved {
        push(solved, &mut to);
    }
    to
}

/// A run of steps.
pub fn run(report: &Report) -> Vec<f64> {
    let energy = report.energy_defect().unwrap_or(f64::NAN);
    steps(report.steps, report.reason, [report.norm_defect(), energy], report.matvecs, &report.residuals)
}

/// A run of steps that keep neither norm nor energy.
pub fn heat(made: usize, reason: Reason, matvecs: usize, residuals: &[f64]) -> Vec<f64> {
    steps(made, reason, [f64::NAN; 2], matvecs, residuals)
}

fn steps(made: usize, reason: Reason, defects: [f64; 2], matvecs: usize, residuals: &[f64]) -> Vec<f64> {
    let worst = residuals.iter().fold(0.0, |worst, &r| if r <= worst { worst } else { r });
    let mut to = Vec::with_capacity(RUN_NAMES.len() + residuals.len());
    to.extend([made as f64, place(&REASONS, &reason), worst, defects[0], defects[1]]);
    to.extend([matvecs as f64, residuals.len() as f64]);
    to.extend_from_slice(residuals);
    to
}

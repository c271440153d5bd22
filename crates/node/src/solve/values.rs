//! Outcomes to JavaScript objects. What is not known is an absent property.

use headwater_solve::{Outcome, Scalar};
use napi::Env;
use napi::bindgen_prelude::{Array, Float64ArraySlice, Object};

use super::number::Number;
use crate::values::{Done, optional};

/// An outcome whose vectors are as JavaScript has them: complex ones interleaved.
pub type Solved = Outcome<f64>;

/// The outcome with its vectors interleaved.
pub fn plain<T: Number>(from: Outcome<T>) -> Solved {
    let reals = |x: &[T]| T::reals(x).to_vec();
    Outcome {
        x: reals(&from.x),
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
        direction: from.direction.as_deref().map(reals),
        curvature: from.curvature,
        inconsistency: from.inconsistency,
        normal_residual: from.normal_residual,
        ritz: from.ritz.map(|ritz| ritz.iter().map(|v| reals(v)).collect()),
        seconds: from.seconds,
    }
}

/// The result object.
pub fn outcome<'env>(env: &'env Env, from: &Solved) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("x", Float64ArraySlice::copy_from(env, f64::reals(&from.x))?)?;
    to.set("converged", from.converged())?;
    to.set("reason", from.reason.as_str())?;
    to.set("iterations", from.iterations as f64)?;
    to.set("matvecs", from.matvecs as f64)?;
    to.set("probes", from.probes as f64)?;
    to.set("preconditions", from.preconditions as f64)?;
    let mut residual = Object::new(env)?;
    number(&mut residual, "true", from.residual.true_norm)?;
    number(&mut residual, "recurrence", Some(from.residual.recurrence))?;
    number(&mut residual, "relative", from.residual.relative)?;
    to.set("residual", residual)?;
    number(&mut to, "gap", from.gap)?;
    let mut tolerance = Object::new(env)?;
    number(&mut tolerance, "value", Some(from.tolerance.value))?;
    let term = match from.tolerance.term {
        headwater_solve::outcome::ActiveTerm::Rtol => "rtol",
        headwater_solve::outcome::ActiveTerm::Atol => "atol",
    };
    tolerance.set("term", term)?;
    to.set("tolerance", tolerance)?;
    to.set("restarts", from.restarts as f64)?;
    to.set("guessUsed", from.guess_used)?;
    if let Some(from) = from.condition {
        let mut condition = Object::new(env)?;
        number(&mut condition, "min", Some(from.min))?;
        number(&mut condition, "max", Some(from.max))?;
        number(&mut condition, "kappa", Some(from.kappa))?;
        to.set("condition", condition)?;
    }
    number(&mut to, "energyError", from.energy_error)?;
    if let Some(history) = &from.history {
        to.set("history", Float64ArraySlice::copy_from(env, history)?)?;
    }
    optional(&mut to, "location", from.location.map(headwater_solve::Location::as_str))?;
    if let Some(direction) = &from.direction {
        to.set("direction", Float64ArraySlice::copy_from(env, direction)?)?;
    }
    number(&mut to, "curvature", from.curvature)?;
    number(&mut to, "inconsistency", from.inconsistency)?;
    number(&mut to, "normalResidual", from.normal_residual)?;
    if let Some(ritz) = &from.ritz {
        let mut list: Array<'_> = env.create_array(ritz.len() as u32)?;
        for (index, vector) in (0_u32..).zip(ritz) {
            list.set(index, Float64ArraySlice::copy_from(env, vector)?)?;
        }
        to.set("ritz", list)?;
    }
    let mut timing = Object::new(env)?;
    timing.set("seconds", from.seconds)?;
    to.set("timing", timing)?;
    Ok(to)
}

fn number(object: &mut Object<'_>, name: &str, value: Option<f64>) -> Done {
    optional(object, name, value.filter(|value| value.is_finite()))
}

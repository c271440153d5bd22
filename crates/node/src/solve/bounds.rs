//! Bounds of the spectrum.

use headwater_base::Error;
use headwater_solve::{Bounds, gershgorin, lanczos};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use super::number::Number;
use super::operator::{Held, NativeOperator, Operand};
use crate::outcome::failure;

fn object<'env>(env: &'env Env, bounds: Result<Bounds, Error>) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("ok", bounds.is_ok())?;
    match bounds {
        Ok(bounds) => {
            to.set("min", bounds.min)?;
            to.set("max", bounds.max)?;
            to.set("lower", bounds.lower)?;
            to.set("upper", bounds.upper)?;
            to.set("steps", bounds.steps as f64)?;
        }
        Err(error) => failure(&mut to, error)?,
    }
    Ok(to)
}

/// Gershgorin's interval of a sparse matrix.
#[napi(ts_return_type = "NativeOutcome<NativeBounds>", catch_unwind)]
pub fn gershgorin_bounds<'env>(env: &'env Env, a: &NativeOperator) -> napi::Result<Object<'env>> {
    fn of<T: Number>(held: &Held<T>) -> Result<Bounds, Error> {
        let (min, max) = gershgorin(held.sparse()?);
        Ok(Bounds { min, max, lower: min, upper: max, steps: 0 })
    }
    object(
        env,
        match &a.operand {
            Operand::Real(held) => of(held),
            Operand::Complex(held) => of(held),
        },
    )
}

/// Extreme Ritz values.
#[napi(ts_return_type = "NativeOutcome<NativeBounds>", catch_unwind)]
pub fn lanczos_bounds<'env>(env: &'env Env, a: &NativeOperator, steps: u32, seed: f64) -> napi::Result<Object<'env>> {
    let (steps, seed) = (steps as usize, seed as u64);
    object(
        env,
        match &a.operand {
            Operand::Real(held) => lanczos(&*held.operator, steps, seed),
            Operand::Complex(held) => lanczos(&*held.operator, steps, seed),
        },
    )
}

//! The solvers: operators and preconditioners as classes whose data stay here, calls, and sessions for JavaScript
//! functions as operators.

mod bounds;
mod call;
mod cayley;
mod gradient;
mod graph;
mod layout;
mod number;
mod operator;
mod preconditioner;
mod session;
mod settings;
mod values;

pub use cayley::Properties;
pub use values::{Solved, packed};

use headwater_base::Error;
use napi::Env;
use napi::bindgen_prelude::{Object, ToNapiValue};

/// `{ ok: true, value }`, or the failure.
pub fn tagged<'env, V: ToNapiValue>(env: &'env Env, result: Result<V, Error>) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    object.set("ok", result.is_ok())?;
    match result {
        Ok(value) => object.set("value", value)?,
        Err(error) => crate::outcome::failure(&mut object, error)?,
    }
    Ok(object)
}

/// As [`tagged`], and tells the garbage collector of memory outside of its heap: without it, large objects would look empty
/// and pile up. What is told here is what the finaliser takes off.
fn announced<'env, V: ToNapiValue>(
    env: &'env Env,
    result: Result<V, Error>,
    bytes: impl FnOnce(&V) -> i64,
) -> napi::Result<Object<'env>> {
    if let Ok(value) = &result {
        env.adjust_external_memory(bytes(value))?;
    }
    tagged(env, result)
}

/// A refusal of two operands that do not have the same type of number.
fn mixed<V>() -> Result<V, Error> {
    Err(Error::new("dtype-mismatch", "real and complex operands were given together"))
}

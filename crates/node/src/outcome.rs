//! What a job ends with: `{ ok: true, … }` or `{ ok: false, code, message, … }`.

use headwater_base::Error;
use headwater_pmf::{
    Analysis, Bootstrap, BootstrapDisplacement, CellWeights, Displacement, Factorization, Posterior, StandardErrors,
    Verdict,
};
use napi::bindgen_prelude::{Float64ArraySlice, Object, ToNapiValue};
use napi::{Env, sys};

use crate::solve::{self, Properties, Solved};
use crate::values::Done;
use crate::{analysis, bootstrap, bootstrap_displacement, displacement, posterior, standard_errors, values};

/// The code of a panic: a defect of headwater, never of its input.
pub const INTERNAL: &str = "internal";

/// One variant for each kind of result. Becomes JavaScript values on the JavaScript thread.
pub enum Outcome {
    /// Of `factorize`.
    Factorization(Box<Factorization>),
    /// Of `certify`.
    Verdict(Box<Verdict>),
    /// Of `analyze`.
    Analysis(Box<Analysis>),
    /// Of `cellWeights`.
    CellWeights(Box<CellWeights>),
    /// Of `standardErrors`.
    StandardErrors(Box<StandardErrors>),
    /// Of `bootstrap`.
    Bootstrap(Box<Bootstrap>),
    /// Of `displace`.
    Displacement(Box<Displacement>),
    /// Of `bootstrapDisplacement`.
    BootstrapDisplacement(Box<BootstrapDisplacement>),
    /// Of `posterior`.
    Posterior(Box<Posterior>),
    /// Of a solver, one for each right-hand side.
    Solved(Vec<Solved>),
    /// Of what sets its own properties.
    Properties(Properties),
    /// Bad input, a cancelled wait, or a panic.
    Failed(Error),
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl ToNapiValue for Outcome {
    unsafe fn to_napi_value(raw: sys::napi_env, outcome: Self) -> napi::Result<sys::napi_value> {
        let env = Env::from_raw(raw);
        let mut object = Object::new(&env)?;
        object.set("ok", !matches!(outcome, Self::Failed(_)))?;
        match outcome {
            Self::Factorization(result) => values::factorization(&env, &mut object, &result)?,
            Self::Verdict(result) => values::verdict(&env, &mut object, &result)?,
            Self::Analysis(result) => analysis::analysis(&env, &mut object, &result)?,
            Self::CellWeights(result) => analysis::weights(&env, &mut object, &result)?,
            Self::StandardErrors(result) => standard_errors::properties(&env, &mut object, &result)?,
            Self::Bootstrap(result) => bootstrap::properties(&env, &mut object, &result)?,
            Self::Displacement(result) => displacement::properties(&env, &mut object, &result)?,
            Self::BootstrapDisplacement(result) => {
                bootstrap_displacement::properties(&env, &mut object, &result)?;
            }
            Self::Posterior(result) => posterior::properties(&env, &mut object, &result)?,
            Self::Solved(results) => {
                object.set("results", Float64ArraySlice::copy_from(&env, solve::packed(&results))?)?;
            }
            Self::Properties(set) => set(&env, &mut object)?,
            Self::Failed(error) => failure(&mut object, error)?,
        }
        // SAFETY: `raw` is the environment that napi calls this with, on its own thread.
        unsafe { ToNapiValue::to_napi_value(raw, object) }
    }
}

/// The properties of a failure.
pub fn failure(object: &mut Object<'_>, error: Error) -> Done {
    object.set("code", error.code)?;
    object.set("message", error.message)?;
    values::optional(object, "row", error.row.map(|row| row as f64))?;
    values::optional(object, "col", error.col.map(|col| col as f64))?;
    values::optional(object, "limit", error.limit)?;
    values::optional(object, "hint", error.hint)
}

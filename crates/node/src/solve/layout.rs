//! What stands where in the arrays that cross the boundary, told once so that TypeScript need not repeat it.

use napi_derive::napi;

use super::{settings, values};

/// Names by position.
#[napi(object, object_from_js = false)]
pub struct NativeLayout {
    /// Of the settings of a solve.
    pub settings: Vec<&'static str>,
    /// Methods by number.
    pub methods: Vec<&'static str>,
    /// Norms by number.
    pub norms: Vec<&'static str>,
    /// Of an outcome.
    pub outcome: Vec<&'static str>,
    /// Of a run of steps.
    pub run: Vec<&'static str>,
    /// Reasons by number.
    pub reasons: Vec<&'static str>,
    /// Of those, how many mean convergence: the first ones.
    pub converged: u32,
    /// Places of a non-finite number by number.
    pub locations: Vec<&'static str>,
}

/// The layout of the arrays.
#[napi(catch_unwind)]
pub fn solve_layout() -> NativeLayout {
    NativeLayout {
        settings: settings::NAMES.to_vec(),
        methods: settings::METHODS.to_vec(),
        norms: settings::NORMS.to_vec(),
        outcome: values::NAMES.to_vec(),
        run: values::RUN_NAMES.to_vec(),
        reasons: values::REASONS.iter().map(|reason| reason.as_str()).collect(),
        converged: values::REASONS.iter().take_while(|reason| reason.converged()).count() as u32,
        locations: values::LOCATIONS.to_vec(),
    }
}

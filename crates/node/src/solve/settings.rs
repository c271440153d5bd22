//! Options as they come from TypeScript, turned into the engine's settings.

use std::sync::Arc;
use std::time::Duration;

use headwater_base::Error;
use headwater_solve::{Deflation, Method, Norm, NullSpace, Replacement, Settings};
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use super::number::Number;
use crate::pool;
use crate::settings::integer;

/// Settings of a solve. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeSolveSettings {
    /// `cg`, `minres`, …, or `direct`.
    pub method: String,
    /// Shift of `shiftedHermitian`.
    pub sigma: Option<f64>,
    /// Factor of iH of `shiftedHermitian`.
    pub a: Option<f64>,
    /// Damping of `lsqr`.
    pub damp: Option<f64>,
    /// Relative tolerance.
    pub rtol: Option<f64>,
    /// Absolute tolerance.
    pub atol: Option<f64>,
    /// Largest number of iterations.
    pub max_iterations: Option<f64>,
    /// `residual`, `preconditioned` or `natural`.
    pub norm: Option<String>,
    /// Initial guess.
    pub x0: Option<Float64Array>,
    /// Polak–Ribière β.
    pub flexible: Option<bool>,
    /// Trust radius.
    pub radius: Option<f64>,
    /// Return the last x on negative curvature.
    pub truncated: Option<bool>,
    /// Vectors that span the null space.
    pub null_space: Option<Vec<Float64Array>>,
    /// Vectors that span the space to deflate.
    pub deflation: Option<Vec<Float64Array>>,
    /// Ritz vectors to harvest.
    pub harvest: Option<f64>,
    /// Keep the residual norms.
    pub history: Option<bool>,
    /// 0: never, -1: automatic, else every so many iterations.
    pub replacement: Option<f64>,
    /// Bound of divergence.
    pub divergence: Option<f64>,
    /// Iterations without progress.
    pub stagnation_window: Option<f64>,
    /// Probe the symmetry.
    pub probe: Option<bool>,
    /// Key of the probes.
    pub seed: Option<f64>,
    /// Seconds.
    pub time_limit: Option<f64>,
    /// Delay of the energy-error estimate.
    pub delay: Option<f64>,
    /// A session reports every iteration.
    pub observe: Option<bool>,
    /// Largest number of threads.
    pub threads: Option<f64>,
}

/// What is to be run.
pub enum Run {
    /// A Krylov method.
    Krylov(Method),
    /// A dense factorisation.
    Direct,
}

impl NativeSolveSettings {
    /// The method.
    pub fn run(&self) -> Result<Run, Error> {
        Ok(Run::Krylov(match self.method.as_str() {
            "cg" => Method::Cg,
            "minres" => Method::Minres,
            "cr" => Method::Cr,
            "shiftedHermitian" => {
                Method::ShiftedHermitian { sigma: self.sigma.unwrap_or(1.0), a: self.a.unwrap_or(f64::NAN) }
            }
            "cocg" => Method::Cocg,
            "cgw" => Method::Cgw,
            "cgnr" => Method::Cgnr,
            "lsqr" => Method::Lsqr,
            "direct" => return Ok(Run::Direct),
            other => return Err(Error::new("option-not-valid", format!("there is no method {other:?}"))),
        }))
    }

    /// The threads to use, of those that there are.
    pub fn threads(&self) -> Result<usize, Error> {
        let available = pool::size()?;
        Ok(match self.threads {
            Some(threads) => (integer("threads", threads, pool::MOST_THREADS as f64)? as usize).clamp(1, available),
            None => available,
        })
    }

    /// The engine's settings.
    pub fn settings<T: Number>(&self) -> Result<Settings<T>, Error> {
        let count = |name, value: Option<f64>| -> Result<Option<usize>, Error> {
            value.map(|value| Ok(integer(name, value, f64::from(u32::MAX))? as usize)).transpose()
        };
        let vectors = |list: &[Float64Array]| list.iter().map(|v| T::from_reals(v)).collect::<Vec<_>>();
        let base = Settings::<T>::default();
        let replacement = match self.replacement {
            None => base.replacement,
            Some(-1.0) => Replacement::Automatic,
            Some(every) => match integer("replacement", every, f64::from(u32::MAX))? {
                0 => Replacement::Never,
                every => Replacement::Every(every as usize),
            },
        };
        let time_limit = match self.time_limit {
            None => None,
            Some(seconds) => Some(Duration::try_from_secs_f64(seconds).map_err(|_| {
                Error::new("option-out-of-range", format!("timeLimit must be a number of seconds, got {seconds}"))
            })?),
        };
        Ok(Settings {
            rtol: self.rtol.unwrap_or(base.rtol),
            atol: self.atol.unwrap_or(base.atol),
            max_iterations: count("maxIterations", self.max_iterations)?,
            norm: match self.norm.as_deref() {
                None | Some("residual") => Norm::Residual,
                Some("preconditioned") => Norm::Preconditioned,
                Some("natural") => Norm::Natural,
                Some(other) => return Err(Error::new("option-not-valid", format!("there is no norm {other:?}"))),
            },
            x0: self.x0.as_ref().map(|x0| T::from_reals(x0)),
            flexible: self.flexible.unwrap_or(base.flexible),
            radius: self.radius,
            truncated: self.truncated.unwrap_or(base.truncated),
            damp: self.damp.unwrap_or(base.damp),
            null_space: match &self.null_space {
                None => None,
                Some(list) => Some(Arc::new(NullSpace::new(&vectors(list))?)),
            },
            deflation: match &self.deflation {
                None => None,
                Some(list) => Some(Arc::new(Deflation::new(&vectors(list))?)),
            },
            harvest: count("harvest", self.harvest)?.unwrap_or(0),
            history: self.history.unwrap_or(false),
            replacement,
            divergence: self.divergence.unwrap_or(base.divergence),
            stagnation_window: count("stagnationWindow", self.stagnation_window)?,
            probe: self.probe.unwrap_or(base.probe),
            seed: self
                .seed
                .map(|seed| integer("seed", seed, 9_007_199_254_740_991.0))
                .transpose()?
                .unwrap_or(base.seed),
            time_limit,
            delay: count("delay", self.delay)?.unwrap_or(base.delay),
            observe: self.observe.unwrap_or(false),
        })
    }
}

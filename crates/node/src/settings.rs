//! Options as they come from TypeScript, turned into the engine's settings. Every number is checked again here.

use headwater_base::Error;
use headwater_pmf::{Initial, Initialization, Method, Settings, Starts, Stop};
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use crate::pool;

/// Settings of `factorize` and `certify`. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeSettings {
    /// Number of factors.
    pub factors: f64,
    /// `auto`, `anls`, `hals` or `mu`.
    pub method: Option<String>,
    /// Number of starts; absent: as many as it takes, up to `maxStarts`.
    pub starts: Option<f64>,
    /// Cap of automatic starts.
    pub max_starts: Option<f64>,
    /// Number of the first start.
    pub first_start: Option<f64>,
    /// Number of the start whose solution is returned; absent: the best.
    pub choose: Option<f64>,
    /// Key of all random numbers, below 2^53.
    pub seed: Option<f64>,
    /// `random` or `nndsvd`.
    pub initialization: Option<String>,
    /// samples × factors, row-major; goes with `initialProfiles`.
    pub initial_contributions: Option<Float64Array>,
    /// factors × species, row-major.
    pub initial_profiles: Option<Float64Array>,
    /// Bound of the contributions.
    pub nonnegative_contributions: Option<bool>,
    /// Bound of the profiles.
    pub nonnegative_profiles: Option<bool>,
    /// Largest number of iterations of one start.
    pub max_iterations: Option<f64>,
    /// Older programs' stop rule; goes with `stopOver`.
    pub stop_decrease: Option<f64>,
    /// See `stopDecrease`.
    pub stop_over: Option<f64>,
    /// Largest number of threads; absent: all that are configured.
    pub threads: Option<f64>,
}

impl NativeSettings {
    /// The engine's settings.
    pub fn into_settings(self) -> Result<Settings, Error> {
        let mut to = Settings::new(integer("factors", self.factors, usize::MAX as f64)? as usize);
        if let Some(method) = self.method {
            to.method = match method.as_str() {
                "auto" => Method::Auto,
                "anls" => Method::Anls,
                "hals" => Method::Hals,
                "mu" => Method::Mu,
                other => return unknown("method", other),
            };
        }
        if let Some(initialization) = self.initialization {
            to.initialization = match initialization.as_str() {
                "random" => Initialization::Random,
                "nndsvd" => Initialization::Nndsvd,
                other => return unknown("initialization", other),
            };
        }
        let small = |name, value: Option<f64>| value.map(|value| integer(name, value, f64::from(u32::MAX))).transpose();
        if let Some(cap) = small("maxStarts", self.max_starts)? {
            to.starts = Starts::Auto { cap: cap as u32 };
        }
        if let Some(count) = small("starts", self.starts)? {
            to.starts = Starts::Count(count as u32);
        }
        if let Some(first) = small("firstStart", self.first_start)? {
            to.first_start = first as u32;
        }
        to.choose = small("start", self.choose)?.map(|choose| choose as u32);
        if let Some(seed) = self.seed {
            to.seed = key(seed)?;
        }
        to.initial = match (self.initial_contributions, self.initial_profiles) {
            (Some(contributions), Some(profiles)) => {
                Some(Initial { contributions: contributions.to_vec(), profiles: profiles.to_vec() })
            }
            (None, None) => None,
            _ => return Err(Error::new("start-not-valid", "initial needs both contributions and profiles")),
        };
        to.nonnegative_contributions = self.nonnegative_contributions.unwrap_or(to.nonnegative_contributions);
        to.nonnegative_profiles = self.nonnegative_profiles.unwrap_or(to.nonnegative_profiles);
        if let Some(limit) = small("maxIterations", self.max_iterations)? {
            to.max_iterations = limit as u32;
        }
        to.stop = match (self.stop_decrease, small("stop.over", self.stop_over)?) {
            (Some(decrease), Some(over)) => Stop::Decrease { decrease, over: over as u32 },
            (None, None) => to.stop,
            _ => return Err(Error::new("option-out-of-range", "stop needs both decrease and over")),
        };
        to.threads = threads(self.threads)?;
        Ok(to)
    }
}

fn unknown<T>(name: &str, value: &str) -> Result<T, Error> {
    Err(Error::new("option-out-of-range", format!("{name}: {value:?} is not known")))
}

/// Threads of a call: at most those that are configured, and all of them where nothing is asked for.
pub fn threads(asked: Option<f64>) -> Result<usize, Error> {
    let available = pool::size()?;
    let Some(asked) = asked else { return Ok(available) };
    Ok((integer("threads", asked, pool::MOST_THREADS as f64)? as usize).clamp(1, available))
}

/// A key of random numbers.
pub fn key(seed: f64) -> Result<u64, Error> {
    integer("seed", seed, 9_007_199_254_740_991.0)
}

/// A whole number from 0 to `most`. NaN fails the comparison too.
pub fn integer(name: &str, value: f64, most: f64) -> Result<u64, Error> {
    if value.fract() == 0.0 && (0.0..=most).contains(&value) {
        return Ok(value as u64);
    }
    Err(Error::new("option-out-of-range", format!("{name} must be a whole number from 0 to {most}, got {value}"))
        .with_limit(most))
}

//! Options as they come from TypeScript, turned into the engine's settings.
//!
//! They cross as one array of numbers: at the positions of [`NAMES`] the scalars (NaN: absent, so that the engine's
//! default holds; words by their place in a list), behind them the vectors. Reading an object property by property
//! costs more than a small solve. `layout.rs` tells TypeScript the names.

use std::sync::Arc;
use std::time::Duration;

use headwater_base::Error;
use headwater_solve::{Deflation, Method, Norm, NullSpace, Replacement, Settings};

use super::number::Number;
use crate::pool;
use crate::settings::integer;

/// What stands where in the array.
pub const NAMES: [&str; 27] = [
    "method",
    "sigma",
    "a",
    "damp",
    "rtol",
    "atol",
    "maxIterations",
    "norm",
    "flexible",
    "radius",
    "truncated",
    "harvest",
    "history",
    "replacement",
    "divergence",
    "stagnationWindow",
    "probe",
    "seed",
    "timeLimit",
    "delay",
    "observe",
    "threads",
    "scaleGuess",
    // Vectors of `width` numbers each, in this order, and how many of each there are.
    "width",
    "x0",
    "nullSpace",
    "deflation",
];

/// The place of a name, or no program.
const fn place(name: &str) -> usize {
    let mut at = 0;
    while at < NAMES.len() {
        let (known, wanted) = (NAMES[at].as_bytes(), name.as_bytes());
        let mut k = 0;
        while known.len() == wanted.len() && k < wanted.len() && known[k] == wanted[k] {
            k += 1;
        }
        if known.len() == wanted.len() && k == wanted.len() {
            return at;
        }
        at += 1;
    }
    panic!("there is no such setting")
}

/// `at!(self, "rtol")`: the value, if there is one. The place is found when this is compiled.
macro_rules! at {
    ($given:expr, $name:literal) => {
        Some($given.scalars[const { place($name) }]).filter(|value: &f64| !value.is_nan())
    };
}

/// `method` is a place in this list.
pub const METHODS: [&str; 9] = ["cg", "minres", "cr", "shiftedHermitian", "cocg", "cgw", "cgnr", "lsqr", "direct"];

/// `norm` is a place in this list.
pub const NORMS: [&str; 3] = ["residual", "preconditioned", "natural"];

/// Settings of a solve as they came.
pub struct Given<'a> {
    scalars: &'a [f64],
    vectors: &'a [f64],
}

/// What is to be run.
pub enum Run {
    /// A Krylov method.
    Krylov(Method),
    /// A dense factorisation.
    Direct,
}

fn flag(value: Option<f64>, default: bool) -> bool {
    value.map_or(default, |value| value != 0.0)
}

fn count(name: &str, value: Option<f64>) -> Result<Option<usize>, Error> {
    value.map(|value| Ok(integer(name, value, f64::from(u32::MAX))? as usize)).transpose()
}

impl<'a> Given<'a> {
    /// Error: `option-not-valid` for an array of another layout.
    pub fn new(packed: &'a [f64]) -> Result<Self, Error> {
        match packed.split_at_checked(NAMES.len()) {
            Some((scalars, vectors)) => Ok(Self { scalars, vectors }),
            None => Err(Error::new("option-not-valid", "the settings are not laid out as the addon expects")),
        }
    }

    /// Vectors: those `before` them are passed over.
    fn vectors<T: Number>(&self, before: &[Option<f64>], own: Option<f64>) -> Result<Option<Vec<Vec<T>>>, Error> {
        let Some(own) = count("vectors", own)? else { return Ok(None) };
        let width = count("width", at!(self, "width"))?.unwrap_or(0);
        let mut skipped = 0;
        for other in before {
            skipped += count("vectors", *other)?.unwrap_or(0);
        }
        let cut = || self.vectors.get(skipped.checked_mul(width)?..skipped.checked_add(own)?.checked_mul(width)?);
        match cut() {
            Some(cut) => Ok(Some((0..own).map(|k| T::from_reals(&cut[k * width..(k + 1) * width])).collect())),
            None => Err(Error::new("option-not-valid", "the vectors of the settings are cut off")),
        }
    }

    /// The method.
    pub fn run(&self) -> Result<Run, Error> {
        let place = count("method", at!(self, "method"))?.unwrap_or(usize::MAX);
        Ok(Run::Krylov(match METHODS.get(place).copied() {
            Some("cg") => Method::Cg,
            Some("minres") => Method::Minres,
            Some("cr") => Method::Cr,
            Some("shiftedHermitian") => Method::ShiftedHermitian {
                sigma: at!(self, "sigma").unwrap_or(1.0),
                a: at!(self, "a").unwrap_or(f64::NAN),
            },
            Some("cocg") => Method::Cocg,
            Some("cgw") => Method::Cgw,
            Some("cgnr") => Method::Cgnr,
            Some("lsqr") => Method::Lsqr,
            Some("direct") => return Ok(Run::Direct),
            _ => return Err(Error::new("option-not-valid", format!("there is no method {place}"))),
        }))
    }

    /// Whether a number of threads was asked for.
    pub fn names_threads(&self) -> bool {
        at!(self, "threads").is_some()
    }

    /// The threads to use, of those that there are.
    pub fn threads(&self) -> Result<usize, Error> {
        let available = pool::size()?;
        Ok(match at!(self, "threads") {
            Some(threads) => (integer("threads", threads, pool::MOST_THREADS as f64)? as usize).clamp(1, available),
            None => available,
        })
    }

    /// The engine's settings.
    pub fn settings<T: Number>(&self) -> Result<Settings<T>, Error> {
        let base = Settings::<T>::default();
        let replacement = match at!(self, "replacement") {
            None => base.replacement,
            Some(-1.0) => Replacement::Automatic,
            Some(every) => match integer("replacement", every, f64::from(u32::MAX))? {
                0 => Replacement::Never,
                every => Replacement::Every(every as usize),
            },
        };
        let time_limit = match at!(self, "timeLimit") {
            None => None,
            Some(seconds) => Some(Duration::try_from_secs_f64(seconds).map_err(|_| {
                Error::new("option-out-of-range", format!("timeLimit must be a number of seconds, got {seconds}"))
            })?),
        };
        let (guess, space) = (at!(self, "x0"), at!(self, "nullSpace"));
        let norm = count("norm", at!(self, "norm"))?.unwrap_or(0);
        Ok(Settings {
            rtol: at!(self, "rtol").unwrap_or(base.rtol),
            atol: at!(self, "atol").unwrap_or(base.atol),
            max_iterations: count("maxIterations", at!(self, "maxIterations"))?,
            norm: match NORMS.get(norm).copied() {
                Some("residual") => Norm::Residual,
                Some("preconditioned") => Norm::Preconditioned,
                Some("natural") => Norm::Natural,
                _ => return Err(Error::new("option-not-valid", format!("there is no norm {norm}"))),
            },
            x0: self.vectors(&[], guess)?.and_then(|mut list| list.pop()),
            scale_guess: flag(at!(self, "scaleGuess"), base.scale_guess),
            flexible: flag(at!(self, "flexible"), base.flexible),
            radius: at!(self, "radius"),
            truncated: flag(at!(self, "truncated"), base.truncated),
            damp: at!(self, "damp").unwrap_or(base.damp),
            null_space: match self.vectors(&[guess], space)? {
                None => None,
                Some(list) => Some(Arc::new(NullSpace::new(&list)?)),
            },
            deflation: match self.vectors(&[guess, space], at!(self, "deflation"))? {
                None => None,
                Some(list) => Some(Arc::new(Deflation::new(&list)?)),
            },
            harvest: count("harvest", at!(self, "harvest"))?.unwrap_or(0),
            history: flag(at!(self, "history"), false),
            replacement,
            divergence: at!(self, "divergence").unwrap_or(base.divergence),
            stagnation_window: count("stagnationWindow", at!(self, "stagnationWindow"))?,
            probe: flag(at!(self, "probe"), base.probe),
            seed: at!(self, "seed")
                .map(|seed| integer("seed", seed, 9_007_199_254_740_991.0))
                .transpose()?
                .unwrap_or(base.seed),
            time_limit,
            delay: count("delay", at!(self, "delay"))?.unwrap_or(base.delay),
            observe: flag(at!(self, "observe"), false),
        })
    }
}

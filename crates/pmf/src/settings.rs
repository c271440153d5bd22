//! What a caller chooses.

use headwater_base::Error;

/// How sweeps over the two factors are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The recommended one: at present [`Method::Anls`] at every size.
    Auto,
    /// Exact alternating non-negative least squares with extrapolation, then the second-order finish.
    Anls,
    /// Hierarchical alternating least squares (exact coordinate descent), then the second-order finish.
    Hals,
    /// Multiplicative updates (Wang 2006) from a strictly positive start. For comparison with older programs.
    Mu,
}

/// Where a start begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialization {
    /// Random, keyed by (seed, start).
    Random,
    /// Non-negative double SVD of the weighted data; starts after the first are perturbed copies.
    Nndsvd,
}

/// How many starts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// Exactly this many random starts.
    Count(u32),
    /// Random starts and perturbation chains until several independent chains end at one Q,
    /// or until `cap` runs have been made.
    Auto {
        /// Largest number of runs (random starts and perturbation trials together).
        cap: u32,
    },
}

/// When a run of sweeps ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// When the certificate is met (or cannot be).
    Certificate,
    /// The rule of older programs: Q fell by less than `decrease` over the last `over` sweeps.
    /// The result is judged all the same, and is then mostly `stalled`.
    Decrease {
        /// In units of Q.
        decrease: f64,
        /// Number of sweeps.
        over: u32,
    },
}

/// A starting point given by the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Initial {
    /// samples × factors, row-major.
    pub contributions: Vec<f64>,
    /// factors × species, row-major.
    pub profiles: Vec<f64>,
}

/// Everything that determines a factorisation besides the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Number of factors p, 1 <= p <= min(samples, species).
    pub factors: usize,
    /// Sweeps; default [`Method::Auto`].
    pub method: Method,
    /// Default `Auto { cap: 400 }`.
    pub starts: Starts,
    /// Number of the first start (default 0): `first_start: 7, starts: Count(1)` repeats start 7 alone.
    pub first_start: u32,
    /// Which start's solution is returned; `None` (default): the best one.
    pub choose: Option<u32>,
    /// Key of all random numbers; default 0.
    pub seed: u64,
    /// Default [`Initialization::Random`].
    pub initialization: Initialization,
    /// A starting point that replaces the drawn one; then exactly one start is made.
    pub initial: Option<Initial>,
    /// Contributions bounded below by 0 (default true); false gives a semi-non-negative factorisation.
    pub nonnegative_contributions: bool,
    /// Profiles bounded below by 0 (default true).
    pub nonnegative_profiles: bool,
    /// Largest number of iterations (sweeps and second-order steps) of one start; default 20 000.
    pub max_iterations: u32,
    /// Default [`Stop::Certificate`].
    pub stop: Stop,
    /// Largest number of threads of the current rayon pool that this call uses; default 1.
    pub threads: usize,
}

impl Settings {
    /// Defaults for `factors` factors.
    pub fn new(factors: usize) -> Self {
        Self {
            factors,
            method: Method::Auto,
            starts: Starts::Auto { cap: 400 },
            first_start: 0,
            choose: None,
            seed: 0,
            initialization: Initialization::Random,
            initial: None,
            nonnegative_contributions: true,
            nonnegative_profiles: true,
            max_iterations: 20_000,
            stop: Stop::Certificate,
            threads: 1,
        }
    }

    /// Checks every number against its range and against data of `rows` samples and `cols` species.
    ///
    /// # Errors
    /// `too-few-factors`, `too-many-factors` (with the limit), `option-out-of-range`,
    /// `start-shape-mismatch`, `start-not-valid`.
    pub fn validate(&self, rows: usize, cols: usize) -> Result<(), Error> {
        let p = self.factors;
        let limit = rows.min(cols);
        if p == 0 {
            return Err(Error::new("too-few-factors", "the number of factors must be at least 1").with_limit(1.0));
        }
        if p > limit {
            return Err(Error::new(
                "too-many-factors",
                format!("{p} factors asked for, but {rows} samples × {cols} species allow at most {limit}"),
            )
            .with_limit(limit as f64));
        }
        let range =
            |what: &str, expected: &str| Err(Error::new("option-out-of-range", format!("{what} must be {expected}")));
        match self.starts {
            Starts::Count(0) => return range("starts", "at least 1"),
            Starts::Auto { cap: 0 } => return range("the cap of automatic starts", "at least 1"),
            _ => {}
        }
        if self.max_iterations == 0 {
            return range("maxIterations", "at least 1");
        }
        if self.threads == 0 {
            return range("threads", "at least 1");
        }
        if let Stop::Decrease { decrease, over } = self.stop {
            if !(decrease > 0.0 && decrease.is_finite()) {
                return range("stop.decrease", "a positive finite number");
            }
            if over == 0 {
                return range("stop.over", "at least 1");
            }
        }
        if let Some(initial) = &self.initial {
            check_factors(
                rows,
                cols,
                p,
                &initial.contributions,
                &initial.profiles,
                self.nonnegative_contributions,
                self.nonnegative_profiles,
            )?;
        }
        Ok(())
    }
}

/// Checks that `contributions` (rows × p) and `profiles` (p × cols) fit the data, are finite and keep the bounds.
pub(crate) fn check_factors(
    rows: usize,
    cols: usize,
    factors: usize,
    contributions: &[f64],
    profiles: &[f64],
    nonnegative_contributions: bool,
    nonnegative_profiles: bool,
) -> Result<(), Error> {
    let parts = [
        ("contributions", contributions, rows, factors, nonnegative_contributions),
        ("profiles", profiles, factors, cols, nonnegative_profiles),
    ];
    for (name, values, r, c, nonnegative) in parts {
        if values.len() != r * c {
            return Err(Error::new(
                "start-shape-mismatch",
                format!("{name} must be {r} × {c} = {} numbers, got {}", r * c, values.len()),
            ));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite() || (nonnegative && *v < 0.0)) {
            let wanted = if nonnegative { "finite and not negative" } else { "finite" };
            return Err(Error::new("start-not-valid", format!("{name} must be {wanted}, found {}", values[at]))
                .at(at / c, at % c));
        }
    }
    Ok(())
}

//! The solution around which errors are estimated.

use crate::block::Factor;
use crate::pins;
use crate::problem::Problem;
use crate::run::Options;
use crate::settings::{self, Method, Stop};
use headwater_base::Error;
use headwater_base::parallel::Crew;
use std::borrow::Cow;

/// A solution in the engine's units. Samples are the long side: theirs are the means that the gauge takes.
pub struct BasePoint<'a> {
    pub problem: Cow<'a, Problem>,
    pub long: Factor,
    pub short: Factor,
}

/// Which factors are bounded below by 0.
#[derive(Clone, Copy)]
pub struct Bounded {
    pub contributions: bool,
    pub profiles: bool,
}

impl<'a> BasePoint<'a> {
    /// From factors in the caller's units. Where the data have pinned cells ([`crate::pins`]), their multipliers are
    /// found by a descent from there, which moves a minimum by no more than that takes.
    ///
    /// # Errors
    /// See [`known`].
    pub fn new(
        problem: &'a Problem,
        p: usize,
        contributions: &[f64],
        profiles: &[f64],
        bounded: Bounded,
        crew: Crew,
    ) -> Result<Self, Error> {
        let (contributions, profiles) = known(problem, p, contributions, profiles, bounded)?;
        let problem = if problem.transposed { Cow::Owned(problem.turned()) } else { Cow::Borrowed(problem) };
        let (long, short) = problem.scale_factors(p, &contributions, &profiles);
        let long = Factor::new(problem.rows(), p, bounded.contributions, long);
        let short = Factor::new(problem.cols(), p, bounded.profiles, short);
        if problem.pins.is_empty() {
            return Ok(Self { problem, long, short });
        }
        let options = Options {
            method: Method::Anls,
            max_iterations: 20_000,
            stop: Stop::Certificate,
            crew,
            first_sweeps: 0,
            full: false,
        };
        let run = pins::run(&problem, &options, long, short);
        Ok(Self { problem: Cow::Owned(problem.with_shifts(&run.shifts)), long: run.long, short: run.short })
    }
}

/// Factors with 0 for what the data do not tell (NaN).
///
/// # Errors
/// `start-shape-mismatch`, `start-not-valid`.
pub fn known(
    problem: &Problem,
    p: usize,
    contributions: &[f64],
    profiles: &[f64],
    bounded: Bounded,
) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let [contributions, profiles] = [contributions, profiles]
        .map(|values| values.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect::<Vec<f64>>());
    let (rows, cols) = (problem.rows(), problem.cols());
    settings::check_factors(rows, cols, p, &contributions, &profiles, bounded.contributions, bounded.profiles)?;
    Ok((contributions, profiles))
}

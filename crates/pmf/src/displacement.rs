//! Displacement (DISP): the profile likelihood of profile elements.
//!
//! For an element h_kj (in the gauge mean w_k = 1): ΔQ(c) = min { Q : h_kj = c } − Q_base, everything else refitted,
//! the factors keeping their identity (the best one-to-one assignment of refitted to base contributions by correlation
//! is the identity). For each level the two ends where ΔQ reaches it.
//!
//! How the levels are met: [`crate::profile_path`].
//!
//! Cost: about eight solutions of the rows an end, one to two passes with the exact Hessian, and as much again for the
//! search for lower branches.
//! Source: P. Paatero, S. Eberly, S. G. Brown, G. A. Norris (2014), Atmos. Meas. Tech. 7:781.

use crate::base_point::{BasePoint, Bounded};
use crate::held_hessian::Formed;
use crate::pinned::Point;
use crate::problem::Problem;
use crate::profile_path::Study;
use headwater_base::parallel::{self, Crew};
use headwater_base::{Control, Error, Status};

/// What a caller chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct DisplacementSettings {
    /// Levels of ΔQ, ascending; default 4, 8, 15, 25.
    pub levels: Vec<f64>,
    /// (factor, species) of the elements to displace.
    pub elements: Vec<(usize, usize)>,
    /// Whether ends are checked for lower branches (default true).
    pub check: bool,
    /// Contributions bounded below by 0.
    pub nonnegative_contributions: bool,
    /// Profiles bounded below by 0.
    pub nonnegative_profiles: bool,
    /// Key of the perturbations.
    pub seed: u64,
    /// Largest number of threads.
    pub threads: usize,
}

/// What an end of an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndKind {
    /// ΔQ reaches the level there.
    Reached,
    /// The element reaches its bound 0 first.
    Zero,
    /// ΔQ stays below the level however far the element is moved.
    Unbounded,
    /// The refit did not settle, or the call was stopped.
    Failed,
}

/// One end of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// What it is.
    pub kind: EndKind,
    /// The element's value, in the data's units; NaN unless reached or zero.
    pub value: f64,
    /// ΔQ there, by a last evaluation.
    pub delta_q: f64,
    /// Whether a check found the path to run on a higher branch, so that the end lies on another.
    pub lower_branch: bool,
    /// Whether factors exchange their identities there.
    pub swapped: bool,
}

/// The intervals of one element.
#[derive(Clone, Debug, PartialEq)]
pub struct Displaced {
    /// Factor.
    pub factor: usize,
    /// Species.
    pub species: usize,
    /// The base value.
    pub base: f64,
    /// Lower and upper end at each level.
    pub ends: Vec<[End; 2]>,
}

/// The result of [`displace`].
#[derive(Clone, Debug, PartialEq)]
pub struct Displacement {
    /// The elements that were done, in the order asked for.
    pub elements: Vec<Displaced>,
    /// Q of the base by this module's own evaluation.
    pub base_q: f64,
    /// Per level and factor: ends at which the factor has exchanged its identity, in the path or in a lower refit.
    pub swaps: Vec<Vec<u32>>,
    /// Largest decrease of Q below the base that a refit found (0: none).
    pub largest_decrease: f64,
    /// Contributions and profiles (caller's layout) of the lowest such refit.
    pub lower: Option<(Vec<f64>, Vec<f64>)>,
    /// `converged` unless the call was stopped before all elements were done.
    pub status: Status,
}

/// Displaces profile elements of a base solution.
///
/// # Errors
/// `start-shape-mismatch`, `start-not-valid`, `option-out-of-range` (levels, elements).
pub fn displace(
    problem: &Problem,
    factors: usize,
    contributions: &[f64],
    profiles: &[f64],
    settings: &DisplacementSettings,
    control: Control,
) -> Result<Displacement, Error> {
    let p = factors;
    let crew = Crew::new(settings.threads, control);
    let bounded =
        Bounded { contributions: settings.nonnegative_contributions, profiles: settings.nonnegative_profiles };
    validate(p, problem.cols(), settings)?;
    let BasePoint { problem, mut long, mut short } =
        BasePoint::new(problem, p, contributions, profiles, bounded, crew)?;
    let (problem, weights) = (problem.as_ref(), problem.mean_weights());
    // The gauge: mean contribution 1.
    for k in 0..p {
        let mean: f64 = long.rows.chunks_exact(p).zip(&weights).map(|(w, s)| s * w[k]).sum();
        if mean > 0.0 {
            long.rows.chunks_exact_mut(p).for_each(|w| w[k] /= mean);
            short.rows.chunks_exact_mut(p).for_each(|h| h[k] *= mean);
        }
    }
    let alone = Crew::new(1, control);
    let base_q = crate::block::objective(&problem.long, &long, &short.rows, alone);
    let study = Study {
        formed: &Formed::new(problem, &long, &short, &weights, None, crew),
        problem,
        settings,
        crew: alone,
        weights: &weights,
        long: &long,
        short: &short,
        base_q,
    };
    // Species without data have no intervals.
    let present = &problem.sides().1.present;
    let elements: Vec<(usize, usize)> = settings.elements.iter().copied().filter(|(_, j)| present[*j]).collect();
    let found = parallel::map_reported(settings.threads, elements.len(), control, |at| {
        let (factor, species) = elements[at];
        study.element(at, factor, species)
    });
    let complete = found.iter().all(Option::is_some);
    let mut swaps = vec![vec![0; p]; settings.levels.len()];
    let mut lowest: Option<Point> = None;
    let mut elements = Vec::new();
    for found in found.into_iter().flatten() {
        for (of_level, counts) in swaps.iter_mut().zip(&found.swaps) {
            of_level.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        if let Some(point) = found.lower
            && lowest.as_ref().is_none_or(|lowest| point.q < lowest.q)
        {
            lowest = Some(point);
        }
        elements.push(found.displaced);
    }
    Ok(Displacement {
        elements,
        base_q: problem.unscale_q(base_q),
        swaps,
        largest_decrease: lowest.as_ref().map_or(0.0, |point| problem.unscale_q(base_q - point.q)),
        lower: lowest.map(|point| problem.unscale_factors(p, &point.long.rows, &point.short.rows)),
        status: if complete { Status::Converged } else { Status::Aborted },
    })
}

/// Checks levels and elements.
pub(crate) fn validate(p: usize, cols: usize, settings: &DisplacementSettings) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::new("option-out-of-range", message));
    if settings.levels.is_empty() || !settings.levels.iter().all(|level| *level > 0.0 && level.is_finite()) {
        return refuse("levels must be positive finite numbers".into());
    }
    if !settings.levels.is_sorted_by(|a, b| a < b) {
        return refuse("levels must ascend".into());
    }
    if let Some((k, j)) = settings.elements.iter().find(|(k, j)| *k >= p || *j >= cols) {
        return refuse(format!("there is no element of factor {k} and species {j}"));
    }
    Ok(())
}

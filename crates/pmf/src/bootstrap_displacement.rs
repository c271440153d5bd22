//! Bootstrap with displacement (BS-DISP): the profile likelihood of chosen elements in every resample.
//!
//! A resample is accepted if its fit is certified, every base factor has a factor of its own in the assignment one to
//! one, no refit finds a lower Q (a drop), and no factor exchanges its identity at the lowest level. The summary of an
//! element is the 5 % quantile of the lower and the 95 % quantile of the upper ends over the accepted resamples, at
//! each level.
//!
//! The assignment, not the nearest factors of PMF5's table, says whether a fit has swapped: it is what the statistics of
//! the bootstrap and the identity of factors in a displacement go by. Two factors whose contributions resemble each other
//! can both be nearest to one base factor although each has its own; to leave such resamples out would narrow the
//! intervals just where factors are hard to tell apart.
//!
//! Cost: a bootstrap run and a displacement (without the search for lower branches) for each resample.
//! Source: P. Paatero, S. Eberly, S. G. Brown, G. A. Norris (2014), Atmos. Meas. Tech. 7:781; the rule is our own,
//! for theirs depends on their program.

use crate::bootstrap::{self, Bootstrap, BootstrapSettings, Resample, Study};
use crate::displacement::{self, Displacement, DisplacementSettings, End, EndKind};
use crate::problem::Problem;
use headwater_base::{Control, Error, Status};

/// What a resample's displacement showed.
#[derive(Clone, Debug, PartialEq)]
pub struct DisplacedResample {
    /// Number of the resample.
    pub run: u32,
    /// Whether it counts in the summary.
    pub accepted: bool,
    /// Whether a refit found a lower Q than the resample's fit.
    pub drop: bool,
    /// Whether a base factor has none of its factors in the assignment one to one.
    pub swapped_in_fit: bool,
    /// Whether a factor exchanges its identity at the lowest level.
    pub swapped_in_displacement: bool,
    /// The intervals, factors numbered as in the base; none where the fit does not map.
    pub displacement: Option<Displacement>,
}

/// The summary of one element.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Factor of the base.
    pub factor: usize,
    /// Species.
    pub species: usize,
    /// Per level: 5 % of the lower and 95 % of the upper ends, and how many intervals they are from. An end at the
    /// bound counts as 0, one that is unbounded as infinite; NaN without intervals.
    pub levels: Vec<(f64, f64, u32)>,
}

/// The result of [`bootstrap_displacement`].
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapDisplacement {
    /// The bootstrap itself.
    pub bootstrap: Bootstrap,
    /// Per resample, by number.
    pub resamples: Vec<DisplacedResample>,
    /// In the order of the elements asked for.
    pub elements: Vec<Summary>,
    /// Largest decrease of Q that a refit found in any resample.
    pub largest_decrease: f64,
    /// `converged` unless the call was stopped before all runs were done.
    pub status: Status,
}

/// Displaces `displacement.elements` of a base solution in every resample. Of the settings of the displacement, the
/// bounds, the threads and the check are those of the bootstrap and off.
///
/// # Errors
/// Those of [`crate::bootstrap`] and [`crate::displace`].
pub fn bootstrap_displacement(
    problem: &Problem,
    factors: usize,
    contributions: &[f64],
    profiles: &[f64],
    settings: &BootstrapSettings,
    displacement: &DisplacementSettings,
    control: Control,
) -> Result<BootstrapDisplacement, Error> {
    displacement::validate(factors, problem.cols(), displacement)?;
    let study = Study::new(problem, factors, contributions, profiles, settings, control)?;
    let own = |elements: Vec<(usize, usize)>| DisplacementSettings {
        elements,
        check: false,
        nonnegative_contributions: settings.nonnegative_contributions,
        nonnegative_profiles: settings.nonnegative_profiles,
        threads: 1,
        ..displacement.clone()
    };
    let found: Vec<Result<(Resample, DisplacedResample), Error>> = bootstrap::each(&study, |study, run| {
        let (resample, fitted) = study.run(run);
        let one_to_one = resample.factors.iter().all(Option::is_some);
        let mut out = DisplacedResample {
            run,
            accepted: false,
            drop: false,
            swapped_in_fit: !one_to_one,
            swapped_in_displacement: false,
            displacement: None,
        };
        if one_to_one && resample.status == Status::Converged {
            let to = |k: usize| resample.factors[k].expect("one to one");
            let elements = displacement.elements.iter().map(|(k, j)| (to(*k), *j)).collect();
            let (w, h) = (&fitted.contributions, &fitted.profiles);
            let mut found = displacement::displace(&fitted.problem, factors, w, h, &own(elements), control.silent())?;
            // The base's numbers again.
            let from = |l: usize| (0..factors).find(|k| to(*k) == l).expect("one to one");
            found.elements.iter_mut().for_each(|element| element.factor = from(element.factor));
            for counts in &mut found.swaps {
                *counts = (0..factors).map(|k| counts[to(k)]).collect();
            }
            out.drop = found.largest_decrease > 0.0;
            out.swapped_in_displacement = found.swaps[0].iter().any(|count| *count > 0);
            out.accepted = !out.drop && !out.swapped_in_displacement;
            out.displacement = Some(found);
        }
        Ok((resample, out))
    });
    let (fits, resamples): (Vec<Resample>, Vec<DisplacedResample>) =
        found.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let bootstrap = bootstrap::summarise(factors, problem.cols(), settings.runs, study.block, fits);
    let accepted = || resamples.iter().filter(|r| r.accepted).filter_map(|r| r.displacement.as_ref());
    let elements = displacement
        .elements
        .iter()
        .map(|&(factor, species)| {
            let levels = (0..displacement.levels.len())
                .map(|level| {
                    let ends: Vec<_> = accepted()
                        .flat_map(|d| &d.elements)
                        .filter(|e| (e.factor, e.species) == (factor, species))
                        .map(|e| e.ends[level])
                        .filter(|[l, u]| l.kind != EndKind::Failed && u.kind != EndKind::Failed)
                        .collect();
                    let reach = |end: &End, far: f64| if end.kind == EndKind::Unbounded { far } else { end.value };
                    let lower = ends.iter().map(|[lower, _]| reach(lower, f64::NEG_INFINITY));
                    let upper = ends.iter().map(|[_, upper]| reach(upper, f64::INFINITY));
                    let at = |values: Vec<f64>, share: f64| bootstrap::quantiles(values, &[share])[0];
                    (at(lower.collect(), 0.05), at(upper.collect(), 0.95), ends.len() as u32)
                })
                .collect();
            Summary { factor, species, levels }
        })
        .collect();
    let decrease = |r: &DisplacedResample| r.displacement.as_ref().map_or(0.0, |d| d.largest_decrease);
    let largest_decrease = resamples.iter().map(decrease).fold(0.0, f64::max);
    Ok(BootstrapDisplacement { status: bootstrap.status, bootstrap, resamples, elements, largest_decrease })
}

//! The shape of every atom, chosen on held-out rows.
//!
//! The rows that an atom codes, less what the others say there, are fitted by one atom of another shape. It takes the place
//! of the first if held-out rows become shorter to write down ([`super::length`]), which counts the numbers that codes and
//! decoders of either shape take: an ellipse with amounts fills the plane of a line, and says no less. Atoms are raced one
//! after the other, by their rows; then all are fitted together from there, and the result stands if it is shorter than what
//! the race began with.

use headwater_base::Error;
use headwater_base::parallel::Crew;

use crate::basis::Topology;
use crate::fit::model::{Model, Rows};
use crate::fit::{Fit, FitSettings, Smoothing, fit};
use crate::problem::Gate;

/// Fits whose atoms have raced against other shapes; the fit itself where none is shorter. The shapes of its atoms are those
/// of its model, which differ from the settings'.
///
/// Errors: `option-not-valid` for softmax gates, whose shares are those of all atoms; those of [`fit`]. `None` if the crew
/// was stopped.
pub fn race(
    train: &Rows,
    held: &Rows,
    columns: usize,
    settings: &FitSettings,
    found: Fit,
    shapes: &[Topology],
    crew: Crew,
) -> Result<Option<Fit>, Error> {
    if matches!(settings.gate, Gate::Softmax { .. }) {
        return Err(Error::new("option-not-valid", "atoms with softmax gates share every row and cannot change shape"));
    }
    let quiet = Crew::new(crew.threads, crew.control.silent());
    let Some((_, before)) = found.model.judge(held, quiet)? else { return Ok(None) };
    let (mut model, mut shortest) = (found.model.clone(), before.length);
    let mut codes = found.codes.clone();
    let mut order: Vec<usize> = (0..found.atoms.len()).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(found.atoms[k].used.rows));
    let mut changed = false;
    for k in order {
        let own = train.left_to(&codes.problem, &codes.state, &[k]);
        let mut best: Option<Model> = None;
        for &shape in shapes.iter().filter(|shape| **shape != found.model.atoms[k]) {
            if own.count < shape.basis()?.functions() {
                continue;
            }
            let Some(other) = alone(&own, columns, settings, shape, quiet)? else { return Ok(None) };
            let candidate = replaced(&model, k, &other)?;
            let Some((_, score)) = candidate.judge(held, quiet)? else { return Ok(None) };
            if score.length < shortest {
                (shortest, best) = (score.length, Some(candidate));
            }
        }
        if let Some(best) = best {
            (model, changed) = (best, true);
            let Some(fresh) = model.encode(train, quiet)? else { return Ok(None) };
            codes = fresh;
        }
    }
    if !changed {
        return Ok(Some(found));
    }
    let together = FitSettings {
        atoms: model.atoms.clone(),
        active: settings.active.min(model.atoms.len()),
        start: Some(model.decoders.clone()),
        ..settings.clone()
    };
    let Some(mut fresh) = fit(train, columns, &together, crew)? else { return Ok(None) };
    let Some((_, score)) = fresh.model.judge(held, quiet)? else { return Ok(None) };
    if score.length >= before.length {
        return Ok(Some(found));
    }
    fresh.kept.iter_mut().for_each(|k| *k = found.kept[*k]);
    fresh.seed = found.seed;
    Ok(Some(fresh))
}

/// One atom fitted to rows. `None` if the crew was stopped.
fn alone(
    rows: &Rows,
    columns: usize,
    settings: &FitSettings,
    shape: Topology,
    crew: Crew,
) -> Result<Option<Model>, Error> {
    let own = FitSettings {
        atoms: vec![shape],
        active: 1,
        centre: false,
        prune: false,
        start: None,
        smoothing: if settings.smoothing == Smoothing::None { Smoothing::None } else { Smoothing::Size },
        ..settings.clone()
    };
    Ok(fit(rows, columns, &own, crew)?.map(|found| found.model))
}

/// A dictionary with the one atom of another in the place of one of its own.
fn replaced(model: &Model, k: usize, other: &Model) -> Result<Model, Error> {
    let mut out = model.clone();
    let p = model.columns;
    let (mut first, mut coordinate) = (0, 0);
    for atom in &model.atoms[..k] {
        let basis = atom.basis()?;
        (first, coordinate) = (first + basis.functions() * p, coordinate + basis.dimension());
    }
    let basis = model.atoms[k].basis()?;
    out.atoms[k] = other.atoms[0];
    out.decoders.splice(first..first + basis.functions() * p, other.decoders.iter().copied());
    let (to, from) = (&mut out.strengths, &other.strengths);
    to.amplitude[k] = from.amplitude[0];
    to.roughness[k] = from.roughness[0];
    to.ridge[k] = from.ridge[0];
    to.ard.splice(coordinate..coordinate + basis.dimension(), from.ard.iter().copied());
    Ok(out)
}

//! What the same rows give without curves, and what curves give without structure.
//!
//! * Principal components: as many as the fit spends numbers a row, and as many as it has functions.
//! * Directions with amounts >= 0, by the same coder: as many as the fit has functions (equal decoder parameters), as many
//!   of them on as the fit spends numbers a row (equal codes).
//! * The fit itself on rows whose columns were shuffled each by itself, and on normal rows of the same covariance: neither
//!   has curves, and what is claimed of these is what may not be claimed of the data.

use headwater_base::Error;
use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::dense::{add_outer, add_scaled, inner};
use headwater_linalg::eigen;

use crate::basis::Topology;
use crate::fit::facts::{AtomFacts, Claim};
use crate::fit::model::Rows;
use crate::fit::{Fit, FitSettings, Smoothing, fit, mean};
use crate::problem::{AmplitudePrior, Gate};

/// A control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Principal components, with as many numbers a row.
    ComponentsAtEqualCodes,
    /// Principal components, with as many decoder parameters.
    ComponentsAtEqualParameters,
    /// Directions with amounts >= 0, with as many of both.
    Directions,
    /// The fit on rows with shuffled columns.
    Shuffled,
    /// The fit on normal rows of the same covariance.
    Matched,
}

/// What a control gave.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Which.
    pub kind: Kind,
    /// Explained variance (a) on held-out rows: the data's, or the control's own. `None` where it is not defined.
    pub explained: Option<f64>,
    /// Numbers a row.
    pub scalars: f64,
    /// Numbers in decoders.
    pub parameters: usize,
    /// Atoms that were kept, and curves or surfaces among them whose claim holds (fits of controls).
    pub kept: usize,
    /// See `kept`.
    pub claims: usize,
    /// Most nats a row that one of these claims is worth; 0 without claims. A claim that is worth less is worth nothing.
    pub strongest: f64,
}

/// All controls of a fit. Rows with missing cells have no principal components and no matched rows.
///
/// Errors: those of [`fit`]. `None` if the crew was stopped.
pub fn controls(
    train: &Rows,
    held: &Rows,
    columns: usize,
    settings: &FitSettings,
    found: &Fit,
    crew: Crew,
) -> Result<Option<Vec<Compared>>, Error> {
    let quiet = Crew::new(crew.threads, crew.control.silent());
    // Shapes that were changed by a race are those that are compared.
    let mut settings = FitSettings { start: None, ..settings.clone() };
    found.kept.iter().zip(&found.model.atoms).for_each(|(&k, shape)| settings.atoms[k] = *shape);
    let settings = &settings;
    let Some((_, score)) = found.model.judge(train, quiet)? else { return Ok(None) };
    let numbers = score.usage.scalars.round().max(1.0) as usize;
    let functions: usize = found.codes.problem.channels;
    let mut out = Vec::new();
    let complete = |rows: &Rows| rows.cell_weights.is_none() && rows.values.iter().all(|x| x.is_finite());
    if complete(train) && complete(held) {
        for (kind, count) in [(Kind::ComponentsAtEqualCodes, numbers), (Kind::ComponentsAtEqualParameters, functions)] {
            let count = count.min(columns);
            let explained = components(train, held, columns, count);
            out.push(Compared {
                kind,
                explained,
                scalars: count as f64,
                parameters: count * columns,
                kept: 0,
                claims: 0,
                strongest: 0.0,
            });
        }
    }
    if functions > 0 {
        let directions = FitSettings {
            atoms: vec![Topology::Constant; functions.min(train.count)],
            gate: Gate::Amplitude(AmplitudePrior::HalfNormal),
            active: numbers.min(functions).min(train.count),
            prune: false,
            // One draw of directions in two ends far from the best (EV .91 of .975 seen): a control must be a good one.
            restarts: settings.restarts.max(4),
            smoothing: Smoothing::Size,
            incoherence: 0.0,
            repulsion: 0.0,
            ..settings.clone()
        };
        let Some(plain) = fit(train, columns, &directions, quiet)? else { return Ok(None) };
        let Some((_, score)) = plain.model.judge(held, quiet)? else { return Ok(None) };
        out.push(Compared {
            kind: Kind::Directions,
            explained: score.reconstruction.explained_variance,
            scalars: score.usage.scalars,
            parameters: score.parameters,
            kept: plain.kept.len(),
            claims: 0,
            strongest: 0.0,
        });
    }
    let mut without =
        vec![(Kind::Shuffled, shuffled(train, columns, settings.seed, 0), shuffled(held, columns, settings.seed, 1))];
    if complete(train)
        && complete(held)
        && let Some(colour) = colour(train, columns)
    {
        let normal = |count, index| matched(&colour, count, columns, settings.seed, index);
        without.push((Kind::Matched, normal(train.count, 2), normal(held.count, 3)));
    }
    for (kind, train, held) in without {
        let Some(control) = fit(&train, columns, settings, quiet)? else { return Ok(None) };
        let Some((_, score)) = control.model.judge(&held, quiet)? else { return Ok(None) };
        out.push(Compared {
            kind,
            explained: score.reconstruction.explained_variance,
            scalars: score.usage.scalars,
            parameters: score.parameters,
            kept: control.kept.len(),
            claims: claims(&control).count(),
            strongest: claims(&control).filter_map(AtomFacts::worth_of_a_row).fold(0.0, f64::max),
        });
    }
    Ok(Some(out))
}

/// Curves and surfaces of a fit whose claim holds.
fn claims(found: &Fit) -> impl Iterator<Item = &AtomFacts> {
    let curved = found.atoms.iter().zip(&found.model.atoms).filter(|(_, atom)| **atom != Topology::Constant);
    curved.map(|(facts, _)| facts).filter(|facts| facts.claim == Claim::Holds)
}

/// 1 − Σ‖x − x̂‖²/Σ‖x − x̄‖² on held-out rows, x̂ by the first components of the others.
fn components(train: &Rows, held: &Rows, p: usize, count: usize) -> Option<f64> {
    let centre = mean(train, p);
    let (_, vectors) = eigen::symmetric(p, &covariance(train, &centre, p))?;
    let own = mean(held, p);
    let (mut left, mut total) = (0.0, 0.0);
    for row in held.values.chunks_exact(p) {
        let mut rest: Vec<f64> = row.iter().zip(&centre).map(|(x, c)| x - c).collect();
        for axis in vectors.chunks_exact(p).rev().take(count) {
            add_scaled(-inner(axis, &rest), axis, &mut rest);
        }
        left += inner(&rest, &rest);
        total += row.iter().zip(&own).map(|(x, c)| (x - c) * (x - c)).sum::<f64>();
    }
    (total > 0.0).then(|| 1.0 - left / total)
}

fn covariance(rows: &Rows, centre: &[f64], p: usize) -> Vec<f64> {
    let mut out = vec![0.0; p * p];
    for row in rows.values.chunks_exact(p) {
        let off: Vec<f64> = row.iter().zip(centre).map(|(x, c)| x - c).collect();
        add_outer(&mut out, &off, &off);
    }
    out.iter_mut().for_each(|x| *x /= rows.count as f64);
    out
}

/// The columns in another order each, weights with their cells.
fn shuffled(rows: &Rows, p: usize, seed: u64, index: u32) -> Rows {
    let mut out = rows.clone();
    let mut random = Stream::new(seed, Purpose::Resample, index);
    for o in 0..p {
        for i in (1..rows.count).rev() {
            let j = random.below(i + 1);
            out.values.swap(i * p + o, j * p + o);
            if let Some(weights) = &mut out.cell_weights {
                weights.swap(i * p + o, j * p + o);
            }
        }
    }
    out
}

/// Mean and a square root of the covariance.
fn colour(rows: &Rows, p: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let centre = mean(rows, p);
    let (values, mut vectors) = eigen::symmetric(p, &covariance(rows, &centre, p))?;
    for (value, vector) in values.iter().zip(vectors.chunks_exact_mut(p)) {
        vector.iter_mut().for_each(|x| *x *= value.max(0.0).sqrt());
    }
    Some((centre, vectors))
}

fn matched((centre, roots): &(Vec<f64>, Vec<f64>), count: usize, p: usize, seed: u64, index: u32) -> Rows {
    let mut random = Stream::new(seed, Purpose::Resample, index);
    let mut values = Vec::with_capacity(count * p);
    for _ in 0..count {
        let mut row = centre.clone();
        for root in roots.chunks_exact(p) {
            add_scaled(random.normal(), root, &mut row);
        }
        values.extend(row);
    }
    Rows { count, values, ..Rows::default() }
}

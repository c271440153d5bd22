//! Codes by one product with a matrix, and how much worse they are than exact ones.
//!
//! For every atom: a, and for each coordinate a·cos 2πt and a·sin 2πt (periodic, t in periods; phases themselves would
//! jump) or a·t, all 0 where the atom is off. Each of these is regressed on the rows: w = (XᵀX + λI)⁻¹Xᵀy, with λ by
//! evidence: γ = Σ s²/(s² + λ) over the eigenvalues s² of XᵀX, λ ← γ RSS/((n − γ)‖w‖²) until it stands (D. J. C. MacKay
//! (1992), "Bayesian interpolation", Neural Computation 4). The `active` atoms with the largest amounts are on.
//!
//! Cost: p³ + N p (p + outputs) to fit, p × outputs a row.

use std::f64::consts::TAU;

use headwater_base::Error;
use headwater_linalg::dense::{add_outer, add_scaled, inner};
use headwater_linalg::eigen;

use crate::fit::model::{Encoded, Model, Rows};
use crate::problem::Gate;
use crate::row::Row;

/// A linear encoder of a dictionary.
#[derive(Clone, Debug, PartialEq)]
pub struct Amortised {
    /// outputs × p, atom by atom: the amount, then two numbers a periodic coordinate and one of any other.
    pub weights: Vec<f64>,
    /// One an output.
    pub bias: Vec<f64>,
}

/// How amortised codes compare with exact ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// Explained variance with exact codes and with amortised ones.
    pub explained: [Option<f64>; 2],
    /// Share of the exact codes' active atoms that are active in the amortised ones too.
    pub agreement: f64,
    /// Quantiles .5, .9, 1 of |t − t′| (wrapped where periodic) over coordinates of atoms that are on in both; `None` without
    /// any.
    pub coordinates: Option<[f64; 3]>,
}

const ROUNDS: usize = 60;

/// First output of an atom, and the periods of its coordinates.
type Place = (usize, Vec<Option<f64>>);

fn outputs(model: &Model) -> Result<Vec<Place>, Error> {
    let mut at = 0;
    model
        .atoms
        .iter()
        .map(|atom| {
            let basis = atom.basis()?;
            let periods: Vec<Option<f64>> = (0..basis.dimension()).map(|axis| basis.period(axis)).collect();
            let first = at;
            at += 1 + periods.iter().map(|period| if period.is_some() { 2 } else { 1 }).sum::<usize>();
            Ok((first, periods))
        })
        .collect()
}

/// The encoder that is fitted to codes of rows.
///
/// Errors: `option-not-valid` for softmax gates and for rows with missing cells; `too-few-atoms`.
pub fn amortise(model: &Model, rows: &Rows, codes: &Encoded) -> Result<Amortised, Error> {
    let p = model.columns;
    if matches!(model.gate, Gate::Softmax { .. }) {
        return Err(Error::new("option-not-valid", "shares of a softmax have no linear encoder here: encode exactly"));
    }
    let missing = rows.cell_weights.as_ref().is_some_and(|weights| weights.contains(&0.0));
    if missing || rows.values.iter().any(|x| !x.is_finite()) {
        return Err(Error::new("option-not-valid", "a linear encoder needs rows without missing cells"));
    }
    let places = outputs(model)?;
    let Some((last, periods)) = places.last() else {
        return Err(Error::new("too-few-atoms", "the dictionary has no atoms to encode by"));
    };
    let count = last + 1 + periods.iter().map(|period| if period.is_some() { 2 } else { 1 }).sum::<usize>();
    let n = rows.count;
    let mut targets = vec![0.0; n * count];
    let mut row = Row::new(&codes.problem);
    for (i, to) in targets.chunks_exact_mut(count).enumerate() {
        row.load(&codes.state, i);
        for (slot, amount) in row.slots.iter().zip(&row.amounts) {
            let (first, periods) = &places[slot.atom];
            to[*first] = *amount;
            let mut at = first + 1;
            for (axis, period) in periods.iter().enumerate() {
                let t = row.theta[slot.coordinate + axis];
                match period {
                    Some(period) => {
                        let (sin, cos) = (TAU * t / period).sin_cos();
                        (to[at], to[at + 1]) = (amount * cos, amount * sin);
                        at += 2;
                    }
                    None => {
                        to[at] = amount * t;
                        at += 1;
                    }
                }
            }
        }
    }
    let centre: Vec<f64> = (0..p).map(|o| rows.values.iter().skip(o).step_by(p).sum::<f64>() / n as f64).collect();
    let means: Vec<f64> = (0..count).map(|k| targets.iter().skip(k).step_by(count).sum::<f64>() / n as f64).collect();
    let mut moments = vec![0.0; p * p];
    let mut cross = vec![0.0; count * p];
    let mut squares = vec![0.0; count];
    for (x, y) in rows.values.chunks_exact(p).zip(targets.chunks_exact(count)) {
        let x: Vec<f64> = x.iter().zip(&centre).map(|(x, c)| x - c).collect();
        add_outer(&mut moments, &x, &x);
        for k in 0..count {
            let off = y[k] - means[k];
            add_scaled(off, &x, &mut cross[k * p..(k + 1) * p]);
            squares[k] += off * off;
        }
    }
    let Some((values, vectors)) = eigen::symmetric(p, &moments) else {
        return Err(Error::new("value-not-finite", "the rows' second moments are not finite"));
    };
    let mut out = Amortised { weights: vec![0.0; count * p], bias: means.clone() };
    for k in 0..count {
        // In the eigenvectors' coordinates: w_i = c_i/(s_i² + λ).
        let c: Vec<f64> = vectors.chunks_exact(p).map(|v| inner(v, &cross[k * p..(k + 1) * p])).collect();
        let least = 1e-12 * values[p - 1].max(f64::MIN_POSITIVE);
        let mut lambda = 1e-6 * values[p - 1].max(f64::MIN_POSITIVE);
        for _ in 0..ROUNDS {
            let (mut gamma, mut size, mut left) = (0.0, 0.0, squares[k]);
            for (s, c) in values.iter().zip(&c) {
                let (s, w) = (s.max(0.0), c / (s.max(0.0) + lambda));
                gamma += s / (s + lambda);
                size += w * w;
                left -= 2.0 * w * c - s * w * w;
            }
            if size <= 0.0 {
                break;
            }
            let next = (gamma * left.max(0.0) / ((n as f64 - gamma).max(1.0) * size)).max(least);
            let settled = (next - lambda).abs() <= 1e-8 * lambda;
            lambda = next;
            if settled || !lambda.is_finite() {
                break;
            }
        }
        let w = &mut out.weights[k * p..(k + 1) * p];
        for ((s, c), v) in values.iter().zip(&c).zip(vectors.chunks_exact(p)) {
            add_scaled(c / (s.max(0.0) + lambda), v, w);
        }
        out.bias[k] -= inner(w, &centre);
    }
    Ok(out)
}

impl Amortised {
    /// Codes of rows by one product.
    ///
    /// Errors: `shape-mismatch` for an encoder of another dictionary; those of [`Model::stored`].
    pub fn encode(&self, model: &Model, rows: &Rows) -> Result<Encoded, Error> {
        let p = model.columns;
        let places = outputs(model)?;
        if self.bias.len() * p != self.weights.len() || rows.values.len() != rows.count * p {
            return Err(Error::new("shape-mismatch", "the encoder, the rows and the dictionary do not fit together"));
        }
        let amplitudes = matches!(model.gate, Gate::Amplitude(_));
        let (mut sizes, mut atoms, mut gates, mut coordinates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut y = vec![0.0; self.bias.len()];
        for x in rows.values.chunks_exact(p) {
            y.iter_mut().zip(self.weights.chunks_exact(p)).for_each(|(y, w)| *y = inner(w, x));
            y.iter_mut().zip(&self.bias).for_each(|(y, b)| *y += b);
            let mut scored: Vec<(f64, usize)> =
                places.iter().enumerate().map(|(k, (first, periods))| (amount(&y[*first..], periods), k)).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            scored.truncate(model.active);
            scored.retain(|(amount, _)| *amount > 0.0);
            scored.sort_by_key(|(_, k)| *k);
            sizes.push(scored.len() as u32);
            for (amount, k) in scored {
                atoms.push(k as u32);
                if amplitudes {
                    gates.push(amount);
                }
                let (first, periods) = &places[k];
                let mut at = first + 1;
                for period in periods {
                    match period {
                        Some(period) => {
                            let turn = y[at + 1].atan2(y[at]) / TAU;
                            coordinates.push(period * (turn - turn.floor()).min(1.0 - f64::EPSILON));
                            at += 2;
                        }
                        None => {
                            coordinates.push(y[at] / amount);
                            at += 1;
                        }
                    }
                }
            }
        }
        model.stored(&sizes, &atoms, &gates, &coordinates)
    }
}

/// An atom's amount: the mean length of its phases' pairs where it has any, since it is no linear function of a row; else what
/// was regressed.
fn amount(y: &[f64], periods: &[Option<f64>]) -> f64 {
    let (mut at, mut sum, mut pairs) = (1, 0.0, 0.0);
    for period in periods {
        if period.is_some() {
            (sum, pairs) = (sum + y[at].hypot(y[at + 1]), pairs + 1.0);
        }
        at += if period.is_some() { 2 } else { 1 };
    }
    if pairs > 0.0 { sum / pairs } else { y[0] }
}

/// Compares exact and amortised codes of the same rows.
///
/// Errors: those of [`Model::score`].
pub fn gap(model: &Model, rows: &Rows, exact: &Encoded, amortised: &Encoded) -> Result<Gap, Error> {
    let explained = |codes: &Encoded| Ok::<_, Error>(model.score(rows, codes)?.reconstruction.explained_variance);
    let places = outputs(model)?;
    let (mut same, mut all) = (0.0, 0.0);
    let mut off = Vec::new();
    for n in 0..rows.count {
        let of = |codes: &Encoded, n: usize| -> Vec<(u32, usize)> {
            let mut at = 0;
            let support = codes.state.layout.support(n).iter();
            support
                .map(|&k| {
                    let first = at;
                    at += places[k as usize].1.len();
                    (k, first)
                })
                .collect()
        };
        let (one, two) = (of(exact, n), of(amortised, n));
        all += one.len() as f64;
        for (k, at) in one {
            let Some(&(_, other)) = two.iter().find(|(l, _)| *l == k) else { continue };
            same += 1.0;
            for (axis, period) in places[k as usize].1.iter().enumerate() {
                let d = (exact.state.coordinates(n)[at + axis] - amortised.state.coordinates(n)[other + axis]).abs();
                off.push(period.map_or(d, |period| d.min(period - d)));
            }
        }
    }
    off.sort_by(f64::total_cmp);
    let quantile = |q: f64| off[((off.len() - 1) as f64 * q).round() as usize];
    Ok(Gap {
        explained: [explained(exact)?, explained(amortised)?],
        agreement: if all > 0.0 { same / all } else { 1.0 },
        coordinates: (!off.is_empty()).then(|| [quantile(0.5), quantile(0.9), quantile(1.0)]),
    })
}

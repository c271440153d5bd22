//! What is fitted: data with weights, the shapes of the atoms, and how a row is gated.

use std::ops::Range;
use std::sync::Arc;

use headwater_base::Error;
use headwater_linalg::cholesky;

use crate::basis::{Basis, Topology, blocks};

/// The prior of an amplitude s >= 0, of strength α.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmplitudePrior {
    /// ½α(s − 1)². The scale of an atom is then no matter of choice, and neither is its shape: with an amplitude for every row,
    /// a curve around the origin could change its distance from there anywhere, and only the prior says that it should not.
    Normal,
    /// ½αs².
    HalfNormal,
    /// αs.
    Exponential,
}

/// How much of each atom is in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gate {
    /// a_k = s_k >= 0, an amplitude for each atom of the row's support and 0 for the others.
    Amplitude(AmplitudePrior),
    /// a_k = 1 for each atom of the row's support and 0 for the others: a circle is a ring of one size.
    Unit,
    /// a = softmax(l/τ) over all atoms, l_K = 0; with ½κ‖l‖², without which saturated rows have no proper prior.
    Softmax {
        /// τ > 0.
        temperature: f64,
        /// κ > 0; 0.05 to 0.3 are sensible.
        ridge: f64,
    },
}

/// What a row weight means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowWeights {
    /// Precision, 1/σ²: it multiplies the row's data term.
    #[default]
    Precision,
    /// How often the row stands for one of its kind: it multiplies its data term and the priors of its locals.
    Sampling,
}

/// Data and model, as the caller has them.
#[derive(Clone, Debug)]
pub struct Input {
    /// N.
    pub rows: usize,
    /// p.
    pub columns: usize,
    /// N × p, row-major; NaN is missing.
    pub values: Vec<f64>,
    /// N × p, the diagonals of the metrics M_n: finite, not negative, 0 is missing. `None` is 1 throughout.
    pub cell_weights: Option<Vec<f64>>,
    /// N, above 0. `None` is 1 throughout.
    pub row_weights: Option<Vec<f64>>,
    /// What they mean.
    pub weighting: RowWeights,
    /// One shape an atom.
    pub atoms: Vec<Topology>,
    /// How a row is gated.
    pub gate: Gate,
    /// Decoders are not negative (each element of every B_k).
    pub non_negative: bool,
}

/// An atom: its functions and where it stands.
#[derive(Clone, Debug)]
pub struct Atom {
    /// Its shape.
    pub topology: Topology,
    /// Its functions.
    pub basis: Arc<dyn Basis>,
    /// M.
    pub functions: usize,
    /// d.
    pub dimension: usize,
    /// Row of its first function among the functions of all atoms.
    pub channel: usize,
    /// Its first coordinate among the coordinates of all atoms.
    pub coordinate: usize,
    /// S (M × M).
    pub roughness: Vec<f64>,
}

impl Atom {
    /// Where its decoder, M × p, stands among those of all atoms.
    pub fn decoder(&self, columns: usize) -> Range<usize> {
        self.channel * columns..(self.channel + self.functions) * columns
    }

    /// Numbers of a jet.
    pub(crate) fn jet_len(&self) -> usize {
        blocks(self.dimension) * self.functions
    }

    /// λ₁S + λ₂I.
    pub(crate) fn penalty(&self, roughness: f64, ridge: f64) -> Vec<f64> {
        let m = self.functions;
        let mut out: Vec<f64> = self.roughness.iter().map(|s| roughness * s).collect();
        (0..m).for_each(|i| out[i * m + i] += ridge);
        out
    }

    /// The factor of λ₁S + λ₂I, if that is positive definite.
    pub(crate) fn penalty_factor(&self, roughness: f64, ridge: f64) -> Option<Vec<f64>> {
        let mut l = self.penalty(roughness, ridge);
        cholesky::factor(self.functions, &mut l).then_some(l)
    }
}

/// Checked data and model. Missing cells hold 0 and have weight 0.
#[derive(Clone, Debug)]
pub struct Problem {
    /// N.
    pub rows: usize,
    /// p.
    pub columns: usize,
    /// The atoms, in the order given.
    pub atoms: Vec<Atom>,
    /// Functions of all atoms together.
    pub channels: usize,
    /// Coordinates of all atoms together.
    pub coordinates: usize,
    /// How a row is gated.
    pub gate: Gate,
    /// Decoders are not negative.
    pub non_negative: bool,
    /// Cells with weight.
    pub observed: usize,
    values: Vec<f64>,
    cells: Option<Vec<f64>>,
    weights: Option<Vec<f64>>,
    weighting: RowWeights,
}

fn refuse<T>(code: &'static str, message: String) -> Result<T, Error> {
    Err(Error::new(code, message))
}

impl Problem {
    /// Checks the input.
    ///
    /// Errors: `empty-data`, `shape-mismatch`, `value-not-finite`, `weight-not-valid`, `no-data`; `option-out-of-range` for
    /// the model.
    pub fn new(input: Input) -> Result<Self, Error> {
        let Input { rows, columns, mut values, cell_weights, row_weights, weighting, gate, non_negative, .. } = input;
        if rows == 0 || columns == 0 {
            return refuse("empty-data", format!("the data are {rows} × {columns}"));
        }
        let size = rows * columns;
        if values.len() != size {
            return refuse(
                "shape-mismatch",
                format!("{rows} × {columns} data need {size} values, got {}", values.len()),
            );
        }
        if let Some(at) = values.iter().position(|z| z.is_infinite()) {
            let message = "a value is infinite; missing values are NaN".to_string();
            return refuse("value-not-finite", message).map_err(|error| error.at(at / columns, at % columns));
        }
        check_weights(cell_weights.as_deref(), size, columns, false)?;
        check_weights(row_weights.as_deref(), rows, 1, true)?;
        let missing = values.iter().any(|z| z.is_nan());
        let mut cells = cell_weights;
        if missing {
            let cells = cells.get_or_insert_with(|| vec![1.0; size]);
            for (z, cell) in values.iter().zip(cells) {
                *cell = if z.is_nan() { 0.0 } else { *cell };
            }
        }
        let mut observed = size;
        if let Some(cells) = &cells {
            observed = cells.iter().filter(|cell| **cell > 0.0).count();
            for (z, cell) in values.iter_mut().zip(cells) {
                *z = if *cell > 0.0 { *z } else { 0.0 };
            }
        }
        if observed == 0 {
            return refuse("no-data", "no cell has a weight above 0".into());
        }
        let (atoms, channels, coordinates) = lay_out(&input.atoms)?;
        if let Gate::Softmax { temperature, ridge } = gate {
            for (name, value) in [("temperature", temperature), ("ridge", ridge)] {
                if !(value > 0.0 && value.is_finite()) {
                    return refuse("option-out-of-range", format!("{name} is {value}; allowed are numbers above 0"));
                }
            }
        }
        Ok(Self {
            rows,
            columns,
            atoms,
            channels,
            coordinates,
            gate,
            non_negative,
            observed,
            values,
            cells,
            weights: row_weights,
            weighting,
        })
    }

    /// Refuses what cannot be fitted, though rows could be coded by it.
    ///
    /// Errors: `too-few-atoms`, `too-many-atoms` for more than there are rows.
    pub fn check_atoms(&self) -> Result<(), Error> {
        let (atoms, rows) = (self.atoms.len(), self.rows);
        if atoms == 0 {
            return refuse("too-few-atoms", "a dictionary needs at least one atom".into());
        }
        if atoms > rows {
            let message = format!("{atoms} atoms are more than the {rows} rows of the data");
            return Err(Error::new("too-many-atoms", message).with_limit(rows as f64));
        }
        Ok(())
    }

    /// Row n of the data, 0 where missing.
    pub fn row(&self, n: usize) -> &[f64] {
        &self.values[n * self.columns..(n + 1) * self.columns]
    }

    /// The weights of a row's cells, w_n M_n; 0 where missing.
    pub fn cell_weights(&self, n: usize, out: &mut [f64]) {
        let weight = self.weights.as_ref().map_or(1.0, |weights| weights[n]);
        match &self.cells {
            Some(cells) => {
                let cells = &cells[n * self.columns..(n + 1) * self.columns];
                out.iter_mut().zip(cells).for_each(|(out, cell)| *out = weight * cell);
            }
            None => out.fill(weight),
        }
    }

    /// Σ ω z² over all cells.
    pub(crate) fn square(&self) -> f64 {
        let mut weights = vec![0.0; self.columns];
        let of = |n| {
            self.cell_weights(n, &mut weights);
            self.row(n).iter().zip(&weights).map(|(z, w)| w * z * z).sum::<f64>()
        };
        (0..self.rows).map(of).sum()
    }

    /// Whether all cells of a row have the same weight.
    pub(crate) fn even(&self) -> bool {
        self.cells.is_none()
    }

    /// The weight of a row's priors.
    pub fn prior_weight(&self, n: usize) -> f64 {
        match (&self.weights, self.weighting) {
            (Some(weights), RowWeights::Sampling) => weights[n],
            _ => 1.0,
        }
    }
}

fn check_weights(weights: Option<&[f64]>, size: usize, columns: usize, positive: bool) -> Result<(), Error> {
    let Some(weights) = weights else { return Ok(()) };
    if weights.len() != size {
        return refuse("shape-mismatch", format!("{size} weights are needed, got {}", weights.len()));
    }
    let good = |w: f64| w.is_finite() && (w > 0.0 || w == 0.0 && !positive);
    match weights.iter().position(|&w| !good(w)) {
        None => Ok(()),
        Some(at) => {
            let allowed = if positive { "finite numbers above 0" } else { "finite numbers from 0 (0 is missing)" };
            let message = format!("a weight is {}; allowed are {allowed}", weights[at]);
            refuse("weight-not-valid", message).map_err(|error| error.at(at / columns, at % columns))
        }
    }
}

fn lay_out(topologies: &[Topology]) -> Result<(Vec<Atom>, usize, usize), Error> {
    let (mut channels, mut coordinates) = (0, 0);
    let mut atoms = Vec::with_capacity(topologies.len());
    for &topology in topologies {
        let basis = topology.basis()?;
        let (functions, dimension) = (basis.functions(), basis.dimension());
        let mut roughness = vec![0.0; functions * functions];
        basis.roughness(&mut roughness);
        atoms.push(Atom {
            topology,
            basis,
            functions,
            dimension,
            channel: channels,
            coordinate: coordinates,
            roughness,
        });
        channels += functions;
        coordinates += dimension;
    }
    Ok((atoms, channels, coordinates))
}

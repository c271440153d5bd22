//! A fitted dictionary by itself: what is needed to code further rows.

use headwater_base::Error;
use headwater_base::parallel::Crew;

use crate::basis::Topology;
use crate::coding::{CodingSettings, code};
use crate::objective::Objective;
use crate::problem::{Gate, Input, Problem, RowWeights};
use crate::state::State;
use crate::strengths::Strengths;

/// Atoms, decoders and hyperparameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// p.
    pub columns: usize,
    /// What is taken off every row first, p numbers.
    pub offset: Vec<f64>,
    /// Shapes.
    pub atoms: Vec<Topology>,
    /// Gate.
    pub gate: Gate,
    /// Decoders are not negative.
    pub non_negative: bool,
    /// Most atoms of a row.
    pub active: usize,
    /// Width of the beam that codes a row.
    pub beam: usize,
    /// Hyperparameters.
    pub strengths: Strengths,
    /// Decoders, all functions × p.
    pub decoders: Vec<f64>,
}

/// Rows to be coded.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// N.
    pub count: usize,
    /// N × p; NaN is missing.
    pub values: Vec<f64>,
    /// N × p; 0 is missing.
    pub cell_weights: Option<Vec<f64>>,
    /// N.
    pub row_weights: Option<Vec<f64>>,
    /// What they mean.
    pub weighting: RowWeights,
}

impl Rows {
    /// The problem of these rows, less an offset.
    pub(super) fn problem(
        &self,
        columns: usize,
        offset: &[f64],
        atoms: &[Topology],
        gate: Gate,
        non_negative: bool,
    ) -> Result<Problem, Error> {
        let mut values = self.values.clone();
        if offset.len() == columns {
            values.chunks_mut(columns).for_each(|row| row.iter_mut().zip(offset).for_each(|(x, o)| *x -= o));
        }
        Problem::new(Input {
            rows: self.count,
            columns,
            values,
            cell_weights: self.cell_weights.clone(),
            row_weights: self.row_weights.clone(),
            weighting: self.weighting,
            atoms: atoms.to_vec(),
            gate,
            non_negative,
        })
    }
}

/// Codes of rows.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The rows, less the model's offset.
    pub problem: Problem,
    /// Supports, gates and coordinates.
    pub state: State,
}

impl Model {
    /// How its rows are coded.
    pub fn coding(&self) -> CodingSettings {
        CodingSettings { active: self.active, beam: self.beam, restarts: true }
    }

    /// Codes of rows: the least energy of each with these decoders ([`code`]). A row's codes do not depend on the others.
    ///
    /// Errors: those of [`Problem::new`] and [`Strengths::check`]. `None` if the crew was stopped.
    pub fn encode(&self, rows: &Rows, crew: Crew) -> Result<Option<Encoded>, Error> {
        let problem = rows.problem(self.columns, &self.offset, &self.atoms, self.gate, self.non_negative)?;
        let objective = Objective::new(&problem, self.strengths.clone(), None)?;
        let Some(state) = code(&objective, &self.decoders, self.coding(), crew) else { return Ok(None) };
        Ok(Some(Encoded { state, problem }))
    }
}

//! A fitted dictionary by itself: what is needed to code further rows.

use headwater_base::Error;
use headwater_base::parallel::Crew;

use crate::basis::Topology;
use crate::coding::{CodingSettings, code};
use crate::layout::Layout;
use crate::objective::Objective;
use crate::problem::{Gate, Input, Problem, RowWeights};
use crate::row::Row;
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
    /// The rows that some atoms code, less what the others say there. What is missing stays so.
    pub(super) fn left_to(&self, problem: &Problem, state: &State, atoms: &[usize]) -> Rows {
        let p = problem.columns;
        let on = |&n: &usize| state.layout.support(n).iter().any(|k| atoms.contains(&(*k as usize)));
        let which: Vec<usize> = (0..problem.rows).filter(on).collect();
        let mut row = Row::new(problem);
        let mut values = Vec::with_capacity(which.len() * p);
        for &n in &which {
            row.load(state, n);
            let mut left = problem.row(n).to_vec();
            let others = row.slots.iter().filter(|slot| !atoms.contains(&slot.atom));
            others.for_each(|slot| row.add_said(slot, -1.0, &mut left));
            let given = &self.values[n * p..(n + 1) * p];
            values.extend(left.iter().zip(given).map(|(x, z)| if z.is_nan() { f64::NAN } else { *x }));
        }
        let cells = |weights: &Vec<f64>| which.iter().flat_map(|n| weights[n * p..(n + 1) * p].to_vec()).collect();
        Rows {
            count: which.len(),
            values,
            cell_weights: self.cell_weights.as_ref().map(cells),
            row_weights: self.row_weights.as_ref().map(|weights| which.iter().map(|&n| weights[n]).collect()),
            weighting: self.weighting,
        }
    }

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

impl Encoded {
    /// The amounts of the active atoms, row by row.
    pub fn amounts(&self) -> Vec<f64> {
        let mut row = Row::new(&self.problem);
        let of = |n| {
            row.load_gates(&self.state, n);
            row.amounts.clone()
        };
        (0..self.problem.rows).flat_map(of).collect()
    }
}

impl Model {
    /// Refuses a model that does not fit together.
    ///
    /// Errors: `shape-mismatch` for an offset or decoders of another length; `value-not-finite`; `option-out-of-range` for
    /// `active`, `beam` and the shapes.
    pub fn check(&self) -> Result<(), Error> {
        let mut functions = 0;
        for atom in &self.atoms {
            functions += atom.basis()?.functions();
        }
        for (name, found, length) in
            [("offset", self.offset.len(), self.columns), ("decoders", self.decoders.len(), functions * self.columns)]
        {
            if found != length {
                return Err(Error::new(
                    "shape-mismatch",
                    format!("{name} of the dictionary: {length} numbers are needed, got {found}"),
                ));
            }
        }
        if self.offset.iter().chain(&self.decoders).any(|x| !x.is_finite()) {
            return Err(Error::new(
                "value-not-finite",
                "a number of the dictionary's decoders or offset is not finite",
            ));
        }
        if self.active == 0 || self.beam == 0 {
            return Err(Error::new("option-out-of-range", "active and beam of the dictionary must be at least 1"));
        }
        Ok(())
    }

    /// How its rows are coded.
    pub fn coding(&self) -> CodingSettings {
        CodingSettings { active: self.active, beam: self.beam, thorough: true }
    }

    /// Codes that were stored: atoms of all rows one after another, how many each row has, gate parameters and coordinates.
    ///
    /// Errors: those of [`Layout::new`] and [`State::new`].
    pub fn stored(&self, sizes: &[u32], atoms: &[u32], gates: &[f64], coordinates: &[f64]) -> Result<Encoded, Error> {
        let all: usize = sizes.iter().map(|&size| size as usize).sum();
        if all != atoms.len() {
            let message = format!("{all} active atoms are announced, {} are given", atoms.len());
            return Err(Error::new("start-shape-mismatch", message));
        }
        let mut at = 0;
        let supports: Vec<Vec<usize>> = sizes
            .iter()
            .map(|&size| {
                let next = at + size as usize;
                let row = atoms[at..next].iter().map(|&k| k as usize).collect();
                at = next;
                row
            })
            .collect();
        let rows = Rows { count: sizes.len(), values: vec![0.0; sizes.len() * self.columns], ..Rows::default() };
        let problem = rows.problem(self.columns, &[], &self.atoms, self.gate, self.non_negative)?;
        let layout = Layout::new(&problem, &supports)?;
        let state = State::new(&problem, layout, gates, coordinates, &self.decoders)?;
        Ok(Encoded { problem, state })
    }

    /// Codes of rows: the least energy of each with these decoders ([`code`]). A row's codes do not depend on the others.
    ///
    /// Errors: those of [`Problem::new`] and [`Strengths::check`]. `None` if the crew was stopped.
    pub fn encode(&self, rows: &Rows, crew: Crew) -> Result<Option<Encoded>, Error> {
        let problem = rows.problem(self.columns, &self.offset, &self.atoms, self.gate, self.non_negative)?;
        let objective = Objective::new(&problem, self.strengths.clone(), None)?;
        let Some(coded) = code(&objective, &self.decoders, self.coding(), crew) else { return Ok(None) };
        Ok(Some(Encoded { state: coded.state, problem }))
    }
}

//! Where each unknown stands in θ.
//!
//! θ = (θ_1, …, θ_N, β). θ_n holds the row's gate parameters (amplitudes of its active atoms, none, or K − 1 logits), then the
//! coordinates of its active atoms, atoms in ascending order. β holds the decoders: atom by atom, function by function, one
//! number a column.

use std::ops::Range;

use headwater_base::Error;

use crate::problem::{Gate, Problem};

/// The active atoms of every row, and the places of what belongs to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    slots: Vec<usize>,
    atoms: Vec<u32>,
    locals: Vec<usize>,
    coordinates: Vec<usize>,
    /// Gate parameters of every row where that is not one for each active atom.
    gates: Option<usize>,
    beta: usize,
    columns: usize,
}

impl Layout {
    /// From the active atoms of each row, ascending. For softmax gates these are all atoms.
    ///
    /// Errors: `start-shape-mismatch` for another number of rows; `support-not-valid` for atoms that do not exist, are not
    /// ascending, or do not fit the gate.
    pub fn new(problem: &Problem, supports: &[Vec<usize>]) -> Result<Self, Error> {
        let all = problem.atoms.len();
        if supports.len() != problem.rows {
            let message = format!("{} supports are given for {} rows", supports.len(), problem.rows);
            return Err(Error::new("start-shape-mismatch", message));
        }
        let softmax = matches!(problem.gate, Gate::Softmax { .. });
        let gates = match problem.gate {
            Gate::Amplitude(_) => None,
            Gate::Unit => Some(0),
            Gate::Softmax { .. } => Some(all - 1),
        };
        let mut out = Self {
            slots: vec![0],
            atoms: Vec::new(),
            locals: vec![0],
            coordinates: vec![0],
            gates,
            beta: 0,
            columns: problem.columns,
        };
        for (n, support) in supports.iter().enumerate() {
            let ascending = support.windows(2).all(|pair| pair[0] < pair[1]);
            let known = support.last().is_none_or(|&last| last < all);
            if !ascending || !known || softmax && support.len() != all {
                let message =
                    format!("the active atoms of a row are ascending numbers below {all}, all of them for softmax");
                return Err(Error::new("support-not-valid", message).at(n, 0));
            }
            let coordinates: usize = support.iter().map(|&k| problem.atoms[k].dimension).sum();
            let gates = gates.unwrap_or(support.len());
            out.atoms.extend(support.iter().map(|&k| k as u32));
            out.slots.push(out.atoms.len());
            out.locals.push(out.locals[n] + gates + coordinates);
            out.coordinates.push(out.coordinates[n] + coordinates);
        }
        out.beta = out.locals[problem.rows];
        Ok(out)
    }

    /// The layout in which all atoms are active in every row.
    pub fn dense(problem: &Problem) -> Self {
        let all: Vec<usize> = (0..problem.atoms.len()).collect();
        Self::new(problem, &vec![all; problem.rows]).expect("all atoms fit any gate")
    }

    /// N.
    pub fn rows(&self) -> usize {
        self.slots.len() - 1
    }

    /// The active atoms of a row.
    pub fn support(&self, n: usize) -> &[u32] {
        &self.atoms[self.slots[n]..self.slots[n + 1]]
    }

    /// Places of θ_n in θ.
    pub fn locals(&self, n: usize) -> Range<usize> {
        self.locals[n]..self.locals[n + 1]
    }

    /// Number of gate parameters of a row: the first of θ_n.
    pub fn gates(&self, n: usize) -> usize {
        self.gates.unwrap_or(self.slots[n + 1] - self.slots[n])
    }

    /// Place of β in θ: the number of locals.
    pub fn beta(&self) -> usize {
        self.beta
    }

    /// Place in θ of the decoder row of a function, counted over all atoms.
    pub fn decoder(&self, channel: usize) -> usize {
        self.beta + channel * self.columns
    }

    /// Active slots of all rows: codes that are stored.
    pub fn slots(&self) -> usize {
        self.atoms.len()
    }

    /// Number of gate parameters before row n, and of coordinates: places in arrays of either kind alone.
    pub fn before(&self, n: usize) -> (usize, usize) {
        (self.locals[n] - self.coordinates[n], self.coordinates[n])
    }
}

//! How well a dictionary says rows again, and what it takes.

use headwater_base::Error;
use headwater_base::parallel::Crew;

use crate::co_activation::co_activations;
use crate::coding::fitted;
use crate::fit::length;
use crate::fit::model::{Encoded, Model, Rows};
use crate::incoherence::Overlap;
use crate::metrics::{
    Reconstruction, ReconstructionMetrics, Usage, UsageMetrics, co_active_overlap, decoder_parameters,
};
use crate::objective::Objective;
use crate::problem::Gate;

/// Figures of a dictionary on some rows.
#[derive(Clone, Debug)]
pub struct Score {
    /// Data and reconstruction.
    pub reconstruction: ReconstructionMetrics,
    /// Codes.
    pub usage: UsageMetrics,
    /// Overlap of decoders that are active together.
    pub overlap: Overlap,
    /// Numbers in all decoders.
    pub parameters: usize,
    /// Rows whose weighted energy is lower with no atom at all, that is, without a code.
    pub empty: usize,
    /// Nats to write the rows down: ½n ln φ̂ + codes + decoders, see the lengths of a fit. Dictionaries can be compared by it on
    /// the same rows.
    pub length: f64,
}

impl Model {
    /// Figures of codes on the rows that they belong to.
    ///
    /// Errors: those of the metrics, for rows and codes that do not fit one another.
    pub fn score(&self, rows: &Rows, codes: &Encoded) -> Result<Score, Error> {
        let problem = &codes.problem;
        let p = self.columns;
        let mut said = fitted(problem, &codes.state);
        said.chunks_exact_mut(p).for_each(|row| row.iter_mut().zip(&self.offset).for_each(|(x, o)| *x += o));
        let mut weights = Vec::new();
        let even = problem.even() && rows.row_weights.is_none();
        if !even {
            weights.resize(rows.count * p, 0.0);
            weights.chunks_exact_mut(p).enumerate().for_each(|(n, out)| problem.cell_weights(n, out));
        }
        let values: Vec<f64> = match even {
            true => rows.values.clone(),
            // What is missing has weight 0 and must be a number.
            false => rows.values.iter().zip(&weights).map(|(x, w)| if *w > 0.0 { *x } else { 0.0 }).collect(),
        };
        let mut reconstruction = Reconstruction::new(p);
        reconstruction.add(&values, &said, (!even).then_some(weights.as_slice()))?;
        let dimensions: Vec<usize> = problem.atoms.iter().map(|atom| atom.dimension).collect();
        let mut usage = Usage::new(&dimensions, !matches!(self.gate, Gate::Unit));
        let mut row = crate::row::Row::new(problem);
        let mut empty = 0;
        for n in 0..problem.rows {
            row.load_gates(&codes.state, n);
            let support = codes.state.layout.support(n);
            empty += usize::from(support.is_empty());
            usage.add(support, &row.amounts)?;
        }
        let functions: Vec<usize> = problem.atoms.iter().map(|atom| atom.functions).collect();
        let overlap = match functions.is_empty() {
            true => Overlap::default(),
            false => co_active_overlap(&functions, p, &self.decoders, co_activations(problem, &codes.state))?,
        };
        let objective = Objective::new(problem, self.strengths.clone(), None)?;
        Ok(Score {
            length: length::length(&objective, &codes.state),
            reconstruction: reconstruction.metrics(),
            usage: usage.metrics(),
            overlap,
            parameters: decoder_parameters(&functions, p),
            empty,
        })
    }

    /// What codes say: Σ a m(t) and the offset, N × p.
    pub fn decode(&self, codes: &Encoded) -> Vec<f64> {
        let mut said = fitted(&codes.problem, &codes.state);
        let rows = said.chunks_exact_mut(self.columns.max(1));
        rows.for_each(|row| row.iter_mut().zip(&self.offset).for_each(|(x, o)| *x += o));
        said
    }

    /// Codes of rows, and how well they say them.
    ///
    /// Errors: as [`Model::encode`]. `None` if the crew was stopped.
    pub fn judge(&self, rows: &Rows, crew: Crew) -> Result<Option<(Encoded, Score)>, Error> {
        let Some(codes) = self.encode(rows, crew)? else { return Ok(None) };
        let score = self.score(rows, &codes)?;
        Ok(Some((codes, score)))
    }
}

//! The function that is minimised for fixed hyperparameters.
//!
//! L(θ) = Σ ω(f − z)²/2φ + priors of gates and coordinates + ½Σ_k⟨B_k, (λ₁S + λ₂I)B_k⟩ + incoherence.
//!
//! The pair weights of the incoherence, and of the repulsion that is joined to it, are fixed numbers here; whoever runs
//! several minimisations may take them anew in between ([`Objective::coupling`]).

use headwater_base::Error;
use headwater_base::parallel::{Crew, pairwise_sum};

use crate::co_activation::co_activations;
use crate::incoherence::DecoderIncoherence;
use crate::priors;
use crate::problem::{Gate, Problem};
use crate::row::Row;
use crate::state::State;
use crate::strengths::Strengths;

/// A problem with hyperparameters.
#[derive(Clone, Debug)]
pub struct Objective<'a> {
    /// Data and model.
    pub problem: &'a Problem,
    /// Hyperparameters.
    pub strengths: Strengths,
    /// Incoherence and repulsion with fixed pair weights.
    pub coupling: DecoderIncoherence,
    penalties: Vec<Vec<f64>>,
}

/// Rows are taken by chunks whose size depends on their number alone, so that sums do not depend on threads.
pub(crate) fn chunk(rows: usize) -> usize {
    rows.div_ceil(64).max(32)
}

impl<'a> Objective<'a> {
    /// Without incoherence, or with the one given.
    ///
    /// Errors: those of [`Strengths::check`]; `shape-mismatch` for an incoherence of other decoders; `prior-not-proper` for
    /// one between atoms whose scale no prior holds.
    pub fn new(
        problem: &'a Problem,
        strengths: Strengths,
        coupling: Option<DecoderIncoherence>,
    ) -> Result<Self, Error> {
        strengths.check(problem)?;
        let functions: Vec<usize> = problem.atoms.iter().map(|atom| atom.functions).collect();
        let none = DecoderIncoherence::from_pairs(&functions, problem.columns, Vec::new(), 0.0)?;
        let coupling = coupling.unwrap_or(none);
        if coupling.len() != problem.channels * problem.columns {
            return Err(Error::new("shape-mismatch", "the incoherence is one of other decoders"));
        }
        if matches!(problem.gate, Gate::Amplitude(_)) && !coupling.is_empty() {
            let free = |&atom: &usize| strengths.amplitude[atom] == 0.0;
            if let Some(k) = coupling.pairs().iter().flat_map(|pair| [pair.first, pair.second]).find(free) {
                let message =
                    format!("atom {k} has an incoherence penalty, which it would escape by shrinking: give it priors");
                return Err(Error::new("prior-not-proper", message).at(k, 0));
            }
        }
        Ok(Self::build(problem, strengths, coupling))
    }

    fn build(problem: &'a Problem, strengths: Strengths, coupling: DecoderIncoherence) -> Self {
        let penalty = |k: usize| problem.atoms[k].penalty(strengths.roughness[k], strengths.ridge[k]);
        let penalties = (0..problem.atoms.len()).map(penalty).collect();
        Self { problem, strengths, coupling, penalties }
    }

    /// The same with other hyperparameters, which must be positive where these are.
    #[must_use]
    pub fn with_strengths(&self, strengths: Strengths) -> Self {
        Self::build(self.problem, strengths, self.coupling.clone())
    }

    /// Pair weights taken from a state: incoherence of strength `incoherence` on its co-activations, and repulsion of
    /// strength `repulsion` between decoders that are nearly equal.
    ///
    /// Error: `weight-not-valid` for strengths that are negative or not finite.
    pub fn coupling(
        problem: &Problem,
        state: &State,
        incoherence: f64,
        repulsion: f64,
    ) -> Result<DecoderIncoherence, Error> {
        let functions: Vec<usize> = problem.atoms.iter().map(|atom| atom.functions).collect();
        let pairs = co_activations(problem, state);
        let active = DecoderIncoherence::from_pairs(&functions, problem.columns, pairs, 1.0)?;
        let close = active.repulsion(state.decoders(), repulsion);
        let mut pairs = active.pairs().to_vec();
        pairs.iter_mut().for_each(|pair| pair.weight *= incoherence);
        for extra in close {
            let at = pairs.binary_search_by_key(&(extra.first, extra.second), |pair| (pair.first, pair.second));
            pairs[at.expect("a pair of the list")].weight += extra.weight;
        }
        DecoderIncoherence::from_pairs(&functions, problem.columns, pairs, 1.0)
    }

    /// λ₁S + λ₂I of an atom.
    pub(crate) fn penalty(&self, atom: usize) -> &[f64] {
        &self.penalties[atom]
    }

    /// out += scale × the Hessian of the smoothness penalty times v, both over the decoders.
    pub(crate) fn add_smoothness(&self, scale: f64, v: &[f64], out: &mut [f64]) {
        let p = self.problem.columns;
        for (atom, penalty) in self.problem.atoms.iter().zip(&self.penalties) {
            let (m, first) = (atom.functions, atom.channel);
            for i in 0..m {
                for j in 0..m {
                    let factor = scale * penalty[i * m + j];
                    if factor != 0.0 {
                        let (to, from) = ((first + i) * p, (first + j) * p);
                        headwater_linalg::dense::add_scaled(factor, &v[from..from + p], &mut out[to..to + p]);
                    }
                }
            }
        }
    }

    /// The penalties on decoders: smoothness and incoherence.
    pub(crate) fn decoder_value(&self, decoders: &[f64]) -> f64 {
        let mut image = vec![0.0; decoders.len()];
        self.add_smoothness(1.0, decoders, &mut image);
        0.5 * headwater_linalg::dense::inner(decoders, &image) + self.coupling.value(decoders)
    }

    /// L; `None` if the crew was stopped.
    pub fn value(&self, state: &State, crew: Crew) -> Option<f64> {
        let rows = self.problem.rows;
        let size = chunk(rows);
        let parts = crew.map(rows.div_ceil(size), |index| {
            let mut row = Row::new(self.problem);
            let values = (index * size..rows.min((index + 1) * size)).map(|n| {
                row.load(state, n);
                let data = row.residual(n, self.strengths.noise);
                [data, priors::add(self.problem, &self.strengths, &row, self.problem.prior_weight(n), None)]
            });
            values.fold([0.0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]])
        })?;
        Some(self.total(&parts, state).0)
    }

    /// L and its data term, from the sums of the chunks.
    pub(crate) fn total(&self, parts: &[[f64; 2]], state: &State) -> (f64, f64) {
        let column = |c: usize| pairwise_sum(&parts.iter().map(|part| part[c]).collect::<Vec<_>>());
        let data = column(0);
        (data + column(1) + self.decoder_value(state.decoders()), data)
    }
}

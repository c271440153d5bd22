//! Decoders to begin with, taken through turns of coding and least squares: the shortest to write down goes on.

use crate::fit::alternate::{alternate, further};
use crate::fit::{FIRST_TURNS, Run, STANDS_OUT, Seed, TURNS, length};
use crate::objective::Objective;
use crate::problem::{Gate, Problem};
use crate::seed;
use crate::state::State;

impl Run<'_> {
    /// The best of the seeds after its turns, and which it is: the cumulants' if nothing stands out of what they leave; else
    /// all draws get a few turns, and the shortest goes on, with moves of two atoms where it is stuck ([`super::moves`]).
    pub(super) fn begin(&self, problem: &Problem) -> Option<(State, Seed)> {
        let objective = Objective::new(problem, self.weak(problem), None).expect("proper priors");
        let crew = self.quiet();
        if let Some(decoders) = &self.settings.start {
            return Some((alternate(&objective, decoders, self.turns(), TURNS, crew)?, Seed::Given));
        }
        let mut best: Option<(f64, State, Seed)> = None;
        let mut enter = |state: State, seed: Seed| {
            let found = self.judged(&objective, &state)?;
            if best.as_ref().is_none_or(|(value, ..)| found < *value) {
                best = Some((found, state, seed));
            }
            Some(())
        };
        if let Some(decoders) = self.cumulants(problem) {
            let turned = alternate(&objective, &decoders, self.turns(), TURNS, crew)?;
            self.report(0, None);
            if !self.stands_out(problem, &turned) {
                return Some((turned, Seed::Cumulants));
            }
            enter(turned, Seed::Cumulants)?;
        }
        for trial in 0..self.settings.restarts.max(1) as u32 {
            let decoders = seed::greedy(problem, self.settings.seed, trial, crew)?;
            let turned = alternate(&objective, &decoders, self.turns(), FIRST_TURNS, crew)?;
            enter(turned, Seed::Greedy(trial))?;
            self.report(1 + trial as usize, None);
        }
        let (_, state, seed) = best.expect("at least one draw");
        let state = further(&objective, state, self.turns(), TURNS, crew)?;
        Some((self.moves(problem, state)?, seed))
    }

    /// What is to be small: the length, where atoms can go; L where all asked for stay.
    pub(super) fn judged(&self, objective: &Objective, state: &State) -> Option<f64> {
        if self.prunes() { Some(length::length(objective, state)) } else { objective.value(state, self.quiet()) }
    }

    /// Planes for the circles, where that applies and there are any.
    fn cumulants(&self, problem: &Problem) -> Option<Vec<f64>> {
        let circles = problem.atoms.iter().all(|atom| atom.basis.harmonics().is_some());
        if !circles || !problem.even() || problem.non_negative || matches!(self.settings.gate, Gate::Softmax { .. }) {
            return None;
        }
        let p = self.columns;
        let rows: Vec<f64> = (0..problem.rows).flat_map(|n| problem.row(n).iter().copied()).collect();
        let most = problem.atoms.len();
        let found = seed::planes(&rows, p, most, self.settings.active, self.settings.seed, self.crew.threads);
        if found.axes.is_empty() {
            return None;
        }
        let mut decoders = vec![0.0; problem.channels * p];
        for (atom, axes) in problem.atoms.iter().zip(&found.axes) {
            let at = atom.channel * p;
            // (sin, cos) of the first harmonic.
            decoders[at + p..at + 2 * p].copy_from_slice(&axes[p..]);
            decoders[at + 2 * p..at + 3 * p].copy_from_slice(&axes[..p]);
        }
        Some(decoders)
    }

    /// Whether a direction of the residuals has far more variance than most have.
    pub(super) fn stands_out(&self, problem: &Problem, state: &State) -> bool {
        let p = self.columns;
        let fitted = crate::coding::fitted(problem, state);
        let (mut moments, mut weights) = (vec![0.0; p * p], vec![0.0; p]);
        for n in 0..problem.rows {
            problem.cell_weights(n, &mut weights);
            let cells = problem.row(n).iter().zip(&fitted[n * p..]).zip(&weights);
            let left: Vec<f64> = cells.map(|((z, f), w)| if *w > 0.0 { z - f } else { 0.0 }).collect();
            headwater_linalg::dense::add_outer(&mut moments, &left, &left);
        }
        let Some((values, _)) = headwater_linalg::eigen::symmetric(p, &moments) else { return true };
        values[p - 1] > STANDS_OUT * values[p / 2].max(0.0)
    }
}

//! Atoms that are not worth their length are taken out, one at a time.

use crate::basis::Topology;
use crate::coding::{RowCode, code_of, state_of};
use crate::fit::alternate::alternate;
use crate::fit::{Run, length};
use crate::objective::Objective;
use crate::problem::{Gate, Problem};
use crate::state::State;
use crate::strengths::Strengths;

impl Run<'_> {
    /// Takes atoms out while that shortens the length.
    pub(super) fn prune(
        &self,
        problem: Problem,
        state: State,
        kept: Vec<usize>,
    ) -> Option<(Problem, State, Strengths, Vec<usize>)> {
        let (mut problem, mut state, mut kept) = (problem, state, kept);
        let crew = self.quiet();
        loop {
            state = rescaled(&problem, state);
            let strengths = self.strengths(&problem, &state);
            if !self.prunes() || kept.is_empty() {
                return Some((problem, state, strengths, kept));
            }
            let objective = Objective::new(&problem, strengths.clone(), None).expect("proper");
            let (uses, _) = length::uses(&objective, &state);
            let now = length::length(&objective, &state);
            if length::of_nothing(&objective) <= now {
                let (none, state) = self.nothing();
                let strengths = self.strengths(&none, &state);
                return Some((none, state, strengths, Vec::new()));
            }
            // An atom that is never on goes at once; else the one whose loss shortens most.
            let idle = uses.iter().position(|atom| atom.rows == 0);
            let mut out: Option<(f64, usize, State)> = idle.map(|k| (now, k, state.clone()));
            if out.is_none() {
                for k in 0..kept.len() {
                    let (length, next) = length::without(&objective, &state, k, self.turns(), crew)?;
                    if length < out.as_ref().map_or(now, |best| best.0) {
                        out = Some((length, k, next));
                    }
                }
            }
            let Some((_, gone, next)) = out else { return Some((problem, state, strengths, kept)) };
            kept.remove(gone);
            let topologies: Vec<Topology> = kept.iter().map(|&k| self.settings.atoms[k]).collect();
            let (smaller, moved) = without_atom(self, &problem, &next, gone, &topologies);
            let turns = if idle.is_some() || kept.is_empty() { 0 } else { 2 };
            let weak = Objective::new(&smaller, self.weak(&smaller), None).expect("proper");
            let turned = if turns > 0 { alternate(&weak, moved.decoders(), self.turns(), turns, crew)? } else { moved };
            (problem, state) = (smaller, turned);
        }
    }

    /// The problem without atoms.
    fn nothing(&self) -> (Problem, State) {
        let (gate, bounded) = (self.settings.gate, self.settings.non_negative);
        let problem = self.rows.problem(self.columns, &self.offset, &[], gate, bounded).expect("checked before");
        let state = state_of(&problem, (0..problem.rows).map(|_| RowCode::default()), &[]);
        (problem, state)
    }
}

/// Amplitudes of mean 1 in every atom, the decoders the other way.
fn rescaled(problem: &Problem, mut state: State) -> State {
    let atoms = problem.atoms.len();
    if !matches!(problem.gate, Gate::Amplitude(_)) {
        return state;
    }
    let mut sums = vec![[0.0; 2]; atoms];
    for n in 0..problem.rows {
        for (&k, s) in state.layout.support(n).iter().zip(state.gates(n)) {
            let sum = &mut sums[k as usize];
            *sum = [sum[0] + s, sum[1] + 1.0];
        }
    }
    let scale: Vec<f64> = sums.iter().map(|[sum, count]| if *sum > 0.0 { sum / count } else { 1.0 }).collect();
    for n in 0..problem.rows {
        let first = state.layout.locals(n).start;
        for at in 0..state.layout.support(n).len() {
            state.theta[first + at] /= scale[state.layout.support(n)[at] as usize];
        }
    }
    let (beta, p) = (state.layout.beta(), problem.columns);
    for (atom, scale) in problem.atoms.iter().zip(&scale) {
        state.theta[beta..][atom.decoder(p)].iter_mut().for_each(|x| *x *= scale);
    }
    state
}

/// The problem and state without an atom that is on nowhere.
fn without_atom(run: &Run, problem: &Problem, from: &State, gone: usize, left: &[Topology]) -> (Problem, State) {
    let smaller = run
        .rows
        .problem(run.columns, &run.offset, left, run.settings.gate, run.settings.non_negative)
        .expect("checked before");
    let rows = (0..problem.rows).map(|n| {
        let code = code_of(from, n);
        code.filtered(problem, |slot| code.support[slot] != gone, |k| k - usize::from(k > gone))
    });
    let mut decoders = from.decoders().to_vec();
    decoders.drain(problem.atoms[gone].decoder(problem.columns));
    let state = state_of(&smaller, rows, &decoders);
    (smaller, state)
}

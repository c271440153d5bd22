//! Pair moves: two atoms that share their rows badly begin again in what the others leave.
//!
//! Where something still stands out of the residuals, a pair may have settled in a minimum of its own: one atom across the
//! rows of two, the other in what is left of them. The rows that either codes, less what the other atoms say there, are a
//! problem of two atoms; it is begun anew ([`Run::begin`]), and if L falls there, the new pair takes the place of the old one
//! and all atoms take turns again. The move stands if the dictionary has become shorter.

use headwater_linalg::dense::add_scaled;

use crate::fit::alternate::further;
use crate::fit::model::Rows;
use crate::fit::{FIRST_TURNS, FitSettings, NARROW, Run, length};
use crate::coding::{code_of, state_of};
use crate::objective::Objective;
use crate::problem::{Gate, Problem};
use crate::row::Row;
use crate::state::State;

/// Relative fall of a pair's L that is worth a try with all atoms.
const FALLS: f64 = 1e-3;
/// Pairs that are tried one after the other without success, for every atom.
const PATIENCE: usize = 2;

impl Run<'_> {
    /// Pair moves until none helps; `None` if the crew was stopped.
    pub(super) fn pair_moves(&self, problem: &Problem, mut state: State) -> Option<State> {
        let atoms = problem.atoms.len();
        if atoms < 3 || matches!(self.settings.gate, Gate::Softmax { .. }) {
            return Some(state);
        }
        let crew = self.quiet();
        let objective = Objective::new(problem, self.weak(problem), None).expect("proper priors");
        let mut now = length::length(&objective, &state);
        let mut tried = vec![false; atoms * atoms];
        let mut left = PATIENCE * atoms;
        while left > 0 && self.stands_out(problem, &state) {
            let Some((j, k)) = worst_pair(&objective, &state, &tried) else { break };
            tried[j * atoms + k] = true;
            left -= 1;
            let Some(decoders) = self.pair(&objective, &state, j, k)? else { continue };
            let rows = (0..problem.rows).map(|n| code_of(&state, n));
            let moved = further(&objective, state_of(problem, rows, &decoders), self.coding(NARROW), FIRST_TURNS, crew)?;
            let found = length::length(&objective, &moved);
            if found < now {
                (state, now, left) = (moved, found, PATIENCE * atoms);
                tried.fill(false);
            }
        }
        Some(state)
    }

    /// All decoders with those of two atoms begun anew; `None` inside where that is no better for their rows.
    fn pair(&self, objective: &Objective, state: &State, j: usize, k: usize) -> Option<Option<Vec<f64>>> {
        let problem = objective.problem;
        let p = self.columns;
        let rows = rows_of(self.rows, problem, state, &[j, k]);
        if rows.count < 2 {
            return Some(None);
        }
        let settings = FitSettings {
            atoms: [j, k].map(|at| self.settings.atoms[at]).to_vec(),
            active: self.settings.active.min(2),
            ..self.settings.clone()
        };
        let crew = self.quiet();
        let run = Run { rows: &rows, columns: p, offset: Vec::new(), settings: &settings, crew };
        let small = rows.problem(p, &[], &settings.atoms, settings.gate, settings.non_negative).expect("as before");
        let strengths = self.weak(problem);
        // What a row costs must not depend on whose rows they are.
        let own = crate::strengths::Strengths { noise: strengths.noise, ..run.weak(&small) };
        let small_objective = Objective::new(&small, own, None).expect("proper priors");
        let range = |at: usize| problem.atoms[at].channel * p..(problem.atoms[at].channel + problem.atoms[at].functions) * p;
        let before: Vec<f64> = [j, k].iter().flat_map(|&at| state.decoders()[range(at)].to_vec()).collect();
        let coding = run.coding(NARROW);
        let before = crate::coding::code(&small_objective, &before, coding, crew)?;
        let (fresh, _) = run.begin(&small)?;
        let fresh = further(&small_objective, fresh, coding, FIRST_TURNS, crew)?;
        let (one, two) = (small_objective.value(&before, crew)?, small_objective.value(&fresh, crew)?);
        if two >= one - FALLS * one.abs() {
            return Some(None);
        }
        let mut decoders = state.decoders().to_vec();
        let mut at = 0;
        for atom in [j, k] {
            let to = range(atom);
            let next = at + to.len();
            decoders[to].copy_from_slice(&fresh.decoders()[at..next]);
            at = next;
        }
        Some(Some(decoders))
    }
}

/// The rows that some atoms code, less what the others say there.
pub(super) fn rows_of(rows: &Rows, problem: &Problem, state: &State, atoms: &[usize]) -> Rows {
    let p = problem.columns;
    let which: Vec<usize> = (0..problem.rows)
        .filter(|&n| state.layout.support(n).iter().any(|k| atoms.contains(&(*k as usize))))
        .collect();
    let mut row = Row::new(problem);
    let mut values = Vec::with_capacity(which.len() * p);
    for &n in &which {
        row.load(state, n);
        let mut left = problem.row(n).to_vec();
        for slot in row.slots.iter().filter(|slot| !atoms.contains(&slot.atom)) {
            for m in slot.channel..slot.channel + slot.functions {
                add_scaled(-row.loads[m], &row.decoders[m * p..(m + 1) * p], &mut left);
            }
        }
        // What is missing stays so.
        let given = &rows.values[n * p..(n + 1) * p];
        values.extend(left.iter().zip(given).map(|(x, z)| if z.is_nan() { f64::NAN } else { *x }));
    }
    let of = |n: &usize| rows.cell_weights.as_ref().map_or(&[][..], |weights| &weights[n * p..(n + 1) * p]).to_vec();
    Rows {
        count: which.len(),
        values,
        cell_weights: rows.cell_weights.as_ref().map(|_| which.iter().flat_map(of).collect()),
        row_weights: rows.row_weights.as_ref().map(|weights| which.iter().map(|&n| weights[n]).collect()),
        weighting: rows.weighting,
    }
}

/// The pair whose rows leave most over, of those that were not tried.
fn worst_pair(objective: &Objective, state: &State, tried: &[bool]) -> Option<(usize, usize)> {
    let problem = objective.problem;
    let atoms = problem.atoms.len();
    let mut left = vec![0.0; atoms];
    let mut row = Row::new(problem);
    for n in 0..problem.rows {
        row.load(state, n);
        let error = row.residual(n, 1.0);
        row.slots.iter().for_each(|slot| left[slot.atom] += error);
    }
    let pairs = (0..atoms).flat_map(|j| (j + 1..atoms).map(move |k| (j, k)));
    pairs
        .filter(|(j, k)| !tried[j * atoms + k])
        .max_by(|a, b| (left[a.0] + left[a.1]).total_cmp(&(left[b.0] + left[b.1])))
}

//! Moves of two atoms, where a dictionary is stuck.
//!
//! Turns of coding and least squares end in a minimum of their own: one atom lies across the rows of two while two others
//! share those of one, or a line has got the rows of a circle and the circle those of the line. While something stands out of
//! the residuals, the atoms whose rows leave most over are therefore tried in three moves:
//!
//! * **pair**: the rows that either of two atoms codes, less what the others say there, are drawn anew as a problem of two;
//! * **split**: the rows of one atom are drawn anew as a problem of two, for which the atom that is worth least gives up its
//!   own rows to the others;
//! * **swap**: each of two atoms of different shapes is drawn anew on the rows of the other.
//!
//! All atoms then take turns again. A move stands if the dictionary has become shorter (or, where no atom may go, L
//! lower) by more than [`SHORTER`].

use crate::basis::Topology;
use crate::coding::CodingSettings;
use crate::fit::alternate::{alternate, further};
use crate::fit::model::Rows;
use crate::fit::{FIRST_TURNS, Run, TURNS, length};
use crate::objective::Objective;
use crate::problem::{Gate, Problem};
use crate::row::Row;
use crate::seed;
use crate::state::State;

/// Atoms that leave most over are moved; so many, each with so many others.
const WORST: usize = 3;
const OTHERS: usize = 2;
/// Moves that stand, for every atom.
const MOVES: usize = 2;
/// Nats: what a few more turns may save is less.
const SHORTER: f64 = 20.0;

impl Run<'_> {
    /// Moves until none helps; `None` if the crew was stopped.
    pub(super) fn moves(&self, problem: &Problem, mut state: State) -> Option<State> {
        let atoms = problem.atoms.len();
        if atoms < 2 || matches!(self.settings.gate, Gate::Softmax { .. }) {
            return Some(state);
        }
        let crew = self.quiet();
        let objective = Objective::new(problem, self.weak(problem), None).expect("proper priors");
        let mut now = self.judged(&objective, &state)?;
        'moves: for _ in 0..MOVES * atoms {
            if !self.stands_out(problem, &state) {
                break;
            }
            let (worst, cheap) = self.candidates(&objective, &state)?;
            for &j in worst.iter().take(WORST) {
                let donors = cheap.iter().filter(|&&k| k != j).take(OTHERS).map(|&k| Move::Split(j, k));
                let partners = worst.iter().filter(|&&k| k != j).take(OTHERS).map(|&k| Move::Pair(j, k));
                let other = |k: &&usize| problem.atoms[**k].topology != problem.atoms[j].topology;
                let swaps = worst.iter().filter(other).map(|&k| Move::Swap(j, k));
                for next in donors.chain(partners).chain(swaps) {
                    let decoders = self.moved(problem, &state, next)?;
                    let quick = alternate(&objective, &decoders, self.turns(), FIRST_TURNS, crew)?;
                    let found = self.judged(&objective, &quick)?;
                    if found < now - SHORTER {
                        state = further(&objective, quick, self.turns(), TURNS, crew)?;
                        now = self.judged(&objective, &state)?;
                        continue 'moves;
                    }
                }
            }
            break;
        }
        Some(state)
    }

    /// Atoms by what their rows leave over, most first; and by what their own rows would cost without them, least first.
    fn candidates(&self, objective: &Objective, state: &State) -> Option<(Vec<usize>, Vec<usize>)> {
        let problem = objective.problem;
        let atoms = problem.atoms.len();
        let mut left = vec![[0.0; 2]; atoms];
        let mut row = Row::new(problem);
        for n in 0..problem.rows {
            row.load(state, n);
            let error = row.residual(n, 1.0);
            row.slots.iter().for_each(|slot| left[slot.atom] = [left[slot.atom][0] + error, left[slot.atom][1] + 1.0]);
        }
        // What a row leaves on the average is noise.
        let mean = left.iter().map(|x| x[0]).sum::<f64>() / left.iter().map(|x| x[1]).sum::<f64>().max(1.0);
        let over = |k: usize| left[k][0] - mean * left[k][1];
        let worths: Vec<f64> = (0..atoms)
            .map(|k| length::without(objective, state, k, self.turns(), self.quiet()).map(|found| found.0))
            .collect::<Option<_>>()?;
        let by = |key: &dyn Fn(usize) -> f64| {
            let mut order: Vec<usize> = (0..atoms).collect();
            order.sort_by(|&a, &b| key(a).total_cmp(&key(b)));
            order
        };
        Some((by(&|k| -over(k)), by(&|k| worths[k])))
    }

    /// All decoders after a move: each of its parts draws some atoms anew on the rows that some code.
    fn moved(&self, problem: &Problem, state: &State, next: Move) -> Option<Vec<f64>> {
        let parts: &[(&[usize], &[usize])] = match next {
            Move::Pair(j, k) => &[(&[j, k], &[j, k])],
            Move::Split(j, k) => &[(&[j], &[j, k])],
            Move::Swap(j, k) => &[(&[k], &[j]), (&[j], &[k])],
        };
        let mut decoders = state.decoders().to_vec();
        for (coding, drawn) in parts {
            let rows = self.rows.left_to(problem, state, coding);
            for (&k, decoder) in drawn.iter().zip(self.drawn(&rows, problem, drawn)?) {
                decoders[problem.atoms[k].decoder(self.columns)].copy_from_slice(&decoder);
            }
        }
        Some(decoders)
    }

    /// Decoders of some atoms for rows of their own: the best of some draws after a few turns.
    fn drawn(&self, rows: &Rows, problem: &Problem, atoms: &[usize]) -> Option<Vec<Vec<f64>>> {
        let p = self.columns;
        let shapes: Vec<Topology> = atoms.iter().map(|&k| problem.atoms[k].topology).collect();
        if rows.count == 0 {
            return Some(atoms.iter().map(|&k| vec![0.0; problem.atoms[k].decoder(p).len()]).collect());
        }
        let small = rows.problem(p, &[], &shapes, problem.gate, problem.non_negative).expect("as before");
        // What a row costs does not depend on whose rows they are.
        let objective = Objective::new(&small, self.weak(&small), None).expect("proper priors");
        let coding = CodingSettings { active: self.settings.active.min(atoms.len()), ..self.turns() };
        let mut best: Option<(f64, State)> = None;
        for trial in 0..self.settings.restarts.max(2) as u32 {
            let decoders = seed::greedy(&small, self.settings.seed, trial, self.quiet())?;
            let state = alternate(&objective, &decoders, coding, FIRST_TURNS, self.quiet())?;
            let value = objective.value(&state, self.quiet())?;
            if best.as_ref().is_none_or(|best| value < best.0) {
                best = Some((value, state));
            }
        }
        let (_, state) = best.expect("two draws");
        Some((0..atoms.len()).map(|k| state.decoders()[small.atoms[k].decoder(p)].to_vec()).collect())
    }
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Pair(usize, usize),
    Split(usize, usize),
    Swap(usize, usize),
}

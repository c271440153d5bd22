//! States put together row by row.

use headwater_base::parallel::Crew;

use crate::coding::RowCode;
use crate::layout::Layout;
use crate::objective::{Objective, chunk};
use crate::priors;
use crate::problem::{Gate, Problem};
use crate::row::Row;
use crate::state::State;

/// A state from the codes of all rows.
pub(super) fn state(problem: &Problem, rows: impl Iterator<Item = RowCode>, decoders: &[f64]) -> State {
    let (mut supports, mut gates, mut coordinates) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        supports.push(row.support);
        gates.extend(row.gates);
        coordinates.extend(row.coordinates);
    }
    let layout = Layout::new(problem, &supports).expect("ascending atoms");
    State::new(problem, layout, &gates, &coordinates, decoders).expect("finite numbers")
}

pub(super) fn code_of(state: &State, n: usize) -> RowCode {
    RowCode {
        support: state.layout.support(n).iter().map(|&k| k as usize).collect(),
        gates: state.gates(n).to_vec(),
        coordinates: state.coordinates(n).to_vec(),
    }
}

/// The state without atoms whose amplitude is 0, coordinates in their charts.
pub(crate) fn without_idle(problem: &Problem, from: &State) -> Option<State> {
    let mut from = from.clone();
    from.retract(problem);
    if !matches!(problem.gate, Gate::Amplitude(_)) {
        return Some(from);
    }
    let rows = (0..problem.rows).map(|n| {
        let code = code_of(&from, n);
        let mut out = RowCode::default();
        let mut at = 0;
        for (&k, &s) in code.support.iter().zip(&code.gates) {
            let next = at + problem.atoms[k].dimension;
            if s > 0.0 {
                out.support.push(k);
                out.gates.push(s);
                out.coordinates.extend_from_slice(&code.coordinates[at..next]);
            }
            at = next;
        }
        out
    });
    Some(state(problem, rows, from.decoders()))
}

/// Each row's energy: data term and priors of its locals.
fn energies(objective: &Objective, state: &State, crew: Crew) -> Option<Vec<f64>> {
    let problem = objective.problem;
    let size = chunk(problem.rows);
    let parts = crew.map(problem.rows.div_ceil(size), |index| {
        let mut row = Row::new(problem);
        let rows = index * size..problem.rows.min((index + 1) * size);
        rows.map(|n| {
            row.load(state, n);
            let data = row.residual(n, objective.strengths.noise);
            data + priors::add(problem, &objective.strengths, &row, problem.prior_weight(n), None)
        })
        .collect::<Vec<_>>()
    })?;
    Some(parts.concat())
}

/// Two codings of the same rows, joined.
pub(crate) struct Joined {
    /// Of each row the one with the lower energy; the first where the second is not lower by more than the margin.
    pub state: State,
    /// Rows that took the second.
    pub taken: usize,
    /// Rows in which the second was higher by more than the margin.
    pub worse: usize,
}

/// Joins two codings; `margin` is relative to 1 + a row's energy.
pub(crate) fn lower_of(
    objective: &Objective,
    first: &State,
    second: &State,
    margin: f64,
    crew: Crew,
) -> Option<Joined> {
    let problem = objective.problem;
    let (one, two) = (energies(objective, first, crew)?, energies(objective, second, crew)?);
    let (mut taken, mut worse) = (0, 0);
    let rows: Vec<RowCode> = (0..problem.rows)
        .map(|n| {
            let allowed = margin * (1.0 + one[n].abs());
            if two[n] < one[n] - allowed {
                taken += 1;
                return code_of(second, n);
            }
            worse += usize::from(two[n] > one[n] + allowed);
            code_of(first, n)
        })
        .collect();
    Some(Joined { state: state(problem, rows.into_iter(), first.decoders()), taken, worse })
}

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
pub(crate) fn state(problem: &Problem, rows: impl Iterator<Item = RowCode>, decoders: &[f64]) -> State {
    let (mut supports, mut gates, mut coordinates) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        supports.push(row.support);
        gates.extend(row.gates);
        coordinates.extend(row.coordinates);
    }
    let layout = Layout::new(problem, &supports).expect("ascending atoms");
    State::new(problem, layout, &gates, &coordinates, decoders).expect("finite numbers")
}

pub(crate) fn code_of(state: &State, n: usize) -> RowCode {
    RowCode {
        support: state.layout.support(n).iter().map(|&k| k as usize).collect(),
        gates: state.gates(n).to_vec(),
        coordinates: state.coordinates(n).to_vec(),
        certain: false,
    }
}

impl RowCode {
    /// The slots that are kept, of atoms that get other numbers.
    pub fn filtered(&self, problem: &Problem, keep: impl Fn(usize) -> bool, renumber: impl Fn(usize) -> usize) -> Self {
        let mut out = Self::default();
        let mut at = 0;
        for (slot, &k) in self.support.iter().enumerate() {
            let next = at + problem.atoms[k].dimension;
            if keep(slot) {
                out.support.push(renumber(k));
                out.gates.extend(self.gates.get(slot));
                out.coordinates.extend_from_slice(&self.coordinates[at..next]);
            }
            at = next;
        }
        out
    }
}

/// The state without atoms whose amplitude is 0, coordinates in their charts.
pub(crate) fn without_idle(problem: &Problem, mut from: State) -> State {
    from.retract(problem);
    if !matches!(problem.gate, Gate::Amplitude(_)) {
        return from;
    }
    let rows = (0..problem.rows).map(|n| {
        let code = code_of(&from, n);
        code.filtered(problem, |slot| code.gates[slot] > 0.0, |k| k)
    });
    state(problem, rows, from.decoders())
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

/// A coding of rows and a fresh one, joined.
pub(crate) struct Joined {
    /// The codes that stand.
    pub state: State,
    /// Rows that took the fresh code because it is lower.
    pub taken: usize,
    /// Rows that kept their code though the fresh one is another.
    pub missed: usize,
}

/// Gates and coordinates that differ by less are the same place: far less than minima are apart, far more than the ways of
/// two descents to one of them.
const SAME: f64 = 1e-3;

/// A state after all its rows were coded afresh. A code that is lower by more than the margin (relative to 1 + a row's energy)
/// is taken, and counted; so is one that says the same, so that coding gives a fit's own codes again. A row that ends higher,
/// or as low somewhere else, keeps its code and is counted as missed: with another one decoders would leave their minimum.
pub(crate) fn refreshed(
    objective: &Objective,
    state: &State,
    fresh: &State,
    margin: f64,
    crew: Crew,
) -> Option<Joined> {
    let problem = objective.problem;
    let (one, two) = (energies(objective, state, crew)?, energies(objective, fresh, crew)?);
    let (mut taken, mut missed) = (0, 0);
    let rows: Vec<RowCode> = (0..problem.rows)
        .map(|n| {
            let allowed = margin * (1.0 + one[n].abs());
            let (old, new) = (code_of(state, n), code_of(fresh, n));
            if two[n] < one[n] - allowed {
                taken += 1;
                return new;
            }
            if two[n] <= one[n] + allowed && same_place(problem, &old, &new) {
                return new;
            }
            missed += 1;
            old
        })
        .collect();
    Some(Joined { state: self::state(problem, rows.into_iter(), state.decoders()), taken, missed })
}

fn same_place(problem: &Problem, one: &RowCode, two: &RowCode) -> bool {
    if one.support != two.support {
        return false;
    }
    let close = |x: f64, y: f64, period: Option<f64>| {
        let gap = (x - y).abs();
        period.map_or(gap, |period| gap.min(period - gap)) <= SAME * (1.0 + x.abs())
    };
    let periods = one.support.iter().flat_map(|&k| {
        let atom = &problem.atoms[k];
        (0..atom.dimension).map(|axis| atom.basis.period(axis))
    });
    one.gates.iter().zip(&two.gates).all(|(x, y)| close(*x, *y, None))
        && one.coordinates.iter().zip(&two.coordinates).zip(periods).all(|((x, y), period)| close(*x, *y, period))
}

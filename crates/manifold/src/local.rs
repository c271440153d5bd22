//! A row's own part of L: value, gradient and blocks of A and B in its locals, the decoders fixed. And its minimum from where
//! it is ([`relax`]).

use headwater_base::parallel::Crew;
use headwater_linalg::cholesky;
use headwater_linalg::dense::{add_scaled, inner};

use crate::objective::{Objective, chunk};
use crate::priors;
use crate::problem::Gate;
use crate::row::Row;
use crate::state::State;

/// The model of a row in its locals; reused from row to row.
#[derive(Default)]
pub(crate) struct LocalModel {
    /// Data and priors.
    pub value: [f64; 2],
    /// q.
    pub gradient: Vec<f64>,
    /// q × q.
    pub exact: Vec<f64>,
    /// q × q.
    pub surrogate: Vec<f64>,
    /// ωJ, q × p.
    pub weighted: Vec<f64>,
    image: Vec<f64>,
    second: Vec<f64>,
}

impl LocalModel {
    /// Of a row that is loaded; its residual and tangents are computed on the way.
    pub fn at(&mut self, objective: &Objective, row: &mut Row, n: usize) {
        let (problem, p) = (objective.problem, objective.problem.columns);
        let data = row.residual(n, objective.strengths.noise);
        row.differentiate();
        let (q, c) = (row.locals, row.channels);
        self.weighted.clone_from(&row.tangents);
        for a in 0..q {
            self.weighted[a * p..(a + 1) * p].iter_mut().zip(&row.weights).for_each(|(j, w)| *j *= w);
        }
        self.surrogate.clear();
        self.surrogate.resize(q * q, 0.0);
        for a in 0..q {
            for b in 0..=a {
                let value = inner(&row.tangents[a * p..(a + 1) * p], &self.weighted[b * p..(b + 1) * p]);
                (self.surrogate[a * q + b], self.surrogate[b * q + a]) = (value, value);
            }
        }
        self.exact.clone_from(&self.surrogate);
        // ⟨∂_a f, u⟩ = c^a·βu, and the second jets against u.
        row.decode(&row.force, &mut self.image);
        self.gradient.clear();
        self.gradient.extend((0..q).map(|a| inner(&row.load_slopes[a * c..(a + 1) * c], &self.image)));
        let projection = row.project(&self.image);
        self.second.resize(q, 0.0);
        for a in 0..q {
            row.second(&projection, a, &mut self.second);
            add_scaled(1.0, &self.second, &mut self.exact[a * q..(a + 1) * q]);
        }
        let local =
            priors::Local { gradient: &mut self.gradient, surrogate: &mut self.surrogate, exact: &mut self.exact };
        let prior = priors::add(problem, &objective.strengths, row, problem.prior_weight(n), Some(local));
        self.value = [data, prior];
    }
}

/// Newton steps a row.
const STEPS: usize = 8;
/// Halvings of one.
const HALVINGS: usize = 3;
/// Of 1 + the row's value: a step that promises less is not taken.
const TRIFLE: f64 = 1e-14;

/// The state with every row's locals moved towards their minimum for its decoders; no row's value rises. After a step in all
/// unknowns this takes off what their products make of it (a step in amplitudes and decoders misses the data by the product
/// of both), which otherwise forbids long steps along curved valleys. `None` if the crew was stopped.
pub(crate) fn relax(objective: &Objective, state: &State, crew: Crew) -> Option<State> {
    relax_some(objective, state, &[], crew)
}

/// The same for the rows that are marked alone; no marks are all.
pub(crate) fn relax_some(objective: &Objective, state: &State, marked: &[bool], crew: Crew) -> Option<State> {
    let rows = objective.problem.rows;
    let size = chunk(rows);
    let parts = crew.map(rows.div_ceil(size), |index| {
        let (mut row, mut model) = (Row::new(objective.problem), LocalModel::default());
        let mut out = Vec::new();
        for n in index * size..rows.min((index + 1) * size) {
            if marked.get(n) == Some(&false) {
                out.extend_from_slice(&state.theta[state.layout.locals(n)]);
                continue;
            }
            row.load(state, n);
            relax_row(objective, &mut row, &mut model, n);
            out.extend_from_slice(&row.theta);
        }
        out
    })?;
    let mut next = state.clone();
    next.theta[..state.layout.beta()].copy_from_slice(&parts.concat());
    Some(next)
}

fn relax_row(objective: &Objective, row: &mut Row, model: &mut LocalModel, n: usize) {
    let amplitudes = matches!(objective.problem.gate, Gate::Amplitude(_));
    let bounded = |row: &Row, a: usize| amplitudes && a < row.gates;
    for _ in 0..STEPS {
        model.at(objective, row, n);
        let (q, value) = (row.locals, model.value[0] + model.value[1]);
        let mut held: Vec<bool> =
            (0..q).map(|a| bounded(row, a) && row.theta[a] <= 0.0 && model.gradient[a] >= 0.0).collect();
        for (slot, s) in row.slots.iter().enumerate().filter(|_| amplitudes) {
            (s.coordinate..s.coordinate + s.dimension).for_each(|a| held[a] |= held[slot]);
        }
        let mut step = model.gradient.clone();
        let masked = |block: &[f64], damping: f64| {
            let mut block = block.to_vec();
            for a in 0..q {
                block[a * q + a] *= 1.0 + damping;
                if held[a] {
                    (0..q).for_each(|b| (block[a * q + b], block[b * q + a]) = (0.0, 0.0));
                    block[a * q + a] = 1.0;
                }
            }
            block
        };
        let mut factor = masked(&model.exact, 0.0);
        if !cholesky::factor(q, &mut factor) {
            factor = masked(&model.surrogate, 1e-3);
            if !cholesky::factor(q, &mut factor) {
                return;
            }
        }
        (0..q).filter(|&a| held[a]).for_each(|a| step[a] = 0.0);
        cholesky::solve(q, &factor, &mut step);
        let promised = 0.5 * inner(&step, &model.gradient);
        if !(promised.is_finite() && promised > TRIFLE * (1.0 + value.abs())) {
            return;
        }
        let from = row.theta.clone();
        let mut alpha = 1.0;
        let lower = (0..=HALVINGS).any(|_| {
            let mut to: Vec<f64> = from.iter().zip(&step).map(|(x, d)| x - alpha * d).collect();
            (0..q).filter(|&a| bounded(row, a)).for_each(|a| to[a] = to[a].max(0.0));
            alpha *= 0.5;
            row.put(&to);
            let data = row.residual(n, objective.strengths.noise);
            let weight = objective.problem.prior_weight(n);
            data + priors::add(objective.problem, &objective.strengths, row, weight, None) < value
        });
        if !lower {
            row.put(&from);
            return;
        }
    }
}

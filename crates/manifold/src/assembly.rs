//! One pass over the rows: gradient, and the pieces of B and A.
//!
//! B is the surrogate (Gauss–Newton with majorised priors, positive semi-definite), A = ∇²L. Both are arrows: a block for
//! every row's locals, a border, and a corner for the decoders. The border of a row is kept as its factors and never formed
//! over all decoders: E_n[a, (i, o)] = (J_a ω)_o c_i in B, and u_o c^a_i more in A.

use std::sync::Arc;

use headwater_base::parallel::{self, Crew};
use headwater_linalg::dense::{add_scaled, inner};

use crate::layout::Layout;
use crate::local::LocalModel;
use crate::objective::{Objective, chunk};
use crate::row::Row;
use crate::state::State;

/// Which matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A = ∇²L.
    Exact,
    /// B.
    Surrogate,
    /// A − B.
    Correction,
}

impl Kind {
    const fn base(self) -> bool {
        !matches!(self, Self::Correction)
    }
    const fn rest(self) -> bool {
        !matches!(self, Self::Surrogate)
    }
}

/// The pieces of some rows, one row after another.
#[derive(Default)]
struct Chunk {
    /// For each row: where its q², qp, C and qC numbers begin.
    starts: Vec<[usize; 4]>,
    surrogate: Vec<f64>,
    exact: Vec<f64>,
    tangents: Vec<f64>,
    loads: Vec<f64>,
    load_slopes: Vec<f64>,
    force: Vec<f64>,
    weights: Vec<f64>,
    /// (first function in the row, first among all, functions) of the active atoms, and where those of a row begin.
    blocks: Vec<(usize, usize, usize)>,
    block_starts: Vec<usize>,
    gradient: Vec<f64>,
    decoders: Vec<f64>,
    diagonal: Vec<f64>,
    value: [f64; 2],
}

/// Value, gradient, B and A at a state.
pub struct Assembly<'a> {
    /// The function.
    pub objective: &'a Objective<'a>,
    /// Places.
    pub layout: Arc<Layout>,
    /// L.
    pub value: f64,
    /// Its data term, Σ ω(f − z)²/2φ.
    pub data_value: f64,
    /// ∇L.
    pub gradient: Vec<f64>,
    /// The diagonal of B.
    pub diagonal: Vec<f64>,
    /// The decoders at the state.
    pub decoders: Vec<f64>,
    pub(crate) threads: usize,
    chunks: Vec<Chunk>,
    size: usize,
}

/// The pieces of one row.
pub(crate) struct View<'v> {
    pub q: usize,
    pub p: usize,
    /// Blocks of A and B, q × q.
    pub exact: &'v [f64],
    pub surrogate: &'v [f64],
    /// ωJ, q × p.
    pub tangents: &'v [f64],
    /// c.
    pub loads: &'v [f64],
    /// c^a, q × C.
    pub load_slopes: &'v [f64],
    /// u.
    pub force: &'v [f64],
    /// ω/φ.
    pub weights: &'v [f64],
    /// (first function in the row, first among all, functions) of every active atom.
    pub blocks: &'v [(usize, usize, usize)],
}

impl<'a> Assembly<'a> {
    /// `None` if the crew was stopped.
    pub fn new(objective: &'a Objective<'a>, state: &State, crew: Crew) -> Option<Self> {
        let problem = objective.problem;
        let (rows, layout) = (problem.rows, &state.layout);
        let size = chunk(rows);
        let chunks = crew.map(rows.div_ceil(size), |index| {
            let mut chunk = Chunk::default();
            let length = problem.channels * problem.columns;
            chunk.decoders.resize(length, 0.0);
            chunk.diagonal.resize(length, 0.0);
            let (mut row, mut model) = (Row::new(problem), LocalModel::default());
            for n in index * size..rows.min((index + 1) * size) {
                chunk.push(objective, &mut row, &mut model, state, n);
            }
            chunk
        })?;
        let beta = layout.beta();
        let parts: Vec<[f64; 2]> = chunks.iter().map(|chunk| chunk.value).collect();
        let (value, data_value) = objective.total(&parts, state);
        let (mut gradient, mut diagonal) = (vec![0.0; state.theta.len()], vec![0.0; state.theta.len()]);
        let mut at = 0;
        for chunk in &chunks {
            gradient[at..at + chunk.gradient.len()].copy_from_slice(&chunk.gradient);
            at += chunk.gradient.len();
            add_scaled(1.0, &chunk.decoders, &mut gradient[beta..]);
            add_scaled(1.0, &chunk.diagonal, &mut diagonal[beta..]);
        }
        let decoders = state.decoders().to_vec();
        objective.add_smoothness(1.0, &decoders, &mut gradient[beta..]);
        objective.coupling.gradient(&decoders, &mut gradient[beta..]);
        objective.coupling.majorizer_diagonal(&decoders, &mut diagonal[beta..]);
        for (k, atom) in problem.atoms.iter().enumerate() {
            let (m, p) = (atom.functions, problem.columns);
            for i in 0..m {
                let from = beta + (atom.channel + i) * p;
                diagonal[from..from + p].iter_mut().for_each(|x| *x += objective.penalty(k)[i * m + i]);
            }
        }
        let (layout, threads) = (Arc::clone(layout), crew.threads);
        let mut out =
            Self { objective, layout, value, data_value, gradient, diagonal, decoders, threads, chunks, size };
        for n in 0..rows {
            let locals = out.layout.locals(n);
            let q = locals.len();
            let own: Vec<f64> = (0..q).map(|a| out.view(n).surrogate[a * q + a]).collect();
            out.diagonal[locals].copy_from_slice(&own);
        }
        Some(out)
    }

    /// Length of θ.
    pub fn len(&self) -> usize {
        self.gradient.len()
    }

    /// Whether there is nothing: never.
    pub fn is_empty(&self) -> bool {
        false
    }

    pub(crate) fn view(&self, n: usize) -> View<'_> {
        let chunk = &self.chunks[n / self.size];
        let (at, p) = (n % self.size, self.objective.problem.columns);
        let ([square, wide, load, slope], [square_end, wide_end, load_end, slope_end]) =
            (chunk.starts[at], chunk.starts[at + 1]);
        let (first, last) = (chunk.block_starts[at], chunk.block_starts[at + 1]);
        View {
            q: self.layout.locals(n).len(),
            p,
            blocks: &chunk.blocks[first..last],
            exact: &chunk.exact[square..square_end],
            surrogate: &chunk.surrogate[square..square_end],
            tangents: &chunk.tangents[wide..wide_end],
            loads: &chunk.loads[load..load_end],
            load_slopes: &chunk.load_slopes[slope..slope_end],
            force: &chunk.force[at * p..(at + 1) * p],
            weights: &chunk.weights[at * p..(at + 1) * p],
        }
    }

    /// A v, B v or (A − B) v.
    pub fn product(&self, kind: Kind, v: &[f64]) -> Vec<f64> {
        let (rows, beta) = (self.layout.rows(), self.layout.beta());
        let decoders = &v[beta..];
        let parts = parallel::map(self.threads, self.chunks.len(), |index| {
            let (mut local, mut border) = (Vec::new(), vec![0.0; decoders.len()]);
            for n in index * self.size..rows.min((index + 1) * self.size) {
                let (view, x) = (self.view(n), &v[self.layout.locals(n)]);
                let first = local.len();
                local.resize(first + view.q, 0.0);
                view.block(kind, x, &mut local[first..]);
                view.border(kind, decoders, &mut local[first..]);
                view.border_adjoint(kind, x, &mut border);
                if kind.base() {
                    view.corner(decoders, &mut border);
                }
            }
            (local, border)
        });
        let mut out = Vec::with_capacity(v.len());
        parts.iter().for_each(|(local, _)| out.extend_from_slice(local));
        out.resize(v.len(), 0.0);
        let end = &mut out[beta..];
        parts.iter().for_each(|(_, border)| add_scaled(1.0, border, end));
        self.corner_penalties(kind, decoders, end);
        out
    }

    /// out += the penalties' part of the corner times v.
    pub(crate) fn corner_penalties(&self, kind: Kind, v: &[f64], out: &mut [f64]) {
        let coupling = &self.objective.coupling;
        if kind.base() {
            self.objective.add_smoothness(1.0, v, out);
            coupling.majorizer_vector(&self.decoders, v, 1.0, out);
        }
        if kind.rest() {
            coupling.correction_vector(&self.decoders, v, 1.0, out);
        }
    }

    /// A as a dense matrix, row-major: for small problems and tests.
    pub fn dense(&self, kind: Kind) -> Vec<f64> {
        let size = self.len();
        let mut out = vec![0.0; size * size];
        let mut unit = vec![0.0; size];
        for j in 0..size {
            unit[j] = 1.0;
            self.product(kind, &unit).iter().enumerate().for_each(|(i, x)| out[i * size + j] = *x);
            unit[j] = 0.0;
        }
        out
    }
}

impl Chunk {
    fn push(&mut self, objective: &Objective, row: &mut Row, model: &mut LocalModel, state: &State, n: usize) {
        let (problem, p) = (objective.problem, objective.problem.columns);
        row.load(state, n);
        model.at(objective, row, n);
        let mark = |chunk: &Self| [chunk.exact.len(), chunk.tangents.len(), chunk.loads.len(), chunk.load_slopes.len()];
        if self.starts.is_empty() {
            self.starts.push([0; 4]);
            self.block_starts.push(0);
        }
        self.surrogate.extend_from_slice(&model.surrogate);
        self.exact.extend_from_slice(&model.exact);
        self.tangents.extend_from_slice(&model.weighted);
        self.gradient.extend_from_slice(&model.gradient);
        self.value = [self.value[0] + model.value[0], self.value[1] + model.value[1]];
        for slot in &row.slots {
            let to = problem.atoms[slot.atom].channel;
            self.blocks.push((slot.channel, to, slot.functions));
            for m in 0..slot.functions {
                let (load, at) = (row.loads[slot.channel + m], (to + m) * p);
                add_scaled(load, &row.force, &mut self.decoders[at..at + p]);
                add_scaled(load * load, &row.weights, &mut self.diagonal[at..at + p]);
            }
        }
        self.block_starts.push(self.blocks.len());
        self.loads.extend_from_slice(&row.loads);
        self.load_slopes.extend_from_slice(&row.load_slopes);
        self.force.extend_from_slice(&row.force);
        self.weights.extend_from_slice(&row.weights);
        self.starts.push(mark(self));
    }
}

impl View<'_> {
    fn block(&self, kind: Kind, x: &[f64], out: &mut [f64]) {
        let q = self.q;
        for a in 0..q {
            for b in 0..q {
                let (exact, surrogate) = (self.exact[a * q + b], self.surrogate[a * q + b]);
                out[a] += x[b]
                    * match kind {
                        Kind::Exact => exact,
                        Kind::Surrogate => surrogate,
                        Kind::Correction => exact - surrogate,
                    };
            }
        }
    }

    /// Σ_i c_i v_i for v over all decoders.
    fn gather(&self, loads: &[f64], v: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.p];
        for &(own, all, m) in self.blocks {
            for i in 0..m {
                let from = (all + i) * self.p;
                add_scaled(loads[own + i], &v[from..from + self.p], &mut sum);
            }
        }
        sum
    }

    /// out += E_n v.
    pub fn border(&self, kind: Kind, v: &[f64], out: &mut [f64]) {
        let p = self.p;
        if kind.base() {
            let sum = self.gather(self.loads, v);
            for a in 0..self.q {
                out[a] += inner(&self.tangents[a * p..(a + 1) * p], &sum);
            }
        }
        if kind.rest() {
            let c = self.loads.len();
            let mut along = vec![0.0; c];
            for &(own, all, m) in self.blocks {
                for i in 0..m {
                    let from = (all + i) * p;
                    along[own + i] = inner(self.force, &v[from..from + p]);
                }
            }
            for a in 0..self.q {
                out[a] += inner(&self.load_slopes[a * c..(a + 1) * c], &along);
            }
        }
    }

    /// out += E_nᵀ x.
    pub fn border_adjoint(&self, kind: Kind, x: &[f64], out: &mut [f64]) {
        let (p, c) = (self.p, self.loads.len());
        let (mut sum, mut slopes) = (vec![0.0; p], vec![0.0; c]);
        for a in 0..self.q {
            add_scaled(x[a], &self.tangents[a * p..(a + 1) * p], &mut sum);
            add_scaled(x[a], &self.load_slopes[a * c..(a + 1) * c], &mut slopes);
        }
        for &(own, all, m) in self.blocks {
            for i in 0..m {
                let to = &mut out[(all + i) * p..(all + i + 1) * p];
                if kind.base() {
                    add_scaled(self.loads[own + i], &sum, to);
                }
                if kind.rest() {
                    add_scaled(slopes[own + i], self.force, to);
                }
            }
        }
    }

    /// out += the row's part of the corner times v.
    fn corner(&self, v: &[f64], out: &mut [f64]) {
        let mut sum = self.gather(self.loads, v);
        sum.iter_mut().zip(self.weights).for_each(|(x, w)| *x *= w);
        for &(own, all, m) in self.blocks {
            for i in 0..m {
                let at = (all + i) * self.p;
                add_scaled(self.loads[own + i], &sum, &mut out[at..at + self.p]);
            }
        }
    }

    /// E_n over the row's own decoders, q × Cp.
    pub fn border_block(&self, kind: Kind, out: &mut [f64]) {
        let (p, c) = (self.p, self.loads.len());
        out.fill(0.0);
        for a in 0..self.q {
            for i in 0..c {
                let to = &mut out[(a * c + i) * p..(a * c + i + 1) * p];
                if kind.base() {
                    add_scaled(self.loads[i], &self.tangents[a * p..(a + 1) * p], to);
                }
                if kind.rest() {
                    add_scaled(self.load_slopes[a * c + i], self.force, to);
                }
            }
        }
    }
}

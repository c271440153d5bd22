//! Factors of A or B as an arrow: H_n = L_n L_nᵀ for every row, and the Schur complement
//! S = H_ββ − Σ E_nᵀ H_n⁻¹ E_n of the decoders.
//!
//! Rows with one support share their block of S, which is then one product XᵀX of stacked X = L_n⁻¹E_n. The general
//! [`headwater_solve::Arrow`] wants the border as a sparse matrix and the corner's columns one by one; here the border is
//! kept as factors (see [`crate::assembly`]), and rows give log-determinant and parts of the inverse.
//!
//! Elements that are not free are taken out: their rows and columns are those of the identity. Gauges are pinned: σqqᵀ is
//! added to S for every orthonormal direction q that the gauges have among the decoders, which changes neither solutions nor
//! decrements on the quotient.
//!
//! Cost: Σ_n q(Cp)² + (Tp)³/3 flop, T the functions of all atoms; memory (Tp)² numbers.

use std::collections::BTreeMap;

use headwater_base::parallel::{Crew, pairwise_sum};
use headwater_linalg::dense::{add_scaled, inner};
use headwater_linalg::gemm::View as Block;
use headwater_linalg::{cholesky, eigen, triangular};

use crate::assembly::{Assembly, Kind};

/// Rows of one support whose blocks are multiplied together.
const SEGMENT: usize = 128;
/// Segments in flight: their results are added in order after each wave.
const WAVE: usize = 16;

/// Why there are no factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The block of this row is not positive definite.
    Row(usize),
    /// The Schur complement is not positive definite.
    Schur,
    /// The crew was stopped.
    Stopped,
}

/// What is factored.
#[derive(Clone, Copy)]
pub struct Frame<'f> {
    /// Elements of θ that may move.
    pub free: &'f [bool],
    /// Orthonormal directions of the gauges among the decoders.
    pub pins: &'f [Vec<f64>],
    /// μ: μ times the diagonal of B is added.
    pub damping: f64,
}

/// The factors.
pub struct Arrow<'a> {
    assembly: &'a Assembly<'a>,
    kind: Kind,
    free: Vec<bool>,
    /// L_n of all rows, one after another, and where each begins.
    rows: Vec<f64>,
    starts: Vec<usize>,
    /// L of S.
    schur: Vec<f64>,
    border: usize,
    /// The log-determinant, over the free elements; pins included.
    pub log_determinant: f64,
    /// σ of the pins.
    pub pinned: f64,
}

fn damp(assembly: &Assembly, damping: f64, at: usize, floor: f64) -> f64 {
    damping * assembly.diagonal[at].max(floor)
}

/// The block of row n, damped, with what is not free taken out.
fn row_block(assembly: &Assembly, kind: Kind, frame: &Frame, floor: f64, n: usize) -> Vec<f64> {
    let (view, locals) = (assembly.view(n), assembly.layout.locals(n));
    let mut block = match kind {
        Kind::Exact => view.exact.to_vec(),
        _ => view.surrogate.to_vec(),
    };
    let q = view.q;
    for a in 0..q {
        block[a * q + a] += damp(assembly, frame.damping, locals.start + a, floor);
        if !frame.free[locals.start + a] {
            for b in 0..q {
                (block[a * q + b], block[b * q + a]) = (0.0, 0.0);
            }
            block[a * q + a] = 1.0;
        }
    }
    block
}

fn floor(assembly: &Assembly) -> f64 {
    1e-12 * assembly.diagonal.iter().copied().fold(0.0, f64::max)
}

/// L_n of all rows.
fn factor_rows(assembly: &Assembly, kind: Kind, frame: &Frame, crew: Crew) -> Result<(Vec<f64>, Vec<usize>), Refusal> {
    let rows = assembly.layout.rows();
    let (size, least) = (crate::objective::chunk(rows), floor(assembly));
    let parts = crew.map(rows.div_ceil(size), |index| {
        let mut factors = Vec::new();
        for n in index * size..rows.min((index + 1) * size) {
            let mut block = row_block(assembly, kind, frame, least, n);
            if !cholesky::factor(assembly.layout.locals(n).len(), &mut block) {
                return Err(n);
            }
            factors.extend_from_slice(&block);
        }
        Ok(factors)
    });
    let mut out = Vec::new();
    for part in parts.ok_or(Refusal::Stopped)? {
        out.extend(part.map_err(Refusal::Row)?);
    }
    let mut starts = vec![0];
    for n in 0..rows {
        let q = assembly.layout.locals(n).len();
        starts.push(starts[n] + q * q);
    }
    Ok((out, starts))
}

/// S, lower triangle (the upper one holds anything), with its pins; and σ.
fn schur(
    assembly: &Assembly,
    kind: Kind,
    frame: &Frame,
    rows: &[f64],
    starts: &[usize],
    crew: Crew,
) -> Option<(Vec<f64>, f64)> {
    let (layout, problem) = (&assembly.layout, assembly.objective.problem);
    let (p, beta) = (problem.columns, layout.beta());
    let size = problem.channels * p;
    let free = &frame.free[beta..];
    let mut s = vec![0.0; size * size];
    let mut groups: BTreeMap<&[u32], Vec<usize>> = BTreeMap::new();
    (0..layout.rows()).for_each(|n| groups.entry(layout.support(n)).or_default().push(n));
    groups.remove(&[][..]);
    let segments: Vec<&[usize]> = groups.values().flat_map(|group| group.chunks(SEGMENT)).collect();
    for wave in segments.chunks(WAVE) {
        let blocks = crew.map(wave.len(), |index| {
            let first = assembly.view(wave[index][0]);
            let (q, width) = (first.q, first.loads.len() * p);
            let mut stack = vec![0.0; wave[index].len() * q * width];
            let mut corner = vec![0.0; first.loads.len() * first.loads.len() * p];
            for (&n, x) in wave[index].iter().zip(stack.chunks_exact_mut((q * width).max(1))) {
                let view = assembly.view(n);
                view.border_block(kind, x);
                whiten(q, &rows[starts[n]..starts[n + 1]], &frame.free[layout.locals(n)], x, width);
                add_corner(&view, &mut corner);
            }
            let mut block = vec![0.0; width * width];
            let depth = wave[index].len() * q;
            let x = Block::new(&stack, depth, width, width);
            triangular::upper_of_product(-1.0, x.transposed(), x, 0.0, &mut block, width);
            let c = first.loads.len();
            for i in 0..c {
                for j in i..c {
                    for o in 0..p {
                        block[(i * p + o) * width + j * p + o] += corner[(i * c + j) * p + o];
                    }
                }
            }
            block
        })?;
        for (rows, block) in wave.iter().zip(blocks) {
            let view = assembly.view(rows[0]);
            let places: Vec<usize> = view.blocks.iter().flat_map(|&(_, all, m)| all * p..(all + m) * p).collect();
            for (i, &column) in places.iter().enumerate() {
                for (j, &row) in places.iter().enumerate().skip(i) {
                    s[row * size + column] += block[i * places.len() + j];
                }
            }
        }
    }
    add_penalties(assembly, kind, &mut s, size);
    let least = floor(assembly);
    for i in 0..size {
        s[i * size + i] += damp(assembly, frame.damping, beta + i, least);
        if !free[i] {
            s[i * size..i * size + i].fill(0.0);
            (i..size).for_each(|j| s[j * size + i] = 0.0);
            s[i * size + i] = 1.0;
        }
    }
    let moving: Vec<f64> = (0..size).filter(|&i| free[i]).map(|i| s[i * size + i]).collect();
    let sigma = (moving.iter().sum::<f64>() / moving.len().max(1) as f64).abs().max(f64::MIN_POSITIVE);
    for pin in frame.pins {
        for i in 0..size {
            add_scaled(sigma * pin[i], &pin[..=i], &mut s[i * size..=i * size + i]);
        }
    }
    Some((s, sigma))
}

/// X ← L⁻¹X for a row's border, without the rows of locals that are not free.
fn whiten(q: usize, l: &[f64], free: &[bool], x: &mut [f64], width: usize) {
    for a in 0..q {
        let (above, row) = x.split_at_mut(a * width);
        let row = &mut row[..width];
        if !free[a] {
            row.fill(0.0);
        }
        for b in 0..a {
            add_scaled(-l[a * q + b], &above[b * width..(b + 1) * width], row);
        }
        let pivot = l[a * q + a];
        row.iter_mut().for_each(|x| *x /= pivot);
    }
}

/// corner_ij += c_i c_j ω, i <= j.
fn add_corner(view: &crate::assembly::View, corner: &mut [f64]) {
    let (c, p) = (view.loads.len(), view.p);
    for i in 0..c {
        for j in i..c {
            let factor = view.loads[i] * view.loads[j];
            add_scaled(factor, view.weights, &mut corner[(i * c + j) * p..(i * c + j + 1) * p]);
        }
    }
}

fn add_penalties(assembly: &Assembly, kind: Kind, s: &mut [f64], size: usize) {
    let (objective, p) = (assembly.objective, assembly.objective.problem.columns);
    for (k, atom) in objective.problem.atoms.iter().enumerate() {
        let (m, penalty) = (atom.functions, objective.penalty(k));
        for i in 0..m {
            for j in 0..=i {
                for o in 0..p {
                    s[((atom.channel + i) * p + o) * size + (atom.channel + j) * p + o] += penalty[i * m + j];
                }
            }
        }
    }
    objective.coupling.accumulate_majorizer(&assembly.decoders, 1.0, kind == Kind::Exact, s, size);
}

impl<'a> Arrow<'a> {
    /// Factors A (`Kind::Exact`) or B (`Kind::Surrogate`).
    pub fn new(assembly: &'a Assembly<'a>, kind: Kind, frame: &Frame, crew: Crew) -> Result<Self, Refusal> {
        let (rows, starts) = factor_rows(assembly, kind, frame, crew)?;
        let (mut s, pinned) = schur(assembly, kind, frame, &rows, &starts, crew).ok_or(Refusal::Stopped)?;
        let border = assembly.decoders.len();
        if !cholesky::factor_unless(border, &mut s, &|| crew.stopped()) {
            return Err(if crew.stopped() { Refusal::Stopped } else { Refusal::Schur });
        }
        let diagonal = |l: &[f64], n: usize| (0..n).map(|i| l[i * n + i].ln()).sum::<f64>();
        let mut logs: Vec<f64> = (0..assembly.layout.rows())
            .map(|n| diagonal(&rows[starts[n]..starts[n + 1]], assembly.layout.locals(n).len()))
            .collect();
        logs.push(diagonal(&s, border));
        let log_determinant = 2.0 * pairwise_sum(&logs);
        let free = frame.free.to_vec();
        Ok(Self { assembly, kind, free, rows, starts, schur: s, border, log_determinant, pinned })
    }

    /// L_n.
    pub(crate) fn row_factor(&self, n: usize) -> &[f64] {
        &self.rows[self.starts[n]..self.starts[n + 1]]
    }

    /// H_n⁻¹ b in place.
    fn solve_row(&self, n: usize, b: &mut [f64]) {
        cholesky::solve(b.len(), self.row_factor(n), b);
    }

    fn mask(&self, x: &mut [f64], first: usize) {
        x.iter_mut().zip(&self.free[first..]).filter(|(_, free)| !**free).for_each(|(x, _)| *x = 0.0);
    }

    /// The solution of Hx = b over the free elements; 0 for the others.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let (layout, rows) = (&self.assembly.layout, self.assembly.layout.rows());
        let beta = layout.beta();
        let mut x = b.to_vec();
        self.mask(&mut x, 0);
        let size = crate::objective::chunk(rows);
        let chunk = |index: usize| index * size..rows.min((index + 1) * size);
        let (chunks, threads) = (rows.div_ceil(size), self.assembly.threads);
        let parts = headwater_base::parallel::map(threads, chunks, |index| {
            let (mut solved, mut border) = (Vec::new(), vec![0.0; self.border]);
            for n in chunk(index) {
                let mut y = x[layout.locals(n)].to_vec();
                self.solve_row(n, &mut y);
                self.assembly.view(n).border_adjoint(self.kind, &y, &mut border);
                solved.extend(y);
            }
            (solved, border)
        });
        let (locals, decoders) = x.split_at_mut(beta);
        let mut at = 0;
        for (solved, border) in &parts {
            locals[at..at + solved.len()].copy_from_slice(solved);
            at += solved.len();
            add_scaled(-1.0, border, decoders);
        }
        self.mask(decoders, beta);
        cholesky::solve(self.border, &self.schur, decoders);
        let parts = headwater_base::parallel::map(threads, chunks, |index| {
            let mut solved = Vec::new();
            for n in chunk(index) {
                let range = layout.locals(n);
                let mut y = vec![0.0; range.len()];
                self.assembly.view(n).border(self.kind, decoders, &mut y);
                self.mask(&mut y, range.start);
                self.solve_row(n, &mut y);
                solved.extend(locals[range].iter().zip(y).map(|(x, y)| x - y));
            }
            solved
        });
        locals.copy_from_slice(&parts.concat());
        x
    }

    /// S⁻¹ and L⁻¹ (of S = LLᵀ), both dense. Cost: 4(Tp)³/3 flop.
    pub(crate) fn schur_inverse(&self) -> (Vec<f64>, Vec<f64>) {
        let n = self.border;
        let mut upper = vec![0.0; n * n];
        triangular::transpose(n, n, &self.schur, &mut upper);
        (0..n).for_each(|i| upper[i * n..i * n + i].fill(0.0));
        let mut root = vec![0.0; n * n];
        (0..n).for_each(|i| root[i * n + i] = 1.0);
        triangular::solve_adjoint(n, &upper, &mut root, n);
        let view = Block::new(&root, n, n, n);
        let mut inverse = vec![0.0; n * n];
        headwater_linalg::gemm::multiply(1.0, view.transposed(), view, 0.0, &mut inverse, n);
        (inverse, root)
    }
}

/// A direction v with vᵀAv < 0, ‖v‖ = 1, and that number, where A is not positive definite; `None` where it is (to rounding,
/// relative to its diagonal), or when stopped.
pub fn negative_curvature(assembly: &Assembly, frame: &Frame, crew: Crew) -> Option<(Vec<f64>, f64)> {
    let (layout, beta) = (&assembly.layout, assembly.layout.beta());
    let mut v = vec![0.0; assembly.len()];
    match factor_rows(assembly, Kind::Exact, frame, crew) {
        Err(Refusal::Row(n)) => {
            let range = layout.locals(n);
            let block = row_block(assembly, Kind::Exact, frame, floor(assembly), n);
            let (values, vectors) = eigen::symmetric(range.len(), &block)?;
            if values[0] >= 0.0 {
                return None;
            }
            v[range.clone()].copy_from_slice(&vectors[..range.len()]);
        }
        Err(_) => return None,
        Ok((rows, starts)) => {
            let (mut s, _) = schur(assembly, Kind::Exact, frame, &rows, &starts, crew)?;
            let size = assembly.decoders.len();
            for i in 0..size {
                for j in 0..i {
                    s[j * size + i] = s[i * size + j];
                }
            }
            let (values, vectors) = eigen::symmetric(size, &s)?;
            if values[0] >= 0.0 {
                return None;
            }
            v[beta..].copy_from_slice(&vectors[..size]);
            for n in 0..layout.rows() {
                let range = layout.locals(n);
                let mut y = vec![0.0; range.len()];
                assembly.view(n).border(Kind::Exact, &vectors[..size], &mut y);
                y.iter_mut().zip(&frame.free[range.clone()]).for_each(|(y, free)| *y = if *free { -*y } else { 0.0 });
                cholesky::solve(range.len(), &rows[starts[n]..starts[n + 1]], &mut y);
                v[range].copy_from_slice(&y);
            }
        }
    }
    v.iter_mut().zip(frame.free).filter(|(_, free)| !**free).for_each(|(v, _)| *v = 0.0);
    let size = inner(&v, &v).sqrt();
    v.iter_mut().for_each(|v| *v /= size);
    let curvature = inner(&v, &assembly.product(Kind::Exact, &v));
    (curvature < 0.0).then_some((v, curvature))
}

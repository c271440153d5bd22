//! Factors of A or B as an arrow: H_n = L_n L_nᵀ for every row, and the Schur complement
//! S = H_ββ − Σ E_nᵀ H_n⁻¹ E_n of the decoders.
//!
//! Rows with one support share their block of S, which is then one product XᵀX of stacked X = L_n⁻¹E_n. The general
//! [`headwater_solve::Arrow`] wants the border as a sparse matrix and the corner's columns one by one; here the border is
//! kept as factors (see [`crate::assembly`]), and rows give log-determinant and parts of the inverse.
//!
//! S is dense by connected parts (`border.rs`). Where a part has more than [`LARGEST`] elements it is not formed:
//! systems with it are solved by conjugate gradients with products S v = H_ββ v − Σ E_nᵀH_n⁻¹E_n v, preconditioned by its
//! blocks atom by atom, to 10⁻¹⁰; a direction of negative curvature that they meet is a refusal, and there is no
//! log-determinant.
//!
//! Elements that are not free are taken out: their rows and columns are those of the identity. Gauges are pinned: σqqᵀ is
//! added to S for every orthonormal direction q that the gauges have among the decoders, which changes neither solutions nor
//! decrements on the quotient.
//!
//! Cost: Σ_n q(Cp)² + Σ(Tp)³/3 flop, T the functions of a part's atoms; memory Σ(Tp)² numbers.

use std::collections::BTreeMap;

use headwater_base::parallel::{self, Crew, pairwise_sum};
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::dense::{add_scaled, inner};
use headwater_linalg::gemm::View as Block;
use headwater_linalg::{cholesky, triangular};
use headwater_solve::operator::{FnOperator, FnPreconditioner};
use headwater_solve::{Method, Reason, Settings, solve};

use crate::assembly::{Assembly, Kind};
use crate::border::{Border, BorderInverse};
use crate::objective::chunk;

/// Elements of a part of S up to which it is formed.
pub const LARGEST: usize = 2000;

/// Rows of one support whose blocks are multiplied together.
const SEGMENT: usize = 128;
/// Segments in flight: their results are added in order after each wave.
const WAVE: usize = 16;

/// Why there are no factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The block of this row is not positive definite.
    Row(usize),
    /// The Schur complement is not positive definite, or a system with it could not be solved.
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
    crew: Crew<'a>,
    kind: Kind,
    free: Vec<bool>,
    pins: Vec<Vec<f64>>,
    damping: f64,
    /// L_n of all rows, one after another, and where each begins.
    rows: Vec<f64>,
    starts: Vec<usize>,
    /// L of S, by parts.
    border: Border,
    /// The log-determinant, over the free elements, pins included; `None` where S was not formed.
    pub log_determinant: Option<f64>,
    /// σ of the pins.
    pub pinned: f64,
}

fn damp(assembly: &Assembly, damping: f64, at: usize, floor: f64) -> f64 {
    damping * assembly.diagonal[at].max(floor)
}

/// The block of row n, damped, with what is not free taken out.
pub(crate) fn row_block(assembly: &Assembly, kind: Kind, frame: &Frame, floor: f64, n: usize) -> Vec<f64> {
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

pub(crate) fn floor(assembly: &Assembly) -> f64 {
    1e-12 * assembly.diagonal.iter().copied().fold(0.0, f64::max)
}

/// L_n of all rows.
pub(crate) fn factor_rows(
    assembly: &Assembly,
    kind: Kind,
    frame: &Frame,
    crew: Crew,
) -> Result<(Vec<f64>, Vec<usize>), Refusal> {
    let rows = assembly.layout.rows();
    let (size, least) = (chunk(rows), floor(assembly));
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

/// S by parts, lower triangles, with its pins; and σ.
pub(crate) fn schur(
    assembly: &Assembly,
    kind: Kind,
    frame: &Frame,
    rows: &[f64],
    starts: &[usize],
    limit: usize,
    crew: Crew,
) -> Option<(Border, f64)> {
    let (layout, p) = (&assembly.layout, assembly.objective.problem.columns);
    let beta = layout.beta();
    let mut border = Border::new(assembly, limit);
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
            // A row of points that are on or off has no locals (q = 0), but its part of the corner.
            for (at, &n) in wave[index].iter().enumerate() {
                let x = &mut stack[at * q * width..(at + 1) * q * width];
                let view = assembly.view(n);
                view.border_block(kind, x);
                whiten(q, &rows[starts[n]..starts[n + 1]], &frame.free[layout.locals(n)], x, width);
                add_corner(&view, &mut corner);
            }
            let mut block = vec![0.0; width * width];
            let x = Block::new(&stack, wave[index].len() * q, width, width);
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
            border.add_block(&places, &block);
        }
    }
    border.add_penalties(assembly, kind);
    let least = floor(assembly);
    let damping = |at: usize| damp(assembly, frame.damping, beta + at, least);
    let sigma = border.close(&frame.free[beta..], &damping, frame.pins);
    Some((border, sigma))
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

impl<'a> Arrow<'a> {
    /// Factors A (`Kind::Exact`) or B (`Kind::Surrogate`).
    pub fn new(assembly: &'a Assembly<'a>, kind: Kind, frame: &Frame, crew: Crew<'a>) -> Result<Self, Refusal> {
        Self::within(assembly, kind, frame, LARGEST, crew)
    }

    /// As [`Arrow::new`], with S formed up to `limit` elements of a part.
    pub fn within(
        assembly: &'a Assembly<'a>,
        kind: Kind,
        frame: &Frame,
        limit: usize,
        crew: Crew<'a>,
    ) -> Result<Self, Refusal> {
        let (rows, starts) = factor_rows(assembly, kind, frame, crew)?;
        let (mut border, pinned) = schur(assembly, kind, frame, &rows, &starts, limit, crew).ok_or(Refusal::Stopped)?;
        if !border.factor(crew) {
            return Err(if crew.stopped() { Refusal::Stopped } else { Refusal::Schur });
        }
        let diagonal = |l: &[f64], n: usize| (0..n).map(|i| l[i * n + i].ln()).sum::<f64>();
        let mut logs: Vec<f64> = (0..assembly.layout.rows())
            .map(|n| diagonal(&rows[starts[n]..starts[n + 1]], assembly.layout.locals(n).len()))
            .collect();
        logs.extend(border.logs());
        let log_determinant = border.whole.then(|| 2.0 * pairwise_sum(&logs));
        let (free, pins, damping) = (frame.free.to_vec(), frame.pins.to_vec(), frame.damping);
        Ok(Self { assembly, crew, kind, free, pins, damping, rows, starts, border, log_determinant, pinned })
    }

    /// With S as it is: for products with H_n⁻¹E_n, and for solves if it is factored and not whole.
    pub(crate) fn unfinished(
        assembly: &'a Assembly<'a>,
        kind: Kind,
        frame: &Frame,
        crew: Crew<'a>,
        (rows, starts): (Vec<f64>, Vec<usize>),
        (border, pinned): (Border, f64),
    ) -> Self {
        let (free, pins, damping) = (frame.free.to_vec(), frame.pins.to_vec(), frame.damping);
        Self { assembly, crew, kind, free, pins, damping, rows, starts, border, log_determinant: None, pinned }
    }

    /// L_n.
    pub(crate) fn row_factor(&self, n: usize) -> &[f64] {
        &self.rows[self.starts[n]..self.starts[n + 1]]
    }

    fn mask(&self, x: &mut [f64], first: usize) {
        x.iter_mut().zip(&self.free[first..]).filter(|(_, free)| !**free).for_each(|(x, _)| *x = 0.0);
    }

    /// Calls `work(chunk of rows)` for all chunks.
    fn by_chunks<T: Send>(&self, work: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
        let rows = self.assembly.layout.rows();
        let size = chunk(rows);
        parallel::map(self.assembly.threads, rows.div_ceil(size), |index| {
            work(index * size..rows.min((index + 1) * size))
        })
    }

    /// H_n⁻¹E_n v of all rows.
    pub(crate) fn pulled(&self, v: &[f64]) -> Vec<f64> {
        let layout = &self.assembly.layout;
        let parts = self.by_chunks(|rows| {
            let mut out = Vec::new();
            for n in rows {
                let range = layout.locals(n);
                let mut y = vec![0.0; range.len()];
                self.assembly.view(n).border(self.kind, v, &mut y);
                self.mask(&mut y, range.start);
                cholesky::solve(y.len(), self.row_factor(n), &mut y);
                out.extend(y);
            }
            out
        });
        parts.concat()
    }

    /// S v, not formed.
    fn schur_product(&self, v: &[f64], out: &mut [f64]) {
        let beta = self.assembly.layout.beta();
        let mut whole: Vec<f64> = self.pulled(v).iter().map(|y| -y).collect();
        whole.extend_from_slice(v);
        self.mask(&mut whole, 0);
        out.copy_from_slice(&self.assembly.product(self.kind, &whole)[beta..]);
        let least = floor(self.assembly);
        for (i, x) in out.iter_mut().enumerate() {
            *x += damp(self.assembly, self.damping, beta + i, least) * v[i];
        }
        for pin in &self.pins {
            add_scaled(self.pinned * inner(pin, v), pin, out);
        }
        (0..out.len()).filter(|&i| !self.free[beta + i]).for_each(|i| out[i] = v[i]);
    }

    /// S⁻¹b by conjugate gradients; a direction in which S is not positive, where one is met.
    fn iterate(&self, b: &[f64]) -> Result<Vec<f64>, Option<Vec<f64>>> {
        let operator = FnOperator { size: b.len(), apply: |v: &[f64], out: &mut [f64]| self.schur_product(v, out) };
        let blocks = FnPreconditioner(|r: &[f64], z: &mut [f64]| {
            z.copy_from_slice(r);
            self.border.solve(z);
        });
        let settings = Settings { rtol: 1e-10, probe: false, ..Settings::default() };
        let control = self.crew.control.silent();
        let found = solve(Method::Cg, &operator, Some(&blocks), b, &settings, control).expect("sizes that fit");
        match found.reason {
            reason if reason.converged() => Ok(found.x),
            Reason::IndefiniteOperator => Err(found.direction),
            _ => Err(None),
        }
    }

    /// The solution of Hx = b over the free elements; 0 for the others. Refused only where S was not formed.
    pub fn solve(&self, b: &[f64]) -> Result<Vec<f64>, Refusal> {
        let layout = &self.assembly.layout;
        let beta = layout.beta();
        let mut x = b.to_vec();
        self.mask(&mut x, 0);
        let parts = self.by_chunks(|rows| {
            let (mut solved, mut border) = (Vec::new(), vec![0.0; b.len() - beta]);
            for n in rows {
                let mut y = x[layout.locals(n)].to_vec();
                cholesky::solve(y.len(), self.row_factor(n), &mut y);
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
        if self.border.whole {
            self.border.solve(decoders);
        } else {
            let stopped = |_| if self.crew.stopped() { Refusal::Stopped } else { Refusal::Schur };
            decoders.copy_from_slice(&self.iterate(decoders).map_err(stopped)?);
        }
        add_scaled(-1.0, &self.pulled(decoders), locals);
        Ok(x)
    }

    /// S⁻¹ and L⁻¹ by parts; S must have been formed.
    pub(crate) fn border_inverse(&self) -> BorderInverse<'_> {
        self.border.inverse(&self.free[self.assembly.layout.beta()..])
    }

    /// A direction of the decoders in which S, not formed, is not positive: from a solve for a fixed random vector.
    pub(crate) fn bent(&self) -> Option<Vec<f64>> {
        let mut random = Stream::new(2, Purpose::Probe, 0);
        let mut b: Vec<f64> = (0..self.assembly.decoders.len()).map(|_| random.normal()).collect();
        self.mask(&mut b, self.assembly.layout.beta());
        self.iterate(&b).err().flatten()
    }
}

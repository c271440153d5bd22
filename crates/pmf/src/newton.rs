//! The second-order finish: a Newton method on the short factor whose subproblem keeps both bounds.
//!
//! Outer step, at H with W the exact minimiser: minimise the quadratic model φ(δ) of [`crate::model`] over
//! H + δ >= 0, gauges sliced by Σ_j d_jk h_jk δ_jk = 0 for every free scale; then H ← H + δ, W solved anew.
//! The subproblem is piecewise quadratic and is solved by a semismooth Newton method: on the current piece
//! (passive sets of the long members, free set of δ) solve S_FF s = −½∇φ_F by Cholesky, search along the
//! projected path, exchange P of the members whose passive set changed.
//! If S is not positive definite on a visited piece, μD is added (D the diagonal of B) and the step carries
//! no certificate; likewise if a step does not deliver what the model promised.
//!
//! −φ(δ) of an unshifted subproblem is λ²_J, the decrease predicted with the bounds of both blocks kept.
//! Cost: one formation of S (see [`crate::schur`]) an outer step; (np)³/3 flop an inner one.

use crate::model::{Evaluation, Model};
use crate::schur::Schur;
use headwater_linalg::{LANES, cholesky, packed, packed_len};

/// Weight of the slice's penalty in the unit-diagonal matrix: makes the gauge directions definite.
const SLICE: f64 = 1.0;

/// The Schur complement of a model, kept at some passive sets of the long members.
pub struct Reduced<'m, 'a> {
    pub model: &'m Model<'a>,
    schur: Schur,
    passive: Vec<f64>,
}

/// How a subproblem is to be solved.
pub struct Request {
    /// First shift.
    pub shift: f64,
    /// Largest shift.
    pub most: f64,
    /// A piece that promises less than this (in units of Q) …
    pub tolerance: f64,
    /// … or less than this share of the decrease so far ends the search.
    pub relative: f64,
    /// Whether the long factor is the exact minimiser for the short one.
    pub exact: bool,
}

impl Request {
    /// The unshifted subproblem of an exact point, solved closely.
    pub fn close(tolerance: f64) -> Self {
        Self { shift: 0.0, most: 0.0, tolerance, relative: 1e-4, exact: true }
    }
}

/// Where a subproblem ended.
pub struct Step {
    pub delta: Vec<f64>,
    /// −φ(δ) (without the shift's term).
    pub decrement: f64,
    /// Whether the last piece promised less than the tolerance.
    pub solved: bool,
    /// The shift it ended with.
    pub shift: f64,
}

impl<'m, 'a> Reduced<'m, 'a> {
    /// Forms S at the model's own passive sets.
    pub fn new(model: &'m Model<'a>) -> Self {
        let mut schur = Schur::new(model.n, model.p);
        let list: Vec<usize> = (0..model.problem.long.count).collect();
        let inverse = model.inverses(&list, model.passive);
        schur.add(&model.members(), &list, &inverse, model.threads);
        Self { model, schur, passive: model.passive.to_vec() }
    }

    /// Moves S to other passive sets: adds the difference of P for the members that changed.
    pub fn move_to(&mut self, passive: &[f64]) {
        let lane = self.model.p * LANES;
        let mut list = Vec::new();
        for (block, (old, new)) in self.passive.chunks_exact(lane).zip(passive.chunks_exact(lane)).enumerate() {
            if old == new {
                continue;
            }
            for e in 0..LANES.min(self.model.problem.long.count - block * LANES) {
                if (0..self.model.p).any(|k| old[k * LANES + e] != new[k * LANES + e]) {
                    list.push(block * LANES + e);
                }
            }
        }
        if list.is_empty() {
            return;
        }
        let mut inverse = self.model.inverses(&list, passive);
        for (new, old) in inverse.iter_mut().zip(self.model.inverses(&list, &self.passive)) {
            *new -= old;
        }
        self.schur.add(&self.model.members(), &list, &inverse, self.model.threads);
        self.passive.copy_from_slice(passive);
    }

    /// S restricted to `free`, scaled to unit diagonal of B, lower triangle (the upper is left 0).
    pub fn matrix(&self, free: &[usize], shift: f64) -> Vec<f64> {
        let (p, size) = (self.model.p, free.len());
        let scale: Vec<f64> = free.iter().map(|&a| inverse_root(self.model.d[a])).collect();
        let mut s = vec![0.0; size * size];
        for (r, &a) in free.iter().enumerate() {
            let (j, l) = (a / p, a % p);
            for (c, &b) in free[..=r].iter().enumerate() {
                let (jj, ll) = (b / p, b % p);
                let mut value = -self.schur.element(j, l, jj, ll);
                if j == jj {
                    let pair = if l >= ll { packed(l, ll) } else { packed(ll, l) };
                    value += self.model.b_short[j * packed_len(p) + pair];
                }
                s[r * size + c] = value * scale[r] * scale[c];
            }
            s[r * size + r] += shift;
        }
        s
    }

    /// Unit vectors of the sliced gauges on `free`, in the scaling of [`Self::matrix`]: one row a gauge.
    pub fn gauges(&self, free: &[usize]) -> Vec<f64> {
        gauge_rows(self.model, free)
    }

    /// Minimises the model plus shift · δᵀDδ under the bounds. The shift begins at `request.shift` and is raised
    /// tenfold, from where the search stands, whenever S is not positive definite on a visited piece; `None` if it
    /// would exceed `request.most`.
    pub fn minimise(&mut self, request: &Request, cancelled: &dyn Fn() -> bool) -> Option<Step> {
        let model = self.model;
        let (h, bounded) = (&model.short.rows, model.short.bounded);
        let size = h.len();
        let mut shift = request.shift;
        let mut delta = vec![0.0; size];
        let mut plain = if request.exact { model.here() } else { model.evaluate(&delta, model.passive) };
        let mut now = self.shifted(&plain, &delta, shift);
        let mut at_bound: Vec<bool> = (0..size).map(|a| bounded && h[a] <= 0.0 && now.0[a] >= 0.0).collect();
        let mut solved = false;
        // What the last piece still promises; part of the decrement, though its step is not worth an evaluation.
        let mut rest = 0.0;
        // A far subproblem needs a way down, not the exact minimiser of each piece.
        let rough = request.relative > 1e-3;
        for _ in 0..80 {
            if cancelled() {
                break;
            }
            self.move_to(&plain.passive);
            let step = loop {
                if let Some(step) = self.piece(&now.0, &delta, shift, rough, &mut at_bound) {
                    break step;
                }
                shift = if shift == 0.0 { 1e-6 } else { shift * 10.0 };
                if shift > request.most {
                    return None;
                }
                now = self.shifted(&plain, &delta, shift);
            };
            if step.promise <= request.tolerance + request.relative * -now.1 {
                solved = step.solved;
                rest = step.promise.max(0.0);
                break;
            }
            let slope: f64 = step.change.iter().zip(&now.0).map(|(s, g)| 2.0 * s * g).sum();
            let mut t = 1.0;
            let mut next = None;
            for _ in 0..25 {
                let trial: Vec<f64> = (0..size)
                    .map(|a| {
                        let value = delta[a] + t * step.change[a];
                        if bounded && (h[a] + value <= 0.0 || (t == 1.0 && step.solved && at_bound[a])) {
                            -h[a]
                        } else {
                            value
                        }
                    })
                    .collect();
                let there = model.evaluate(&trial, &plain.passive);
                let with_shift = self.shifted(&there, &trial, shift);
                if with_shift.1 <= now.1 + 1e-4 * t * slope.min(0.0) && with_shift.1.is_finite() {
                    next = Some((trial, there, with_shift));
                    break;
                }
                t *= 0.5;
            }
            let Some((trial, there, with_shift)) = next else { break };
            let gain = now.1 - with_shift.1;
            (delta, plain, now) = (trial, there, with_shift);
            if gain <= 1e-3 * request.tolerance {
                break;
            }
        }
        Some(Step { decrement: rest - plain.value, delta, solved, shift })
    }

    /// Gradient and value with the shift's term.
    fn shifted(&self, at: &Evaluation, delta: &[f64], shift: f64) -> (Vec<f64>, f64) {
        let mut out = (at.gradient.clone(), at.value);
        if shift > 0.0 {
            for ((g, x), d) in out.0.iter_mut().zip(delta).zip(&self.model.d) {
                *g += shift * d * x;
                out.1 += shift * d * x * x;
            }
        }
        out
    }

    /// Minimises the quadratic of the current piece, 2g·s + sᵀSs, over h + δ + s >= 0 and within the slice, by an
    /// active-set method from the given bound set (which is left at the solution's). `None` if S is not positive
    /// definite on a free set that is visited. With `rough`, any feasible descent will do.
    fn piece(&self, gradient: &[f64], delta: &[f64], shift: f64, rough: bool, at_bound: &mut [bool]) -> Option<Piece> {
        let model = self.model;
        let h = &model.short.rows;
        let all: Vec<usize> = (0..gradient.len()).filter(|&a| model.d[a] > 0.0).collect();
        let size = all.len();
        let root: Vec<f64> = all.iter().map(|&a| model.d[a].sqrt()).collect();
        let mut matrix = self.matrix(&all, shift);
        for r in 0..size {
            for c in 0..r {
                matrix[c * size + r] = matrix[r * size + c];
            }
        }
        // Scaled unknowns y = √d s, lower bounds, gradient, and the distance of δ from the slice.
        let lower: Vec<f64> = all.iter().zip(&root).map(|(&a, r)| -(h[a] + delta[a]).max(0.0) * r).collect();
        let g: Vec<f64> = all.iter().zip(&root).map(|(&a, r)| gradient[a] / r).collect();
        let gauges = self.gauges(&all);
        let count = gauges.len() / size.max(1);
        let moved: Vec<f64> = all.iter().zip(&root).map(|(&a, r)| delta[a] * r).collect();
        let mut bound: Vec<bool> = all.iter().map(|&a| at_bound[a] && model.short.bounded).collect();
        let mut releases = 0;
        let mut first = None;
        let mut y = vec![0.0; size];
        for _ in 0..100 {
            let free: Vec<usize> = (0..size).filter(|&r| !bound[r]).collect();
            for r in 0..size {
                y[r] = if bound[r] { lower[r] } else { 0.0 };
            }
            let image = product(&matrix, &y);
            let nf = free.len();
            let mut block = vec![0.0; nf * nf];
            for (r, &a) in free.iter().enumerate() {
                for (c, &b) in free[..=r].iter().enumerate() {
                    block[r * nf + c] = matrix[a * size + b];
                }
            }
            let slice: Vec<Vec<f64>> =
                gauges.chunks_exact(size.max(1)).map(|row| free.iter().map(|&a| row[a]).collect()).collect();
            for c in &slice {
                for r in 0..nf {
                    if c[r] != 0.0 {
                        for k in 0..=r {
                            block[r * nf + k] += SLICE * c[r] * c[k];
                        }
                    }
                }
            }
            if !cholesky::factor(nf, &mut block) {
                return None;
            }
            let mut step: Vec<f64> = free.iter().map(|&a| -g[a] - image[a]).collect();
            cholesky::solve(nf, &block, &mut step);
            // Slice: c·(δ + s) = 0 exactly, by the bordered system; ν are its multipliers.
            let mut nu: Vec<f64> = (0..count)
                .map(|k| {
                    let row = &gauges[k * size..(k + 1) * size];
                    dot(row, &moved) + dot(row, &y) + dot(&slice[k], &step)
                })
                .collect();
            let columns: Vec<Vec<f64>> = slice
                .iter()
                .map(|c| {
                    let mut column = c.clone();
                    cholesky::solve(nf, &block, &mut column);
                    column
                })
                .collect();
            let mut border = vec![0.0; count * count];
            for r in 0..count {
                for c in 0..=r {
                    border[r * count + c] = dot(&slice[r], &columns[c]);
                }
            }
            if count > 0 && cholesky::factor(count, &mut border) {
                cholesky::solve(count, &border, &mut nu);
                for (nu, column) in nu.iter().zip(&columns) {
                    for (s, c) in step.iter_mut().zip(column) {
                        *s -= nu * c;
                    }
                }
            } else {
                nu.fill(0.0);
            }
            for (&a, s) in free.iter().zip(&step) {
                y[a] = *s;
            }
            let image = product(&matrix, &y);
            if first.is_none() {
                // The step on the free set as it was: for the search along the projected path, if all else fails.
                let mut change = vec![0.0; gradient.len()];
                for &r in &free {
                    change[all[r]] = y[r] / root[r];
                }
                let promise = -free.iter().map(|&r| g[r] * y[r]).sum::<f64>();
                first = Some((Piece { change, promise, solved: false }, bound.clone()));
            }
            // First everything that would leave the bounds is held there, which only shrinks the free set; then what
            // is pulled off a bound is let go, one at a time once that has been done a few times.
            let out: Vec<usize> = (0..size).filter(|&r| model.short.bounded && !bound[r] && y[r] < lower[r]).collect();
            for &r in &out {
                bound[r] = true;
            }
            if !out.is_empty() {
                continue;
            }
            let pull = |r: usize| g[r] + image[r] + (0..count).map(|k| nu[k] * gauges[k * size + r]).sum::<f64>();
            let mut pulled: Vec<(usize, f64)> =
                (0..size).filter(|&r| bound[r]).map(|r| (r, pull(r))).filter(|(_, pull)| *pull < 0.0).collect();
            releases += 1;
            let promise = -(2.0 * dot(&g, &y) + dot(&y, &image));
            let descends = promise > 0.0 && dot(&g, &y) < 0.0;
            if !pulled.is_empty() && releases <= 12 && !(rough && descends) {
                if releases > 4 {
                    pulled.sort_by(|a, b| a.1.total_cmp(&b.1));
                    pulled.truncate(1);
                }
                for (r, _) in pulled {
                    bound[r] = false;
                }
                continue;
            }
            if !pulled.is_empty() && !descends {
                break;
            }
            for &(r, _) in &pulled {
                bound[r] = false;
            }
            let mut change = vec![0.0; gradient.len()];
            for (r, &a) in all.iter().enumerate() {
                change[a] = y[r] / root[r];
                at_bound[a] = bound[r];
            }
            return Some(Piece { change, promise, solved: pulled.is_empty() });
        }
        first.map(|(piece, bound)| {
            all.iter().zip(bound).for_each(|(&a, b)| at_bound[a] = b);
            piece
        })
    }
}

/// The minimiser of a piece's quadratic under the bounds, and the decrease that it promises.
struct Piece {
    change: Vec<f64>,
    promise: f64,
    /// Whether it is the minimiser, and not only a feasible point below.
    solved: bool,
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// Matrix (square, row-major) times vector.
fn product(matrix: &[f64], y: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; y.len()];
    cholesky::product(matrix, y, &mut out);
    out
}

/// 1/√d, and 0 for an element that the data cannot tell.
pub fn inverse_root(d: f64) -> f64 {
    if d > 0.0 { 1.0 / d.sqrt() } else { 0.0 }
}

/// Rows D^½h_k (factor k's scale gauge) on `elements`, normalised; p² rows D^½h_k in slot l where both factors are
/// free of bounds (the gauge is then any invertible mixing).
fn gauge_rows(model: &Model, elements: &[usize]) -> Vec<f64> {
    let p = model.p;
    let h = &model.short.rows;
    let mixing = !model.bounded_long && !model.short.bounded;
    let mut rows = Vec::new();
    for slot in 0..p {
        for source in 0..p {
            if source != slot && !mixing {
                continue;
            }
            let entry = |a: usize| if a % p == slot { h[a / p * p + source] * model.d[a].sqrt() } else { 0.0 };
            let norm = elements.iter().map(|&a| entry(a).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 {
                rows.extend(elements.iter().map(|&a| entry(a) / norm));
            }
        }
    }
    rows
}

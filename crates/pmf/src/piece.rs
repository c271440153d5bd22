//! One piece of the subproblem by dense factorisations: 2g·s + sᵀSs over the bounds, by an active-set method.

use crate::newton::Piece;
use crate::reduced::Reduced;
use headwater_linalg::{cholesky, dense};

/// Weight of the slice's penalty in the unit-diagonal matrix: makes the gauge directions definite.
const SLICE: f64 = 1.0;

impl Reduced<'_, '_> {
    /// Minimises the quadratic of the current piece, 2g·s + sᵀSs, over h + δ + s >= 0 and within the slice, by an
    /// active-set method from the given bound set (which is left at the solution's). `None` if S is not positive
    /// definite on a free set that is visited. With `rough`, any feasible descent will do.
    pub fn dense_piece(
        &self,
        gradient: &[f64],
        delta: &[f64],
        shift: f64,
        rough: bool,
        at_bound: &mut [bool],
    ) -> Option<Piece> {
        let model = self.model;
        let h = &model.short.rows;
        let all: Vec<usize> = (0..gradient.len()).filter(|&a| model.d[a] > 0.0).collect();
        // Scaled unknowns y = √d s, lower bounds, gradient, and the distance of δ from the slice.
        let root: Vec<f64> = all.iter().map(|&a| model.d[a].sqrt()).collect();
        let mut matrix = self.matrix(&all, shift);
        mirror(&mut matrix, all.len());
        let quadratic = Quadratic {
            size: all.len(),
            matrix,
            gradient: all.iter().zip(&root).map(|(&a, r)| gradient[a] / r).collect(),
            lower: all.iter().zip(&root).map(|(&a, r)| -(h[a] + delta[a]).max(0.0) * r).collect(),
            gauges: self.gauges(&all),
            moved: all.iter().zip(&root).map(|(&a, r)| delta[a] * r).collect(),
            bounded: model.short.bounded,
        };
        let mut bound: Vec<bool> = all.iter().map(|&a| at_bound[a] && model.short.bounded).collect();
        let minimum = quadratic.minimise(&mut bound, rough, &|| model.crew.stopped())?;
        let mut change = vec![0.0; gradient.len()];
        for (r, &a) in all.iter().enumerate() {
            change[a] = minimum.y[r] / root[r];
            at_bound[a] = bound[r];
        }
        Some(Piece { change, promise: minimum.promise, residual: 0.0, solved: minimum.solved })
    }
}

/// Fills the upper triangle of a matrix whose lower one is given.
pub fn mirror(matrix: &mut [f64], size: usize) {
    for r in 0..size {
        for c in 0..r {
            matrix[c * size + r] = matrix[r * size + c];
        }
    }
}

/// 2g·y + yᵀMy over y >= lower, within the slice c·(moved + y) = 0 for every row c of `gauges`.
pub struct Quadratic {
    pub size: usize,
    /// Symmetric, row-major.
    pub matrix: Vec<f64>,
    pub gradient: Vec<f64>,
    pub lower: Vec<f64>,
    pub gauges: Vec<f64>,
    pub moved: Vec<f64>,
    pub bounded: bool,
}

/// Where it is least.
pub struct Minimum {
    pub y: Vec<f64>,
    /// What the quadratic falls by.
    pub promise: f64,
    /// Whether it is the minimiser, and not only a feasible point below.
    pub solved: bool,
}

impl Quadratic {
    /// By an active-set method from the bound set `bound`, which is left at the solution's. `None` if M is not
    /// positive definite on a free set that is visited, or if `stop` says so.
    pub fn minimise(&self, bound: &mut Vec<bool>, rough: bool, stop: &dyn Fn() -> bool) -> Option<Minimum> {
        let Self { size, ref matrix, gradient: ref g, ref lower, ref gauges, ref moved, bounded } = *self;
        let count = gauges.len() / size.max(1);
        let mut releases = 0;
        let mut first = None;
        let mut y = vec![0.0; size];
        for _ in 0..100 {
            let free: Vec<usize> = (0..size).filter(|&r| !bound[r]).collect();
            for r in 0..size {
                y[r] = if bound[r] { lower[r] } else { 0.0 };
            }
            let image = product(matrix, &y);
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
            if !cholesky::factor_unless(nf, &mut block, stop) {
                return None;
            }
            let mut step: Vec<f64> = free.iter().map(|&a| -g[a] - image[a]).collect();
            cholesky::solve(nf, &block, &mut step);
            // Slice: c·(δ + s) = 0 exactly, by the bordered system; ν are its multipliers.
            let mut nu: Vec<f64> = (0..count)
                .map(|k| {
                    let row = &gauges[k * size..(k + 1) * size];
                    dot(row, moved) + dot(row, &y) + dot(&slice[k], &step)
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
                if border[r * count + r] == 0.0 {
                    // Nothing free is on it.
                    (border[r * count + r], nu[r]) = (1.0, 0.0);
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
            // The penalty's part of the multipliers: what is held at its bound moves the slice away from c·s = 0.
            for (nu, c) in nu.iter_mut().zip(&slice) {
                *nu += SLICE * dot(c, &step);
            }
            for (&a, s) in free.iter().zip(&step) {
                y[a] = *s;
            }
            let image = product(matrix, &y);
            if first.is_none() {
                // The step on the free set as it was: for the search along the projected path, if all else fails.
                let mut change = vec![0.0; size];
                for &r in &free {
                    change[r] = y[r];
                }
                let promise = -free.iter().map(|&r| g[r] * y[r]).sum::<f64>();
                first = Some((Minimum { y: change, promise, solved: false }, bound.clone()));
            }
            // First everything that would leave the bounds is held there, which only shrinks the free set; then what
            // is pulled off a bound is let go, one at a time once that has been done a few times.
            let out: Vec<usize> = (0..size).filter(|&r| bounded && !bound[r] && y[r] < lower[r]).collect();
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
            let promise = -(2.0 * dot(g, &y) + dot(&y, &image));
            let descends = promise > 0.0 && dot(g, &y) < 0.0;
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
            return Some(Minimum { y, promise, solved: pulled.is_empty() });
        }
        first.map(|(minimum, at)| {
            *bound = at;
            minimum
        })
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// Matrix (square, row-major) times vector.
fn product(matrix: &[f64], y: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; y.len()];
    dense::product(matrix, y, &mut out);
    out
}

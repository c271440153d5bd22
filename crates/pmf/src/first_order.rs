//! First-order measures of a point: what single coordinates and single blocks could still gain.
//!
//! For one factor X with half-gradient g and curvatures d (diagonal of its normal equations):
//! E = Σ (2gs − ds²), s = min(g/d, x) (s = g/d without a bound);
//! block gap = Q − min over X alone = −Σ_i min_{x >= 0} [ dxᵀA dx + 2 dxᵀg ], dx = x − x_i.
//! With a robust loss E takes d from the majorant, so that it is a decrease that can be had, and the block gap is
//! measured by minimising. Both are 0 exactly at the points that meet the optimality conditions of X, and do not depend on the
//! scaling of the factors. g comes from residuals, so neither suffers from cancellation.

use crate::block::{Factor, PIECE};
use crate::kernels;
use crate::loss::{self, Assessment};
use crate::model::quadratic;
use crate::problem::Side;
use headwater_base::parallel;
use headwater_linalg::{LANES, gram, nnls, packed, packed_len};

/// Measures of one factor at a point.
#[derive(Clone, Debug, Default)]
pub struct FirstOrder {
    /// E of this factor.
    pub coordinate_gap: f64,
    /// Block gap of this factor.
    pub block_gap: f64,
    /// g²/d of every element that is at its bound, for counting weakly active ones.
    pub multipliers: Vec<f64>,
    /// Elements off their bounds.
    pub free: usize,
    /// Members with fewer independent cells than passive factors (their minimiser is not unique).
    pub dependent: Vec<usize>,
    /// Largest variance inflation A_kk (A_FF⁻¹)_kk: a measure of the condition of the passive systems.
    pub inflation: f64,
    /// Q by residuals.
    pub q: f64,
}

/// Computes the measures of `factor` at fixed `design`. Cost: about one sweep.
pub fn measure(side: &Side, factor: &Factor, design: &[f64], threads: usize) -> FirstOrder {
    let p = factor.p;
    let (pairs, lane) = (packed_len(p) * LANES, p * LANES);
    let blocks = side.blocks();
    let parts = parallel::map(threads, blocks.div_ceil(PIECE), |piece| {
        let mut tally = Tally::new(p, factor.bounded);
        let (mut a, mut exact) = (vec![0.0; pairs], vec![0.0; pairs]);
        let [mut w, mut g, mut b] = [(); 3].map(|()| vec![0.0; lane]);
        let nothing = vec![0.0; lane];
        let mut cells = Assessment::new(side);
        for block in piece * PIECE..((piece + 1) * PIECE).min(blocks) {
            let value = side.value_block(block);
            factor.lanes(block, &mut w);
            tally.q.push(parallel::pairwise_sum(&cells.at(side, block, p, &w, design)));
            gram::normal_equations(p, &cells.majorant, value, design, &mut a, &mut b);
            g.fill(0.0);
            kernels::couple(p, &cells.u, &cells.u, &nothing, design, design, &mut g);
            g.iter_mut().for_each(|g| *g = -*g);
            if side.squares() {
                exact.copy_from_slice(&a);
            } else {
                gram::normal_equations(p, &cells.curvature, value, design, &mut exact, &mut b);
            }
            let first = block * LANES;
            let short_of_cells = |e: usize| too_few_cells(side, factor, design, block, e);
            tally.add(first, LANES.min(factor.count - first), [&a, &exact], &w, &g, &short_of_cells);
            if side.squares() {
                tally.solve(&a, &w, &g);
            } else {
                tally.gap.push(loss::block_gap(side, block, p, &w, design, factor.bounded));
            }
        }
        tally.end()
    });
    let mut all = FirstOrder::default();
    let sum = |f: &dyn Fn(&FirstOrder) -> f64| parallel::pairwise_sum(&parts.iter().map(f).collect::<Vec<_>>());
    all.coordinate_gap = sum(&|part| part.coordinate_gap);
    all.block_gap = sum(&|part| part.block_gap);
    all.q = sum(&|part| part.q);
    for part in parts {
        all.free += part.free;
        all.inflation = all.inflation.max(part.inflation);
        all.multipliers.extend(part.multipliers);
        all.dependent.extend(part.dependent);
    }
    all
}

/// The measures of a factor (count × p) for which the normal matrices (count × packed) and half-gradients (count × p) of
/// the sum of squares are known, however they were summed. `q` is left 0.
pub fn of_sums(factor: &Factor, matrices: &[f64], gradient: &[f64]) -> FirstOrder {
    let (p, pairs) = (factor.p, packed_len(factor.p));
    let mut tally = Tally::new(p, factor.bounded);
    let mut a = vec![0.0; pairs * LANES];
    let [mut w, mut g] = [(); 2].map(|()| vec![0.0; p * LANES]);
    for first in (0..factor.count).step_by(LANES) {
        let members = LANES.min(factor.count - first);
        factor.lanes(first / LANES, &mut w);
        a.fill(0.0);
        g.fill(0.0);
        for e in 0..members {
            (0..pairs).for_each(|at| a[at * LANES + e] = matrices[(first + e) * pairs + at]);
            (0..p).for_each(|k| g[k * LANES + e] = gradient[(first + e) * p + k]);
        }
        tally.add(first, members, [&a, &a], &w, &g, &|_| false);
        tally.solve(&a, &w, &g);
    }
    tally.end()
}

/// Measures of the members so far, and scratch for the next block.
struct Tally {
    p: usize,
    bounded: bool,
    out: FirstOrder,
    e: Vec<f64>,
    gap: Vec<f64>,
    q: Vec<f64>,
    inverse: Vec<f64>,
    b: Vec<f64>,
    x: Vec<f64>,
    passive: Vec<f64>,
    scratch: nnls::Scratch,
}

impl Tally {
    fn new(p: usize, bounded: bool) -> Self {
        let lane = || vec![0.0; p * LANES];
        Self {
            p,
            bounded,
            out: FirstOrder::default(),
            e: Vec::new(),
            gap: Vec::new(),
            q: Vec::new(),
            inverse: vec![0.0; packed_len(p) * LANES],
            b: lane(),
            x: lane(),
            passive: lane(),
            scratch: nnls::Scratch::new(p),
        }
    }

    /// A block of `members` from number `first`, by its majorant's and its exact normal matrix, all in lanes.
    fn add(
        &mut self,
        first: usize,
        members: usize,
        [a, exact]: [&[f64]; 2],
        w: &[f64],
        g: &[f64],
        short_of_cells: &dyn Fn(usize) -> bool,
    ) {
        let p = self.p;
        for k in 0..p {
            for e in 0..LANES {
                let at = k * LANES + e;
                let d = a[packed(k, k) * LANES + e];
                self.passive[at] = f64::from(u8::from(!self.bounded || w[at] > 0.0));
                if d <= 0.0 || e >= members {
                    continue;
                }
                let s = if self.bounded { (g[at] / d).min(w[at]) } else { g[at] / d };
                self.e.push(2.0 * g[at] * s - d * s * s);
                if self.passive[at] == 1.0 {
                    self.out.free += 1;
                } else {
                    self.out.multipliers.push(g[at] * g[at] / d);
                }
            }
        }
        nnls::masked_inverse(p, exact, &self.passive, &mut self.inverse, &mut self.scratch);
        for e in 0..members {
            let mut dependent = false;
            for k in 0..p {
                let at = packed(k, k) * LANES + e;
                if self.passive[k * LANES + e] == 1.0 && a[at] > 0.0 {
                    dependent |= self.inverse[at] <= 0.0;
                    self.out.inflation = self.out.inflation.max(exact[at] * self.inverse[at]);
                }
            }
            if dependent || short_of_cells(e) {
                self.out.dependent.push(first + e);
            }
        }
    }

    /// The gap of the block that was added last, from its normal matrix.
    fn solve(&mut self, a: &[f64], w: &[f64], g: &[f64]) {
        let p = self.p;
        for k in 0..p {
            for e in 0..LANES {
                let at = k * LANES + e;
                // b of the system whose unknown is x: A w − g.
                self.b[at] = -g[at];
                for l in 0..p {
                    let pair = if l <= k { packed(k, l) } else { packed(l, k) };
                    self.b[at] += a[pair * LANES + e] * w[l * LANES + e];
                }
            }
        }
        nnls::solve(p, a, &self.b, self.bounded, &mut self.passive, &mut self.x, &mut self.scratch);
        self.x.iter_mut().zip(w).for_each(|(x, w)| *x -= w);
        self.gap.push(-quadratic(p, a, &self.x, g));
    }

    fn end(self) -> FirstOrder {
        let mut out = self.out;
        out.coordinate_gap = parallel::pairwise_sum(&self.e);
        out.block_gap = parallel::pairwise_sum(&self.gap);
        out.q = parallel::pairwise_sum(&self.q);
        out
    }
}

/// Whether a member with data has fewer cells with weight than factors that occur in them.
fn too_few_cells(side: &Side, factor: &Factor, design: &[f64], block: usize, lane: usize) -> bool {
    let p = factor.p;
    if !side.present[block * LANES + lane] {
        return false;
    }
    let omega = side.omega_block(block);
    let cells: Vec<usize> = (0..side.inner).filter(|&t| omega[t * LANES + lane] > 0.0).collect();
    let occurring = (0..p).filter(|&k| cells.iter().any(|&t| design[t * p + k] != 0.0)).count();
    cells.len() < occurring
}

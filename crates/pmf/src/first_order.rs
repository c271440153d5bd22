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
        let mut out = FirstOrder::default();
        let (mut a, mut inverse) = (vec![0.0; pairs], vec![0.0; pairs]);
        let mut scratch = nnls::Scratch::new(p);
        let [mut w, mut g, mut b, mut x, mut passive] = [(); 5].map(|()| vec![0.0; lane]);
        let nothing = vec![0.0; lane];
        let mut cells = Assessment::new(side);
        let mut exact = a.clone();
        let (mut e, mut gap, mut q) = (Vec::new(), Vec::new(), Vec::new());
        for block in piece * PIECE..((piece + 1) * PIECE).min(blocks) {
            let value = side.value_block(block);
            factor.lanes(block, &mut w);
            q.push(parallel::pairwise_sum(&cells.at(side, block, p, &w, design)));
            gram::normal_equations(p, &cells.majorant, value, design, &mut a, &mut b);
            g.fill(0.0);
            kernels::couple(p, &cells.u, &cells.u, &nothing, design, design, &mut g);
            g.iter_mut().for_each(|g| *g = -*g);
            for k in 0..p {
                for lane in 0..LANES {
                    let at = k * LANES + lane;
                    let d = a[packed(k, k) * LANES + lane];
                    passive[at] = f64::from(u8::from(!factor.bounded || w[at] > 0.0));
                    // b of the system whose unknown is x: A w − g.
                    b[at] = -g[at];
                    for l in 0..p {
                        let pair = if l <= k { packed(k, l) } else { packed(l, k) };
                        b[at] += a[pair * LANES + lane] * w[l * LANES + lane];
                    }
                    if d <= 0.0 || block * LANES + lane >= factor.count {
                        continue;
                    }
                    let s = if factor.bounded { (g[at] / d).min(w[at]) } else { g[at] / d };
                    e.push(2.0 * g[at] * s - d * s * s);
                    if passive[at] == 1.0 {
                        out.free += 1;
                    } else {
                        out.multipliers.push(g[at] * g[at] / d);
                    }
                }
            }
            if side.squares() {
                exact.copy_from_slice(&a);
            } else {
                gram::normal_equations(p, &cells.curvature, value, design, &mut exact, &mut b);
            }
            nnls::masked_inverse(p, &exact, &passive, &mut inverse, &mut scratch);
            for lane in 0..LANES.min(factor.count - block * LANES) {
                let mut dependent = false;
                for k in 0..p {
                    let at = packed(k, k) * LANES + lane;
                    if passive[k * LANES + lane] == 1.0 && a[at] > 0.0 {
                        dependent |= inverse[at] <= 0.0;
                        out.inflation = out.inflation.max(exact[at] * inverse[at]);
                    }
                }
                if dependent || too_few_cells(side, factor, design, block, lane) {
                    out.dependent.push(block * LANES + lane);
                }
            }
            if !side.squares() {
                gap.push(loss::block_gap(side, block, p, &w, design, factor.bounded));
                continue;
            }
            nnls::solve(p, &a, &b, factor.bounded, &mut passive, &mut x, &mut scratch);
            for at in 0..lane {
                x[at] -= w[at];
            }
            gap.push(-quadratic(p, &a, &x, &g));
        }
        out.coordinate_gap = parallel::pairwise_sum(&e);
        out.block_gap = parallel::pairwise_sum(&gap);
        out.q = parallel::pairwise_sum(&q);
        out
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

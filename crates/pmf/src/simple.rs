//! One pass of the classical updates over one factor, the other fixed.

use crate::block::{Factor, PIECE, Shared};
use crate::kernels;
use crate::problem::Side;
use headwater_base::parallel::Crew;
use headwater_linalg::{LANES, gram, packed, packed_len};

/// Elements below this, in scaled units, are lifted to it when their gradient asks for growth, so that none is
/// locked at 0 (Lin 2007).
const FLOOR: f64 = 1e-9;

/// Multiplicative update, x_k ← x_k · Σ ω v h_k / Σ ω (x·h) h_k.
///
/// Source: G. Wang, A. V. Kossenkov, M. F. Ochs (2006), "LS-NMF: a modified non-negative matrix factorization
/// algorithm utilizing uncertainty estimates", BMC Bioinformatics 7:175. Deviation: zeros are released as in
/// C.-J. Lin (2007), "On the convergence of multiplicative update algorithms for nonnegative matrix
/// factorization", IEEE Trans. Neural Networks 18:1589. Negative data can make a numerator negative: it counts as 0.
pub fn multiply(side: &Side, design: &[f64], factor: &mut Factor, crew: Crew) {
    let p = factor.p;
    each_block(side, factor, crew, |block, x| {
        let mut top = vec![0.0; p * LANES];
        let mut bottom = vec![0.0; p * LANES];
        kernels::products(p, side.omega_block(block), side.value_block(block), x, design, &mut top, &mut bottom);
        for at in 0..p * LANES {
            let (top, bottom) = (top[at].max(0.0), bottom[at]);
            let base = if top > bottom { x[at].max(FLOOR) } else { x[at] };
            if bottom > 0.0 {
                x[at] = base * (top / bottom);
            } else if top > 0.0 {
                x[at] = base;
            }
        }
    });
}

/// Hierarchical alternating least squares: each element of a member in turn to its exact minimiser.
///
/// Source: A. Cichocki, R. Zdunek, S. Amari (2007), "Hierarchical ALS algorithms for nonnegative matrix and 3D
/// tensor factorization", ICA 2007.
pub fn coordinates(side: &Side, design: &[f64], factor: &mut Factor, crew: Crew) {
    let (p, bounded) = (factor.p, factor.bounded);
    each_block(side, factor, crew, |block, x| {
        let mut a = vec![0.0; packed_len(p) * LANES];
        let mut b = vec![0.0; p * LANES];
        gram::normal_equations(p, side.omega_block(block), side.value_block(block), design, &mut a, &mut b);
        for k in 0..p {
            for e in 0..LANES {
                let mut gradient = -b[k * LANES + e];
                for l in 0..p {
                    let pair = if l <= k { packed(k, l) } else { packed(l, k) };
                    gradient += a[pair * LANES + e] * x[l * LANES + e];
                }
                let d = a[packed(k, k) * LANES + e];
                if d > 0.0 {
                    let value = x[k * LANES + e] - gradient / d;
                    x[k * LANES + e] = if bounded { value.max(0.0) } else { value };
                }
            }
        }
    });
}

/// Hands every block of the factor, in lanes, to `update` and writes it back.
fn each_block(side: &Side, factor: &mut Factor, crew: Crew, update: impl Fn(usize, &mut [f64]) + Sync) {
    let (p, count) = (factor.p, factor.count);
    let old = factor.clone();
    let rows = Shared::new(&mut factor.rows);
    crew.for_each(side.blocks().div_ceil(PIECE), |piece| {
        let mut x = vec![0.0; p * LANES];
        for block in piece * PIECE..((piece + 1) * PIECE).min(side.blocks()) {
            old.lanes(block, &mut x);
            update(block, &mut x);
            let members = LANES.min(count - block * LANES);
            // SAFETY: each block is visited once.
            let rows = unsafe { rows.slice(block * LANES * p, members * p) };
            for e in 0..members {
                for k in 0..p {
                    rows[e * p + k] = x[k * LANES + e];
                }
            }
        }
    });
    factor.guess_passive();
}

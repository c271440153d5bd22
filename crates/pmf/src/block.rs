//! Exact minimisation over one factor while the other is fixed: non-negative least squares for every member.

use crate::kernels;
use crate::loss;
use crate::problem::Side;
use headwater_base::parallel::{self, Crew};
use headwater_linalg::{LANES, gram, nnls, packed_len};

/// Blocks handed to a thread at a time; fixed, so that sums do not depend on the thread count.
pub const PIECE: usize = 16;

/// One factor: member × p, row-major, and its passive sets as blocks of p × lanes (1 = off the bound).
#[derive(Clone)]
pub struct Factor {
    pub count: usize,
    pub p: usize,
    pub bounded: bool,
    pub rows: Vec<f64>,
    pub passive: Vec<f64>,
}

impl Factor {
    /// A factor with the given elements; everything above 0 is passive.
    pub fn new(count: usize, p: usize, bounded: bool, rows: Vec<f64>) -> Self {
        let passive = vec![0.0; count.div_ceil(LANES) * p * LANES];
        let mut factor = Self { count, p, bounded, rows, passive };
        factor.guess_passive();
        factor
    }

    /// Sets the passive sets from the elements.
    pub fn guess_passive(&mut self) {
        for member in 0..self.count {
            for k in 0..self.p {
                let free = !self.bounded || self.rows[member * self.p + k] > 0.0;
                self.passive[(member / LANES * self.p + k) * LANES + member % LANES] = f64::from(u8::from(free));
            }
        }
    }

    /// Block `block` in lanes: p × lanes, padding 0.
    pub fn lanes(&self, block: usize, to: &mut [f64]) {
        let p = self.p;
        to.fill(0.0);
        for e in 0..LANES.min(self.count - block * LANES) {
            let row = &self.rows[(block * LANES + e) * p..][..p];
            for k in 0..p {
                to[k * LANES + e] = row[k];
            }
        }
    }
}

/// Normal equations and solutions of every block, kept for second-order steps.
#[derive(Clone)]
pub struct Normal {
    /// blocks × packed × lanes.
    pub a: Vec<f64>,
    /// blocks × p × lanes.
    pub b: Vec<f64>,
}

impl Normal {
    pub fn new(blocks: usize, p: usize) -> Self {
        Self { a: vec![0.0; blocks * packed_len(p) * LANES], b: vec![0.0; blocks * p * LANES] }
    }
}

/// Replaces `factor` by the minimiser of Q for the given other factor (`design`, inner × p).
/// The normal equations are left in `normal`. A crew that is stopped leaves some members as they were: Q is a sum
/// over members, so it has fallen all the same.
pub fn solve(side: &Side, design: &[f64], factor: &mut Factor, normal: &mut Normal, crew: Crew) {
    solve_tilted(side, design, factor, normal, None, crew);
}

/// A linear term of the objective: Q + 2 Σ_i by_i x_ik for one factor k.
#[derive(Clone, Copy)]
pub struct Tilt<'a> {
    pub factor: usize,
    /// One number a member.
    pub by: &'a [f64],
}

impl Tilt<'_> {
    /// The numbers of one block, padding 0.
    pub fn lanes(&self, block: usize) -> [f64; LANES] {
        let mut to = [0.0; LANES];
        let from = &self.by[block * LANES..self.by.len().min((block + 1) * LANES)];
        to[..from.len()].copy_from_slice(from);
        to
    }
}

/// [`solve`] with a linear term; `normal` is left without it.
pub fn solve_tilted(
    side: &Side,
    design: &[f64],
    factor: &mut Factor,
    normal: &mut Normal,
    tilt: Option<Tilt>,
    crew: Crew,
) {
    if !side.squares() {
        return loss::solve(side, design, factor, normal, tilt, loss::ROUNDS, crew);
    }
    let p = factor.p;
    let (q, lane) = (packed_len(p) * LANES, p * LANES);
    let count = factor.count;
    let bounded = factor.bounded;
    let rows = Shared(factor.rows.as_mut_ptr());
    let passive = Shared(factor.passive.as_mut_ptr());
    let a = Shared(normal.a.as_mut_ptr());
    let b = Shared(normal.b.as_mut_ptr());
    // No sums over blocks here: pieces may be as small as keeps threads busy.
    let size = (4096 / side.inner).clamp(1, PIECE);
    crew.for_each(side.blocks().div_ceil(size), |piece| {
        let mut scratch = nnls::Scratch::new(p);
        let (mut x, mut tilted) = (vec![0.0; lane], vec![0.0; lane]);
        for block in piece * size..((piece + 1) * size).min(side.blocks()) {
            let members = LANES.min(count - block * LANES);
            // SAFETY: each block is visited by one thread only, and the ranges of different blocks are disjoint.
            let (a, b, passive, rows) = unsafe {
                (
                    a.slice(block * q, q),
                    b.slice(block * lane, lane),
                    passive.slice(block * lane, lane),
                    rows.slice(block * LANES * p, members * p),
                )
            };
            gram::normal_equations(p, side.omega_block(block), side.value_block(block), design, a, b);
            if let Some(tilt) = tilt {
                tilted.copy_from_slice(b);
                let by = tilt.lanes(block);
                (0..LANES).for_each(|e| tilted[tilt.factor * LANES + e] -= by[e]);
                nnls::solve(p, a, &tilted, bounded, passive, &mut x, &mut scratch);
            } else {
                nnls::solve(p, a, b, bounded, passive, &mut x, &mut scratch);
            }
            for e in 0..members {
                for k in 0..p {
                    rows[e * p + k] = x[k * LANES + e];
                }
            }
        }
    });
}

/// [`solve`] as far as a sweep needs it: where the loss is robust, one step a member, which cannot raise Q.
/// `normal` is worthless then.
pub fn descend(side: &Side, design: &[f64], factor: &mut Factor, normal: &mut Normal, crew: Crew) {
    if side.squares() {
        solve(side, design, factor, normal, crew);
    } else {
        loss::solve(side, design, factor, normal, None, 1, crew);
    }
}

/// Q = Σ Ω∘(V − WH)² (or by another loss), by residuals (no cancellation), pairwise over blocks; infinite if the crew was stopped.
pub fn objective(side: &Side, factor: &Factor, design: &[f64], crew: Crew) -> f64 {
    if !side.squares() {
        return loss::objective(side, factor, design, crew);
    }
    let p = factor.p;
    let sums = crew.map(side.blocks().div_ceil(PIECE), |piece| {
        let mut w = vec![0.0; p * LANES];
        let mut u = vec![0.0; side.block_len()];
        let blocks = piece * PIECE..((piece + 1) * PIECE).min(side.blocks());
        let sums: Vec<f64> = blocks
            .map(|block| {
                factor.lanes(block, &mut w);
                let lanes = kernels::residual(p, side.omega_block(block), side.value_block(block), &w, design, &mut u);
                parallel::pairwise_sum(&lanes)
            })
            .collect();
        parallel::pairwise_sum(&sums)
    });
    sums.map_or(f64::INFINITY, |sums| parallel::pairwise_sum(&sums))
}

/// A pointer that several threads write through, each to ranges of its own.
pub struct Shared(*mut f64);
// SAFETY: users take disjoint ranges only, see `slice`.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new(data: &mut [f64]) -> Self {
        Self(data.as_mut_ptr())
    }
    /// # Safety
    /// The range must lie inside the allocation and be used by one thread at a time.
    #[allow(clippy::mut_from_ref)] // the whole point: disjoint mutable ranges of one allocation
    pub unsafe fn slice(&self, start: usize, length: usize) -> &mut [f64] {
        // SAFETY: by the contract above.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), length) }
    }
}

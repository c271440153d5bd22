//! What the misfit of a cell costs, for fits that are not plain least squares.
//!
//! With t = |V − WH| / U, the objective is Q = Σ ρ(t):
//! * squares: ρ = t²;
//! * Huber: ρ = t² for t <= α, 2αt − α² beyond: an outlier pulls with the force of a cell that is α uncertainties off;
//! * Student: ρ = (ν + 1) ln(1 + t²/ν), minus twice the log-density of Student's t with ν degrees of freedom;
//! * a censored cell (known only to lie below its value) costs nothing while the model is below that value.
//!
//! A cell enters the algorithms with three numbers, at residual r = WH − V and weight ω = 1/U²:
//!   u = ½ ∂ρ/∂(WH),   c = ½ ∂²ρ/∂(WH)² (the curvature),   a with ρ(s) <= ρ(r) + 2u(s − r) + a(s − r)² (the majorant).
//! Squares: ω r, ω, ω. Huber beyond α: α√ω sign r, 0, ω α/t. Student: ω r z, ω z (ν − t²)/(ν + t²), ω z with
//! z = (ν + 1)/(ν + t²). A censored cell below its limit: 0, 0, ω.
//!
//! [`solve`] minimises over one factor exactly: Newton steps on the curvature, each member's bounds kept by
//! non-negative least squares, and where such a step does not lower a member's Q, one on the majorant, which cannot
//! raise it (K. Lange, D. Hunter, I. Yang (2000), "Optimization transfer using surrogate objective functions";
//! P. J. Huber (1964), "Robust estimation of a location parameter"). Huber's ρ is piecewise quadratic: the step from
//! the right set of outliers ends exactly.
//!
//! Cost of a solution: one of weighted least squares a step, of which few are needed from a good guess. What bounds it: the normal
//! equations, as there.

use crate::block::{Factor, Normal, PIECE, Shared, Tilt};
use crate::kernels;
use crate::problem::Side;
use headwater_base::parallel::{self, Crew};
use headwater_linalg::simd;
use headwater_linalg::{LANES, gram, nnls, packed, packed_len};

type Lane = [f64; LANES];

/// The function of the misfit t = |V − WH| / U whose sum over the cells is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Loss {
    /// t².
    #[default]
    Squares,
    /// t² up to α, 2αt − α² beyond.
    Huber {
        /// Misfit, in uncertainties, from which a cell is an outlier. PMF programs use 4.
        alpha: f64,
    },
    /// (ν + 1) ln(1 + t²/ν).
    Student {
        /// Degrees of freedom ν.
        freedom: f64,
    },
}

impl Loss {
    /// ρ(t).
    pub fn cost(self, t: f64) -> f64 {
        match self {
            Loss::Squares => t * t,
            Loss::Huber { alpha } if t <= alpha => t * t,
            Loss::Huber { alpha } => (2.0 * t - alpha) * alpha,
            Loss::Student { freedom } => (freedom + 1.0) * (t * t / freedom).ln_1p(),
        }
    }

    /// Share of its weight that a cell keeps: ρ'(t)/(2t), 1 for squares.
    pub fn share(self, t: f64) -> f64 {
        match self {
            Loss::Squares => 1.0,
            Loss::Huber { alpha } => (alpha / t).min(1.0),
            Loss::Student { freedom } => (freedom + 1.0) / (freedom + t * t),
        }
    }
}

/// The loss in the engine's units, where every t is 2^-g of the caller's and every Q 4^-g.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Penalty {
    #[default]
    Squares,
    Huber {
        alpha: f64,
    },
    /// factor · ln(1 + t²/spread).
    Student {
        factor: f64,
        spread: f64,
    },
}

/// What the cells of one block of members say at a point, in lanes.
pub struct Assessment {
    pub u: Vec<f64>,
    pub curvature: Vec<f64>,
    pub majorant: Vec<f64>,
}

impl Assessment {
    pub fn new(side: &Side) -> Self {
        let zeros = || vec![0.0; side.block_len()];
        Self { u: zeros(), curvature: zeros(), majorant: zeros() }
    }

    /// Assesses block `block` at its members' elements `w` (in lanes) and the other factor `h`; returns their Q.
    pub fn at(&mut self, side: &Side, block: usize, p: usize, w: &[f64], h: &[f64]) -> Lane {
        // First u = ω r, then each cell by its loss.
        let (omega, value) = (side.omega_block(block), side.value_block(block));
        let squares = kernels::residual(p, omega, value, w, h, &mut self.u);
        let (curvature, majorant) = (&mut self.curvature, &mut self.majorant);
        let censored = side.censored_block(block);
        if side.penalty == Penalty::Squares && censored.is_empty() {
            curvature.copy_from_slice(omega);
            majorant.copy_from_slice(omega);
            return squares;
        }
        penalise(side.penalty, omega, censored, &mut self.u, curvature, majorant)
    }
}

simd! {
/// Turns u = ω r into ½∂ρ/∂r and fills in curvature and majorant; returns Σ ρ per lane.
/// What bounds it: a square root and two divisions a vector of cells; Student's logarithm.
fn penalise(
    penalty: Penalty,
    omega: &[f64],
    censored: &[f64],
    u: &mut [f64],
    curvature: &mut [f64],
    majorant: &mut [f64],
) -> Lane {
    // (ρ, share of the weight, curvature over weight) at t².
    match penalty {
        Penalty::Squares => each(omega, censored, u, curvature, majorant, |square| (square, 1.0, 1.0)),
        Penalty::Huber { alpha } => each(omega, censored, u, curvature, majorant, |square| {
            // Both branches are computed, for vectors have no branches.
            let t = square.sqrt();
            let (beyond, share) = ((2.0 * t - alpha) * alpha, alpha / t);
            if t > alpha { (beyond, share, 0.0) } else { (square, 1.0, 1.0) }
        }),
        Penalty::Student { factor, spread } => each(omega, censored, u, curvature, majorant, |square| {
            let z = factor / (spread + square);
            (factor * (square / spread).ln_1p(), z, z * (spread - square) / (spread + square))
        }),
    }
}
}

#[inline(always)]
fn each(
    omega: &[f64],
    censored: &[f64],
    u: &mut [f64],
    curvature: &mut [f64],
    majorant: &mut [f64],
    cell: impl Fn(f64) -> (f64, f64, f64),
) -> Lane {
    let mut q = [0.0; LANES];
    let omega = omega.as_chunks::<LANES>().0;
    let u = u.as_chunks_mut::<LANES>().0;
    let (curvature, majorant) = (curvature.as_chunks_mut::<LANES>().0, majorant.as_chunks_mut::<LANES>().0);
    for j in 0..omega.len() {
        let (w, u, c, a) = (&omega[j], &mut u[j], &mut curvature[j], &mut majorant[j]);
        let mut cost = [0.0; LANES];
        for e in 0..LANES {
            // ω r²; an absent cell has u = 0.
            let square = u[e] * u[e] / w[e].max(f64::MIN_POSITIVE);
            let (rho, share, bend) = cell(square);
            cost[e] = rho;
            c[e] = w[e] * bend;
            a[e] = w[e] * share;
            // Last, since censoring asks for its sign.
            u[e] *= share;
        }
        if !censored.is_empty() {
            for e in 0..LANES {
                if censored[j * LANES + e] != 0.0 && u[e] <= 0.0 {
                    (cost[e], c[e], a[e], u[e]) = (0.0, 0.0, w[e], 0.0);
                }
            }
        }
        for e in 0..LANES {
            q[e] += cost[e];
        }
    }
    q
}

/// Newton or majorising steps a member at most.
pub const ROUNDS: usize = 60;

/// Share of a member's Q below which a taken Newton step's promise ends the search: such a step is exact for Huber's
/// loss, and leaves the square of that for Student's.
const CLOSE: f64 = 1e-12;

/// Share of a member's Q that single elements may still promise where a step promises less than [`CLOSE`].
const PULLED: f64 = 1e-6;

/// One block's minimisation: memory that is reused from block to block.
struct Search {
    here: Assessment,
    there: Assessment,
    scratch: nnls::Scratch,
    a: Vec<f64>,
    b: Vec<f64>,
    g: Vec<f64>,
    w: Vec<f64>,
    x: Vec<f64>,
    nothing: Vec<f64>,
    /// A linear term 2 Σ by · x_k of the objective: k and the numbers of the lanes.
    tilt: Option<(usize, Lane)>,
}

impl Search {
    fn new(p: usize, side: &Side) -> Self {
        let lane = || vec![0.0; p * LANES];
        Self {
            here: Assessment::new(side),
            there: Assessment::new(side),
            scratch: nnls::Scratch::new(p),
            a: vec![0.0; packed_len(p) * LANES],
            b: lane(),
            g: lane(),
            w: lane(),
            x: lane(),
            nothing: lane(),
            tilt: None,
        }
    }

    /// A (from the curvature or the majorant at w), b = Aw − g.
    fn normal(&mut self, p: usize, side: &Side, block: usize, design: &[f64], exact: bool) {
        let omega = if exact { &self.here.curvature } else { &self.here.majorant };
        gram::normal_equations(p, omega, side.value_block(block), design, &mut self.a, &mut self.b);
        right_hand_side(p, &self.a, &self.w, &self.g, &mut self.b);
    }

    /// g = Σ_j u_j h_j at w.
    fn force(&mut self, p: usize, design: &[f64]) {
        self.g.fill(0.0);
        kernels::couple(p, &self.here.u, &self.here.u, &self.nothing, design, design, &mut self.g);
        self.g.iter_mut().for_each(|g| *g = -*g);
        if let Some((k, by)) = &self.tilt {
            (0..LANES).for_each(|e| self.g[k * LANES + e] += by[e]);
        }
    }

    /// The linear term at `x`, added to `q`.
    fn tilted(&self, mut q: Lane, x: &[f64]) -> Lane {
        if let Some((k, by)) = &self.tilt {
            (0..LANES).for_each(|e| q[e] += 2.0 * by[e] * x[k * LANES + e]);
        }
        q
    }

    /// From `self.w`: minimises every lane's Q; leaves the minimiser in `self.w`, the curvature's normal equations
    /// there in `self.a`, `self.b`, and the passive sets.
    fn run(
        &mut self,
        p: usize,
        side: &Side,
        block: usize,
        design: &[f64],
        bounded: bool,
        passive: &mut [f64],
        rounds: usize,
    ) {
        let mut open = [true; LANES];
        for _ in 0..rounds {
            let q = self.here.at(side, block, p, &self.w, design);
            let (plain, q) = (q, self.tilted(q, &self.w));
            self.force(p, design);
            let mut exact = true;
            let mut waiting = open;
            // First by the curvature; the lanes that it fails, by the majorant.
            while waiting.contains(&true) {
                self.normal(p, side, block, design, exact);
                let mut sets = passive.to_vec();
                nnls::solve(p, &self.a, &self.b, bounded, &mut sets, &mut self.x, &mut self.scratch);
                let after = self.there.at(side, block, p, &self.x, design);
                let after = self.tilted(after, &self.x);
                let promise = promises(p, &self.a, &self.w, &self.x, &self.g);
                let pulled = pulls(p, &self.a, &self.w, &self.g, bounded);
                for e in 0..LANES {
                    // Beyond the resolution of Q the promise decides.
                    let still = pulled[e] <= PULLED * plain[e] && promise[e] <= 1e-15 * plain[e];
                    let lower = after[e] < q[e] || (still && after[e] <= q[e] + 1e-14 * plain[e]);
                    if !waiting[e] || (exact && !lower) {
                        continue;
                    }
                    waiting[e] = false;
                    // Where the curvature is not positive it promises nothing: the gradient must say so too.
                    let small = promise[e] <= CLOSE * plain[e] && pulled[e] <= PULLED * plain[e];
                    // An unresolved rise by the majorant is rounding: nothing is left to gain.
                    open[e] = !(small || (!exact && after[e] >= q[e]));
                    if after[e] <= q[e] + 1e-14 * plain[e] {
                        for k in 0..p {
                            self.w[k * LANES + e] = self.x[k * LANES + e];
                            passive[k * LANES + e] = sets[k * LANES + e];
                        }
                    }
                }
                if !exact {
                    break;
                }
                exact = false;
            }
            if !open.contains(&true) {
                break;
            }
        }
        if rounds > 1 {
            self.tilt = None;
            self.here.at(side, block, p, &self.w, design);
            self.force(p, design);
            self.normal(p, side, block, design, true);
        }
    }
}

/// What the quadratic with matrix a and half-gradient g promises for the change from w to x, per lane.
fn promises(p: usize, a: &[f64], w: &[f64], x: &[f64], g: &[f64]) -> Lane {
    let mut out = [0.0; LANES];
    for k in 0..p {
        for e in 0..LANES {
            let d = |k: usize| x[k * LANES + e] - w[k * LANES + e];
            let mut row = 2.0 * g[k * LANES + e] + a[packed(k, k) * LANES + e] * d(k);
            for l in 0..k {
                row += 2.0 * a[packed(k, l) * LANES + e] * d(l);
            }
            out[e] -= row * d(k);
        }
    }
    out
}

/// Σ g²/a_kk over the elements that may move along −g, per lane: infinite where a_kk is not positive.
fn pulls(p: usize, a: &[f64], w: &[f64], g: &[f64], bounded: bool) -> Lane {
    let mut out = [0.0; LANES];
    for k in 0..p {
        for e in 0..LANES {
            let (at, g) = (k * LANES + e, g[k * LANES + e]);
            if g == 0.0 || (bounded && w[at] <= 0.0 && g >= 0.0) {
                continue;
            }
            let own = a[packed(k, k) * LANES + e];
            out[e] += if own > 0.0 { g * g / own } else { f64::INFINITY };
        }
    }
    out
}

/// b = Aw − g: the right-hand side of the system whose unknown is the member itself.
pub fn right_hand_side(p: usize, a: &[f64], w: &[f64], g: &[f64], b: &mut [f64]) {
    for k in 0..p {
        for e in 0..LANES {
            let sum: f64 = (0..p).map(|l| a[packed(k.max(l), k.min(l)) * LANES + e] * w[l * LANES + e]).sum();
            b[k * LANES + e] = sum - g[k * LANES + e];
        }
    }
}

/// Replaces `factor` by the minimiser of Q for the given other factor, or by what `rounds` steps a member make of it;
/// after more than one step `normal` holds A of the curvature and b = Ax − g. A crew that is stopped leaves some members as they were.
pub fn solve(
    side: &Side,
    design: &[f64],
    factor: &mut Factor,
    normal: &mut Normal,
    tilt: Option<Tilt>,
    rounds: usize,
    crew: Crew,
) {
    let p = factor.p;
    let (q, lane) = (packed_len(p) * LANES, p * LANES);
    let (count, bounded) = (factor.count, factor.bounded);
    let start = factor.clone();
    let (rows, passive) = (Shared::new(&mut factor.rows), Shared::new(&mut factor.passive));
    let (a, b) = (Shared::new(&mut normal.a), Shared::new(&mut normal.b));
    let size = (4096 / side.inner).clamp(1, PIECE);
    crew.for_each(side.blocks().div_ceil(size), |piece| {
        let mut search = Search::new(p, side);
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
            start.lanes(block, &mut search.w);
            search.tilt = tilt.map(|tilt| (tilt.factor, tilt.lanes(block)));
            search.run(p, side, block, design, bounded, passive, rounds);
            a.copy_from_slice(&search.a);
            b.copy_from_slice(&search.b);
            for e in 0..members {
                for k in 0..p {
                    rows[e * p + k] = search.w[k * LANES + e];
                }
            }
        }
    });
}

/// Q by the loss, pairwise over blocks; infinite if the crew was stopped.
pub fn objective(side: &Side, factor: &Factor, design: &[f64], crew: Crew) -> f64 {
    let p = factor.p;
    let sums = crew.map(side.blocks().div_ceil(PIECE), |piece| {
        let mut w = vec![0.0; p * LANES];
        let mut cells = Assessment::new(side);
        let blocks = piece * PIECE..((piece + 1) * PIECE).min(side.blocks());
        let sums: Vec<f64> = blocks
            .map(|block| {
                factor.lanes(block, &mut w);
                parallel::pairwise_sum(&cells.at(side, block, p, &w, design))
            })
            .collect();
        parallel::pairwise_sum(&sums)
    });
    sums.map_or(f64::INFINITY, |sums| parallel::pairwise_sum(&sums))
}

/// What minimising one block's members over their own elements gains, summed over lanes.
pub fn block_gap(side: &Side, block: usize, p: usize, w: &[f64], design: &[f64], bounded: bool) -> f64 {
    let mut search = Search::new(p, side);
    search.w.copy_from_slice(w);
    let mut passive: Vec<f64> = w.iter().map(|w| f64::from(u8::from(!bounded || *w > 0.0))).collect();
    let before = search.here.at(side, block, p, w, design);
    search.run(p, side, block, design, bounded, &mut passive, ROUNDS);
    let after = search.here.at(side, block, p, &search.w, design);
    let gains: Vec<f64> = before.iter().zip(&after).map(|(before, after)| before - after).collect();
    parallel::pairwise_sum(&gains).max(0.0)
}

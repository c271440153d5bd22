//! The certificate of a point and the status that follows from it.
//!
//! Unit of all thresholds: q̂ = max(min(1, Q/ν), 1e-22 ΣΩV²), ν = cells − free elements + null directions.
//! A point is `converged` iff E <= 1e-4 q̂, both block gaps <= 1e-4 q̂, no factor is dead (or a dead one cannot
//! gain), λ²_J <= 1e-4 q̂ with S positive definite wherever the subproblem went, the step it predicts was taken
//! and delivered between half and twice its promise (tested where the promise exceeds 1e-12 Q), the next λ²_J is
//! at least ten times smaller or below 1e-8 q̂, and no eigenvalue of S on the free set is below −β.

use crate::block::{self, Factor, Normal};
use crate::curvature::{self, Curvature};
use crate::dead;
use crate::first_order::{self, FirstOrder};
use crate::model::Model;
use crate::newton::{Request, Step};
use crate::problem::Problem;
use crate::reduced::Reduced;
use headwater_base::Status;
use headwater_base::parallel::Crew;

/// Thresholds in units of q̂, see the module's text.
pub const GAP: f64 = 1e-4;
/// λ²_J below which a predicted step is not worth taking.
pub const NEGLIGIBLE: f64 = 1e-8;
/// Steps whose promise is below this share of Q cannot be told from rounding in Q.
pub const RESOLUTION: f64 = 1e-12;

/// A second-order step that was taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// λ²_J before it.
    pub decrement: f64,
    /// Decrease of Q over λ²_J.
    pub ratio: f64,
    /// Q before it.
    pub q: f64,
}

impl Taken {
    /// Whether the step delivered what was promised.
    pub fn kept_its_promise(&self) -> bool {
        self.decrement <= RESOLUTION * self.q || (0.5..=2.0).contains(&self.ratio)
    }
}

/// All numbers about one point, in scaled units of Q.
pub struct Judgement {
    pub status: Status,
    pub q: f64,
    pub extent: Extent,
    pub unit: f64,
    pub degrees_of_freedom: f64,
    pub long: FirstOrder,
    pub short: FirstOrder,
    pub decrement: Option<f64>,
    pub decrement_gauss_newton: Option<f64>,
    pub taken: Option<Taken>,
    pub curvature: Option<Curvature>,
    pub band: f64,
    pub null_directions: usize,
    /// Factors that weigh nothing.
    pub dead: Vec<usize>,
    /// What seeding them anew would gain.
    pub dead_gain: f64,
}

/// What the thresholds must know of the data.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Number of cells with weight.
    pub cells: usize,
    /// ΣΩV².
    pub total: f64,
    /// One unit of the caller's Q.
    pub one: f64,
}

/// q̂ and ν of a point.
pub fn unit(extent: &Extent, q: f64, free: usize, null: usize) -> (f64, f64) {
    let nu = extent.cells as f64 - free as f64 + null as f64;
    (extent.one.min(q / nu.max(1.0)).max(1e-22 * extent.total), nu)
}

/// Null directions that a unique solution has: one scale per factor, or any mixing where nothing is bounded.
pub fn gauge_count(long: &Factor, short: &Factor) -> usize {
    if long.bounded || short.bounded { long.p } else { long.p * long.p }
}

/// Elements of the short factor that may move: off the bound, or pulled off it.
pub fn free_set(model: &Model) -> Vec<usize> {
    (0..model.d.len())
        .filter(|&a| model.d[a] > 0.0 && (!model.short.bounded || model.short.rows[a] > 0.0 || model.g_short[a] < 0.0))
        .collect()
}

/// First-order measures, dead factors and q̂: what does not need a Hessian.
pub fn first(problem: &Problem, long: &Factor, short: &Factor, crew: Crew) -> Judgement {
    let fl = first_order::measure(&problem.long, long, &short.rows, crew.threads);
    let fs = first_order::measure(&problem.short, short, &long.rows, crew.threads);
    let null = gauge_count(long, short);
    let extent = problem.extent();
    let (unit, nu) = unit(&extent, fl.q, fl.free + fs.free, null);
    let dead = dead::negligible(problem, long, short, GAP * unit);
    let dead_gain = dead::gain(problem, long, short, &dead);
    let band = 1e-9_f64.max(100.0 * f64::EPSILON * fl.inflation);
    Judgement {
        status: Status::Stalled,
        q: fl.q,
        extent,
        unit,
        degrees_of_freedom: nu,
        long: fl,
        short: fs,
        decrement: None,
        decrement_gauss_newton: None,
        taken: None,
        curvature: None,
        band,
        null_directions: null,
        dead,
        dead_gain,
    }
}

impl Judgement {
    /// Whether Q itself is below the threshold: it is bounded below by 0, so nothing lies lower.
    pub fn exact(&self) -> bool {
        self.q <= GAP * self.unit
    }

    /// Whether no coordinate and no block has anything to gain.
    pub fn stationary(&self) -> bool {
        let gap = self.long.block_gap.max(self.short.block_gap);
        let e = self.long.coordinate_gap + self.short.coordinate_gap;
        e <= GAP * self.unit && gap <= GAP * self.unit && self.q.is_finite()
    }
}

/// Completes `judgement` with the curvature at the model's point and the status, from the subproblem's outcome
/// and the step that was taken before it. `full`: also the numbers that only a report needs.
pub fn conclude(
    judgement: Judgement,
    reduced: &mut Reduced,
    step: Option<&Step>,
    next: Option<f64>,
    taken: Option<Taken>,
    full: bool,
) -> Judgement {
    let model = reduced.model;
    let passive = model.evaluate(&vec![0.0; model.d.len()], model.passive).passive;
    reduced.move_to(&passive);
    verdict(judgement, reduced, step, next, taken, full)
}

/// [`conclude`] where S stands at the point's own passive sets.
pub fn verdict(
    mut judgement: Judgement,
    reduced: &Reduced,
    step: Option<&Step>,
    next: Option<f64>,
    taken: Option<Taken>,
    full: bool,
) -> Judgement {
    let free = free_set(reduced.model);
    let mut curvature = curvature::examine(reduced, &free, judgement.band, full);
    if judgement.exact() {
        // Nothing lies below Q = 0: what rounding shows as negative is flat.
        let negative = std::mem::take(&mut curvature.negative);
        curvature.flat.extend(negative.into_iter().map(|(_, direction)| direction));
    }
    let flat = curvature.flat.len();
    judgement.null_directions += flat;
    let counted = judgement.long.free + judgement.short.free;
    (judgement.unit, judgement.degrees_of_freedom) =
        unit(&judgement.extent, judgement.q, counted, judgement.null_directions);
    // Without S, conjugate gradients may not have seen the smallest curvature; a random start has.
    let unseen = |step: &Step| match curvature.bound {
        Some(bound) if step.residual > 0.0 => step.residual / (0.5 * bound.smallest_seen).max(judgement.band),
        _ => 0.0,
    };
    judgement.decrement = step.filter(|step| step.solved).map(|step| step.decrement.max(0.0) + unseen(step));
    judgement.taken = taken;
    let unit = judgement.unit;
    let small = judgement.decrement.is_some_and(|d| d <= GAP * unit);
    let confirmed = match (judgement.decrement, taken) {
        (Some(d), _) if d <= NEGLIGIBLE * unit => taken.is_none_or(|t| t.kept_its_promise()),
        (Some(d), Some(t)) => {
            let after = next.unwrap_or(d);
            let before = if next.is_some() { d } else { t.decrement };
            t.kept_its_promise() && (after <= before / 10.0 || after <= NEGLIGIBLE * unit)
        }
        _ => false,
    };
    let curved = curvature.known && curvature.negative.is_empty();
    let alive = judgement.dead_gain <= GAP * unit;
    judgement.status = if judgement.exact() || (judgement.stationary() && small && confirmed && curved && alive) {
        Status::Converged
    } else if judgement.stationary() && (!curvature.negative.is_empty() || !alive) {
        Status::Saddle
    } else {
        Status::Stalled
    };
    judgement.curvature = Some(curvature);
    judgement
}

/// Judges any point: takes the step that the model at it predicts, only to see whether it delivers; the point
/// itself is returned unchanged. Also returns the point that the step leads to, if it lowers Q.
pub fn point(problem: &Problem, long: &Factor, short: &Factor, crew: Crew) -> Judgement {
    let judgement = first(problem, long, short, crew);
    if crew.stopped() {
        return judgement;
    }
    let model = Model::at(problem, long, short, crew);
    let mut reduced = Reduced::new(&model);
    let tolerance = 1e-3 * NEGLIGIBLE * judgement.unit;
    let band = judgement.band;
    let step = settled(&mut reduced, band, tolerance);
    let mut taken = None;
    let mut next = None;
    if let Some(step) = step.as_ref().filter(|s| s.decrement > NEGLIGIBLE * judgement.unit) {
        let mut after = short.clone();
        moved(&mut after, &step.delta, 1.0);
        let mut other = long.clone();
        let mut there = Normal::new(problem.long.blocks(), long.p);
        block::solve(&problem.long, &after.rows, &mut other, &mut there, crew);
        let model = Model::new(problem, &other, &after, &there, crew);
        taken =
            Some(Taken { decrement: step.decrement, ratio: (judgement.q - model.q) / step.decrement, q: judgement.q });
        next = settled(&mut Reduced::new(&model), band, tolerance).filter(|s| s.solved).map(|s| s.decrement);
        if next.is_none() {
            // The step leads to where the model is not positive definite: it confirms nothing.
            taken = taken.map(|t| Taken { ratio: f64::NAN, decrement: f64::INFINITY, ..t });
        }
    }
    let mut judgement = conclude(judgement, &mut reduced, step.as_ref(), next, taken, true);
    judgement.taken = judgement.taken.filter(|t| t.ratio.is_finite());
    judgement.decrement_gauss_newton = gauss_newton(&model, band, tolerance);
    judgement
}

/// One more second-order step, if it does not raise Q: brings a certified point to rounding level.
pub fn polish(problem: &Problem, long: &mut Factor, short: &mut Factor, crew: Crew) {
    if crew.stopped() {
        return;
    }
    let (next_long, next_short) = {
        let model = Model::at(problem, long, short, crew);
        let Some(step) = Reduced::new(&model).minimise(&Request { exact: false, ..Request::close(0.0) }) else {
            return;
        };
        let (mut after, mut other) = (short.clone(), long.clone());
        moved(&mut after, &step.delta, 1.0);
        let mut there = Normal::new(problem.long.blocks(), long.p);
        block::solve(&problem.long, &after.rows, &mut other, &mut there, crew);
        if block::objective(&problem.long, &other, &after.rows, crew) > model.q * (1.0 + 1e-14) {
            return;
        }
        (other, after)
    };
    (*long, *short) = (next_long, next_short);
}

/// The unshifted subproblem; where it fails only for flat directions, the one shifted by the band.
pub fn settled(reduced: &mut Reduced, band: f64, tolerance: f64) -> Option<Step> {
    let request = Request { exact: false, ..Request::close(tolerance) };
    let flat = Request { shift: 2.0 * band, most: 2.0 * band, ..request };
    reduced.minimise(&request).or_else(|| reduced.minimise(&flat))
}

/// λ²_J of the Gauss–Newton model: the same subproblem without residuals in the coupling.
fn gauss_newton(model: &Model, band: f64, tolerance: f64) -> Option<f64> {
    let plain = model.gauss_newton();
    settled(&mut Reduced::new(&plain), band, tolerance).filter(|s| s.solved).map(|s| s.decrement.max(0.0))
}

/// H ← [H + tδ]₊, and the passive sets with it.
pub fn moved(short: &mut Factor, delta: &[f64], t: f64) {
    for (h, d) in short.rows.iter_mut().zip(delta) {
        let value = *h + t * d;
        *h = if short.bounded && value <= 0.0 { 0.0 } else { value };
    }
    short.guess_passive();
}

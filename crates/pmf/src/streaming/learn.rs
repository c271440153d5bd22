//! One look at every row: a projected stochastic Newton method under a guard.
//!
//! With S_t the sum of the reduced Hessians of all batches so far (the sample's among them, each at the H of its time),
//! φ_t the least Q of batch t over contributions and g_t half its gradient,
//!   H ← H + s · argmin_{H + δ >= 0} [ 2 g_t·δ + δᵀ (S_t + μD) δ ],
//! with the least μ of 0, 1e-3, 1e-2, … for which φ_t(H + δ) + δᵀ S_{t−1} δ, in which all batches before are a quadratic,
//! falls by at least a tenth of what is promised.
//! The rate is 1/t by itself, as S_t grows with the rows: for independent rows, and far enough along, H comes as close to
//! the minimum over all rows as anything that sees them once can (to first order in 1/t), whatever the scales of species.
//!
//! The guard judges Q per cell of every batch before it is learnt from: a batch that stands out is left out and counted;
//! s is the guard's. A batch in the sense of the guard has at most [`super::totals::CHUNK`] rows.
//!
//! Source: B. T. Polyak, Ya. Z. Tsypkin (1979), "Adaptive estimation algorithms: convergence, optimality, stability",
//! Autom. Remote Control 40:378.

use crate::block::{self, Factor, Normal};
use crate::judge;
use crate::model::Model;
use crate::problem::Problem;
use crate::reduced::Reduced;
use crate::streaming::totals::{Sums, Totals, masses};
use crate::streaming::{FIRST_SHIFT, MOST_SHIFT};
use headwater_base::parallel::Crew;
use headwater_optim::guard::Aside;
use headwater_optim::{Action, Cause, Guard, GuardSettings};
use std::collections::VecDeque;

/// What came of rows that were learnt from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learnt {
    /// Rows learnt from, and rows of batches that were left out.
    pub rows: [usize; 2],
    /// Their Q, each row at the profiles before it was learnt from, and the cells with weight behind that.
    pub q: f64,
    /// See `q`.
    pub cells: usize,
    /// Times that the guard went back to an earlier state.
    pub rollbacks: usize,
    /// The guard has come to its end: nothing is learnt any more.
    pub halted: bool,
}

/// Profiles that change with every batch.
pub struct Learner {
    pub short: Factor,
    /// Sums over what was learnt from, each batch at the profiles of its time.
    pub totals: Totals,
    masses: Sums,
    guard: Guard,
    snapshots: VecDeque<Snapshot>,
    /// Whether the newest snapshot was gone back to already.
    fallen: bool,
    /// Whether the sample is among the sums.
    begun: bool,
}

struct Snapshot {
    short: Factor,
    totals: Totals,
    masses: Sums,
    aside: Aside,
}

impl Learner {
    pub fn new(short: Factor) -> Self {
        let (n, p) = (short.count, short.p);
        Self {
            short,
            totals: Totals::new(n, p, true),
            masses: Sums::new(p),
            guard: Guard::new(GuardSettings::default()),
            snapshots: VecDeque::new(),
            fallen: false,
            begun: false,
        }
    }

    /// Σ w_ik of what was learnt from, in the caller's units; of the sample, where that is all.
    pub fn begin(&mut self, frame: &Problem, crew: Crew) {
        if !self.begun
            && let Some((long, _)) = self.totals.add(frame, &self.short, crew)
        {
            self.masses.add(&masses(frame, &long, &self.short));
            self.begun = true;
        }
    }

    /// Σ w_ik, in the caller's units.
    pub fn masses(&self) -> Vec<f64> {
        self.masses.values()
    }

    /// One batch. A stopped crew leaves it out.
    pub fn step(&mut self, frame: &Problem, batch: &Problem, crew: Crew, learnt: &mut Learnt) {
        self.begin(frame, crew);
        let rows = batch.long.count;
        if crew.stopped() {
            return;
        }
        if batch.cells == 0 {
            learnt.rows[0] += rows;
            return;
        }
        let before = least(batch, &self.short, crew);
        let loss = frame.unscale_q(before) / batch.cells as f64;
        let cause = match loss.is_finite() {
            true if self.guard.spikes(loss) => Some(Cause::Spike),
            true => None,
            false => Some(Cause::Loss),
        };
        let action = self.guard.decide(cause, Some(loss), !self.snapshots.is_empty());
        learnt.halted |= self.guard.halted();
        let Action::Commit { snapshot } = action else {
            learnt.rows[1] += rows;
            if matches!(action, Action::Rollback | Action::Halt) {
                learnt.rollbacks += usize::from(self.restore());
            }
            return;
        };
        learnt.rows[0] += rows;
        learnt.q += frame.unscale_q(before);
        learnt.cells += batch.cells;
        let mut own = Totals::new(self.short.count, self.short.p, true);
        let Some((long, gradient)) = own.add(batch, &self.short, crew) else { return };
        self.masses.add(&masses(batch, &long, &self.short));
        let past = self.totals.clone();
        self.totals.merge(&own);
        if let Some(delta) = self.advance(frame, batch, &past, gradient, before, crew) {
            judge::moved(&mut self.short, &delta, self.guard.multiplier);
        }
        if snapshot {
            self.keep();
        }
    }

    /// The step for a batch; `before` is its Q where it is.
    fn advance(
        &mut self,
        frame: &Problem,
        batch: &Problem,
        past: &Totals,
        gradient: Vec<f64>,
        before: f64,
        crew: Crew,
    ) -> Option<Vec<f64>> {
        let model = Model::summed(frame, &self.short, gradient, self.totals.matrices(), crew);
        let reduced = Reduced::of(&model, self.totals.schur.take().expect("a learner sums the Hessian"));
        let mut shift = 0.0;
        let mut step = None;
        while step.is_none() && shift <= MOST_SHIFT && !crew.stopped() {
            step = super::piece(&reduced, shift).filter(|piece| {
                let mut there = self.short.clone();
                judge::moved(&mut there, &piece.change, 1.0);
                let rise = past.quadratic(&self.short, &piece.change, crew);
                before - least(batch, &there, crew) - rise >= 0.1 * piece.promise
            });
            shift = if shift == 0.0 { FIRST_SHIFT } else { shift * 10.0 };
        }
        self.totals.schur = reduced.into_schur();
        step.map(|piece| piece.change)
    }

    /// Forgets what only learning needs: the Hessian, and earlier states.
    pub fn release(&mut self) {
        self.totals.schur = None;
        self.snapshots.clear();
    }

    fn keep(&mut self) {
        if self.snapshots.len() == self.guard.snapshots() {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(Snapshot {
            short: self.short.clone(),
            totals: self.totals.clone(),
            masses: self.masses.clone(),
            aside: self.guard.aside(),
        });
        self.fallen = false;
    }

    /// Back to the last snapshot, or to the one before if that has failed already; false if there is none.
    fn restore(&mut self) -> bool {
        if self.fallen && self.snapshots.len() > 1 {
            self.snapshots.pop_back();
        }
        let Some(snapshot) = self.snapshots.back() else { return false };
        (self.short, self.totals) = (snapshot.short.clone(), snapshot.totals.clone());
        self.masses = snapshot.masses.clone();
        self.guard.restored(&snapshot.aside);
        self.fallen = true;
        true
    }
}

/// Q of a batch with the best contributions.
fn least(batch: &Problem, short: &Factor, crew: Crew) -> f64 {
    let p = short.p;
    let mut long = Factor::new(batch.long.count, p, true, vec![1.0; batch.long.count * p]);
    let mut normal = Normal::new(batch.long.blocks(), p);
    block::solve(&batch.long, &short.rows, &mut long, &mut normal, crew);
    block::objective(&batch.long, &long, &short.rows, crew)
}

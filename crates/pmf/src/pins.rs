//! Cells whose weight dwarfs all others of their row and column: the fit passes through them, by a multiplier.
//!
//! A weight ω of more than 1e10 times its neighbours' median would leave nothing of them in the normal equations. In
//! such a cell the engine minimises ω̄ (v + s − f)² with ω̄ = 1e6 medians and a shift s of the datum, for which it
//! wants ω̄ (v + s − f) = ω (v − f): the same force, so the same stationary points. With κ = ω/ω̄ and λ the force,
//!   s ← (1 − 1/κ)(v − f + s)
//! is the method of multipliers; it contracts by about 1e-6 a round. At its fixed point
//!   v − f = λ/ω,   ∇Q = ∇Q̄,   ∇²Q − ∇²Q̄ = 2(ω − ω̄) ∇f ∇fᵀ, positive semidefinite,
//! so the certificate of Q̄ (gaps, λ²_J, curvature) bounds that of Q.
//!
//! Source: M. R. Hestenes (1969), "Multiplier and gradient methods", J. Optim. Theory Appl. 4:303.

use crate::block::Factor;
use crate::judge::NEGLIGIBLE;
use crate::problem::{Problem, Side};
use crate::run::{self, Options, Run};
use headwater_base::Status;

/// Weights above this many times the median of their row or column are pinned …
const HEAVY: f64 = 1e10;
/// … and replaced by this many times the larger median.
const CAP: f64 = 1e6;

/// Rounds of multipliers at most; two or three are usual.
const ROUNDS: usize = 8;

/// [`run::run`], repeated until the multipliers of the pinned cells stand. Leaves their shifts in the run.
pub fn run(problem: &Problem, options: &Options, long: Factor, short: Factor) -> Run {
    let mut run = run::run(problem, options, long, short);
    if problem.pins.is_empty() {
        return run;
    }
    let mut own = problem.clone();
    let again = Options { first_sweeps: 0, ..*options };
    let mut standing = false;
    for _ in 0..ROUNDS {
        let moved = own.shift_pins(&run.long, &run.short);
        standing = moved <= NEGLIGIBLE * run.judgement.unit;
        if standing || matches!(run.judgement.status, Status::Aborted | Status::Budget) {
            break;
        }
        let before = run.iterations;
        run = run::run(&own, &again, run.long, run.short);
        run.iterations += before;
    }
    if !standing && run.judgement.status == Status::Converged {
        run.judgement.status = Status::Stalled;
    }
    run.q = run.judgement.q + own.pinned_q(&run.long, &run.short).0;
    run.shifts = own.pins.iter().map(|pin| pin.shift).collect();
    run
}

/// A pinned cell, in the engine's units.
#[derive(Clone, Debug)]
pub struct Pin {
    /// Member of the long side.
    pub long: usize,
    /// Member of the short side.
    pub short: usize,
    /// ω.
    weight: f64,
    /// ω̄.
    capped: f64,
    /// v.
    value: f64,
    /// s.
    shift: f64,
}

impl Pin {
    /// λ at a fitted value.
    fn force(&self, fit: f64) -> f64 {
        self.capped * (self.value - fit + self.shift)
    }

    /// ω (v − f)².
    fn share(&self, fit: f64) -> f64 {
        self.weight * (self.value - fit).powi(2)
    }
}

/// Finds the heavy cells and caps their weights on both sides.
pub fn find(long: &mut Side, short: &mut Side) -> Vec<Pin> {
    let (of_long, of_short) = (medians(long), medians(short));
    let mut pins = Vec::new();
    for member in 0..long.count {
        for t in 0..long.inner {
            let at = long.cell(member, t);
            let weight = long.omega[at];
            let median = of_long[member].min(of_short[t]);
            if weight <= HEAVY * median {
                continue;
            }
            let capped = CAP * of_long[member].max(of_short[t]);
            let there = short.cell(t, member);
            (long.omega[at], short.omega[there]) = (capped, capped);
            pins.push(Pin { long: member, short: t, weight, capped, value: long.value[at], shift: 0.0 });
        }
    }
    pins
}

/// Median weight of each member; infinite where it has fewer than two cells, so that nothing is heavy beside it.
fn medians(side: &Side) -> Vec<f64> {
    let of = |member: usize| {
        let mut weights: Vec<f64> = (0..side.inner).map(|t| side.omega[side.cell(member, t)]).collect();
        weights.retain(|w| *w > 0.0);
        if weights.len() < 2 {
            return f64::INFINITY;
        }
        let middle = (weights.len() - 1) / 2;
        *weights.select_nth_unstable_by(middle, f64::total_cmp).1
    };
    (0..side.count).map(of).collect()
}

/// Fitted value of a cell.
fn fit(pin: &Pin, long: &Factor, short: &Factor) -> f64 {
    let p = long.p;
    let (w, h) = (&long.rows[pin.long * p..][..p], &short.rows[pin.short * p..][..p]);
    w.iter().zip(h).map(|(w, h)| w * h).sum()
}

impl Problem {
    /// One round of multipliers at a pair of factors. Returns max ω̄ (Δs)²: how far Q̄ can move by it.
    pub(crate) fn shift_pins(&mut self, long: &Factor, short: &Factor) -> f64 {
        let mut largest: f64 = 0.0;
        for i in 0..self.pins.len() {
            let pin = &self.pins[i];
            let next = (1.0 - pin.capped / pin.weight) * (pin.force(fit(pin, long, short)) / pin.capped);
            largest = largest.max(pin.capped * (next - pin.shift).powi(2));
            self.set_shift(i, next);
        }
        largest
    }

    /// Whether a pinned cell is missed by so much that its share of Q exceeds `visible`.
    pub(crate) fn misses_pins(&self, long: &Factor, short: &Factor, visible: f64) -> bool {
        self.pins.iter().any(|pin| pin.share(fit(pin, long, short)) > visible)
    }

    /// The problem with the weights as they were given: fit for the first-order measures of a point that misses a
    /// pinned cell, where they are dominated by it, and not for a proof.
    pub(crate) fn without_pins(&self) -> Problem {
        let mut out = self.with_shifts(&vec![0.0; self.pins.len()]);
        for pin in std::mem::take(&mut out.pins) {
            let (at, there) = (out.long.cell(pin.long, pin.short), out.short.cell(pin.short, pin.long));
            (out.long.omega[at], out.short.omega[there]) = (pin.weight, pin.weight);
        }
        out
    }

    /// The problem with the shifts that a run ended with.
    pub(crate) fn with_shifts(&self, shifts: &[f64]) -> Problem {
        let mut out = self.clone();
        for (i, shift) in shifts.iter().enumerate() {
            out.set_shift(i, *shift);
        }
        out
    }

    fn set_shift(&mut self, i: usize, shift: f64) {
        let pin = &mut self.pins[i];
        pin.shift = shift;
        let value = pin.value + shift;
        let (at, there) = (self.long.cell(pin.long, pin.short), self.short.cell(pin.short, pin.long));
        self.long.value[at] = value;
        self.short.value[there] = value;
    }

    /// Q − Q̄ at a pair of factors, and each pinned cell's own share ω (v − f)² of Q.
    pub(crate) fn pinned_q(&self, long: &Factor, short: &Factor) -> (f64, Vec<f64>) {
        let share = |pin: &Pin| {
            let fit = fit(pin, long, short);
            (pin.share(fit), pin.force(fit).powi(2) / pin.capped)
        };
        let shares: Vec<(f64, f64)> = self.pins.iter().map(share).collect();
        (shares.iter().map(|(own, capped)| own - capped).sum(), shares.into_iter().map(|(own, _)| own).collect())
    }
}

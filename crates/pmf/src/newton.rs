//! The second-order finish: a Newton method on the short factor whose subproblem keeps both bounds.
//!
//! Outer step, at H with W the exact minimiser: minimise the quadratic model φ(δ) of [`crate::model`] over
//! H + δ >= 0, gauges sliced by Σ_j d_jk h_jk δ_jk = 0 for every free scale; then H ← H + δ, W solved anew.
//! The subproblem is piecewise quadratic and is solved by a semismooth Newton method: minimise the quadratic of
//! the current piece (passive sets of the long members) under the bounds of δ, by dense factorisations
//! ([`crate::piece`]) or, with many unknowns, by conjugate gradients ([`crate::projected`]); search along the
//! projected path; exchange P of the members whose passive set changed.
//! If S is not positive definite on a visited piece, μD is added (D the diagonal of B) and the step carries
//! no certificate; likewise if a step does not deliver what the model promised.
//!
//! −φ(δ) of an unshifted subproblem is λ²_J, the decrease predicted with the bounds of both blocks kept.
//! Cost: one formation of S (see [`crate::schur`]) an outer step and (np)³/3 flop an inner one; without S, one
//! pass over the cells for each product.

use crate::model::Evaluation;
use crate::reduced::Reduced;

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
    /// See [`Piece`]; of the last one.
    pub residual: f64,
    /// λ, where the long members are coupled.
    pub multiplier: f64,
}

/// The minimiser of a piece's quadratic under the bounds, and the decrease that it promises.
pub struct Piece {
    pub change: Vec<f64>,
    pub promise: f64,
    /// Squared norm of the projected gradient of the scaled unknowns where it ends (0: solved by factors).
    pub residual: f64,
    /// Whether it is the minimiser, and not only a feasible point below.
    pub solved: bool,
}

/// Promises up to this many tolerances can be an effect of rounding on nearly flat directions.
const VISIBLE: f64 = 100.0;

impl Reduced<'_, '_> {
    /// Minimises the model plus shift · δᵀDδ under the bounds. The shift begins at `request.shift` and is raised
    /// tenfold, from where the search stands, whenever S is not positive definite on a visited piece; `None` if it
    /// would exceed `request.most`.
    pub fn minimise(&mut self, request: &Request) -> Option<Step> {
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
        let (mut rest, mut residual) = (0.0, 0.0);
        // A far subproblem needs a way down, not the exact minimiser of each piece.
        let rough = request.relative > 1e-3;
        for _ in 0..80 {
            if model.crew.stopped() {
                break;
            }
            self.move_to(&plain.passive);
            let step = loop {
                let goal = request.tolerance + request.relative * -now.1;
                let step = if self.formed() {
                    self.dense_piece(&now.0, &delta, shift, rough, &mut at_bound)
                } else {
                    self.projected_piece(&now.0, &delta, shift, goal, &mut at_bound)
                };
                if let Some(step) = step {
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
                (rest, residual) = (step.promise.max(0.0), step.residual);
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
            let gain = next.as_ref().map_or(0.0, |(_, _, with_shift)| now.1 - with_shift.1);
            if gain <= 1e-3 * request.tolerance {
                // The values do not show what the piece promises: where that is next to nothing, it is what may remain.
                if step.solved && step.promise <= VISIBLE * request.tolerance {
                    solved = true;
                    (rest, residual) = (step.promise.max(0.0), step.residual);
                }
                break;
            }
            let Some((trial, there, with_shift)) = next else { break };
            (delta, plain, now) = (trial, there, with_shift);
        }
        let multiplier = plain.multiplier;
        Some(Step { decrement: rest - plain.value, delta, solved, shift, residual, multiplier })
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
}

//! A point: supports and θ.

use std::sync::Arc;

use headwater_base::Error;

use crate::layout::Layout;
use crate::problem::{Gate, Problem};

/// Which atoms are active where, and all unknowns.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Supports and places.
    pub layout: Arc<Layout>,
    /// θ; [`Layout`] says what stands where.
    pub theta: Vec<f64>,
}

impl State {
    /// From gate parameters (amplitudes of the active atoms, or logits), coordinates of the active atoms, each row by row,
    /// and decoders.
    ///
    /// Errors: `start-shape-mismatch` for other lengths; `start-not-valid` for numbers that are not finite, or negative
    /// where that is not allowed.
    pub fn new(
        problem: &Problem,
        layout: Layout,
        gates: &[f64],
        coordinates: &[f64],
        decoders: &[f64],
    ) -> Result<Self, Error> {
        let (all_gates, all_coordinates) = layout.before(layout.rows());
        let needed = [
            ("gate parameters", gates.len(), all_gates),
            ("coordinates", coordinates.len(), all_coordinates),
            ("decoder elements", decoders.len(), problem.channels * problem.columns),
        ];
        for (name, found, length) in needed {
            if found != length {
                return Err(Error::new("start-shape-mismatch", format!("{length} {name} are needed, got {found}")));
            }
        }
        let mut theta = Vec::with_capacity(layout.beta() + decoders.len());
        for n in 0..layout.rows() {
            let ((gate, t), (next_gate, next_t)) = (layout.before(n), layout.before(n + 1));
            theta.extend_from_slice(&gates[gate..next_gate]);
            theta.extend_from_slice(&coordinates[t..next_t]);
        }
        theta.extend_from_slice(decoders);
        check(problem, &layout, &theta)?;
        Ok(Self { layout: Arc::new(layout), theta })
    }

    /// The same supports with another θ.
    ///
    /// Errors: as [`State::new`].
    pub fn with_theta(&self, problem: &Problem, theta: &[f64]) -> Result<Self, Error> {
        if theta.len() != self.theta.len() {
            let message = format!("θ has {} elements, got {}", self.theta.len(), theta.len());
            return Err(Error::new("start-shape-mismatch", message));
        }
        check(problem, &self.layout, theta)?;
        Ok(Self { layout: Arc::clone(&self.layout), theta: theta.to_vec() })
    }

    /// The decoders, all functions × p.
    pub fn decoders(&self) -> &[f64] {
        &self.theta[self.layout.beta()..]
    }

    /// Gate parameters of a row.
    pub fn gates(&self, n: usize) -> &[f64] {
        let first = self.layout.locals(n).start;
        &self.theta[first..first + self.layout.gates(n)]
    }

    /// Coordinates of a row's active atoms, one after another.
    pub fn coordinates(&self, n: usize) -> &[f64] {
        let locals = self.layout.locals(n);
        &self.theta[locals.start + self.layout.gates(n)..locals.end]
    }

    /// Brings every coordinate back into its chart.
    pub fn retract(&mut self, problem: &Problem) {
        for n in 0..self.layout.rows() {
            let mut at = self.layout.locals(n).start + self.layout.gates(n);
            for &k in self.layout.support(n) {
                let atom = &problem.atoms[k as usize];
                atom.basis.retract(&mut self.theta[at..at + atom.dimension]);
                at += atom.dimension;
            }
        }
    }
}

fn check(problem: &Problem, layout: &Layout, theta: &[f64]) -> Result<(), Error> {
    for (at, (x, bounded)) in theta.iter().zip(bounds(problem, layout)).enumerate() {
        if !x.is_finite() || bounded && *x < 0.0 {
            let message =
                format!("element {at} of the start is {x}; it must be finite, and not negative where bounded");
            return Err(Error::new("start-not-valid", message));
        }
    }
    Ok(())
}

/// Which elements of θ must not be negative.
pub(crate) fn bounds(problem: &Problem, layout: &Layout) -> Vec<bool> {
    let mut flags = vec![false; layout.beta() + problem.channels * problem.columns];
    if matches!(problem.gate, Gate::Amplitude(_)) {
        for n in 0..layout.rows() {
            let first = layout.locals(n).start;
            flags[first..first + layout.gates(n)].fill(true);
        }
    }
    if problem.non_negative {
        flags[layout.beta()..].fill(true);
    }
    flags
}

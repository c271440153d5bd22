//! Which elements of θ may move: all but those at their bound whose gradient pushes them there, and coordinates that have
//! no use.

use crate::arrow::Frame;
use crate::assembly::Assembly;
use crate::gauge;
use crate::objective::Objective;
use crate::problem::Gate;
use crate::state::{State, bounds};

/// What may move at an assembly, and the gauges there.
#[derive(Clone, Debug)]
pub struct Freedom {
    /// Whether an element of θ may move.
    pub free: Vec<bool>,
    /// Generators of the gauges that only move what is free.
    pub gauges: Vec<Vec<f64>>,
    /// An orthonormal basis of what they do to the decoders.
    pub pins: Vec<Vec<f64>>,
}

impl Freedom {
    /// At an assembly of this state.
    pub fn new(assembly: &Assembly, state: &State) -> Self {
        let bounded = bounds(assembly.objective.problem, &state.layout);
        Self::within(assembly, state, &bounded, 0.0)
    }

    /// Holds what is near its bound too: where x² times the curvature is at most `near` and the minimum along x alone lies
    /// beyond the bound.
    pub(crate) fn within(assembly: &Assembly, state: &State, bounded: &[bool], near: f64) -> Self {
        let at_bound = |i: usize| {
            let (x, slope, curvature) = (state.theta[i], assembly.gradient[i], assembly.diagonal[i]);
            bounded[i] && slope >= 0.0 && (x <= 0.0 || x * x * curvature <= near && slope >= x * curvature)
        };
        let mut free: Vec<bool> = (0..assembly.len()).map(|i| !at_bound(i)).collect();
        rest(assembly.objective, state, &mut free);
        let gauges = gauge::gauges(assembly.objective, state, &free);
        let pins = gauge::pins(&gauges, assembly.layout.beta());
        Self { free, gauges, pins }
    }

    /// What is to be factored.
    pub fn frame(&self, damping: f64) -> Frame<'_> {
        Frame { free: &self.free, pins: &self.pins, damping }
    }

    /// Takes the gauges anew, after more has been held.
    pub(crate) fn repin(&mut self, assembly: &Assembly, state: &State) {
        self.gauges = gauge::gauges(assembly.objective, state, &self.free);
        self.pins = gauge::pins(&self.gauges, assembly.layout.beta());
    }

    /// The gradient over the free elements.
    pub fn slope(&self, assembly: &Assembly) -> Vec<f64> {
        assembly.gradient.iter().zip(&self.free).map(|(g, free)| if *free { *g } else { 0.0 }).collect()
    }
}

/// An atom whose amplitude is held at 0 has no use for its coordinates there: those without a prior are held with it.
fn rest(objective: &Objective, state: &State, free: &mut [bool]) {
    let (problem, layout) = (objective.problem, &state.layout);
    if !matches!(problem.gate, Gate::Amplitude(_)) {
        return;
    }
    for n in 0..layout.rows() {
        let first = layout.locals(n).start;
        let mut coordinate = first + layout.gates(n);
        for (slot, &k) in layout.support(n).iter().enumerate() {
            let atom = &problem.atoms[k as usize];
            for axis in 0..atom.dimension {
                free[coordinate + axis] &= free[first + slot] || objective.strengths.ard[atom.coordinate + axis] > 0.0;
            }
            coordinate += atom.dimension;
        }
    }
}

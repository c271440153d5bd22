//! Directions along which L does not change, in closed form.
//!
//! * The phase of a circle or torus without a prior of its own: t ↦ t + ε in all rows where the atom is active is undone by
//!   δB = εGB, G the generator of its functions ([`Basis::generator`](crate::basis::Basis::generator)).
//! * The scale of an atom without priors on amplitudes and decoder: δs = εs, δB = −εB.
//!
//! No other direction is ever taken out of a matrix: what is flat beside these is not a minimum, and is said so.

use headwater_linalg::dense::{add_scaled, inner};

use crate::objective::Objective;
use crate::problem::Gate;
use crate::state::State;

/// Generators at a state that move only what is free, each a vector like θ.
pub fn gauges(objective: &Objective, state: &State, free: &[bool]) -> Vec<Vec<f64>> {
    let problem = objective.problem;
    let (layout, strengths) = (&state.layout, &objective.strengths);
    let (p, beta) = (problem.columns, layout.beta());
    // Places of the locals of each atom: amplitude and first coordinate, where it is active.
    let mut active: Vec<Vec<(usize, usize)>> = vec![Vec::new(); problem.atoms.len()];
    for n in 0..layout.rows() {
        let first = layout.locals(n).start;
        let mut coordinate = first + layout.gates(n);
        for (slot, &k) in layout.support(n).iter().enumerate() {
            active[k as usize].push((first + slot, coordinate));
            coordinate += problem.atoms[k as usize].dimension;
        }
    }
    let mut out = Vec::new();
    for (k, atom) in problem.atoms.iter().enumerate() {
        let (m, decoder) = (atom.functions, beta + atom.channel * p);
        for axis in 0..atom.dimension {
            let mut generator = vec![0.0; m * m];
            if strengths.ard[atom.coordinate + axis] > 0.0 || !atom.basis.generator(axis, &mut generator) {
                continue;
            }
            let mut direction = vec![0.0; state.theta.len()];
            let moving = active[k].iter().map(|&(_, coordinate)| coordinate + axis).filter(|&at| free[at]);
            moving.for_each(|at| direction[at] = 1.0);
            for i in 0..m {
                for j in 0..m {
                    let from = decoder + j * p;
                    let to = &mut direction[decoder + i * p..decoder + (i + 1) * p];
                    add_scaled(generator[i * m + j], &state.theta[from..from + p], to);
                }
            }
            out.push(direction);
        }
        if matches!(problem.gate, Gate::Amplitude(_)) && strengths.amplitude[k] == 0.0 {
            let mut direction = vec![0.0; state.theta.len()];
            // What is held is 0, or goes there.
            let amplitudes = active[k].iter().map(|&(amplitude, _)| amplitude).filter(|&at| free[at]);
            amplitudes.for_each(|at| direction[at] = state.theta[at]);
            let decoders = (decoder..decoder + m * p).filter(|&at| free[at]);
            decoders.for_each(|at| direction[at] = -state.theta[at]);
            out.push(direction);
        }
    }
    out.retain(|direction| {
        let moves_bound = direction.iter().zip(free).any(|(x, free)| *x != 0.0 && !free);
        !moves_bound && direction[beta..].iter().any(|x| *x != 0.0)
    });
    out
}

/// An orthonormal basis of what the gauges do to the decoders; directions that depend on the others are left out.
pub(crate) fn pins(gauges: &[Vec<f64>], beta: usize) -> Vec<Vec<f64>> {
    let mut out: Vec<Vec<f64>> = Vec::new();
    for gauge in gauges {
        let mut pin = gauge[beta..].to_vec();
        let before = inner(&pin, &pin);
        for _ in 0..2 {
            for other in &out {
                let part = inner(other, &pin);
                add_scaled(-part, other, &mut pin);
            }
        }
        let square = inner(&pin, &pin);
        if square > 1e-16 * before {
            pin.iter_mut().for_each(|x| *x /= square.sqrt());
            out.push(pin);
        }
    }
    out
}

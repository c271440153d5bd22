//! The step to the minimum of a quadratic model over the bounds.
//!
//! m(d) = gᵀd + ½dᵀ(H + μD)d over θ + d >= 0, H one of A and B, D the diagonal of B. By block pivoting: elements whose step
//! passes their bound are put on it, those on it that the model pushes away are released, and the others solved again.
//! Cutting off a step at the bounds alone would leave the rest of it wrong.
//!
//! Source: J. Kim, H. Park (2011), "Fast nonnegative matrix factorization: an active-set-like method and comparisons" (block
//! principal pivoting); here ended after some rounds, with the best of them.

use headwater_base::parallel::Crew;
use headwater_linalg::dense::{add_scaled, inner};

use crate::arrow::{Arrow, Refusal};
use crate::assembly::{Assembly, Kind};
use crate::freedom::Freedom;
use crate::state::State;

/// Rounds of exchange between what is held and what is free.
const ROUNDS: usize = 12;
/// Of 1 + |L|: exchanges that are worth less are rounding.
const TRIFLE: f64 = 1e-15;

/// A step and what the undamped model promises for it.
pub(crate) struct Step {
    pub direction: Vec<f64>,
    pub gain: f64,
    /// It is the model's minimum: nothing passes a bound, nothing is pushed away from one.
    pub settled: bool,
}

/// The step; refused where H + μD is not positive definite over what is free at first.
pub(crate) fn bounded_step(
    assembly: &Assembly,
    state: &State,
    freedom: &Freedom,
    bounded: &[bool],
    kind: Kind,
    damping: f64,
    crew: Crew,
) -> Result<Step, Refusal> {
    let mut freedom = freedom.clone();
    let (size, trifle) = (assembly.len(), TRIFLE * (1.0 + assembly.value.abs()));
    let mut best: Option<Step> = None;
    for _ in 0..ROUNDS {
        // What is held and not at its bound goes there.
        let held = |i: usize| bounded[i] && !freedom.free[i];
        let mut direction: Vec<f64> = (0..size).map(|i| if held(i) { -state.theta[i] } else { 0.0 }).collect();
        let mut rest = assembly.gradient.clone();
        if direction.iter().any(|d| *d != 0.0) {
            add_scaled(1.0, &assembly.product(kind, &direction), &mut rest);
        }
        let solved = Arrow::new(assembly, kind, &freedom.frame(damping), crew).and_then(|factor| factor.solve(&rest));
        let solved = match solved {
            Ok(solved) => solved,
            // Released elements may bring in negative curvature.
            Err(refusal) if refusal == Refusal::Stopped || best.is_none() => return Err(refusal),
            Err(_) => break,
        };
        let mut passed = Vec::new();
        for i in (0..size).filter(|&i| freedom.free[i]) {
            direction[i] = -solved[i];
            let beyond = state.theta[i] + direction[i];
            if bounded[i] && beyond < 0.0 {
                direction[i] = -state.theta[i];
                if beyond * beyond * assembly.diagonal[i] > trifle {
                    passed.push(i);
                }
            }
        }
        let image = assembly.product(kind, &direction);
        let gain = -inner(&assembly.gradient, &direction) - 0.5 * inner(&direction, &image);
        let pushed = |i: &usize| {
            let slope = assembly.gradient[*i] + image[*i] + damping * assembly.diagonal[*i] * direction[*i];
            held(*i) && slope < 0.0 && slope * slope > trifle * assembly.diagonal[*i]
        };
        let released: Vec<usize> = (0..size).filter(pushed).collect();
        let settled = passed.is_empty() && released.is_empty();
        if settled || best.as_ref().is_none_or(|best| gain > best.gain) {
            best = Some(Step { direction, gain, settled });
        }
        if settled {
            break;
        }
        passed.iter().for_each(|&i| freedom.free[i] = false);
        released.iter().for_each(|&i| freedom.free[i] = true);
        freedom.repin(assembly, state);
    }
    Ok(best.expect("a round is finished or refused"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::bounds;
    use crate::{AmplitudePrior, Gate, Input, Layout, Objective, Problem, RowWeights, Strengths, Topology};
    use headwater_base::Control;

    #[test]
    fn an_element_that_was_put_on_its_bound_too_soon_is_released() {
        // Two amplitudes of one row, ½sᵀHs − cᵀs with H = [1, −0.9; −0.9, 1], c = (−1, 0.5): without bounds both are
        // negative, with them s = (0, 0.5). The second row only keeps the number of atoms allowed.
        let problem = Problem::new(Input {
            rows: 2,
            columns: 2,
            values: vec![-1.0, -0.4 / 0.19_f64.sqrt(), 0.0, 0.0],
            cell_weights: None,
            row_weights: None,
            weighting: RowWeights::Precision,
            atoms: vec![Topology::Constant; 2],
            gate: Gate::Amplitude(AmplitudePrior::HalfNormal),
            non_negative: false,
        })
        .expect("a problem");
        let decoders = [1.0, 0.0, -0.9, 0.19_f64.sqrt()];
        let layout = Layout::new(&problem, &[vec![0, 1], vec![]]).expect("a layout");
        let state = State::new(&problem, layout, &[1.0, 1.0], &[], &decoders).expect("a state");
        let objective = Objective::new(&problem, Strengths::none(&problem), None).expect("an objective");
        let crew = Crew::new(1, Control::none());
        let assembly = Assembly::new(&objective, &state, crew).expect("not stopped");
        // Decoders stay where they are.
        let free: Vec<bool> = (0..6).map(|i| i < 2).collect();
        let freedom = Freedom { free, gauges: Vec::new(), pins: Vec::new() };
        let mut bounded = bounds(&problem, &state.layout);
        bounded[2..].fill(false);
        let step = bounded_step(&assembly, &state, &freedom, &bounded, Kind::Exact, 0.0, crew).expect("definite");
        assert!(step.settled);
        for (x, (d, expected)) in
            state.theta.iter().zip(step.direction.iter().zip([0.0, 0.5, 1.0, 0.0, -0.9, 0.19_f64.sqrt()]))
        {
            assert!((x + d - expected).abs() < 1e-12, "{} for {expected}", x + d);
        }
    }
}

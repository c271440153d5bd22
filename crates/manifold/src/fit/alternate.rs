//! Codes and decoders in turns, from decoders: each half a step lowers L, so that its fall decides when to end.

use headwater_base::parallel::Crew;

use crate::coding::{CodingSettings, code, refreshed};
use crate::fit::decoders::least_squares;
use crate::local::relax;
use crate::objective::Objective;
use crate::state::State;

/// Relative fall of L at which the turns end.
const SETTLED: f64 = 1e-4;
/// Least squares and relaxed codes in turns, before supports are looked for again.
const STEPS: usize = 2;

/// At most `turns` turns. `None` if the crew was stopped.
pub(super) fn alternate(
    objective: &Objective,
    decoders: &[f64],
    coding: CodingSettings,
    turns: usize,
    crew: Crew,
) -> Option<State> {
    let state = code(objective, decoders, coding, crew)?.state;
    further(objective, state, coding, turns, crew)
}

/// The same from a state.
pub(super) fn further(
    objective: &Objective,
    mut state: State,
    coding: CodingSettings,
    turns: usize,
    crew: Crew,
) -> Option<State> {
    let mut value = objective.value(&state, crew)?;
    for _ in 0..turns {
        let mut next = state.clone();
        for _ in 0..STEPS {
            let Some(decoders) = least_squares(objective, &next, crew) else {
                return if crew.stopped() { None } else { Some(state) };
            };
            let beta = next.layout.beta();
            next.theta[beta..].copy_from_slice(&decoders);
            next = relax(objective, &next, crew)?;
        }
        // A support is left only for one with less energy.
        let fresh = code(objective, next.decoders(), coding, crew)?.state;
        let next = refreshed(objective, &next, &fresh, 0.0, crew)?.state;
        let found = objective.value(&next, crew)?;
        let settled = value - found <= SETTLED * value.abs();
        if found < value {
            (state, value) = (next, found);
        }
        if settled {
            break;
        }
    }
    Some(state)
}

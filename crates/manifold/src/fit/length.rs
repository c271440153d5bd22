//! What a dictionary costs to write down, in nats: whether an atom is worth its place.
//!
//! Length = ½n ln φ̂ + Σ over active slots of (ln K + ½ Σ_scalars ln(1 + r)) + Σ over atoms of ½ M p ln N_k, with
//! φ̂ = Σω(f − z)²/(n − d), n observed cells, d numbers told in codes: what is fitted exactly leaves nothing over and must not
//! count as precision. A parameter known from N rows costs ½ ln N, a number told to the precision that the noise leaves
//! ½ ln(1 + r), which atom it is ln K. r is the signal-to-noise ratio for coordinates; for an amplitude, the variance of its
//! prior over that of its error, and d counts r/(1 + r) of it: where amplitudes are all but equal, nothing is told. Every
//! dictionary is judged by its own noise, so that lengths can be compared.
//!
//! Source: J. Rissanen (1978), "Modeling by shortest data description", Automatica 14.

use headwater_base::parallel::Crew;

use crate::coding::{CodingSettings, code_some};
use crate::objective::Objective;
use crate::problem::{AmplitudePrior, Gate, Problem};
use crate::row::Row;
use crate::state::State;

/// What one atom does in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Use {
    /// N_k: rows in which it is on.
    pub rows: usize,
    /// Σ over them of ω‖a m(t)‖²/φ.
    pub energy: f64,
    /// Σ a.
    pub mass: f64,
    /// Σ a².
    pub square: f64,
}

/// The use of every atom, and twice the data term: Σ ω(f − z)²/φ.
pub(super) fn uses(objective: &Objective, state: &State) -> (Vec<Use>, f64) {
    let problem = objective.problem;
    let mut out = vec![Use::default(); problem.atoms.len()];
    let mut row = Row::new(problem);
    let mut own = vec![0.0; problem.columns];
    let mut data = 0.0;
    for n in 0..problem.rows {
        row.load(state, n);
        data += 2.0 * row.residual(n, objective.strengths.noise);
        for (slot, amount) in row.slots.iter().zip(&row.amounts) {
            own.fill(0.0);
            row.add_said(slot, 1.0, &mut own);
            let to = &mut out[slot.atom];
            to.rows += 1;
            to.mass += amount;
            to.square += amount * amount;
            to.energy += own.iter().zip(&row.weights).map(|(x, w)| w * x * x).sum::<f64>();
        }
    }
    (out, data)
}

/// The variance of an atom's amplitudes by their prior: infinite without one, NaN where there are no amplitudes.
fn prior_variance(objective: &Objective, k: usize) -> f64 {
    let alpha = objective.strengths.amplitude[k];
    match objective.problem.gate {
        Gate::Amplitude(AmplitudePrior::Normal | AmplitudePrior::HalfNormal) => alpha.recip(),
        Gate::Amplitude(AmplitudePrior::Exponential) => (alpha * alpha).recip(),
        Gate::Softmax { .. } => f64::INFINITY,
        Gate::Unit => f64::NAN,
    }
}

/// Numbers told for a slot of an atom.
pub(super) fn scalars(problem: &Problem, k: usize) -> usize {
    problem.atoms[k].dimension + usize::from(!matches!(problem.gate, Gate::Unit))
}

/// The length of a state, in nats. The noise of the objective does not matter.
pub(super) fn length(objective: &Objective, state: &State) -> f64 {
    let problem = objective.problem;
    let (uses, data) = uses(objective, state);
    // Of an atom's amplitudes, at a noise of this many times the objective's.
    let ratio = |k: usize, noise: f64| prior_variance(objective, k) * uses[k].energy / (noise * uses[k].square);
    let told_of = |(k, atom): (usize, &Use)| {
        let ratio = ratio(k, 1.0);
        let amounts = if ratio.is_nan() { 0.0 } else { 1.0 - (1.0 + ratio).recip() };
        atom.rows as f64 * (problem.atoms[k].dimension as f64 + amounts)
    };
    let told: f64 = uses.iter().enumerate().map(told_of).sum();
    let cells = problem.observed as f64;
    // In units of the objective's noise.
    let noise = (data / (cells - told).max(LEAST * cells)).max(f64::MIN_POSITIVE);
    let used = uses.iter().filter(|atom| atom.rows > 0).count().max(1) as f64;
    let of = |(k, atom): (usize, &Use)| {
        if atom.rows == 0 {
            return 0.0;
        }
        let (count, numbers) = (atom.rows as f64, scalars(problem, k) as f64);
        let energy = atom.energy / (noise * count * numbers.max(1.0));
        let parameters = (problem.atoms[k].functions * problem.columns) as f64;
        let coordinates = problem.atoms[k].dimension as f64;
        // Without a prior an amplitude is told like a coordinate.
        let amounts = match ratio(k, noise) {
            ratio if ratio.is_nan() => 0.0,
            ratio if ratio.is_infinite() => energy,
            ratio => ratio,
        };
        count * (used.ln() + 0.5 * coordinates * energy.ln_1p() + 0.5 * amounts.ln_1p())
            + 0.5 * parameters * count.max(2.0).ln()
    };
    let codes: f64 = uses.iter().enumerate().map(of).sum();
    0.5 * cells * (noise * objective.strengths.noise).ln() + codes
}

/// The length of saying nothing: all atoms off.
pub(super) fn of_nothing(objective: &Objective) -> f64 {
    let problem = objective.problem;
    let cells = problem.observed as f64;
    0.5 * cells * (problem.square() / cells).max(f64::MIN_POSITIVE).ln()
}

/// Of the observed cells: at least so many are left when numbers in codes are taken off.
const LEAST: f64 = 0.02;

/// The length without one atom, its rows coded by the others; and that coding. `None` if the crew was stopped.
pub(super) fn without(
    objective: &Objective,
    state: &State,
    atom: usize,
    coding: CodingSettings,
    crew: Crew,
) -> Option<(f64, State)> {
    let problem = objective.problem;
    let mut decoders = state.decoders().to_vec();
    decoders[problem.atoms[atom].decoder(problem.columns)].fill(0.0);
    let on = |&n: &usize| state.layout.support(n).contains(&(atom as u32));
    let rows: Vec<usize> = (0..problem.rows).filter(on).collect();
    let next = code_some(objective, state, &decoders, &rows, coding, crew)?;
    Some((length(objective, &next), next))
}

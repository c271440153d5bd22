//! What is known about each atom of a fit, and what may be claimed of it.

use std::f64::consts::TAU;

use headwater_base::parallel::Crew;

use crate::coding::CodingSettings;
use crate::fit::length::{self, Use};
use crate::objective::Objective;
use crate::problem::{AmplitudePrior, Gate};
use crate::row::{Row, Slot};
use crate::state::State;

/// What may be said of an atom's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing speaks against it.
    Holds,
    /// The dictionary is shorter to write down without the atom.
    NotWorth,
    /// Its coordinates do not spread: it is a point by another name.
    Collapsed,
    /// A circle whose amplitudes fill the disc: two directions would say the same.
    Filled,
    /// Too few rows, or too much noise, to tell a ring from a disc; or stopped before that was known.
    Undecided,
}

/// What is known about an atom.
#[derive(Clone, Debug)]
pub struct AtomFacts {
    /// Rows, energy, mass.
    pub used: Use,
    /// Share of the rows' squares (Σω z²) that the atom's own points make up.
    pub share: f64,
    /// (Σa)²/Σa²: rows that count.
    pub effective_rows: f64,
    /// Nats by which the dictionary is longer without the atom; `None` where that was not asked.
    pub worth: Option<f64>,
    /// Per coordinate: circular variance 1 − |mean e^{2πit}| in [0, 1] of a periodic one, else the variance.
    pub spread: Vec<f64>,
    /// Share of √N_k equal parts of each coordinate that are occupied, the least over coordinates; 1 without coordinates.
    pub coverage: f64,
    /// σ_min/σ_max of ΣJᵀΩJ over the rows, J the curve's or surface's tangents; 1 in one dimension.
    pub tangent_condition: f64,
    /// E a⁴/(E a²)² of amplitudes, noise taken off: 1 on a ring, 4/3 in a filled disc, 2 for two normal directions. `None`
    /// without amplitudes.
    pub kurtosis: Option<f64>,
    /// Its standard error.
    pub kurtosis_error: Option<f64>,
    /// What may be claimed.
    pub claim: Claim,
}

impl AtomFacts {
    /// Nats that the atom is worth for each of its rows.
    pub fn worth_of_a_row(&self) -> Option<f64> {
        self.worth.map(|nats| nats / self.used.rows.max(1) as f64)
    }

    /// tangent condition × coverage⁴, in [0, 1].
    pub fn trust(&self) -> f64 {
        self.tangent_condition * self.coverage.powi(4)
    }
}

/// Circular variance below which a coordinate counts as constant.
const CONSTANT: f64 = 1e-3;
/// Kurtosis of amplitudes up to which they are those of a ring: half-way to a filled disc.
const RING: f64 = 7.0 / 6.0;
/// Times the variance of an amplitude: squares of amplitudes must be so large for their distribution to be told from the noise's.
const TOLD: f64 = 3.0;
/// Standard errors on either side.
const SURE: f64 = 2.0;

/// Facts of all atoms.
pub(super) fn facts(
    objective: &Objective,
    state: &State,
    uses: &[Use],
    coding: CodingSettings,
    worth: bool,
    crew: Crew,
) -> Vec<AtomFacts> {
    let problem = objective.problem;
    let p = problem.columns;
    let mut total = 0.0;
    let mut amounts: Vec<Vec<[f64; 2]>> = vec![Vec::new(); uses.len()];
    let mut places: Vec<Vec<f64>> = vec![Vec::new(); uses.len()];
    let mut tangents: Vec<Vec<f64>> = problem.atoms.iter().map(|atom| vec![0.0; atom.dimension.pow(2)]).collect();
    let mut row = Row::new(problem);
    for n in 0..problem.rows {
        row.load(state, n);
        row.residual(n, objective.strengths.noise);
        row.differentiate();
        total += problem.row(n).iter().zip(&row.weights).map(|(z, w)| w * z * z).sum::<f64>();
        for (slot, amount) in row.slots.iter().zip(&row.amounts) {
            let d = slot.dimension;
            amounts[slot.atom].push(raw(objective, &row, slot, *amount));
            places[slot.atom].extend_from_slice(&row.theta[slot.coordinate..slot.coordinate + d]);
            for a in 0..d {
                for b in 0..d {
                    let (x, y) =
                        (&row.tangents[(slot.coordinate + a) * p..], &row.tangents[(slot.coordinate + b) * p..]);
                    let dot: f64 = x[..p].iter().zip(&y[..p]).zip(&row.weights).map(|((x, y), w)| w * x * y).sum();
                    tangents[slot.atom][a * d + b] += dot;
                }
            }
        }
    }
    let now = worth.then(|| length::length(objective, state));
    (0..uses.len())
        .map(|k| {
            let (atom, used) = (&problem.atoms[k], uses[k]);
            let d = atom.dimension;
            let worth = now.and_then(|now| Some(length::without(objective, state, k, coding, crew)?.0 - now));
            let axis = |c: usize| places[k].iter().skip(c).step_by(d.max(1)).copied();
            let periods: Vec<Option<f64>> = (0..d).map(|c| atom.basis.period(c)).collect();
            let spread: Vec<f64> = (0..d).map(|c| spread(axis(c), periods[c])).collect();
            let coverage = (0..d).map(|c| coverage(axis(c).collect(), periods[c])).fold(1.0, f64::min);
            let kurtosis = matches!(problem.gate, Gate::Amplitude(_)).then(|| kurtosis(&amounts[k])).flatten();
            let circle = atom.basis.harmonics().is_some();
            let constant = |c: usize| periods[c].is_some() && spread[c] < CONSTANT || spread[c] == 0.0;
            let claim = if used.rows == 0 || worth.is_some_and(|nats| nats <= 0.0) {
                Claim::NotWorth
            } else if now.is_some() && worth.is_none() {
                // Stopped before it was known.
                Claim::Undecided
            } else if (0..d).any(constant) {
                Claim::Collapsed
            } else {
                match kurtosis {
                    Some((value, error)) if circle && value - SURE * error > RING => Claim::Filled,
                    Some((value, error)) if circle && value + SURE * error > RING => Claim::Undecided,
                    None if circle && matches!(problem.gate, Gate::Amplitude(_)) => Claim::Undecided,
                    _ => Claim::Holds,
                }
            };
            AtomFacts {
                used,
                share: if total > 0.0 { used.energy / total } else { 0.0 },
                effective_rows: if used.square > 0.0 { used.mass * used.mass / used.square } else { 0.0 },
                worth,
                coverage,
                tangent_condition: condition(&tangents[k], d),
                kurtosis: kurtosis.map(|pair| pair.0),
                kurtosis_error: kurtosis.map(|pair| pair.1),
                spread,
                claim,
            }
        })
        .collect()
}

fn spread(t: impl Iterator<Item = f64>, period: Option<f64>) -> f64 {
    let all: Vec<f64> = t.collect();
    let count = all.len().max(1) as f64;
    match period {
        Some(period) => {
            let (c, s) = all.iter().fold((0.0, 0.0), |(c, s), t| {
                let (sin, cos) = (TAU * t / period).sin_cos();
                (c + cos, s + sin)
            });
            if all.is_empty() { 0.0 } else { 1.0 - f64::hypot(c, s) / count }
        }
        None => {
            let mean = all.iter().sum::<f64>() / count;
            all.iter().map(|t| (t - mean) * (t - mean)).sum::<f64>() / count
        }
    }
}

/// Occupied share of √N equal parts: of the period, or of what lies between the 1 % and 99 % quantiles.
fn coverage(mut t: Vec<f64>, period: Option<f64>) -> f64 {
    if t.is_empty() {
        return 0.0;
    }
    t.sort_by(f64::total_cmp);
    let parts = (t.len() as f64).sqrt().ceil().max(1.0);
    let (low, width) = match period {
        Some(period) => (0.0, period),
        None => {
            let at = |q: f64| t[(q * (t.len() - 1) as f64).round() as usize];
            (at(0.01), at(0.99) - at(0.01))
        }
    };
    if width <= 0.0 {
        return 0.0;
    }
    let mut occupied = vec![false; parts as usize];
    for x in t {
        let at = ((x - low) / width * parts).floor();
        if at >= 0.0 && at < parts {
            occupied[at as usize] = true;
        }
    }
    occupied.iter().filter(|on| **on).count() as f64 / parts
}

/// The amplitude without its prior, and its variance: with q = ω‖m(t)‖²/φ, ∂(energy)/∂a = q(a − raw) + prior′ = 0.
fn raw(objective: &Objective, row: &Row, slot: &Slot, amount: f64) -> [f64; 2] {
    let Gate::Amplitude(prior) = objective.problem.gate else { return [amount, 0.0] };
    let mut curve = vec![0.0; objective.problem.columns];
    row.add_said(slot, amount.max(f64::MIN_POSITIVE).recip(), &mut curve);
    let q: f64 = curve.iter().zip(&row.weights).map(|(x, w)| w * x * x).sum();
    let alpha = objective.strengths.amplitude[slot.atom];
    let slope = match prior {
        AmplitudePrior::Normal => alpha * (amount - 1.0),
        AmplitudePrior::HalfNormal => alpha * amount,
        AmplitudePrior::Exponential => alpha,
    };
    if q > 0.0 { [amount + slope / q, 1.0 / q] } else { [amount, 0.0] }
}

/// E a⁴/(E a²)² with the noise of each amplitude (its variance v) taken off, and its standard error; `None` where nothing is
/// left.
fn kurtosis(amounts: &[[f64; 2]]) -> Option<(f64, f64)> {
    let count = amounts.len() as f64;
    if count < 10.0 {
        return None;
    }
    let mean = |of: &dyn Fn(&[f64; 2]) -> f64| amounts.iter().map(of).sum::<f64>() / count;
    // E(a + e)² = Ea² + v, E(a + e)⁴ = Ea⁴ + 6v Ea² + 3v².
    let v = mean(&|a| a[1]);
    let second = mean(&|a| a[0] * a[0]) - v;
    let fourth = mean(&|a| a[0].powi(4)) - 6.0 * second * v - 3.0 * v * v;
    if second <= TOLD * v {
        return None;
    }
    let value = fourth / (second * second);
    // Of the mean of a⁴/m² − 2κ a²/m (the delta method).
    let parts: Vec<f64> =
        amounts.iter().map(|[a, _]| a.powi(4) / (second * second) - 2.0 * value * a * a / second).collect();
    let mean = parts.iter().sum::<f64>() / count;
    let variance = parts.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (count - 1.0);
    Some((value, (variance / count).sqrt()))
}

/// √(smallest/largest eigenvalue).
fn condition(moments: &[f64], d: usize) -> f64 {
    if d < 2 {
        return 1.0;
    }
    match headwater_linalg::eigen::symmetric(d, moments) {
        Some((values, _)) if values[d - 1] > 0.0 => (values[0].max(0.0) / values[d - 1]).sqrt(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_and_discs_differ_in_their_fourth_moment() {
        let ring = vec![[1.0, 0.0]; 400];
        let (value, error) = kurtosis(&ring).expect("enough");
        assert!((value - 1.0).abs() < 1e-12 && error < 1e-12);
        // Radii √u of a uniform disc: E a⁴/(E a²)² = (1/3)/(1/4).
        let disc: Vec<[f64; 2]> = (0..400).map(|i| [((f64::from(i) + 0.5) / 400.0).sqrt(), 0.0]).collect();
        let (value, error) = kurtosis(&disc).expect("enough");
        assert!((value - 4.0 / 3.0).abs() < 1e-4 && value - 2.0 * error > RING, "{value} ± {error}");
    }

    #[test]
    fn constant_coordinates_do_not_spread() {
        assert!(spread([0.3; 50].into_iter(), Some(1.0)) < 1e-12);
        assert!((spread((0..50).map(|i| f64::from(i) / 50.0), Some(1.0)) - 1.0).abs() < 1e-12);
        assert_eq!(coverage((0..50).map(|i| f64::from(i) / 50.0).collect(), Some(1.0)), 1.0);
        assert_eq!(coverage((0..50).map(|i| f64::from(i) / 100.0).collect(), Some(1.0)), 0.5);
    }
}

//! What a periodic coordinate with a prior of its own costs beyond the normal approximation of its posterior.
//!
//! ½ ln κ − ½ ln 2π, κ the curvature of B along the coordinate, is −ln of a normal integral. Where rows carry no phase
//! information κ is the prior's α, and the criterion would fall by ½ a row with every e-fold of α, without bound, since the
//! prior's own normaliser is bounded. The integral over a period is that of von Mises' density, η = κP²/4π²: the difference
//! c(κ) = −[ln P − η + ln I₀(η)] − ½ ln κ + ½ ln 2π is added to V for every row and phase with a prior. It vanishes for
//! large κ.
//!
//! Phases without a prior have no such term: with B's curvature, which is too small where an atom is weak, it would make the
//! criterion prefer weak circles in noise to none. There V falls as the atom vanishes, and the search ends on the boundary.

use std::f64::consts::TAU;

use crate::ard::bessel;
use crate::assembly::Assembly;

/// c(κ) and c′(κ).
pub(crate) fn charge(curvature: f64, period: f64) -> (f64, f64) {
    let scale = period * period / (TAU * TAU);
    let eta = curvature * scale;
    let (log, ratio) = bessel(eta);
    let value = -period.ln() - log - 0.5 * (curvature / TAU).ln();
    // For large η the two terms of the slope cancel: 1 − I₁/I₀ = 1/2η + 1/8η² + 1/8η³ + 25/128η⁴ …
    let rest = 1.0 / eta;
    let slope =
        if eta < 1e3 { 1.0 - ratio - 0.5 / eta } else { rest * rest * (0.125 + rest * (0.125 + rest * 25.0 / 128.0)) };
    (value, scale * slope)
}

/// Calls `with(place in θ, κ, period)` for every periodic coordinate that has a prior and is free.
pub(crate) fn phases(assembly: &Assembly, free: &[bool], mut with: impl FnMut(usize, f64, f64)) {
    let (layout, problem) = (&assembly.layout, assembly.objective.problem);
    for n in 0..layout.rows() {
        let mut at = layout.locals(n).start + layout.gates(n);
        for &k in layout.support(n) {
            let atom = &problem.atoms[k as usize];
            for axis in 0..atom.dimension {
                let priced = free[at + axis] && assembly.objective.strengths.ard[atom.coordinate + axis] > 0.0;
                if let (Some(period), true) = (atom.basis.period(axis), priced) {
                    with(at + axis, assembly.diagonal[at + axis], period);
                }
            }
            at += atom.dimension;
        }
    }
}

/// Σ c(κ) over all rows and phases that have a prior and are free.
pub fn phase_charge(assembly: &Assembly, free: &[bool]) -> f64 {
    let mut sum = 0.0;
    phases(assembly, free, |_, curvature, period| sum += charge(curvature, period).0);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charge_is_the_difference_of_two_integrals() {
        for period in [1.0, 2.5] {
            for exponent in -6..9 {
                let curvature = 10.0_f64.powi(exponent);
                let (value, slope) = charge(curvature, period);
                // ∫ exp(κP²/4π² (cos 2πt/P − 1)) dt over a period; the integrand is periodic, so the sum converges at once.
                let n = 200_000;
                let rate = TAU / period;
                let energy = |t: f64| 2.0 * curvature / (rate * rate) * (0.5 * rate * t).sin().powi(2);
                let sum: f64 = (0..n).map(|i| (-energy(period * f64::from(i) / f64::from(n))).exp()).sum();
                let exact = -(period * sum / f64::from(n)).ln();
                let normal = 0.5 * (curvature / TAU).ln();
                assert!((value - (exact - normal)).abs() < 1e-9 * (1.0 + exact.abs()), "{curvature}: {value}");
                let h = 1e-4;
                let at = |by: f64| charge(curvature * (by * h).exp(), period).0;
                let expected = (at(1.0) - at(-1.0)) / (2.0 * h);
                assert!((curvature * slope - expected).abs() < 1e-7 * (expected.abs() + 1e-3), "{curvature}: {slope}");
            }
        }
    }
}

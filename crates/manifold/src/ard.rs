//! The prior of a coordinate, of strength α ("automatic relevance determination").
//!
//! On a line: V = ½αt², with −½ ln α as normaliser. On a circle of period P, κ = 2π/P: V = (α/κ²)(1 − cos κt), with
//! ln Z = ln P − η + ln I₀(η), η = α/κ². Its curvature α cos κt is majorised by α(x + √(x² + ε²))/2, x = cos κt: positive,
//! smooth, and at least max(x, 0).

use std::f64::consts::{PI, TAU};

/// ε: the majorant is at most αε/2 above max(V″, 0).
const SMOOTHING: f64 = 0.1;

/// Prior of one coordinate.
#[derive(Clone, Copy)]
pub(crate) struct Ard {
    pub strength: f64,
    pub period: Option<f64>,
}

impl Ard {
    /// (V, V′, V″) at t.
    pub fn jet(self, t: f64) -> (f64, f64, f64) {
        let alpha = self.strength;
        match self.period {
            None => (0.5 * alpha * t * t, alpha * t, alpha),
            Some(period) => {
                let kappa = TAU / period;
                let (sin, cos) = (kappa * t).sin_cos();
                let half = (0.5 * kappa * t).sin();
                (2.0 * alpha / (kappa * kappa) * half * half, alpha / kappa * sin, alpha * cos)
            }
        }
    }

    /// The majorant of V″ and its derivative.
    pub fn majorant(self, t: f64) -> (f64, f64) {
        let Some(period) = self.period else { return (self.strength, 0.0) };
        let kappa = TAU / period;
        let (sin, x) = (kappa * t).sin_cos();
        let root = x.hypot(SMOOTHING);
        (0.5 * self.strength * (x + root), -0.5 * self.strength * (1.0 + x / root) * kappa * sin)
    }

    /// The normaliser of one coordinate (up to a constant) and its derivative by ln α.
    pub fn normaliser(self) -> (f64, f64) {
        match self.period {
            None => (-0.5 * self.strength.ln(), -0.5),
            Some(period) => {
                let kappa = TAU / period;
                let eta = self.strength / (kappa * kappa);
                let (log, ratio) = bessel(eta);
                (period.ln() + log, eta * (ratio - 1.0))
            }
        }
    }
}

/// (ln I₀(x) − x, I₁(x)/I₀(x)) for x >= 0, to rounding: the power series, or Hankel's expansion.
pub(crate) fn bessel(x: f64) -> (f64, f64) {
    if x < 30.0 {
        let square = 0.25 * x * x;
        let (mut zero, mut one, mut term) = (1.0, 1.0, 1.0);
        for k in 1..200 {
            let k = f64::from(k);
            term *= square / (k * k);
            zero += term;
            one += term / (k + 1.0);
            if term < 1e-18 * zero {
                break;
            }
        }
        return (zero.ln() - x, 0.5 * x * one / zero);
    }
    let series = |order: f64| {
        let (mut sum, mut term) = (1.0, 1.0);
        for k in 1..25 {
            let k = f64::from(k);
            let odd = 2.0 * k - 1.0;
            term *= -(4.0 * order * order - odd * odd) / (8.0 * k * x);
            sum += term;
            if term.abs() < 1e-17 {
                break;
            }
        }
        sum
    };
    let (zero, one) = (series(0.0), series(1.0));
    (zero.ln() - 0.5 * (2.0 * PI * x).ln(), one / zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_the_energy_and_the_majorant_lies_above() {
        for period in [None, Some(1.0), Some(2.5)] {
            for step in -20..20 {
                let (t, h) = (0.061 * f64::from(step), 1e-6);
                let ard = Ard { strength: 1.7, period };
                let (up, down, here) = (ard.jet(t + h), ard.jet(t - h), ard.jet(t));
                assert!(((up.0 - down.0) / (2.0 * h) - here.1).abs() < 1e-8);
                assert!(((up.1 - down.1) / (2.0 * h) - here.2).abs() < 1e-7);
                let (top, slope) = ard.majorant(t);
                assert!(top >= here.2.max(0.0));
                assert!(((ard.majorant(t + h).0 - ard.majorant(t - h).0) / (2.0 * h) - slope).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn normalisers_are_the_integrals_of_the_priors() {
        for alpha in [1e-3, 1.0, 200.0, 1180.0, 1190.0, 1e5] {
            let ard = Ard { strength: alpha, period: Some(1.0) };
            let n = 20_000;
            let sum: f64 = (0..n).map(|i| (-ard.jet(f64::from(i) / f64::from(n)).0).exp()).sum::<f64>() / f64::from(n);
            let (log, slope) = ard.normaliser();
            assert!((log - sum.ln()).abs() < 1e-13 * (1.0 + log.abs()) + 1e-14, "{alpha}: {log} {}", sum.ln());
            let h = 1e-5_f64;
            let at = |by: f64| Ard { strength: alpha * by.exp(), period: Some(1.0) }.normaliser().0;
            assert!(((at(h) - at(-h)) / (2.0 * h) - slope).abs() < 1e-9);
        }
    }
}

//! Whether a polynomial is anywhere above a value, with proof.
//!
//! P(t) = Σ_{k=0..D} c_k tᵏ, D even, c_D < 0. With its Taylor coefficients p_k around t₀, within h of there
//! P <= p₀ + |p₁|h + max(p₂, 0)h² + Σ_{k>=3}|p_k|hᵏ and P″ <= 2p₂ + Σ_{k>=3} k(k − 1)|p_k|hᵏ⁻²: exact for parabolas, and what
//! the search needs ([`super::ascent`]). Beyond R = 2 max_k |c_k/c_D|^(1/(D−k)), P is below the value that was taken off c₀
//! (M. Fujiwara (1916), "Über die obere Schranke des absoluten Betrages der Wurzeln einer algebraischen Gleichung", Tôhoku
//! Mathematical Journal 10).
//!
//! Cost: D²/2 products a cell, some ten cells.

use crate::coding::ascent::{self, Cell, Curve, Known, Profile};
use crate::coding::trig::Nodes;

/// Highest degree: ½(l·Φ)² and t²·ΦᵀGΦ of a parabola.
const MOST: usize = 7;
/// Of Σ|c_k tᵏ|: values closer than this count as equal.
const ROUNDING: f64 = 1e-13;
/// Cells to begin with.
const CELLS: usize = 12;

/// P by its coefficients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Polynomial {
    c: [f64; MOST],
}

impl Polynomial {
    fn degree(&self) -> usize {
        (0..MOST).rev().find(|&k| self.c[k] != 0.0).unwrap_or(0)
    }

    /// Σ|c_k tᵏ|.
    fn size(&self, t: f64) -> f64 {
        self.c.iter().rev().fold(0.0, |sum, c| sum * t.abs() + c.abs())
    }

    /// Taylor coefficients around t, by repeated synthetic division.
    fn around(&self, t: f64) -> [f64; MOST] {
        let (mut p, degree) = (self.c, self.degree());
        for first in 0..degree {
            for k in (first..degree).rev() {
                p[k] += t * p[k + 1];
            }
        }
        p
    }
}

impl Curve for Polynomial {
    fn set_form(&mut self, degree: usize, k: &[f64]) {
        self.c = [0.0; MOST];
        for i in 0..=degree {
            for j in 0..=degree {
                self.c[i + j] += k[i * (degree + 1) + j];
            }
        }
    }

    fn set_line(&mut self, l: &[f64]) {
        self.c = [0.0; MOST];
        self.add_line(1.0, l);
    }

    fn reach(_degree: usize) -> f64 {
        // Backtracking finds shorter ones.
        1.0
    }

    fn add_line(&mut self, scale: f64, l: &[f64]) {
        self.c.iter_mut().zip(l).for_each(|(c, l)| *c += scale * l);
    }

    fn add_constant(&mut self, x: f64) {
        self.c[0] += x;
    }

    fn take_prior(&mut self, strength: f64) {
        // ½strength·t².
        self.c[2] -= 0.5 * strength;
    }

    fn take_prior_times(&mut self, strength: f64, other: &Self) {
        for k in 0..MOST - 2 {
            self.c[k + 2] -= 0.5 * strength * other.c[k];
        }
    }

    fn ready(&mut self) {}

    fn above(
        &self,
        floor: f64,
        top: Option<f64>,
        proved: bool,
        _nodes: &mut Nodes,
        allowed: &impl Fn(f64, f64) -> bool,
    ) -> Option<f64> {
        let degree = self.degree();
        let lead = self.c[degree];
        let from = |k: usize| if k == 0 { self.c[0] - floor } else { self.c[k] };
        let reach = |k: usize| (from(k) / lead).abs().powf(((degree - k) as f64).recip());
        let range = 2.0 * (0..degree).map(reach).fold(0.0, f64::max);
        if degree == 0 || range == 0.0 || !range.is_finite() {
            return (from(0) > ROUNDING * self.size(0.0) && allowed(0.0, 0.0)).then_some(0.0);
        }
        let h = range / CELLS as f64;
        let place = |at: usize| (2 * at + 1) as f64 * h - range;
        let floor_at = |t: f64| floor + ROUNDING * self.size(t.abs() + h);
        let mut best: Option<(f64, f64)> = None;
        for t in (0..CELLS).map(place) {
            let value = self.around(t)[0];
            if value > floor_at(t) && best.is_none_or(|best| value > best.0) && allowed(t, 0.0) {
                best = Some((value, t));
            }
        }
        if best.is_some() || !proved {
            return best.map(|(_, t)| t);
        }
        let known = Known::new(self, top, floor + top.map_or(0.0, |t| ROUNDING * self.size(t)));
        let cell = |t: f64| Cell { t, h, at: t, step: 0.5 * h };
        (0..CELLS).map(place).find_map(|t| ascent::above(self, cell(t), floor_at(t), known, allowed))
    }
}

impl Profile for Polynomial {
    type Point = f64;

    fn point(t: f64) -> f64 {
        t
    }

    fn beside(at: f64, step: f64) -> [f64; 2] {
        [at - step, at + step]
    }

    fn halved(step: f64) -> f64 {
        0.5 * step
    }

    fn jet(&self, at: f64) -> [f64; 3] {
        let p = self.around(at);
        [p[0], p[1], 2.0 * p[2]]
    }

    fn bounds(&self, at: f64, h: f64, _jet: [f64; 3]) -> [f64; 2] {
        let p = self.around(at);
        let (mut highest, mut bent) = (p[0] + p[1].abs() * h + p[2].max(0.0) * h * h, -2.0 * p[2]);
        let mut power = h;
        for (k, x) in p.iter().enumerate().skip(3) {
            bent -= (k * (k - 1)) as f64 * x.abs() * power;
            power *= h;
            highest += x.abs() * power * h;
        }
        [highest, bent]
    }

    fn wrap(&self, t: f64) -> f64 {
        t
    }

    fn apart(&self, s: f64, t: f64) -> f64 {
        (s - t).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    fn rise(p: &Polynomial, t: f64) -> f64 {
        ascent::rise(|t| Some(p.jet(t)), 1.0, t).expect("all is looked at").0
    }

    #[test]
    fn taylor_coefficients_and_bounds_hold() {
        let mut random = Stream::new(3, Purpose::Probe, 0);
        for _ in 0..500 {
            let mut p = Polynomial::default();
            p.c.fill_with(|| random.normal());
            let (t, h) = (random.normal(), random.uniform());
            let [highest, bent] = p.bounds(t, h, p.jet(t));
            for step in -20..=20 {
                let d = h * f64::from(step) / 20.0;
                let direct: f64 = p.c.iter().enumerate().map(|(k, c)| c * (t + d).powi(k as i32)).sum();
                let [value, _, second] = p.jet(t + d);
                assert!((value - direct).abs() < 1e-10 * p.size(t.abs() + h));
                assert!(value <= highest + 1e-9 && -second >= bent - 1e-9, "at {t} + {d}");
            }
        }
    }

    /// Against a fine grid and Newton's method.
    #[test]
    fn the_greatest_value_is_found() {
        let mut random = Stream::new(4, Purpose::Probe, 0);
        for trial in 0..3000 {
            let degree = 2 * (1 + trial % 3);
            let mut p = Polynomial::default();
            p.c[..degree].fill_with(|| 3.0 * random.normal());
            p.c[degree] = -10.0_f64.powf(-3.0 * random.uniform());
            let all = |_: f64, _: f64| true;
            let mut found = rise(&p, 0.0);
            while let Some(t) = p.above(p.jet(found)[0], Some(found), true, &mut Nodes::default(), &all) {
                let next = rise(&p, t);
                assert!(p.jet(next)[0] > p.jet(found)[0]);
                found = next;
            }
            let top = p.jet(found)[0];
            // Where the polynomial can be above: the range at the value of 0.
            let far = 3.0
                + (0..degree).map(|k| (p.c[k] / p.c[degree]).abs().powf(1.0 / (degree - k) as f64)).fold(0.0, f64::max)
                    * 2.0;
            let best =
                (0..=20000).map(|i| far * (f64::from(i) / 10000.0 - 1.0)).map(|t| p.jet(t)[0]).fold(f64::MIN, f64::max);
            assert!(top >= best - 1e-11 * p.size(found), "trial {trial}: {top} against {best}");
        }
    }
}

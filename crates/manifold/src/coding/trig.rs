//! Whether a trigonometric polynomial is anywhere above a value, with proof.
//!
//! P(t) = c₀ + Σ_{j=1..D} (a_j cos 2πjt + b_j sin 2πjt). |P⁽ᵍ⁾| <= M_g = Σ (2πj)ᵍ|(a_j, b_j)|: within h of t₀,
//! P <= P(t₀) + |P′(t₀)|h + ½bh², b = min(M₂, P″(t₀) + ⅓M₃h) or 0 if that is less, and P″ <= P″(t₀) + M₃h, which is what the
//! search needs ([`super::ascent`]).
//!
//! Cost: 8D evaluations of D terms, as many with derivatives where the value alone does not tell (P <= P(t₀) + M₁h), a few
//! more near maxima; sines and cosines are those of a table and of halved angles.

use std::f64::consts::TAU;

use crate::coding::ascent::{self, Cell, Curve, Known, Profile};

/// P by its coefficients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Polynomial {
    constant: f64,
    /// (a_j, b_j).
    waves: Vec<[f64; 2]>,
    /// M₀ to M₃.
    bounds: [f64; 4],
}

/// Of Σ|coefficients|: values closer than this count as equal.
const ROUNDING: f64 = 1e-13;

impl Polynomial {
    /// += a cos 2πjt + b sin 2πjt.
    pub fn add(&mut self, j: usize, [a, b]: [f64; 2]) {
        if j == 0 {
            self.constant += a;
            return;
        }
        if self.waves.len() < j {
            self.waves.resize(j, [0.0; 2]);
        }
        self.waves[j - 1][0] += a;
        self.waves[j - 1][1] += b;
    }

    /// += scale·other·(x + y cos 2πt).
    pub fn add_product(&mut self, other: &Self, x: f64, y: f64) {
        self.constant += x * other.constant;
        self.add(1, [y * other.constant, 0.0]);
        for (at, &[a, b]) in other.waves.iter().enumerate() {
            let j = at + 1;
            self.add(j, [x * a, x * b]);
            self.add(j + 1, [0.5 * y * a, 0.5 * y * b]);
            self.add(j - 1, [0.5 * y * a, 0.5 * y * b]);
        }
    }

    /// P, P′, P″ at sin 2πt, cos 2πt.
    fn jet_of(&self, [sin, cos]: [f64; 2]) -> [f64; 3] {
        let (mut s, mut c) = (0.0, 1.0);
        let mut out = [self.constant, 0.0, 0.0];
        for (at, [a, b]) in self.waves.iter().enumerate() {
            (s, c) = (s * cos + c * sin, c * cos - s * sin);
            let rate = TAU * (at + 1) as f64;
            let value = a * c + b * s;
            out[0] += value;
            out[1] += rate * (b * c - a * s);
            out[2] -= rate * rate * value;
        }
        out
    }

    /// P at sin 2πt, cos 2πt.
    fn value_of(&self, [sin, cos]: [f64; 2]) -> f64 {
        let (mut s, mut c, mut out) = (0.0, 1.0, self.constant);
        for [a, b] in &self.waves {
            (s, c) = (s * cos + c * sin, c * cos - s * sin);
            out += a * c + b * s;
        }
        out
    }
}

impl Curve for Polynomial {
    fn set_form(&mut self, harmonics: usize, k: &[f64]) {
        let m = 2 * harmonics + 1;
        self.constant = k[0];
        self.waves.clear();
        self.waves.resize(2 * harmonics, [0.0; 2]);
        for h in 1..=harmonics {
            let (s, c) = (2 * h - 1, 2 * h);
            self.add(h, [2.0 * k[c], 2.0 * k[s]]);
            for g in 1..=harmonics {
                let (sg, cg) = (2 * g - 1, 2 * g);
                let (ss, cc, sc) = (k[s * m + sg], k[c * m + cg], k[s * m + cg]);
                // sin·sin, cos·cos, sin h·cos g (counted twice: K is symmetric).
                self.add(h + g, [0.5 * (cc - ss), sc]);
                let sign = if h >= g { 1.0 } else { -1.0 };
                self.add(h.abs_diff(g), [0.5 * (cc + ss), sign * sc]);
            }
        }
    }

    fn set_line(&mut self, l: &[f64]) {
        self.constant = 0.0;
        self.waves.clear();
        self.waves.resize(l.len() / 2, [0.0; 2]);
        self.add_line(1.0, l);
    }

    fn reach(harmonics: usize) -> f64 {
        0.05 / harmonics as f64
    }

    fn add_line(&mut self, scale: f64, l: &[f64]) {
        self.constant += scale * l[0];
        for (h, pair) in l[1..].chunks_exact(2).enumerate() {
            self.add(h + 1, [scale * pair[1], scale * pair[0]]);
        }
    }

    fn add_constant(&mut self, x: f64) {
        self.constant += x;
    }

    fn take_prior(&mut self, strength: f64) {
        // η(1 − cos 2πt).
        let eta = strength / (TAU * TAU);
        self.add(0, [-eta, 0.0]);
        self.add(1, [eta, 0.0]);
    }

    fn take_prior_times(&mut self, strength: f64, other: &Self) {
        if strength > 0.0 {
            let eta = strength / (TAU * TAU);
            self.add_product(other, -eta, eta);
        }
    }

    fn ready(&mut self) {
        self.bounds = [self.constant.abs(), 0.0, 0.0, 0.0];
        for (at, [a, b]) in self.waves.iter().enumerate() {
            let (rate, mut size) = (TAU * (at + 1) as f64, (a * a + b * b).sqrt());
            for bound in &mut self.bounds {
                *bound += size;
                size *= rate;
            }
        }
    }

    fn above(
        &self,
        floor: f64,
        top: Option<f64>,
        proved: bool,
        nodes: &mut Nodes,
        allowed: &impl Fn([f64; 2], f64) -> bool,
    ) -> Option<f64> {
        let floor = floor + ROUNDING * self.bounds[0];
        let count = 8 * self.waves.len().max(2);
        let h = 0.5 / count as f64;
        let Nodes { table, values } = nodes.of(count);
        let place = |at: usize| (2 * at + 1) as f64 * h;
        let mut best = (floor, None);
        for (at, (node, value)) in table.iter().zip(values.iter_mut()).enumerate() {
            *value = self.value_of(*node);
            if *value > best.0 && allowed(*node, 0.0) {
                best = (*value, Some(place(at)));
            }
        }
        if best.1.is_some() || !proved {
            return best.1;
        }
        let known = Known::new(self, top, floor);
        let (step, slope) = (Self::point(0.5 * h), self.bounds[1] * h);
        let open = values.iter().enumerate().filter(|(_, value)| **value + slope > floor);
        let mut cells = open.map(|(at, _)| Cell { t: place(at), h, at: table[at], step });
        cells.find_map(|cell| ascent::above(self, cell, floor, known, allowed))
    }
}

impl Profile for Polynomial {
    /// sin 2πt, cos 2πt.
    type Point = [f64; 2];

    fn point(t: f64) -> [f64; 2] {
        (TAU * t).sin_cos().into()
    }

    fn beside([sin, cos]: [f64; 2], [s, c]: [f64; 2]) -> [[f64; 2]; 2] {
        [[sin * c - cos * s, cos * c + sin * s], [sin * c + cos * s, cos * c - sin * s]]
    }

    /// cos ½x = √(½ + ½cos x), sin ½x = sin x/(2 cos ½x).
    fn halved([s, c]: [f64; 2]) -> [f64; 2] {
        let half = (0.5 + 0.5 * c).sqrt();
        [0.5 * s / half, half]
    }

    fn jet(&self, at: [f64; 2]) -> [f64; 3] {
        self.jet_of(at)
    }

    fn bounds(&self, _at: [f64; 2], h: f64, jet: [f64; 3]) -> [f64; 2] {
        let [.., second, third] = self.bounds;
        let bend = (jet[2] + third * h / 3.0).min(second).max(0.0);
        [jet[0] + jet[1].abs() * h + 0.5 * bend * h * h, -jet[2] - third * h]
    }

    fn wrap(&self, t: f64) -> f64 {
        t - t.floor()
    }

    fn apart(&self, s: f64, t: f64) -> f64 {
        let gap = s - t;
        (gap - gap.round()).abs()
    }
}

/// Sines and cosines of the middles of equal cells, and what they were looked at for; kept from call to call.
#[derive(Default)]
pub(crate) struct Nodes {
    table: Vec<[f64; 2]>,
    values: Vec<f64>,
}

impl Nodes {
    fn of(&mut self, count: usize) -> &mut Self {
        if self.table.len() != count {
            self.table = (0..count).map(|at| (TAU * (at as f64 + 0.5) / count as f64).sin_cos().into()).collect();
            self.values = vec![0.0; count];
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    fn jet(p: &Polynomial, t: f64) -> [f64; 3] {
        p.jet_of(Polynomial::point(t))
    }

    fn rise(p: &Polynomial, t: f64) -> f64 {
        ascent::rise(|t| Some(jet(p, t)), 0.1 / p.waves.len().max(1) as f64, t).expect("all is looked at").0
    }

    #[test]
    fn forms_lines_and_products_are_what_they_say() {
        let mut random = Stream::new(1, Purpose::Probe, 0);
        for harmonics in 1..=3 {
            let m = 2 * harmonics + 1;
            let mut k: Vec<f64> = (0..m * m).map(|_| random.normal()).collect();
            for i in 0..m {
                for j in 0..i {
                    k[i * m + j] = k[j * m + i];
                }
            }
            let l: Vec<f64> = (0..m).map(|_| random.normal()).collect();
            let mut form = Polynomial::default();
            form.set_form(harmonics, &k);
            let mut all = Polynomial::default();
            all.add_product(&form, 0.7, -0.4);
            all.add_line(1.3, &l);
            for t in [0.0, 0.13, 0.77] {
                let phi: Vec<f64> = std::iter::once(1.0)
                    .chain((1..=harmonics).flat_map(|h| {
                        let (s, c) = (TAU * h as f64 * t).sin_cos();
                        [s, c]
                    }))
                    .collect();
                let square: f64 = (0..m * m).map(|at| k[at] * phi[at / m] * phi[at % m]).sum();
                let line: f64 = l.iter().zip(&phi).map(|(l, x)| l * x).sum();
                assert!((jet(&form, t)[0] - square).abs() < 1e-12);
                let expected = square * (0.7 - 0.4 * (TAU * t).cos()) + 1.3 * line;
                assert!((jet(&all, t)[0] - expected).abs() < 1e-12);
                let h = 1e-5;
                let slope = (jet(&all, t + h)[0] - jet(&all, t - h)[0]) / (2.0 * h);
                let bend = (jet(&all, t + h)[1] - jet(&all, t - h)[1]) / (2.0 * h);
                assert!((jet(&all, t)[1] - slope).abs() < 1e-5 && (jet(&all, t)[2] - bend).abs() < 1e-3);
            }
        }
    }

    /// Against 4096 points and Newton's method.
    #[test]
    fn the_greatest_value_is_found() {
        let mut random = Stream::new(2, Purpose::Probe, 0);
        for trial in 0..3000 {
            let degree = 1 + trial % 9;
            let mut p = Polynomial { constant: random.normal(), ..Polynomial::default() };
            for j in 1..=degree {
                // Some with few waves, which are symmetric.
                if trial % 3 != 0 || j % 3 == 0 {
                    p.add(j, [random.normal(), random.normal()]);
                }
            }
            p.ready();
            let of = |t: f64| jet(&p, t);
            let best = (0..4096).map(|i| i as f64 / 4096.0).max_by(|x, y| of(*x)[0].total_cmp(&of(*y)[0]));
            let mut t = best.expect("points");
            for _ in 0..6 {
                let [_, slope, bend] = of(t);
                if bend < 0.0 {
                    t -= slope / bend;
                }
            }
            // From anywhere, uphill and on to what is above, until nothing is.
            let mut nodes = Nodes::default();
            let all = |_: [f64; 2], _: f64| true;
            let mut found = rise(&p, 0.0);
            while let Some(t) = p.above(of(found)[0], Some(found), true, &mut nodes, &all) {
                assert!(of(t)[0] > of(found)[0]);
                found = rise(&p, t);
            }
            assert!(of(found)[0] >= of(t)[0] - 1e-11, "trial {trial}");
            let top = of(found)[0];
            assert!(p.above(top + 1e-9, None, true, &mut nodes, &all).is_none());
            assert!(
                p.above(top - 1e-6, Some(found), true, &mut nodes, &all).is_some()
                    || p.waves.iter().all(|w| *w == [0.0; 2])
            );
        }
    }
}

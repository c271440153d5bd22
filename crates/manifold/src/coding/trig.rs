//! Whether a trigonometric polynomial is anywhere above a value, with proof.
//!
//! P(t) = c₀ + Σ_{j=1..D} (a_j cos 2πjt + b_j sin 2πjt). |P⁽ᵍ⁾| <= M_g = Σ (2πj)ᵍ|(a_j, b_j)|. On a cell of half-width h
//! around t₀, P <= P(t₀) + |P′(t₀)|h + ½M₂h²: cells whose bound is not above the value are dropped. Where P″(t₀) + M₃h < 0, P
//! has one maximum in the cell, and Newton's method finds it. Other cells are halved. So nothing is missed, whatever the
//! degree, and no roots of polynomials are needed. The greatest value is where a climb ends that nothing is above
//! ([`Polynomial::above`], [`Polynomial::rise`]).
//!
//! Cost: 4D evaluations of D terms, a few more near maxima; the first ones need no sine or cosine but those of a table.

use std::f64::consts::TAU;

/// P by its coefficients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Polynomial {
    constant: f64,
    /// (a_j, b_j).
    waves: Vec<[f64; 2]>,
}

/// Of Σ|coefficients|: values closer than this count as equal.
const ROUNDING: f64 = 1e-13;
/// Cells are not halved any further.
const NARROWEST: f64 = 1e-9;

impl Polynomial {
    /// ΦᵀKΦ for Φ = (1, sin 2πht, cos 2πht; h = 1..H), K symmetric, (2H + 1)²; replaces what was there.
    pub fn set_form(&mut self, harmonics: usize, k: &[f64]) {
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

    /// += l·Φ.
    pub fn add_line(&mut self, scale: f64, l: &[f64]) {
        self.constant += scale * l[0];
        for (h, pair) in l[1..].chunks_exact(2).enumerate() {
            self.add(h + 1, [scale * pair[1], scale * pair[0]]);
        }
    }

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

    /// P, P′, P″.
    pub fn jet(&self, t: f64) -> [f64; 3] {
        self.jet_of((TAU * t).sin_cos().into())
    }

    /// M₀, M₂, M₃.
    fn bounds(&self) -> [f64; 3] {
        let mut out = [self.constant.abs(), 0.0, 0.0];
        for (at, [a, b]) in self.waves.iter().enumerate() {
            let (rate, size) = (TAU * (at + 1) as f64, (a * a + b * b).sqrt());
            out[0] += size;
            out[1] += rate * rate * size;
            out[2] += rate * rate * rate * size;
        }
        out
    }

    /// A t with P above `floor` by more than rounding, if there is one among those that are `allowed`: the best of the nodes if
    /// one of them is above. `allowed(sin 2πt, cos 2πt, h)` may be false only where no t within h of it counts.
    pub fn above(&self, floor: f64, nodes: &mut Nodes, allowed: impl Fn(f64, f64, f64) -> bool) -> Option<f64> {
        let [size, second, third] = self.bounds();
        let floor = floor + ROUNDING * size;
        let table = nodes.of(8 * self.waves.len().max(2));
        let first = 0.5 / table.len() as f64;
        let place = |at: usize| (2 * at + 1) as f64 * first;
        let mut best = (floor, None);
        for (at, node) in table.iter().enumerate() {
            let value = self.value_of(*node);
            if value > best.0 && allowed(node[0], node[1], 0.0) {
                best = (value, Some(place(at)));
            }
        }
        if best.1.is_some() {
            return best.1;
        }
        let mut open = [(0.0, 0.0); 96];
        for (at, node) in table.iter().enumerate() {
            let mut count = 0;
            let mut next = Some((place(at), first, *node));
            while let Some((t, h, node)) = next.take() {
                let jet = self.jet_of(node);
                // What is allowed may lie between the nodes.
                if jet[0] > floor && allowed(node[0], node[1], 0.0) {
                    return Some(t);
                }
                let highest = jet[0] + jet[1].abs() * h + 0.5 * second * h * h;
                if highest > floor && allowed(node[0], node[1], h) {
                    let bent = -jet[2] - third * h;
                    let mut halve = true;
                    if bent > 0.0 {
                        // P <= P(t₀) + P′(t₀)d − ½(bent)d².
                        halve = false;
                        if jet[0] + 0.5 * jet[1] * jet[1] / bent > floor {
                            let (top, value) = self.climb(t, h, jet);
                            let (sin, cos) = (TAU * top).sin_cos();
                            // Where the top is not allowed, something beside it may be.
                            halve = value > floor;
                            if halve && allowed(sin, cos, 0.0) {
                                return Some(top - top.floor());
                            }
                        }
                    }
                    if halve && h > NARROWEST && count + 2 <= open.len() {
                        open[count] = (t - 0.5 * h, 0.5 * h);
                        open[count + 1] = (t + 0.5 * h, 0.5 * h);
                        count += 2;
                    }
                }
                if count > 0 {
                    count -= 1;
                    let (t, h) = open[count];
                    next = Some((t, h, (TAU * t).sin_cos().into()));
                }
            }
        }
        None
    }

    /// The maximum of P where it is concave: within h of t, or at the end of the cell that is nearest to it.
    fn climb(&self, t: f64, h: f64, mut jet: [f64; 3]) -> (f64, f64) {
        let (mut low, mut high, mut at) = (t - h, t + h, t);
        for _ in 0..60 {
            if jet[1] > 0.0 {
                low = at;
            } else {
                high = at;
            }
            let newton = at - jet[1] / jet[2];
            let to = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            let moved = (to - at).abs();
            at = to;
            jet = self.jet(at);
            if moved < 1e-15 || high - low < 1e-15 {
                break;
            }
        }
        (at, jet[0])
    }

    /// A maximum uphill of t, without leaving what is allowed (see [`Polynomial::above`]).
    pub fn rise(&self, mut t: f64, allowed: impl Fn(f64, f64, f64) -> bool) -> f64 {
        let mut jet = self.jet(t);
        let reach = 0.1 / self.waves.len().max(1) as f64;
        for _ in 0..50 {
            let newton = -jet[1] / jet[2];
            let mut step = if jet[2] < 0.0 { newton.clamp(-reach, reach) } else { reach * jet[1].signum() };
            let next = loop {
                let (sin, cos) = (TAU * (t + step)).sin_cos();
                let next = self.jet_of([sin, cos]);
                if next[0] > jet[0] && allowed(sin, cos, 0.0) {
                    break next;
                }
                if step.abs() < 1e-16 {
                    step = 0.0;
                    break next;
                }
                step *= 0.25;
            };
            if step == 0.0 {
                break;
            }
            t += step;
            jet = next;
            if step.abs() < 1e-9 && jet[2] < 0.0 {
                // One more step of Newton's is exact to rounding.
                t -= jet[1] / jet[2];
                break;
            }
        }
        t - t.floor()
    }
}

/// Sines and cosines of the middles of equal cells; kept from call to call.
#[derive(Default)]
pub(crate) struct Nodes {
    table: Vec<[f64; 2]>,
}

impl Nodes {
    fn of(&mut self, count: usize) -> &[[f64; 2]] {
        if self.table.len() != count {
            self.table = (0..count).map(|at| (TAU * (at as f64 + 0.5) / count as f64).sin_cos().into()).collect();
        }
        &self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

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
                assert!((form.jet(t)[0] - square).abs() < 1e-12);
                let expected = square * (0.7 - 0.4 * (TAU * t).cos()) + 1.3 * line;
                assert!((all.jet(t)[0] - expected).abs() < 1e-12);
                let h = 1e-5;
                let slope = (all.jet(t + h)[0] - all.jet(t - h)[0]) / (2.0 * h);
                let bend = (all.jet(t + h)[1] - all.jet(t - h)[1]) / (2.0 * h);
                assert!((all.jet(t)[1] - slope).abs() < 1e-5 && (all.jet(t)[2] - bend).abs() < 1e-3);
            }
        }
    }

    /// Against 4096 points and Newton's method.
    #[test]
    fn the_greatest_value_is_found() {
        let mut random = Stream::new(2, Purpose::Probe, 0);
        for trial in 0..3000 {
            let degree = 1 + trial % 9;
            let mut p = Polynomial { constant: random.normal(), waves: Vec::new() };
            for j in 1..=degree {
                // Some with few waves, which are symmetric.
                if trial % 3 != 0 || j % 3 == 0 {
                    p.add(j, [random.normal(), random.normal()]);
                }
            }
            let best = (0..4096).map(|i| i as f64 / 4096.0).max_by(|x, y| p.jet(*x)[0].total_cmp(&p.jet(*y)[0]));
            let mut t = best.expect("points");
            for _ in 0..6 {
                let jet = p.jet(t);
                if jet[2] < 0.0 {
                    t -= jet[1] / jet[2];
                }
            }
            // From anywhere, uphill and on to what is above, until nothing is.
            let mut nodes = Nodes::default();
            let mut found = p.rise(0.0, |_, _, _| true);
            while let Some(t) = p.above(p.jet(found)[0], &mut nodes, |_, _, _| true) {
                assert!(p.jet(t)[0] > p.jet(found)[0]);
                found = p.rise(t, |_, _, _| true);
            }
            assert!(p.jet(found)[0] >= p.jet(t)[0] - 1e-11, "trial {trial}");
            let top = p.jet(found)[0];
            assert!(p.above(top + 1e-9, &mut nodes, |_, _, _| true).is_none());
            assert!(
                p.above(top - 1e-6, &mut nodes, |_, _, _| true).is_some() || p.waves.iter().all(|w| *w == [0.0; 2])
            );
        }
    }
}

//! Whether a function of two coordinates is anywhere above a value, with proof.
//!
//! P(s, t) = Σ_ij C_ij ψ_i(s) ψ_j(t), with ψ = (1, sin 2πht, cos 2πht; h = 1..D) or (1, t, …, t^D). On a square of half-width h
//! P is at most the greatest value there of its quadratic around the middle, plus R = Σ_{a+b=3} M_ab h³/(a! b!), where M_ab
//! bounds |∂ᵃ∂ᵇP|: Σ|C| of the products of sines and cosines with their rates, of powers at the far corner. Squares whose
//! bound is not above the value are dropped, others are quartered. Around a known maximum the squares would get ever smaller:
//! a square around it where P is concave is dropped as a whole.
//!
//! Cost: n² products for the sums over j, 3 times, and 9n for those over i, a square; some hundred squares where one maximum
//! stands alone, thousands along a ridge, and never more than [`MOST_SQUARES`].

use std::f64::consts::TAU;

use crate::basis::{Factors, Family};

/// Of Σ|C_ij ψ_i ψ_j|: values closer than this count as equal.
const ROUNDING: f64 = 1e-10;
/// Squares that are looked at before it is left open. A row then takes some milliseconds.
const MOST_SQUARES: usize = 20_000;
/// Half-widths of the concave square that are tried, in units of the shortest wave's period or of 1: this one and halves.
const WIDEST: f64 = 0.25;
const HALVINGS: usize = 7;

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing is above.
    Nowhere,
    /// This is.
    At([f64; 2]),
    /// Too many squares.
    Open,
}

impl Family {
    /// Functions up to a degree.
    fn count(self, degree: usize) -> usize {
        match self {
            Self::Waves => 2 * degree + 1,
            Self::Powers => degree + 1,
        }
    }

    /// The degree of function i.
    fn degree(self, i: usize) -> usize {
        match self {
            Self::Waves => i.div_ceil(2),
            Self::Powers => i,
        }
    }

    /// ψ_i ψ_j = Σ coefficient·ψ.
    fn product(self, i: usize, j: usize) -> [(usize, f64); 2] {
        if self == Self::Powers {
            return [(i + j, 1.0), (0, 0.0)];
        }
        if i == 0 || j == 0 {
            return [(i + j, 1.0), (0, 0.0)];
        }
        let (h, g) = (i.div_ceil(2), j.div_ceil(2));
        let (sum, gap) = (h + g, h.abs_diff(g));
        let sign = if h >= g { 1.0 } else { -1.0 };
        let sin = |h: usize, x: f64| if h == 0 { (0, 0.0) } else { (2 * h - 1, x) };
        match (i % 2, j % 2) {
            // sin·sin, cos·cos, sin h·cos g, cos h·sin g.
            (1, 1) => [(2 * gap, 0.5), (2 * sum, -0.5)],
            (0, 0) => [(2 * gap, 0.5), (2 * sum, 0.5)],
            (1, 0) => [sin(gap, 0.5 * sign), sin(sum, 0.5)],
            _ => [sin(gap, -0.5 * sign), sin(sum, 0.5)],
        }
    }

    /// ψ, ψ′, ψ″ at t, n numbers each.
    fn jet(self, t: f64, n: usize, out: &mut [f64]) {
        let (value, rest) = out.split_at_mut(n);
        let (slope, bend) = rest.split_at_mut(n);
        (value[0], slope[0], bend[0]) = (1.0, 0.0, 0.0);
        match self {
            Self::Waves => {
                let (sin, cos) = (TAU * t).sin_cos();
                let (mut s, mut c) = (0.0, 1.0);
                for i in (1..n).step_by(2) {
                    (s, c) = (s * cos + c * sin, c * cos - s * sin);
                    let rate = TAU * i.div_ceil(2) as f64;
                    (value[i], value[i + 1]) = (s, c);
                    (slope[i], slope[i + 1]) = (rate * c, -rate * s);
                    (bend[i], bend[i + 1]) = (-rate * rate * s, -rate * rate * c);
                }
            }
            Self::Powers => {
                for i in 1..n {
                    let k = i as f64;
                    value[i] = t * value[i - 1];
                    slope[i] = k * value[i - 1];
                    bend[i] = k * slope[i - 1];
                }
            }
        }
    }
}

/// How products of an atom's functions expand.
pub(crate) struct Expansion {
    pub family: Family,
    degree: usize,
    /// Of each function of the atom: ψ's of its two axes.
    pub of: Vec<[usize; 2]>,
    /// (i·m + j, ψ's, coefficient) of Φ_iΦ_j, both orders for i > j.
    terms: Vec<(u32, [u16; 2], f64)>,
}

impl Expansion {
    pub fn new(factors: Factors) -> Self {
        let Factors { family, degree, of } = factors;
        let m = of.len();
        let mut terms = Vec::new();
        for i in 0..m {
            for j in 0..=i {
                let twice = if i == j { 1.0 } else { 2.0 };
                for (s, x) in family.product(of[i][0], of[j][0]) {
                    for (t, y) in family.product(of[i][1], of[j][1]) {
                        if x * y != 0.0 {
                            terms.push(((i * m + j) as u32, [s as u16, t as u16], twice * x * y));
                        }
                    }
                }
            }
        }
        Self { family, degree, of, terms }
    }
}

/// P by its coefficients.
#[derive(Default)]
pub(crate) struct Polynomial {
    family: Family,
    n: usize,
    c: Vec<f64>,
    /// Of the coefficients of two degrees: the norm of their waves.
    norms: Vec<f64>,
    /// M₃₀, M₂₁, M₁₂, M₀₃ of waves, and Σ|C|.
    third: [f64; 4],
    size: f64,
}

/// P, (∂_s, ∂_t) and (∂_ss, ∂_st, ∂_tt).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jet {
    pub value: f64,
    pub slope: [f64; 2],
    pub bend: [f64; 3],
}

/// Tables of the two axes.
#[derive(Default)]
pub(crate) struct Tables {
    jets: [Vec<f64>; 2],
    squares: Vec<([f64; 2], f64)>,
}

impl Polynomial {
    fn reset(&mut self, family: Family, degree: usize) {
        (self.family, self.n) = (family, family.count(degree));
        self.c.clear();
        self.c.resize(self.n * self.n, 0.0);
    }

    /// ΦᵀKΦ, K symmetric, with room for `more` degrees.
    pub fn set_form(&mut self, of: &Expansion, k: &[f64], more: usize) {
        self.reset(of.family, 2 * of.degree + more);
        for &(pair, [s, t], x) in &of.terms {
            self.c[s as usize * self.n + t as usize] += x * k[pair as usize];
        }
    }

    /// l·Φ.
    pub fn set_line(&mut self, of: &Expansion, l: &[f64]) {
        self.reset(of.family, of.degree);
        self.add_line(of, 1.0, l);
    }

    /// += scale·l·Φ.
    pub fn add_line(&mut self, of: &Expansion, scale: f64, l: &[f64]) {
        for (&[s, t], l) in of.of.iter().zip(l) {
            self.c[s * self.n + t] += scale * l;
        }
    }

    pub fn add_constant(&mut self, x: f64) {
        self.c[0] += x;
    }

    /// −= the prior energies of both coordinates, of these strengths.
    pub fn take_priors(&mut self, strengths: [f64; 2]) {
        self.take(strengths, |_, _| 1.0, 1);
    }

    /// −= the prior energies times another one.
    pub fn take_priors_times(&mut self, strengths: [f64; 2], other: &Self) {
        self.take(strengths, |i, j| other.c[i * other.n + j], other.n);
    }

    fn take(&mut self, strengths: [f64; 2], factor: impl Fn(usize, usize) -> f64, count: usize) {
        for (axis, strength) in strengths.into_iter().enumerate().filter(|(_, strength)| *strength > 0.0) {
            // η(1 − cos 2πt) or ½αt².
            let parts = match self.family {
                Family::Waves => [(0, -strength / (TAU * TAU)), (2, strength / (TAU * TAU))],
                Family::Powers => [(2, -0.5 * strength), (0, 0.0)],
            };
            for i in 0..count {
                for j in 0..count {
                    let x = factor(i, j);
                    if x == 0.0 {
                        continue;
                    }
                    for (with, y) in parts {
                        for (to, z) in self.family.product(if axis == 0 { i } else { j }, with) {
                            if y * z != 0.0 {
                                let (s, t) = if axis == 0 { (to, j) } else { (i, to) };
                                self.c[s * self.n + t] += x * y * z;
                            }
                        }
                    }
                }
            }
        }
    }

    /// To be called once all is added.
    pub fn ready(&mut self) {
        let blocks = self.family.degree(self.n - 1) + 1;
        self.norms.clear();
        self.norms.resize(blocks * blocks, 0.0);
        for i in 0..self.n {
            for j in 0..self.n {
                let at = self.family.degree(i) * blocks + self.family.degree(j);
                self.norms[at] += self.c[i * self.n + j] * self.c[i * self.n + j];
            }
        }
        self.norms.iter_mut().for_each(|x| *x = x.sqrt());
        self.size = self.norms.iter().sum();
        if self.family == Family::Waves {
            self.third = [0.0; 4];
            for (at, norm) in self.norms.iter().enumerate() {
                let (s, t) = (TAU * (at / blocks) as f64, TAU * (at % blocks) as f64);
                let all = [s * s * s, s * s * t, s * t * t, t * t * t];
                self.third.iter_mut().zip(all).for_each(|(sum, rate)| *sum += norm * rate);
            }
        }
    }

    /// Whether no coefficient overflowed.
    pub fn finite(&self) -> bool {
        self.size.is_finite()
    }

    /// M₃₀, M₂₁, M₁₂, M₀₃ and Σ|C ψψ| within h of a point.
    fn sizes(&self, at: [f64; 2], h: f64) -> ([f64; 4], f64) {
        if self.family == Family::Waves {
            return (self.third, self.size);
        }
        let n = self.n;
        // ψ to ψ‴ of both axes at the far corner: k!/(k − a)! |t|^(k−a).
        let far = [at[0].abs() + h, at[1].abs() + h];
        let (mut third, mut size) = ([0.0; 4], 0.0);
        let mut left = [1.0, 0.0, 0.0, 0.0];
        for i in 0..n {
            let mut right = [1.0, 0.0, 0.0, 0.0];
            for j in 0..n {
                let c = self.norms[i * n + j];
                if c != 0.0 {
                    size += c * left[0] * right[0];
                    (0..4).for_each(|b| third[b] += c * left[3 - b] * right[b]);
                }
                next(&mut right, far[1]);
            }
            next(&mut left, far[0]);
        }
        (third, size)
    }

    pub fn jet(&self, at: [f64; 2], tables: &mut Tables) -> Jet {
        let n = self.n;
        for (jet, t) in tables.jets.iter_mut().zip(at) {
            jet.resize(3 * n, 0.0);
            self.family.jet(t, n, &mut jet[..3 * n]);
        }
        let (left, right) = (&tables.jets[0], &tables.jets[1]);
        let (value, rest) = right[..3 * n].split_at(n);
        let (slope, bend) = rest.split_at(n);
        let mut out = Jet { value: 0.0, slope: [0.0; 2], bend: [0.0; 3] };
        for (i, row) in self.c.chunks_exact(n).enumerate() {
            let (mut sums, mut slopes, mut bends) = (0.0, 0.0, 0.0);
            for j in 0..n {
                sums += row[j] * value[j];
                slopes += row[j] * slope[j];
                bends += row[j] * bend[j];
            }
            out.value += left[i] * sums;
            out.slope[0] += left[n + i] * sums;
            out.slope[1] += left[i] * slopes;
            out.bend[0] += left[2 * n + i] * sums;
            out.bend[1] += left[n + i] * slopes;
            out.bend[2] += left[i] * bends;
        }
        out
    }

    /// What P is nowhere above within h of a point.
    fn highest(&self, jet: &Jet, third: [f64; 4], h: f64) -> f64 {
        let rest = (third[0] + 3.0 * (third[1] + third[2]) + third[3]) * h * h * h / 6.0;
        jet.highest(h) + rest
    }

    /// The half-width of a square around a maximum where P is concave and not above `floor` by more than rounding.
    fn concave(&self, top: [f64; 2], floor: f64, tables: &mut Tables) -> f64 {
        let jet = self.jet(top, tables);
        let mut h = match self.family {
            Family::Waves => WIDEST / self.family.degree(self.n - 1) as f64,
            Family::Powers => WIDEST,
        };
        for _ in 0..HALVINGS {
            let (third, size) = self.sizes(top, h);
            // −∂∂P there is at least this matrix.
            let a = -jet.bend[0] - (third[0] + third[1]) * h;
            let b = -jet.bend[2] - (third[2] + third[3]) * h;
            let c = jet.bend[1].abs() + (third[1] + third[2]) * h;
            if a > 0.0 && b > 0.0 && a * b > c * c {
                // P <= P(top) + |slope|²/(2·its smallest eigenvalue).
                let least = 0.5 * (a + b - (a - b).hypot(2.0 * c));
                let rise = 0.5 * (jet.slope[0].powi(2) + jet.slope[1].powi(2)) / least;
                if least > 0.0 && jet.value + rise <= floor + ROUNDING * size {
                    return h;
                }
            }
            h *= 0.5;
        }
        0.0
    }

    /// Whether P is above `floor` by more than rounding where `line` is above 0: anywhere for waves, within `range` of the
    /// origin for powers. `top` is where a climb ended, if one has.
    pub fn above(
        &self,
        floor: f64,
        top: Option<[f64; 2]>,
        range: f64,
        line: Option<&Self>,
        tables: &mut Tables,
    ) -> Verdict {
        let (degree, waves) = (self.family.degree(self.n - 1).max(1), self.family == Family::Waves);
        let (first, h, count) = match self.family {
            Family::Waves => (0.0, 0.25 / degree as f64, 2 * degree),
            Family::Powers => (-range, range / 4.0, 4),
        };
        let known = top.map(|top| (top, self.concave(top, floor, tables)));
        // The widest first: what is above is found while squares are few.
        let mut squares = std::mem::take(&mut tables.squares);
        squares.clear();
        for i in 0..count {
            for j in 0..count {
                squares.push(([first + (2 * i + 1) as f64 * h, first + (2 * j + 1) as f64 * h], h));
            }
        }
        let mut verdict = Verdict::Nowhere;
        let mut seen = 0;
        while let Some(&(at, h)) = squares.get(seen) {
            seen += 1;
            if seen > MOST_SQUARES {
                verdict = Verdict::Open;
                break;
            }
            let covered = known.is_some_and(|(top, reach)| {
                (0..2).all(|c| {
                    let gap = at[c] - top[c];
                    (if waves { gap - gap.round() } else { gap }).abs() + h <= reach
                })
            });
            let outside = || !waves && at.iter().map(|t| (t.abs() - h).max(0.0).powi(2)).sum::<f64>() > range * range;
            if covered || outside() {
                continue;
            }
            let jet = self.jet(at, tables);
            let (third, size) = self.sizes(at, h);
            let floor = floor + ROUNDING * size;
            if self.highest(&jet, third, h) <= floor {
                continue;
            }
            if let Some(line) = line {
                let own = line.jet(at, tables);
                if jet.value > floor && own.value > 0.0 {
                    verdict = Verdict::At(at);
                    break;
                }
                if line.highest(&own, line.sizes(at, h).0, h) <= 0.0 {
                    continue;
                }
            } else if jet.value > floor {
                verdict = Verdict::At(at);
                break;
            }
            let half = 0.5 * h;
            for (s, t) in [(-half, -half), (-half, half), (half, -half), (half, half)] {
                squares.push(([at[0] + s, at[1] + t], half));
            }
        }
        tables.squares = squares;
        verdict
    }
}

/// From tᵏ and its first three derivatives to those of tᵏ⁺¹: (t·f)⁽ᵃ⁾ = t f⁽ᵃ⁾ + a f⁽ᵃ⁻¹⁾.
fn next(power: &mut [f64; 4], t: f64) {
    for a in (1..4).rev() {
        power[a] = t * power[a] + a as f64 * power[a - 1];
    }
    power[0] *= t;
}

impl Jet {
    /// The greatest value of the quadratic with |s|, |t| <= h: at its stationary point, or on an edge.
    fn highest(&self, h: f64) -> f64 {
        let Self { value, slope: [gs, gt], bend: [ss, st, tt] } = *self;
        let determinant = ss * tt - st * st;
        if ss < 0.0 && determinant > 0.0 {
            let (s, t) = ((st * gt - tt * gs) / determinant, (st * gs - ss * gt) / determinant);
            if s.abs() <= h && t.abs() <= h {
                return value + 0.5 * (gs * s + gt * t);
            }
        }
        let edge = |level: f64, slope: f64, bend: f64| {
            let at = if bend < 0.0 { (-slope / bend).clamp(-h, h) } else { h.copysign(slope) };
            level + slope * at + 0.5 * bend * at * at
        };
        let mut highest = f64::NEG_INFINITY;
        for at in [-h, h] {
            highest = highest.max(edge(value + gs * at + 0.5 * ss * at * at, gt + st * at, tt)).max(edge(
                value + gt * at + 0.5 * tt * at * at,
                gs + st * at,
                ss,
            ));
        }
        highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topology;
    use headwater_base::rng::{Purpose, Stream};

    #[test]
    fn forms_lines_and_priors_are_what_they_say() {
        let mut random = Stream::new(3, Purpose::Probe, 0);
        for shape in
            [Topology::Torus { harmonics: 1 }, Topology::Torus { harmonics: 3 }, Topology::Patch { dimension: 2 }]
        {
            let basis = shape.basis().expect("a shape");
            let m = basis.functions();
            let of = Expansion::new(basis.factors().expect("of two"));
            let mut k: Vec<f64> = (0..m * m).map(|_| random.normal()).collect();
            for i in 0..m {
                for j in 0..i {
                    k[i * m + j] = k[j * m + i];
                }
            }
            let l: Vec<f64> = (0..m).map(|_| random.normal()).collect();
            let (mut form, mut all, mut tables) = (Polynomial::default(), Polynomial::default(), Tables::default());
            form.set_form(&of, &k, 0);
            all.set_form(&of, &k, 2);
            all.take_priors_times([0.7, 0.3], &form);
            all.add_line(&of, 1.3, &l);
            let mut jet = vec![0.0; 6 * m];
            for at in [[0.0, 0.0], [0.13, 0.4], [0.77, -0.9]] {
                basis.jet(&at, &mut jet);
                let square: f64 = (0..m * m).map(|at| k[at] * jet[at / m] * jet[at % m]).sum();
                let line: f64 = l.iter().zip(&jet).map(|(l, x)| l * x).sum();
                assert!((form.jet(at, &mut tables).value - square).abs() < 1e-11);
                let prior = |t: f64, strength: f64| match of.family {
                    Family::Waves => strength / (TAU * TAU) * (1.0 - (TAU * t).cos()),
                    Family::Powers => 0.5 * strength * t * t,
                };
                let expected = square * (1.0 - prior(at[0], 0.7) - prior(at[1], 0.3)) + 1.3 * line;
                assert!((all.jet(at, &mut tables).value - expected).abs() < 1e-11 * (1.0 + expected.abs()));
                let h = 1e-4;
                let of = |s: f64, t: f64, tables: &mut Tables| all.jet([at[0] + s * h, at[1] + t * h], tables);
                let own = of(0.0, 0.0, &mut tables);
                let (right, left) = (of(1.0, 0.0, &mut tables), of(-1.0, 0.0, &mut tables));
                let (up, down) = (of(0.0, 1.0, &mut tables), of(0.0, -1.0, &mut tables));
                let pairs = [
                    (own.slope[0], right.value - left.value),
                    (own.slope[1], up.value - down.value),
                    (own.bend[0], right.slope[0] - left.slope[0]),
                    (own.bend[1], right.slope[1] - left.slope[1]),
                    (own.bend[1], up.slope[0] - down.slope[0]),
                    (own.bend[2], up.slope[1] - down.slope[1]),
                ];
                for (said, gap) in pairs {
                    assert!((said - gap / (2.0 * h)).abs() < 1e-4 * (1.0 + said.abs()), "{shape:?} {said} {gap}");
                }
            }
        }
    }

    /// Squares hold what they promise: no point in one is above its bound.
    #[test]
    fn bounds_hold() {
        let mut random = Stream::new(4, Purpose::Probe, 0);
        for trial in 0..400 {
            let (family, degree) = if trial % 2 == 0 { (Family::Waves, 3) } else { (Family::Powers, 6) };
            let mut p = Polynomial::default();
            p.reset(family, degree);
            (0..p.c.len()).for_each(|at| p.c[at] = random.normal());
            p.ready();
            let mut tables = Tables::default();
            let at = [random.normal(), random.normal()];
            let h = 0.5_f64.powi(trial / 40);
            let highest = p.highest(&p.jet(at, &mut tables), p.sizes(at, h).0, h);
            for _ in 0..200 {
                let other = [0, 1].map(|c| at[c] + h * (2.0 * random.uniform() - 1.0));
                let value = p.jet(other, &mut tables).value;
                assert!(value <= highest + 1e-9 * highest.abs(), "trial {trial}: {value} > {highest}");
            }
        }
    }

    /// Against 200 × 200 points and climbs from the best: what lies above is found, and nothing else.
    #[test]
    fn the_greatest_value_is_found() {
        let mut random = Stream::new(5, Purpose::Probe, 0);
        for trial in 0..60 {
            let mut p = Polynomial::default();
            p.reset(Family::Waves, 1 + trial % 4);
            (0..p.c.len()).for_each(|at| p.c[at] = random.normal());
            p.ready();
            let mut tables = Tables::default();
            let mut best = (f64::NEG_INFINITY, [0.0; 2]);
            for at in 0..40_000 {
                let at = [f64::from(at / 200) / 200.0, f64::from(at % 200) / 200.0];
                let value = p.jet(at, &mut tables).value;
                best = if value > best.0 { (value, at) } else { best };
            }
            let mut step = 1.0 / 200.0;
            while step > 1e-12 {
                let around = [[step, 0.0], [-step, 0.0], [0.0, step], [0.0, -step]];
                let tried = around.map(|by| [best.1[0] + by[0], best.1[1] + by[1]]);
                let better = tried.into_iter().map(|t| (p.jet(t, &mut tables).value, t)).find(|to| to.0 > best.0);
                match better {
                    Some(found) => best = found,
                    None => step *= 0.5,
                }
            }
            let (top, t) = best;
            assert_eq!(p.above(top, Some(t), 0.0, None, &mut tables), Verdict::Nowhere, "trial {trial}");
            assert_eq!(p.above(top + 1e-6, None, 0.0, None, &mut tables), Verdict::Nowhere);
            let Verdict::At(at) = p.above(top - 1e-6, None, 0.0, None, &mut tables) else { panic!("trial {trial}") };
            assert!(p.jet(at, &mut tables).value > top - 1e-6);
        }
    }
}

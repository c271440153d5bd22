//! The best place on a surface: Newton's method from the best of some nodes, and the proof that nothing is lower.
//!
//! For the proof −e less that of the best place is written as a polynomial of the two coordinates, as for curves
//! ([`super::place`]), and [`Polynomial::above`] looks for a place where it is above 0: Newton's method goes on from there, until
//! there is none. Coordinates that are not periodic are looked at as far as their prior allows: with v = aΦ(t) the energy is at
//! least min_v −l·v + ½vᵀGv = −½lᵀG⁻¹l (the priors of the amount in the element of the constant function), so that
//! V(t) <= e + ½lᵀG⁻¹l wherever anything lies below e. Where that bound alone is above `most`, there is nothing to look for.

use headwater_linalg::cholesky;
use headwater_linalg::dense::inner;

use crate::basis::{Family, second};
use crate::coding::place::{Amount, Finder, Place, ROUNDS, Scratch, best_amount, products};
use crate::coding::surface::{Polynomial, Tables, Verdict};

/// Nodes from which Newton's method starts, its steps, and the halvings of one.
const STARTS: usize = 3;
const STEPS: usize = 30;
const HALVINGS: usize = 20;
/// Smallest pivot of G, relative to the largest, with which the bound is trusted.
const DEGENERATE: f64 = 1e-10;

/// Memory of a proof.
#[derive(Default)]
pub(crate) struct Proof {
    form: Polynomial,
    line: Polynomial,
    stiff: Polynomial,
    tables: Tables,
    l: Vec<f64>,
    g: Vec<f64>,
    k: Vec<f64>,
}

impl Finder<'_> {
    /// The best place that is found; whether it is proved that none with less energy than `most` is lower.
    pub(super) fn search(
        &self,
        l: &[f64],
        g: &[f64],
        amount: Amount,
        most: f64,
        proved: bool,
        work: &mut Scratch,
        out: &mut Place,
    ) -> bool {
        let least = lowest(l, g, amount, &mut work.proof);
        if least.is_some_and(|least| least >= most) {
            (out.amount, out.energy) = (0.0, f64::INFINITY);
            out.t.clear();
            out.t.resize(self.atom.dimension, 0.0);
            return true;
        }
        self.descend_from_nodes(l, g, amount, work, out);
        if !proved {
            return false;
        }
        let mut proof = std::mem::take(&mut work.proof);
        let certain = self.prove(l, g, amount, most, least, work, &mut proof, out);
        work.proof = proof;
        self.atom.basis.retract(&mut out.t);
        certain
    }

    /// Lower places from `out`, until it is proved that there is none.
    fn prove(
        &self,
        l: &[f64],
        g: &[f64],
        amount: Amount,
        most: f64,
        least: Option<f64>,
        work: &mut Scratch,
        proof: &mut Proof,
        out: &mut Place,
    ) -> bool {
        let Some(of) = &self.expansion else { return false };
        let m = l.len();
        // Coordinates that are not periodic in units of their prior's standard deviation.
        let waves = of.family == Family::Waves;
        let mut units = [1.0, 1.0];
        let mut strengths = [self.ard[0].strength, self.ard[1].strength];
        if !waves {
            units = strengths.map(|strength| strength.sqrt().recip());
            strengths = [1.0, 1.0];
        }
        let unit = |i: usize| -> f64 {
            if waves { 1.0 } else { units[0].powi(of.of[i][0] as i32) * units[1].powi(of.of[i][1] as i32) }
        };
        proof.l.clear();
        proof.l.extend(l.iter().enumerate().map(|(i, l)| l * unit(i)));
        proof.g.clear();
        proof.g.extend(g.iter().enumerate().map(|(at, g)| g * unit(at / m) * unit(at % m)));
        let Proof { form, line, stiff, tables, l: own, g: gram, k } = proof;
        if let Amount::Free { charge, ridge, .. } = amount {
            stiff.set_form(of, gram, 0);
            stiff.add_constant(ridge);
            own[0] -= charge;
            line.set_line(of, own);
            line.ready();
        }
        let more = match of.family {
            _ if strengths == [0.0, 0.0] => 0,
            Family::Waves => 1,
            Family::Powers => 2,
        };
        for _ in 0..ROUNDS {
            let best = out.energy.min(most);
            let Some(range) = (if waves { Some(0.0) } else { least.map(|least| (2.0 * (best - least)).sqrt()) }) else {
                return false;
            };
            k.clear();
            let floor = match amount {
                Amount::Fixed(a) => {
                    k.extend(gram.iter().map(|g| -0.5 * a * a * g));
                    form.set_form(of, k, more);
                    form.add_line(of, a, own);
                    form.take_priors(strengths);
                    -best
                }
                Amount::Free { ridge, rent, .. } => {
                    // ½(c − x)² − (γ + z + V)(q + y), γ = −e.
                    let price = rent - best;
                    for i in 0..m {
                        k.extend((0..m).map(|j| 0.5 * own[i] * own[j] - price * gram[i * m + j]));
                    }
                    k[0] -= price * ridge;
                    form.set_form(of, k, more);
                    form.take_priors_times(strengths, stiff);
                    0.0
                }
            };
            form.ready();
            if !(form.finite() && range.is_finite()) {
                return false;
            }
            let top = (out.energy < most).then(|| [out.t[0] / units[0], out.t[1] / units[1]]);
            let free = matches!(amount, Amount::Free { .. }).then_some(&*line);
            match form.above(floor, top, range, free, tables) {
                Verdict::Nowhere => return true,
                Verdict::Open => return false,
                Verdict::At(at) => {
                    let mut t = vec![at[0] * units[0], at[1] * units[1]];
                    let (a, e) = self.descend(&mut t, l, g, amount, work);
                    if e >= best {
                        return false;
                    }
                    (out.amount, out.energy, out.t) = (a, e, t);
                }
            }
        }
        false
    }

    /// The lowest end of Newton's method from nodes that are low and apart.
    fn descend_from_nodes(&self, l: &[f64], g: &[f64], amount: Amount, work: &mut Scratch, out: &mut Place) {
        let (m, d) = (self.atom.functions, self.atom.dimension);
        let mut scores = std::mem::take(&mut work.scores);
        scores.clear();
        for (at, (values, prior)) in self.values.chunks_exact(m).zip(&self.priors).enumerate() {
            let (c, q) = products(l, g, values);
            scores.push((best_amount(c, q, amount).1 + prior, at));
        }
        // Where nothing is below infinity: decoders so large that products overflow.
        (out.amount, out.energy) = (0.0, f64::INFINITY);
        out.t.clear();
        out.t.extend_from_slice(&self.nodes[..d]);
        let apart = |a: usize, b: usize| {
            (0..d).any(|c| {
                let gap = (self.nodes[a * d + c] - self.nodes[b * d + c]).abs();
                let unit =
                    self.ard[c].period.map_or_else(|| self.ard[c].strength.sqrt().recip(), |period| 0.5 * period);
                let gap = self.ard[c].period.map_or(gap, |period| gap.min(period - gap));
                gap > 0.3 * unit
            })
        };
        let mut taken: Vec<usize> = Vec::with_capacity(STARTS);
        while taken.len() < STARTS {
            let open = scores.iter().filter(|(_, at)| taken.iter().all(|&other| apart(*at, other)));
            let Some(&(_, at)) = open.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
            taken.push(at);
            let mut t = self.nodes[at * d..(at + 1) * d].to_vec();
            let (a, e) = self.descend(&mut t, l, g, amount, work);
            if e < out.energy {
                (out.amount, out.energy) = (a, e);
                out.t = t;
            }
        }
        self.atom.basis.retract(&mut out.t);
        work.scores = scores;
    }

    /// Newton's method on t with the amount minimised out; returns amount and energy at its end.
    fn descend(&self, t: &mut [f64], l: &[f64], g: &[f64], amount: Amount, work: &mut Scratch) -> (f64, f64) {
        let (m, d) = (self.atom.functions, self.atom.dimension);
        let (mut a, mut e) = self.at(t, l, g, amount, &mut work.jet);
        let mut slope = vec![0.0; d];
        let mut bend = vec![0.0; d * d];
        for _ in 0..STEPS {
            // `work.jet` is the one at t. z = −l + aGΦ: e_c = a z·Φ_c, e_ce = a z·Φ_ce + a²Φ_cGΦ_e.
            let jet = &work.jet;
            work.image.resize(m * (1 + d), 0.0);
            for (block, image) in work.image.chunks_exact_mut(m).enumerate() {
                (0..m).for_each(|i| image[i] = inner(&g[i * m..(i + 1) * m], &jet[block * m..(block + 1) * m]));
            }
            let z: Vec<f64> = (0..m).map(|i| a * work.image[i] - l[i]).collect();
            let q = inner(&jet[..m], &work.image[..m]);
            let (stiff, free) = match amount {
                Amount::Free { ridge, .. } => (q + ridge, a > 0.0),
                Amount::Fixed(_) => (1.0, false),
            };
            let cross: Vec<f64> = (0..d)
                .map(|c| {
                    let first = &jet[(1 + c) * m..(2 + c) * m];
                    inner(first, &z) + a * inner(first, &work.image[..m])
                })
                .collect();
            for c in 0..d {
                let (_, prior, prior_bend) = self.ard[c].jet(t[c]);
                slope[c] = a * inner(&jet[(1 + c) * m..(2 + c) * m], &z) + prior;
                for f in 0..=c {
                    let block = second(d, c, f);
                    let mut value = a * inner(&jet[block * m..(block + 1) * m], &z)
                        + a * a * inner(&jet[(1 + c) * m..(2 + c) * m], &work.image[(1 + f) * m..(2 + f) * m]);
                    if free {
                        value -= cross[c] * cross[f] / stiff;
                    }
                    value += if c == f { prior_bend } else { 0.0 };
                    (bend[c * d + f], bend[f * d + c]) = (value, value);
                }
            }
            let size = (0..d).fold(0.0_f64, |size, c| size.max(bend[c * d + c].abs()));
            let mut step = slope.clone();
            let mut damping = 0.0;
            loop {
                let mut factor = bend.clone();
                (0..d).for_each(|c| factor[c * d + c] += damping);
                if cholesky::factor(d, &mut factor) {
                    cholesky::solve(d, &factor, &mut step);
                    break;
                }
                damping = if damping == 0.0 { 1e-3 * size + 1e-300 } else { 4.0 * damping };
                if !damping.is_finite() {
                    return (a, e);
                }
            }
            if inner(&step, &slope) <= 1e-15 * (1.0 + e.abs()) {
                return (a, e);
            }
            let from = t.to_vec();
            let mut alpha = 1.0;
            let mut lower = false;
            for _ in 0..HALVINGS {
                (0..d).for_each(|c| t[c] = from[c] - alpha * step[c]);
                let (next, value) = self.at(t, l, g, amount, &mut work.jet);
                if value < e {
                    (a, e, lower) = (next, value, true);
                    break;
                }
                alpha *= 0.5;
            }
            if !lower {
                t.copy_from_slice(&from);
                return (a, e);
            }
        }
        (a, e)
    }
}

/// What no energy is below, without the prior of the place: nothing where G is degenerate.
fn lowest(l: &[f64], g: &[f64], amount: Amount, proof: &mut Proof) -> Option<f64> {
    let m = l.len();
    let (mut own, mut factor) = (std::mem::take(&mut proof.l), std::mem::take(&mut proof.g));
    own.clear();
    own.extend_from_slice(l);
    factor.clear();
    factor.extend_from_slice(g);
    let mut rent = 0.0;
    if let Amount::Free { charge, ridge, rent: own_rent } = amount {
        own[0] -= charge;
        factor[0] += ridge;
        rent = own_rent;
    }
    let mut least = None;
    let largest = (0..m).fold(0.0_f64, |largest, i| largest.max(factor[i * m + i]));
    if cholesky::factor(m, &mut factor) && (0..m).all(|i| factor[i * m + i].powi(2) > DEGENERATE * largest) {
        cholesky::solve(m, &factor, &mut own);
        let gain =
            0.5 * (inner(&own, l) - if let Amount::Free { charge, .. } = amount { charge * own[0] } else { 0.0 });
        // A little more than it is: rounding.
        least = Some(rent - gain - 1e-9 * (rent.abs() + gain.abs()));
    }
    (proof.l, proof.g) = (own, factor);
    least.filter(|least| least.is_finite())
}

//! The best amount and place of one atom in what the others leave of a row.
//!
//! With l = BΩr/φ and G = BΩBᵀ/φ (r what is left, Ω the row's weights), c(t) = l·Φ(t) and q(t) = ΦᵀGΦ, an amount a at t
//! changes the row's energy by
//!
//! e(a, t) = −a c(t) + ½a² q(t) + priors of a and t.
//!
//! * An amplitude a >= 0 with prior xa + ½ya² + z (normal α: −α, α, ½α; half-normal: 0, α, 0; exponential: α, 0, 0) minimises
//!   out: e = z − ½(c − x)₊²/(q + y) + V(t).
//! * Where the amount is fixed, e is what stands above.
//!
//! A circle's t is found with proof: −e at a fixed amount is a trigonometric polynomial ([`super::trig`]). With an amplitude,
//! e < −γ if and only if ½(c − x)² − (γ + z + V)(q + y) > 0 with c > x, again a polynomial; γ rises to the best value found until
//! none is above 0 (W. Dinkelbach (1967), "On nonlinear fractional programming", Management Science 13). Other shapes are
//! looked for from the best of their nodes by Newton's method.

use std::f64::consts::TAU;

use headwater_linalg::cholesky;
use headwater_linalg::dense::inner;

use crate::ard::Ard;
use crate::basis::{blocks, second};
use crate::coding::trig::{Nodes, Polynomial};
use crate::problem::Atom;

/// How an amount is found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// a >= 0 with prior charge·a + ½ridge·a² + rent.
    Free { charge: f64, ridge: f64, rent: f64 },
    /// Given.
    Fixed(f64),
}

impl Amount {
    /// No place with an amount above 0 has more energy than this.
    pub fn limit(self) -> f64 {
        match self {
            Self::Fixed(_) => f64::INFINITY,
            Self::Free { rent, .. } => rent,
        }
    }
}

/// Amount, place, and what they do to the row's energy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub amount: f64,
    pub t: Vec<f64>,
    pub energy: f64,
}

/// An atom with the tables of its search.
pub(crate) struct Finder<'a> {
    atom: &'a Atom,
    ard: Vec<Ard>,
    nodes: Vec<f64>,
    /// Φ at the nodes.
    values: Vec<f64>,
    /// Prior energy at the nodes.
    priors: Vec<f64>,
}

/// Memory of a search.
#[derive(Default)]
pub(crate) struct Scratch {
    nodes: Nodes,
    form: Polynomial,
    other: Polynomial,
    k: Vec<f64>,
    jet: Vec<f64>,
    image: Vec<f64>,
    scores: Vec<(f64, usize)>,
}

/// Nodes from which Newton's method starts, its steps, and the halvings of one.
const STARTS: usize = 3;
const STEPS: usize = 30;
const HALVINGS: usize = 20;
/// Rounds of Dinkelbach's method (two or three are enough).
const ROUNDS: usize = 30;

impl<'a> Finder<'a> {
    pub fn new(atom: &'a Atom, strengths: &[f64]) -> Self {
        let ard: Vec<Ard> = (0..atom.dimension)
            .map(|axis| Ard { strength: strengths[atom.coordinate + axis], period: atom.basis.period(axis) })
            .collect();
        let mut nodes = atom.basis.nodes();
        for at in nodes.chunks_exact_mut(atom.dimension.max(1)) {
            for (t, ard) in at.iter_mut().zip(&ard) {
                *t *= if ard.period.is_none() && ard.strength > 0.0 { ard.strength.sqrt().recip() } else { 1.0 };
            }
        }
        let m = atom.functions;
        let (mut values, mut priors) = (Vec::new(), Vec::new());
        let mut jet = vec![0.0; blocks(atom.dimension) * m];
        for t in nodes.chunks_exact(atom.dimension.max(1)) {
            atom.basis.jet(t, &mut jet);
            values.extend_from_slice(&jet[..m]);
            priors.push(ard.iter().zip(t).map(|(ard, t)| ard.jet(*t).0).sum());
        }
        Self { atom, ard, nodes, values, priors }
    }

    /// The best place for l and G with an energy below `most` (at most [`Amount::limit`]), into `out`; an amount of 0 where
    /// there is none. `from`: where it may be.
    pub fn find(
        &self,
        l: &[f64],
        g: &[f64],
        amount: Amount,
        most: f64,
        from: Option<&[f64]>,
        work: &mut Scratch,
        out: &mut Place,
    ) {
        if self.atom.dimension == 0 {
            (out.amount, out.energy) = best_amount(l[0], g[0], amount);
            out.t.clear();
        } else if let Some(harmonics) = self.atom.basis.harmonics() {
            self.circle(harmonics, l, g, amount, most, from.map(|t| t[0]), work, out);
        } else {
            self.search(l, g, amount, work, out);
        }
        if out.energy >= most {
            (out.amount, out.energy) = (0.0, 0.0);
        }
    }

    /// Amount and energy at t.
    fn at(&self, t: &[f64], l: &[f64], g: &[f64], amount: Amount, work: &mut Scratch) -> (f64, f64) {
        let m = self.atom.functions;
        work.jet.resize(blocks(self.atom.dimension) * m, 0.0);
        self.atom.basis.jet(t, &mut work.jet);
        let (c, q) = products(l, g, &work.jet[..m]);
        let (a, e) = best_amount(c, q, amount);
        (a, e + self.ard.iter().zip(t).map(|(ard, t)| ard.jet(*t).0).sum::<f64>())
    }

    /// −e less a value, times what keeps its sign, as a polynomial: at a fixed amount −e itself.
    fn polynomial(&self, harmonics: usize, l: &[f64], g: &[f64], amount: Amount, value: f64, work: &mut Scratch) {
        let m = l.len();
        let eta = self.ard[0].strength / (TAU * TAU);
        work.k.clear();
        match amount {
            Amount::Fixed(a) => {
                work.k.extend(g.iter().map(|g| -0.5 * a * a * g));
                work.form.set_form(harmonics, &work.k);
                work.form.add_line(a, l);
                work.form.add(0, [-eta, 0.0]);
                work.form.add(1, [eta, 0.0]);
            }
            Amount::Free { charge, ridge, rent } => {
                // ½(c − x)² − (γ + z)(q + y), with x and y in the element of the constant function.
                let own = |i: usize| if i == 0 { l[0] - charge } else { l[i] };
                let price = value + rent;
                for i in 0..m {
                    work.k.extend((0..m).map(|j| 0.5 * own(i) * own(j) - price * g[i * m + j]));
                }
                work.k[0] -= price * ridge;
                work.form.set_form(harmonics, &work.k);
                if eta > 0.0 {
                    work.k.clear();
                    work.k.extend_from_slice(g);
                    work.k[0] += ridge;
                    work.other.set_form(harmonics, &work.k);
                    work.form.add_product(&work.other, -eta, eta);
                }
            }
        }
    }

    /// The best place with an energy below `most`, with proof that none is lower.
    fn circle(
        &self,
        harmonics: usize,
        l: &[f64],
        g: &[f64],
        amount: Amount,
        most: f64,
        mut from: Option<f64>,
        work: &mut Scratch,
        out: &mut Place,
    ) {
        let fixed = matches!(amount, Amount::Fixed(_));
        let charge = if let Amount::Free { charge, .. } = amount { charge } else { 0.0 };
        let steepness = l[1..].chunks_exact(2).enumerate();
        let rise: f64 = steepness.map(|(h, x)| TAU * (h + 1) as f64 * (x[0] * x[0] + x[1] * x[1]).sqrt()).sum();
        // Amounts are not negative: where c <= x the square says nothing.
        let allowed = |sin: f64, cos: f64, h: f64| {
            if fixed {
                return true;
            }
            let (mut s, mut c, mut value) = (0.0, 1.0, l[0] - charge);
            for pair in l[1..].chunks_exact(2) {
                (s, c) = (s * cos + c * sin, c * cos - s * sin);
                value += pair[0] * s + pair[1] * c;
            }
            value + rise * h > 0.0
        };
        (out.amount, out.energy) = (0.0, most);
        out.t.clear();
        out.t.push(0.0);
        // γ: −e of the best place so far.
        let mut gamma = -most;
        for _ in 0..ROUNDS {
            self.polynomial(harmonics, l, g, amount, gamma, work);
            let floor = if fixed { gamma } else { 0.0 };
            let start = from.take().or_else(|| work.form.above(floor, &mut work.nodes, allowed));
            let Some(mut t) = start else { return };
            let mut last = f64::NEG_INFINITY;
            for _ in 0..ROUNDS {
                t = work.form.rise(t, allowed);
                let (a, e) = self.at(&[t], l, g, amount, work);
                if -e > gamma {
                    gamma = -e;
                    (out.amount, out.energy, out.t[0]) = (a, e, t);
                }
                // Dinkelbach's steps to the top of this hill.
                if fixed || -e <= last + 1e-15 * last.abs() {
                    break;
                }
                last = -e;
                self.polynomial(harmonics, l, g, amount, gamma, work);
            }
        }
    }

    fn search(&self, l: &[f64], g: &[f64], amount: Amount, work: &mut Scratch, out: &mut Place) {
        let (m, d) = (self.atom.functions, self.atom.dimension);
        let mut scores = std::mem::take(&mut work.scores);
        scores.clear();
        for (at, (values, prior)) in self.values.chunks_exact(m).zip(&self.priors).enumerate() {
            let (c, q) = products(l, g, values);
            scores.push((best_amount(c, q, amount).1 + prior, at));
        }
        out.energy = f64::INFINITY;
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
        let (mut a, mut e) = self.at(t, l, g, amount, work);
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
                let (next, value) = self.at(t, l, g, amount, work);
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

/// (l·Φ, ΦᵀGΦ).
fn products(l: &[f64], g: &[f64], phi: &[f64]) -> (f64, f64) {
    let m = phi.len();
    let (mut c, mut q) = (0.0, 0.0);
    for i in 0..m {
        c += l[i] * phi[i];
        let row: f64 = g[i * m..(i + 1) * m].iter().zip(phi).map(|(g, x)| g * x).sum();
        q += phi[i] * row;
    }
    (c, q)
}

/// The best amount for c and q, and its energy.
fn best_amount(c: f64, q: f64, amount: Amount) -> (f64, f64) {
    match amount {
        Amount::Fixed(a) => (a, a * (0.5 * a * q - c)),
        Amount::Free { charge, ridge, rent } => {
            let (over, stiff) = (c - charge, q + ridge);
            if over > 0.0 && stiff > 0.0 { (over / stiff, rent - 0.5 * over * over / stiff) } else { (0.0, rent) }
        }
    }
}

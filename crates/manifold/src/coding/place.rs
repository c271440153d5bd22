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
//! Where an atom has one coordinate, t is found with proof: −e at a fixed amount is a trigonometric polynomial for circles
//! ([`super::trig`]), an algebraic one for lines and parabolas ([`super::power`]). With an amplitude, e < −γ if and only if
//! ½(c − x)² − (γ + z + V)(q + y) > 0 with c > x, again a polynomial: γ is the best −e that Newton's method has come to, until
//! none is above 0 (W. Dinkelbach (1967), "On nonlinear fractional programming", Management Science 13). On surfaces t is looked for from the
//! best of their nodes by Newton's method, without proof.

use headwater_linalg::cholesky;
use headwater_linalg::dense::inner;

use crate::ard::Ard;
use crate::basis::{blocks, second};
use crate::coding::ascent::{Curve, rise};
use crate::coding::{power, trig};
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
    waves: Memory<trig::Polynomial>,
    powers: Memory<power::Polynomial>,
    jet: Vec<f64>,
    image: Vec<f64>,
    scores: Vec<(f64, usize)>,
}

/// Memory of a search in one coordinate.
#[derive(Default)]
struct Memory<P> {
    nodes: trig::Nodes,
    form: P,
    /// c − x.
    line: P,
    /// q + y.
    stiff: P,
    /// −V.
    prior: P,
    k: Vec<f64>,
    l: Vec<f64>,
    g: Vec<f64>,
}

/// Nodes from which Newton's method starts, its steps, and the halvings of one.
const STARTS: usize = 3;
const STEPS: usize = 30;
const HALVINGS: usize = 20;
/// Hills that are climbed at most (one or two are enough).
const ROUNDS: usize = 30;

impl<'a> Finder<'a> {
    pub fn new(atom: &'a Atom, strengths: &[f64]) -> Self {
        let ard: Vec<Ard> = (0..atom.dimension)
            .map(|axis| Ard { strength: strengths[atom.coordinate + axis], period: atom.basis.period(axis) })
            .collect();
        let exact = atom.basis.harmonics().is_some() || atom.basis.degree().is_some();
        let mut nodes = if exact { Vec::new() } else { atom.basis.nodes() };
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
    /// there is none. `from`: where it may be; `proved`: that a circle has no better one (lines and parabolas never have).
    pub fn find(
        &self,
        l: &[f64],
        g: &[f64],
        amount: Amount,
        most: f64,
        from: Option<&[f64]>,
        proved: bool,
        work: &mut Scratch,
        out: &mut Place,
    ) {
        if self.atom.dimension == 0 {
            (out.amount, out.energy) = best_amount(l[0], g[0], amount);
            out.t.clear();
        } else if let Some(harmonics) = self.atom.basis.harmonics() {
            let from = from.map(|t| t[0]);
            self.curve(harmonics, l, g, amount, most, from, proved, &mut work.waves, out);
        } else if let Some(degree) = self.atom.basis.degree() {
            let from = from.map(|t| t[0]);
            // The few cells that a search begins with are too wide to tell by themselves.
            self.curve(degree, l, g, amount, most, from, true, &mut work.powers, out);
        } else {
            self.search(l, g, amount, work, out);
        }
        if out.energy >= most {
            (out.amount, out.energy) = (0.0, 0.0);
        }
    }

    /// Amount and energy at t.
    fn at(&self, t: &[f64], l: &[f64], g: &[f64], amount: Amount, jet: &mut Vec<f64>) -> (f64, f64) {
        let m = self.atom.functions;
        jet.resize(blocks(self.atom.dimension) * m, 0.0);
        self.atom.basis.jet(t, jet);
        let (c, q) = products(l, g, &jet[..m]);
        let (a, e) = best_amount(c, q, amount);
        (a, e + self.ard.iter().zip(t).map(|(ard, t)| ard.jet(*t).0).sum::<f64>())
    }

    /// The best place with an energy below `most`, if `proved` with proof that none is lower.
    fn curve<P: Curve>(
        &self,
        order: usize,
        l: &[f64],
        g: &[f64],
        amount: Amount,
        most: f64,
        mut from: Option<f64>,
        proved: bool,
        work: &mut Memory<P>,
        out: &mut Place,
    ) {
        let fixed = matches!(amount, Amount::Fixed(_));
        let charge = if let Amount::Free { charge, .. } = amount { charge } else { 0.0 };
        // Coordinates that are not periodic in units of their prior's standard deviation.
        let strength = self.ard[0].strength;
        let (unit, strength) =
            if self.ard[0].period.is_some() { (1.0, strength) } else { (strength.sqrt().recip(), 1.0) };
        let m = l.len();
        let power = |k: usize| if unit == 1.0 { 1.0 } else { unit.powi(k as i32) };
        work.l.clear();
        work.l.extend(l.iter().enumerate().map(|(i, l)| l * power(i)));
        work.g.clear();
        work.g.extend(g.iter().enumerate().map(|(at, g)| g * power(at / m + at % m)));
        work.line.set_line(&work.l);
        work.line.add_constant(-charge);
        work.line.ready();
        work.prior.set_line(&[0.0]);
        work.prior.take_prior(strength);
        if let Amount::Free { ridge, .. } = amount {
            work.stiff.set_form(order, &work.g);
            work.stiff.add_constant(ridge);
        }
        (out.amount, out.energy) = (0.0, most);
        out.t.clear();
        out.t.push(0.0);
        for _ in 0..ROUNDS {
            // −e less that of the best place so far.
            work.polynomial(order, amount, -out.energy, strength);
            let (form, line, prior, stiff) = (&work.form, &work.line, &work.prior, &work.stiff);
            // Amounts are not negative: where c <= x the square says nothing.
            let allowed = |at: P::Point, h: f64| fixed || line.bounds(at, h, line.jet(at))[0] > 0.0;
            let floor = if fixed { -out.energy } else { 0.0 };
            let top = (out.energy < most).then(|| out.t[0] / unit);
            let given = from.take().map(|t| t / unit);
            let start = given.or_else(|| form.above(floor, top, proved, &mut work.nodes, &allowed));
            let Some(start) = start else { break };
            let gain = |t: f64| {
                let at = P::point(t);
                if fixed { Some(form.jet(at)) } else { gained(line.jet(at), stiff.jet(at), prior.jet(at)) }
            };
            let Some((t, gain)) = rise(gain, P::reach(order), start) else { continue };
            let energy = if let Amount::Free { rent, .. } = amount { rent - gain } else { -gain };
            if energy < out.energy {
                (out.energy, out.t[0]) = (energy, form.wrap(t) * unit);
                let at = P::point(t);
                out.amount = if let Amount::Fixed(a) = amount { a } else { line.jet(at)[0] / stiff.jet(at)[0] };
            } else if given.is_none() {
                break;
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

impl<P: Curve> Memory<P> {
    /// −e less a value, times what keeps its sign, as a polynomial: at a fixed amount −e itself.
    fn polynomial(&mut self, order: usize, amount: Amount, value: f64, strength: f64) {
        let (l, g) = (&self.l, &self.g);
        let m = l.len();
        self.k.clear();
        match amount {
            Amount::Fixed(a) => {
                self.k.extend(g.iter().map(|g| -0.5 * a * a * g));
                self.form.set_form(order, &self.k);
                self.form.add_line(a, l);
                self.form.take_prior(strength);
            }
            Amount::Free { charge, ridge, rent } => {
                // ½(c − x)² − (γ + z)(q + y), with x and y in the element of the constant function.
                let own = |i: usize| if i == 0 { l[0] - charge } else { l[i] };
                let price = value + rent;
                for i in 0..m {
                    self.k.extend((0..m).map(|j| 0.5 * own(i) * own(j) - price * g[i * m + j]));
                }
                self.k[0] -= price * ridge;
                self.form.set_form(order, &self.k);
                self.form.take_prior_times(strength, &self.stiff);
            }
        }
        self.form.ready();
    }
}

/// ½u²/v − V with its first two derivatives, from those of u = c − x, v = q + y and −V; nothing where no amount is above 0.
fn gained(u: [f64; 3], v: [f64; 3], prior: [f64; 3]) -> Option<[f64; 3]> {
    if u[0] <= 0.0 || v[0] <= 0.0 {
        return None;
    }
    // a = u/v: (½ua)′ = a u′ − ½a²v′, and a′ = (u′ − a v′)/v.
    let a = u[0] / v[0];
    let slope = (u[1] - a * v[1]) / v[0];
    Some([
        0.5 * u[0] * a + prior[0],
        a * u[1] - 0.5 * a * a * v[1] + prior[1],
        slope * (u[1] - a * v[1]) + a * u[2] - 0.5 * a * a * v[2] + prior[2],
    ])
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

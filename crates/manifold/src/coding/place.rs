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
//! none is above 0 (W. Dinkelbach (1967), "On nonlinear fractional programming", Management Science 13). On surfaces
//! ([`super::search`]) Newton's method starts from the best of some nodes, and the proof is that of curves in two coordinates.

use crate::ard::Ard;
use crate::basis::blocks;
use crate::coding::ascent::{Curve, rise};
use crate::coding::surface::Expansion;
use crate::coding::{power, search, trig};
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
    pub(super) atom: &'a Atom,
    pub(super) ard: Vec<Ard>,
    pub(super) nodes: Vec<f64>,
    /// Φ at the nodes.
    pub(super) values: Vec<f64>,
    /// Prior energy at the nodes.
    pub(super) priors: Vec<f64>,
    /// Of a surface whose places can be proved.
    pub(super) expansion: Option<Expansion>,
}

/// Memory of a search.
#[derive(Default)]
pub(crate) struct Scratch {
    waves: Memory<trig::Polynomial>,
    powers: Memory<power::Polynomial>,
    pub(super) jet: Vec<f64>,
    pub(super) image: Vec<f64>,
    pub(super) scores: Vec<(f64, usize)>,
    pub(super) proof: search::Proof,
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

/// Most functions of a surface whose places are proved: tori to four harmonics. Beyond, squares and terms are too many.
const LARGEST: usize = 81;
/// Hills that are climbed at most (one or two are enough).
pub(super) const ROUNDS: usize = 30;

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
        let expansion = atom.basis.factors().filter(|_| m <= LARGEST).map(Expansion::new);
        Self { atom, ard, nodes, values, priors, expansion }
    }

    /// The best place for l and G with an energy below `most` (at most [`Amount::limit`]), into `out`; an amount of 0 where
    /// there is none. `from`: where it may be; `proved`: whether it is to be the best one for certain (on lines and parabolas it
    /// always is). Returns whether it is.
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
    ) -> bool {
        let mut certain = true;
        if self.atom.dimension == 0 {
            (out.amount, out.energy) = best_amount(l[0], g[0], amount);
            out.t.clear();
        } else if let Some(harmonics) = self.atom.basis.harmonics() {
            let from = from.map(|t| t[0]);
            certain = proved;
            self.curve(harmonics, l, g, amount, most, from, proved, &mut work.waves, out);
        } else if let Some(degree) = self.atom.basis.degree() {
            let from = from.map(|t| t[0]);
            // The few cells that a search begins with are too wide to tell by themselves.
            self.curve(degree, l, g, amount, most, from, true, &mut work.powers, out);
        } else {
            certain = self.search(l, g, amount, most, proved, work, out);
        }
        if out.energy >= most {
            (out.amount, out.energy) = (0.0, 0.0);
        }
        certain
    }

    /// Amount and energy at t.
    pub(super) fn at(&self, t: &[f64], l: &[f64], g: &[f64], amount: Amount, jet: &mut Vec<f64>) -> (f64, f64) {
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
pub(super) fn products(l: &[f64], g: &[f64], phi: &[f64]) -> (f64, f64) {
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
pub(super) fn best_amount(c: f64, q: f64, amount: Amount) -> (f64, f64) {
    match amount {
        Amount::Fixed(a) => (a, a * (0.5 * a * q - c)),
        Amount::Free { charge, ridge, rent } => {
            let (over, stiff) = (c - charge, q + ridge);
            if over > 0.0 && stiff > 0.0 { (over / stiff, rent - 0.5 * over * over / stiff) } else { (0.0, rent) }
        }
    }
}

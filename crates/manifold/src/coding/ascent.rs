//! Whether a function of one coordinate is anywhere above a value, with proof.
//!
//! On a cell of half-width h around t₀ the function P is bounded by its derivatives there and what it knows about the rest
//! ([`Profile::bounds`]): cells whose bound is not above the value are dropped. Where P″ < 0 throughout a cell, P has one
//! maximum in it, and Newton's method finds it. Other cells are halved. So nothing is missed, and no roots of polynomials are
//! needed. The greatest value is where a climb ends that nothing is above ([`above`], [`rise`]).

use crate::coding::trig::Nodes;

/// A function of one coordinate that knows its derivatives and their bounds.
pub(crate) trait Profile {
    /// What is computed once for a t.
    type Point: Copy;
    /// At t.
    fn point(t: f64) -> Self::Point;
    /// At t − s and t + s, from the points at t and s.
    fn beside(at: Self::Point, step: Self::Point) -> [Self::Point; 2];
    /// At s/2, from the point at s.
    fn halved(step: Self::Point) -> Self::Point;
    /// P, P′, P″.
    fn jet(&self, at: Self::Point) -> [f64; 3];
    /// For all s within h of t, where the jet is given: what P(s) is not above, and what −P″(s) is not below.
    fn bounds(&self, at: Self::Point, h: f64, jet: [f64; 3]) -> [f64; 2];
    /// t in its chart.
    fn wrap(&self, t: f64) -> f64;
    /// How far two points of the chart are apart.
    fn apart(&self, s: f64, t: f64) -> f64;
}

/// A known maximum: within `reach` of it P is concave, and so nowhere above it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    t: f64,
    reach: f64,
}

impl Known {
    /// Of a t that a climb ended at; of no reach where it is no maximum, or higher than `floor`.
    pub fn new<P: Profile>(profile: &P, t: Option<f64>, floor: f64) -> Self {
        let Some(t) = t else { return Self::default() };
        let at = P::point(t);
        let jet = profile.jet(at);
        let mut reach = WIDEST;
        for _ in 0..HALVINGS {
            let [_, bent] = profile.bounds(at, reach, jet);
            // P <= P(t) + P′(t)d − ½(bent)d².
            if bent > 0.0 && jet[0] + 0.5 * jet[1] * jet[1] / bent <= floor {
                return Self { t, reach };
            }
            reach *= 0.5;
        }
        Self::default()
    }

    fn covers<P: Profile>(&self, profile: &P, t: f64, h: f64) -> bool {
        self.reach > 0.0 && profile.apart(self.t, t) + h <= self.reach
    }
}

/// Reaches that are tried: this one, and so many halves of it.
const WIDEST: f64 = 0.25;
const HALVINGS: usize = 5;

/// A profile that is put together from the products of a decoder with a row and with itself.
pub(crate) trait Curve: Profile + Default {
    /// ΦᵀKΦ, K symmetric, for the functions Φ of an order (harmonics, degree); replaces what was there.
    fn set_form(&mut self, order: usize, k: &[f64]);
    /// l·Φ; replaces what was there.
    fn set_line(&mut self, l: &[f64]);
    /// += scale·l·Φ.
    fn add_line(&mut self, scale: f64, l: &[f64]);
    /// += a constant.
    fn add_constant(&mut self, x: f64);
    /// −= the prior energy of t.
    fn take_prior(&mut self, strength: f64);
    /// The longest step of a climb on what is put together from functions of an order.
    fn reach(order: usize) -> f64;
    /// −= the prior energy of t, times another one.
    fn take_prior_times(&mut self, strength: f64, other: &Self);
    /// To be called once all is added.
    fn ready(&mut self);
    /// A t that is above `floor` by more than rounding, if there is one among those that are `allowed` (see [`above`]): the
    /// best of the middles of some cells, and if `proved`, whatever else there may be.
    ///
    /// `top` is where a climb ended, if one has: what is around it need not be looked at.
    fn above(
        &self,
        floor: f64,
        top: Option<f64>,
        proved: bool,
        nodes: &mut Nodes,
        allowed: &impl Fn(Self::Point, f64) -> bool,
    ) -> Option<f64>;
}

/// Cells are not halved any further.
const NARROWEST: f64 = 1e-9;

/// A piece of the chart: what lies within h of t.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<P: Profile> {
    pub t: f64,
    pub h: f64,
    /// At t.
    pub at: P::Point,
    /// At ½h.
    pub step: P::Point,
}

impl<P: Profile> Cell<P> {
    fn halves(&self) -> [Self; 2] {
        let h = 0.5 * self.h;
        let ([left, right], step) = (P::beside(self.at, self.step), P::halved(self.step));
        [Self { t: self.t - h, h, at: left, step }, Self { t: self.t + h, h, at: right, step }]
    }
}

/// A t with P > `floor` in a cell, if there is one among those that are `allowed`; `allowed(at, h)` may be false only where no
/// s within h of there counts.
pub(crate) fn above<P: Profile>(
    profile: &P,
    cell: Cell<P>,
    floor: f64,
    known: Known,
    allowed: &impl Fn(P::Point, f64) -> bool,
) -> Option<f64> {
    let Cell { t, h, at, .. } = cell;
    if known.covers(profile, t, h) {
        return None;
    }
    let jet = profile.jet(at);
    // What is allowed may lie beside the middles that were looked at.
    if jet[0] > floor && allowed(at, 0.0) {
        return Some(t);
    }
    let [highest, bent] = profile.bounds(at, h, jet);
    if highest <= floor || !allowed(at, h) {
        return None;
    }
    if bent > 0.0 {
        // P <= P(t₀) + P′(t₀)d − ½(bent)d².
        if jet[0] + 0.5 * jet[1] * jet[1] / bent <= floor {
            return None;
        }
        let (top, value) = climb(profile, t, h, jet);
        if value <= floor {
            return None;
        }
        if allowed(P::point(top), 0.0) {
            return Some(profile.wrap(top));
        }
        // Where the top is not allowed, something beside it may be.
    }
    if h <= NARROWEST {
        return None;
    }
    cell.halves().into_iter().find_map(|half| above(profile, half, floor, known, allowed))
}

/// The maximum of P where it is concave: within h of t, or at the end of the cell that is nearest to it.
fn climb<P: Profile>(profile: &P, t: f64, h: f64, mut jet: [f64; 3]) -> (f64, f64) {
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
        jet = profile.jet(P::point(at));
        if moved < 1e-15 || high - low < 1e-15 {
            break;
        }
    }
    (at, jet[0])
}

/// A maximum of f uphill of t, by Newton's method: the t, f there. `jet`: f, f′, f″, or nothing where f is not to be
/// looked at; `reach`: the longest step.
pub(crate) fn rise(jet: impl Fn(f64) -> Option<[f64; 3]>, reach: f64, mut t: f64) -> Option<(f64, f64)> {
    let mut now = jet(t)?;
    for _ in 0..50 {
        let [value, slope, bend] = now;
        let mut step = if bend < 0.0 { (-slope / bend).clamp(-reach, reach) } else { reach * slope.signum() };
        if bend < 0.0 && step.abs() < 1e-9 {
            // What this step gains is less than rounding.
            return Some((t + step, value));
        }
        loop {
            if let Some(next) = jet(t + step).filter(|next| next[0] > value) {
                (t, now) = (t + step, next);
                break;
            }
            step *= 0.25;
            // Also where a product overflowed.
            if !(1e-16..=reach).contains(&step.abs()) {
                return Some((t, value));
            }
        }
    }
    Some((t, now[0]))
}

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
    /// P, P′, P″.
    fn jet(&self, at: Self::Point) -> [f64; 3];
    /// For all s within h of t, where the jet is given: what P(s) is not above, and what −P″(s) is not below.
    fn bounds(&self, at: Self::Point, h: f64, jet: [f64; 3]) -> [f64; 2];
    /// The longest step of a climb.
    fn reach(&self) -> f64;
    /// t in its chart.
    fn wrap(&self, t: f64) -> f64;
}

/// A profile that is put together from the products of a decoder with a row and with itself.
pub(crate) trait Curve: Profile + Default {
    /// ΦᵀKΦ, K symmetric, for the functions Φ of an order (harmonics, degree); replaces what was there.
    fn set_form(&mut self, order: usize, k: &[f64]);
    /// += scale·l·Φ.
    fn add_line(&mut self, scale: f64, l: &[f64]);
    /// += a constant.
    fn add_constant(&mut self, x: f64);
    /// −= the prior energy of t.
    fn take_prior(&mut self, strength: f64);
    /// −= the prior energy of t, times another one.
    fn take_prior_times(&mut self, strength: f64, other: &Self);
    /// To be called once all is added.
    fn ready(&mut self);
    /// A t that is above `floor` by more than rounding, if there is one among those that are `allowed` (see [`above`]).
    fn above(&self, floor: f64, nodes: &mut Nodes, allowed: &impl Fn(Self::Point, f64) -> bool) -> Option<f64>;
}

/// Cells are not halved any further.
const NARROWEST: f64 = 1e-9;

/// A t with P > `floor` in the cell of half-width h around t (`at`), if there is one among those that are `allowed`;
/// `allowed(at, h)` may be false only where no s within h of there counts.
pub(crate) fn above<P: Profile>(
    profile: &P,
    t: f64,
    h: f64,
    at: P::Point,
    floor: f64,
    allowed: &impl Fn(P::Point, f64) -> bool,
) -> Option<f64> {
    let mut open = [(0.0, 0.0); 96];
    let mut count = 0;
    let mut next = Some((t, h, at));
    while let Some((t, h, at)) = next.take() {
        let jet = profile.jet(at);
        // What is allowed may lie beside the middles that were looked at.
        if jet[0] > floor && allowed(at, 0.0) {
            return Some(t);
        }
        let [highest, bent] = profile.bounds(at, h, jet);
        if highest > floor && allowed(at, h) {
            let mut halve = true;
            if bent > 0.0 {
                // P <= P(t₀) + P′(t₀)d − ½(bent)d².
                halve = false;
                if jet[0] + 0.5 * jet[1] * jet[1] / bent > floor {
                    let (top, value) = climb(profile, t, h, jet);
                    // Where the top is not allowed, something beside it may be.
                    halve = value > floor;
                    if halve && allowed(P::point(top), 0.0) {
                        return Some(profile.wrap(top));
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
            next = Some((t, h, P::point(t)));
        }
    }
    None
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

/// A maximum uphill of t, without leaving what is allowed (see [`above`]).
pub(crate) fn rise<P: Profile>(profile: &P, mut t: f64, allowed: &impl Fn(P::Point, f64) -> bool) -> f64 {
    let mut jet = profile.jet(P::point(t));
    let reach = profile.reach();
    for _ in 0..50 {
        let newton = -jet[1] / jet[2];
        let mut step = if jet[2] < 0.0 { newton.clamp(-reach, reach) } else { reach * jet[1].signum() };
        let next = loop {
            let point = P::point(t + step);
            let next = profile.jet(point);
            if next[0] > jet[0] && allowed(point, 0.0) {
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
    profile.wrap(t)
}

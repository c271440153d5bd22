//! The least Q with one profile element held: f(c) = min { Q(W, H) : W, H >= 0, Σ_i s_i w_ik = 1, h_kj = c }.
//!
//! W is eliminated: for given H and multiplier λ every row is non-negative least squares for (A_i, b_i − λ s_i e_k),
//! and φ(H, λ) = min_W Q + 2λ (Σ s_i w_ik − 1) lies below min_W Q by at most r²/z, where
//!   r = Σ s_i w_ik − 1,   z = Σ s_i² (P_i)_kk,   dr/dλ = −z.
//! With S the reduced Hessian and y = Σ s_i C_iᵀP_i e_k, a step (δ, dλ) obeys
//!   (S + yyᵀ/z) δ = −g + y r/z,   dλ = (r − yᵀδ)/z,
//! on the free elements of H other than h_kj (whose change is given). f'(c) = 2 g_kj. S costs as much as four steps and
//! jumps where a row's passive set changes: it is formed at the base and corrected by the gradients met along the path
//! (BFGS) from then on. What remains at an end, and what to do where the corrected Hessian was wrong, is known from
//! products with the exact one ([`crate::exact_hessian`]).
//!
//! Source: P. Paatero, S. Eberly, S. G. Brown, G. A. Norris (2014), "Methods for estimating uncertainty in factor
//! analytic solutions", Atmos. Meas. Tech. 7:781 (what DISP is to do); the method is our own.

use crate::block::{self, Factor, Normal, Tilt};
use crate::exact_hessian::ExactHessian;
use crate::held_hessian::{Formed, Hessian, Place, Step};
use crate::model::{self, Coupling, Model};
use crate::newton::Request;
use crate::problem::Problem;
use crate::reduced::Reduced;
use headwater_base::parallel::Crew;
use headwater_linalg::{LANES, nnls, packed, packed_len};

/// The element that is held, and what its gauge takes.
#[derive(Clone, Copy)]
pub struct Pin<'a> {
    pub problem: &'a Problem,
    pub crew: Crew<'a>,
    /// Factor and species of the element.
    pub factor: usize,
    pub species: usize,
    /// s_i.
    pub weights: &'a [f64],
}

/// A pair of factors with the element held.
#[derive(Clone)]
pub struct Point {
    pub long: Factor,
    pub short: Factor,
    /// λ.
    pub multiplier: f64,
    /// r.
    pub gap: f64,
    /// Q of the two factors.
    pub q: f64,
    /// φ.
    pub value: f64,
    /// Half-gradient of φ in H, n × p.
    pub gradient: Vec<f64>,
}

/// Steps of [`Pin::descend`] at most.
const PATIENCE: usize = 30;
/// Steps in vain, of which the model learns, before they are given up.
const FAILURES: usize = 2;
/// How many times its promise a point may still fall, in the search for another branch.
const FAITH: f64 = 5.0;
/// Parts of a step that are tried.
const TRIALS: usize = 10;
/// Share of the distance from an aim that may remain to be gained.
const LOOSE: f64 = 0.03;

/// How a minimisation at fixed c ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// What remains is below the tolerance.
    Settled,
    /// No step lowers φ, or the crew was stopped.
    Failed,
}

impl Pin<'_> {
    /// Its place in the short factor.
    pub fn element(&self, p: usize) -> usize {
        self.species * p + self.factor
    }

    /// Σ s_i w_ik − 1.
    fn gap(&self, long: &Factor) -> f64 {
        let terms: Vec<f64> =
            self.weights.iter().enumerate().map(|(i, s)| s * long.rows[i * long.p + self.factor]).collect();
        headwater_base::parallel::pairwise_sum(&terms) - 1.0
    }

    /// The point at H (with its held element) nearest to (`long`, λ): rows solved, λ corrected until r²/z < `close`.
    pub fn evaluate(&self, short: Factor, long: &Factor, multiplier: f64, z: f64, close: f64) -> Point {
        let (problem, crew, p) = (self.problem, self.crew, long.p);
        let mut long = long.clone();
        let mut normal = Normal::new(problem.long.blocks(), p);
        let mut lambda = multiplier;
        let mut z = z;
        let (mut above, mut below) = (None, None);
        let (mut gap, mut last) = (f64::NAN, (f64::NAN, f64::NAN));
        for round in 0..40 {
            let by: Vec<f64> = self.weights.iter().map(|s| lambda * s).collect();
            let tilt = Tilt { factor: self.factor, by: &by };
            if round == 0 || !problem.long.squares() {
                block::solve_tilted(&problem.long, &short.rows, &mut long, &mut normal, Some(tilt), crew);
            } else {
                again(&normal, &mut long, tilt);
            }
            gap = self.gap(&long);
            if closed(gap, close * z) || crew.stopped() {
                break;
            }
            // r falls with λ.
            if gap > 0.0 {
                above = Some((lambda, gap))
            } else {
                below = Some((lambda, gap))
            }
            // The secant's slope; it is the true one while no row's passive set changes.
            let slope = (last.1 - gap) / (lambda - last.0);
            if slope > 0.0 && slope.is_finite() {
                z = slope;
            } else if round > 0 || z <= 0.0 {
                z = model::compliance(p, &normal, &long.passive, self.factor, self.weights);
            }
            last = (lambda, gap);
            lambda = model::next_multiplier(lambda + gap / z, above, below);
        }
        let (q, gradient) =
            model::forces(problem, &long, &short, crew).unwrap_or_else(|| (f64::INFINITY, vec![0.0; short.rows.len()]));
        // Without a multiplier there is no such point.
        let value = if closed(gap, close * z.max(f64::MIN_POSITIVE)) { q + 2.0 * lambda * gap } else { f64::INFINITY };
        Point { q, value, long, short, multiplier: lambda, gap, gradient }
    }

    /// What the quadratic model at `at` says of the minimum as c changes by x, the bounds that are met staying met:
    /// (b, d) of φ = a + 2bx + dx².
    pub fn predict(&self, at: &Point, hessian: &mut Hessian) -> Option<(f64, f64)> {
        let step = hessian.step(&at.place())?;
        Some((step.slope, step.bend))
    }

    /// `at` moved to `c` along the minimum's tangent.
    pub fn moved(&self, at: &Point, hessian: &mut Hessian, c: f64, close: f64) -> Option<Point> {
        let step = hessian.step(&at.place())?;
        Some(self.shifted(at, hessian, &step, c, close))
    }

    /// `at` after `step`, with the held element at `c`.
    fn shifted(&self, at: &Point, hessian: &mut Hessian, step: &Step, c: f64, close: f64) -> Point {
        let held = self.element(at.long.p);
        let dc = c - at.short.rows[held];
        let mut short = at.short.clone();
        // From a minimum only along its tangent: where the data tell next to nothing of a direction, rounding alone could
        // lead far along it.
        let part = if step.promise > 0.01 * close { 1.0 } else { 0.0 };
        let delta: Vec<f64> = step.delta.iter().zip(&step.tangent).map(|(d, t)| part * d + dc * t).collect();
        crate::judge::moved(&mut short, &delta, 1.0);
        short.rows[held] = c;
        let lambda = at.multiplier + part * step.lambda + dc * step.lambda_tangent;
        let next = self.evaluate(short, &at.long, lambda, hessian.compliance(), close);
        hessian.learn(&at.place(), &next.place());
        next
    }

    /// Moves `at` in H, λ and c together towards the point of the path where φ is `aim`, outwards in the direction
    /// `sign`: each step goes to where the quadratic model puts it. False, with the best point met, if the model does not
    /// predict well: then c is to be found with the others settled for each.
    pub fn approach(
        &self,
        at: &mut Point,
        hessian: &mut Hessian,
        aim: f64,
        sign: f64,
        tolerance: f64,
        miss: f64,
    ) -> bool {
        let held = self.element(at.long.p);
        let mut best = at.clone();
        let mut worse = 0;
        let mut off = f64::INFINITY;
        for _ in 0..20 {
            let Some(step) = hessian.step(&at.place()) else { break };
            let rest = step.promise + hessian.hidden(at.gap);
            let now = (at.value - aim).abs() + rest;
            if rest <= tolerance && (at.value - aim).abs() <= miss {
                return true;
            }
            worse = if now > 0.5 * off { worse + 1 } else { 0 };
            if now < off {
                (off, best) = (now, at.clone());
            }
            // a + 2bx + dx² = aim.
            let a = at.value - step.promise - aim;
            let b = step.slope * sign;
            let disc = b * b - step.bend * a;
            if worse > 2 || disc.is_nan() || disc <= 0.0 || b + disc.sqrt() <= 0.0 {
                break;
            }
            let x = -a / (b + disc.sqrt());
            let c = at.short.rows[held] + sign * x;
            if (at.short.bounded && c < 0.0) || self.crew.stopped() {
                break;
            }
            *at = self.shifted(at, hessian, &step, c, closeness(tolerance, step.promise));
            if !at.value.is_finite() {
                break;
            }
        }
        *at = best;
        false
    }

    /// Minimises at fixed c from `at`, by steps on `hessian`, which learns from them; then thoroughly, if they come to no
    /// end. With `aim`, only as closely as the distance of the value from it asks for.
    pub fn settle(&self, at: &mut Point, hessian: &mut Hessian, tolerance: f64, aim: Option<f64>) -> Ended {
        let goal = |at: &Point| aim.map_or(tolerance, |aim| tolerance.max(LOOSE * (at.value - aim).abs()));
        self.minimise(at, hessian, tolerance, &goal, false)
    }

    /// [`Self::settle`] from a point that should be the minimum; what remains is known from the exact Hessian there.
    pub fn verify(&self, at: &mut Point, hessian: &mut Hessian, tolerance: f64) -> Ended {
        self.minimise(at, hessian, tolerance, &|_| tolerance, true)
    }

    fn minimise(
        &self,
        at: &mut Point,
        hessian: &mut Hessian,
        tolerance: f64,
        goal: &dyn Fn(&Point) -> f64,
        exact: bool,
    ) -> Ended {
        let ended = self.descend(at, hessian, tolerance, goal, &|_, _| false, exact);
        if ended == Ended::Settled {
            return ended;
        }
        let ended = self.finish(at, tolerance);
        *hessian = self.renewed(at);
        ended
    }

    /// `at` after `count` sweeps: H for given W, the held element staying, then W and λ for that H. From far away they
    /// lower φ faster than steps on a Hessian of another place.
    pub fn swept(&self, mut at: Point, hessian: &Hessian, count: usize, close: f64) -> Point {
        if !self.problem.short.squares() {
            // One member cannot be held there; the steps come down alone.
            return at;
        }
        let mut normal = Normal::new(self.problem.short.blocks(), at.long.p);
        for _ in 0..count {
            if !at.value.is_finite() || self.crew.stopped() {
                break;
            }
            let mut short = at.short.clone();
            block::solve(&self.problem.short, &at.long.rows, &mut short, &mut normal, self.crew);
            let c = at.short.rows[self.element(at.long.p)];
            hold(&normal, &mut short, self.species, self.factor, c);
            at = self.evaluate(short, &at.long, at.multiplier, hessian.compliance(), close);
        }
        at
    }

    /// Whether steps from `at` lead below `beat`; they end as soon as that looks hopeless.
    pub fn falls_below(&self, at: &mut Point, hessian: &mut Hessian, tolerance: f64, beat: f64) -> bool {
        let goal = |at: &Point| tolerance.max(LOOSE * (at.value - beat).abs());
        let hopeless = |at: &Point, promise: f64| at.value - FAITH * promise > beat;
        self.descend(at, hessian, tolerance, &goal, &hopeless, false);
        at.value + hessian.hidden(at.gap) < beat
    }

    /// Steps until one promises less than `goal` of the point, or `hopeless` says so of the point and the promise. The
    /// promise is the exact Hessian's where `exact` asks for that, and where the model was wrong about the last step.
    fn descend(
        &self,
        at: &mut Point,
        hessian: &mut Hessian,
        tolerance: f64,
        goal: &dyn Fn(&Point) -> f64,
        hopeless: &dyn Fn(&Point, f64) -> bool,
        exact: bool,
    ) -> Ended {
        let mut thorough = exact;
        let mut failures = 0;
        for _ in 0..PATIENCE {
            if self.crew.stopped() || !at.value.is_finite() {
                return Ended::Failed;
            }
            let found = if thorough {
                let there = ExactHessian::new(self.problem, &at.long, &at.short, self.weights, self.factor, self.crew);
                hessian.exact_step(&at.place(), &there, tolerance)
            } else {
                hessian.step(&at.place()).map(|step| (step, hessian.trusted && !exact))
            };
            let Some((step, believed)) = found else { return Ended::Failed };
            if hopeless(at, step.promise) {
                if thorough || hessian.trusted {
                    return Ended::Settled;
                }
                thorough = true;
                continue;
            }
            if step.promise + hessian.hidden(at.gap) <= goal(at) {
                if believed {
                    return Ended::Settled;
                }
                if !thorough {
                    thorough = true;
                    continue;
                }
            }
            match self.descent(at, hessian, &step, tolerance) {
                Some(next) => (*at, thorough) = (next, false),
                // The model has learnt from the points that were tried.
                None if failures < FAILURES => (failures, thorough) = (failures + 1, !thorough),
                None => return Ended::Failed,
            }
        }
        Ended::Failed
    }

    /// The point after `step`, if it keeps a tenth of the promise, or else where the slope along it has turned: it is
    /// piecewise linear, and where a row's passive set changes it can rise steeply.
    fn descent(&self, at: &Point, hessian: &mut Hessian, step: &Step, tolerance: f64) -> Option<Point> {
        let close = closeness(tolerance, step.promise);
        let slope = |at: &Point| at.gradient.iter().zip(&step.delta).map(|(g, d)| g * d).sum::<f64>();
        let first = slope(at);
        let (mut low, mut high) = ((0.0, first), (1.0, f64::NAN));
        let mut best: Option<Point> = None;
        let mut t = 1.0;
        for _ in 0..TRIALS {
            let mut short = at.short.clone();
            crate::judge::moved(&mut short, &step.delta, t);
            let next = self.evaluate(short, &at.long, at.multiplier + t * step.lambda, hessian.compliance(), close);
            hessian.learn(&at.place(), &next.place());
            // f is φ and what the gap hides.
            let f = |at: &Point| at.value + hessian.hidden(at.gap);
            let (gain, here) = (f(at) - f(&next), slope(&next));
            let enough = gain >= 0.1 * t * step.promise;
            let done = enough && (t == 1.0 || here.abs() <= 0.5 * first.abs());
            if enough && best.as_ref().is_none_or(|best| f(&next) < f(best)) {
                best = Some(next);
            }
            if done || self.crew.stopped() {
                break;
            }
            if here < 0.0 && enough {
                low = (t, here);
            } else {
                high = (t, here);
            }
            // The secant, kept off the ends: beyond a steep rise it hardly moves.
            let share = if high.1 > 0.0 && low.1 < 0.0 { low.1 / (low.1 - high.1) } else { 0.3 };
            t = low.0 + share.clamp(0.1, 0.5) * (high.0 - low.0);
        }
        best
    }

    /// Minimises at fixed c by the steps of [`crate::newton`], whose model knows where passive sets of rows change: for
    /// what the cheap steps of [`Self::settle`] do not bring to an end.
    fn finish(&self, at: &mut Point, tolerance: f64) -> Ended {
        if !at.value.is_finite() {
            return Ended::Failed;
        }
        let close = 0.1 * tolerance;
        let mut shift = 0.0;
        for _ in 0..40 {
            let coupling = Coupling {
                factor: self.factor,
                weights: self.weights,
                held: self.element(at.long.p),
                multiplier: at.multiplier,
                gap: at.gap,
                close,
            };
            let model = Model::at(self.problem, &at.long, &at.short, self.crew).coupled(coupling);
            let mut reduced = Reduced::formed_anyhow(&model);
            let mut next = None;
            for _ in 0..12 {
                let request = Request { shift, most: 1e6, tolerance: 0.1 * tolerance, relative: 1e-3, exact: true };
                let Some(step) = reduced.minimise(&request) else { return Ended::Failed };
                if self.crew.stopped() {
                    return Ended::Failed;
                }
                shift = step.shift;
                // A shift that small (the diagonal is about 1) hides little of what remains.
                if step.decrement <= tolerance && shift <= 1e-3 {
                    return Ended::Settled;
                }
                let mut short = at.short.clone();
                crate::judge::moved(&mut short, &step.delta, 1.0);
                let trial = self.evaluate(short, &at.long, step.multiplier, 0.0, close);
                let ratio = (at.value - trial.value) / step.decrement;
                if ratio > 0.1 {
                    if ratio > 0.5 {
                        shift = if shift < 2e-6 { 0.0 } else { shift / 30.0 };
                    }
                    next = Some(trial);
                    break;
                }
                if step.decrement <= 1e-12 * at.value.abs() {
                    return Ended::Settled;
                }
                shift = if shift == 0.0 { 1e-5 } else { shift * 10.0 };
            }
            match next {
                Some(next) => *at = next,
                None => return Ended::Failed,
            }
        }
        Ended::Failed
    }

    /// The Hessian at `at`.
    pub fn renewed(&self, at: &Point) -> Hessian {
        Formed::new(self.problem, &at.long, &at.short, self.weights, Some(self.factor), self.crew)
            .held(self.factor, self.element(at.long.p))
    }
}

impl Point {
    /// What a step needs of it.
    fn place(&self) -> Place<'_> {
        Place { short: &self.short, gradient: &self.gradient, gap: self.gap }
    }
}

/// Whether the gap may stay; z can be that of another point, so that a large one never may.
fn closed(gap: f64, close: f64) -> bool {
    gap * gap <= close && gap.abs() <= 0.01
}

/// What of φ a gap may hide at a point from which that much is promised; never so much that a value could pass for a
/// lower minimum.
fn closeness(tolerance: f64, promise: f64) -> f64 {
    (1e-3 * promise).clamp(0.1 * tolerance, 100.0 * tolerance)
}

/// Solves one member again, from the normal equations that stand, with its `k`th element held at `c`.
fn hold(normal: &Normal, factor: &mut Factor, member: usize, k: usize, c: f64) {
    let p = factor.p;
    let (pairs, lane) = (packed_len(p) * LANES, p * LANES);
    let (block, e) = (member / LANES, member % LANES);
    let mut a = normal.a[block * pairs..][..pairs].to_vec();
    let mut b = normal.b[block * lane..][..lane].to_vec();
    for l in (0..p).filter(|&l| l != k) {
        let pair = packed(k.max(l), k.min(l)) * LANES + e;
        b[l * LANES + e] -= c * a[pair];
        a[pair] = 0.0;
    }
    b[k * LANES + e] = c * a[packed(k, k) * LANES + e];
    let mut x = vec![0.0; lane];
    let passive = &mut factor.passive[block * lane..][..lane];
    nnls::solve(p, &a, &b, factor.bounded, passive, &mut x, &mut nnls::Scratch::new(p));
    for l in 0..p {
        factor.rows[member * p + l] = if l == k { c } else { x[l * LANES + e] };
    }
}

/// Solves the rows again with another linear term, from the normal equations that stand.
fn again(normal: &Normal, long: &mut Factor, tilt: Tilt) {
    let p = long.p;
    let (pairs, lane) = (packed_len(p) * LANES, p * LANES);
    let mut scratch = nnls::Scratch::new(p);
    let (mut x, mut b) = (vec![0.0; lane], vec![0.0; lane]);
    for (block, a) in normal.a.chunks_exact(pairs).enumerate() {
        b.copy_from_slice(&normal.b[block * lane..][..lane]);
        let by = tilt.lanes(block);
        (0..LANES).for_each(|e| b[tilt.factor * LANES + e] -= by[e]);
        let passive = &mut long.passive[block * lane..][..lane];
        nnls::solve(p, a, &b, long.bounded, passive, &mut x, &mut scratch);
        for e in 0..LANES.min(long.count - block * LANES) {
            for k in 0..p {
                long.rows[(block * LANES + e) * p + k] = x[k * LANES + e];
            }
        }
    }
}

//! The least Q with one profile element held: f(c) = min { Q(W, H) : W, H >= 0, Σ_i s_i w_ik = 1, h_kj = c }.
//!
//! W is eliminated: for given H and multiplier λ every row is non-negative least squares for (A_i, b_i − λ s_i e_k),
//! and φ(H, λ) = min_W Q + 2λ (Σ s_i w_ik − 1) lies below min_W Q by at most r²/z, where
//!   r = Σ s_i w_ik − 1,   z = Σ s_i² (P_i)_kk,   dr/dλ = −z.
//! With S the reduced Hessian and y = Σ s_i C_iᵀP_i e_k, a step (δ, dλ) obeys
//!   (S + yyᵀ/z) δ = −g + y r/z,   dλ = (r − yᵀδ)/z,
//! on the free elements of H other than h_kj (whose change is given) and within the slices of the other factors'
//! scales. f'(c) = 2 g_kj. The Hessian costs as much as ten steps, and jumps where a row's passive set changes: it is
//! formed at the base, and corrected by the gradients met along the path (BFGS) from then on.
//!
//! Source: P. Paatero, S. Eberly, S. G. Brown, G. A. Norris (2014), "Methods for estimating uncertainty in factor
//! analytic solutions", Atmos. Meas. Tech. 7:781 (what DISP is to do); the method is our own.

use crate::block::{self, Factor, Normal, Tilt};
use crate::model::{self, Coupling, Model};
use crate::newton::Request;
use crate::piece::{Quadratic, mirror};
use crate::problem::Problem;
use crate::reduced::{Reduced, inverse_root};
use headwater_base::parallel::Crew;
use headwater_linalg::{LANES, cholesky, nnls, packed, packed_len};

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
    gap: f64,
    /// φ.
    pub value: f64,
    /// Half-gradient of φ in H, n × p.
    pub gradient: Vec<f64>,
}

/// Second derivatives of f in H, in the D scaling on `all`: S + yyᵀ/z of some point, corrected by what the gradients of
/// later points showed (BFGS).
#[derive(Clone)]
pub struct Hessian {
    /// Elements with weight.
    all: Vec<usize>,
    /// Place of the held element in `all`.
    held: usize,
    root: Vec<f64>,
    /// Symmetric.
    matrix: Vec<f64>,
    /// y, scaled.
    y: Vec<f64>,
    z: f64,
    /// Unit rows of the other factors' scales.
    gauges: Vec<f64>,
    /// Bound set of the last step, the next one's first guess; empty at first.
    bound: Vec<bool>,
    /// Whether it foresaw the last change of the gradient: one that did not is not to be believed when it promises
    /// nothing.
    trusted: bool,
}

/// The reduced Hessian of a base point, shared by all elements of one factor.
pub struct Curved {
    /// S on all n × p elements, scaled by D^-½, symmetric.
    matrix: Vec<f64>,
    d: Vec<f64>,
    /// Per factor: y and z.
    pull: Vec<(Vec<f64>, f64)>,
    gauges: Vec<Vec<f64>>,
}

/// Cheap steps before the thorough ones.
const PATIENCE: usize = 30;
/// Share of the distance from an aim that may remain to be gained.
const LOOSE: f64 = 0.02;

/// A step of H and λ with the held element where it is, and how it changes with that element.
struct Step {
    delta: Vec<f64>,
    lambda: f64,
    /// What the model says that φ falls by.
    promise: f64,
    /// dδ/dc (1 for the held element) and dλ/dc.
    tangent: Vec<f64>,
    lambda_tangent: f64,
    /// Half of dφ/dc at the step's end, and of d²φ/dc².
    slope: f64,
    bend: f64,
}

/// How a minimisation at fixed c ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// What remains is below the tolerance.
    Settled,
    /// No step lowers φ, or the crew was stopped.
    Failed,
}

impl Hessian {
    /// z.
    pub fn compliance(&self) -> f64 {
        self.z
    }

    /// Second derivative of Q/2 in the held element, the profiles staying as they are.
    pub fn own(&self) -> f64 {
        let size = self.all.len();
        self.matrix[self.held * size + self.held] * self.root[self.held] * self.root[self.held]
    }

    /// The update of Broyden, Fletcher, Goldfarb and Shanno, damped so that it stays positive definite
    /// (M. J. D. Powell (1978), "Algorithms for nonlinear constraints that use Lagrangian functions"): M maps the step
    /// from `old` to `new` to the change of the gradient.
    fn learn(&mut self, old: &Point, new: &Point) {
        let size = self.all.len();
        let scaled = |x: &dyn Fn(usize) -> f64| -> Vec<f64> { self.all.iter().map(|&a| x(a)).collect() };
        let mut s = scaled(&|a| new.short.rows[a] - old.short.rows[a]);
        let mut y = scaled(&|a| new.gradient[a] - old.gradient[a]);
        for r in 0..size {
            s[r] *= self.root[r];
            y[r] /= self.root[r];
        }
        let mut image = vec![0.0; size];
        cholesky::product(&self.matrix, &s, &mut image);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (sms, sy) = (dot(&s, &image), dot(&s, &y));
        let ss = dot(&s, &s);
        if !(sms.is_finite() && sy.is_finite() && ss > 0.0) {
            self.trusted &= ss == 0.0;
            return;
        }
        self.trusted = sms > 0.0 && (0.3..=3.0).contains(&(sy / sms));
        if sms <= 1e-8 * ss {
            // Not positive along s: only that is mended.
            let add = (sy.max(1e-6 * ss) - sms) / (ss * ss);
            for r in 0..size {
                let a = add * s[r];
                self.matrix[r * size..(r + 1) * size].iter_mut().zip(&s).for_each(|(m, s)| *m += a * s);
            }
            return;
        }
        let mix = if sy >= 0.1 * sms { 1.0 } else { 0.9 * sms / (sms - sy) };
        for r in 0..size {
            y[r] = mix * y[r] + (1.0 - mix) * image[r];
        }
        let sy = dot(&s, &y);
        for r in 0..size {
            let (a, b) = (y[r] / sy, image[r] / sms);
            for (m, (y, image)) in self.matrix[r * size..(r + 1) * size].iter_mut().zip(y.iter().zip(&image)) {
                *m += a * y - b * image;
            }
        }
    }
}

impl Curved {
    /// At the point of `long`, `short`; `only`: for elements of one factor. Cost: one formation of S and p passes over the members.
    pub fn new(
        problem: &Problem,
        long: &Factor,
        short: &Factor,
        weights: &[f64],
        only: Option<usize>,
        crew: Crew,
    ) -> Self {
        let p = long.p;
        let unused = Normal::new(problem.long.blocks(), p);
        let normal = if problem.long.squares() { crate::judge::normal_of(problem, long, short, crew) } else { unused };
        let model = Model::new(problem, long, short, &normal, crew);
        let reduced = Reduced::formed_anyhow(&model);
        let every: Vec<usize> = (0..model.d.len()).collect();
        let mut matrix = reduced.matrix(&every, 0.0);
        mirror(&mut matrix, every.len());
        let list: Vec<usize> = (0..problem.long.count).collect();
        let inverses = model.inverses(&list, &long.passive);
        let wanted = |k: usize| only.is_none_or(|only| only == k);
        let pull =
            (0..p).map(|k| if wanted(k) { pull(&model, &inverses, weights, k) } else { (Vec::new(), 0.0) }).collect();
        let gauges = (0..p)
            .map(|k| {
                let row: Vec<f64> =
                    every.iter().map(|&a| if a % p == k { short.rows[a] * model.d[a].sqrt() } else { 0.0 }).collect();
                let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                if norm > 0.0 { row.iter().map(|x| x / norm).collect() } else { Vec::new() }
            })
            .collect();
        Self { matrix, d: model.d.clone(), pull, gauges }
    }
}

/// y and z of factor k: element (j, l) of y is Σ_i s_i [w_l ω_j (h_j·P e_k) + u_j P_lk].
pub fn pull(model: &Model, inverses: &[f64], weights: &[f64], k: usize) -> (Vec<f64>, f64) {
    let (p, n) = (model.p, model.n);
    let (mut y, mut z) = (vec![0.0; n * p], 0.0);
    for (i, &s) in weights.iter().enumerate() {
        if s == 0.0 {
            continue;
        }
        let inverse = &inverses[i * packed_len(p)..][..packed_len(p)];
        let column: Vec<f64> = (0..p).map(|l| s * inverse[packed(k.max(l), k.min(l))]).collect();
        z += s * column[k];
        let (block, e) = (i / LANES, i % LANES);
        for j in 0..n {
            let at = (block * n + j) * LANES + e;
            let h = &model.short.rows[j * p..][..p];
            let inner: f64 = model.omega[at] * h.iter().zip(&column).map(|(h, c)| h * c).sum::<f64>();
            for l in 0..p {
                y[j * p + l] += model.w[(block * p + l) * LANES + e] * inner + model.u[at] * column[l];
            }
        }
    }
    (y, z)
}

impl Pin<'_> {
    fn element(&self, p: usize) -> usize {
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
        let mut gap = f64::NAN;
        for round in 0..40 {
            let by: Vec<f64> = self.weights.iter().map(|s| lambda * s).collect();
            let tilt = Tilt { factor: self.factor, by: &by };
            if round == 0 || !problem.long.squares() {
                block::solve_tilted(&problem.long, &short.rows, &mut long, &mut normal, Some(tilt), crew);
            } else {
                again(&normal, &mut long, tilt);
            }
            gap = self.gap(&long);
            if gap * gap <= close * z || crew.stopped() {
                break;
            }
            // r falls with λ.
            if gap > 0.0 {
                above = Some((lambda, gap))
            } else {
                below = Some((lambda, gap))
            }
            if round > 0 || z <= 0.0 {
                z = model::compliance(p, &normal, &long.passive, self.factor, self.weights);
            }
            lambda = model::next_multiplier(lambda + gap / z, above, below);
        }
        let (q, gradient) = forces(problem, &long, &short, crew);
        // Without a multiplier there is no such point.
        let value = if gap * gap <= close * z.max(f64::MIN_POSITIVE) { q + 2.0 * lambda * gap } else { f64::INFINITY };
        Point { value, long, short, multiplier: lambda, gap, gradient }
    }

    /// The Hessian of this pin from that of a point.
    pub fn hessian(&self, curved: &Curved, p: usize) -> Hessian {
        let size = curved.d.len();
        let held = self.element(p);
        let (y, z) = &curved.pull[self.factor];
        let all: Vec<usize> = (0..size).filter(|&a| curved.d[a] > 0.0 || a == held).collect();
        let scale: Vec<f64> = curved.d.iter().map(|&d| inverse_root(d)).collect();
        let y: Vec<f64> = all.iter().map(|&a| y[a] * scale[a]).collect();
        let stiff = if *z > 0.0 { 1.0 / z } else { 0.0 };
        let mut matrix = Vec::with_capacity(all.len() * all.len());
        for (&a, ya) in all.iter().zip(&y) {
            let row = &curved.matrix[a * size..(a + 1) * size];
            matrix.extend(all.iter().zip(&y).map(|(&b, yb)| row[b] + stiff * ya * yb));
        }
        let gauges = curved.gauges.iter().enumerate().filter(|(k, row)| *k != self.factor && !row.is_empty());
        Hessian {
            held: all.iter().position(|&a| a == held).expect("the held element is among all"),
            root: all.iter().map(|&a| curved.d[a].sqrt().max(f64::MIN_POSITIVE)).collect(),
            gauges: gauges.flat_map(|(_, row)| all.iter().map(|&a| row[a]).collect::<Vec<_>>()).collect(),
            matrix,
            y,
            z: *z,
            all,
            bound: Vec::new(),
            trusted: true,
        }
    }

    /// The step at `at`; a shift is added where the Hessian is not positive definite.
    fn step(&self, at: &Point, hessian: &mut Hessian) -> Option<Step> {
        let Hessian { all, held, root, z, .. } = &*hessian;
        let whole = all.len();
        let rz = if *z > 0.0 { at.gap / z } else { 0.0 };
        // Without the held element.
        let others: Vec<usize> = (0..whole).filter(|r| r != held).collect();
        let size = others.len();
        let mut matrix = Vec::with_capacity(size * size);
        for &r in &others {
            let row = &hessian.matrix[r * whole..(r + 1) * whole];
            matrix.extend_from_slice(&row[..*held]);
            matrix.extend_from_slice(&row[held + 1..]);
        }
        let pick = |row: &[f64]| -> Vec<f64> { others.iter().map(|&r| row[r]).collect() };
        let mut quadratic = Quadratic {
            size,
            matrix,
            gradient: others.iter().map(|&r| at.gradient[all[r]] / root[r] - hessian.y[r] * rz).collect(),
            lower: others.iter().map(|&r| -at.short.rows[all[r]].max(0.0) * root[r]).collect(),
            gauges: hessian.gauges.chunks_exact(whole).flat_map(pick).collect(),
            moved: vec![0.0; size],
            bounded: at.short.bounded,
            extra: pick(&hessian.matrix[held * whole..(held + 1) * whole]),
        };
        let mut shift = 0.0;
        let last;
        let minimum = loop {
            let at_zero = |r: usize| quadratic.bounded && quadratic.lower[r] >= 0.0;
            let mut bound: Vec<bool> = if hessian.bound.len() == size {
                (0..size).map(|r| at_zero(r) && hessian.bound[r]).collect()
            } else {
                (0..size).map(|r| at_zero(r) && quadratic.gradient[r] >= 0.0).collect()
            };
            let found = quadratic.minimise(&mut bound, false, &|| self.crew.stopped());
            if let Some(found) = found {
                last = bound;
                break found;
            }
            let next = if shift == 0.0 { 1e-4 } else { shift * 10.0 };
            if next > 1e4 || self.crew.stopped() {
                return None;
            }
            (0..size).for_each(|r| quadratic.matrix[r * size + r] += next - shift);
            shift = next;
        };
        // In the scaled unknowns; then per unit of c.
        let own = root[*held];
        let extra = &quadratic.extra;
        let along = |x: &[f64]| x.iter().zip(&others).map(|(x, &r)| x * hessian.y[r]).sum::<f64>();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let slope = at.gradient[all[*held]] + own * (dot(extra, &minimum.y) - hessian.y[*held] * rz);
        let bend = own * own * (hessian.matrix[held * whole + held] + dot(extra, &minimum.tangent));
        let (mut delta, mut tangent) = (vec![0.0; at.gradient.len()], vec![0.0; at.gradient.len()]);
        for (r, &of) in others.iter().enumerate() {
            delta[all[of]] = minimum.y[r] / root[of];
            tangent[all[of]] = own * minimum.tangent[r] / root[of];
        }
        tangent[all[*held]] = 1.0;
        let (lambda, lambda_tangent) = if *z > 0.0 {
            ((at.gap - along(&minimum.y)) / z, -own * (along(&minimum.tangent) + hessian.y[*held]) / z)
        } else {
            (0.0, 0.0)
        };
        hessian.bound = last;
        Some(Step { delta, lambda, promise: minimum.promise, tangent, lambda_tangent, slope, bend })
    }

    /// What the quadratic model at `at` says of the minimum as c changes by x, the bounds that are met staying met:
    /// (a, b, d) of φ = a + 2bx + dx².
    pub fn predict(&self, at: &Point, hessian: &mut Hessian) -> Option<(f64, f64, f64)> {
        let step = self.step(at, hessian)?;
        Some((at.value - step.promise, step.slope, step.bend))
    }

    /// `at` moved to `c` along the minimum's tangent.
    pub fn moved(&self, at: &Point, hessian: &mut Hessian, c: f64, close: f64) -> Option<Point> {
        let step = self.step(at, hessian)?;
        Some(self.shifted(at, hessian, &step, c, close))
    }

    /// `at` after `step`, with the held element at `c`.
    fn shifted(&self, at: &Point, hessian: &mut Hessian, step: &Step, c: f64, close: f64) -> Point {
        let held = self.element(at.long.p);
        let dc = c - at.short.rows[held];
        let mut short = at.short.clone();
        let delta: Vec<f64> = step.delta.iter().zip(&step.tangent).map(|(d, t)| d + dc * t).collect();
        crate::judge::moved(&mut short, &delta, 1.0);
        short.rows[held] = c;
        let lambda = at.multiplier + step.lambda + dc * step.lambda_tangent;
        let next = self.evaluate(short, &at.long, lambda, hessian.z, close);
        hessian.learn(at, &next);
        next
    }

    /// Moves `at` in H, λ and c together towards the point of the path where φ is `aim`, outwards in the direction
    /// `sign`: each step goes to where the quadratic model puts it. False, with `at` where it was, if the model does not
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
        let (start, learnt) = (at.clone(), hessian.clone());
        let mut worse = 0;
        let mut off = f64::INFINITY;
        for _ in 0..20 {
            let Some(step) = self.step(at, hessian) else { break };
            let now = (at.value - aim).abs() + step.promise;
            if step.promise <= tolerance && (at.value - aim).abs() <= miss {
                return true;
            }
            worse = if now > 0.5 * off { worse + 1 } else { 0 };
            off = off.min(now);
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
            *at = self.shifted(at, hessian, &step, c, 0.1 * tolerance);
            if !at.value.is_finite() {
                break;
            }
        }
        (*at, *hessian) = (start, learnt);
        false
    }

    fn advance(&self, at: &Point, step: &Step, t: f64, z: f64, close: f64) -> Point {
        let mut short = at.short.clone();
        crate::judge::moved(&mut short, &step.delta, t);
        self.evaluate(short, &at.long, at.multiplier + t * step.lambda, z, close)
    }

    /// Minimises at fixed c from `at`, by steps on `hessian`, which learns from them; then thoroughly, if they come to no
    /// end. With `aim`, only as closely as the distance of the value from it asks for.
    pub fn settle(&self, at: &mut Point, hessian: &mut Hessian, tolerance: f64, aim: Option<f64>) -> Ended {
        let goal = |at: &Point| aim.map_or(tolerance, |aim| tolerance.max(LOOSE * (at.value - aim).abs()));
        match self.cheaply(at, hessian, tolerance, &goal, &|_, _| false) {
            Ended::Failed => {
                let ended = self.finish(at, tolerance);
                *hessian = self.renewed(at);
                ended
            }
            ended => ended,
        }
    }

    /// [`Self::settle`] from a point that should be the minimum, with the Hessian formed there: what remains is known.
    pub fn verify(&self, at: &mut Point, hessian: &mut Hessian, tolerance: f64) -> Ended {
        for _ in 0..3 {
            *hessian = self.renewed(at);
            let Some(step) = self.step(at, hessian) else { break };
            if step.promise <= tolerance {
                return Ended::Settled;
            }
            if self.settle(at, hessian, tolerance, None) == Ended::Failed {
                return Ended::Failed;
            }
        }
        let ended = self.finish(at, tolerance);
        *hessian = self.renewed(at);
        ended
    }

    /// Whether cheap steps from `at` lead below `beat`; they end as soon as that looks hopeless.
    pub fn falls_below(&self, at: &mut Point, hessian: &mut Hessian, tolerance: f64, beat: f64) -> bool {
        let goal = |at: &Point| tolerance.max(LOOSE * (at.value - beat).abs());
        let hopeless = |at: &Point, promise: f64| at.value - 5.0 * promise > beat;
        self.cheaply(at, hessian, tolerance, &goal, &hopeless);
        at.value < beat
    }

    /// Steps until one promises less than `goal` of the point, or `hopeless` says so of the point and the promise.
    fn cheaply(
        &self,
        at: &mut Point,
        hessian: &mut Hessian,
        tolerance: f64,
        goal: &dyn Fn(&Point) -> f64,
        hopeless: &dyn Fn(&Point, f64) -> bool,
    ) -> Ended {
        let close = 0.1 * tolerance;
        let mut renewals = 0;
        for _ in 0..PATIENCE {
            if self.crew.stopped() {
                return Ended::Failed;
            }
            let Some(step) = self.step(at, hessian) else { return Ended::Failed };
            if !at.value.is_finite() {
                return Ended::Failed;
            }
            if hopeless(at, step.promise) {
                return Ended::Settled;
            }
            if step.promise <= goal(at) {
                if hessian.trusted {
                    return Ended::Settled;
                }
                if renewals == 3 {
                    return Ended::Failed;
                }
                *hessian = self.renewed(at);
                renewals += 1;
                continue;
            }
            let mut t = 1.0;
            let mut taken = None;
            while t > 0.05 {
                let next = self.advance(at, &step, t, hessian.z, close);
                let gain = at.value - next.value;
                hessian.learn(at, &next);
                if gain >= 0.1 * t * step.promise {
                    taken = Some(next);
                    break;
                }
                t *= 0.3;
            }
            match taken {
                Some(next) => *at = next,
                None if renewals == 3 => return Ended::Failed,
                None => {
                    *hessian = self.renewed(at);
                    renewals += 1;
                }
            }
        }
        Ended::Failed
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
            let unused = Normal::new(self.problem.long.blocks(), at.long.p);
            let normal = if self.problem.long.squares() {
                crate::judge::normal_of(self.problem, &at.long, &at.short, self.crew)
            } else {
                unused
            };
            let coupling = Coupling {
                factor: self.factor,
                weights: self.weights,
                held: self.element(at.long.p),
                multiplier: at.multiplier,
                gap: at.gap,
                close,
            };
            let model = Model::new(self.problem, &at.long, &at.short, &normal, self.crew).coupled(coupling);
            let mut reduced = Reduced::formed_anyhow(&model);
            let mut next = None;
            for _ in 0..12 {
                let request = Request { shift, most: 1e6, tolerance: 0.1 * tolerance, relative: 1e-3, exact: true };
                let Some(step) = reduced.minimise(&request) else { return Ended::Failed };
                if self.crew.stopped() {
                    return Ended::Failed;
                }
                shift = step.shift;
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
        let curved = Curved::new(self.problem, &at.long, &at.short, self.weights, Some(self.factor), self.crew);
        self.hessian(&curved, at.long.p)
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

/// Q by residuals and its half-gradient in H.
fn forces(problem: &Problem, long: &Factor, short: &Factor, crew: Crew) -> (f64, Vec<f64>) {
    model::forces(problem, long, short, crew).unwrap_or((f64::INFINITY, vec![0.0; short.rows.len()]))
}

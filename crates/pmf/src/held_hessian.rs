//! Second derivatives of the least Q with an element held ([`crate::pinned`]): formed at a point, then corrected by
//! what is learnt on the way (BFGS), and kept with their inverse, by which steps within the bounds cost a few products.
//!
//! M is S + yyᵀ/z + Σ ττᵀ in the D scaling; τ are the unit rows of the other factors' scales, along which Q does not
//! change: they make M definite.
//!
//! Step: min 2g·x + xᵀMx over x >= lower with x = 0 for the held element. With E the columns of the fixed elements and
//! B = M⁻¹, x = −B(g + Eμ), so that EᵀBE μ = −(x_fixed + EᵀBg): a system as large as the fixed set. −μ are the
//! multipliers; the fixed set is found by an active-set method.

use crate::block::Factor;
use crate::exact_hessian::{self, ExactHessian};
use crate::model::Model;
use crate::piece::mirror;
use crate::problem::Problem;
use crate::reduced::{Reduced, inverse_root};
use headwater_base::parallel::Crew;
use headwater_linalg::{cholesky, dense};

/// See the module.
#[derive(Clone)]
pub struct Hessian {
    /// Elements with weight.
    all: Vec<usize>,
    /// Place of the held element in `all`.
    held: usize,
    /// D^½ on `all`.
    root: Vec<f64>,
    /// M, symmetric, and its inverse.
    matrix: Vec<f64>,
    inverse: Vec<f64>,
    /// y, scaled.
    y: Vec<f64>,
    z: f64,
    /// τ, one row a scale.
    gauges: Vec<f64>,
    /// A promise that is next to nothing, see [`ROUNDING`].
    rounding: f64,
    /// Bound set of the last step, the next one's first guess.
    bound: Vec<bool>,
    /// Whether it foresaw the last change of the gradient: one that did not is not to be believed when it promises
    /// nothing.
    pub trusted: bool,
}

/// What a step needs of a point; all on the short factor's n × p elements.
pub struct Place<'a> {
    pub short: &'a Factor,
    /// Half-gradient of φ.
    pub gradient: &'a [f64],
    /// r.
    pub gap: f64,
}

/// A step of H and λ with the held element where it is, and how it changes with that element.
pub struct Step {
    /// On the short factor's elements.
    pub delta: Vec<f64>,
    pub lambda: f64,
    /// What the model says that φ falls by.
    pub promise: f64,
    /// dδ/dc (1 for the held element) and dλ/dc.
    pub tangent: Vec<f64>,
    pub lambda_tangent: f64,
    /// Half of dφ/dc at the step's end, and of d²φ/dc².
    pub slope: f64,
    pub bend: f64,
}

/// A step in the scaled unknowns.
struct Scaled {
    x: Vec<f64>,
    promise: f64,
    tangent: Vec<f64>,
    slope: f64,
    bend: f64,
}

/// The reduced Hessian of a point, shared by all its elements.
pub struct Formed {
    /// S on all n × p elements, scaled by D^-½, symmetric.
    matrix: Vec<f64>,
    d: Vec<f64>,
    /// Whether an element is at its bound.
    at_bound: Vec<bool>,
    /// Per factor: y and z; empty for those not asked for.
    pull: Vec<(Vec<f64>, f64)>,
    /// Per factor: τ; empty where it has no weight.
    gauges: Vec<Vec<f64>>,
    /// A promise that is next to nothing, see [`ROUNDING`].
    rounding: f64,
}

impl Formed {
    /// At the point of `long`, `short`; `only`: for elements of one factor. Cost: one formation of S and p passes over
    /// the members.
    pub fn new(
        problem: &Problem,
        long: &Factor,
        short: &Factor,
        weights: &[f64],
        only: Option<usize>,
        crew: Crew,
    ) -> Self {
        let p = long.p;
        let model = Model::at(problem, long, short, crew);
        let reduced = Reduced::formed_anyhow(&model);
        let every: Vec<usize> = (0..model.d.len()).collect();
        let mut matrix = reduced.matrix(&every, 0.0);
        mirror(&mut matrix, every.len());
        let inverses = model.inverse_lanes(&long.passive);
        let pull = (0..p)
            .map(|k| {
                let wanted = only.is_none_or(|only| only == k);
                if wanted { exact_hessian::pull(&model, &inverses, weights, k) } else { (Vec::new(), 0.0) }
            })
            .collect();
        let gauges = (0..p)
            .map(|k| {
                let row: Vec<f64> =
                    every.iter().map(|&a| if a % p == k { short.rows[a] * model.d[a].sqrt() } else { 0.0 }).collect();
                let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                if norm > 0.0 { row.iter().map(|x| x / norm).collect() } else { Vec::new() }
            })
            .collect();
        let at_bound = short.rows.iter().map(|h| short.bounded && *h <= 0.0).collect();
        let extent: f64 = short.rows.iter().zip(&model.d).map(|(h, d)| d * h * h).sum();
        let rounding = ROUNDING * ROUNDING * extent;
        Self { matrix, d: model.d.clone(), at_bound, pull, gauges, rounding }
    }

    /// For the element at place `held` of the short factor, one of factor k. Cost: n³p³ flop for the inverse.
    pub fn held(&self, k: usize, held: usize) -> Hessian {
        let size = self.d.len();
        let (y, z) = &self.pull[k];
        let all: Vec<usize> = (0..size).filter(|&a| self.d[a] > 0.0 || a == held).collect();
        let y: Vec<f64> = all.iter().map(|&a| y[a] * inverse_root(self.d[a])).collect();
        let stiff = if *z > 0.0 { 1.0 / z } else { 0.0 };
        let rows = self.gauges.iter().enumerate().filter(|(other, row)| *other != k && !row.is_empty());
        let gauges: Vec<f64> = rows.flat_map(|(_, row)| all.iter().map(|&a| row[a]).collect::<Vec<_>>()).collect();
        let whole = all.len();
        let mut matrix = Vec::with_capacity(whole * whole);
        for (r, &a) in all.iter().enumerate() {
            let row = &self.matrix[a * size..(a + 1) * size];
            matrix.extend(all.iter().enumerate().map(|(c, &b)| {
                let scales: f64 = gauges.chunks_exact(whole).map(|tau| tau[r] * tau[c]).sum();
                row[b] + stiff * y[r] * y[c] + scales
            }));
        }
        let at_bound: Vec<bool> = all.iter().map(|&a| self.at_bound[a]).collect();
        let inverse = definite(&mut matrix, &at_bound);
        Hessian {
            held: all.iter().position(|&a| a == held).expect("the held element is among all"),
            root: all.iter().map(|&a| self.d[a].sqrt().max(f64::MIN_POSITIVE)).collect(),
            bound: at_bound,
            matrix,
            inverse,
            y,
            z: *z,
            rounding: self.rounding,
            gauges,
            all,
            trusted: true,
        }
    }
}

/// The inverse of `matrix`, to whose diagonal is added what makes it positive definite: at the bounds if that does. NaN,
/// with which no step is found, where nothing does (a matrix that is not finite).
fn definite(matrix: &mut [f64], at_bound: &[bool]) -> Vec<f64> {
    let size = at_bound.len();
    let mut shift = 0.0;
    loop {
        let mut factor = matrix.to_vec();
        if cholesky::factor(size, &mut factor) {
            let mut inverse = vec![0.0; size * size];
            for (r, column) in inverse.chunks_exact_mut(size.max(1)).enumerate() {
                column[r] = 1.0;
                cholesky::solve(size, &factor, column);
            }
            return inverse;
        }
        let next = if shift == 0.0 { 1e-3 } else { 10.0 * shift };
        if next > 1e9 {
            return vec![f64::NAN; size * size];
        }
        for (r, at_bound) in at_bound.iter().enumerate() {
            // The diagonal of S is about 1: what the bounds alone do not mend, all elements take part in.
            if *at_bound || next > 1.0 {
                matrix[r * size + r] += next - shift;
            }
        }
        shift = next;
    }
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

    /// What of φ a gap hides: f lies above φ by at most r²/z.
    pub fn hidden(&self, gap: f64) -> f64 {
        if self.z > 0.0 { gap * gap / self.z } else { 0.0 }
    }

    /// The gradient of f in the scaled unknowns, λ eliminated: D^-½g − y r/z.
    fn eliminated(&self, gradient: &[f64], gap: f64) -> Vec<f64> {
        let share = if self.z > 0.0 { gap / self.z } else { 0.0 };
        let scaled = self.all.iter().zip(&self.root).map(|(&a, root)| gradient[a] / root);
        scaled.zip(&self.y).map(|(g, y)| g - y * share).collect()
    }

    fn lower(&self, short: &Factor) -> Vec<f64> {
        let to_bound =
            |(&a, root): (&usize, &f64)| if short.bounded { -short.rows[a].max(0.0) * root } else { -f64::INFINITY };
        self.all.iter().zip(&self.root).map(to_bound).collect()
    }

    /// The model's step at `at`. `None` if it is not finite or the active-set method comes to no end.
    pub fn step(&mut self, at: &Place) -> Option<Step> {
        let gradient = self.eliminated(at.gradient, at.gap);
        let found = self.minimise(&gradient, &self.lower(at.short))?;
        Some(self.unscale(found, at))
    }

    /// The step of the exact quadratic at `at`, `exact` being that point's: by steps of the model, which learns the
    /// exact second derivative along each (on a quadratic without bounds these are preconditioned conjugate gradients).
    /// False beside a step that leads down but not to the minimum: where the exact Hessian is not positive along it, or
    /// with too many products.
    pub fn exact_step(&mut self, at: &Place, exact: &ExactHessian, tolerance: f64) -> Option<(Step, bool)> {
        let (y, z) = exact.pull();
        self.y = self.all.iter().zip(&self.root).map(|(&a, root)| y[a] / root).collect();
        self.z = z;
        let mut gradient = self.eliminated(at.gradient, at.gap);
        let mut lower = self.lower(at.short);
        let mut x = vec![0.0; lower.len()];
        let mut promise = 0.0;
        for product in 0..=MOST_PRODUCTS {
            let found = self.minimise(&gradient, &lower)?;
            let done = found.promise <= UNSEEN * tolerance.max(0.01 * promise);
            let image = if done { Vec::new() } else { self.image(&found.x, exact) };
            let (along, bend) = (dot(&gradient, &found.x), dot(&found.x, &image));
            if done || product == MOST_PRODUCTS || bend.is_nan() || bend <= 0.0 || along >= 0.0 {
                let x = x.iter().zip(&found.x).map(|(x, more)| x + more).collect();
                self.trusted = done;
                return Some((self.unscale(Scaled { x, promise: promise + found.promise, ..found }, at), done));
            }
            // As far as the exact quadratic falls, but not beyond the bounds.
            let room = found.x.iter().zip(&lower).filter(|(x, _)| **x < 0.0).map(|(x, lower)| lower / x);
            let t = (-along / bend).min(room.fold(f64::INFINITY, f64::min).max(1.0));
            promise -= t * (2.0 * along + t * bend);
            for (at, (step, image)) in found.x.iter().zip(&image).enumerate() {
                x[at] += t * step;
                gradient[at] += t * image;
                lower[at] = (lower[at] - t * step).min(0.0);
            }
            self.correct(&found.x, &image);
        }
        unreachable!("the last product returns")
    }

    /// The exact M times x: S and yyᵀ/z of `exact`, the scales' own curvature added.
    fn image(&self, x: &[f64], exact: &ExactHessian) -> Vec<f64> {
        let mut delta = vec![0.0; exact.len()];
        for ((&a, root), x) in self.all.iter().zip(&self.root).zip(x) {
            delta[a] = x / root;
        }
        let product = exact.product(&delta);
        let mut out: Vec<f64> = self.all.iter().zip(&self.root).map(|(&a, root)| product[a] / root).collect();
        self.add_scales(x, &mut out);
        out
    }

    fn add_scales(&self, x: &[f64], to: &mut [f64]) {
        for tau in self.gauges.chunks_exact(self.all.len().max(1)) {
            let along = dot(tau, x);
            to.iter_mut().zip(tau).for_each(|(to, tau)| *to += along * tau);
        }
    }

    fn unscale(&self, found: Scaled, at: &Place) -> Step {
        let own = self.root[self.held];
        let (mut delta, mut tangent) = (vec![0.0; at.gradient.len()], vec![0.0; at.gradient.len()]);
        for ((&a, root), (x, t)) in self.all.iter().zip(&self.root).zip(found.x.iter().zip(&found.tangent)) {
            delta[a] = x / root;
            tangent[a] = own * t / root;
        }
        let (lambda, lambda_tangent) = if self.z > 0.0 {
            ((at.gap - dot(&self.y, &found.x)) / self.z, -own * dot(&self.y, &found.tangent) / self.z)
        } else {
            (0.0, 0.0)
        };
        let (slope, bend) = (own * found.slope, own * own * found.bend);
        Step { delta, lambda, promise: found.promise, tangent, lambda_tangent, slope, bend }
    }

    /// The active-set method of the module, from the bound set of the last step. `None` where it comes to no end, or where
    /// its answer cannot be the minimum even after the inverse has been computed anew.
    fn minimise(&mut self, gradient: &[f64], lower: &[f64]) -> Option<Scaled> {
        let size = self.all.len();
        let mut free = vec![0.0; size];
        dense::product(&self.inverse, gradient, &mut free);
        let mut bound = std::mem::take(&mut self.bound);
        bound[self.held] = false;
        let (mut releases, mut renewed) = (0, false);
        for _ in 0..200 {
            // The held element is the first of the fixed ones.
            let fixed: Vec<usize> = std::iter::once(self.held).chain((0..size).filter(|&r| bound[r])).collect();
            let count = fixed.len();
            let target = |at: usize| if at == 0 { 0.0 } else { lower[fixed[at]] };
            let mut block = vec![0.0; count * count];
            for (r, &a) in fixed.iter().enumerate() {
                let row = &self.inverse[a * size..(a + 1) * size];
                fixed[..=r].iter().zip(&mut block[r * count..]).for_each(|(&b, to)| *to = row[b]);
            }
            if !cholesky::factor(count, &mut block) {
                break;
            }
            let mut mu: Vec<f64> = (0..count).map(|at| -(target(at) + free[fixed[at]])).collect();
            cholesky::solve(count, &block, &mut mu);
            // −x.
            let mut x = free.clone();
            dense::add_rows(&self.inverse, &fixed, &mu, &mut x);
            x.iter_mut().for_each(|x| *x = -*x);
            fixed.iter().enumerate().for_each(|(at, &a)| x[a] = target(at));
            // First everything that would leave the bounds is held there; then what is pulled off a bound is let go, one
            // at a time once that has been done a few times.
            let out: Vec<usize> = (0..size).filter(|&r| r != self.held && !bound[r] && x[r] < lower[r]).collect();
            if !out.is_empty() {
                out.iter().for_each(|&r| bound[r] = true);
                continue;
            }
            let mut pulled: Vec<usize> = (1..count).filter(|&at| mu[at] > 0.0).collect();
            if !pulled.is_empty() {
                releases += 1;
                if releases > 4 {
                    pulled.sort_by(|&a, &b| mu[b].total_cmp(&mu[a]));
                    pulled.truncate(1);
                }
                pulled.iter().for_each(|&at| bound[fixed[at]] = false);
                continue;
            }
            let mut nu = vec![0.0; count];
            nu[0] = 1.0;
            cholesky::solve(count, &block, &mut nu);
            let mut tangent = vec![0.0; size];
            dense::add_rows(&self.inverse, &fixed, &nu, &mut tangent);
            fixed.iter().enumerate().for_each(|(at, &a)| tangent[a] = if at == 0 { 1.0 } else { 0.0 });
            // Mx = −g − Eμ.
            let moved: f64 = (1..count).map(|at| target(at) * mu[at]).sum();
            let promise = moved - dot(gradient, &x);
            // Staying is allowed, so a minimum promises something, unless the inverse has drifted from the matrix.
            let drifted = promise < -self.rounding;
            if drifted && !renewed {
                (renewed, releases) = (true, 0);
                self.inverse = definite(&mut self.matrix, &bound);
                dense::product(&self.inverse, gradient, &mut free);
                continue;
            }
            self.bound = bound;
            return (promise.is_finite() && !drifted).then_some(Scaled {
                x,
                promise,
                tangent,
                slope: -mu[0],
                bend: nu[0],
            });
        }
        self.bound = bound;
        None
    }

    /// Learns from two points and the gradients there.
    pub fn learn(&mut self, old: &Place, new: &Place) {
        let pairs = self.all.iter().zip(&self.root);
        let s: Vec<f64> = pairs.map(|(&a, root)| (new.short.rows[a] - old.short.rows[a]) * root).collect();
        let (before, after) = (self.eliminated(old.gradient, old.gap), self.eliminated(new.gradient, new.gap));
        let mut y: Vec<f64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
        self.add_scales(&s, &mut y);
        self.correct(&s, &y);
    }

    /// The update of Broyden, Fletcher, Goldfarb and Shanno, damped so that it stays positive definite
    /// (M. J. D. Powell (1978), "Algorithms for nonlinear constraints that use Lagrangian functions"): M maps the step s
    /// to the change y of the gradient. M += yyᵀ/(s·y) − Ms(Ms)ᵀ/(s·Ms), and B accordingly.
    fn correct(&mut self, s: &[f64], y: &[f64]) {
        let size = self.all.len();
        let mut image = vec![0.0; size];
        dense::product(&self.matrix, s, &mut image);
        let (ss, bend, sy) = (dot(s, s), dot(s, &image), dot(s, y));
        if !(bend.is_finite() && sy.is_finite() && bend > 0.0) {
            self.trusted &= ss == 0.0;
            return;
        }
        self.trusted = (0.3..=3.0).contains(&(sy / bend));
        let mix = if sy >= 0.1 * bend { 1.0 } else { 0.9 * bend / (bend - sy) };
        let y: Vec<f64> = y.iter().zip(&image).map(|(y, image)| mix * y + (1.0 - mix) * image).collect();
        let sy = dot(s, &y);
        let mut back = vec![0.0; size];
        dense::product(&self.inverse, &y, &mut back);
        let scaled = |x: &[f64], by: f64| x.iter().map(|x| x * by).collect::<Vec<f64>>();
        dense::add_two_products(&mut self.matrix, &scaled(&y, 1.0 / sy), &y, &scaled(&image, -1.0 / bend), &image);
        let grow = (1.0 + dot(&y, &back) / sy) / sy;
        let along: Vec<f64> = s.iter().zip(&back).map(|(s, back)| grow * s - back / sy).collect();
        dense::add_two_products(&mut self.inverse, &along, s, &scaled(s, -1.0 / sy), &back);
    }
}

/// Products with the exact Hessian that a step may take.
const MOST_PRODUCTS: usize = 40;
/// What the model may promise beyond the exact steps, as a share of the tolerance: so little because the exact quadratic
/// can be that much flatter than the model where no step has led.
const UNSEEN: f64 = 1e-4;

/// What a step promises that is so small a share of the profiles is rounding.
const ROUNDING: f64 = 1e-11;

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

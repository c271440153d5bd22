//! Second derivatives of the least Q with an element held ([`crate::pinned`]): formed at a point, then corrected by the
//! gradients that are met.

use crate::block::{Factor, Normal};
use crate::model::Model;
use crate::piece::mirror;
use crate::pinned::Point;
use crate::problem::Problem;
use crate::reduced::{Reduced, inverse_root};
use headwater_base::parallel::Crew;
use headwater_linalg::{LANES, cholesky, packed, packed_len};

/// Second derivatives of f in H, in the D scaling on `all`: S + yyᵀ/z of some point, corrected by what the gradients of
/// later points showed (BFGS).
#[derive(Clone)]
pub struct Hessian {
    /// Elements with weight.
    pub all: Vec<usize>,
    /// Place of the held element in `all`.
    pub held: usize,
    pub root: Vec<f64>,
    /// Symmetric.
    pub matrix: Vec<f64>,
    /// y, scaled.
    pub y: Vec<f64>,
    pub z: f64,
    /// Unit rows of the other factors' scales.
    pub gauges: Vec<f64>,
    /// Bound set of the last step, the next one's first guess; empty at first.
    pub bound: Vec<bool>,
    /// Whether it foresaw the last change of the gradient: one that did not is not to be believed when it promises
    /// nothing.
    pub trusted: bool,
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

impl Hessian {
    /// For the element at place `held` of the short factor, one of factor k, from the second derivatives at a point.
    pub fn of(curved: &Curved, k: usize, held: usize) -> Self {
        let size = curved.d.len();
        let (y, z) = &curved.pull[k];
        let all: Vec<usize> = (0..size).filter(|&a| curved.d[a] > 0.0 || a == held).collect();
        let scale: Vec<f64> = curved.d.iter().map(|&d| inverse_root(d)).collect();
        let y: Vec<f64> = all.iter().map(|&a| y[a] * scale[a]).collect();
        let stiff = if *z > 0.0 { 1.0 / z } else { 0.0 };
        let mut matrix = Vec::with_capacity(all.len() * all.len());
        for (&a, ya) in all.iter().zip(&y) {
            let row = &curved.matrix[a * size..(a + 1) * size];
            matrix.extend(all.iter().zip(&y).map(|(&b, yb)| row[b] + stiff * ya * yb));
        }
        let gauges = curved.gauges.iter().enumerate().filter(|(other, row)| *other != k && !row.is_empty());
        Self {
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
    pub fn learn(&mut self, old: &Point, new: &Point) {
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

//! The profile likelihood of all profiles at once, as a potential to sample from: U = φ/(2T), φ(H) = min_{W >= 0} Q in the
//! data's units.
//!
//! φ does not depend on the scales of the factors. Sampling takes the slice Σ_j d_kj h⁰_kj (h_kj − h⁰_kj) = 0 of every factor,
//! with h⁰ the base and d the diagonal of B there, in the unknowns u = √(d/T) h; the density is flat in H on it. Results have
//! the scale of mean contributions 1, c_kj = h_kj m_k. As far as Q is a parabola in the means m, they have given H the law
//!   N(m̂(H), T Z),   m̂_k = Σ s_i w_ik(H),   Z = Σ s_i² P_i,
//! and are drawn with H. Without bounds the covariance of c is the one that standard errors come from, and the profile
//! likelihood of one c_kj is what displacement follows.
//!
//! Cost of a place: one solution of all rows and one pass of residuals. Of a Hessian: one formation of S.

use crate::block::{self, Factor, Normal};
use crate::curvature;
use crate::langevin::{Place, Potential};
use crate::model::{self, Model};
use crate::problem::Problem;
use crate::reduced::Reduced;
use headwater_base::parallel::{self, Crew};
use headwater_base::rng::Stream;
use headwater_linalg::{LANES, cholesky, nnls, packed, packed_len};

/// Draws of the means until all are positive.
const TRIES: usize = 100;

/// See the module.
pub struct ProfileDensity<'a> {
    problem: &'a Problem,
    /// s_i.
    weights: &'a [f64],
    /// The base.
    long: &'a Factor,
    short: &'a Factor,
    /// What is sampled, as places in the short factor.
    elements: Vec<usize>,
    /// u/h of each.
    scale: Vec<f64>,
    /// Orthonormal rows along the gauges: u − u⁰ is orthogonal to them.
    pub gauges: Vec<f64>,
    /// 1/T of the data's units over the engine's.
    unit: f64,
}

impl<'a> ProfileDensity<'a> {
    /// Around a base. Elements that the data do not see are left out.
    pub fn new(
        problem: &'a Problem,
        weights: &'a [f64],
        long: &'a Factor,
        short: &'a Factor,
        temperature: f64,
        crew: Crew,
    ) -> Self {
        let model = Model::at(problem, long, short, crew);
        let unit = problem.unscale_q(1.0) / temperature;
        let present = &problem.sides().1.present;
        let elements: Vec<usize> = (0..model.d.len()).filter(|&a| model.d[a] > 0.0 && present[a / short.p]).collect();
        let scale = elements.iter().map(|&a| (unit * model.d[a]).sqrt()).collect();
        let gauges = curvature::orthonormal(&Reduced::formed_anyhow(&model).gauges(&elements), elements.len().max(1));
        Self { problem, weights, long, short, elements, scale, gauges, unit }
    }

    /// Number of unknowns.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// What is sampled, as places in the short factor.
    pub fn elements(&self) -> &[usize] {
        &self.elements
    }

    /// Whether unknowns have the bound 0.
    pub fn bounded(&self) -> bool {
        self.short.bounded
    }

    /// The base. `None` where Q is not finite or the crew was stopped.
    pub fn base(&self, crew: Crew) -> Option<Place<Factor>> {
        let u = self.elements.iter().zip(&self.scale).map(|(&a, scale)| scale * self.short.rows[a]).collect();
        self.place(u, self.long, crew)
    }

    fn profiles(&self, u: &[f64]) -> Factor {
        let mut short = self.short.clone();
        for ((&a, scale), u) in self.elements.iter().zip(&self.scale).zip(u) {
            short.rows[a] = u / scale;
        }
        short
    }

    /// The Hessian of U at a place, whole matrix.
    pub fn hessian(&self, at: &Place<Factor>, crew: Crew) -> Vec<f64> {
        let short = self.profiles(&at.u);
        let model = Model::at(self.problem, &at.memory, &short, crew);
        let mut out = Reduced::formed_anyhow(&model).matrix(&self.elements, 0.0);
        let size = self.len();
        // The matrix comes with the diagonal of B there scaled away.
        let back: Vec<f64> =
            self.elements.iter().zip(&self.scale).map(|(&a, scale)| (self.unit * model.d[a]).sqrt() / scale).collect();
        for r in 0..size {
            for c in 0..=r {
                out[r * size + c] *= back[r] * back[c];
                out[c * size + r] = out[r * size + c];
            }
        }
        out
    }

    /// c of all elements in the caller's units and layout (factors × species), NaN where nothing is sampled; the means
    /// drawn from their law.
    pub fn report(&self, at: &Place<Factor>, random: &mut Stream) -> Vec<f64> {
        let p = self.short.p;
        let best: Vec<f64> = (0..p).map(|k| mean(&at.memory, self.weights, k)).collect();
        let spread = self.spread(at);
        let mut means = best.clone();
        for _ in 0..TRIES {
            let noise: Vec<f64> = (0..p).map(|_| random.normal()).collect();
            for k in 0..p {
                means[k] = best[k] + (0..=k).map(|l| spread[k * p + l] * noise[l]).sum::<f64>();
            }
            if !self.long.bounded || means.iter().zip(&best).all(|(mean, best)| *mean > 0.0 || *best <= 0.0) {
                break;
            }
        }
        let cols = self.problem.cols();
        let mut out = vec![f64::NAN; p * cols];
        for ((&a, scale), u) in self.elements.iter().zip(&self.scale).zip(&at.u) {
            let (j, k) = (a / p, a % p);
            out[k * cols + j] = u / scale * means[k] * self.problem.species_scale(j);
        }
        out
    }

    /// Lower Cholesky factor of T Z, p × p.
    fn spread(&self, at: &Place<Factor>) -> Vec<f64> {
        let p = self.short.p;
        let short = self.profiles(&at.u);
        let crew = Crew::new(1, headwater_base::Control::none());
        let mut long = at.memory.clone();
        let mut normal = Normal::new(self.problem.long.blocks(), p);
        block::solve(&self.problem.long, &short.rows, &mut long, &mut normal, crew);
        let mut z = compliances(p, &normal, &long.passive, self.weights);
        z.iter_mut().for_each(|z| *z /= self.unit);
        let deviations: Vec<f64> = (0..p).map(|k| z[k * p + k].max(0.0).sqrt()).collect();
        if deviations.contains(&0.0) || !cholesky::factor(p, &mut z) {
            // A factor that no sample has, or means that the data cannot tell apart: each by itself.
            z.fill(0.0);
            (0..p).for_each(|k| z[k * p + k] = deviations[k]);
        }
        z
    }
}

impl Potential for ProfileDensity<'_> {
    /// The contributions.
    type Memory = Factor;

    fn place(&self, u: Vec<f64>, near: &Factor, crew: Crew) -> Option<Place<Factor>> {
        let short = self.profiles(&u);
        let mut long = near.clone();
        let mut normal = Normal::new(self.problem.long.blocks(), long.p);
        block::solve(&self.problem.long, &short.rows, &mut long, &mut normal, crew);
        let (q, g) = model::forces(self.problem, &long, &short, crew)?;
        let gradient = self.elements.iter().zip(&self.scale).map(|(&a, scale)| self.unit * g[a] / scale).collect();
        let value = 0.5 * self.unit * q;
        value.is_finite().then_some(Place { u, value, gradient, memory: long })
    }
}

/// Σ s_i w_ik.
pub fn mean(long: &Factor, weights: &[f64], k: usize) -> f64 {
    let terms: Vec<f64> = weights.iter().enumerate().map(|(i, s)| s * long.rows[i * long.p + k]).collect();
    parallel::pairwise_sum(&terms)
}

/// Z = Σ s_i² P_i at given passive sets, lower triangle, p × p.
fn compliances(p: usize, normal: &Normal, passive: &[f64], weights: &[f64]) -> Vec<f64> {
    let (pairs, lane) = (packed_len(p) * LANES, p * LANES);
    let mut inverse = vec![0.0; pairs];
    let mut scratch = nnls::Scratch::new(p);
    let mut z = vec![0.0; p * p];
    for (block, a) in normal.a.chunks_exact(pairs).enumerate() {
        nnls::masked_inverse(p, a, &passive[block * lane..][..lane], &mut inverse, &mut scratch);
        for (e, s) in weights[block * LANES..].iter().take(LANES).enumerate() {
            for k in 0..p {
                for l in 0..=k {
                    z[k * p + l] += s * s * inverse[packed(k, l) * LANES + e];
                }
            }
        }
    }
    z
}

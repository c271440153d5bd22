//! Standard errors of a fit at once, from the second derivatives at its minimum.
//!
//! K, the Hessian of Q/2 = −ln L over the elements off their bounds (long factor X, short factor Y), is
//!   K = [A C; Cᵀ B],   S = B − CᵀA⁻¹C.
//! A quantity c that does not depend on the gauge, with gradient (a_X, a_Y), has
//!   se² = a_XᵀA⁻¹a_X + tᵀS⁻t,   t = a_Y − CᵀA⁻¹a_X,
//! whatever generalised inverse S⁻ is taken, for t has no part along the scale gauges.
//! Quantities: profile elements h_kj·mean(w_k), contributions w_ik/mean(w_k), and by the first-order (delta) method
//! each factor's total, its share of each species and each species' share of it.
//!
//! The sandwich estimate takes the variance of the scores from the data instead of from the uncertainties: with
//! s_i the score of sample i and x = K⁻¹(a_X, a_Y), se² = Σ_blocks (Σ_{i in block} x·s_i)² plus, for the samples' own
//! elements (whose scores vanish at the minimum), the term a_XᵀA⁻¹a_X as above.
//!
//! Cost: one formation of S, its inverse (2/3 (np)³ flop) and (np)² flop for each contribution.
//! Source: A. M. Mood, F. A. Graybill, D. C. Boes (1974), "Introduction to the theory of statistics" (delta method);
//! H. White (1982), "Maximum likelihood estimation of misspecified models", Econometrica 50:1 (sandwich).

use crate::base_point::{BasePoint, Bounded};
use crate::block::Factor;
use crate::curvature;
use crate::exact_hessian;
use crate::model::Model;
use crate::problem::Problem;
use crate::reduced::{Reduced, inverse_root};
use headwater_base::parallel::{self, Crew};
use headwater_base::{Control, Error, Warning};
use headwater_linalg::{LANES, cholesky, dense, eigen, packed, packed_len};

/// Unknowns (smaller side × factors) up to which S is inverted: 4000² numbers are 128 MB, a few times over.
pub const MOST: usize = 4000;
/// Free sets up to which a singular S is taken apart into eigenvectors.
const FULL: usize = 1000;

/// What a caller chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorSettings {
    /// Species whose profile elements are the factors' totals; `None`: totals are sums over all species.
    pub total: Option<usize>,
    /// Consecutive samples whose scores are summed before they are squared (autocorrelation); default 1.
    pub block: usize,
    /// Contributions bounded below by 0.
    pub nonnegative_contributions: bool,
    /// Profiles bounded below by 0.
    pub nonnegative_profiles: bool,
    /// Largest number of threads.
    pub threads: usize,
}

impl Default for ErrorSettings {
    fn default() -> Self {
        Self { total: None, block: 1, nonnegative_contributions: true, nonnegative_profiles: true, threads: 1 }
    }
}

/// An estimate with its standard error, NaN where the data do not tell or the estimate is at its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimated {
    /// The estimates.
    pub value: Vec<f64>,
    /// Their standard errors.
    pub error: Vec<f64>,
}

/// Errors of one standard deviation; all with the uncertainties as given (multiply by √(Q/ν) to scale them).
#[derive(Clone, Debug, PartialEq)]
pub struct StandardErrors {
    /// Of the profiles, factors × species.
    pub profiles: Vec<f64>,
    /// Of the contributions, samples × factors.
    pub contributions: Vec<f64>,
    /// Sandwich errors of the profiles.
    pub profiles_sandwich: Vec<f64>,
    /// Median of sandwich over Laplace; above 1: the uncertainties are too small or the samples depend on each other.
    pub sandwich_ratio: f64,
    /// Share of each species that a factor explains (factors × species), of the modelled amount.
    pub share_of_species: Estimated,
    /// Share of each species in a factor (factors × species), of the factor's total.
    pub share_of_factor: Estimated,
    /// Each factor's total: mean concentration that it contributes.
    pub totals: Estimated,
    /// Zeros of the profiles whose multiplier is so small (g²/d < 1) that noise could lift them off: the errors of
    /// elements that depend on them are too small.
    pub weak_zeros: Vec<bool>,
    /// Q/ν of the point.
    pub reduced_q: f64,
    /// `standard-errors-not-positive`, `standard-errors-too-large`.
    pub warnings: Vec<Warning>,
}

impl StandardErrors {
    /// The same with the uncertainties multiplied by √(Q/ν), as if a bad fit meant that they are too small. Sandwich
    /// errors stay, since they do not believe the uncertainties; their ratio shrinks.
    pub fn scaled(mut self) -> Self {
        let by = self.reduced_q.max(0.0).sqrt();
        for errors in [
            &mut self.profiles,
            &mut self.contributions,
            &mut self.share_of_species.error,
            &mut self.share_of_factor.error,
            &mut self.totals.error,
        ] {
            errors.iter_mut().for_each(|error| *error *= by);
        }
        self.sandwich_ratio /= by;
        self
    }
}

/// Standard errors at the given minimum (canonical or not).
///
/// # Errors
/// `start-shape-mismatch`, `start-not-valid`, `option-out-of-range`.
pub fn standard_errors(
    problem: &Problem,
    factors: usize,
    contributions: &[f64],
    profiles: &[f64],
    settings: &ErrorSettings,
    control: Control,
) -> Result<StandardErrors, Error> {
    let (rows, cols, p) = (problem.rows(), problem.cols(), factors);
    if settings.block == 0 || settings.total.is_some_and(|total| total >= cols) {
        return Err(Error::new("option-out-of-range", "block must be at least 1 and total one of the species"));
    }
    let crew = Crew::new(settings.threads, control);
    let bounded =
        Bounded { contributions: settings.nonnegative_contributions, profiles: settings.nonnegative_profiles };
    let BasePoint { problem, long, short } = BasePoint::new(problem, p, contributions, profiles, bounded, crew)?;
    let problem = problem.as_ref();
    if short.rows.len() > MOST {
        let message = format!("standard errors are computed up to {MOST} unknowns (species × factors)");
        return Ok(unknown(rows, cols, p, Warning { code: "standard-errors-too-large", index: None, message }));
    }
    let model = Model::at(problem, &long, &short, crew);
    let Some(inverse) = Inverse::new(&model) else {
        let message = "the Hessian is not positive definite here: this is not a minimum".to_string();
        return Ok(unknown(rows, cols, p, Warning { code: "standard-errors-not-positive", index: None, message }));
    };
    Ok(Errors { problem, model: &model, inverse, long: &long, short: &short, settings, p }.report())
}

fn unknown(rows: usize, cols: usize, p: usize, warning: Warning) -> StandardErrors {
    let nan = |size: usize| vec![f64::NAN; size];
    let empty = |size: usize| Estimated { value: nan(size), error: nan(size) };
    StandardErrors {
        profiles: nan(p * cols),
        contributions: nan(rows * p),
        profiles_sandwich: nan(p * cols),
        sandwich_ratio: f64::NAN,
        share_of_species: empty(p * cols),
        share_of_factor: empty(p * cols),
        totals: empty(p),
        weak_zeros: vec![false; p * cols],
        reduced_q: f64::NAN,
        warnings: vec![warning],
    }
}

/// S⁻ on the free elements of the short factor.
struct Inverse {
    /// Free elements.
    free: Vec<usize>,
    /// Place in `free`, or `usize::MAX`.
    place: Vec<usize>,
    /// S⁻, engine units.
    matrix: Vec<f64>,
    /// Null directions beyond the gauges, scaled so that n·t is the part of t in them, in the D scaling.
    null: Vec<Vec<f64>>,
}

impl Inverse {
    /// `None` where S has a negative direction, or a flat one that is too large a problem to take out.
    fn new(model: &Model) -> Option<Self> {
        let free: Vec<usize> = (0..model.d.len())
            .filter(|&a| model.d[a] > 0.0 && (!model.short.bounded || model.short.rows[a] > 0.0))
            .collect();
        let size = free.len();
        let mut place = vec![usize::MAX; model.d.len()];
        for (r, &a) in free.iter().enumerate() {
            place[a] = r;
        }
        let reduced = Reduced::formed_anyhow(model);
        let scale: Vec<f64> = free.iter().map(|&a| inverse_root(model.d[a])).collect();
        let gauges = curvature::orthonormal(&reduced.gauges(&free), size);
        let lower = curvature::with_gauges(reduced.matrix(&free, 0.0), &gauges, size, 1.0);
        let mut shifted = lower.clone();
        (0..size).for_each(|r| shifted[r * size + r] -= FLAT);
        let mut factor = lower.clone();
        let (mut matrix, mut null) = (vec![0.0; size * size], Vec::new());
        if cholesky::factor(size, &mut shifted) && cholesky::factor(size, &mut factor) {
            let rows = parallel::map(model.crew.threads, size, |r| {
                let mut row = vec![0.0; size];
                row[r] = 1.0;
                cholesky::solve(size, &factor, &mut row);
                row
            });
            matrix = rows.concat();
        } else {
            if size > FULL {
                return None;
            }
            let mut whole = lower;
            for r in 0..size {
                for c in 0..r {
                    whole[c * size + r] = whole[r * size + c];
                }
            }
            let (values, vectors) = eigen::symmetric(size, &whole)?;
            if values.first().is_some_and(|least| *least < -FLAT) {
                return None;
            }
            for (value, vector) in values.iter().zip(vectors.chunks_exact(size)) {
                if *value <= FLAT {
                    null.push(vector.iter().zip(&scale).map(|(v, s)| v * s).collect());
                    continue;
                }
                for r in 0..size {
                    for c in 0..size {
                        matrix[r * size + c] += vector[r] * vector[c] / value;
                    }
                }
            }
        }
        for r in 0..size {
            for c in 0..size {
                matrix[r * size + c] *= scale[r] * scale[c];
            }
        }
        Some(Self { free, place, matrix, null })
    }

    /// S⁻t.
    fn times(&self, t: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; t.len()];
        dense::product(&self.matrix, t, &mut out);
        out
    }

    /// Whether the data tell a quantity whose t this is: it has no part in a null direction.
    fn tells(&self, t: &[f64]) -> bool {
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        self.null.iter().all(|n| dot(n, t).abs() <= 1e-6 * norm(n) * norm(t))
    }
}

/// Eigenvalues (unit diagonal) up to this are flat.
const FLAT: f64 = 1e-9;

struct Errors<'a> {
    problem: &'a Problem,
    model: &'a Model<'a>,
    inverse: Inverse,
    long: &'a Factor,
    short: &'a Factor,
    settings: &'a ErrorSettings,
    p: usize,
}

impl Errors<'_> {
    /// Adds scale · CᵀP e_k of sample i to `to` (on the free elements):
    /// element (j, l) is w_l ω_j (h_j·Pe_k) + u_j P_lk.
    fn pull(&self, i: usize, k: usize, inverse: &[f64], scale: f64, to: &mut [f64]) {
        let (p, model) = (self.p, self.model);
        let at = |j: usize| i / LANES * model.n * LANES + j * LANES + i % LANES;
        let column = |l: usize| inverse[packed(k.max(l), k.min(l))];
        let w = &self.long.rows[i * p..][..p];
        for (to, &a) in to.iter_mut().zip(&self.inverse.free) {
            let (j, l) = (a / p, a % p);
            let h = &self.short.rows[j * p..][..p];
            let inner: f64 = (0..p).map(|r| h[r] * column(r)).sum();
            *to += scale * (w[l] * model.omega[at(j)] * inner + model.u[at(j)] * column(l));
        }
    }

    fn report(&self) -> StandardErrors {
        let (problem, model, p) = (self.problem, self.model, self.p);
        let (m, n) = (problem.rows(), problem.cols());
        let size = self.inverse.free.len();
        let pairs = packed_len(p);
        let unit = problem.unscale_q(1.0).sqrt().recip();
        let list: Vec<usize> = (0..m).collect();
        let inverses = model.inverses(&list, &self.long.passive);
        let of = |i: usize| &inverses[i * pairs..][..pairs];
        let (samples, species) = problem.sides();
        // The mean contribution is Σ s_i w_i in the caller's units.
        let s = problem.mean_weights();
        let mean: Vec<f64> = (0..p)
            .map(|k| parallel::pairwise_sum(&(0..m).map(|i| s[i] * self.long.rows[i * p + k]).collect::<Vec<_>>()))
            .collect();
        // y_k = Σ s_i CᵀP e_k, z = Σ s_i² P.
        let lanes = model.inverse_lanes(&self.long.passive);
        let y: Vec<Vec<f64>> = parallel::map(model.crew.threads, p, |k| {
            let (y, _) = exact_hessian::pull(model, &lanes, &s, k);
            self.inverse.free.iter().map(|&a| y[a]).collect()
        });
        let z: Vec<f64> = (0..pairs).map(|at| (0..m).map(|i| s[i] * s[i] * of(i)[at]).sum()).collect();
        let z_of = |k: usize, l: usize| z[packed(k.max(l), k.min(l))];

        // Profiles: t, S⁻t and the covariance of c = h·mean(w) in the caller's units.
        let h = |k: usize, j: usize| self.short.rows[j * p + k];
        let scale = |j: usize| problem.species_scale(j);
        let known: Vec<(usize, usize)> = (0..p)
            .flat_map(|k| (0..n).map(move |j| (k, j)))
            .filter(|&(k, j)| self.inverse.place[j * p + k] != usize::MAX)
            .collect();
        let t: Vec<Vec<f64>> = known
            .iter()
            .map(|&(k, j)| {
                let mut t: Vec<f64> = y[k].iter().map(|y| -h(k, j) * y).collect();
                t[self.inverse.place[j * p + k]] += mean[k];
                t
            })
            .collect();
        let x: Vec<Vec<f64>> = parallel::map(model.crew.threads, t.len(), |f| self.inverse.times(&t[f]));
        let tells: Vec<bool> = t.iter().map(|t| self.inverse.tells(t)).collect();
        let covariance = |f: usize, g: usize| {
            let ((k, j), (l, jj)) = (known[f], known[g]);
            unit * unit * scale(j) * scale(jj) * (h(k, j) * h(l, jj) * z_of(k, l) + dot(&t[f], &x[g]))
        };
        let nan = || vec![f64::NAN; p * n];
        let (mut profiles, mut sandwich, mut number) = (nan(), nan(), vec![usize::MAX; p * n]);
        let value: Vec<f64> = (0..p * n)
            .map(|at| if species.present[at % n] { h(at / n, at % n) * mean[at / n] * scale(at % n) } else { f64::NAN })
            .collect();
        let influence = self.influence(&x);
        for (f, &(k, j)) in known.iter().enumerate() {
            if !tells[f] {
                continue;
            }
            number[k * n + j] = f;
            profiles[k * n + j] = covariance(f, f).max(0.0).sqrt();
            let own = h(k, j) * h(k, j) * z_of(k, k);
            // Scores grow with 1/unit², S⁻t shrinks with it: the data set the scale of their product.
            sandwich[k * n + j] = scale(j) * (influence[f] + unit * unit * own).sqrt();
        }
        let mut ratios: Vec<f64> = (0..p * n).map(|at| sandwich[at] / profiles[at]).filter(|r| r.is_finite()).collect();
        ratios.sort_by(f64::total_cmp);
        let sandwich_ratio = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);

        // Quantities that follow from the profiles, with gradients over (factor, species).
        let derived = |terms: &[(usize, f64)]| {
            let mut sum = 0.0;
            for &(a, ga) in terms {
                for &(b, gb) in terms {
                    if value[a] == 0.0 || value[b] == 0.0 {
                        continue;
                    }
                    if number[a] == usize::MAX || number[b] == usize::MAX {
                        return f64::NAN;
                    }
                    sum += ga * gb * covariance(number[a], number[b]);
                }
            }
            sum.max(0.0).sqrt()
        };
        let in_total = |j: usize| species.present[j] && self.settings.total.is_none_or(|total| total == j);
        let terms =
            |k: usize| -> Vec<(usize, f64)> { (0..n).filter(|&j| in_total(j)).map(|j| (k * n + j, 1.0)).collect() };
        let total: Vec<f64> = (0..p).map(|k| terms(k).iter().map(|(at, _)| value[*at]).sum()).collect();
        let totals = Estimated { error: (0..p).map(|k| derived(&terms(k))).collect(), value: total.clone() };
        let share = |at: usize, whole: f64, parts: Vec<usize>| {
            let ratio = value[at] / whole;
            let mut terms: Vec<(usize, f64)> = parts.iter().map(|&b| (b, -ratio / whole)).collect();
            match terms.iter_mut().find(|term| term.0 == at) {
                Some(own) => own.1 += 1.0 / whole,
                None => terms.push((at, 1.0 / whole)),
            }
            let error = if number[at] == usize::MAX { f64::NAN } else { derived(&terms) };
            if whole > 0.0 { (ratio, error) } else { (f64::NAN, f64::NAN) }
        };
        let split = |pairs: Vec<(f64, f64)>| Estimated {
            value: pairs.iter().map(|p| p.0).collect(),
            error: pairs.iter().map(|p| p.1).collect(),
        };
        let threads = model.crew.threads;
        let share_of_species = split(parallel::map(threads, p * n, |at| {
            let parts: Vec<usize> = (0..p).map(|k| k * n + at % n).collect();
            share(at, parts.iter().map(|b| value[*b]).sum(), parts)
        }));
        let share_of_factor = split(parallel::map(threads, p * n, |at| {
            let parts = terms(at / n).iter().map(|(b, _)| *b).collect();
            share(at, total[at / n], parts)
        }));

        // Contributions v = w_ik / mean(w_k).
        let contributions = parallel::map(threads, m, |i| {
            let mut out = vec![f64::NAN; p];
            for k in (0..p).filter(|k| samples.present[i] && mean[*k] != 0.0) {
                let w = self.long.rows[i * p + k];
                if self.long.bounded && w <= 0.0 {
                    continue;
                }
                let mut t: Vec<f64> = y[k].iter().map(|y| w / (mean[k] * mean[k]) * y).collect();
                self.pull(i, k, of(i), -1.0 / mean[k], &mut t);
                if !self.inverse.tells(&t) {
                    continue;
                }
                let own = of(i)[packed(k, k)];
                let share = w * s[i] / mean[k];
                let a = (own * (1.0 - 2.0 * share) + w * w / (mean[k] * mean[k]) * z_of(k, k)) / (mean[k] * mean[k]);
                let variance = a + dot(&t, &self.inverse.times(&t));
                out[k] = unit * problem.sample_scale(i) * variance.max(0.0).sqrt();
            }
            out
        })
        .concat();

        let weak_zeros = (0..p * n)
            .map(|at| {
                let a = at % n * p + at / n;
                let multiplier = model.g_short[a] * model.g_short[a] / model.d[a];
                species.present[at % n] && self.inverse.place[a] == usize::MAX && problem.unscale_q(multiplier) < 1.0
            })
            .collect();
        let free = self.long.passive.iter().filter(|f| **f == 1.0).count() + size;
        let freedom = problem.cells as f64 - free as f64 + (p + self.inverse.null.len()) as f64;
        let mut warnings = Vec::new();
        if !self.inverse.null.is_empty() {
            let message =
                "the solution is not unique: elements without an error are not determined by the data".to_string();
            warnings.push(Warning { code: "not-unique", index: None, message });
        }
        StandardErrors {
            profiles,
            contributions,
            profiles_sandwich: sandwich,
            sandwich_ratio,
            share_of_species,
            share_of_factor,
            totals,
            weak_zeros,
            reduced_q: problem.unscale_q(model.q) / freedom,
            warnings,
        }
    }

    /// Σ_blocks (Σ_{i in block} x·s_i)² of each quantity, s_i = w_i ⊗ u_i.
    fn influence(&self, x: &[Vec<f64>]) -> Vec<f64> {
        let (p, model) = (self.p, self.model);
        let m = self.problem.rows();
        let blocks = m.div_ceil(self.settings.block);
        // One row of summed scores a block, on the free elements.
        let scores: Vec<Vec<f64>> = parallel::map(model.crew.threads, blocks, |block| {
            let mut sum = vec![0.0; self.inverse.free.len()];
            for i in block * self.settings.block..((block + 1) * self.settings.block).min(m) {
                let u = |j: usize| model.u[i / LANES * model.n * LANES + j * LANES + i % LANES];
                let w = &self.long.rows[i * p..][..p];
                for (sum, &a) in sum.iter_mut().zip(&self.inverse.free) {
                    *sum += w[a % p] * u(a / p);
                }
            }
            sum
        });
        parallel::map(model.crew.threads, x.len(), |f| scores.iter().map(|score| dot(score, &x[f]).powi(2)).sum())
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

//! What a caller gets back.

use headwater_base::{Status, Warning};

/// The numbers that justify a status, at the returned point. All are in units of Q unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Certificate {
    /// q̂ = max(min(1, Q/ν), 1e-22 ΣΩV²): the unit that the thresholds refer to.
    pub unit: f64,
    /// E = Σ (2gs − ds²), s = min(g/d, x): the decreases available to single coordinates.
    pub coordinate_gap: f64,
    /// Q − min over contributions alone.
    pub block_gap_contributions: f64,
    /// Q − min over profiles alone.
    pub block_gap_profiles: f64,
    /// λ²_J: decrease predicted by the exact quadratic model with the bounds of both blocks kept.
    /// `None` where that model is not positive definite.
    pub newton_decrement: Option<f64>,
    /// The same with the Gauss–Newton model. Computed for reported models only.
    pub newton_decrement_gauss_newton: Option<f64>,
    /// Decrease of Q by the last second-order step over the decrease predicted for it, where one was taken.
    pub last_step_ratio: Option<f64>,
    /// Smallest eigenvalue of the reduced Hessian on the free profile elements, unit diagonal, gauges removed.
    /// Dimensionless. `None` where it was not computed (see `curvature_bound`) or no element is free.
    pub min_curvature: Option<f64>,
    /// What is known of it where `min_curvature` is absent although elements are free.
    pub curvature_bound: Option<CurvatureBound>,
    /// Elements of contributions and profiles that are off their bounds.
    pub free_elements: usize,
    /// Null directions of the full Hessian on the free elements (the scale gauges, if the solution is unique).
    pub null_directions: usize,
    /// Elements at zero whose multiplier is so small (g²/d < q̂) that noise could lift them off.
    pub weakly_active_zeros: usize,
    /// Factors whose contribution or profile is entirely zero.
    pub dead_factors: usize,
    /// Directions beyond the gauges along which Q does not change.
    pub flat_directions: usize,
}

impl Certificate {
    /// max of the two block gaps.
    pub fn block_gap(&self) -> f64 {
        self.block_gap_contributions.max(self.block_gap_profiles)
    }
}

/// What is known of the smallest curvature where it is not computed: none is below `bound`, with probability
/// `confidence` over the random start of the search (1 where it follows from a factorisation).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvatureBound {
    /// No eigenvalue is below this. At most −β: a bound never says that the point is a strict minimum.
    pub bound: f64,
    /// Probability that it holds.
    pub confidence: f64,
    /// Products with the Hessian that were made.
    pub products: u32,
    /// Smallest value that they showed: an upper bound of the smallest curvature.
    pub smallest_seen: f64,
}

/// A judged pair of factors in the canonical gauge: mean contribution of each factor 1 (root mean square 1 where
/// contributions may be negative), factors by mass, decreasing.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// What the point is.
    pub status: Status,
    /// The objective that was minimised: Σ Ω∘(V − WH)², or the sum of a robust loss.
    pub q: f64,
    /// The same sum of squares, whatever the objective.
    pub q_true: f64,
    /// Σ min(t², αt), t = |V − WH|/U: the number that PMF programs print. α is that of a Huber fit, else 4.
    pub q_robust: f64,
    /// Cells with t > α.
    pub outliers: usize,
    /// Cells whose t lies within 1e-9 of α, where the second derivative of Huber's loss jumps.
    pub near_threshold: usize,
    /// cells with weight − p (samples + species).
    pub q_expected: f64,
    /// ν: cells with weight − free elements + null directions.
    pub degrees_of_freedom: f64,
    /// Sweeps and second-order steps together.
    pub iterations: u32,
    /// Why the status can be believed.
    pub certificate: Certificate,
    /// What the reader must know, ordered by code and index.
    pub warnings: Vec<Warning>,
    /// samples × factors, row-major; NaN rows where a sample has no data.
    pub contributions: Vec<f64>,
    /// factors × species, row-major, in the data's units; NaN columns where a species has no data.
    pub profiles: Vec<f64>,
}

/// How a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Drawn from (seed, start).
    Random,
    /// Non-negative double SVD.
    Nndsvd,
    /// Given by the caller.
    Given,
    /// A perturbation of the best solution of a chain.
    Perturbed {
        /// The chain.
        chain: u32,
    },
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct StartReport {
    /// Number of the run: repeats it, together with the seed.
    pub start: u32,
    /// How it began.
    pub origin: Origin,
    /// How it ended.
    pub status: Status,
    /// Where it ended.
    pub q: f64,
    /// Sweeps and second-order steps together.
    pub iterations: u32,
    /// Index into [`Factorization::basins`]; `None` unless converged.
    pub basin: Option<usize>,
    /// E, max block gap and λ² at the end.
    pub coordinate_gap: f64,
    /// See [`Certificate::block_gap`].
    pub block_gap: f64,
    /// See [`Certificate::newton_decrement`].
    pub newton_decrement: Option<f64>,
}

/// A minimum that converged runs reached: equal Q (relative 1e-6) and matching profiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Basin {
    /// The lowest Q among its members.
    pub q: f64,
    /// Number of runs that ended in it.
    pub hits: u32,
    /// Their numbers, ascending.
    pub members: Vec<u32>,
}

/// The result of [`crate::factorize`].
#[derive(Clone, Debug, PartialEq)]
pub struct Factorization {
    /// Index into `starts` of the run whose solution is returned.
    pub chosen: usize,
    /// The returned solution.
    pub solution: Solution,
    /// Every run, in order of its number.
    pub starts: Vec<StartReport>,
    /// Distinct minima by Q, ascending.
    pub basins: Vec<Basin>,
    /// Good and Turing's estimate of the chance that the next random start ends in a basin not seen yet:
    /// basins hit once / random starts that converged. `None` if none did.
    pub unseen_basin_probability: Option<f64>,
    /// Perturbation chains that were run and how many of them ended at the best Q (0 of 0 without chains).
    pub chains: (u32, u32),
}

/// The result of [`crate::certify`].
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The judged point: the caller's factors, in canonical gauge and order.
    pub solution: Solution,
    /// The local minimum that a monotone descent from there reaches.
    pub local_minimum: Solution,
    /// q of the judged point − q of that minimum.
    pub excess: f64,
}

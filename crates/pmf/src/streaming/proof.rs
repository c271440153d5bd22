//! The last pass: what a certificate and a result need of every row, at profiles that no longer move.

use crate::block::Factor;
use crate::canonical;
use crate::dead;
use crate::first_order::{self, FirstOrder};
use crate::problem::Problem;
use crate::streaming::totals::{Sums, masses};

/// Rows that are named one by one where the data do not determine their contributions.
const NAMED: usize = 100;

/// Sums over rows.
pub struct Proof {
    /// Of the contributions; `multipliers` and `dependent` are left empty.
    pub long: FirstOrder,
    gaps: Sums,
    /// Elements at zero with g²/d below q̂.
    pub weak: usize,
    /// The first rows whose data do not determine their contributions, and how many there are.
    pub dependent: Vec<usize>,
    pub dependents: usize,
    /// Σ Ω (w_ik h_jk)² of every factor.
    weights: Sums,
    /// Σ w_ik of every factor, in the caller's units.
    masses: Sums,
    /// Σ min(t², αt).
    robust: Sums,
    pub outliers: usize,
}

impl Proof {
    pub fn new(p: usize) -> Self {
        Self {
            long: FirstOrder::default(),
            gaps: Sums::new(2),
            weak: 0,
            dependent: Vec::new(),
            dependents: 0,
            weights: Sums::new(p),
            masses: Sums::new(p),
            robust: Sums::new(1),
            outliers: 0,
        }
    }

    /// Adds a batch whose contributions `long` are the minimisers for `short`; its first row is number `first`. `unit` is q̂.
    pub fn add(&mut self, batch: &Problem, long: &Factor, short: &Factor, first: usize, unit: f64, threads: usize) {
        let found = first_order::measure(&batch.long, long, &short.rows, threads);
        self.gaps.add(&[found.coordinate_gap, found.block_gap]);
        self.long.free += found.free;
        self.long.inflation = self.long.inflation.max(found.inflation);
        self.weak += found.multipliers.iter().filter(|m| **m < unit).count();
        self.dependents += found.dependent.len();
        let room = NAMED - self.dependent.len();
        self.dependent.extend(found.dependent.iter().take(room).map(|row| first + row));
        self.weights.add(&dead::weights(batch, long, short));
        self.masses.add(&masses(batch, long, short));
        let sums = canonical::residual_sums(batch, long, short, threads);
        self.robust.add(&[sums.q_robust]);
        self.outliers += sums.outliers;
    }

    /// What the rows' own measures add up to.
    pub fn measures(&self) -> FirstOrder {
        let gaps = self.gaps.values();
        FirstOrder { coordinate_gap: gaps[0], block_gap: gaps[1], ..self.long.clone() }
    }

    /// Factors that weigh less than `threshold`.
    pub fn negligible(&self, threshold: f64) -> Vec<usize> {
        let weights = self.weights.values();
        (0..weights.len()).filter(|&k| weights[k] <= threshold).collect()
    }

    /// Σ w_ik.
    pub fn masses(&self) -> Vec<f64> {
        self.masses.values()
    }

    /// Σ min(t², 4t).
    pub fn q_robust(&self) -> f64 {
        self.robust.values()[0]
    }
}

//! Rows kept of a stream, each equally likely, from which a fit in memory gives the starting point.
//!
//! Source: J. S. Vitter (1985), "Random sampling with a reservoir", ACM Trans. Math. Softw. 11:37 (Algorithm R).

use crate::problem::{Problem, check_cells};
use headwater_base::Error;
use headwater_base::rng::{Purpose, Stream as Random};

/// Up to `capacity` rows of a stream.
pub struct Sample {
    cols: usize,
    capacity: usize,
    seen: usize,
    random: Random,
    values: Vec<f64>,
    uncertainties: Vec<f64>,
}

impl Sample {
    /// An empty one for rows of `cols` species; which rows are kept depends on `seed` and their order alone.
    pub fn new(cols: usize, capacity: usize, seed: u64) -> Self {
        let random = Random::new(seed, Purpose::Sample, 0);
        Self { cols, capacity, seen: 0, random, values: Vec::new(), uncertainties: Vec::new() }
    }

    /// Looks at further rows (row-major).
    ///
    /// # Errors
    /// `shape-mismatch`, `value-not-finite`, `uncertainty-not-positive`.
    pub fn add(&mut self, values: &[f64], uncertainties: &[f64]) -> Result<(), Error> {
        super::check_shape(self.cols, values, uncertainties)?;
        check_cells(self.cols, values, uncertainties, 0)?;
        let n = self.cols;
        for (v, u) in values.chunks_exact(n).zip(uncertainties.chunks_exact(n)) {
            self.seen += 1;
            if self.rows() < self.capacity {
                self.values.extend_from_slice(v);
                self.uncertainties.extend_from_slice(u);
                continue;
            }
            let place = self.random.below(self.seen);
            if place < self.capacity {
                self.values[place * n..(place + 1) * n].copy_from_slice(v);
                self.uncertainties[place * n..(place + 1) * n].copy_from_slice(u);
            }
        }
        Ok(())
    }

    /// Rows kept.
    pub fn rows(&self) -> usize {
        self.values.len() / self.cols
    }

    /// Rows seen.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// The kept rows as data of their own.
    ///
    /// # Errors
    /// `empty-data`, `no-data`, `scale-overflow`.
    pub fn problem(&self) -> Result<Problem, Error> {
        Problem::new(self.rows(), self.cols, self.values.clone(), self.uncertainties.clone())
    }

    /// The kept rows, row-major: values and uncertainties.
    pub fn data(&self) -> (&[f64], &[f64]) {
        (&self.values, &self.uncertainties)
    }
}

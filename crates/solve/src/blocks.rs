//! Cholesky factors of the diagonal blocks of a block-diagonal Hermitian positive definite matrix.

use headwater_base::Error;

use crate::dense::Dense;
use crate::scalar::Scalar;
use crate::small;

/// Blocks one after another, each factored.
#[derive(Clone, Debug)]
pub(crate) struct Blocks<T> {
    /// (first row, factor) of each block.
    factors: Vec<(usize, usize, Vec<T>)>,
    rows: usize,
}

impl<T: Scalar> Blocks<T> {
    /// Error: `not-positive-definite` at the failing pivot (row of the whole matrix); `matrix-not-valid` for a block that is
    /// not square.
    pub fn new(blocks: Vec<Dense<T>>) -> Result<Self, Error> {
        let mut rows = 0;
        let mut factors = Vec::with_capacity(blocks.len());
        for block in blocks {
            let n = block.rows();
            if block.cols() != n {
                return Err(Error::new("matrix-not-valid", format!("a diagonal block is {n} × {}", block.cols())));
            }
            let mut factor = block.data().to_vec();
            small::factor(n, &mut factor).map_err(|pivot| not_definite("the block-diagonal part", rows + pivot))?;
            factors.push((rows, n, factor));
            rows += n;
        }
        Ok(Self { factors, rows })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// x ← D⁻¹x.
    pub fn solve(&self, x: &mut [T]) {
        for (first, n, factor) in &self.factors {
            small::solve(*n, factor, &mut x[*first..first + n]);
        }
    }
}

pub(crate) fn not_definite(what: &str, row: usize) -> Error {
    Error::new("not-positive-definite", format!("{what} is not positive definite: pivot {row} is not above zero"))
        .at(row, row)
}

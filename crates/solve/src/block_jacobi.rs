//! Block Jacobi: M is the block-diagonal part of A, factored by Cholesky.
//!
//! Σ n_i³/3 flop once, Σ 2n_i² an application, Σ n_i² numbers of memory.

use headwater_base::Error;

use crate::blocks::Blocks;
use crate::csr::Csr;
use crate::dense::Dense;
use crate::operator::Preconditioner;
use crate::scalar::Scalar;

/// Factored diagonal blocks.
#[derive(Clone, Debug)]
pub struct BlockJacobi<T>(Blocks<T>);

impl<T: Scalar> BlockJacobi<T> {
    /// From a sparse Hermitian matrix and the sizes of consecutive blocks.
    ///
    /// Errors: `option-not-valid` if the sizes do not add up to the rows; `not-positive-definite` at the failing pivot.
    pub fn new(a: &Csr<T>, sizes: &[usize]) -> Result<Self, Error> {
        if a.rows() != a.cols() || sizes.iter().sum::<usize>() != a.rows() || sizes.contains(&0) {
            let message =
                format!("block sizes must be positive and add up to the {} rows of a square matrix", a.rows());
            return Err(Error::new("option-not-valid", message));
        }
        let mut first = 0;
        let mut blocks = Vec::with_capacity(sizes.len());
        for &n in sizes {
            let mut data = vec![T::default(); n * n];
            for i in 0..n {
                let (columns, values) = a.row(first + i);
                for (&j, &value) in columns.iter().zip(values) {
                    if (first..first + n).contains(&(j as usize)) {
                        data[i * n + j as usize - first] = value;
                    }
                }
            }
            blocks.push(Dense::new(n, n, data)?);
            first += n;
        }
        Ok(Self(Blocks::new(blocks)?))
    }

    /// Blocks of equal size, the last one smaller where it does not divide the rows. Errors as [`BlockJacobi::new`].
    pub fn uniform(a: &Csr<T>, size: usize) -> Result<Self, Error> {
        let size = size.max(1);
        let sizes: Vec<usize> = (0..a.rows()).step_by(size).map(|i| size.min(a.rows() - i)).collect();
        Self::new(a, &sizes)
    }
}

impl<T: Scalar> Preconditioner<T> for BlockJacobi<T> {
    fn apply(&self, r: &[T], z: &mut [T]) {
        z.copy_from_slice(r);
        self.0.solve(z);
    }
}

//! Jacobi: M = diag(A).
//!
//! One division a row, n numbers of memory. It removes a bad scaling of the unknowns; among diagonal M it is within the
//! number of nonzeros a row of the best condition number. Source: A. van der Sluis (1969), "Condition numbers and
//! equilibration of matrices".

use headwater_base::Error;

use crate::blocks::not_definite;
use crate::operator::Preconditioner;
use crate::scalar::Scalar;
use crate::vector;

/// The inverse diagonal.
#[derive(Clone, Debug)]
pub struct Jacobi {
    inverse: Vec<f64>,
}

impl Jacobi {
    /// From the diagonal of a Hermitian positive definite matrix.
    ///
    /// Error: `not-positive-definite` at the first element that is not above zero (or not real, or not finite).
    pub fn new<T: Scalar>(diagonal: &[T]) -> Result<Self, Error> {
        let mut inverse = Vec::with_capacity(diagonal.len());
        for (i, d) in diagonal.iter().enumerate() {
            if !(d.re() > 0.0 && d.finite() && d.im().abs() <= f64::EPSILON.sqrt() * d.re()) {
                return Err(not_definite("the diagonal", i));
            }
            inverse.push(1.0 / d.re());
        }
        Ok(Self { inverse })
    }
}

impl<T: Scalar> Preconditioner<T> for Jacobi {
    fn apply(&self, r: &[T], z: &mut [T]) {
        for ((z, r), &d) in z.iter_mut().zip(r).zip(&self.inverse) {
            *z = r.scale(d);
        }
    }
    fn diagonal(&self) -> Option<&[f64]> {
        Some(&self.inverse)
    }
    fn apply_dot(&self, r: &[T], z: &mut [T]) -> [f64; 3] {
        // The chunks of the sums, in reals.
        let size = if T::COMPLEX { vector::CHUNK / 2 } else { vector::CHUNK };
        let mut total = [0.0; 3];
        for ((r, z), inverse) in r.chunks(size).zip(z.chunks_mut(size)).zip(self.inverse.chunks(size)) {
            for ((z, r), &d) in z.iter_mut().zip(r).zip(inverse) {
                *z = r.scale(d);
            }
            for (total, part) in total.iter_mut().zip(vector::dot_and_norms(T::reals(r), T::reals(z))) {
                *total += part;
            }
        }
        total
    }
}

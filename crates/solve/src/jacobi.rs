//! Jacobi: M = diag(A).
//!
//! One division a row, n numbers of memory. It removes a bad scaling of the unknowns; among diagonal M it is within the
//! number of nonzeros a row of the best condition number. Source: A. van der Sluis (1969), "Condition numbers and
//! equilibration of matrices".

use headwater_base::Error;

use crate::blocks::not_definite;
use crate::operator::Preconditioner;
use crate::scalar::Scalar;

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
}

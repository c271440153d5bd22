//! Real operators on complex vectors.

use std::ops::Deref;

use crate::operator::Operator;
use crate::scalar::{Complex64, Scalar};

/// A real operator on complex vectors: both parts share one product with two columns.
#[derive(Clone, Debug)]
pub struct Lifted<O>(pub O);

impl<O: Deref + Send + Sync> Operator<Complex64> for Lifted<O>
where
    O::Target: Operator<f64>,
{
    fn rows(&self) -> usize {
        self.0.rows()
    }
    fn cols(&self) -> usize {
        self.0.cols()
    }
    fn apply(&self, x: &[Complex64], y: &mut [Complex64]) {
        self.apply_many(1, x, y);
    }
    fn apply_adjoint(&self, x: &[Complex64], y: &mut [Complex64]) {
        self.apply_adjoint_many(1, x, y);
    }
    fn has_adjoint(&self) -> bool {
        self.0.has_adjoint()
    }
    fn apply_many(&self, k: usize, x: &[Complex64], y: &mut [Complex64]) {
        self.0.apply_many(2 * k, Complex64::reals(x), Complex64::reals_mut(y));
    }
    fn apply_rows(&self, k: usize, begin: usize, x: &[Complex64], y: &mut [Complex64]) -> bool {
        self.0.apply_rows(2 * k, begin, Complex64::reals(x), Complex64::reals_mut(y))
    }
    fn apply_adjoint_many(&self, k: usize, x: &[Complex64], y: &mut [Complex64]) {
        self.0.apply_adjoint_many(2 * k, Complex64::reals(x), Complex64::reals_mut(y));
    }
    fn hermitian(&self) -> Option<bool> {
        self.0.hermitian()
    }
}

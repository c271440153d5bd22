//! Kronecker sums A ⊗ I + I ⊗ B: operators on grids, from operators on their axes.
//!
//! With x as an n_A × n_B matrix X (row-major), y = AX + XBᵀ: n_B products with A at once and n_A with B, nothing formed.

use crate::operator::Operator;
use crate::scalar::Scalar;

/// A ⊗ I + I ⊗ B for square A and B.
#[derive(Clone, Debug)]
pub struct KroneckerSum<A, B> {
    /// The slow axis.
    pub a: A,
    /// The fast axis.
    pub b: B,
}

impl<A, B> KroneckerSum<A, B> {
    fn both<T: Scalar>(
        &self,
        x: &[T],
        y: &mut [T],
        slow: impl Fn(usize, &[T], &mut [T]),
        fast: impl Fn(&[T], &mut [T]),
        width: usize,
    ) {
        slow(width, x, y);
        let mut row = vec![T::default(); width];
        for (x, y) in x.chunks(width.max(1)).zip(y.chunks_mut(width.max(1))) {
            fast(x, &mut row);
            for (y, r) in y.iter_mut().zip(&row) {
                *y += *r;
            }
        }
    }
}

impl<T: Scalar, A: Operator<T>, B: Operator<T>> Operator<T> for KroneckerSum<A, B> {
    fn rows(&self) -> usize {
        self.a.rows() * self.b.rows()
    }
    fn cols(&self) -> usize {
        self.a.cols() * self.b.cols()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.both(x, y, |k, x, y| self.a.apply_many(k, x, y), |x, y| self.b.apply(x, y), self.b.cols());
    }
    fn apply_adjoint(&self, x: &[T], y: &mut [T]) {
        let width = self.b.cols();
        self.both(x, y, |k, x, y| self.a.apply_adjoint_many(k, x, y), |x, y| self.b.apply_adjoint(x, y), width);
    }
    fn has_adjoint(&self) -> bool {
        self.a.has_adjoint() && self.b.has_adjoint()
    }
    fn hermitian(&self) -> Option<bool> {
        // Two parts that are not Hermitian may be so in sum; only a yes is certain.
        (self.a.hermitian() == Some(true) && self.b.hermitian() == Some(true)).then_some(true)
    }
}

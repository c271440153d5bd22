//! What a matrix is to a solver, and the operators made of others.

use std::sync::Arc;

use crate::scalar::{Complex64, Scalar};
use crate::vector;

/// A linear map that can be applied. Implementations must not keep state that changes the result.
pub trait Operator<T: Scalar>: Send + Sync {
    /// Number of rows.
    fn rows(&self) -> usize;
    /// Number of columns.
    fn cols(&self) -> usize;
    /// y = A x; `y` holds anything before.
    fn apply(&self, x: &[T], y: &mut [T]);
    /// y = A x of a square A; returns (Re⟨x, y⟩, ‖x‖², ‖y‖²), where possible while both are in cache.
    fn apply_dot(&self, x: &[T], y: &mut [T]) -> [f64; 3] {
        self.apply(x, y);
        vector::dot_and_norms(T::reals(x), T::reals(y))
    }
    /// y = Aᴴ x. Called only if [`Operator::has_adjoint`].
    fn apply_adjoint(&self, _x: &[T], _y: &mut [T]) {
        unreachable!("this operator has no adjoint")
    }
    /// Whether Aᴴ can be applied.
    fn has_adjoint(&self) -> bool {
        false
    }
    /// Y = A X for k vectors at once, X and Y row-major with k columns.
    fn apply_many(&self, k: usize, x: &[T], y: &mut [T]) {
        columns(k, x, y, self.cols(), self.rows(), |x, y| self.apply(x, y));
    }
    /// Rows of Y = A X from `begin` on, as many as `y` holds, so that what follows can be done with them while they are in
    /// cache. False, with y untouched, where only whole products can be had.
    fn apply_rows(&self, _k: usize, _begin: usize, _x: &[T], _y: &mut [T]) -> bool {
        false
    }
    /// Y = Aᴴ X, as above.
    fn apply_adjoint_many(&self, k: usize, x: &[T], y: &mut [T]) {
        columns(k, x, y, self.rows(), self.cols(), |x, y| self.apply_adjoint(x, y));
    }
    /// Whether A = Aᴴ, where the entries are known and say so; `None` where only a probe can tell.
    fn hermitian(&self) -> Option<bool> {
        None
    }
}

fn columns<T: Scalar>(k: usize, x: &[T], y: &mut [T], from: usize, to: usize, mut apply: impl FnMut(&[T], &mut [T])) {
    let (mut column, mut image) = (vec![T::default(); from], vec![T::default(); to]);
    for j in 0..k {
        for i in 0..from {
            column[i] = x[i * k + j];
        }
        apply(&column, &mut image);
        for i in 0..to {
            y[i * k + j] = image[i];
        }
    }
}

/// z = M⁻¹ r.
pub trait Preconditioner<T: Scalar>: Send + Sync {
    /// z = M⁻¹ r; `z` holds anything before.
    fn apply(&self, r: &[T], z: &mut [T]);
    /// z = M⁻¹ r; returns (Re⟨r, z⟩, ‖r‖², ‖z‖²), where possible while both are in cache.
    fn apply_dot(&self, r: &[T], z: &mut [T]) -> [f64; 3] {
        self.apply(r, z);
        vector::dot_and_norms(T::reals(r), T::reals(z))
    }
    /// The diagonal of M⁻¹, where that is all there is of it and real: methods then apply it inside their own passes.
    fn diagonal(&self) -> Option<&[f64]> {
        None
    }
    /// z = M⁻ᴴ r. The default is for a Hermitian M.
    fn apply_adjoint(&self, r: &[T], z: &mut [T]) {
        self.apply(r, z);
    }
}

/// A preconditioner made of a function, M Hermitian.
pub struct FnPreconditioner<F>(pub F);

impl<T: Scalar, F: Fn(&[T], &mut [T]) + Send + Sync> Preconditioner<T> for FnPreconditioner<F> {
    fn apply(&self, r: &[T], z: &mut [T]) {
        (self.0)(r, z);
    }
}

/// A square operator made of a function.
pub struct FnOperator<F> {
    /// Rows and columns.
    pub size: usize,
    /// Writes A x into its second argument.
    pub apply: F,
}

impl<T: Scalar, F: Fn(&[T], &mut [T]) + Send + Sync> Operator<T> for FnOperator<F> {
    fn rows(&self) -> usize {
        self.size
    }
    fn cols(&self) -> usize {
        self.size
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        (self.apply)(x, y);
    }
}

/// σI + κH for complex numbers σ, κ and an operator H, which must be square (and have an adjoint for this one to have).
pub struct Shifted<O> {
    /// H.
    pub operator: O,
    /// σ.
    pub shift: Complex64,
    /// κ.
    pub factor: Complex64,
}

impl<O: Operator<Complex64>> Operator<Complex64> for Shifted<O> {
    fn rows(&self) -> usize {
        self.operator.rows()
    }
    fn cols(&self) -> usize {
        self.operator.cols()
    }
    fn apply(&self, x: &[Complex64], y: &mut [Complex64]) {
        self.operator.apply(x, y);
        for (y, x) in y.iter_mut().zip(x) {
            *y = self.factor * *y + self.shift * *x;
        }
    }
    fn has_adjoint(&self) -> bool {
        self.operator.has_adjoint() || self.operator.hermitian() == Some(true)
    }
    fn apply_adjoint(&self, x: &[Complex64], y: &mut [Complex64]) {
        if self.operator.has_adjoint() {
            self.operator.apply_adjoint(x, y);
        } else {
            self.operator.apply(x, y);
        }
        for (y, x) in y.iter_mut().zip(x) {
            *y = self.factor.conj() * *y + self.shift.conj() * *x;
        }
    }
    fn apply_many(&self, k: usize, x: &[Complex64], y: &mut [Complex64]) {
        self.operator.apply_many(k, x, y);
        for (y, x) in y.iter_mut().zip(x) {
            *y = self.factor * *y + self.shift * *x;
        }
    }
    fn apply_adjoint_many(&self, k: usize, x: &[Complex64], y: &mut [Complex64]) {
        if self.operator.has_adjoint() {
            self.operator.apply_adjoint_many(k, x, y);
        } else {
            self.operator.apply_many(k, x, y);
        }
        for (y, x) in y.iter_mut().zip(x) {
            *y = self.factor.conj() * *y + self.shift.conj() * *x;
        }
    }
}

/// What points to an operator is one.
macro_rules! forward {
    ($pointer:ty) => {
        impl<T: Scalar, O: Operator<T> + ?Sized> Operator<T> for $pointer {
            fn rows(&self) -> usize {
                (**self).rows()
            }
            fn cols(&self) -> usize {
                (**self).cols()
            }
            fn apply(&self, x: &[T], y: &mut [T]) {
                (**self).apply(x, y);
            }
            fn apply_dot(&self, x: &[T], y: &mut [T]) -> [f64; 3] {
                (**self).apply_dot(x, y)
            }
            fn apply_adjoint(&self, x: &[T], y: &mut [T]) {
                (**self).apply_adjoint(x, y);
            }
            fn has_adjoint(&self) -> bool {
                (**self).has_adjoint()
            }
            fn apply_many(&self, k: usize, x: &[T], y: &mut [T]) {
                (**self).apply_many(k, x, y);
            }
            fn apply_rows(&self, k: usize, begin: usize, x: &[T], y: &mut [T]) -> bool {
                (**self).apply_rows(k, begin, x, y)
            }
            fn apply_adjoint_many(&self, k: usize, x: &[T], y: &mut [T]) {
                (**self).apply_adjoint_many(k, x, y);
            }
            fn hermitian(&self) -> Option<bool> {
                (**self).hermitian()
            }
        }
    };
}

forward!(&O);
forward!(Arc<O>);

//! Dense matrices, row-major.

use headwater_base::Error;

use crate::operator::Operator;
use crate::scalar::Scalar;

/// A dense rows × cols matrix. A product costs rows·cols multiply-adds and reads the matrix once.
#[derive(Clone, Debug)]
pub struct Dense<T> {
    rows: usize,
    cols: usize,
    data: Vec<T>,
}

impl<T: Scalar> Dense<T> {
    /// From its elements by rows. Error: `matrix-not-valid` if there are not rows·cols of them.
    pub fn new(rows: usize, cols: usize, data: Vec<T>) -> Result<Self, Error> {
        if data.len() != rows * cols {
            return Err(Error::new("matrix-not-valid", format!("{} elements for {rows} × {cols}", data.len())));
        }
        Ok(Self { rows, cols, data })
    }

    /// The elements by rows.
    pub fn data(&self) -> &[T] {
        &self.data
    }
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Whether A = Aᴴ up to 8ε of each element; NaN passes, as in [`crate::Csr::is_hermitian`].
    pub fn is_hermitian(&self) -> bool {
        let n = self.cols;
        self.rows == n
            && (0..n).all(|i| {
                (0..=i).all(|j| {
                    let (a, b) = (self.data[i * n + j], self.data[j * n + i].conj());
                    !((a - b).modulus() > 8.0 * f64::EPSILON * a.modulus().max(b.modulus()))
                })
            })
    }
}

impl<T: Scalar> Operator<T> for Dense<T> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn cols(&self) -> usize {
        self.cols
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        for (row, y) in self.data.chunks(self.cols.max(1)).zip(y) {
            *y = T::dot_transposed(row, x);
        }
    }
    fn apply_adjoint(&self, x: &[T], y: &mut [T]) {
        y.fill(T::default());
        for (row, &x) in self.data.chunks(self.cols.max(1)).zip(x) {
            for (y, &a) in y.iter_mut().zip(row) {
                *y += a.conj() * x;
            }
        }
    }
    fn has_adjoint(&self) -> bool {
        true
    }
    fn hermitian(&self) -> Option<bool> {
        Some(self.is_hermitian())
    }
}

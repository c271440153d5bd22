//! Products with a sparse matrix: which layout and which kernel, for one vector, several and complex ones, on one thread or more.

use headwater_base::parallel;

use super::Csr;
use crate::diagonals::Diagonals;
use crate::lifted::Lifted;
use crate::operator::Operator;
use crate::rows::{Rows, rows_complex, rows_real, rows_real_2, rows_real_4, rows_real_8, rows_real_k};
use crate::scalar::{Complex64, Scalar};
use crate::sorted::Sorted;
use crate::vector;

/// Rows a thread takes at a time: windows of `sorted.rs`.
const PIECE: usize = 4096;

impl<T: Scalar> Csr<T> {
    /// All rows, for the kernels.
    fn all(&self) -> Rows<'_> {
        // SAFETY: the arrays are private and never change; `from_triplets` and `adjoint` make them so, `from_arrays` has
        // checked them. Complex values are two numbers each.
        unsafe { Rows::new(&self.pointers, &self.columns, T::reals(&self.values), self.cols) }
    }

    fn over_rows<V: Send>(&self, width: usize, y: &mut [V], work: impl Fn(Rows<'_>, &mut [V]) + Sync) {
        if width == 0 {
            return;
        }
        if self.threads == 1 {
            return work(self.all(), y);
        }
        parallel::for_each_piece(self.threads, y, PIECE * width, |index, piece| {
            work(self.all().part(index * PIECE, piece.len() / width), piece);
        });
    }

    /// Y += AᴴX, row-major with k columns (transposed traversal, one thread).
    fn scatter<V: Scalar>(&self, k: usize, x: &[V], y: &mut [V], times: impl Fn(T, V) -> V) {
        y.fill(V::default());
        for i in 0..self.rows {
            let (columns, values) = self.row(i);
            for (&j, &a) in columns.iter().zip(values) {
                let j = j as usize;
                for c in 0..k {
                    y[j * k + c] += times(a.conj(), x[i * k + c]);
                }
            }
        }
    }
}

fn some_rows(k: usize, rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    match k {
        1 => rows_real(rows, x, y),
        2 => rows_real_2(rows, x, y),
        4 => rows_real_4(rows, x, y),
        8 => rows_real_8(rows, x, y),
        _ => rows_real_k(k, rows, x, y),
    }
}

impl Csr<f64> {
    /// The layout by diagonals, where there are few.
    fn diagonals(&self) -> Option<&Diagonals> {
        let make = || Diagonals::new(&self.pointers, &self.columns, &self.values);
        self.diagonals.get_or_init(|| if self.rows == self.cols { make() } else { None }).as_ref()
    }

    /// Bytes that products take besides the matrix: with one vector where there are few diagonals, with complex ones where
    /// rows are uneven.
    pub fn layout_bytes(&self) -> usize {
        let diagonals = if self.rows == self.cols { Diagonals::bytes(&self.pointers, &self.columns) } else { 0 };
        diagonals + Sorted::bytes(&self.pointers, &self.columns)
    }

    /// Rows of Y = AX from `begin` on, X with two columns. False where that is left to the plain kernel.
    fn sorted_part(&self, begin: usize, x: &[f64], y: &mut [f64]) -> bool {
        let make = || Sorted::new(self.cols, &self.pointers, &self.columns, &self.values);
        self.sorted.get_or_init(make).as_ref().is_some_and(|sorted| sorted.product_2(begin, x, y))
    }

    /// Rows of y = Ax from `begin` on.
    fn part(&self, begin: usize, x: &[f64], y: &mut [f64]) {
        match self.diagonals() {
            Some(diagonals) => diagonals.product(begin, x, y),
            None => rows_real(self.all().part(begin, y.len()), x, y),
        }
    }

    fn product(&self, k: usize, x: &[f64], y: &mut [f64]) {
        assert!(x.len() == k * self.cols && y.len() == k * self.rows, "lengths of x and y");
        if k == 1 && self.diagonals().is_some() {
            if self.threads == 1 {
                return self.part(0, x, y);
            }
            return parallel::for_each_piece(self.threads, y, PIECE, |index, y| self.part(index * PIECE, x, y));
        }
        if k == 2 && self.threads == 1 && self.sorted_part(0, x, y) {
            return;
        }
        if k == 2 && self.threads > 1 {
            return parallel::for_each_piece(self.threads, y, 2 * PIECE, |index, y| {
                if !self.sorted_part(index * PIECE, x, y) {
                    some_rows(2, self.all().part(index * PIECE, y.len() / 2), x, y);
                }
            });
        }
        self.over_rows(k, y, |rows, y| some_rows(k, rows, x, y));
    }

    /// The real matrix as an operator on complex vectors, without a copy: both parts share one reading.
    pub fn lifted(&self) -> Lifted<&Self> {
        Lifted(self)
    }
}

impl Operator<f64> for Csr<f64> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn cols(&self) -> usize {
        self.cols
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        self.product(1, x, y);
    }
    fn apply_dot(&self, x: &[f64], y: &mut [f64]) -> [f64; 3] {
        if self.threads > 1 || self.rows != self.cols {
            self.product(1, x, y);
            return vector::dot_and_norms(x, y);
        }
        assert!(x.len() == self.cols && y.len() == self.rows, "lengths of x and y");
        let mut total = [0.0; 3];
        // The chunks of the sums, so that the result is the same as of separate passes.
        for (index, (x_piece, y_piece)) in x.chunks(vector::CHUNK).zip(y.chunks_mut(vector::CHUNK)).enumerate() {
            let begin = index * vector::CHUNK;
            self.part(begin, x, y_piece);
            for (total, part) in total.iter_mut().zip(vector::dot_and_norms(x_piece, y_piece)) {
                *total += part;
            }
        }
        total
    }
    fn apply_adjoint(&self, x: &[f64], y: &mut [f64]) {
        self.apply_adjoint_many(1, x, y);
    }
    fn has_adjoint(&self) -> bool {
        true
    }
    fn apply_many(&self, k: usize, x: &[f64], y: &mut [f64]) {
        self.product(k, x, y);
    }
    fn apply_rows(&self, k: usize, begin: usize, x: &[f64], y: &mut [f64]) -> bool {
        if self.threads == 1 && k == 1 {
            self.part(begin, x, y);
        } else if self.threads == 1 && k > 0 && !(k == 2 && self.sorted_part(begin, x, y)) {
            some_rows(k, self.all().part(begin, y.len() / k), x, y);
        }
        self.threads == 1
    }
    fn apply_adjoint_many(&self, k: usize, x: &[f64], y: &mut [f64]) {
        if self.rows == self.cols && self.hermitian.get() == Some(&true) {
            return self.product(k, x, y);
        }
        self.scatter(k, x, y, |a, x| a * x);
    }
    fn hermitian(&self) -> Option<bool> {
        Some(self.is_hermitian())
    }
}

impl Operator<Complex64> for Csr<Complex64> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn cols(&self) -> usize {
        self.cols
    }
    fn apply(&self, x: &[Complex64], y: &mut [Complex64]) {
        self.apply_many(1, x, y);
    }
    fn apply_adjoint(&self, x: &[Complex64], y: &mut [Complex64]) {
        self.apply_adjoint_many(1, x, y);
    }
    fn has_adjoint(&self) -> bool {
        true
    }
    fn apply_many(&self, k: usize, x: &[Complex64], y: &mut [Complex64]) {
        assert!(x.len() == k * self.cols && y.len() == k * self.rows, "lengths of x and y");
        self.over_rows(k, y, |rows, y| rows_complex(k, rows, Complex64::reals(x), Complex64::reals_mut(y)));
    }
    fn apply_rows(&self, k: usize, begin: usize, x: &[Complex64], y: &mut [Complex64]) -> bool {
        if self.threads == 1 && k > 0 {
            let rows = self.all().part(begin, y.len() / k);
            rows_complex(k, rows, Complex64::reals(x), Complex64::reals_mut(y));
        }
        self.threads == 1
    }
    fn apply_adjoint_many(&self, k: usize, x: &[Complex64], y: &mut [Complex64]) {
        if self.hermitian.get() == Some(&true) {
            return self.apply_many(k, x, y);
        }
        self.scatter(k, x, y, |a, x| a * x);
    }
    fn hermitian(&self) -> Option<bool> {
        Some(self.is_hermitian())
    }
}

//! Sparse matrices, compressed by rows.
//!
//! 12 bytes a stored f64 element (8 value, 4 column) and 4 a row. A product reads the matrix once and is bound by
//! memory; several vectors at once ([`Operator::apply_many`]) share that reading. A real square matrix of few diagonals,
//! such as that of a grid, is laid out once more for products with one vector (`diagonals.rs`), 8 bytes an element; one with
//! uneven rows for products with complex vectors (`sorted.rs`), 12 bytes an element.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use headwater_base::{Error, parallel};

use crate::diagonals::Diagonals;
use crate::operator::Operator;
use crate::rows::{Rows, rows_complex, rows_real, rows_real_2, rows_real_4, rows_real_8, rows_real_k};
use crate::scalar::{Complex64, Scalar};
use crate::sorted::Sorted;
use crate::vector;

/// Rows a thread takes at a time: windows of `sorted.rs`.
const PIECE: usize = 4096;

/// A sparse rows × cols matrix. Columns ascend within a row, each at most once. A clone shares the arrays.
#[derive(Clone, Debug)]
pub struct Csr<T> {
    rows: usize,
    cols: usize,
    pointers: Arc<Vec<u32>>,
    columns: Arc<Vec<u32>>,
    values: Arc<Vec<T>>,
    threads: usize,
    hermitian: OnceLock<bool>,
    /// The layout of a real matrix of few diagonals, made by the first product.
    diagonals: Arc<OnceLock<Option<Diagonals>>>,
    /// The same of one with uneven rows, for complex vectors.
    sorted: Arc<OnceLock<Option<Sorted>>>,
}

fn refuse<V>(message: String) -> Result<V, Error> {
    Err(Error::new("matrix-not-valid", message))
}

impl<T: Scalar> Csr<T> {
    /// From (row, column, value) triplets in any order; values at the same place are summed.
    ///
    /// Errors: `matrix-not-valid` for an index out of range or more than 2³² − 1 rows, columns or elements.
    pub fn from_triplets(rows: usize, cols: usize, triplets: &[(usize, usize, T)]) -> Result<Self, Error> {
        let limit = u32::MAX as usize;
        if rows > limit || cols > limit || triplets.len() > limit {
            return refuse(format!("{rows} × {cols} with {} elements exceeds {limit}", triplets.len()));
        }
        let mut starts = vec![0_usize; rows + 1];
        for (index, &(i, j, _)) in triplets.iter().enumerate() {
            if i >= rows || j >= cols {
                return refuse(format!("element {index} is at ({i}, {j}), outside {rows} × {cols}"));
            }
            starts[i + 1] += 1;
        }
        for i in 0..rows {
            starts[i + 1] += starts[i];
        }
        let mut order = vec![(0_u32, T::default()); triplets.len()];
        let mut next = starts.clone();
        for &(i, j, value) in triplets {
            order[next[i]] = (j as u32, value);
            next[i] += 1;
        }
        let (mut pointers, mut columns, mut values) = (vec![0_u32], Vec::new(), Vec::<T>::new());
        for i in 0..rows {
            let row = &mut order[starts[i]..starts[i + 1]];
            row.sort_by_key(|&(j, _)| j);
            let begin = columns.len();
            for &(j, value) in row.iter() {
                if columns.len() > begin && columns.last() == Some(&j) {
                    *values.last_mut().expect("a column has a value") += value;
                } else {
                    columns.push(j);
                    values.push(value);
                }
            }
            pointers.push(columns.len() as u32);
        }
        Ok(Self::of_arrays(rows, cols, pointers, columns, values))
    }

    /// From the three arrays: `pointers` has rows + 1 elements, row i is `pointers[i]..pointers[i + 1]`.
    ///
    /// Errors: `matrix-not-valid` if the lengths disagree, pointers descend, or columns are out of range or not ascending.
    pub fn from_arrays(
        rows: usize,
        cols: usize,
        pointers: Vec<u32>,
        columns: Vec<u32>,
        values: Vec<T>,
    ) -> Result<Self, Error> {
        if pointers.len() != rows + 1 || pointers[0] != 0 || pointers[rows] as usize != columns.len() {
            return refuse(format!("row pointers must be {} numbers from 0 to {}", rows + 1, columns.len()));
        }
        if values.len() != columns.len() {
            return refuse(format!("{} values for {} columns", values.len(), columns.len()));
        }
        for i in 0..rows {
            let (begin, end) = (pointers[i] as usize, pointers[i + 1] as usize);
            if begin > end || end > columns.len() {
                return refuse(format!("row pointers descend at row {i}"));
            }
            for k in begin..end {
                if columns[k] as usize >= cols || (k > begin && columns[k] <= columns[k - 1]) {
                    return refuse(format!("columns of row {i} must ascend and be below {cols}"));
                }
            }
        }
        Ok(Self::of_arrays(rows, cols, pointers, columns, values))
    }

    fn of_arrays(rows: usize, cols: usize, pointers: Vec<u32>, columns: Vec<u32>, values: Vec<T>) -> Self {
        let (pointers, columns, values) = (Arc::new(pointers), Arc::new(columns), Arc::new(values));
        let (hermitian, diagonals, sorted) = (OnceLock::new(), Arc::default(), Arc::default());
        Self { rows, cols, pointers, columns, values, threads: 1, hermitian, diagonals, sorted }
    }

    /// The same matrix, its products split over threads of the current pool. The result does not depend on the number.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Stored elements.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }
    /// Row pointers.
    pub fn pointers(&self) -> &[u32] {
        &self.pointers
    }
    /// Columns of the stored elements.
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }
    /// Values of the stored elements.
    pub fn values(&self) -> &[T] {
        &self.values
    }
    /// Columns and values of row i.
    pub fn row(&self, i: usize) -> (&[u32], &[T]) {
        let range = self.pointers[i] as usize..self.pointers[i + 1] as usize;
        (&self.columns[range.clone()], &self.values[range])
    }
    /// The element at (i, j), 0 if none is stored.
    pub fn get(&self, i: usize, j: usize) -> T {
        let (columns, values) = self.row(i);
        columns.binary_search(&(j as u32)).map_or(T::default(), |k| values[k])
    }
    /// The diagonal, zeros where none is stored.
    pub fn diagonal(&self) -> Vec<T> {
        (0..self.rows.min(self.cols)).map(|i| self.get(i, i)).collect()
    }

    /// Aᴴ.
    #[must_use]
    pub fn adjoint(&self) -> Self {
        let mut pointers = vec![0_u32; self.cols + 1];
        for &j in self.columns.iter() {
            pointers[j as usize + 1] += 1;
        }
        for j in 0..self.cols {
            pointers[j + 1] += pointers[j];
        }
        let mut next = pointers.clone();
        let (mut columns, mut values) = (vec![0; self.nnz()], vec![T::default(); self.nnz()]);
        for i in 0..self.rows {
            let (row, row_values) = self.row(i);
            for (&j, &value) in row.iter().zip(row_values) {
                let place = next[j as usize] as usize;
                next[j as usize] += 1;
                columns[place] = i as u32;
                values[place] = value.conj();
            }
        }
        let adjoint = Self::of_arrays(self.cols, self.rows, pointers, columns, values);
        Self { threads: self.threads, hermitian: self.hermitian.clone(), ..adjoint }
    }

    /// Whether A = Aᴴ up to 8ε of each element (what a symmetric assembly in another order leaves). Computed once.
    /// A matrix with NaN is answered as if that element were symmetric: it is refused as non-finite, not as skew.
    pub fn is_hermitian(&self) -> bool {
        *self.hermitian.get_or_init(|| {
            if self.rows != self.cols {
                return false;
            }
            let other = self.adjoint();
            (0..self.rows).all(|i| {
                let ((ca, va), (cb, vb)) = (self.row(i), other.row(i));
                let (mut a, mut b) = (0, 0);
                while a < ca.len() || b < cb.len() {
                    let (ja, jb) = (ca.get(a).copied().unwrap_or(u32::MAX), cb.get(b).copied().unwrap_or(u32::MAX));
                    let x = if ja <= jb { va[a] } else { T::default() };
                    let y = if jb <= ja { vb[b] } else { T::default() };
                    let size = x.modulus().max(y.modulus());
                    if (x - y).modulus() > 8.0 * f64::EPSILON * size {
                        return false;
                    }
                    a += usize::from(ja <= jb);
                    b += usize::from(jb <= ja);
                }
                true
            })
        })
    }

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

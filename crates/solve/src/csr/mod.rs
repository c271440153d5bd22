//! Sparse matrices, compressed by rows.
//!
//! 12 bytes a stored f64 element (8 value, 4 column) and 4 a row. A product reads the matrix once and is bound by
//! memory; several vectors at once ([`crate::Operator::apply_many`]) share that reading. A real square matrix of few diagonals,
//! such as that of a grid, is laid out once more for products with one vector (`diagonals.rs`), 8 bytes an element; one with
//! uneven rows for products with complex vectors (`sorted.rs`), 12 bytes an element.

mod products;

use std::sync::{Arc, OnceLock};

use headwater_base::Error;

use crate::diagonals::Diagonals;
use crate::scalar::Scalar;
use crate::sorted::Sorted;

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
}

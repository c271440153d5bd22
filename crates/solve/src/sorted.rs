//! Matrices with uneven rows, copied with rows of one length beside one another: the layout of products with complex vectors.
//!
//! What bounds the product of a real matrix of some twenty elements a row with a complex vector is, besides the loads, the
//! end of each row: where lengths vary at random, the processor guesses it wrong, some 20 cycles each time. Rows sorted by
//! length within a window end where the row before ended. Every row is summed as in the plain kernel: the same bits.
//!
//! 12 bytes an element besides the matrix, and 6 a row. Made where at least every fourth row is not as long as the one before.

use crate::rows::{Rows, rows_real_2_sorted};

/// Rows sorted among one another. The pieces in which products are asked for begin at multiples of it.
pub(crate) const WINDOW: usize = 2048;

/// The layout.
#[derive(Debug)]
pub(crate) struct Sorted {
    rows: usize,
    cols: usize,
    /// Row within its window, for each row of the copy.
    order: Vec<u16>,
    pointers: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

/// Whether it is worth it.
fn uneven(pointers: &[u32]) -> bool {
    let changes = pointers.windows(3).filter(|p| p[2] - p[1] != p[1] - p[0]).count();
    let rows = pointers.len() - 1;
    rows >= 64 && 4 * changes >= rows
}

impl Sorted {
    /// Bytes that [`Sorted::new`] would take.
    pub fn bytes(pointers: &[u32], columns: &[u32]) -> usize {
        if uneven(pointers) { 12 * columns.len() + 6 * pointers.len() } else { 0 }
    }

    /// Of a matrix in compressed rows whose arrays fit together, if its rows are uneven.
    pub fn new(cols: usize, pointers: &[u32], columns: &[u32], values: &[f64]) -> Option<Self> {
        if !uneven(pointers) {
            return None;
        }
        let rows = pointers.len() - 1;
        let length = |i: usize| pointers[i + 1] - pointers[i];
        let mut out = Self {
            rows,
            cols,
            order: Vec::with_capacity(rows),
            pointers: vec![0],
            columns: Vec::with_capacity(columns.len()),
            values: Vec::with_capacity(columns.len()),
        };
        for begin in (0..rows).step_by(WINDOW) {
            let mut window: Vec<usize> = (begin..rows.min(begin + WINDOW)).collect();
            window.sort_by_key(|&i| length(i));
            for i in window {
                out.order.push((i - begin) as u16);
                let range = pointers[i] as usize..pointers[i + 1] as usize;
                out.columns.extend_from_slice(&columns[range.clone()]);
                out.values.extend_from_slice(&values[range]);
                out.pointers.push(out.columns.len() as u32);
            }
        }
        Some(out)
    }

    /// The rows of Y = AX from `begin` on, two columns, as many as y holds. False, with y untouched, unless they are whole windows.
    pub fn product_2(&self, begin: usize, x: &[f64], y: &mut [f64]) -> bool {
        let end = begin + y.len() / 2;
        if !begin.is_multiple_of(WINDOW) || end > self.rows || !(end.is_multiple_of(WINDOW) || end == self.rows) {
            return false;
        }
        // SAFETY: a copy of a matrix whose arrays fit together, by rows.
        let rows = unsafe { Rows::new(&self.pointers, &self.columns, &self.values, self.cols) };
        for (k, y) in y.chunks_mut(2 * WINDOW).enumerate() {
            let (at, count) = (begin + k * WINDOW, y.len() / 2);
            rows_real_2_sorted(rows.part(at, count), &self.order[at..at + count], x, y);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Csr;
    use crate::operator::Operator;
    use crate::scalar::Complex64;

    #[test]
    fn products_have_the_bits_of_the_plain_kernel_for_all_rows_for_windows_and_for_pieces() {
        for n in [100, 2048, 5000] {
            let triplets: Vec<_> = (0..n)
                .flat_map(|i| (0..1 + i * i % 13).map(move |k| (i, (i * 31 + k * k * 7) % n, ((i + k) as f64).sin())))
                .collect();
            let a = Csr::from_triplets(n, n, &triplets).expect("inside");
            assert_eq!(Sorted::bytes(a.pointers(), a.columns()), 12 * a.nnz() + 6 * (n + 1));
            let x: Vec<Complex64> = (0..n).map(|i| Complex64::from_polar(1.0, (i * i) as f64)).collect();
            // A piece that is no window takes the plain kernel.
            let plain: Vec<Complex64> = (0..n)
                .map(|i| {
                    let mut y = [Complex64::default()];
                    assert!(a.lifted().apply_rows(1, i, &x, &mut y));
                    y[0]
                })
                .collect();
            let mut y = vec![Complex64::new(f64::NAN, 0.0); n];
            a.lifted().apply(&x, &mut y);
            assert_eq!(y, plain, "n {n}");
            if n > WINDOW {
                let mut window = vec![Complex64::default(); n - WINDOW];
                assert!(a.lifted().apply_rows(1, WINDOW, &x, &mut window));
                assert_eq!(window, plain[WINDOW..]);
            }
            let threaded = a.clone().with_threads(2);
            threaded.lifted().apply(&x, &mut y);
            assert_eq!(y, plain, "n {n}, two threads");
        }
    }

    #[test]
    fn even_rows_are_left_alone() {
        let n = 500;
        let triplets: Vec<_> = (0..n).flat_map(|i| [(i, i, 2.0), (i, (i + 1) % n, -1.0)]).collect();
        let a = Csr::from_triplets(n, n, &triplets).expect("inside");
        assert!(Sorted::new(n, a.pointers(), a.columns(), a.values()).is_none());
        assert_eq!(Sorted::bytes(a.pointers(), a.columns()), 0);
    }
}

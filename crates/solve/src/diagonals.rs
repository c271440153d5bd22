//! Matrices with few diagonals, stored by them: the layout of products with grids.
//!
//! y_i = Σ_d v_d[i] x[i + o_d]: no column is read and no x gathered, so that a row of five elements moves 56 bytes (5 values,
//! x, y) where the compressed rows move 80, and eight rows are computed side by side with contiguous loads. What bounds it
//! is memory: beyond the caches the values stream in at the rate of a triad.
//!
//! Values lie in blocks of [`BLOCK`] rows, within a block diagonal by diagonal: one stream of memory. Made where the matrix
//! is real and square, has at most [`MOST`] diagonals and fills them to seven eighths: 8 bytes a row and diagonal
//! besides the matrix.

use headwater_linalg::simd;

/// Rows of a block.
const BLOCK: usize = 512;
/// Most diagonals.
const MOST: usize = 27;

/// The layout.
#[derive(Debug)]
pub(crate) struct Diagonals {
    rows: usize,
    /// Column minus row of each diagonal, ascending.
    offsets: Vec<isize>,
    values: Vec<f64>,
}

/// The offsets of a square matrix, if there are few and they are full.
fn offsets(pointers: &[u32], columns: &[u32]) -> Option<Vec<isize>> {
    let rows = pointers.len() - 1;
    let mut found: Vec<isize> = Vec::with_capacity(MOST);
    for i in 0..rows {
        for &j in &columns[pointers[i] as usize..pointers[i + 1] as usize] {
            let offset = j as isize - i as isize;
            if let Err(place) = found.binary_search(&offset) {
                if found.len() == MOST {
                    return None;
                }
                found.insert(place, offset);
            }
        }
    }
    let room: usize = found.iter().map(|offset| rows - offset.unsigned_abs()).sum();
    (rows >= BLOCK && 8 * columns.len() >= 7 * room).then_some(found)
}

impl Diagonals {
    /// Bytes that [`Diagonals::new`] would take.
    pub fn bytes(pointers: &[u32], columns: &[u32]) -> usize {
        offsets(pointers, columns).map_or(0, |offsets| 8 * offsets.len() * (pointers.len() - 1))
    }

    /// Of a square matrix in compressed rows, if it is one of few diagonals.
    pub fn new(pointers: &[u32], columns: &[u32], elements: &[f64]) -> Option<Self> {
        let offsets = offsets(pointers, columns)?;
        let rows = pointers.len() - 1;
        let mut values = vec![0.0; rows * offsets.len()];
        for i in 0..rows {
            let (block, at) = (i / BLOCK * BLOCK, i % BLOCK);
            let height = BLOCK.min(rows - block);
            let mut d = 0;
            for k in pointers[i] as usize..pointers[i + 1] as usize {
                let offset = columns[k] as isize - i as isize;
                while offsets[d] != offset {
                    d += 1;
                }
                values[block * offsets.len() + d * height + at] = elements[k];
            }
        }
        Some(Self { rows, offsets, values })
    }

    /// The rows of y = Ax from `begin` on, as many as y holds.
    pub fn product(&self, begin: usize, x: &[f64], y: &mut [f64]) {
        assert!(x.len() == self.rows && begin + y.len() <= self.rows, "lengths of x and y");
        let count = self.offsets.len();
        let mut done = 0;
        while done < y.len() {
            let row = begin + done;
            let block = row / BLOCK * BLOCK;
            let height = BLOCK.min(self.rows - block);
            let part = (height - (row - block)).min(y.len() - done);
            let values = &self.values[block * count..(block + height) * count];
            let y = &mut y[done..done + part];
            let inside = self
                .offsets
                .iter()
                .all(|&offset| row.checked_add_signed(offset).is_some_and(|first| first + part <= self.rows));
            let inputs = Inputs { offsets: &self.offsets, values, height, at: row - block, row, x };
            match (inside, count) {
                (true, 3) => few_3(inputs, y),
                (true, 5) => few_5(inputs, y),
                (true, 7) => few_7(inputs, y),
                (true, 9) => few_9(inputs, y),
                _ => any(inputs, y),
            }
            done += part;
        }
    }
}

/// What some rows of one block are made of: `at` is their place in the block, `row` in the matrix.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    offsets: &'a [isize],
    values: &'a [f64],
    height: usize,
    at: usize,
    row: usize,
    x: &'a [f64],
}

/// D diagonals, all of them inside the matrix. Sums in the order of the columns.
#[inline(always)]
fn few<const D: usize>(inputs: Inputs<'_>, y: &mut [f64]) {
    let Inputs { offsets, values, height, at, row, x } = inputs;
    let n = y.len();
    let v: [&[f64]; D] = std::array::from_fn(|d| &values[d * height + at..][..n]);
    let x: [&[f64]; D] = std::array::from_fn(|d| &x[row.wrapping_add_signed(offsets[d])..][..n]);
    for (i, y) in y.iter_mut().enumerate() {
        let mut sum = 0.0;
        for d in 0..D {
            sum = v[d][i].mul_add(x[d][i], sum);
        }
        *y = sum;
    }
}

simd! {
fn few_3(inputs: Inputs<'_>, y: &mut [f64]) {
    few::<3>(inputs, y);
}

fn few_5(inputs: Inputs<'_>, y: &mut [f64]) {
    few::<5>(inputs, y);
}

fn few_7(inputs: Inputs<'_>, y: &mut [f64]) {
    few::<7>(inputs, y);
}

fn few_9(inputs: Inputs<'_>, y: &mut [f64]) {
    few::<9>(inputs, y);
}

/// Any number of diagonals, each as far as it reaches. The same sums.
fn any(inputs: Inputs<'_>, y: &mut [f64]) {
    let Inputs { offsets, values, height, at, row, x } = inputs;
    y.fill(0.0);
    for (d, &offset) in offsets.iter().enumerate() {
        let v = &values[d * height + at..][..y.len()];
        // Rows whose column is inside: row + i + offset in 0..n.
        let from = (-(row as isize) - offset).clamp(0, y.len() as isize) as usize;
        let to = (x.len() as isize - row as isize - offset).clamp(from as isize, y.len() as isize) as usize;
        if from == to {
            continue;
        }
        let x = &x[(row + from).wrapping_add_signed(offset)..][..to - from];
        for ((y, v), x) in y[from..to].iter_mut().zip(&v[from..to]).zip(x) {
            *y = v.mul_add(*x, *y);
        }
    }
}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Csr;
    use crate::operator::Operator;

    #[test]
    fn products_are_those_of_the_elements_for_any_number_of_diagonals_and_any_rows() {
        let value = |i: usize, j: usize| ((3 * i + 7 * j) as f64).sin();
        for (n, offsets) in [
            (1500, vec![-40_isize, -1, 0, 1, 40]),
            (1111, vec![-1, 0, 1]),
            (700, vec![-3, -2, -1, 0, 1, 2, 600]),
            (600, vec![0, 5]),
            (513, (-4..5).collect()),
        ] {
            let triplets: Vec<_> = (0..n)
                .flat_map(|i| offsets.iter().filter_map(move |&o| i32::try_from(i as isize + o).ok().map(|j| (i, j))))
                .filter(|&(i, j)| j >= 0 && (j as usize) < n && (i % 97 != 5 || j as usize == i))
                .map(|(i, j)| (i, j as usize, value(i, j as usize)))
                .collect();
            let a = Csr::from_triplets(n, n, &triplets).expect("inside");
            let layout = Diagonals::new(a.pointers(), a.columns(), a.values()).expect("few diagonals");
            assert_eq!(Diagonals::bytes(a.pointers(), a.columns()), 8 * n * offsets.len());
            let x: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
            let expected: Vec<f64> = (0..n)
                .map(|i| a.row(i).0.iter().zip(a.row(i).1).fold(0.0, |s, (&j, v)| v.mul_add(x[j as usize], s)))
                .collect();
            let mut y = vec![f64::NAN; n];
            layout.product(0, &x, &mut y);
            assert_eq!(y, expected, "n {n}");
            // Any piece has the same bits, and the matrix takes this way.
            let mut piece = vec![f64::NAN; 301];
            layout.product(173, &x, &mut piece);
            assert_eq!(piece, expected[173..474]);
            a.apply(&x, &mut y);
            assert_eq!(y, expected);
        }
    }

    #[test]
    fn scattered_and_half_empty_matrices_are_left_alone() {
        let n = 600;
        let scattered: Vec<_> = (0..n).map(|i| (i, i * 7 % n, 1.0)).collect();
        let sparse: Vec<_> = (0..n).flat_map(|i| [(i, i, 1.0), (i, (i + 1 + i % 2) % n, 1.0)]).collect();
        for triplets in [scattered, sparse] {
            let a = Csr::from_triplets(n, n, &triplets).expect("inside");
            assert!(Diagonals::new(a.pointers(), a.columns(), a.values()).is_none());
            assert_eq!(Diagonals::bytes(a.pointers(), a.columns()), 0);
        }
    }
}

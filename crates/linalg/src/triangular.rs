//! Products and solves with upper triangular matrices, and triangles of products, by blocks.
//!
//! All matrices are row-major and stored in full. An upper triangular one holds zeros below its diagonal, which leaves of
//! 64 columns multiply along: so that everything but the leaves of a solve is a [`gemm`](crate::gemm). What bounds it:
//! the multiply-adds of GEMM (three quarters of the work at n = 512 in blocks of 128 columns and more); the leaves of a
//! solve by one load per multiply-add.

use crate::element::Element;
use crate::gemm::{View, multiply};

/// Columns of a triangle that are treated at once, without a further split.
const LEAF: usize = 64;

fn split(n: usize) -> usize {
    (n / 2).next_multiple_of(LEAF)
}

/// The upper triangle of αAB + βC, A n × k and B k × n; what lies below the diagonal of C is unspecified.
/// Cost: kn² flop (multiplications and additions) and half of a leaf's columns more.
pub fn upper_of_product<T: Element>(alpha: T, a: View<'_, T>, b: View<'_, T>, beta: T, c: &mut [T], step: usize) {
    let n = a.rows();
    if n <= 2 * LEAF {
        return multiply(alpha, a, b, beta, c, step);
    }
    let half = split(n);
    let (above, below) = (a.some_rows(0, half), a.some_rows(half, n - half));
    let (left, right) = (b.some_cols(0, half), b.some_cols(half, n - half));
    upper_of_product(alpha, above, left, beta, c, step);
    multiply(alpha, above, right, beta, &mut c[half..], step);
    upper_of_product(alpha, below, right, beta, &mut c[half * step + half..], step);
}

/// Y ← UX, U n × n upper triangular, X n × b. Cost: n²b flop.
pub fn multiply_left<T: Element>(u: View<'_, T>, x: View<'_, T>, y: &mut [T], step: usize) {
    let n = u.rows();
    if n <= LEAF {
        return multiply(T::ONE, u, x, T::default(), y, step);
    }
    let half = split(n);
    let (above, below) = y.split_at_mut(half * step);
    let (first, second) = (x.some_rows(0, half), x.some_rows(half, n - half));
    multiply_left(u.some_rows(0, half).some_cols(0, half), first, above, step);
    multiply(T::ONE, u.some_rows(0, half).some_cols(half, n - half), second, T::ONE, above, step);
    multiply_left(u.some_rows(half, n - half).some_cols(half, n - half), second, below, step);
}

/// Y ← XUᵀ, U n × n upper triangular, X a × n. Cost: n²a flop.
pub fn multiply_right<T: Element>(x: View<'_, T>, u: View<'_, T>, y: &mut [T], step: usize) {
    let n = u.rows();
    if n <= LEAF {
        return multiply(T::ONE, x, u.transposed(), T::default(), y, step);
    }
    let half = split(n);
    let (first, second) = (x.some_cols(0, half), x.some_cols(half, n - half));
    multiply_right(first, u.some_rows(0, half).some_cols(0, half), y, step);
    let corner = u.some_rows(0, half).some_cols(half, n - half);
    multiply(T::ONE, second, corner.transposed(), T::ONE, y, step);
    multiply_right(second, u.some_rows(half, n - half).some_cols(half, n - half), &mut y[half..], step);
}

/// C ← αEU + C, all n × n upper triangular with rows n apart. Cost: n³/3 flop, and as much again for zeros along the
/// diagonals at n = 512.
pub fn add_upper_product<T: Element>(n: usize, alpha: T, e: &[T], u: &[T], c: &mut [T]) {
    let block = 2 * LEAF;
    for i in (0..n).step_by(block) {
        let rows = block.min(n - i);
        for j in (i..n).step_by(block) {
            let cols = block.min(n - j);
            let depth = j + cols - i;
            let left = View::new(&e[i * n + i..], rows, depth, n);
            let right = View::new(&u[i * n + j..], depth, cols, n);
            multiply(alpha, left, right, T::ONE, &mut c[i * n + j..], n);
        }
    }
}

/// The upper triangle of P = AU with A = Uᴴ, all n × n with rows of U and P n apart; what lies below the diagonal of P is
/// unspecified. Cost: n³/3 flop, and as much again along the diagonals at n = 512.
pub fn gram_of_upper<T: Element>(n: usize, adjoint: View<'_, T>, u: View<'_, T>, p: &mut [T]) {
    let block = 2 * LEAF;
    for i in (0..n).step_by(block) {
        let rows = block.min(n - i);
        let left = adjoint.some_rows(i, rows).some_cols(0, i + rows);
        let right = u.some_rows(0, i + rows).some_cols(i, n - i);
        multiply(T::ONE, left, right, T::default(), &mut p[i * n + i..], n);
    }
}

/// X ← U⁻ᴴX, U n × n upper triangular with rows n apart, `u` its conjugate (itself for real numbers); X n × b with rows b
/// apart. The diagonal of U must not hold a zero. Cost: n²b flop.
pub fn solve_adjoint<T: Element>(n: usize, u: &[T], x: &mut [T], b: usize) {
    solve_part(n, u, n, x, b);
}

fn solve_part<T: Element>(n: usize, u: &[T], step: usize, x: &mut [T], b: usize) {
    if n <= LEAF {
        return T::substitute(n, u, step, x, b);
    }
    let half = split(n);
    let (first, second) = x.split_at_mut(half * b);
    solve_part(half, u, step, first, b);
    let corner = View::new(&u[half..], half, n - half, step).transposed();
    multiply(-T::ONE, corner, View::new(first, half, b, b), T::ONE, second, b);
    solve_part(n - half, &u[half * step + half..], step, second, b);
}

/// Leaf of [`solve_adjoint`]: x_i ← (x_i − Σ_{k<i} u_ki x_k)/u_ii by rows, `WIDTH` columns at a time in registers.
#[inline(always)]
pub(crate) fn substitute<T: Element, const WIDTH: usize>(n: usize, u: &[T], step: usize, x: &mut [T], columns: usize) {
    let mut inverse = [T::default(); LEAF];
    for i in 0..n {
        let (re, im) = u[i * step + i].parts();
        let size = re.hypot(im);
        let (re, im) = (re / size, im / size);
        inverse[i] = T::from_parts(re / size, -im / size);
    }
    let whole = columns / WIDTH * WIDTH;
    for first in (0..whole).step_by(WIDTH) {
        for i in 0..n {
            let mut sums = [T::default(); WIDTH];
            sums.copy_from_slice(&x[i * columns + first..i * columns + first + WIDTH]);
            for k in 0..i {
                let factor = -u[k * step + i];
                let row: &[T; WIDTH] = x[k * columns + first..].first_chunk().expect("a whole tile");
                for e in 0..WIDTH {
                    sums[e] = factor.times_plus(row[e], sums[e]);
                }
            }
            for e in 0..WIDTH {
                x[i * columns + first + e] = sums[e] * inverse[i];
            }
        }
    }
    for i in 0..n {
        for c in whole..columns {
            let mut sum = x[i * columns + c];
            for k in 0..i {
                sum = (-u[k * step + i]).times_plus(x[k * columns + c], sum);
            }
            x[i * columns + c] = sum * inverse[i];
        }
    }
}

/// Side of the tiles of transpositions. A tile is read into a place of its own, or rows that are a power of two apart would
/// drive each other out of the first-level cache.
const TILE: usize = 16;

/// The tile of `from` (rows `step` apart) at (i, j), at most `rows` × `cols` of it.
#[inline(always)]
fn tile<T: Element>(from: &[T], step: usize, i: usize, j: usize, rows: usize, cols: usize) -> [[T; TILE]; TILE] {
    let mut tile = [[T::default(); TILE]; TILE];
    for (r, row) in tile.iter_mut().enumerate().take(rows) {
        let from = &from[(i + r) * step + j..(i + r) * step + j + cols];
        match from.first_chunk() {
            Some(whole) => *row = *whole,
            None => row[..cols].copy_from_slice(from),
        }
    }
    tile
}

/// Makes the lower triangle the adjoint of the upper one, and the diagonal real.
pub fn mirror<T: Element>(n: usize, a: &mut [T]) {
    for i in (0..n).step_by(TILE) {
        for j in (i..n).step_by(TILE) {
            let (rows, cols) = (TILE.min(n - i), TILE.min(n - j));
            let upper = tile(a, n, i, j, rows, cols);
            for c in 0..cols {
                // Below the diagonal only.
                let rows = if i == j { c } else { rows };
                let to = &mut a[(j + c) * n + i..(j + c) * n + i + rows];
                for (r, to) in to.iter_mut().enumerate() {
                    *to = upper[r][c].conjugate();
                }
            }
        }
    }
    for i in 0..n {
        a[i * n + i] = T::from_parts(a[i * n + i].parts().0, 0.0);
    }
}

/// `to` (n × m) ← the transpose of `from` (m × n).
pub fn transpose<T: Element>(m: usize, n: usize, from: &[T], to: &mut [T]) {
    for i in (0..m).step_by(TILE) {
        for j in (0..n).step_by(TILE) {
            let (rows, cols) = (TILE.min(m - i), TILE.min(n - j));
            let tile = tile(from, n, i, j, rows, cols);
            for c in 0..cols {
                let to = &mut to[(j + c) * m + i..(j + c) * m + i + rows];
                for (r, to) in to.iter_mut().enumerate() {
                    *to = tile[r][c];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_complex::{Complex32, Complex64};

    fn value<T: Element>(i: usize) -> T {
        let x = i as f64;
        T::from_parts((x * 1.7 + 0.3 * x * x).sin(), (x * 0.9 + 0.2 * x * x).cos())
    }

    /// An upper triangular matrix that is well conditioned.
    fn upper<T: Element>(n: usize) -> Vec<T> {
        let mut u: Vec<T> = (0..n * n).map(|i| value::<T>(i) * T::from_parts(1.0 / n as f64, 0.0)).collect();
        for i in 0..n {
            u[i * n..i * n + i].fill(T::default());
            u[i * n + i] = T::from_parts(1.5, 0.5);
        }
        u
    }

    fn product<T: Element>(
        m: usize,
        k: usize,
        n: usize,
        a: impl Fn(usize, usize) -> T,
        b: impl Fn(usize, usize) -> T,
    ) -> Vec<T> {
        let mut c = vec![T::default(); m * n];
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] = (0..k).fold(T::default(), |sum, t| sum + a(i, t) * b(t, j));
            }
        }
        c
    }

    fn close<T: Element>(found: &[T], right: &[T], tolerance: f64, chosen: impl Fn(usize) -> bool) {
        for (i, (x, y)) in found.iter().zip(right).enumerate() {
            let (re, im) = (*x - *y).parts();
            assert!(!chosen(i) || re.abs() + im.abs() <= tolerance, "element {i}: {x:?} for {y:?}");
        }
    }

    fn all<T: Element>(tolerance: f64) {
        for (n, b) in [(1, 3), (5, 1), (64, 40), (65, 7), (130, 33), (300, 70)] {
            let u = upper::<T>(n);
            let x: Vec<T> = (0..n * b).map(value).collect();
            let view = View::new(&u, n, n, n);
            let mut y = vec![T::default(); n * b];
            multiply_left(view, View::new(&x, n, b, b), &mut y, b);
            close(&y, &product(n, n, b, |i, t| u[i * n + t], |t, j| x[t * b + j]), tolerance, |_| true);
            multiply_right(View::new(&x, b, n, n), view, &mut y, n);
            close(&y, &product(b, n, n, |i, t| x[i * n + t], |t, j| u[j * n + t]), tolerance, |_| true);

            let conjugate: Vec<T> = u.iter().map(|u| u.conjugate()).collect();
            let mut y = x.clone();
            solve_adjoint(n, &conjugate, &mut y, b);
            let back = product(n, n, b, |i, t| u[t * n + i].conjugate(), |t, j| y[t * b + j]);
            close(&back, &x, tolerance, |_| true);

            let e: Vec<T> = upper::<T>(n).iter().map(|&e| e * value(3)).collect();
            let mut c = u.clone();
            add_upper_product(n, value(2), &e, &u, &mut c);
            let sum: Vec<T> = product(n, n, n, |i, t| e[i * n + t], |t, j| u[t * n + j]);
            let right: Vec<T> = sum.iter().zip(&u).map(|(&s, &u)| value::<T>(2) * s + u).collect();
            close(&c, &right, tolerance, |_| true);

            let left = View::new(&conjugate, n, n, n).transposed();
            gram_of_upper(n, left, view, &mut c);
            let right = product(n, n, n, |i, t| u[t * n + i].conjugate(), |t, j| u[t * n + j]);
            close(&c, &right, tolerance * 10.0, |at| at / n <= at % n);

            let adjoint: Vec<T> = x.iter().map(|x| x.conjugate()).collect();
            let rows = View::new(&x, n, b, b);
            let mut c = vec![T::default(); n * n];
            upper_of_product(T::ONE, rows, View::new(&adjoint, n, b, b).transposed(), T::default(), &mut c, n);
            let gram = product(n, b, n, |i, t| x[i * b + t], |t, j| x[j * b + t].conjugate());
            close(&c, &gram, tolerance * b as f64, |at| at / n <= at % n);
            mirror(n, &mut c);
            close(&c, &gram, tolerance * b as f64, |_| true);

            let mut turned = vec![T::default(); n * b];
            transpose(n, b, &x, &mut turned);
            assert!((0..n * b).all(|at| turned[at % b * n + at / b] == x[at]));
        }
    }

    #[test]
    fn triangular_products_and_solves_are_those_of_the_definitions() {
        all::<f32>(3e-5);
        all::<f64>(1e-13);
        all::<Complex32>(3e-5);
        all::<Complex64>(1e-13);
    }
}

//! Cholesky factorisation of one symmetric positive definite matrix, blocked.
//!
//! A = LLᵀ, A n × n, row-major, lower triangle; L overwrites it. Blocks of 48 columns: factor the diagonal
//! block, solve for the panel below, update the rest by dot products of rows (contiguous in row-major order).
//! Cost: n³/3 flop. What bounds it: multiply-adds of the update, four rows × four columns of dot products
//! at a time (16 vector sums, 8 loads per 16 multiply-adds).

use crate::simd;

const BLOCK: usize = 48;
const WIDTH: usize = 8;

/// Factors the lower triangle of `a` (n × n, row-major) in place. Returns false, with `a` destroyed, if a pivot
/// is not above zero: the matrix is not (numerically) positive definite.
pub fn factor(n: usize, a: &mut [f64]) -> bool {
    factor_unless(n, a, &|| false)
}

simd! {
/// [`factor`], given up (and answered with false) as soon as `stop`, asked every 48 columns, says so.
pub fn factor_unless(n: usize, a: &mut [f64], stop: &dyn Fn() -> bool) -> bool {
    let mut start = 0;
    while start < n {
        if stop() {
            return false;
        }
        let end = (start + BLOCK).min(n);
        // Diagonal block and panel: columns start..end, with the contributions of earlier columns already taken off.
        for j in start..end {
            let (above, below) = a.split_at_mut((j + 1) * n);
            let row = &mut above[j * n + start..j * n + j + 1];
            let mut pivot = row[j - start];
            for k in 0..j - start {
                pivot = (-row[k]).mul_add(row[k], pivot);
            }
            if !(pivot > 0.0 && pivot.is_finite()) {
                return false;
            }
            let root = pivot.sqrt();
            let inverse = 1.0 / root;
            row[j - start] = root;
            let row = &above[j * n + start..j * n + j];
            for i in 0..n - j - 1 {
                let other = &mut below[i * n + start..i * n + j + 1];
                let sum = other[j - start] - dot(row, &other[..j - start]);
                other[j - start] = sum * inverse;
            }
        }
        update(n, start, end, a);
        start = end;
    }
    true
}
}

/// A[i][j] −= Σ_{start <= k < end} L[i][k] L[j][k] for end <= j <= i.
#[inline(always)]
fn update(n: usize, start: usize, end: usize, a: &mut [f64]) {
    // The panel's rows, copied together: they are read n times and would otherwise lie n apart.
    let width = end - start;
    let padded = width.div_ceil(WIDTH) * WIDTH;
    let mut panel = vec![0.0; (n - end).next_multiple_of(4) * padded];
    for i in end..n {
        panel[(i - end) * padded..][..width].copy_from_slice(&a[i * n + start..i * n + end]);
    }
    let mut i = end;
    while i < n {
        let mut j = end;
        while j <= i + 3 && j < n {
            let mut sums = [[[0.0; WIDTH]; 4]; 4];
            let mut k = 0;
            while k < padded {
                for r in 0..4 {
                    let x: &[f64; WIDTH] = panel[(i - end + r) * padded + k..][..WIDTH].try_into().expect("one vector");
                    for c in 0..4 {
                        let y: &[f64; WIDTH] =
                            panel[(j - end + c) * padded + k..][..WIDTH].try_into().expect("one vector");
                        for e in 0..WIDTH {
                            sums[r][c][e] = x[e].mul_add(y[e], sums[r][c][e]);
                        }
                    }
                }
                k += WIDTH;
            }
            for r in 0..4.min(n - i) {
                for c in 0..4.min(n - j) {
                    if j + c <= i + r {
                        let s = &sums[r][c];
                        a[(i + r) * n + j + c] -= ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
                    }
                }
            }
            j += 4;
        }
        i += 4;
    }
}

#[inline(always)]
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; WIDTH];
    let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<WIDTH>(), y.as_chunks::<WIDTH>());
    let mut tail = 0.0;
    for i in 0..x_tail.len() {
        tail = x_tail[i].mul_add(y_tail[i], tail);
    }
    for i in 0..xs.len() {
        for e in 0..WIDTH {
            sums[e] = xs[i][e].mul_add(ys[i][e], sums[e]);
        }
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + tail
}

simd! {
/// Solves LLᵀx = b in place, L from [`factor`].
pub fn solve(n: usize, l: &[f64], x: &mut [f64]) {
    for i in 0..n {
        let row = &l[i * n..i * n + i];
        x[i] = (x[i] - dot(row, &x[..i])) / l[i * n + i];
    }
    for i in (0..n).rev() {
        x[i] /= l[i * n + i];
        let value = x[i];
        let row = &l[i * n..i * n + i];
        let above = &mut x[..i];
        for j in 0..i {
            above[j] = (-value).mul_add(row[j], above[j]);
        }
    }
}
}

simd! {
    /// out = A x, A row-major with as many columns as x has elements.
    pub fn product(a: &[f64], x: &[f64], out: &mut [f64]) {
        let n = x.len();
        for i in 0..out.len() {
            out[i] = dot(&a[i * n..(i + 1) * n], x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    #[test]
    fn factors_multiply_back_and_solutions_satisfy_the_equations() {
        for n in [1, 2, 5, 47, 48, 49, 97, 182] {
            let mut random = Stream::new(5, Purpose::Probe, n as u32);
            let x: Vec<f64> = (0..n * (n + 3)).map(|_| random.normal()).collect();
            let mut a = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    a[i * n + j] = (0..n + 3).map(|t| x[t * n + i] * x[t * n + j]).sum();
                }
            }
            let b: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let mut l = a.clone();
            assert!(factor(n, &mut l));
            for i in 0..n {
                for j in 0..=i {
                    let back: f64 = (0..=j).map(|k| l[i * n + k] * l[j * n + k]).sum();
                    assert!((back - a[i * n + j]).abs() < 1e-10 * n as f64, "n {n}: {i} {j}");
                }
            }
            let mut y = b.clone();
            solve(n, &l, &mut y);
            for i in 0..n {
                let product: f64 = (0..n).map(|j| a[i * n + j] * y[j]).sum();
                let size: f64 = (0..n).map(|j| (a[i * n + j] * y[j]).abs()).sum();
                assert!((product - b[i]).abs() < 1e-12 * size, "n {n}");
            }
        }
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        let n = 60;
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = 1.0;
        }
        a[55 * n + 3] = 1.0 + 1e-9;
        assert!(!factor(n, &mut a));
        assert!(!factor(1, &mut [f64::NAN]));
    }
}

//! Cholesky factorisation of one symmetric positive definite matrix.
//!
//! A = LLᵀ, A n × n, row-major, lower triangle; L overwrites it. The work is done on U = Lᵀ, whose rows are
//! contiguous in the direction of every update: eight rows at a time are finished against each other, then taken
//! off all rows below, U_i ← U_i − Σ_k U_ki U_k, in one pass over each. Plain loops over slices, which the compiler
//! turns into vectors (it leaves tiles of sums in registers scalar here: 1.7 times as slow at n = 180).
//! Cost: n³/3 flop and two transpositions. What bounds it: loads, nine per eight multiply-adds.

use crate::dense::dot;
use crate::simd;

/// Rows taken off together.
const PANEL: usize = 8;
const WIDTH: usize = 8;

/// Factors the lower triangle of `a` (n × n, row-major) in place. Returns false, with `a` destroyed, if a pivot
/// is not above zero: the matrix is not (numerically) positive definite.
pub fn factor(n: usize, a: &mut [f64]) -> bool {
    factor_unless(n, a, &|| false)
}

simd! {
/// [`factor`], given up (and answered with false) as soon as `stop`, asked every 8 columns, says so.
pub fn factor_unless(n: usize, a: &mut [f64], stop: &dyn Fn() -> bool) -> bool {
    let mut u = vec![0.0; n * n];
    transpose(n, |i, j| j * n + i, |i, j| i * n + j, a, &mut u);
    for start in (0..n).step_by(PANEL) {
        if stop() {
            return false;
        }
        let end = (start + PANEL).min(n);
        for j in start..end {
            let (above, row) = u.split_at_mut(j * n);
            let row = &mut row[j..n];
            for k in start..j {
                let from = &above[k * n + j..(k + 1) * n];
                let factor = -from[0];
                for (y, x) in row.iter_mut().zip(from) {
                    *y = factor.mul_add(*x, *y);
                }
            }
            let pivot = row[0];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return false;
            }
            let root = pivot.sqrt();
            let inverse = 1.0 / root;
            row.iter_mut().for_each(|x| *x *= inverse);
            row[0] = root;
        }
        // Only a whole panel has rows below it.
        let (panel, rest) = u.split_at_mut(end * n);
        for i in end..n {
            let row = &mut rest[(i - end) * n + i..(i - end + 1) * n];
            let x = |r: usize| &panel[(start + r) * n + i..(start + r + 1) * n];
            take_off(row, [x(0), x(1), x(2), x(3), x(4), x(5), x(6), x(7)]);
        }
    }
    transpose(n, |i, j| i * n + j, |i, j| j * n + i, &u, a);
    true
}
}

/// to[place(i, j)] = from[source(i, j)] for j <= i, in tiles that stay in the first-level cache.
#[inline(always)]
fn transpose(
    n: usize,
    place: impl Fn(usize, usize) -> usize,
    source: impl Fn(usize, usize) -> usize,
    from: &[f64],
    to: &mut [f64],
) {
    for i0 in (0..n).step_by(WIDTH) {
        for j0 in (0..=i0).step_by(WIDTH) {
            for i in i0..(i0 + WIDTH).min(n) {
                for j in j0..(j0 + WIDTH).min(i + 1) {
                    to[place(i, j)] = from[source(i, j)];
                }
            }
        }
    }
}

/// y −= Σ_r x_r[0] x_r.
#[inline(always)]
fn take_off(y: &mut [f64], x: [&[f64]; PANEL]) {
    let size = y.len();
    // (`map` over the array stays a call.)
    let [a, b, c, d, e, f, g, h] = x;
    let x = [&a[..size], &b[..size], &c[..size], &d[..size], &e[..size], &f[..size], &g[..size], &h[..size]];
    let mut factor = [0.0; PANEL];
    for r in 0..PANEL {
        factor[r] = -x[r][0];
    }
    for t in 0..size {
        let mut sum = y[t];
        for r in 0..PANEL {
            sum = factor[r].mul_add(x[r][t], sum);
        }
        y[t] = sum;
    }
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

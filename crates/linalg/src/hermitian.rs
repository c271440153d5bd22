//! The spectral norm of a Hermitian or skew-Hermitian matrix: exact, or a lower bound from a few products.
//!
//! Matrices are row-major, n × n; the upper triangle is read.
//!
//! Sources: C. Lanczos (1950), "An iteration method for the solution of the eigenvalue problem of linear differential and
//! integral operators"; J. H. Wilkinson (1965), "The algebraic eigenvalue problem" (Householder reduction, bisection by
//! Sturm sequences).

use crate::element::Element;
use crate::tridiagonal::reflect;

/// Products with the matrix (twice as many for a skew one) that a bound takes.
const STEPS: usize = 6;
const WIDTH: usize = 32;

/// y ← Ax, A = ±Aᴴ as `sign` says. One pass over the triangle. What bounds it: reading it, 2 loads and a store of y beside.
#[inline(always)]
pub(crate) fn product<T: Element>(n: usize, a: &[T], sign: f64, x: &[T], y: &mut [T]) {
    let sign = T::from_parts(sign, 0.0);
    y[..n].fill(T::default());
    for i in 0..n {
        let row = &a[i * n + i + 1..(i + 1) * n];
        let (head, rest) = y[i..n].split_at_mut(1);
        let (xs, below) = (&x[i + 1..n], sign * x[i]);
        let mut sums = [T::default(); WIDTH];
        let (blocks, tail) = row.as_chunks::<WIDTH>();
        let ((ys, y_tail), (xs, x_tail)) = (rest.as_chunks_mut::<WIDTH>(), xs.as_chunks::<WIDTH>());
        for ((a, y), x) in blocks.iter().zip(ys).zip(xs) {
            for e in 0..WIDTH {
                sums[e] = a[e].times_plus(x[e], sums[e]);
                y[e] = a[e].conjugate().times_plus(below, y[e]);
            }
        }
        for (e, ((a, y), x)) in tail.iter().zip(y_tail).zip(x_tail).enumerate() {
            sums[e] = a.times_plus(*x, sums[e]);
            *y = a.conjugate().times_plus(below, *y);
        }
        let mut width = WIDTH;
        while width > 1 {
            width /= 2;
            for e in 0..width {
                sums[e] = sums[e] + sums[e + width];
            }
        }
        head[0] = a[i * n + i].times_plus(x[i], head[0] + sums[0]);
    }
}

fn norm<T: Element>(x: &[T]) -> f64 {
    let mut sum = 0.0;
    for x in x {
        let (re, im) = x.parts();
        sum += re * re + im * im;
    }
    sum.sqrt()
}

/// x ← x/size.
fn normalise<T: Element>(size: f64, x: &mut [T]) {
    for x in x {
        let (re, im) = x.parts();
        *x = T::from_parts(re / size, im / size);
    }
}

/// A lower bound for the norm of A = Aᴴ ⪰ 0, or of A = −Aᴴ where `skew`: the largest Ritz value of six Lanczos steps from
/// the column of largest norm; so at least that column's norm. Deterministic. `work` holds 4n elements;
/// `sums` is resized to n.
/// Cost: about 7n² multiply-adds (13n² where skew).
pub fn norm_bound<T: Element>(n: usize, a: &[T], skew: bool, work: &mut [T], sums: &mut Vec<f64>) -> f64 {
    let (sign, mut rest) = (if skew { -1.0 } else { 1.0 }, &mut work[..4 * n]);
    let [x, old, y, z] = [(); 4].map(|()| {
        let (part, others) = std::mem::take(&mut rest).split_at_mut(n);
        rest = others;
        part
    });
    let column = largest_column(n, a, sums);
    for i in 0..n {
        x[i] = if i <= column { a[i * n + column] } else { T::from_parts(sign, 0.0) * a[column * n + i].conjugate() };
    }
    let size = norm(x);
    if size == 0.0 || !size.is_finite() {
        return size;
    }
    normalise(size, x);
    old.fill(T::default());
    let (mut diagonal, mut off) = ([0.0; STEPS], [0.0; STEPS]);
    let mut count = 0;
    while count < STEPS.min(n) {
        if skew {
            // AᴴA = −A², whose largest eigenvalue is the norm's square.
            T::hermitian_product(n, a, sign, x, z);
            T::hermitian_product(n, a, sign, z, y);
            y.iter_mut().for_each(|y| *y = -*y);
        } else {
            T::hermitian_product(n, a, sign, x, y);
        }
        diagonal[count] = dot(x, y);
        let (alpha, beta) = (diagonal[count], if count > 0 { off[count - 1] } else { 0.0 });
        for i in 0..n {
            let ((xr, xi), (or, oi), (yr, yi)) = (x[i].parts(), old[i].parts(), y[i].parts());
            y[i] = T::from_parts(yr - alpha * xr - beta * or, yi - alpha * xi - beta * oi);
        }
        off[count] = norm(y);
        count += 1;
        if off[count - 1] <= 1e-6 * diagonal[0].abs() {
            break;
        }
        normalise(off[count - 1], y);
        old.copy_from_slice(x);
        x.copy_from_slice(y);
    }
    let largest = largest_of_tridiagonal(&diagonal[..count], &off[..count]);
    let bound = if skew { largest.max(0.0).sqrt() } else { largest };
    bound.max(size)
}

/// Re xᴴy.
fn dot<T: Element>(x: &[T], y: &[T]) -> f64 {
    let mut sum = 0.0;
    for (x, y) in x.iter().zip(y) {
        let ((xr, xi), (yr, yi)) = (x.parts(), y.parts());
        sum += xr * yr + xi * yi;
    }
    sum
}

/// The column whose norm is largest, the first of several. `sums` is resized to n.
pub fn largest_column<T: Element>(n: usize, a: &[T], sums: &mut Vec<f64>) -> usize {
    let (mut best, mut largest) = (0, -1.0);
    // Rows of the triangle only: half of each column's squares is on its row, half above.
    sums.clear();
    sums.resize(n, 0.0);
    for i in 0..n {
        let mut sum = 0.0;
        for j in i..n {
            let (re, im) = a[i * n + j].parts();
            let square = re * re + im * im;
            sum += square;
            sums[j] += square;
        }
        let own = a[i * n + i].parts();
        let total = sums[i] + sum - (own.0 * own.0 + own.1 * own.1);
        if total > largest {
            (best, largest) = (i, total);
        }
    }
    best
}

/// The largest eigenvalue of A = Aᴴ, to rounding. `work` is resized to what is needed, 4(n² + n) numbers for complex ones.
/// Cost: 4n³/3 flop (eight times as much for complex numbers).
pub fn largest_eigenvalue<T: Element>(n: usize, a: &[T], work: &mut Vec<f64>) -> f64 {
    let parts = 1 + usize::from(T::HAS_IMAGINARY);
    let m = parts * n;
    work.clear();
    work.resize(m * m + 4 * m, 0.0);
    let (s, rest) = work.split_at_mut(m * m);
    let (diagonal, rest) = rest.split_at_mut(m);
    let (off, rest) = rest.split_at_mut(m);
    let (v, w) = rest.split_at_mut(m);
    let mut peak = 0.0_f64;
    for i in 0..n {
        for j in i..n {
            let (re, im) = a[i * n + j].parts();
            if !(re + im).is_finite() {
                return f64::NAN;
            }
            peak = peak.max(re.abs()).max(im.abs());
            s[j * m + i] = re;
            if parts == 2 {
                // [[Re, −Im], [Im, Re]] has every eigenvalue twice.
                s[(n + j) * m + n + i] = re;
                s[(n + i) * m + j] = im;
                s[(n + j) * m + i] = -im;
            }
        }
    }
    if peak == 0.0 {
        return 0.0;
    }
    s.iter_mut().for_each(|x| *x /= peak);
    for k in 0..m {
        diagonal[k] = s[k * m + k];
        if k + 1 == m {
            break;
        }
        let size = m - k - 1;
        for i in 0..size {
            v[i] = s[(k + 1 + i) * m + k];
        }
        let tail: f64 = v[1..size].iter().map(|x| x * x).sum();
        if tail == 0.0 {
            off[k] = v[0];
            continue;
        }
        let norm = (tail + v[0] * v[0]).sqrt();
        off[k] = if v[0] > 0.0 { -norm } else { norm };
        v[0] -= off[k];
        reflect(m, k + 1, 2.0 / (tail + v[0] * v[0]), &v[..size], s, &mut w[..size]);
    }
    peak * largest_of_tridiagonal(diagonal, off)
}

/// The largest eigenvalue of a symmetric tridiagonal matrix, by bisection.
fn largest_of_tridiagonal(diagonal: &[f64], off: &[f64]) -> f64 {
    let n = diagonal.len();
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for i in 0..n {
        let before = if i > 0 { off[i - 1].abs() } else { 0.0 };
        let behind = if i + 1 < n { off[i].abs() } else { 0.0 };
        low = low.max(diagonal[i]);
        high = high.max(diagonal[i] + before + behind);
    }
    // Whether an eigenvalue lies above x: a pivot of x − T is not positive.
    let above = |x: f64| {
        let mut pivot = x - diagonal[0];
        for i in 1..n {
            if pivot <= 0.0 {
                return true;
            }
            pivot = x - diagonal[i] - off[i - 1] * off[i - 1] / pivot;
        }
        pivot <= 0.0
    };
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        *(if above(middle) { &mut low } else { &mut high }) = middle;
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_complex::{Complex32, Complex64};

    /// Σ_k λ_k q_k q_kᴴ with orthonormal q_k, and −i times it where skew (for complex numbers).
    fn with_spectrum<T: Element>(values: &[f64]) -> Vec<T> {
        let n = values.len();
        let mut q: Vec<Vec<(f64, f64)>> = Vec::new();
        for k in 0..n {
            let draw = |i: usize| ((1.0 + (k * n + i) as f64 * 1.3).sin(), (2.0 + ((k * n + i) as f64).powi(2)).cos());
            let mut v: Vec<(f64, f64)> =
                (0..n).map(draw).map(|(re, im)| (re, if T::HAS_IMAGINARY { im } else { 0.0 })).collect();
            for _ in 0..2 {
                for u in &q {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (u, v) in u.iter().zip(&v) {
                        re += u.0 * v.0 + u.1 * v.1;
                        im += u.0 * v.1 - u.1 * v.0;
                    }
                    for (v, u) in v.iter_mut().zip(u) {
                        *v = (v.0 - re * u.0 + im * u.1, v.1 - re * u.1 - im * u.0);
                    }
                }
            }
            let size = v.iter().map(|v| v.0 * v.0 + v.1 * v.1).sum::<f64>().sqrt();
            q.push(v.iter().map(|v| (v.0 / size, v.1 / size)).collect());
        }
        let mut a = vec![T::default(); n * n];
        for i in 0..n {
            for j in 0..n {
                let (mut re, mut im) = (0.0, 0.0);
                for (value, q) in values.iter().zip(&q) {
                    re += value * (q[i].0 * q[j].0 + q[i].1 * q[j].1);
                    im += value * (q[i].1 * q[j].0 - q[i].0 * q[j].1);
                }
                a[i * n + j] = T::from_parts(re, im);
            }
        }
        a
    }

    fn all<T: Element>(tolerance: f64) {
        for n in [1, 2, 7, 31, 90] {
            let values: Vec<f64> = (0..n).map(|k| 3.0 / (1.0 + k as f64)).collect();
            let a = with_spectrum::<T>(&values);
            let exact = largest_eigenvalue(n, &a, &mut Vec::new());
            assert!((exact - 3.0).abs() < tolerance, "n {n}: {exact}");
            let bound = norm_bound(n, &a, false, &mut vec![T::default(); 4 * n], &mut Vec::new());
            assert!(bound <= 3.0 + tolerance && bound > 2.9, "n {n}: {bound}");
        }
        // The first column is an eigenvector of another value, which a start from it would never leave.
        let blocks: Vec<T> = [2.0, 0.0, 0.0, 0.0, 1.5, 1.0, 0.0, 1.0, 1.5].map(|x| T::from_parts(x, 0.0)).to_vec();
        assert!((largest_eigenvalue(3, &blocks, &mut Vec::new()) - 2.5).abs() < tolerance);
        assert_eq!(largest_eigenvalue(2, &[T::default(); 4], &mut Vec::new()), 0.0);
    }

    #[test]
    fn the_largest_eigenvalue_is_found_and_never_exceeded_by_its_bound() {
        all::<f32>(1e-5);
        all::<f64>(1e-13);
        all::<Complex32>(1e-5);
        all::<Complex64>(1e-13);
    }

    #[test]
    fn the_norm_of_a_skew_matrix_is_bounded() {
        // i·H is skew-Hermitian; x ↦ (x, −x) by pairs is the real case.
        let h = with_spectrum::<Complex64>(&[2.0, -3.0, 1.0, 0.5, 0.1]);
        let skew: Vec<Complex64> = h.iter().map(|h| Complex64::i() * h).collect();
        let bound = norm_bound(5, &skew, true, &mut [Complex64::default(); 20], &mut Vec::new());
        assert!((bound - 3.0).abs() < 1e-12, "{bound}");
        let pairs = [0.0, 2.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, -5.0, 0.0];
        assert!((norm_bound(4, &pairs, true, &mut [0.0; 16], &mut Vec::new()) - 5.0).abs() < 1e-12);
    }
}

//! Eigenvalues and eigenvectors of a symmetric matrix that can be given up on the way.
//!
//! Householder reflections to tridiagonal form, then implicit QL steps with Wilkinson's shift. Everything runs along rows:
//! the lower triangle is read once a reflection, and the rotations of some QL sweeps are kept and applied together to a few
//! columns at a time, which stay in the second cache. About 9n³ flop; 2n² numbers besides A. What bounds it: the
//! reflections by memory beyond n = 400 or so, the rotations by their 6 flop on 2 loads and 2 stores.
//!
//! Sources: H. Bowdler, R. S. Martin, C. Reinsch, J. H. Wilkinson (1968), "The QR and QL algorithms for symmetric
//! matrices"; G. H. Golub, C. F. Van Loan (2013), "Matrix computations", 8.3.

use crate::simd;

/// Columns of the vectors that are rotated at a time.
const PANEL: usize = 64;
/// QL steps for one eigenvalue; it usually takes two.
const MOST: usize = 60;

/// Eigenvalues in no order, and eigenvectors (row i belongs to value i), of a symmetric n × n matrix of which the lower
/// triangle is read, row-major. `None` for non-finite input, if QL does not converge (neither was ever seen for finite
/// numbers below 1e150), or as soon as `stop`, asked every millisecond or so, says so.
pub fn symmetric_unless(n: usize, a: &[f64], stop: &dyn Fn() -> bool) -> Option<(Vec<f64>, Vec<f64>)> {
    if a.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut a = a.to_vec();
    let (mut diagonal, mut off) = (vec![0.0; n], vec![0.0; n]);
    // The reflections: v behind the diagonal of row k, and 2/vᵀv.
    let (mut v, mut w) = (vec![0.0; n * n], vec![0.0; n]);
    let mut factor = vec![0.0; n];
    for k in 0..n {
        if stop() {
            return None;
        }
        diagonal[k] = a[k * n + k];
        if k + 1 == n {
            break;
        }
        let m = n - k - 1;
        let direction = &mut v[k * n + k + 1..(k + 1) * n];
        for i in 0..m {
            direction[i] = a[(k + 1 + i) * n + k];
        }
        let rest: f64 = direction[1..].iter().map(|x| x * x).sum();
        if rest == 0.0 {
            off[k] = direction[0];
            continue;
        }
        let norm = rest.sqrt().hypot(direction[0]);
        let target = if direction[0] > 0.0 { -norm } else { norm };
        off[k] = target;
        direction[0] -= target;
        factor[k] = 2.0 / (rest + direction[0] * direction[0]);
        reflect(n, k + 1, factor[k], direction, &mut a, &mut w[..m]);
    }
    // Qᵀ, row-major: the reflections from the last to the first.
    let mut q = vec![0.0; n * n];
    for i in 0..n {
        q[i * n + i] = 1.0;
    }
    for k in (0..n).rev() {
        if stop() {
            return None;
        }
        if factor[k] != 0.0 {
            apply(n, k + 1, factor[k], &v[k * n + k + 1..(k + 1) * n], &mut q);
        }
    }
    rotate_out(n, &mut diagonal, &mut off, &mut q, stop).then_some((diagonal, q))
}

simd! {
/// The trailing block, from row and column `first` on: A ← (I − βvvᵀ)A(I − βvvᵀ), lower triangle.
pub(crate) fn reflect(n: usize, first: usize, beta: f64, v: &[f64], a: &mut [f64], w: &mut [f64]) {
    w.fill(0.0);
    for (i, row) in a[first * n..].chunks_exact(n).enumerate() {
        let row = &row[first..first + i + 1];
        let scale = v[i];
        let mut sums = [0.0; 8];
        let (blocks, rest) = row[..i].as_chunks::<8>();
        let (ws, ws_rest) = w[..i].as_chunks_mut::<8>();
        let (vs, vs_rest) = v[..i].as_chunks::<8>();
        for ((a, w), v) in blocks.iter().zip(ws).zip(vs) {
            for e in 0..8 {
                sums[e] = a[e].mul_add(v[e], sums[e]);
                w[e] = a[e].mul_add(scale, w[e]);
            }
        }
        for ((e, (a, w)), v) in rest.iter().zip(ws_rest).enumerate().zip(vs_rest) {
            sums[e] = a.mul_add(*v, sums[e]);
            *w = a.mul_add(scale, *w);
        }
        w[i] += row[i] * scale + sums.iter().sum::<f64>();
    }
    let mut product = 0.0;
    for (w, v) in w.iter_mut().zip(v) {
        *w *= beta;
        product += *w * v;
    }
    let half = 0.5 * beta * product;
    for (w, v) in w.iter_mut().zip(v) {
        *w -= half * v;
    }
    for (i, row) in a[first * n..].chunks_exact_mut(n).enumerate() {
        let (vi, wi) = (v[i], w[i]);
        for ((a, v), w) in row[first..first + i + 1].iter_mut().zip(v).zip(w.iter()) {
            *a = (-vi).mul_add(*w, (-wi).mul_add(*v, *a));
        }
    }
}

/// Q ← Q(I − βvvᵀ) for the rows and columns from `first` on.
fn apply(n: usize, first: usize, beta: f64, v: &[f64], q: &mut [f64]) {
    for row in q[first * n..].chunks_exact_mut(n) {
        let row = &mut row[first..];
        let mut sums = [0.0; 8];
        let ((blocks, rest), (vs, vs_rest)) = (row.as_chunks::<8>(), v.as_chunks::<8>());
        for (x, v) in blocks.iter().zip(vs) {
            for e in 0..8 {
                sums[e] = x[e].mul_add(v[e], sums[e]);
            }
        }
        for (e, (x, v)) in rest.iter().zip(vs_rest).enumerate() {
            sums[e] = x.mul_add(*v, sums[e]);
        }
        let scale = -beta * sums.iter().sum::<f64>();
        for (x, v) in row.iter_mut().zip(v) {
            *x = scale.mul_add(*v, *x);
        }
    }
}

/// Rows i and i + 1 of Q ← (c·row_i − s·row_{i+1}, s·row_i + c·row_{i+1}) for each (i, c, s), in order.
fn rotate(n: usize, rotations: &[(usize, f64, f64)], q: &mut [f64]) {
    for begin in (0..n).step_by(PANEL) {
        let end = (begin + PANEL).min(n);
        for &(i, c, s) in rotations {
            let (upper, lower) = q[i * n..(i + 2) * n].split_at_mut(n);
            for (x, y) in upper[begin..end].iter_mut().zip(&mut lower[begin..end]) {
                let (first, second) = (*x, *y);
                *x = c.mul_add(first, -s * second);
                *y = s.mul_add(first, c * second);
            }
        }
    }
}
}

/// Implicit QL on the tridiagonal matrix; the rows of Q become its eigenvectors. False if it has not converged, or `stop`.
fn rotate_out(n: usize, d: &mut [f64], e: &mut [f64], q: &mut [f64], stop: &dyn Fn() -> bool) -> bool {
    let mut kept: Vec<(usize, f64, f64)> = Vec::with_capacity(20 * n);
    for l in 0..n {
        for step in 0.. {
            let negligible = |k: &usize| k + 1 == n || e[*k].abs() <= f64::EPSILON * (d[*k].abs() + d[k + 1].abs());
            let m = (l..n).find(negligible).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if step == MOST {
                return false;
            }
            // Wilkinson's shift.
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let root = g.hypot(1.0);
            let mut g = d[m] - d[l] + e[l] / (g + root.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                let shifted = d[i + 1] - p;
                let t = (d[i] - shifted) * s + 2.0 * c * b;
                p = s * t;
                d[i + 1] = shifted + p;
                g = c * t - b;
                kept.push((i, c, s));
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
            if kept.len() >= 16 * n {
                if stop() {
                    return false;
                }
                rotate(n, &kept, q);
                kept.clear();
            }
        }
    }
    rotate(n, &kept, q);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_orthonormal_and_belong_to_their_values() {
        for n in [1, 2, 3, 7, 65, 130] {
            for repeated in [false, true] {
                let value = |i: usize, j: usize| {
                    if repeated { ((i / 2 + j / 2) as f64).cos() } else { ((i * j + i + j) as f64).sin() }
                };
                let a: Vec<f64> = (0..n * n).map(|k| value((k / n).max(k % n), (k / n).min(k % n))).collect();
                let (values, vectors) = symmetric_unless(n, &a, &|| false).expect("finite");
                let size = a.iter().map(|v| v * v).sum::<f64>().sqrt();
                for i in 0..n {
                    let x = &vectors[i * n..(i + 1) * n];
                    for j in 0..n {
                        let product: f64 = x.iter().zip(&vectors[j * n..(j + 1) * n]).map(|(a, b)| a * b).sum();
                        assert!((product - f64::from(u8::from(i == j))).abs() < 1e-13, "n {n}: {i} {j}");
                        let image: f64 = (0..n).map(|c| a[j * n + c] * x[c]).sum();
                        assert!((image - values[i] * x[j]).abs() < 1e-13 * size.max(1.0), "n {n}: {i}");
                    }
                }
            }
        }
        assert!(symmetric_unless(2, &[f64::NAN, 0.0, 0.0, 1.0], &|| false).is_none());
        assert!(symmetric_unless(2, &[1.0, 0.0, 0.0, 1.0], &|| true).is_none());
        assert!(symmetric_unless(0, &[], &|| false).is_some());
    }
}

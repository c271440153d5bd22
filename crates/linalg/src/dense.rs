//! Products and updates of one dense matrix, row-major. What bounds them: the matrix, once through the second-level cache.

use crate::simd;

const WIDTH: usize = 8;

/// x·y in eight sums.
#[inline(always)]
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
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
    /// x·y.
    pub fn inner(x: &[f64], y: &[f64]) -> f64 {
        dot(x, y)
    }

    /// y += a x.
    pub fn add_scaled(a: f64, x: &[f64], y: &mut [f64]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = a.mul_add(x, *y);
        }
    }

    /// (c x − s y, s x + c y): a rotation of two vectors.
    pub fn rotate(c: f64, s: f64, x: &mut [f64], y: &mut [f64]) {
        for (x, y) in x.iter_mut().zip(y) {
            let (u, v) = (*x, *y);
            *x = c * u - s * v;
            *y = s * u + c * v;
        }
    }

    /// out = A x, with as many columns as x has elements.
    pub fn product(a: &[f64], x: &[f64], out: &mut [f64]) {
        let n = x.len();
        for i in 0..out.len() {
            out[i] = dot(&a[i * n..(i + 1) * n], x);
        }
    }

    /// A += x uᵀ, with as many rows as x and columns as u have elements.
    pub fn add_outer(a: &mut [f64], x: &[f64], u: &[f64]) {
        let n = u.len();
        for r in 0..x.len() {
            let row = &mut a[r * n..(r + 1) * n];
            for c in 0..n {
                row[c] = x[r].mul_add(u[c], row[c]);
            }
        }
    }

    /// A += x uᵀ + y vᵀ, with as many rows as x and columns as u have elements.
    pub fn add_two_products(a: &mut [f64], x: &[f64], u: &[f64], y: &[f64], v: &[f64]) {
        let n = u.len();
        let v = &v[..n];
        for r in 0..x.len() {
            let row = &mut a[r * n..(r + 1) * n];
            let (x, y) = (x[r], y[r]);
            for c in 0..n {
                row[c] = x.mul_add(u[c], y.mul_add(v[c], row[c]));
            }
        }
    }

    /// out += Σ_k x_k A_{rows[k]}: a combination of some rows of A.
    pub fn add_rows(a: &[f64], rows: &[usize], x: &[f64], out: &mut [f64]) {
        let n = out.len();
        for (&r, &x) in rows.iter().zip(x) {
            let row = &a[r * n..(r + 1) * n];
            for c in 0..n {
                out[c] = x.mul_add(row[c], out[c]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    #[test]
    fn products_and_updates_are_those_of_the_definitions() {
        for n in [1, 7, 8, 19] {
            let mut random = Stream::new(11, Purpose::Probe, n as u32);
            let mut draw = |count: usize| (0..count).map(|_| random.normal()).collect::<Vec<f64>>();
            let (m, a) = (n + 3, draw((n + 3) * n));
            let (x, u, y, v) = (draw(m), draw(n), draw(m), draw(n));
            let close = |found: &[f64], right: &dyn Fn(usize) -> f64| {
                found.iter().enumerate().for_each(|(i, f)| assert!((f - right(i)).abs() < 1e-12, "n {n}: {i}"));
            };
            let mut out = vec![0.0; m];
            product(&a, &u, &mut out);
            close(&out, &|r| (0..n).map(|c| a[r * n + c] * u[c]).sum());
            let mut updated = a.clone();
            add_two_products(&mut updated, &x, &u, &y, &v);
            close(&updated, &|at| a[at] + x[at / n] * u[at % n] + y[at / n] * v[at % n]);
            let mut out = u.clone();
            add_rows(&a, &[2, 0], &[x[0], x[1]], &mut out);
            close(&out, &|c| u[c] + x[0] * a[2 * n + c] + x[1] * a[c]);
        }
    }
}

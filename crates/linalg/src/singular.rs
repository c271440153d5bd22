//! Dense least squares without normal equations: Householder's QR of a tall matrix, singular values of its triangle.
//!
//! Matrices are column-major here, as both methods work on whole columns. Sources: G. H. Golub, C. F. Van Loan (2013),
//! "Matrix computations", 5.2 and 8.6.3; J. Demmel, K. Veselić (1992), "Jacobi's method is more accurate than QR".

use crate::dense::{add_scaled, inner, rotate};

/// ‖x‖ without overflow or underflow of the squares; NaN if an element is.
pub fn norm(x: &[f64]) -> f64 {
    let squares = inner(x, x);
    if squares.is_nan() || squares > 1e-280 && squares < f64::INFINITY {
        return squares.sqrt();
    }
    let peak = x.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    if peak == 0.0 || !peak.is_finite() {
        return peak;
    }
    peak * x.iter().map(|x| (x / peak) * (x / peak)).sum::<f64>().sqrt()
}

/// A = QR in place: the triangle R in the first min(m, n) rows of the m × n matrix, zeros below; b ← Qᵀb.
/// 2mn² − 2n³/3 operations.
pub fn triangularise(a: &mut [f64], m: usize, n: usize, b: &mut [f64]) {
    for j in 0..n.min(m) {
        let (done, rest) = a.split_at_mut((j + 1) * m);
        let v = &mut done[j * m + j..];
        let length = norm(v);
        if length == 0.0 {
            continue;
        }
        let pivot = if v[0] > 0.0 { -length } else { length };
        // v/v₁, of which the first element is 1: I − τ v vᵀ, τ = (pivot − v₁)/pivot.
        let head = v[0] - pivot;
        v.iter_mut().for_each(|v| *v /= head);
        v[0] = 1.0;
        let factor = -head / pivot;
        for column in rest.chunks_exact_mut(m) {
            let share = factor * inner(v, &column[j..]);
            add_scaled(-share, v, &mut column[j..]);
        }
        let share = factor * inner(v, &b[j..]);
        add_scaled(-share, v, &mut b[j..]);
        v.fill(0.0);
        v[0] = pivot;
    }
}

/// A = U Σ Vᵀ of a small matrix.
#[derive(Clone, Debug, Default)]
pub struct Singular {
    /// Rows of A.
    pub rows: usize,
    /// Columns of A.
    pub cols: usize,
    /// UΣ, column by column.
    pub scaled: Vec<f64>,
    /// V, column by column.
    pub right: Vec<f64>,
    /// σ, in falling order.
    pub values: Vec<f64>,
}

/// Sweeps after which the rotations end in any case; five to eight are usual.
const SWEEPS: usize = 60;

/// Singular values by one-sided Jacobi rotations of the columns: small ones are as accurate, relative to their size, as
/// the columns determine them. About 18 n²·rows operations.
pub fn singular(mut a: Vec<f64>, rows: usize, cols: usize) -> Singular {
    let mut right = vec![0.0; cols * cols];
    for j in 0..cols {
        right[j * cols + j] = 1.0;
    }
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..cols {
            for q in p + 1..cols {
                let (head, tail) = a.split_at_mut(q * rows);
                let (x, y) = (&mut head[p * rows..(p + 1) * rows], &mut tail[..rows]);
                let (xx, yy, xy) = (inner(x, x), inner(y, y), inner(x, y));
                // Columns of rounding errors never become orthogonal.
                if xy.abs() <= f64::EPSILON * (xx * yy).sqrt() || xx.min(yy) <= 1e-40 * xx.max(yy) {
                    continue;
                }
                rotated = true;
                let zeta = (yy - xx) / (2.0 * xy);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                rotate(c, c * t, x, y);
                let (head, tail) = right.split_at_mut(q * cols);
                rotate(c, c * t, &mut head[p * cols..(p + 1) * cols], &mut tail[..cols]);
            }
        }
        if !rotated {
            break;
        }
    }
    let sizes: Vec<f64> = (0..cols).map(|j| norm(&a[j * rows..(j + 1) * rows])).collect();
    let mut order: Vec<usize> = (0..cols).collect();
    order.sort_by(|&i, &j| sizes[j].total_cmp(&sizes[i]));
    let gather =
        |from: &[f64], size: usize| order.iter().flat_map(|&j| from[j * size..(j + 1) * size].to_vec()).collect();
    Singular {
        rows,
        cols,
        scaled: gather(&a, rows),
        right: gather(&right, cols),
        values: order.iter().map(|&j| sizes[j]).collect(),
    }
}

impl Singular {
    /// Singular values above `share` of the largest.
    pub fn rank(&self, share: f64) -> usize {
        let least = share * self.values.first().copied().unwrap_or(0.0);
        self.values.iter().take_while(|&&value| value > least).count()
    }

    /// Column j of V.
    pub fn direction(&self, j: usize) -> &[f64] {
        &self.right[j * self.cols..(j + 1) * self.cols]
    }

    /// σⱼ uⱼᵀ b for all j.
    pub fn projections(&self, b: &[f64]) -> Vec<f64> {
        self.scaled.chunks_exact(self.rows.max(1)).map(|column| inner(column, b)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    fn product(a: &[f64], rows: usize, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; rows];
        x.iter().enumerate().for_each(|(j, x)| add_scaled(*x, &a[j * rows..(j + 1) * rows], &mut out));
        out
    }

    #[test]
    fn the_factors_are_orthogonal_and_give_the_matrix_back() {
        for (m, n) in [(1, 1), (5, 5), (40, 7), (3, 6)] {
            let mut random = Stream::new(5, Purpose::Probe, (m * n) as u32);
            let a: Vec<f64> = (0..m * n).map(|_| random.normal()).collect();
            let x: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let (mut r, mut b) = (a.clone(), product(&a, m, &x));
            let size = norm(&b);
            triangularise(&mut r, m, n, &mut b);
            // QᵀAx = Rx, of the same length, and R is a triangle.
            let rx = product(&r, m, &x);
            assert!(rx.iter().zip(&b).all(|(p, q)| (p - q).abs() < 1e-13 * size), "{m} × {n}");
            assert!((norm(&b) - size).abs() < 1e-13 * size);
            assert!((0..n).all(|j| r[j * m + (j + 1).min(m)..(j + 1) * m].iter().all(|&r| r == 0.0)));
            let found = singular(a.clone(), m, n);
            assert!(found.values.is_sorted_by(|a, b| a >= b));
            for i in 0..n {
                for j in 0..n {
                    let (v, w) = (found.direction(i), found.direction(j));
                    assert!((inner(v, w) - f64::from(u8::from(i == j))).abs() < 1e-13);
                }
                let image = product(&a, m, found.direction(i));
                let scaled = &found.scaled[i * m..(i + 1) * m];
                assert!(image.iter().zip(scaled).all(|(p, q)| (p - q).abs() < 1e-13 * found.values[0]));
                assert!((norm(&image) - found.values[i]).abs() < 1e-13 * found.values[0]);
            }
        }
    }

    #[test]
    fn a_small_singular_value_keeps_its_digits() {
        // An orthogonal matrix times a graded diagonal: 1 and 1e-20 exactly.
        let (c, s) = (0.6, 0.8);
        let a = vec![c, s, -s * 1e-20, c * 1e-20];
        let found = singular(a, 2, 2);
        assert!((found.values[0] - 1.0).abs() < 1e-15 && (found.values[1] / 1e-20 - 1.0).abs() < 1e-14);
        assert_eq!((found.rank(1e-15), found.rank(1e-21)), (1, 2));
    }

    #[test]
    fn equal_columns_and_zeros_lower_the_rank() {
        let a = vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0];
        let found = singular(a, 3, 3);
        assert_eq!(found.rank(1e-14), 1);
        assert!((found.values[0] - 28_f64.sqrt()).abs() < 1e-14);
        assert!(
            (norm(&[3e200, 4e200]) / 5e200 - 1.0).abs() < 1e-15
                && (norm(&[3e-200, 4e-200]) / 5e-200 - 1.0).abs() < 1e-15
        );
    }
}

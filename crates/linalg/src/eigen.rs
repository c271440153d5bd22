//! Eigenvalues of a symmetric matrix, with a limit on the work.

use nalgebra::{DMatrix, SymmetricEigen};

/// Eigenvalues (ascending) and eigenvectors (row i belongs to value i) of a symmetric n × n matrix, row-major.
///
/// `None` for non-finite input, or if the QR iteration has not ended after 100 n rounds (it usually needs 2n).
/// Cost: about 9n³ flop.
pub fn symmetric(n: usize, a: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    if a.iter().any(|v| !v.is_finite()) {
        return None;
    }
    if n == 0 {
        return Some((Vec::new(), Vec::new()));
    }
    let eigen = SymmetricEigen::try_new(DMatrix::from_row_slice(n, n, a), f64::EPSILON, 100 * n)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| eigen.eigenvalues[i].total_cmp(&eigen.eigenvalues[j]));
    let values = order.iter().map(|&i| eigen.eigenvalues[i]).collect();
    let vectors = order.iter().flat_map(|&i| eigen.eigenvectors.column(i).iter().copied().collect::<Vec<_>>()).collect();
    Some((values, vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_ascend_and_vectors_belong_to_them() {
        let a = [2.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, -5.0];
        let (values, vectors) = symmetric(3, &a).expect("a small matrix");
        for (value, expected) in values.iter().zip([-5.0, 1.0, 3.0]) {
            assert!((value - expected).abs() < 1e-14);
        }
        for i in 0..3 {
            for r in 0..3 {
                let product: f64 = (0..3).map(|c| a[r * 3 + c] * vectors[i * 3 + c]).sum();
                assert!((product - values[i] * vectors[i * 3 + r]).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn non_finite_input_is_answered_not_looped_over() {
        assert!(symmetric(2, &[f64::NAN, 0.0, 0.0, 1.0]).is_none());
    }
}

//! The norm ℓ that a factor's step is divided by.

use headwater_linalg::gemm::{View, multiply};
use headwater_linalg::hermitian::{largest_column, largest_eigenvalue, norm_bound};

use super::settings::Norm;
use crate::number::{Number, Real};
use crate::vector::peak;

/// Sides up to which the norm is exact by default.
const EXACT: usize = 32;

/// Memory for norms.
#[derive(Debug, Default)]
pub struct Work<T> {
    /// 4n elements for the longest dense side.
    pub vectors: Vec<T>,
    /// Numbers of the exact method.
    pub numbers: Vec<f64>,
}

fn exact(norm: Norm, n: usize) -> bool {
    norm == Norm::Exact || n <= EXACT && norm == Norm::Bounded
}

/// ‖S‖₂ for S = Sᴴ ⪰ 0 by its upper triangle, or a lower bound that is at least max_i S_ii.
///
/// With ℓ >= S_ii for every i, and |T₁ − T₂|_ii <= S_ii, a step μ/ℓ leaves a triangular factor's diagonal at least 1 − μ of
/// what it was: it stays invertible without any floor.
pub fn spectral<T: Number>(norm: Norm, n: usize, s: &[T], work: &mut Work<T>) -> f64 {
    let diagonal = (0..n).map(|i| s[i * n + i].re().to_f64()).fold(0.0, f64::max);
    if norm == Norm::OneColumn {
        return one_column(n, s, work);
    }
    let found = if exact(norm, n) {
        largest_eigenvalue(n, s, &mut work.numbers)
    } else {
        norm_bound(n, s, false, &mut work.vectors, &mut work.numbers)
    };
    // NaN goes on.
    if found >= diagonal || found.is_nan() { found } else { diagonal }
}

/// ‖R‖₂ for R = −Rᴴ in full, or a lower bound; `gram` holds n² elements.
pub fn skew<T: Number>(norm: Norm, n: usize, r: &[T], gram: &mut [T], work: &mut Work<T>) -> f64 {
    if !exact(norm, n) {
        return norm_bound(n, r, true, &mut work.vectors, &mut work.numbers);
    }
    // ‖R‖² is the largest eigenvalue of RᴴR = −R².
    let view = View::new(r, n, n, n);
    multiply(-T::ONE, view, view, T::default(), gram, n);
    largest_eigenvalue(n, gram, &mut work.numbers).max(0.0).sqrt()
}

/// S scaled by its largest element; from its longest column s, x = Ss/|Ss|, ℓ = |Sx|.
fn one_column<T: Number>(n: usize, s: &[T], work: &mut Work<T>) -> f64 {
    let largest = peak(s);
    if largest == 0.0 {
        return 0.0;
    }
    let column = largest_column(n, s, &mut work.numbers);
    let (x, y) = work.vectors[..2 * n].split_at_mut(n);
    let inverse = T::Real::from_f64(1.0 / largest);
    for (i, x) in x.iter_mut().enumerate() {
        *x = if i <= column { s[i * n + column] } else { s[column * n + i].conj() }.scale(inverse);
    }
    let size = |y: &[T]| crate::vector::squares(y).sqrt();
    T::hermitian_product(n, s, 1.0, x, y);
    let length = T::Real::from_f64(1.0 / size(y));
    y.iter_mut().for_each(|y| *y = y.scale(length));
    T::hermitian_product(n, s, 1.0, y, x);
    size(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_at_least_the_diagonal_and_near_the_norm() {
        // Five large entries that the start of the iteration may miss.
        let n = 200;
        let mut s: Vec<f32> = vec![0.0; n * n];
        for i in 0..n {
            for j in i..n {
                s[i * n + j] = if i / 10 == j / 10 { 1.0 + ((i * j) as f32).sin() * 0.2 } else { 0.0 };
            }
        }
        s[57 * n + 57] = 40.0;
        let mut work = Work { vectors: vec![0.0; 4 * n], numbers: Vec::new() };
        let exact = spectral(Norm::Exact, n, &s, &mut work);
        let bound = spectral(Norm::Bounded, n, &s, &mut work);
        assert!(bound >= 40.0 && bound <= exact * (1.0 + 1e-6) && bound > 0.99 * exact, "{bound} {exact}");
        assert_eq!(spectral(Norm::Bounded, n, &vec![0.0; n * n], &mut work), 0.0);
    }
}

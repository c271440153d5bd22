//! One step of the rotation that brings Q nearest to a positive definite matrix.
//!
//! Over orthogonal U, Re tr(UQ) is largest where UQ = (UQ)ᴴ ⪰ 0 (the orthogonal Procrustes problem, Schönemann 1966). With
//! the skew R = (Qᴴ − Q)/‖Qᴴ − Q‖ as direction, U = exp(aR) to second order: Q ← Q + a(RQ + (a/2)R²Q). The step a is the
//! one that maximises tr(Q) + a·t₁ + (a²/2)·t₂, t₁ = Re tr(RQ), t₂ = Re tr(R²Q), and at most 1/8. A real Q of negative
//! determinant cannot be rotated there; one that began at +I never is.
//!
//! Cost: 4n³ flop. What bounds it: the multiply-adds of two products.

use headwater_linalg::gemm::{View, multiply};

use super::norm::{self, Work};
use super::settings::Norm;
use crate::number::{Number, Real};
use crate::vector::{combine, scale};

/// Longest step; exp is then accurate to 3e-4.
const MOST: f64 = 0.125;

/// Rotates q (n × n) once; `r`, `rq`, `rrq` hold n² elements each.
pub fn rotate<T: Number>(norm: Norm, n: usize, q: &mut [T], [r, rq, rrq]: [&mut [T]; 3], work: &mut Work<T>) {
    for i in 0..n {
        for j in i..n {
            let above = q[j * n + i].conj() - q[i * n + j];
            r[i * n + j] = above;
            r[j * n + i] = -above.conj();
        }
    }
    let peak = crate::vector::peak(r);
    if peak == 0.0 || !peak.is_finite() {
        return;
    }
    scale(1.0 / peak, r);
    let size = norm::skew(norm, n, r, rq, work);
    if size == 0.0 {
        return;
    }
    scale(1.0 / size, r);
    let view = View::new(&*r, n, n, n);
    multiply(T::ONE, view, View::new(&*q, n, n, n), T::default(), rq, n);
    multiply(T::ONE, view, View::new(&*rq, n, n, n), T::default(), rrq, n);
    let trace = |x: &[T]| (0..n).map(|i| x[i * n + i].re().to_f64()).sum::<f64>();
    let (first, second) = (trace(rq), trace(rrq));
    let step = if second < 0.0 { (-first / second).min(MOST) } else { MOST };
    combine(step, rq, 0.5 * step * step, rrq, r);
    for (q, &r) in q.iter_mut().zip(r.iter()) {
        *q += r;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_lead_to_a_symmetric_matrix_and_keep_its_square() {
        let n = 6;
        let mut q: Vec<f64> = (0..n * n).map(|i| 0.3 * ((i * i) as f64).sin()).collect();
        (0..n).for_each(|i| q[i * n + i] += 2.0);
        let square = |q: &[f64]| -> Vec<f64> {
            (0..n * n).map(|at| (0..n).map(|k| q[k * n + at / n] * q[k * n + at % n]).sum()).collect()
        };
        let skewness = |q: &[f64]| (0..n * n).map(|at| (q[at] - q[at % n * n + at / n]).abs()).fold(0.0, f64::max);
        let before = square(&q);
        let at_first = skewness(&q);
        let mut parts = [vec![0.0; n * n], vec![0.0; n * n], vec![0.0; n * n]];
        let mut work = Work { vectors: vec![0.0; 4 * n], numbers: Vec::new() };
        for _ in 0..40 {
            let [a, b, c] = &mut parts;
            rotate(Norm::Bounded, n, &mut q, [a, b, c], &mut work);
        }
        assert!(skewness(&q) < 1e-6 * at_first, "{} of {at_first}", skewness(&q));
        let moved = before.iter().zip(square(&q)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(moved < 2e-2 * before.iter().copied().fold(0.0, f64::max), "{moved}");
    }
}

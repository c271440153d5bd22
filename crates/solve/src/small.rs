//! Cholesky factorisation of small dense Hermitian matrices of either number type.

use crate::scalar::Scalar;

/// Factors A = LLᴴ (n × n, row-major, lower triangle) in place; the error is the first pivot (0-based) that is not
/// above zero. Cost: n³/3 multiply-adds.
pub(crate) fn factor<T: Scalar>(n: usize, a: &mut [T]) -> Result<(), usize> {
    factor_unless(n, a, &|| false)
}

/// [`factor`], given up at the column where `stop`, asked at each, says so.
pub(crate) fn factor_unless<T: Scalar>(n: usize, a: &mut [T], stop: &dyn Fn() -> bool) -> Result<(), usize> {
    for j in 0..n {
        if stop() {
            return Err(j);
        }
        let mut pivot = a[j * n + j].re();
        for k in 0..j {
            let l = a[j * n + k];
            pivot -= (l * l.conj()).re();
        }
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(j);
        }
        let root = pivot.sqrt();
        a[j * n + j] = T::real(root);
        for i in j + 1..n {
            let mut sum = a[i * n + j];
            for k in 0..j {
                sum -= a[i * n + k] * a[j * n + k].conj();
            }
            a[i * n + j] = sum.scale(1.0 / root);
        }
    }
    Ok(())
}

/// Solves LLᴴx = b in place.
pub(crate) fn solve<T: Scalar>(n: usize, l: &[T], x: &mut [T]) {
    for i in 0..n {
        let mut sum = x[i];
        for k in 0..i {
            sum -= l[i * n + k] * x[k];
        }
        x[i] = sum.scale(1.0 / l[i * n + i].re());
    }
    for i in (0..n).rev() {
        x[i] = x[i].scale(1.0 / l[i * n + i].re());
        let value = x[i];
        for k in 0..i {
            x[k] -= l[i * n + k].conj() * value;
        }
    }
}

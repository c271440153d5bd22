//! Bounds of the spectrum of a Hermitian operator.
//!
//! Lanczos with full reorthogonalisation from a random start: after k steps the extreme eigenvalues θ of the tridiagonal
//! are Ritz values (inside the spectrum), and some eigenvalue lies within β_k|s_k| of each. Cost: k products, 2nk² flop,
//! n·k numbers of memory. Sources: C. Lanczos (1950); B. N. Parlett (1980), "The symmetric eigenvalue problem".
//! Gershgorin: every eigenvalue lies in a disc |λ − a_ii| <= Σ_{j≠i}|a_ij|; one pass over the matrix.

use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Error, parallel};

use crate::csr::Csr;
use crate::operator::Operator;
use crate::scalar::Scalar;
use crate::vector;

/// An interval about the spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Smallest Ritz value; at least the smallest eigenvalue.
    pub min: f64,
    /// Largest Ritz value; at most the largest eigenvalue.
    pub max: f64,
    /// Below `min` by its residual β_k|s_k|. An eigenvalue lies between; for a start without component in the lowest
    /// eigenvector there may be lower ones.
    pub lower: f64,
    /// Above `max` by its residual.
    pub upper: f64,
    /// Products made; fewer than asked for if the Krylov space is exhausted, when Ritz values are eigenvalues.
    pub steps: usize,
}

/// Extreme Ritz values after (at most) `steps` steps.
///
/// Errors: `option-not-valid` for an operator that is not square or empty, or no steps; `operator-not-finite` if the operator
/// returns NaN or infinity.
pub fn lanczos<T: Scalar>(operator: &dyn Operator<T>, steps: usize, seed: u64) -> Result<Bounds, Error> {
    let n = operator.rows();
    if operator.cols() != n || n == 0 || steps == 0 {
        return Err(Error::new("option-not-valid", "Lanczos needs a square operator and at least one step"));
    }
    let mut random = Stream::new(seed, Purpose::Probe, 1);
    let mut v: Vec<T> = (0..n).map(|_| T::normal(&mut random)).collect();
    let norm = vector::norm(T::reals(&v));
    vector::scale(1.0 / norm, T::reals_mut(&mut v));
    let mut basis = vec![v];
    let (mut diagonal, mut off) = (Vec::new(), Vec::new());
    let mut size = 0.0_f64;
    for k in 0..steps.min(n) {
        let mut w = vec![T::default(); n];
        operator.apply(&basis[k], &mut w);
        let image = vector::norm(T::reals(&w));
        if !image.is_finite() {
            return Err(Error::new("operator-not-finite", "the operator returned a number that is not finite"));
        }
        size = size.max(image);
        diagonal.push(T::dot(&basis[k], &w).re());
        for _ in 0..2 {
            for u in &basis {
                let part = T::dot(u, &w);
                T::axpy(-part, u, &mut w);
            }
        }
        let beta = vector::norm(T::reals(&w));
        if beta <= n as f64 * f64::EPSILON * size {
            off.push(0.0);
            break;
        }
        off.push(beta);
        vector::scale(1.0 / beta, T::reals_mut(&mut w));
        basis.push(w);
    }
    let m = diagonal.len();
    let mut t = vec![0.0; m * m];
    for k in 0..m {
        t[k * m + k] = diagonal[k];
        if k + 1 < m {
            (t[k * m + k + 1], t[(k + 1) * m + k]) = (off[k], off[k]);
        }
    }
    let (values, vectors) = headwater_linalg::eigen::symmetric(m, &t)
        .ok_or_else(|| Error::new("operator-not-finite", "the eigenvalues of the tridiagonal could not be computed"))?;
    let residual = |i: usize| off[m - 1] * vectors[i * m + m - 1].abs();
    Ok(Bounds {
        min: values[0],
        max: values[m - 1],
        lower: values[0] - residual(0),
        upper: values[m - 1] + residual(m - 1),
        steps: m,
    })
}

/// Gershgorin's interval: contains the spectrum of a Hermitian matrix for certain.
pub fn gershgorin<T: Scalar>(a: &Csr<T>) -> (f64, f64) {
    let ends = parallel::map(1, a.rows(), |i| {
        let (columns, values) = a.row(i);
        let (mut centre, mut radius) = (0.0, 0.0);
        for (&j, &v) in columns.iter().zip(values) {
            if j as usize == i { centre = v.re() } else { radius += v.modulus() }
        }
        (centre - radius, centre + radius)
    });
    ends.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &(low, high)| (a.min(low), b.max(high)))
}

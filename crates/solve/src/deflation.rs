//! Deflation: a space W whose part of the solution is found directly, so that the iteration sees only the rest of the
//! spectrum.
//!
//! x₀ += W(WᴴAW)⁻¹Wᴴr₀, then p = z − W(WᴴAW)⁻¹(AW)ᴴz + βp. With W the k lowest eigenvectors of M⁻¹A the effective
//! condition number is λ_n/λ_{k+1}. Cost: k applications once (AW), 4nk flop an iteration, 2nk numbers of memory.
//! Source: Y. Saad, M. Yeung, J. Erhel, F. Guyomarc'h (2000), "A deflated version of the conjugate gradient algorithm".

use headwater_base::Error;

use crate::oracle::{End, Stop};
use crate::outcome::Reason;
use crate::scalar::Scalar;
use crate::spectrum::Coefficients;
use crate::system::System;
use crate::{null_space, small, vector};

/// A space to deflate, kept as an orthonormal basis.
#[derive(Clone, Debug)]
pub struct Deflation<T> {
    columns: Vec<Vec<T>>,
}

impl<T: Scalar> Deflation<T> {
    /// The span of the vectors (for example [`crate::Outcome::ritz`] of an earlier solve).
    ///
    /// Errors: `option-not-valid` for no vectors, other lengths, non-finite numbers, or (numerically) dependent vectors.
    pub fn new(vectors: &[Vec<T>]) -> Result<Self, Error> {
        Ok(Self { columns: null_space::orthonormal(vectors)? })
    }

    /// Length of the vectors.
    pub fn rows(&self) -> usize {
        self.columns[0].len()
    }
}

/// W, AW and the factor of WᴴAW.
#[derive(Debug)]
pub(crate) struct Prepared<T> {
    w: Vec<Vec<T>>,
    aw: Vec<Vec<T>>,
    factor: Vec<T>,
    parts: Vec<T>,
}

impl<T: Scalar> Prepared<T> {
    pub async fn new(s: &mut System<'_, T>, space: &Deflation<T>) -> Result<Self, End<T>> {
        let (w, k) = (space.columns.clone(), space.columns.len());
        let mut aw = Vec::with_capacity(k);
        for column in &w {
            let mut image = vec![T::default(); column.len()];
            s.apply(column, &mut image).await?;
            aw.push(image);
        }
        let mut factor = vec![T::default(); k * k];
        for i in 0..k {
            for j in 0..=i {
                factor[i * k + j] = T::dot(&w[i], &aw[j]);
            }
        }
        if factor.iter().any(|v| !v.finite()) {
            return Err(crate::outcome::Location::Operator.into());
        }
        let diagonal: Vec<f64> = (0..k).map(|i| factor[i * k + i].re()).collect();
        if let Err(pivot) = small::factor(k, &mut factor) {
            // Not definite on W. A basis vector may show it; otherwise the combination is not given.
            let shown = (0..k).find(|&i| diagonal[i] < 0.0);
            let reason =
                if shown.is_some() || k > pivot + 1 { Reason::IndefiniteOperator } else { Reason::ZeroCurvature };
            return Err(End::Stop(Stop {
                reason,
                location: None,
                direction: shown.map(|i| w[i].clone()),
                curvature: shown.map(|i| diagonal[i]),
            }));
        }
        Ok(Self { w, aw, factor, parts: vec![T::default(); k] })
    }

    /// x += W(WᴴAW)⁻¹Wᴴr and r −= AW(…): afterwards Wᴴr = 0.
    pub fn start(&mut self, x: &mut [T], r: &mut [T]) {
        for (part, w) in self.parts.iter_mut().zip(&self.w) {
            *part = T::dot(w, r);
        }
        small::solve(self.w.len(), &self.factor, &mut self.parts);
        for (j, &part) in self.parts.iter().enumerate() {
            T::axpy(part, &self.w[j], x);
            T::axpy(-part, &self.aw[j], r);
        }
    }

    /// p −= W(WᴴAW)⁻¹(AW)ᴴz.
    pub fn direction(&mut self, z: &[T], p: &mut [T]) {
        for (part, aw) in self.parts.iter_mut().zip(&self.aw) {
            *part = T::dot(aw, z);
        }
        small::solve(self.w.len(), &self.factor, &mut self.parts);
        for (j, &part) in self.parts.iter().enumerate() {
            T::axpy(-part, &self.w[j], p);
        }
    }
}

/// Ritz vectors of the `wanted` smallest Ritz values from the first vectors v_j = ±z_j/√γ_j of the iteration, whose
/// projected matrix is the tridiagonal of the coefficients.
pub(crate) fn harvest<T: Scalar>(wanted: usize, vectors: &[Vec<T>], coefficients: &Coefficients) -> Vec<Vec<T>> {
    let (diagonal, off) = coefficients.tridiagonal();
    let m = vectors.len().min(diagonal.len());
    if m == 0 {
        return Vec::new();
    }
    let mut t = vec![0.0; m * m];
    for j in 0..m {
        t[j * m + j] = diagonal[j];
        if j + 1 < m {
            // Lanczos vectors with alternating signs make the couplings negative.
            t[j * m + j + 1] = -off[j];
            t[(j + 1) * m + j] = -off[j];
        }
    }
    let Some((_, eigenvectors)) = headwater_linalg::eigen::symmetric(m, &t) else { return Vec::new() };
    (0..wanted.min(m))
        .map(|i| {
            let mut ritz = vec![T::default(); vectors[0].len()];
            for j in 0..m {
                vector::axpy(eigenvectors[i * m + j], T::reals(&vectors[j]), T::reals_mut(&mut ritz));
            }
            let norm = vector::norm(T::reals(&ritz));
            vector::scale(1.0 / norm, T::reals_mut(&mut ritz));
            ritz
        })
        .collect()
}

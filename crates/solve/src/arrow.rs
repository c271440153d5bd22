//! Arrow matrices A = [[D, E], [Eᴴ, S₀]] with D block-diagonal, by the Schur complement S = S₀ − EᴴD⁻¹E.
//!
//! x₂ = S⁻¹(b₂ − EᴴD⁻¹b₁), x₁ = D⁻¹(b₁ − Ex₂): exact, so as a preconditioner of A itself one iteration is enough; it is
//! meant for matrices near an arrow. Cost: Σ n_i³/3 + n₂ solves with D + n₂³/3 flop once; twice a solve with D, two
//! products with E and 2n₂² flop an application; Σ n_i² + n₂² + nnz(E) numbers of memory.

use headwater_base::Error;

use crate::blocks::{Blocks, not_definite};
use crate::csr::Csr;
use crate::dense::Dense;
use crate::operator::{Operator, Preconditioner};
use crate::scalar::Scalar;
use crate::small;

/// A factored arrow matrix.
#[derive(Clone, Debug)]
pub struct Arrow<T> {
    d: Blocks<T>,
    e: Csr<T>,
    schur: Vec<T>,
}

impl<T: Scalar> Arrow<T>
where
    Csr<T>: Operator<T>,
{
    /// From the diagonal blocks of D, the border E (rows of D × rows of S₀) and S₀.
    ///
    /// Errors: `matrix-not-valid` for sizes that do not fit; `not-positive-definite` at the failing pivot, counted in A.
    pub fn new(d: Vec<Dense<T>>, e: Csr<T>, s0: &Dense<T>) -> Result<Self, Error> {
        let d = Blocks::new(d)?;
        let (n1, n2) = (d.rows(), s0.rows());
        if e.rows() != n1 || e.cols() != n2 || s0.cols() != n2 {
            return Err(Error::new(
                "matrix-not-valid",
                format!("the border must be {n1} × {n2} and the corner square"),
            ));
        }
        let mut schur = s0.data().to_vec();
        let (mut unit, mut column, mut image) =
            (vec![T::default(); n2], vec![T::default(); n1], vec![T::default(); n2]);
        for j in 0..n2 {
            unit[j] = T::real(1.0);
            e.apply(&unit, &mut column);
            unit[j] = T::default();
            d.solve(&mut column);
            e.apply_adjoint(&column, &mut image);
            for i in 0..n2 {
                schur[i * n2 + j] -= image[i];
            }
        }
        small::factor(n2, &mut schur).map_err(|pivot| not_definite("the Schur complement", n1 + pivot))?;
        Ok(Self { d, e, schur })
    }
}

impl<T: Scalar> Preconditioner<T> for Arrow<T>
where
    Csr<T>: Operator<T>,
{
    fn apply(&self, r: &[T], z: &mut [T]) {
        let n1 = self.d.rows();
        z.copy_from_slice(r);
        let (z1, z2) = z.split_at_mut(n1);
        self.d.solve(z1);
        let mut border = vec![T::default(); z2.len()];
        self.e.apply_adjoint(z1, &mut border);
        for (z, b) in z2.iter_mut().zip(&border) {
            *z -= *b;
        }
        small::solve(z2.len(), &self.schur, z2);
        let mut part = vec![T::default(); n1];
        self.e.apply(z2, &mut part);
        for ((z, r), p) in z1.iter_mut().zip(r).zip(&part) {
            *z = *r - *p;
        }
        self.d.solve(z1);
    }
}

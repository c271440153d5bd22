//! A known null space of A: the constant vector of a Laplacian, rigid motions of an elastic body.

use headwater_base::Error;

use crate::scalar::Scalar;
use crate::vector;

/// An orthonormal basis Z of the null space of a Hermitian A. A solve with it replaces b by (I − ZZᴴ)b, projects every
/// A p and M⁻¹r the same way (which takes off rounding only, since AZ = 0), and returns the solution of smallest norm.
/// ‖Zᴴb‖ is reported as inconsistency. Cost: 4 n·k flop per application and n·k numbers of memory.
#[derive(Clone, Debug)]
pub struct NullSpace<T> {
    rows: usize,
    columns: Vec<Vec<T>>,
}

impl<T: Scalar> NullSpace<T> {
    /// From vectors that span the space; they are orthonormalised (Gram–Schmidt, twice).
    ///
    /// Errors: `option-not-valid` for no vectors, other lengths, non-finite numbers, or (numerically) dependent vectors.
    pub fn new(vectors: &[Vec<T>]) -> Result<Self, Error> {
        let rows = vectors.first().map_or(0, Vec::len);
        let columns = orthonormal(vectors)?;
        Ok(Self { rows, columns })
    }

    /// Length of the vectors.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// v ← (I − ZZᴴ)v; returns ‖Zᴴv‖₂.
    pub fn project(&self, v: &mut [T]) -> f64 {
        let mut total = 0.0_f64;
        for z in &self.columns {
            let part = T::dot(z, v);
            T::axpy(-part, z, v);
            total = total.hypot(part.modulus());
        }
        total
    }
}

/// Orthonormal columns with the same span.
pub(crate) fn orthonormal<T: Scalar>(vectors: &[Vec<T>]) -> Result<Vec<Vec<T>>, Error> {
    let fail = |message: String| Err(Error::new("option-not-valid", message));
    let Some(first) = vectors.first() else { return fail("a basis needs at least one vector".into()) };
    let mut columns: Vec<Vec<T>> = Vec::with_capacity(vectors.len());
    for (index, given) in vectors.iter().enumerate() {
        if given.len() != first.len() || !vector::finite(T::reals(given)) {
            return fail(format!("vector {index} of the basis has another length than the first, or is not finite"));
        }
        let mut v = given.clone();
        let top = vector::largest(T::reals(&v));
        vector::scale(crate::scalar::power_of_two_inverse(top, false), T::reals_mut(&mut v));
        let before = vector::norm(T::reals(&v));
        for _ in 0..2 {
            for z in &columns {
                let part = T::dot(z, &v);
                T::axpy(-part, z, &mut v);
            }
        }
        let after = vector::norm(T::reals(&v));
        if !(after > 1e-10 * before) {
            return fail(format!("vector {index} of the basis depends on the earlier ones"));
        }
        vector::scale(1.0 / after, T::reals_mut(&mut v));
        columns.push(v);
    }
    Ok(columns)
}

//! The exact second derivatives of the least Q with an element held, at one point, as products with vectors: S + yyᵀ/z
//! ([`crate::pinned`]). Cost: one pass over the cells a product; the inverses P_i are kept.

use crate::block::Factor;
use crate::model::Model;
use crate::problem::Problem;
use headwater_base::parallel::Crew;
use headwater_linalg::{LANES, packed, packed_len};

/// See the module.
pub struct ExactHessian<'a> {
    model: Model<'a>,
    inverses: Vec<f64>,
    y: Vec<f64>,
    z: f64,
}

impl<'a> ExactHessian<'a> {
    /// At `long`, `short`, the equation on factor k with `weights`.
    pub fn new(
        problem: &'a Problem,
        long: &'a Factor,
        short: &'a Factor,
        weights: &[f64],
        k: usize,
        crew: Crew<'a>,
    ) -> Self {
        let model = Model::at(problem, long, short, crew);
        let inverses = model.inverse_lanes(&long.passive);
        let (y, z) = pull(&model, &inverses, weights, k);
        Self { model, inverses, y, z }
    }

    /// y and z.
    pub fn pull(&self) -> (&[f64], f64) {
        (&self.y, self.z)
    }

    /// Number of elements of the short factor.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// (S + yyᵀ/z) δ.
    pub fn product(&self, delta: &[f64]) -> Vec<f64> {
        let mut out = self.model.product_with(delta, &self.inverses);
        if self.z > 0.0 {
            let along = self.y.iter().zip(delta).map(|(y, d)| y * d).sum::<f64>() / self.z;
            out.iter_mut().zip(&self.y).for_each(|(out, y)| *out += along * y);
        }
        out
    }
}

/// y and z of factor k: element (j, l) of y is Σ_i s_i [w_l ω_j (h_j·P e_k) + u_j P_lk]. `inverses` as
/// [`Model::inverse_lanes`] gives them.
pub fn pull(model: &Model, inverses: &[f64], weights: &[f64], k: usize) -> (Vec<f64>, f64) {
    let (p, pairs) = (model.p, packed_len(model.p) * LANES);
    let mut z = 0.0;
    let columns: Vec<f64> = inverses
        .chunks_exact(pairs)
        .enumerate()
        .flat_map(|(block, inverse)| {
            let mut column = vec![0.0; p * LANES];
            for (e, s) in weights[block * LANES..].iter().take(LANES).enumerate() {
                for l in 0..p {
                    column[l * LANES + e] = s * inverse[packed(k.max(l), k.min(l)) * LANES + e];
                }
                z += s * column[k * LANES + e];
            }
            column
        })
        .collect();
    (model.response(&columns), z)
}

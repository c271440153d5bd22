//! The best atoms of every row, by products of whole tiles and repeated maxima.
//!
//! Products R Dᵀ become scores in place of them; the largest score of every row is taken `keep` times, and lowered below 0 each
//! time. What bounds it: for many columns the product, for few of them the `keep` passes over rows × atoms scores.

use candle_core::{D, Result, Tensor};
use headwater_linalg::device::Scoring;

use crate::kernels::ELEMENTS;

/// Atoms of every row by falling score, at most `keep` with a score above 0.
pub fn route(directions: &Tensor, scoring: Scoring, residuals: &[f32], keep: usize) -> Result<Vec<Vec<u32>>> {
    let (count, columns) = directions.dims2()?;
    let (atoms, rows) = (count / scoring.width, residuals.len() / columns);
    let size = (ELEMENTS / count.max(1)).max(1);
    let mut found = Vec::with_capacity(rows);
    for from in (0..rows).step_by(size) {
        let some = size.min(rows - from);
        let part = &residuals[from * columns..(from + some) * columns];
        let products = Tensor::from_slice(part, (some, columns), directions.device())?.matmul(&directions.t()?)?;
        let mut scores = if scoring.width == 2 {
            products.reshape((some, atoms, 2))?.sqr()?.sum(D::Minus1)?
        } else if scoring.non_negative {
            products.relu()?.sqr()?
        } else {
            products.sqr()?
        };
        let mut best = vec![Vec::new(); some];
        for _ in 0..keep.min(atoms) {
            let at = scores.argmax_keepdim(1)?;
            let most = scores.gather(&at, 1)?;
            let (atoms, values): (Vec<u32>, Vec<f32>) = (at.flatten_all()?.to_vec1()?, most.flatten_all()?.to_vec1()?);
            if values.iter().all(|value| *value <= 0.0) {
                break;
            }
            for (best, (atom, value)) in best.iter_mut().zip(atoms.into_iter().zip(values)) {
                if value > 0.0 {
                    best.push(atom);
                }
            }
            // To −1, or to 0 where −1 is lost in rounding: neither counts.
            scores = scores.scatter_add(&at, &most.affine(-1.0, -1.0)?, 1)?;
        }
        found.extend(best);
    }
    Ok(found)
}

//! The best atoms of every row, by products of whole tiles and maxima of strips.
//!
//! Products R Dᵀ become scores s, cut into strips of 32 atoms. The `keep` largest scores of a row lie in the `keep` strips with the
//! largest maxima, so these strips are found first, among the maxima alone, and then the scores, among those strips alone: each by
//! taking the largest one `keep` times, lowered below 0 each time. What bounds it: for many columns the product; for few of them a
//! handful of passes over rows × atoms scores, instead of `keep`.

use candle_core::{D, Result, Tensor};
use headwater_linalg::device::Scoring;

use crate::kernels::ELEMENTS;

/// Atoms of a strip.
const STRIP: usize = 32;

/// Atoms of every row by falling score, at most `keep` with a score above 0.
pub fn route(directions: &Tensor, scoring: Scoring, residuals: &[f32], keep: usize) -> Result<Vec<Vec<u32>>> {
    let (count, columns) = directions.dims2()?;
    let (atoms, rows) = (count / scoring.width, residuals.len() / columns);
    if keep.min(atoms) == 0 {
        return Ok(vec![Vec::new(); rows]);
    }
    let size = (ELEMENTS / count.max(1)).max(1);
    let mut found = Vec::with_capacity(rows);
    for from in (0..rows).step_by(size) {
        let some = size.min(rows - from);
        let part = &residuals[from * columns..(from + some) * columns];
        let products = Tensor::from_slice(part, (some, columns), directions.device())?.matmul(&directions.t()?)?;
        let scores = if scoring.width == 2 {
            products.reshape((some, atoms, 2))?.sqr()?.sum(D::Minus1)?
        } else if scoring.non_negative {
            products.relu()?.sqr()?
        } else {
            products.sqr()?
        };
        let (best, values) = best(scores, keep)?;
        found.extend(best.into_iter().zip(values).map(|(atoms, values)| {
            atoms.into_iter().zip(values).filter(|(_, value)| *value > 0.0).map(|(atom, _)| atom).collect()
        }));
    }
    Ok(found)
}

/// The atoms of the largest scores of each row, and the scores.
fn best(scores: Tensor, keep: usize) -> Result<(Vec<Vec<u32>>, Vec<Vec<f32>>)> {
    let (rows, atoms) = scores.dims2()?;
    let strips = atoms.div_ceil(STRIP);
    let kept = keep.min(strips);
    if kept == strips {
        let (at, most) = largest(scores, keep.min(atoms))?;
        return Ok((at.to_vec2()?, most.to_vec2()?));
    }
    // What fills the last strip scores 0, which does not count.
    let scores = scores.pad_with_zeros(1, 0, strips * STRIP - atoms)?.reshape((rows, strips, STRIP))?;
    let (strip, _) = largest(scores.max(D::Minus1)?, kept)?;
    let every = strip.unsqueeze(2)?.broadcast_as((rows, kept, STRIP))?.contiguous()?;
    let candidates = scores.gather(&every, 1)?.reshape((rows, kept * STRIP))?;
    let (at, most) = largest(candidates, keep)?;
    let (strip, at): (Vec<Vec<u32>>, Vec<Vec<u32>>) = (strip.to_vec2()?, at.to_vec2()?);
    let atom = |strip: &[u32], at: u32| strip[at as usize / STRIP] * STRIP as u32 + at % STRIP as u32;
    let named = strip.iter().zip(at).map(|(strip, at)| at.into_iter().map(|at| atom(strip, at)).collect());
    Ok((named.collect(), most.to_vec2()?))
}

/// Places and values of the `count` largest numbers of each row, by falling value. The numbers are not negative.
fn largest(mut numbers: Tensor, count: usize) -> Result<(Tensor, Tensor)> {
    let (mut places, mut values) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _ in 0..count {
        let at = numbers.argmax_keepdim(1)?;
        let most = numbers.gather(&at, 1)?;
        // To −1, or to 0 where −1 is lost in rounding: neither counts.
        numbers = numbers.scatter_add(&at, &most.affine(-1.0, -1.0)?, 1)?;
        (places.push(at), values.push(most));
    }
    Ok((Tensor::cat(&places, 1)?, Tensor::cat(&values, 1)?))
}
